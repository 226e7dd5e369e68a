//! The PSF from stars, in rounds.
//!
//! Each round fits every star (place, flux, and its own width and shape), follows width and shape over
//! the detector by polynomials that leave odd stars out (never more than half), takes the neighbours' light off, and gives
//! what the stars show beyond the analytic profile to a grid of samples. Some stars are kept out and
//! tell at the end how good the model is.
//! - input: sky-subtracted image (adu), variance (adu^2), mask, candidates
//! - output: the model, which stars were used and which reserved, and how well the reserved fit
//! - source: Bertin 2011, ASP Conf. 442, 435 (samples); Jarvis et al. 2021, MNRAS 501, 1282 (stars one
//!   by one, then their parameters over the field, with outliers out)
//! - differs from both: the two are one model, each carrying what it is good at; weights are those
//!   of the model's photons; the error of the model is read off the bright stars

use crate::config::{PsfConfig, PsfError, PsfKind};
use crate::model::compose;
use crate::rounds::{Fit, MIN_STARS};
use crate::stamp::{
    Stamp, grid_for, half_width_for, step_for, variance_per_adu, wing_half_width_for,
};
use crate::star::{StarCandidate, reserve};
use crate::validate::{PsfValidation, validate};
use crate::width::{effective_fwhm, half_maximum_width};
use elqui_base::{FWHM_PER_SIGMA, Polynomial2d, median};
use elqui_image::{Image, Mask, PsfModel};
use rayon::prelude::*;

/// Moments of a Moffat star give a Gaussian wider than its half maximum by about this factor.
const MOMENTS_OVER_WIDTH: f64 = 1.08;

/// A model and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct PsfFit {
    pub model: PsfModel,
    /// Indices of the candidates in the fit, and of those kept out to validate it.
    pub used: Vec<usize>,
    pub reserved: Vec<usize>,
    /// Residuals of the reserved stars (of the used ones when there are none).
    pub validation: PsfValidation,
    /// dT/T of the same, mean and scatter; NaN when no star could be measured.
    pub size_residual: f64,
    pub size_scatter: f64,
    /// Width at the middle of the detector of the Gaussian with the same noise-equivalent area.
    pub effective_fwhm_pixels: f64,
    /// Relative error of the model that the bright stars show (and the weights allow for).
    pub model_error: f64,
    /// Exponent of the analytic profile.
    pub beta: f64,
}

/// Fit the PSF to the candidates.
pub fn fit_psf(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    stars: &[StarCandidate],
    config: &PsfConfig,
) -> Result<PsfFit, PsfError> {
    check(image, variance, mask)?;
    let usable = |s: &StarCandidate| {
        s.x.is_finite() && s.y.is_finite() && s.flux > 0.0 && s.sigma_pixels > 0.0
    };
    let good: Vec<usize> = (0..stars.len()).filter(|&k| usable(&stars[k])).collect();
    if good.len() < MIN_STARS {
        return Err(PsfError::TooFewStars { found: good.len(), needed: MIN_STARS });
    }
    let (reserved, used) = reserve(&good, stars, config.reserved_fraction);
    let sigma = median(&mut used.iter().map(|&k| stars[k].sigma_pixels).collect::<Vec<f64>>());
    let fwhm = FWHM_PER_SIGMA * sigma / MOMENTS_OVER_WIDTH;
    let images = (image, variance, mask);
    let per_adu = variance_per_adu(images, stars, &used, fwhm);
    let cut = |which: &[usize]| -> Vec<Stamp> {
        which.par_iter().map(|&k| Stamp::cut(images, &stars[k], k, fwhm, per_adu)).collect()
    };
    let scaling = Polynomial2d::scaling(image.width() as f64, image.height() as f64);
    let run = |config| -> Result<Fit<'_>, PsfError> {
        let mut fit = Fit::new(cut(&used), stars, config, fwhm, per_adu, scaling);
        for round in 0..config.iterations.max(1) {
            fit.round(round)?;
        }
        Ok(fit)
    };
    // Where the samples lose the stars, the analytic profile without them may still do.
    let plain = PsfConfig { kind: PsfKind::Analytic, ..config.clone() };
    let fit = run(config);
    let mut fit = if fit.is_err() && config.kind == PsfKind::Hybrid { run(&plain)? } else { fit? };
    let half = match config.kind {
        PsfKind::Pixels => half_width_for(fwhm),
        PsfKind::Analytic | PsfKind::Hybrid => wing_half_width_for(fwhm),
    };
    let step = step_for(fwhm);
    let grid = (grid_for(half, step), step);
    let mut model = compose(&fit.model.fields, fit.model.s, &fit.model.departure, grid)?;
    let (mx, my) = (0.5 * image.width() as f64, 0.5 * image.height() as f64);
    model.fwhm_pixels = half_maximum_width(&model, mx, my);
    let effective_fwhm_pixels = effective_fwhm(&model, mx, my);
    let used: Vec<usize> = fit.stamps.iter().filter(|s| s.good).map(|s| s.candidate).collect();
    let mut kept_out = if reserved.is_empty() { Vec::new() } else { cut(&reserved) };
    let checked = fit.check_stars(&mut kept_out);
    let validation = validate(&model, &checked.iter().map(|(s, r)| (*s, r)).collect::<Vec<_>>());
    Ok(PsfFit {
        model,
        used,
        reserved,
        validation,
        size_residual: validation.size,
        size_scatter: validation.size_rms,
        effective_fwhm_pixels,
        model_error: fit.model.noise.epsilon,
        beta: 1.0 / fit.model.s,
    })
}

fn check(image: &Image<f32>, variance: &Image<f32>, mask: &Mask) -> Result<(), PsfError> {
    let size = (image.width(), image.height());
    for (what, got) in [
        ("the variance", (variance.width(), variance.height())),
        ("the mask", (mask.width(), mask.height())),
    ] {
        if got != size {
            return Err(PsfError::Shape { what, got, image: size });
        }
    }
    Ok(())
}
