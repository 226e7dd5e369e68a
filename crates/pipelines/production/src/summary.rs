//! What a frame came to, in a few numbers.

use crate::quality::Quality;
use elqui_detection::Streak;
use elqui_photometry::ColorUse;
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
    /// Mean relative size residual of the reserved stars, T_star / T_model - 1.
    pub psf_size_residual: Option<f64>,
    /// Scatter over the reserved stars of T_star / T_model - 1, root mean square.
    #[serde(default)]
    pub psf_size_residual_rms: Option<f64>,
    /// Scatter over the reserved stars of either component of e_star - e_model, root mean square.
    #[serde(default)]
    pub psf_ellipticity_residual_rms: Option<f64>,
    /// Stars kept out of the PSF's fit, which those residuals are of.
    #[serde(default)]
    pub n_psf_reserved: Option<usize>,
    /// Error of the aperture correction of PSF fluxes at the detector's centre, relative.
    #[serde(default)]
    pub aperture_correction_err: Option<f64>,
    /// Mean sky level and its noise per pixel, adu.
    pub sky_level: f64,
    pub sky_noise: f64,
    /// Error of the sky level in a cell of the background's mesh, typical, adu.
    #[serde(default)]
    pub sky_level_err: Option<f64>,
    pub n_cosmic_rays: usize,
    /// Satellite trails that were found and masked.
    #[serde(default)]
    pub n_streaks: Option<usize>,
    /// The trails themselves.
    #[serde(default)]
    pub streaks: Vec<Streak>,
    /// Negative detections: what is darker than the sky by the threshold.
    #[serde(default)]
    pub n_negative: Option<usize>,
    pub n_saturated_pixels: usize,
    pub flux_unit: String,
    /// AB magnitude of 1 adu over the whole exposure; absent where there is none or it is withheld
    /// (`quality` says why). The mean over the detector where it varies.
    pub zero_point_mag: Option<f64>,
    /// Its error, with the aperture correction's.
    pub zero_point_err_mag: Option<f64>,
    /// Scatter of single stars about it, root mean square; the part that their errors do not explain.
    pub zero_point_scatter_mag: Option<f64>,
    #[serde(default)]
    pub zero_point_intrinsic_mag: Option<f64>,
    /// Change of the zero point with the reference's colour, its error, and the colour at which the
    /// zero point holds.
    #[serde(default)]
    pub zero_point_color_term: Option<f64>,
    #[serde(default)]
    pub zero_point_color_term_err: Option<f64>,
    #[serde(default)]
    pub zero_point_color: Option<f64>,
    /// What was done with the colours of the reference.
    #[serde(default)]
    pub color_use: Option<ColorUse>,
    /// Variation of the zero point over the detector, where it was asked for and seen, mag rms.
    #[serde(default)]
    pub zero_point_map_rms_mag: Option<f64>,
    pub n_photometry_matches: usize,
    /// Residual to the reference catalogue per axis, root mean square of both axes, mas.
    pub astrometry_rms_mas: Option<f64>,
    pub astrometry_rms_x_mas: Option<f64>,
    pub astrometry_rms_y_mas: Option<f64>,
    pub n_astrometry_matches: usize,
    /// Error of the solution itself, mean over the frame, by its covariance; and what was added in
    /// quadrature to the stars' stated errors to make them explain the residuals.
    #[serde(default)]
    pub wcs_err_mas: Option<f64>,
    #[serde(default)]
    pub astrometry_floor_mas: Option<f64>,
    #[serde(default)]
    pub astrometry_chi2_dof: Option<f64>,
    #[serde(default)]
    pub n_astrometry_clipped: usize,
    /// The frame was found without its pointing.
    #[serde(default)]
    pub found_blind: bool,
    pub ra_center: Option<f64>,
    pub dec_center: Option<f64>,
    pub pixel_scale_arcsec: Option<f64>,
    /// What the frame is worth, and why.
    #[serde(default)]
    pub quality: Quality,
    pub warnings: Vec<String>,
}
