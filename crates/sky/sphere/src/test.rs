//! A region prepared to be asked for many positions, with exactly the answers of its `contains`.
//!
//! - circle: [`Cap`]
//! - polygon: the circle about it, then the winding of its sides in the gnomonic projection; the
//!   sphere decides what lies within [`GUARD_RAD`] of a side
//! - coverage: its ranges, by the cell of its order

use crate::coverage::Coverage;
use crate::healpix::{HEALPIX29_BAD, HEALPIX29_ORDER, healpix_index};
use crate::polygon::SphericalPolygon;
use crate::region::{SkyRegion, checked};
use elqui_base::{Cap, CapRadius, UnitVector};
use std::ops::Range;

/// A region, prepared: see [`SkyRegion::prepare`] and [`Coverage::prepare`].
#[derive(Debug, Clone)]
pub struct RegionTest(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Nothing,
    Circle(Cap),
    Polygon(Box<PolygonTest>),
    /// Order, ranges of its cells.
    Cells(u8, Vec<Range<u64>>),
}

/// Far above the rounding of the projection (1e-16 of coordinates up to [`TANGENT_MAX`]).
const GUARD_RAD: f64 = 1e-11;
/// Polygons that reach farther from their middle (84 degrees) are tested on the sphere alone.
const TANGENT_MAX: f64 = 10.0;

#[derive(Debug, Clone)]
struct PolygonTest {
    polygon: SphericalPolygon,
    around: Cap,
    /// East and north at the middle.
    east: [f64; 3],
    north: [f64; 3],
    /// Corners in the projection, the first again at the end; empty where the polygon is too large.
    corners: Vec<[f64; 2]>,
}

impl SkyRegion {
    /// Prepare to test many positions. The answers are those of [`SkyRegion::contains`];
    /// `inclusive` false leaves out positions at exactly the radius of a circle.
    pub fn prepare(&self, inclusive: bool) -> RegionTest {
        let kind = match self {
            _ if self.check().is_err() => None,
            SkyRegion::Circle { ra, dec, radius } => {
                Cap::new(*ra, *dec, &CapRadius::new(*radius, inclusive)).map(Kind::Circle)
            }
            _ => self.polygon().ok().and_then(PolygonTest::new).map(|p| Kind::Polygon(Box::new(p))),
        };
        RegionTest(kind.unwrap_or(Kind::Nothing))
    }
}

impl Coverage {
    /// Prepare to test many positions.
    pub fn prepare(&self) -> RegionTest {
        let shift = 2 * (HEALPIX29_ORDER - self.order());
        let cells = |r: Range<u64>| r.start >> shift..r.end >> shift;
        RegionTest(Kind::Cells(self.order(), self.ranges29().into_iter().map(cells).collect()))
    }
}

impl RegionTest {
    /// Whether a position (deg) lies in the region; false for what is no position.
    #[inline]
    pub fn contains(&self, ra: f64, dec: f64) -> bool {
        match &self.0 {
            Kind::Nothing => false,
            Kind::Circle(cap) => cap.contains(ra, dec),
            Kind::Polygon(test) => test.contains(ra, dec),
            Kind::Cells(order, ranges) => {
                let cell = healpix_index(*order, ra, dec);
                let k = ranges.partition_point(|r| r.end <= cell);
                cell != HEALPIX29_BAD && ranges.get(k).is_some_and(|r| r.start <= cell)
            }
        }
    }

    /// The same of many positions. The shortest of the slices decides how many.
    pub fn contains_many(&self, ra: &[f64], dec: &[f64], out: &mut [bool]) {
        let all = ra.iter().zip(dec).zip(out);
        // One loop a kind: the kind is not asked for each row.
        match &self.0 {
            Kind::Circle(cap) => all.for_each(|((a, d), o)| *o = cap.contains(*a, *d)),
            Kind::Polygon(test) => all.for_each(|((a, d), o)| *o = test.contains(*a, *d)),
            _ => all.for_each(|((a, d), o)| *o = self.contains(*a, *d)),
        }
    }
}

impl PolygonTest {
    fn new(polygon: SphericalPolygon) -> Option<Self> {
        let c = polygon.center;
        let farthest = polygon.vectors.iter().map(|v| v.separation(c).deg()).fold(0.0, f64::max);
        let (ra, dec) = c.to_ra_dec_deg();
        let around = Cap::new(ra, dec, &CapRadius::new(farthest + 1e-9, true))?;
        let (east, north) = c.tangent_basis();
        let project = |v: &UnitVector| Some(v.to_tangent(c)?.into());
        let mut corners: Vec<[f64; 2]> =
            polygon.vectors.iter().map(project).collect::<Option<_>>()?;
        corners.push(corners[0]);
        if corners.iter().any(|q| q[0].hypot(q[1]) > TANGENT_MAX) {
            corners.clear();
        }
        Some(Self { polygon, around, east, north, corners })
    }

    #[inline]
    fn contains(&self, ra: f64, dec: f64) -> bool {
        // Without trigonometry for most of the sky.
        if !self.around.window(ra, dec) {
            return false;
        }
        let Ok(p) = checked(ra, dec) else { return false };
        let w = p.dot(self.polygon.center);
        if w <= 0.0 {
            return false;
        }
        let q = [self.east, self.north].map(|axis| p.dot(UnitVector(axis)) / w);
        match self.winding(q) {
            Some(winding) if w > 0.5 / TANGENT_MAX => winding != 0,
            _ => self.polygon.contains(p),
        }
    }

    /// How often the sides go about a point; `None` where that is not certain.
    fn winding(&self, [x, y]: [f64; 2]) -> Option<i32> {
        if self.corners.is_empty() {
            return None;
        }
        let guard = GUARD_RAD * (1.0 + x * x + y * y);
        let mut winding = 0;
        for side in self.corners.windows(2) {
            let ([ax, ay], [bx, by]) = (side[0], side[1]);
            let (low, high) = if ay < by { (ay, by) } else { (by, ay) };
            if y < low - guard || y > high + guard {
                continue;
            }
            let (left, right) = if ax < bx { (ax, bx) } else { (bx, ax) };
            // Sides far to the west are not crossed by the ray to the east.
            if x > right + guard {
                continue;
            }
            let near_end = (y - ay).abs() <= guard || (y - by).abs() <= guard;
            let turn = (bx - ax) * (y - ay) - (x - ax) * (by - ay);
            let near = turn.abs() <= guard * ((bx - ax).abs() + (by - ay).abs());
            if near && x >= left - guard {
                return None;
            }
            if near_end {
                // A ray through a corner: the sphere decides.
                return None;
            }
            if (ay <= y) == (y < by) && (turn > 0.0) == (by > ay) {
                winding += if by > ay { 1 } else { -1 };
            }
        }
        Some(winding)
    }
}
