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
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AstrometryConfig {
    /// Largest order of SIP; 1 is plain TAN.
    pub sip_order: usize,
    /// How far a first WCS may be off, arcsec (at least a quarter of the image is allowed).
    pub wcs_offset_arcsec: f64,
    /// Residuals beyond this many sigma are rejected.
    pub clip_sigma: f64,
    /// Largest final matching radius, pixels.
    pub match_radius_px: f64,
    /// Error floor of a centroid, pixels.
    pub error_floor_px: f64,
    /// A solution needs this many matches.
    pub matches_min: usize,
    /// ... and to be this much likelier than chance, natural logarithm.
    pub ln_odds_min: f64,
}

impl Default for AstrometryConfig {
    fn default() -> Self {
        Self {
            sip_order: 3,
            wcs_offset_arcsec: 120.0,
            clip_sigma: 4.0,
            match_radius_px: 3.0,
            error_floor_px: 0.01,
            matches_min: 5,
            ln_odds_min: 16.0,
        }
    }
}

/// A solved image.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    pub wcs: Wcs,
    /// Root mean square of the residuals of the stars used, east and north, mas.
    pub rms_mas: [f64; 2],
    /// (detection, reference star) used in the fit, by detection.
    pub matches: Vec<(usize, usize)>,
    /// Order of SIP that was fitted; 1 for none.
    pub sip_order: usize,
    /// Natural logarithm of the odds against chance.
    pub ln_odds: f64,
    /// Final matching radius, arcsec.
    pub match_radius_arcsec: f64,
    /// What a person should know, in words.
    pub warnings: Vec<String>,
}
