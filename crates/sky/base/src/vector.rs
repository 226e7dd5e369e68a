//! Unit vectors on the sphere and rotations between frames.

use crate::units::Angle;
use serde::{Deserialize, Serialize};

/// A direction on the sky as a unit vector (x to RA 0 Dec 0, z to Dec +90).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct UnitVector(pub [f64; 3]);

impl UnitVector {
    /// From right ascension and declination in degrees.
    pub fn from_ra_dec_deg(ra: f64, dec: f64) -> Self {
        let (sin_ra, cos_ra) = ra.to_radians().sin_cos();
        let (sin_dec, cos_dec) = dec.to_radians().sin_cos();
        Self([cos_dec * cos_ra, cos_dec * sin_ra, sin_dec])
    }

    /// Scale any non-zero vector to unit length.
    pub fn normalized(v: [f64; 3]) -> Self {
        let n = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt();
        Self([v[0] / n, v[1] / n, v[2] / n])
    }

    /// Right ascension in `[0, 360)` and declination, degrees.
    pub fn to_ra_dec_deg(self) -> (f64, f64) {
        let [x, y, z] = self.0;
        let ra = y.atan2(x).to_degrees().rem_euclid(360.0);
        let dec = z.atan2(x.hypot(y)).to_degrees();
        (if ra >= 360.0 { 0.0 } else { ra }, dec)
    }

    pub fn dot(self, other: Self) -> f64 {
        self.0.iter().zip(other.0).map(|(a, b)| a * b).sum()
    }

    pub fn cross(self, other: Self) -> [f64; 3] {
        let (a, b) = (self.0, other.0);
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    }

    /// Angular separation; accurate at all distances (atan2 of cross and dot).
    pub fn separation(self, other: Self) -> Angle {
        let c = self.cross(other);
        let sin = (c[0] * c[0] + c[1] * c[1] + c[2] * c[2]).sqrt();
        Angle::from_rad(sin.atan2(self.dot(other)))
    }

    /// Gnomonic coordinates (xi east, eta north; radians) of this direction about `center`;
    /// `None` when it lies 90 degrees or more away.
    pub fn to_tangent(self, center: Self) -> Option<(f64, f64)> {
        let (east, north) = center.tangent_basis();
        let w = self.dot(center);
        (w > 0.0).then(|| (self.dot(Self(east)) / w, self.dot(Self(north)) / w))
    }

    /// The direction at gnomonic coordinates (xi, eta; radians) about `center`.
    pub fn from_tangent(center: Self, xi: f64, eta: f64) -> Self {
        let (e, n) = center.tangent_basis();
        let c = center.0;
        Self::normalized([
            c[0] + xi * e[0] + eta * n[0],
            c[1] + xi * e[1] + eta * n[1],
            c[2] + xi * e[2] + eta * n[2],
        ])
    }

    /// Local east and north at this direction. At a pole, east is that of RA 0.
    pub fn tangent_basis(self) -> ([f64; 3], [f64; 3]) {
        let [x, y, z] = self.0;
        let rho = x.hypot(y);
        let (cos_ra, sin_ra) = if rho > 0.0 { (x / rho, y / rho) } else { (1.0, 0.0) };
        ([-sin_ra, cos_ra, 0.0], [-z * cos_ra, -z * sin_ra, rho])
    }
}

/// Separation of two positions given in degrees.
pub fn separation(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> Angle {
    UnitVector::from_ra_dec_deg(ra1, dec1).separation(UnitVector::from_ra_dec_deg(ra2, dec2))
}

/// Great-circle distance by the haversine, degrees in and out: the one definition of DISTANCE, cones
/// and sky joins. NaN for a coordinate that is NaN.
///
/// Exact for small angles, within 1e-6 deg at the antipode. Swapping the positions gives the same
/// bits. Right ascensions may wrap (360.0 and 0.0 are 1e-14 deg apart, not 0).
#[inline]
pub fn distance_deg(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> f64 {
    let sin2 = |x: f64| (x.to_radians() / 2.0).sin().powi(2);
    let h = sin2(dec2 - dec1) + dec1.to_radians().cos() * dec2.to_radians().cos() * sin2(ra2 - ra1);
    let sine = h.sqrt();
    // Not `min`, which would take the 1 of a NaN.
    2.0 * (if sine > 1.0 { 1.0 } else { sine }).asin().to_degrees()
}

/// A rotation of directions: a 3x3 matrix, rows first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rotation(pub [[f64; 3]; 3]);

impl Rotation {
    pub fn apply(&self, v: UnitVector) -> UnitVector {
        let m = &self.0;
        UnitVector::normalized(std::array::from_fn(|i| {
            m[i][0] * v.0[0] + m[i][1] * v.0[1] + m[i][2] * v.0[2]
        }))
    }

    pub fn transpose(&self) -> Self {
        Self(std::array::from_fn(|i| std::array::from_fn(|j| self.0[j][i])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tangent_plane_round_trips_everywhere() {
        for (ra, dec) in [(0.0, 0.0), (359.999, -89.0), (120.0, 90.0), (12.0, 45.0)] {
            let c = UnitVector::from_ra_dec_deg(ra, dec);
            let v = UnitVector::from_tangent(c, 0.01, -0.02);
            let (xi, eta) = v.to_tangent(c).unwrap();
            assert!((xi - 0.01).abs() < 1e-14 && (eta + 0.02).abs() < 1e-14);
        }
    }

    #[test]
    fn separations_small_and_large() {
        assert!((separation(10.0, 0.0, 10.0, 1e-9).deg() - 1e-9).abs() < 1e-18);
        assert!((separation(0.0, 0.0, 180.0, 0.0).deg() - 180.0).abs() < 1e-12);
        assert!((separation(359.9, 0.0, 0.1, 0.0).deg() - 0.2).abs() < 1e-12);
        assert!((distance_deg(0.0, 0.0, 180.0, 0.0) - 180.0).abs() < 1e-9);
        assert!((distance_deg(359.9999, 0.0, 0.0001, 0.0) - 2e-4).abs() < 1e-12);
        assert!((distance_deg(10.0, 60.0, 10.0 + 2e-6, 60.0) - 1e-6).abs() < 1e-13);
        assert!((distance_deg(0.0, 90.0, 77.0, -90.0) - 180.0).abs() < 1e-6);
        assert!(distance_deg(f64::NAN, 0.0, 1.0, 0.0).is_nan());
    }
}
