//! What a frame came to, in a few numbers.

use serde::{Deserialize, Serialize};

/// Summary of one processed detector; the same input gives the same bytes. A number that could
/// not be had is `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct FrameSummary {
    pub instrument: String,
    pub visit: u64,
    pub detector: u32,
    pub band: String,
    pub width_pixels: usize,
    pub height_pixels: usize,
    pub n_sources: usize,
    pub n_psf_stars: usize,
    /// FWHM of the Gaussian that has the noise-equivalent area of the PSF's core: the "effective"
    /// width that surveys quote. A profile with wings is narrower at half its maximum.
    pub psf_fwhm_pixels: Option<f64>,
    pub psf_fwhm_arcsec: Option<f64>,
    /// Full width at half maximum of the model itself.
    pub psf_half_maximum_pixels: Option<f64>,
    /// Mean relative size residual of the reserved stars, (T_star - T_model) / T_star.
    pub psf_size_residual: Option<f64>,
    /// Mean sky level and its noise per pixel, adu.
    pub sky_level: f64,
    pub sky_noise: f64,
    pub n_cosmic_rays: usize,
    pub n_saturated_pixels: usize,
    pub flux_unit: String,
    /// AB magnitude of 1 adu over the whole exposure.
    pub zero_point_mag: Option<f64>,
    pub zero_point_err_mag: Option<f64>,
    pub zero_point_scatter_mag: Option<f64>,
    pub n_photometry_matches: usize,
    /// Residual to the reference catalogue per axis, root mean square of both axes, mas.
    pub astrometry_rms_mas: Option<f64>,
    pub astrometry_rms_x_mas: Option<f64>,
    pub astrometry_rms_y_mas: Option<f64>,
    pub n_astrometry_matches: usize,
    pub ra_center: Option<f64>,
    pub dec_center: Option<f64>,
    pub pixel_scale_arcsec: Option<f64>,
    pub warnings: Vec<String>,
}
