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

/// What kind of model is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PsfKind {
    /// Samples on a grid, each a polynomial of position.
    Pixels,
    /// An elliptical Moffat profile whose width and shape are polynomials of position.
    Analytic,
    /// The analytic profile, and on top of it the samples' departures from it where they are
    /// significant.
    Hybrid,
}

/// Choices of [`fit_psf`](crate::fit_psf).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PsfConfig {
    pub kind: PsfKind,
    /// Highest total degree of the polynomials in position; what the stars cannot support or do
    /// not ask for is left out.
    #[serde(alias = "degree")]
    pub degree_max: usize,
    /// Rounds of fitting stars, variation and departures.
    pub iterations: usize,
    /// Part of the stars that is kept out of the fit, to validate it.
    pub reserved_fraction: f64,
    /// A star is dropped when its misfit is this many times the typical one.
    pub clip_misfit: f64,
    /// A star is dropped when its width or shape is this many sigma off those of the others.
    pub clip_sigma: f64,
    /// Least relative error of the model that the weights allow for; more is taken where the
    /// stars show it.
    pub model_error: f64,
}

impl Default for PsfConfig {
    fn default() -> Self {
        Self {
            kind: PsfKind::Hybrid,
            degree_max: 3,
            iterations: 6,
            reserved_fraction: 0.1,
            clip_misfit: 3.0,
            clip_sigma: 3.5,
            model_error: 5e-4,
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
