//! Settings of the measurement.

use elqui_image::MaskPlane;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeasurementConfig {
    /// Pixels with one of these mask planes are left out of the fits and counted as lost by apertures;
    /// apertures and moments do take cosmic rays that were interpolated (CR with INTRP).
    pub reject: Vec<MaskPlane>,
    /// Half-width of the PSF fit's stamp, PSF FWHM.
    pub psf_fit_fwhm: f64,
    /// A centroid that leaves its peak by more than this falls back to the peak, pixels.
    pub centroid_shift_pixels_max: f64,
    /// An aperture up to the calibration's (12 pixels) that loses more than this part of its area is
    /// flagged.
    pub aperture_loss_max: f64,
    /// The Kron aperture's radius in Kron radii.
    pub kron_factor: f64,
    /// The Kron radius is measured inside this many sigma of the adaptive moments.
    pub kron_extent_sigma: f64,
    /// Largest semi-major axis of the Kron aperture, pixels.
    pub kron_semi_major_pixels_max: f64,
    /// Annulus of the local sky, pixels.
    pub sky_inner_pixels: f64,
    pub sky_outer_pixels: f64,
    /// Model fits of primary sources; without one its columns stay NaN and flagged.
    pub fits: Vec<ModelFit>,
    /// Total sigma (PSF and aperture) of the three Gaussian apertures, pixels, instead of 1.0, 1.5 and 2.5 PSF
    /// sigmas over a PSF of one: for colours, the same in all bands and above 1.1 sigma of the widest PSF.
    pub gaap_sigma_pixels: Option<[f64; 3]>,
    /// Trails are fitted to sources whose axis ratio is above the PSF's by this factor (1: to all).
    pub trail_elongation_min: f64,
    /// Model fits see at most this far, pixels.
    pub model_half_pixels_max: usize,
}

impl Default for MeasurementConfig {
    fn default() -> Self {
        Self {
            reject: vec![
                MaskPlane::Bad,
                MaskPlane::Sat,
                MaskPlane::Cr,
                MaskPlane::NoData,
                MaskPlane::Streak,
            ],
            psf_fit_fwhm: 1.6,
            centroid_shift_pixels_max: 2.5,
            aperture_loss_max: 1e-3,
            kron_factor: 2.5,
            kron_extent_sigma: 6.0,
            kron_semi_major_pixels_max: 100.0,
            sky_inner_pixels: 18.0,
            sky_outer_pixels: 22.0,
            fits: Vec::new(),
            gaap_sigma_pixels: None,
            trail_elongation_min: 1.3,
            model_half_pixels_max: 256,
        }
    }
}

impl MeasurementConfig {
    pub(crate) fn reject_bits(&self) -> u32 {
        self.reject.iter().fold(0, |bits, plane| bits | plane.bit())
    }
}

/// A fit that costs more than all else together, and is done when asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelFit {
    /// Composite galaxy model.
    CModel,
    /// Gaussian apertures that do not depend on the PSF.
    Gaap,
    /// Trailed point source.
    Trail,
}

/// Settings of the aperture corrections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApCorrConfig {
    /// Column of the flux that the others are brought to.
    pub reference: String,
    /// Complete it by the light beyond that aperture, so that corrected fluxes are total.
    pub total: bool,
    /// Largest degree of the polynomial over the detector.
    pub degree_max: usize,
    /// Stars for each coefficient of the polynomial, at least.
    pub stars_per_term: usize,
    /// Stars fainter than this in the reference flux are left out.
    pub snr_min: f64,
    /// Clipping, in robust standard deviations.
    pub clip_sigma: f64,
    /// A correction outside 1/limit to limit is not believed of any star.
    pub ratio_limit: f64,
}

impl Default for ApCorrConfig {
    fn default() -> Self {
        Self {
            reference: "ap12Flux".into(),
            total: true,
            degree_max: 2,
            stars_per_term: 5,
            snr_min: 50.0,
            clip_sigma: 3.0,
            ratio_limit: 5.0,
        }
    }
}
