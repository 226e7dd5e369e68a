//! How the instrument's signature is removed. Which calibrations are applied is said by
//! [`CalibSet`](crate::CalibSet): what is present is used.

use serde::{Deserialize, Serialize};

/// Overscan levels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OverscanConfig {
    /// Columns left out at both ends of a serial overscan (charge that trails out of the data).
    pub skip_columns: usize,
    /// Rows left out at both ends of a parallel overscan.
    pub skip_rows: usize,
    /// Rows of the running median along the overscan (0: each row for itself).
    pub smooth_rows: usize,
    /// A row whose level is this many sigmas from its neighbours' is contaminated.
    pub reject_sigma: f64,
    /// Subtract the parallel overscan's column levels too, where there is one.
    pub parallel: bool,
}

impl Default for OverscanConfig {
    fn default() -> Self {
        Self { skip_columns: 2, skip_rows: 1, smooth_rows: 51, reject_sigma: 5.0, parallel: false }
    }
}

/// Everything that [`correct`](crate::correct) can be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IsrConfig {
    pub overscan: OverscanConfig,
    /// Saturated regions grow by this many pixels (bleeding charge and its neighbours).
    pub saturation_grow_pixels: usize,
    /// A flat below this is no calibration: the pixel becomes BAD.
    pub flat_min: f32,
}

impl Default for IsrConfig {
    fn default() -> Self {
        Self { overscan: OverscanConfig::default(), saturation_grow_pixels: 1, flat_min: 0.05 }
    }
}

/// Cosmic rays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosmicRayConfig {
    /// A cosmic ray's pixel exceeds the mean of two opposing neighbours by this many sigmas.
    pub n_sigma: f32,
    /// How much sharper than the PSF it has to be: it exceeds the contrast that the PSF allows by
    /// this factor of the pixel's own error.
    pub psf_margin_sigma: f32,
    /// The PSF is taken narrower by this factor, so that its cores are safe.
    pub psf_safety: f64,
    /// n_sigma for the neighbours of a found pixel, lower.
    pub grow_sigma: f32,
    /// Passes over the neighbours of what was found.
    pub iterations: usize,
    /// Rays are not looked for when more than this part of the image would be one (nonsense PSF).
    pub fraction_max: f64,
}

impl Default for CosmicRayConfig {
    fn default() -> Self {
        Self {
            n_sigma: 6.0,
            psf_margin_sigma: 3.0,
            psf_safety: 0.85,
            grow_sigma: 3.0,
            iterations: 3,
            fraction_max: 0.02,
        }
    }
}
