//! Ranges of order-29 cells about shapes that are no circles or polygons: a zone of right ascension and
//! declination, and a HEALPix cell with what is near it.
//!
//! - complete: every position of the zone, or within the radius of the cell, is in a range
//! - a cell is judged by the circle about its centre that holds it, as in `ranges`

use crate::healpix::{HEALPIX29_ORDER, healpix_center, healpix_side_deg, healpix29_range};
use cdshealpix::nested;
use std::ops::Range;

/// Farthest corner from the centre of a cell, times its side (1.0690 / sqrt(pi / 3)), with a little more.
const CORNER_PER_SIDE: f64 = 1.05;
/// Far above the rounding of angles, deg.
const SLACK_DEG: f64 = 1e-9;
/// Cells at the rim for each range that is wanted; the work stops there.
const RIM_CELLS: usize = 4;

/// Cells between two parallels, and between two meridians (`ra.0` eastward to `ra.1`) where given; deg.
pub fn zone_ranges(ra: Option<(f64, f64)>, dec: (f64, f64), ranges_max: usize) -> Vec<Range<u64>> {
    let mut done: Vec<Range<u64>> = Vec::new();
    let mut rim: Vec<u64> = (0..12).collect();
    let mut order = 0;
    loop {
        let mut next = Vec::new();
        for cell in rim {
            match judge(ra, dec, order, cell) {
                Place::Outside => {}
                Place::Inside => done.push(healpix29_range(order, cell)),
                Place::Rim => next.push(cell),
            }
        }
        let children = 4 * next.len();
        if order == HEALPIX29_ORDER || next.is_empty() || children > RIM_CELLS * ranges_max.max(12)
        {
            done.extend(next.into_iter().map(|c| healpix29_range(order, c)));
            return joined(done);
        }
        rim = next.into_iter().flat_map(|c| 4 * c..4 * c + 4).collect();
        order += 1;
    }
}

enum Place {
    Outside,
    Inside,
    Rim,
}

fn judge(ra: Option<(f64, f64)>, dec: (f64, f64), order: u8, cell: u64) -> Place {
    let (ra0, dec0) = healpix_center(order, cell);
    let radius = CORNER_PER_SIDE * healpix_side_deg(order) + SLACK_DEG;
    if dec0 - radius > dec.1 || dec0 + radius < dec.0 {
        return Place::Outside;
    }
    let mut inside = dec0 - radius >= dec.0 && dec0 + radius <= dec.1;
    if let Some((west, east)) = ra {
        let half = 0.5 * (east - west);
        let away = (ra0 - (west + half) + 180.0).rem_euclid(360.0) - 180.0;
        // About a pole every meridian is near.
        let sin = radius.to_radians().sin() / dec0.to_radians().cos();
        if radius >= 90.0 || sin >= 1.0 {
            return Place::Rim;
        }
        let reach = sin.asin().to_degrees() + SLACK_DEG;
        if away.abs() > half + reach && half < 180.0 {
            return Place::Outside;
        }
        inside &= away.abs() + reach <= half;
    }
    if inside { Place::Inside } else { Place::Rim }
}

/// Orders below a cell's own at which its surroundings are laid.
const EDGE_ORDERS: u8 = 6;

/// A cell, and the cells around it that positions within `radius_deg` of it can stand in.
pub fn healpix_margin_ranges(order: u8, index: u64, radius_deg: f64) -> Vec<Range<u64>> {
    // A cell is at its narrowest 0.6 of its side between opposite edges.
    let wide_enough = |o: u8| healpix_side_deg(o) > 2.0 * radius_deg;
    if !wide_enough(order) {
        return vec![0..12 << 58];
    }
    let deepest = (order + EDGE_ORDERS).min(HEALPIX29_ORDER);
    let edge = (order..=deepest).rev().find(|o| wide_enough(*o)).unwrap_or(order);
    let mut ranges = vec![healpix29_range(order, index)];
    if edge == order {
        let mut around = Vec::new();
        nested::append_bulk_neighbours(order, index, &mut around);
        ranges.extend(around.into_iter().map(|c| healpix29_range(order, c)));
    } else {
        let around = nested::external_edge(order, index, edge - order);
        ranges.extend(around.iter().map(|c| healpix29_range(edge, *c)));
    }
    joined(ranges)
}

fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|r| r.start);
    let mut out: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for r in ranges {
        match out.last_mut() {
            Some(last) if last.end >= r.start => last.end = last.end.max(r.end),
            _ => out.push(r),
        }
    }
    out
}
