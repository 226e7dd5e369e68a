//! Ranges of order-29 cells that a region touches: what a catalogue sorted by `_healpix_29` is cut by.
//!
//! - input: a region, how many ranges are wanted at most
//! - output: disjoint rising ranges that together hold every position of the region, each with
//!   whether all of its cells lie inside
//! - adaptive: begins with the cells of the order at which the region touches nine at most, and
//!   divides those at the rim, an order at a time, while the ranges are few enough
//! - a cell is judged by the circle about its centre that holds it (no cell reaches farther from its
//!   centre than its corners)

use crate::error::SphereError;
use crate::healpix::{HEALPIX29_ORDER, healpix29_range};
use crate::polygon::SphericalPolygon;
use crate::region::SkyRegion;
use cdshealpix::{best_starting_depth, has_best_starting_depth, nested};
use elqui_base::UnitVector;
use std::ops::Range;

/// Cells of order 29, and whether a region holds all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellRange {
    pub cells: Range<u64>,
    /// Every position in these cells is in the region: nothing has to be tested there.
    pub inside: bool,
}

/// Far above the rounding of positions and cells, rad (20 nas); cells of order 29 have 400 uas.
const SLACK_RAD: f64 = 1e-13;
/// Beyond this angle (rad) a chord is no measure of an angle.
const CHORD_MAX_RAD: f64 = 3.0;
/// Farthest corner from the centre of a cell, times the number of cells along a base cell's side:
/// 1.0690 over the whole sky (at the transition between equator and caps).
const CORNER_RAD: f64 = 1.07;
/// Below this latitude (rad) the touched cells are all of the equatorial kind.
const EQUATORIAL_RAD: f64 = 0.71;
/// Ranges that the first cells may make, however few are wanted.
pub(crate) const RANGES_LEAST: usize = 12;
/// Cells at the rim for each range that is wanted; the work stops there.
const RIM_CELLS: usize = 4;

/// See [`CellRange`]. At most `ranges_max` ranges, or 12 where that is less.
pub(crate) fn ranges_for(
    region: &SkyRegion,
    ranges_max: usize,
) -> Result<Vec<CellRange>, SphereError> {
    let judge = Judge::of(region)?;
    let ranges_max = ranges_max.max(RANGES_LEAST);

    let (mut order, first) = judge.first_cells(HEALPIX29_ORDER);
    let mut found = Level::default();
    let judged = judge.at(order);
    first.into_iter().for_each(|cell| found.add(order, cell, &judged));
    while order < HEALPIX29_ORDER && (1..=RIM_CELLS * ranges_max).contains(&found.rim_cells) {
        order += 1;
        let judged = judge.at(order);
        let mut next = Level::default();
        for item in &found.items {
            if item.inside {
                next.push(item.cells.clone(), true);
            } else {
                let shift = 2 * (HEALPIX29_ORDER - order);
                let first = item.cells.start >> shift;
                (first..first + 4).for_each(|cell| next.add(order, cell, &judged));
            }
        }
        if next.ranges > ranges_max {
            break;
        }
        found = next;
    }
    Ok(found.merged())
}

/// The cells of one step: those inside in ranges, those at the rim one by one.
#[derive(Default)]
struct Level {
    items: Vec<CellRange>,
    ranges: usize,
    rim_cells: usize,
}

impl Level {
    fn add(&mut self, order: u8, cell: u64, judge: &OrderJudge<'_>) {
        match judge.verdict(order, cell) {
            Verdict::Outside => {}
            Verdict::Rim => self.push(healpix29_range(order, cell), false),
            Verdict::Inside => self.push(healpix29_range(order, cell), true),
        }
    }

    fn push(&mut self, cells: Range<u64>, inside: bool) {
        self.rim_cells += usize::from(!inside);
        match self.items.last_mut() {
            Some(last) if last.cells.end == cells.start && last.inside == inside => {
                if inside {
                    last.cells.end = cells.end;
                    return;
                }
            }
            _ => self.ranges += 1,
        }
        self.items.push(CellRange { cells, inside });
    }

    fn merged(self) -> Vec<CellRange> {
        let mut out: Vec<CellRange> = Vec::with_capacity(self.ranges);
        for item in self.items {
            match out.last_mut() {
                Some(last) if last.cells.end == item.cells.start && last.inside == item.inside => {
                    last.cells.end = item.cells.end;
                }
                _ => out.push(item),
            }
        }
        out
    }
}

enum Shape {
    Circle,
    Polygon(SphericalPolygon),
}

pub(crate) enum Verdict {
    Outside,
    /// Neither is certain.
    Rim,
    Inside,
}

/// How cells are judged against a region.
pub(crate) struct Judge {
    shape: Shape,
    /// Of the circle about the region, deg.
    ra: f64,
    dec: f64,
    center: UnitVector,
    /// With slack, rad.
    radius: f64,
}

impl Judge {
    pub fn of(region: &SkyRegion) -> Result<Self, SphereError> {
        let (ra, dec, radius) = region.bounding_circle()?;
        let shape = match region {
            SkyRegion::Circle { .. } => Shape::Circle,
            _ => Shape::Polygon(region.polygon()?),
        };
        let center = UnitVector::from_ra_dec_deg(ra, dec);
        Ok(Self { shape, ra, dec, center, radius: radius.to_radians() + SLACK_RAD })
    }

    /// Cells of one order, at most `order_max`, that hold the region: nine, or the twelve of order 0.
    pub fn first_cells(&self, order_max: u8) -> (u8, Vec<u64>) {
        if !has_best_starting_depth(self.radius) {
            return (0, (0..12).collect());
        }
        // An order above the one of cdshealpix's promise: near the poles its own cones lack cells.
        let order = best_starting_depth(self.radius).saturating_sub(1).min(order_max);
        let lon = self.ra.rem_euclid(360.0).to_radians();
        let cell = nested::hash(order, lon, self.dec.to_radians());
        let mut cells = vec![cell];
        nested::append_bulk_neighbours(order, cell, &mut cells);
        cells.sort_unstable();
        cells.dedup();
        (order, cells)
    }

    pub fn at(&self, order: u8) -> OrderJudge<'_> {
        let (side, radius) = (1.0 / f64::from(order).exp2(), self.radius);
        let lat_max = self.dec.to_radians().abs() + radius + 2.0 * CORNER_RAD * side;
        let corner = if lat_max < EQUATORIAL_RAD {
            // Half diagonals: pi / 4 cos(lat) along the parallel, 2 / 3 in z along the meridian.
            (2.0 / 3.0 / lat_max.cos()).max(std::f64::consts::FRAC_PI_4) * 1.001
        } else {
            CORNER_RAD
        };
        let cell_rad = corner * side + SLACK_RAD;
        let chord2 = |angle: f64| (2.0 * (0.5 * angle).sin()).powi(2);
        let (near, far) = (radius - 2.0 * SLACK_RAD - cell_rad, radius + cell_rad);
        OrderJudge {
            judge: self,
            cell_rad,
            inside: if near > 0.0 { chord2(near.min(CHORD_MAX_RAD)) } else { -1.0 },
            outside: if far < CHORD_MAX_RAD { chord2(far) } else { f64::INFINITY },
        }
    }
}

/// The same for cells of one order.
pub(crate) struct OrderJudge<'a> {
    judge: &'a Judge,
    /// Radius of a circle that holds any cell, with slack, rad.
    cell_rad: f64,
    /// Squared chords from the region's centre, of cells that lie inside and outside.
    inside: f64,
    outside: f64,
}

impl OrderJudge<'_> {
    pub fn verdict(&self, order: u8, cell: u64) -> Verdict {
        let (lon, lat) = nested::center(order, cell);
        let ((sin_lon, cos_lon), (sin_lat, cos_lat)) = (lon.sin_cos(), lat.sin_cos());
        let p = UnitVector([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]);
        let center = self.judge.center;
        let chord2 = (0..3).map(|k| (p.0[k] - center.0[k]).powi(2)).sum::<f64>();
        // The bounding circle of a polygon speaks first.
        if chord2 > self.outside {
            return Verdict::Outside;
        }
        match &self.judge.shape {
            Shape::Circle if chord2 < self.inside => Verdict::Inside,
            Shape::Circle => Verdict::Rim,
            Shape::Polygon(polygon) if polygon.rim_distance_rad(p) <= self.cell_rad => Verdict::Rim,
            Shape::Polygon(polygon) if polygon.contains(p) => Verdict::Inside,
            Shape::Polygon(_) => Verdict::Outside,
        }
    }
}
