//! Settings of the deblender.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeblendConfig {
    /// More peaks than this in one parent are split by the cheaper method.
    pub peaks_max: usize,
    /// A parent of more pixels than this is split by the cheaper method.
    pub area_pixels_max: usize,
    /// Rounds of the fit of fluxes and positions.
    pub sweeps: usize,
    /// Half-width of the fit about each peak, PSF FWHM.
    pub fit_fwhm: f64,
    /// Half-width of a point's template, PSF FWHM.
    pub template_fwhm: f64,
    /// Half-width of an extended template, pixels at most.
    pub extended_pixels_max: usize,
    /// A peak is extended when the symmetric light outside its core exceeds the PSF's by this part
    /// of its flux.
    pub extended_excess: f64,
    /// A peak of at least this signal-to-noise ratio is looked at for two stars in one.
    pub twins_snr_min: f64,
    /// How far the fit may take a position from its peak, pixels.
    pub shift_pixels_max: f64,
}

impl Default for DeblendConfig {
    fn default() -> Self {
        Self {
            peaks_max: 60,
            area_pixels_max: 100_000,
            sweeps: 6,
            fit_fwhm: 1.5,
            template_fwhm: 2.5,
            extended_pixels_max: 40,
            extended_excess: 0.1,
            twins_snr_min: 22.0,
            shift_pixels_max: 1.2,
        }
    }
}
