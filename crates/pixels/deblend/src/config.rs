//! Settings of the deblender.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeblendConfig {
    /// More peaks than this in one parent are split by the cheaper method.
    pub peaks_max: usize,
    /// A parent of more pixels than this is split by the cheaper method.
    pub area_pixels_max: usize,
    /// Rounds of the fit of amplitudes and positions.
    pub sweeps: usize,
    /// A peak is extended when its light outside the core exceeds the PSF's by this part of its flux.
    pub extended_excess: f64,
    /// Half-width of a template, PSF FWHM (a point) or at least this (extended sources reach further).
    pub template_fwhm: f64,
}

impl Default for DeblendConfig {
    fn default() -> Self {
        Self {
            peaks_max: 60,
            area_pixels_max: 100_000,
            sweeps: 5,
            extended_excess: 0.1,
            template_fwhm: 3.0,
        }
    }
}
