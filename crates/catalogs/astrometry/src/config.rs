//! What goes into a solution and what comes out.

use elqui_wcs::Wcs;
use serde::{Deserialize, Serialize};

/// A detection. Pixels, 0-based; errors of 0 or NaN count as not known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Detected {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
    pub x_err: f64,
    pub y_err: f64,
}

/// Handedness of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parity {
    /// East to the left when north is up: det(CD) < 0.
    Sky,
    /// det(CD) > 0.
    Mirrored,
}

/// What is known beforehand. NaN where not known.
#[derive(Debug, Clone, PartialEq)]
pub struct SolveHint {
    /// Rough centre of the image, degrees; not needed with `wcs`.
    pub ra: f64,
    pub dec: f64,
    /// How far the true centre may lie from there.
    pub radius_deg: f64,
    /// Pixel scale, arcsec; not needed with `wcs`.
    pub scale_arcsec: Option<f64>,
    /// Relative error of the scale.
    pub scale_tolerance: f64,
    /// A first WCS, wrong by an offset, a rotation, a parity; its distortion is believed.
    pub wcs: Option<Wcs>,
    /// Parity, where it is known for certain.
    pub parity: Option<Parity>,
    /// The instrument's map on any part of the sky: only its distortion is used, instead of that of `wcs`.
    pub distortion: Option<Wcs>,
}

impl Default for SolveHint {
    fn default() -> Self {
        Self {
            ra: f64::NAN,
            dec: f64::NAN,
            radius_deg: 1.0,
            scale_arcsec: None,
            scale_tolerance: 0.03,
            wcs: None,
            parity: None,
            distortion: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AstrometryConfig {
    /// Largest order of SIP that is tried, to 5; 1 is plain TAN.
    pub sip_order: usize,
    /// How far a first WCS may be off, arcsec (at least a quarter of the image is allowed).
    pub wcs_offset_arcsec: f64,
    /// Residuals beyond this many sigma are rejected (more where so many stars have larger ones by chance).
    pub clip_sigma: f64,
    /// Largest final matching radius, pixels.
    pub match_radius_px: f64,
    /// Least error of a centroid, pixels; what the errors lack beyond it is estimated.
    pub error_floor_px: f64,
    /// A solution needs this many matches.
    pub matches_min: usize,
    /// ... and to be this much likelier than chance, natural logarithm.
    pub ln_odds_min: f64,
    /// An image without a pointing, or with a wrong one, is looked for in the whole reference catalogue.
    pub blind: bool,
    /// The instrument's handedness, where it is known for certain.
    pub parity: Option<Parity>,
    /// The instrument's map on any part of the sky, for its distortion.
    pub distortion: Option<Wcs>,
}

impl Default for AstrometryConfig {
    fn default() -> Self {
        Self {
            sip_order: 5,
            wcs_offset_arcsec: 120.0,
            clip_sigma: 4.0,
            match_radius_px: 3.0,
            error_floor_px: 1e-4,
            matches_min: 5,
            ln_odds_min: 16.0,
            blind: true,
            parity: None,
            distortion: None,
        }
    }
}

/// A solved image.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    pub wcs: Wcs,
    /// Root mean square of the residuals of the stars used, east and north, mas.
    pub rms_mas: [f64; 2],
    /// Error of the map per axis that follows from the errors of the stars, root mean square over the image, mas.
    pub wcs_err_mas: f64,
    /// Chi squared of the stars used over its degrees of freedom, the floor included.
    pub chi2_dof: f64,
    /// Error per axis that the stars' own errors do not explain, mas; 0 when they explain all.
    pub floor_mas: f64,
    /// Matches that were rejected.
    pub clipped: usize,
    /// (detection, reference star) used in the fit, by detection.
    pub matches: Vec<(usize, usize)>,
    /// Order of the polynomial that was fitted; 1 for a linear map.
    pub sip_order: usize,
    /// It is a correction of the instrument's distortion (else all of the distortion).
    pub on_instrument: bool,
    /// Natural logarithm of the odds against chance.
    pub ln_odds: f64,
    /// Final matching radius, arcsec.
    pub match_radius_arcsec: f64,
    /// What a person should know, in words.
    pub warnings: Vec<String>,
}
