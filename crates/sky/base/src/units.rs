//! Units that live in types: angles and fluxes.

use crate::constants::{AB_ZERO_POINT_NJY, ARCSEC_PER_RAD};
use serde::{Deserialize, Serialize};

/// An angle, kept in radians.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, Default)]
pub struct Angle(f64);

impl Angle {
    pub const fn from_rad(rad: f64) -> Self {
        Self(rad)
    }
    pub fn from_deg(deg: f64) -> Self {
        Self(deg.to_radians())
    }
    pub fn from_arcsec(arcsec: f64) -> Self {
        Self(arcsec / ARCSEC_PER_RAD)
    }
    pub const fn rad(self) -> f64 {
        self.0
    }
    pub fn deg(self) -> f64 {
        self.0.to_degrees()
    }
    pub fn arcsec(self) -> f64 {
        self.0 * ARCSEC_PER_RAD
    }
    pub fn mas(self) -> f64 {
        self.arcsec() * 1e3
    }
    /// The same direction in `[0, 2 pi)`.
    pub fn wrapped(self) -> Self {
        Self(self.0.rem_euclid(std::f64::consts::TAU))
    }
}

/// A flux density in nanojansky, AB system.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, Default)]
pub struct FluxNjy(pub f64);

impl FluxNjy {
    /// AB magnitude; NaN for a flux that is not positive.
    pub fn mag_ab(self) -> f64 {
        njy_to_mag_ab(self.0)
    }
    pub fn from_mag_ab(mag: f64) -> Self {
        Self(mag_ab_to_njy(mag))
    }
}

/// AB magnitude to nJy: `10^((31.4 - m) / 2.5)`, the zero point that Rubin's data products use.
pub fn mag_ab_to_njy(mag: f64) -> f64 {
    10f64.powf(0.4 * (AB_ZERO_POINT_NJY - mag))
}

/// nJy to AB magnitude; NaN for a flux that is not positive.
pub fn njy_to_mag_ab(flux_njy: f64) -> f64 {
    if flux_njy > 0.0 { AB_ZERO_POINT_NJY - 2.5 * flux_njy.log10() } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_round_trip() {
        for mag in [-1.0, 0.0, 17.3, 31.4] {
            assert!((njy_to_mag_ab(mag_ab_to_njy(mag)) - mag).abs() < 1e-12);
        }
        assert_eq!(mag_ab_to_njy(31.4), 1.0);
        assert!(njy_to_mag_ab(-1.0).is_nan());
    }

    #[test]
    fn angles_agree() {
        assert!((Angle::from_deg(1.0).arcsec() - 3600.0).abs() < 1e-9);
        assert!(
            (Angle::from_rad(-0.1).wrapped().rad() - (std::f64::consts::TAU - 0.1)).abs() < 1e-15
        );
    }
}
