//! Whether regions have a position in common, and whether one holds another: ADQL's INTERSECTS, and
//! CONTAINS of a shape.
//!
//! - circles: the distance of the centres against the radii
//! - polygons: a corner of one in the other, or two sides that cross
//! - circle and polygon: the centre inside, or a side nearer than the radius
//! - coverage and region: cells of the region that the coverage has are divided until one's centre is
//!   in the region; what is still open after [`CELLS_MAX`] cells counts as touching
//! - touching counts, within [`TOUCH_RAD`]; regions that are not valid overlap and hold nothing

use crate::coverage::Coverage;
use crate::healpix::{HEALPIX29_ORDER, healpix_center, healpix29_range};
use crate::polygon::{SphericalPolygon, cross, dot, minus, side_distance_rad};
use crate::ranges::{Judge, Verdict};
use crate::region::SkyRegion;
use elqui_base::UnitVector;
use std::f64::consts::PI;
use std::ops::Range;

/// Positions that are this near are the same, rad (0.2 uas).
const TOUCH_RAD: f64 = 1e-12;
/// Cells that are judged for one answer between a coverage and a region.
const CELLS_MAX: usize = 20_000;

/// A region in vectors, rad.
enum Form {
    Circle(UnitVector, f64),
    Polygon(SphericalPolygon),
}

impl Form {
    fn of(region: &SkyRegion) -> Option<Self> {
        region.check().ok()?;
        Some(match region {
            SkyRegion::Circle { ra, dec, radius } => {
                Form::Circle(UnitVector::from_ra_dec_deg(*ra, *dec), radius.to_radians())
            }
            _ => Form::Polygon(region.polygon().ok()?),
        })
    }
}

impl SkyRegion {
    /// Whether the two have a position in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (Form::of(self), Form::of(other)) {
            (Some(Form::Circle(p, r)), Some(Form::Circle(q, s))) => {
                p.separation(q).rad() <= r + s + TOUCH_RAD
            }
            (Some(Form::Circle(p, r)), Some(Form::Polygon(polygon)))
            | (Some(Form::Polygon(polygon)), Some(Form::Circle(p, r))) => {
                polygon.contains(p) || polygon.rim_distance_rad(p) <= r + TOUCH_RAD
            }
            (Some(Form::Polygon(a)), Some(Form::Polygon(b))) => {
                let inside = |a: &SphericalPolygon, b: &SphericalPolygon| {
                    a.vectors.iter().any(|v| b.contains(*v) || b.rim_distance_rad(*v) <= TOUCH_RAD)
                };
                inside(&a, &b)
                    || inside(&b, &a)
                    || a.sides().any(|s| b.sides().any(|t| sides_cross(s, t)))
            }
            _ => false,
        }
    }

    /// Whether every position of `inner` lies in this region. Polygons are taken as simple: their
    /// sides do not cross each other.
    pub fn holds(&self, inner: &Self) -> bool {
        match (Form::of(self), Form::of(inner)) {
            (Some(Form::Circle(p, r)), Some(Form::Circle(q, s))) => {
                r >= PI || p.separation(q).rad() + s <= r + TOUCH_RAD
            }
            (Some(Form::Circle(p, r)), Some(Form::Polygon(polygon))) => {
                if r <= 0.5 * PI {
                    return polygon.vectors.iter().all(|v| v.separation(p).rad() <= r + TOUCH_RAD);
                }
                // Outside of the circle is a smaller one about the antipode.
                let antipode = UnitVector(p.0.map(|x| -x));
                r >= PI
                    || (!polygon.contains(antipode)
                        && polygon.rim_distance_rad(antipode) >= PI - r - TOUCH_RAD)
            }
            (Some(Form::Polygon(polygon)), Some(Form::Circle(q, s))) => {
                polygon.contains(q) && polygon.rim_distance_rad(q) >= s - TOUCH_RAD
            }
            (Some(Form::Polygon(a)), Some(Form::Polygon(b))) => {
                b.vectors.iter().all(|v| a.contains(*v) || a.rim_distance_rad(*v) <= TOUCH_RAD)
                    && !a.sides().any(|s| b.sides().any(|t| sides_cross_clearly(s, t)))
            }
            _ => false,
        }
    }
}

impl Coverage {
    /// Whether a region and one of the cells have a position in common.
    pub fn overlaps(&self, region: &SkyRegion) -> bool {
        let Ok(shape) = region.bounding_circle() else { return false };
        let (ra, dec, _) = shape;
        if self.contains(ra, dec) && region.contains(ra, dec) {
            return true;
        }
        let ranges = self.ranges29();
        let touches = |cells: &Range<u64>| {
            let k = ranges.partition_point(|r| r.end <= cells.start);
            ranges.get(k).is_some_and(|r| r.start < cells.end)
        };
        let Ok(judge) = Judge::of(region) else { return false };
        let mut open: Vec<(u8, u64)> = (0..12).rev().map(|cell| (0, cell)).collect();
        for _ in 0..CELLS_MAX {
            let Some((order, cell)) = open.pop() else { return false };
            if !touches(&healpix29_range(order, cell)) {
                continue;
            }
            match judge.at(order).verdict(order, cell) {
                Verdict::Outside => continue,
                Verdict::Inside => return true,
                Verdict::Rim if order == HEALPIX29_ORDER => return true,
                Verdict::Rim => {}
            }
            let (ra, dec) = healpix_center(order, cell);
            if self.contains(ra, dec) && region.contains(ra, dec) {
                return true;
            }
            open.extend((4 * cell..4 * cell + 4).rev().map(|child| (order + 1, child)));
        }
        true
    }

    pub fn overlaps_coverage(&self, other: &Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// Whether every position of a region is in the cells: no cell of the region outside of them, by
    /// the cells of order 29.
    pub fn holds(&self, region: &SkyRegion) -> bool {
        region.check().is_ok() && !self.complement().overlaps(region)
    }
}

type Side = (UnitVector, UnitVector);

/// On which side of an arc's great circle a position lies: the sine of its distance times the
/// arc's length.
fn off((a, b): Side, p: UnitVector) -> f64 {
    dot(cross(a.0, minus(b, a)), minus(p, a))
}

/// Two arcs shorter than half a circle meet when each one's ends lie on both sides of the other,
/// and not on opposite sides of the globe.
fn sides_cross(s: Side, t: Side) -> bool {
    let near = [s.0, s.1].iter().any(|p| p.dot(t.0) > 0.0 || p.dot(t.1) > 0.0);
    let apart = |s: Side, t: Side| off(s, t.0) * off(s, t.1) <= 0.0;
    let ends = |(a, b): Side, p| side_distance_rad(a, b, p) <= TOUCH_RAD;
    // Arcs on one great circle are on neither side; they meet where an end of one is on the other.
    let flat = off(s, t.0) == 0.0 && off(s, t.1) == 0.0;
    near && if flat {
        ends(s, t.0) || ends(s, t.1) || ends(t, s.0)
    } else {
        apart(s, t) && apart(t, s)
    }
}

/// Not by touching.
fn sides_cross_clearly(s: Side, t: Side) -> bool {
    let length = |(a, b): Side| a.separation(b).rad();
    let apart = |s: Side, t: Side| {
        let (p, q, least) = (off(s, t.0), off(s, t.1), TOUCH_RAD * length(s));
        p.abs() > least && q.abs() > least && (p > 0.0) != (q > 0.0)
    };
    let near = [s.0, s.1].iter().any(|p| p.dot(t.0) > 0.0 || p.dot(t.1) > 0.0);
    near && apart(s, t) && apart(t, s)
}
