//! Area and centroid of regions: ADQL's AREA and CENTROID.
//!
//! - area in square degrees; the whole sky has 41,252.96
//! - centroid: the direction of the mean of all positions of the region, deg
//! - polygon: the sum of the triangles from its middle (spherical excess, Van Oosterom & Strackee
//!   1983, eq. 8); its first moment by the sides (Stokes): half the sum of length times pole. Parts
//!   about which the sides go twice count twice, in opposite turns they cancel
//! - coverage: from the centres of its cells, divided to [`MOMENT_ORDER`] at least

use crate::coverage::Coverage;
use crate::error::SphereError;
use crate::healpix::{HEALPIX29_ORDER, healpix_center};
use crate::polygon::{SphericalPolygon, cross, dot, minus};
use crate::region::SkyRegion;
use elqui_base::UnitVector;

/// Polygons smaller than this (rad, 20 arcsec) are flat to 1e-12 rad; the moments of larger ones are
/// exact to that.
const FLAT_RAD: f64 = 1e-4;
/// Cells of this order are small enough to stand for their centres.
const MOMENT_ORDER: u8 = 6;
/// A mean shorter than this has no direction: the whole sky, or its like.
const MOMENT_LEAST: f64 = 1e-12;

fn square_deg(steradian: f64) -> f64 {
    steradian * (180.0 / std::f64::consts::PI).powi(2)
}

impl SkyRegion {
    /// Square degrees.
    pub fn area_deg2(&self) -> Result<f64, SphereError> {
        self.check()?;
        Ok(square_deg(match self {
            SkyRegion::Circle { radius, .. } => {
                4.0 * std::f64::consts::PI * (0.5 * radius.to_radians()).sin().powi(2)
            }
            _ => self.polygon()?.area().abs(),
        }))
    }

    /// Right ascension and declination (deg). That of a circle is its centre, as it was given.
    pub fn centroid(&self) -> Result<(f64, f64), SphereError> {
        self.check()?;
        match self {
            SkyRegion::Circle { ra, dec, .. } => Ok((*ra, *dec)),
            _ => Ok(self.polygon()?.centroid().to_ra_dec_deg()),
        }
    }
}

impl Coverage {
    /// Square degrees.
    pub fn area_deg2(&self) -> f64 {
        square_deg(4.0 * std::f64::consts::PI * self.sky_fraction())
    }

    /// Right ascension and declination (deg); `None` where there is none (nothing, the whole sky).
    pub fn centroid(&self) -> Option<(f64, f64)> {
        let (mut sum, mut total) = ([0.0; 3], 0.0);
        for (order, cell) in self.cells_of_any_order() {
            let deeper = MOMENT_ORDER.saturating_sub(order);
            let (order, first) = (order + deeper, cell << (2 * deeper));
            let area = f64::exp2(-2.0 * f64::from(order));
            for cell in first..first + (1 << (2 * deeper)) {
                let (ra, dec) = healpix_center(order, cell);
                let p = UnitVector::from_ra_dec_deg(ra, dec).0;
                (0..3).for_each(|k| sum[k] += area * p[k]);
                total += area;
            }
        }
        let length = dot(sum, sum).sqrt();
        let known = length > MOMENT_LEAST * total;
        known.then(|| UnitVector::normalized(sum).to_ra_dec_deg())
    }

    /// Its cells, each as large as it can be.
    pub(crate) fn cells_of_any_order(&self) -> Vec<(u8, u64)> {
        let mut out = Vec::new();
        for range in self.ranges29() {
            let mut start = range.start;
            while start < range.end {
                let fit = (start.trailing_zeros() / 2).min(u32::from(HEALPIX29_ORDER));
                let room = (range.end - start).ilog2() / 2;
                let up = fit.min(room);
                out.push((HEALPIX29_ORDER - up as u8, start >> (2 * up)));
                start += 1 << (2 * up);
            }
        }
        out
    }
}

impl SphericalPolygon {
    /// Steradian; positive where the corners go to the left, seen from inside the sphere's centre
    /// outwards (counter-clockwise with east to the right).
    fn area(&self) -> f64 {
        let c = self.center;
        let triangle = |(a, b): (UnitVector, UnitVector)| {
            let volume = dot(c.0, cross(minus(a, c), minus(b, c)));
            2.0 * volume.atan2(1.0 + a.dot(b) + b.dot(c) + c.dot(a))
        };
        self.sides().map(triangle).sum()
    }

    fn centroid(&self) -> UnitVector {
        let c = self.center;
        let area = self.area();
        let size = self.vectors.iter().map(|v| v.separation(c).rad()).fold(0.0, f64::max);
        let degenerate = area.abs() < 1e-12 * size * size;
        if degenerate {
            return c;
        }
        if size < FLAT_RAD {
            return self.flat_centroid().unwrap_or(c);
        }
        // Half the sum of length times pole, from the differences to the middle: what adds up to
        // nothing about the whole is left out.
        let mut sum = [0.0; 3];
        for (a, b) in self.sides() {
            let normal = cross(a.0, minus(b, a));
            let sin = dot(normal, normal).sqrt();
            // The sine of small sides is exact here, and not in their separation.
            let stretch = if sin > 0.0 { sin.atan2(a.dot(b)) / sin } else { 1.0 };
            let (bulge, bend) = (cross(minus(a, c), minus(b, c)), cross(c.0, minus(b, a)));
            (0..3).for_each(|k| sum[k] += stretch * bulge[k] + (stretch - 1.0) * bend[k]);
        }
        UnitVector::normalized(sum.map(|v| v * area.signum()))
    }

    fn flat_centroid(&self) -> Option<UnitVector> {
        let (mut twice, mut x, mut y) = (0.0, 0.0, 0.0);
        for (a, b) in self.sides() {
            let (a, b) = (a.to_tangent(self.center)?, b.to_tangent(self.center)?);
            let part = a.0 * b.1 - b.0 * a.1;
            twice += part;
            x += (a.0 + b.0) * part;
            y += (a.1 + b.1) * part;
        }
        Some(UnitVector::from_tangent(self.center, x / (3.0 * twice), y / (3.0 * twice)))
    }
}
