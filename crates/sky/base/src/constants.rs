//! Constants of the field.

/// Radians to arcseconds.
pub const ARCSEC_PER_RAD: f64 = 206_264.806_247_096_36;
/// Gaussian FWHM over sigma, 2 sqrt(2 ln 2).
pub const FWHM_PER_SIGMA: f64 = 2.354_820_045_030_949_3;
/// Gaussian sigma over the median absolute deviation.
pub const SIGMA_PER_MAD: f64 = 1.482_602_218_505_602;
/// AB magnitude of 1 nJy: 2.5 log10(3631e9) (Oke & Gunn 1983, rounded as the SI Jy definition 3631 Jy).
pub const AB_ZERO_POINT_NJY: f64 = 31.4;
