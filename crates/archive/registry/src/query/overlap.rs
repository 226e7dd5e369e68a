//! Whether two shapes on the sky have a point in common.
//!
//! - circles: the separation of the centres against the sum of the radii
//! - polygons: a corner of one in the other, or two sides that cross
//! - circle and polygon: the centre inside, or a side nearer than the radius
//! - HEALPix cells: polygons of many short sides, whose inside HEALPix itself tells
//!
//! Touching counts. Sides are great circles. Regions that are not valid overlap nothing.

use super::healpix::Cell;
use elqui_base::UnitVector;
use elqui_sphere::SkyRegion;

/// Positions that are this near are the same, rad (0.2 mas).
const TOUCH_RAD: f64 = 1e-9;

enum Kind {
    Region(SkyRegion),
    Cell(Cell),
}

/// A region or a cell, with what is asked of it again and again.
pub(super) struct Shape {
    kind: Kind,
    /// Positions of which one lies in any shape that lies in this one's sides: deg.
    inner: Vec<(f64, f64)>,
    sides: Vec<Side>,
}

impl Shape {
    /// `None` for a region that is not valid.
    pub fn region(region: SkyRegion) -> Option<Self> {
        region.check().ok()?;
        let inner = region.vertices();
        let corners: Vec<UnitVector> =
            inner.iter().map(|&(ra, dec)| UnitVector::from_ra_dec_deg(ra, dec)).collect();
        Some(Self { kind: Kind::Region(region), inner, sides: sides(&corners) })
    }

    pub fn cell(cell: Cell) -> Self {
        let corners = cell.border();
        Self { kind: Kind::Cell(cell), inner: vec![cell.center()], sides: sides(&corners) }
    }

    fn contains(&self, ra: f64, dec: f64) -> bool {
        match &self.kind {
            Kind::Region(region) => region.contains(ra, dec),
            Kind::Cell(cell) => cell.contains(ra, dec),
        }
    }

    /// Centre (deg) and radius (rad).
    fn circle(&self) -> Option<((f64, f64), f64)> {
        match &self.kind {
            Kind::Region(SkyRegion::Circle { ra, dec, radius }) => {
                Some(((*ra, *dec), radius.to_radians()))
            }
            _ => None,
        }
    }
}

pub(super) fn overlap(a: &Shape, b: &Shape) -> bool {
    match (a.circle(), b.circle()) {
        (Some((p, r)), Some((q, s))) => {
            let at = |(ra, dec): (f64, f64)| UnitVector::from_ra_dec_deg(ra, dec);
            at(p).separation(at(q)).rad() <= r + s + TOUCH_RAD
        }
        (Some(circle), None) => circle_meets(circle, b),
        (None, Some(circle)) => circle_meets(circle, a),
        (None, None) => {
            let inside =
                |a: &Shape, b: &Shape| a.inner.iter().any(|&(ra, dec)| b.contains(ra, dec));
            inside(a, b)
                || inside(b, a)
                || a.sides.iter().any(|s| b.sides.iter().any(|t| cross(*s, *t)))
        }
    }
}

fn circle_meets(((ra, dec), radius): ((f64, f64), f64), other: &Shape) -> bool {
    let center = UnitVector::from_ra_dec_deg(ra, dec);
    let near = |(p, q): &Side| distance_rad(*p, *q, center) <= radius + TOUCH_RAD;
    other.contains(ra, dec) || other.sides.iter().any(near)
}

type Side = (UnitVector, UnitVector);

fn sides(corners: &[UnitVector]) -> Vec<Side> {
    (0..corners.len()).map(|k| (corners[k], corners[(k + 1) % corners.len()])).collect()
}

fn triple(a: UnitVector, b: UnitVector, p: UnitVector) -> f64 {
    UnitVector(a.cross(b)).dot(p)
}

/// Two arcs shorter than half a circle meet when each one's ends lie on both sides of the other,
/// and not on opposite sides of the globe.
fn cross((a, b): Side, (c, d): Side) -> bool {
    let (abc, abd) = (triple(a, b, c), triple(a, b, d));
    let (cda, cdb) = (triple(c, d, a), triple(c, d, b));
    let near = a.dot(c) > 0.0 || a.dot(d) > 0.0 || b.dot(c) > 0.0 || b.dot(d) > 0.0;
    near && abc * abd <= 0.0 && cda * cdb <= 0.0
}

fn distance_rad(a: UnitVector, b: UnitVector, p: UnitVector) -> f64 {
    let ends = a.separation(p).rad().min(b.separation(p).rad());
    let pole = a.cross(b);
    let length = pole.iter().map(|v| v * v).sum::<f64>().sqrt();
    if length < 1e-15 {
        return ends;
    }
    let pole = UnitVector(pole.map(|v| v / length));
    let beside = triple(pole, a, p) >= 0.0 && triple(pole, b, p) <= 0.0;
    if beside { pole.dot(p).clamp(-1.0, 1.0).asin().abs() } else { ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_boxes_and_polygons() {
        let c = |ra, dec, radius| SkyRegion::Circle { ra, dec, radius };
        let b = |ra, dec, size| SkyRegion::Box { ra, dec, width: size, height: size };
        for (one, two, yes) in [
            (c(10.0, 0.0, 1.0), c(12.0, 0.0, 1.0), true),
            (c(10.0, 0.0, 1.0), c(12.1, 0.0, 1.0), false),
            (c(359.9, 0.0, 0.2), c(0.1, 0.0, 0.1), true),
            (b(10.0, 0.0, 2.0), c(11.5, 0.0, 0.6), true),
            (b(10.0, 0.0, 2.0), c(11.5, 0.0, 0.4), false),
            (b(10.0, 0.0, 2.0), c(10.0, 0.0, 0.01), true),
            (c(10.0, 0.0, 5.0), b(10.0, 0.0, 2.0), true),
            (b(10.0, 0.0, 2.0), b(11.5, 1.5, 2.0), true),
            (b(10.0, 0.0, 2.0), b(13.0, 0.0, 2.0), false),
            (b(10.0, 0.0, 2.0), b(190.0, 0.0, 2.0), false),
            // A cross: no corner of either lies in the other.
            (
                SkyRegion::Box { ra: 10.0, dec: 0.0, width: 4.0, height: 0.5 },
                SkyRegion::Box { ra: 10.0, dec: 0.0, width: 0.5, height: 4.0 },
                true,
            ),
        ] {
            let shapes = [&one, &two].map(|r| Shape::region(r.clone()).unwrap());
            assert_eq!(overlap(&shapes[0], &shapes[1]), yes, "{one:?} {two:?}");
            assert_eq!(overlap(&shapes[1], &shapes[0]), yes, "{two:?} {one:?}");
        }
    }
    #[test]
    fn cells_of_any_order() {
        let circle = |(ra, dec): (f64, f64), radius| {
            Shape::region(SkyRegion::Circle { ra, dec, radius }).unwrap()
        };
        for nuniq in [4, 12, 100, 4 << 16, (4 << 24) + 9_999] {
            let cell = Cell::of(nuniq).unwrap();
            let (inside, shape) = (cell.center(), Shape::cell(cell));
            assert!(overlap(&circle(inside, 1e-6), &shape), "{nuniq}");
            assert!(overlap(&shape, &circle(inside, 170.0)), "{nuniq}");
            let beyond = |f: f64| {
                let (c, p) = (UnitVector::from_ra_dec_deg(inside.0, inside.1), cell.border()[3]);
                let v: [f64; 3] = std::array::from_fn(|k| p.0[k] + f * (p.0[k] - c.0[k]));
                UnitVector::normalized(v).to_ra_dec_deg()
            };
            let gap = elqui_sphere::healpix_side_deg(cell.order) * 0.01;
            let at = beyond(0.02);
            let from =
                |(p, q): &Side| distance_rad(*p, *q, UnitVector::from_ra_dec_deg(at.0, at.1));
            let rim = shape.sides.iter().map(from).fold(f64::INFINITY, f64::min).to_degrees();
            assert!(rim > 0.0 && rim < 10.0 * gap);
            assert!(!overlap(&circle(at, 0.98 * rim), &shape), "{nuniq}");
            assert!(overlap(&circle(at, 1.02 * rim), &shape), "{nuniq}");
        }
    }
}
