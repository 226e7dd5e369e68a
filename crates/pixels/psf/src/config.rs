//! What may be chosen, and what can go wrong.

use serde::{Deserialize, Serialize};

/// Choices of [`select_stars`](crate::select_stars).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectionConfig {
    /// Stars are at least this bright ...
    pub min_snr: f64,
    /// ... or this, when there would be fewer than `few_stars` of them.
    pub min_snr_few: f64,
    pub few_stars: usize,
    /// At most this many are kept, the cleanest first, spread over the detector.
    pub max_stars: usize,
    /// Brightest peaks whose shape is measured at all.
    pub max_measured: usize,
    /// Stars lie within this many sigma of the size locus.
    pub locus_sigma: f64,
    /// A star whose neighbours add more than this part of its light is used only in need.
    pub max_contamination: f64,
}

impl Default for SelectionConfig {
    fn default() -> Self {
        Self {
            min_snr: 50.0,
            min_snr_few: 20.0,
            few_stars: 40,
            max_stars: 300,
            max_measured: 2000,
            locus_sigma: 3.0,
            max_contamination: 0.02,
        }
    }
}

/// Choices of [`fit_psf`](crate::fit_psf).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PsfConfig {
    /// Highest total degree of the polynomial in position; fewer stars take it down.
    pub degree: usize,
    pub iterations: usize,
    /// Part of the stars that is kept out of the fit, to validate it.
    pub reserved_fraction: f64,
    /// A star is dropped when its misfit is this many times the typical one.
    pub clip_misfit: f64,
    /// Relative error of the model that even the brightest star is given.
    pub model_error: f64,
}

impl Default for PsfConfig {
    fn default() -> Self {
        Self {
            degree: 2,
            iterations: 8,
            reserved_fraction: 0.2,
            clip_misfit: 4.0,
            model_error: 0.01,
        }
    }
}

/// Why there is no PSF.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PsfError {
    #[error("cannot fit the PSF: {found} usable stars where at least {needed} are needed")]
    TooFewStars { found: usize, needed: usize },
    #[error("cannot fit the PSF: {what} is {got:?} pixels where the image is {image:?}")]
    Shape { what: &'static str, got: (usize, usize), image: (usize, usize) },
    #[error("cannot fit the PSF: the stars give no positive profile")]
    NoProfile,
}
