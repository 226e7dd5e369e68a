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
use crate::departure::Departure;
use crate::model::{Fields, compose};
use crate::profile::Shape;
use crate::stamp::{
    Noise, Stamp, coarse_step_for, grid_for, half_width_for, step_for, variance_per_adu,
    wing_half_width_for,
};
use crate::star::{StarCandidate, reserve};
use crate::star_fit::{Common, Residuals, fit_place, fit_shape, next_exponent, residuals};
use crate::validate::{PsfValidation, validate};
use crate::variation::{Samples, vary};
use crate::width::{effective_fwhm, half_maximum_width};
use elqui_base::{FWHM_PER_SIGMA, Polynomial2d, median, percentile, term_count};
use elqui_image::{Image, Mask, PsfModel};
use rayon::prelude::*;

/// Fewer usable stars than this make no model.
const MIN_STARS: usize = 3;
/// Inverse exponents to start from: a star's wings, and a Gaussian for the samples alone.
const FIRST_S: f64 = 0.3;
const GAUSSIAN_S: f64 = 0.03;
/// Gauss-Newton steps of a star in a round.
const SHAPE_STEPS: usize = 3;
const PLACE_STEPS: usize = 2;
/// Corrections of the samples in a round.
const CORRECTIONS: usize = 3;
/// The exponent is settled after this many rounds, before the samples take part.
const EXPONENT_ROUNDS: usize = 2;
/// Rounds before pixels are clipped: the wings have to be known.
const CLIP_AFTER: usize = 2;
/// The model's own relative error is taken as this until it can be learnt, and is at most that.
const FIRST_EPSILON: f64 = 0.01;
const EPSILON_MAX: f64 = 0.05;
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
    let mut model = compose(&fit.fields, fit.s, &fit.departure, grid)?;
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
        model_error: fit.noise.epsilon,
        beta: 1.0 / fit.s,
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

/// The state of the rounds.
struct Fit<'a> {
    stamps: Vec<Stamp>,
    candidates: &'a [StarCandidate],
    config: &'a PsfConfig,
    noise: Noise,
    scaling: ([f64; 2], [f64; 2]),
    fields: Fields,
    s: f64,
    departure: Departure,
}

impl<'a> Fit<'a> {
    fn new(
        mut stamps: Vec<Stamp>,
        candidates: &'a [StarCandidate],
        config: &'a PsfConfig,
        fwhm: f64,
        per_adu: f64,
        scaling: ([f64; 2], [f64; 2]),
    ) -> Self {
        let typical = |f: fn(&Stamp) -> f64| median(&mut stamps.iter().map(f).collect::<Vec<_>>());
        let shape = Shape {
            half_width: 0.5 * fwhm,
            e1: typical(|s| s.shape.e1),
            e2: typical(|s| s.shape.e2),
        }
        .bounded();
        stamps.iter_mut().for_each(|s| s.shape = shape);
        let step = coarse_step_for(fwhm);
        let degree = match config.kind {
            PsfKind::Analytic => 0,
            PsfKind::Pixels => degree_for(stamps.len(), config.degree_max),
            PsfKind::Hybrid => degree_for(stamps.len() / 3, config.degree_max.min(2)),
        };
        let side = grid_for(half_width_for(fwhm), step);
        Self {
            stamps,
            candidates,
            config,
            noise: Noise { per_adu, epsilon: config.model_error.max(FIRST_EPSILON) },
            scaling,
            fields: Fields::constant(shape, scaling),
            s: if config.kind == PsfKind::Pixels { GAUSSIAN_S } else { FIRST_S },
            departure: Departure::none(side, step, degree, scaling),
        }
    }

    fn round(&mut self, round: usize) -> Result<(), PsfError> {
        let pixels_only = self.config.kind == PsfKind::Pixels;
        if !pixels_only {
            self.fit_shapes(round < EXPONENT_ROUNDS);
            self.follow_fields();
        }
        self.enough()?;
        let (s, candidates) = (self.s, self.candidates);
        let fields = &self.fields;
        self.stamps.par_iter_mut().for_each(|stamp| {
            let (x, y) = stamp.position();
            stamp.shape = fields.at(x, y);
            stamp.subtract_neighbours(&candidates[stamp.candidate].neighbours, s);
        });
        let corrects = match self.config.kind {
            PsfKind::Analytic => 0,
            PsfKind::Pixels => CORRECTIONS,
            PsfKind::Hybrid if round + 1 >= EXPONENT_ROUNDS => CORRECTIONS,
            PsfKind::Hybrid => 0,
        };
        for _ in 0..corrects.max(1) {
            let told = self.residuals_of_all(round >= CLIP_AFTER);
            self.drop_misfits(round);
            self.enough()?;
            if round >= CLIP_AFTER {
                self.learn_error(&told);
            }
            if corrects > 0 {
                let stars: Vec<(&Stamp, &Residuals)> =
                    self.stamps.iter().zip(&told).filter(|(s, _)| s.good).collect();
                self.departure.update(&stars, pixels_only);
            }
        }
        Ok(())
    }

    fn enough(&self) -> Result<(), PsfError> {
        let found = self.stamps.iter().filter(|s| s.good).count();
        if found < MIN_STARS {
            return Err(PsfError::TooFewStars { found, needed: MIN_STARS });
        }
        Ok(())
    }

    /// Every star's own width and shape, and the exponent of them all.
    fn fit_shapes(&mut self, exponent_too: bool) {
        let (s, noise, departure) = (self.s, self.noise, &self.departure);
        let votes: Vec<_> = self
            .stamps
            .par_iter_mut()
            .map(|stamp| {
                let light = departure.on(stamp);
                let common = Common { s, departure: light.as_deref(), noise };
                let vote = fit_shape(stamp, &common, SHAPE_STEPS);
                if vote.is_none() {
                    stamp.shape_error = [f64::NAN; 3];
                }
                vote.unwrap_or_default()
            })
            .collect();
        if exponent_too {
            self.s = next_exponent(self.s, &votes);
        }
    }

    /// Polynomials of width and shape; a star that is off in any of them is not good.
    fn follow_fields(&mut self) {
        let points: Vec<[f64; 2]> = self
            .stamps
            .iter()
            .map(|s| {
                let (x, y) = s.position();
                [x, y]
            })
            .collect();
        let clip = if self.stamps.len() < 5 { f64::MAX } else { self.config.clip_sigma };
        self.stamps.iter_mut().for_each(|s| s.good = true);
        // A star that is odd in one of them is left out of all the next time.
        for _ in 0..2 {
            let column = |value: fn(&Stamp) -> f64, error: usize| {
                let values: Vec<f64> =
                    self.stamps.iter().map(|s| if s.good { value(s) } else { f64::NAN }).collect();
                let errors: Vec<f64> = self.stamps.iter().map(|s| s.shape_error[error]).collect();
                let samples = Samples { points: &points, values: &values, errors: &errors };
                vary(&samples, self.config.degree_max, self.scaling, self.config.clip_sigma)
            };
            let all = [
                column(|s| s.shape.half_width, 0),
                column(|s| s.shape.e1, 1),
                column(|s| s.shape.e2, 2),
            ];
            let [Some(h), Some(e1), Some(e2)] = all else {
                self.stamps.iter_mut().for_each(|s| s.good = false);
                return;
            };
            let worst: Vec<f64> = (0..self.stamps.len())
                .map(|k| h.pulls[k].max(e1.pulls[k]).max(e2.pulls[k]))
                .collect();
            // Never more than half of the stars that have a shape at all.
            let mut known: Vec<f64> = worst.iter().copied().filter(|p| p.is_finite()).collect();
            let limit = clip.max(percentile(&mut known, 0.5));
            for (stamp, pull) in self.stamps.iter_mut().zip(&worst) {
                stamp.good &= *pull <= limit && pull.is_finite();
            }
            self.fields = Fields { half_width: h.field, e1: e1.field, e2: e2.field };
        }
    }

    /// Flux and place of every star with the model's shape, and what is left of it.
    fn residuals_of_all(&mut self, clip: bool) -> Vec<Residuals> {
        let (s, noise, departure, fields) = (self.s, self.noise, &self.departure, &self.fields);
        self.stamps
            .par_iter_mut()
            .map(|stamp| leftover(stamp, fields, s, noise, departure, clip))
            .collect()
    }

    /// Stars that fit much worse than the others, or were lost, are not good.
    fn drop_misfits(&mut self, round: usize) {
        let good = |s: &&Stamp| s.good && s.misfit.is_finite();
        let mut misfits: Vec<f64> = self.stamps.iter().filter(good).map(|s| s.misfit).collect();
        let limit = self.config.clip_misfit * median(&mut misfits).max(1.0);
        let samples_alone = self.config.kind == PsfKind::Pixels;
        for stamp in &mut self.stamps {
            // Samples alone know nothing in the first rounds.
            let judged = !samples_alone || round >= CLIP_AFTER;
            if samples_alone {
                stamp.good = true;
            }
            stamp.good &= stamp.misfit.is_finite() && (!judged || stamp.misfit < limit);
        }
    }

    /// The model's relative error, that of the brightest quarter of the stars, at least the
    /// configured one.
    fn learn_error(&mut self, told: &[Residuals]) {
        let good: Vec<&Residuals> =
            self.stamps.iter().zip(told).filter(|(s, _)| s.good).map(|(_, r)| r).collect();
        let mut brightness: Vec<f64> = good.iter().map(|r| r.information).collect();
        let bright = percentile(&mut brightness, 0.75);
        let mut errors: Vec<f64> = good
            .iter()
            .filter(|r| r.information >= bright && r.excess[1] > 0.0)
            .map(|r| r.excess[0] / r.excess[1])
            .collect();
        let square = median(&mut errors);
        let error = if square > 0.0 { square.sqrt() } else { 0.0 };
        self.noise.epsilon = error.clamp(self.config.model_error.max(0.0), EPSILON_MAX);
    }

    /// The reserved stars fitted with the final model, those that are worth being compared. Without
    /// reserved ones the used.
    fn check_stars<'s>(&'s mut self, reserved: &'s mut Vec<Stamp>) -> Vec<(&'s Stamp, Residuals)> {
        let (s, noise, departure, fields) = (self.s, self.noise, &self.departure, &self.fields);
        let candidates = self.candidates;
        let stamps = if reserved.is_empty() { &mut self.stamps } else { reserved };
        let told: Vec<Residuals> = stamps
            .par_iter_mut()
            .map(|stamp| {
                for clip in [false, true] {
                    let (x, y) = stamp.position();
                    stamp.shape = fields.at(x, y);
                    stamp.subtract_neighbours(&candidates[stamp.candidate].neighbours, s);
                    leftover(stamp, fields, s, noise, departure, clip);
                }
                leftover(stamp, fields, s, noise, departure, true)
            })
            .collect();
        let limit = self.config.clip_misfit
            * median(&mut stamps.iter().map(|s| s.misfit).collect::<Vec<_>>()).max(1.0);
        stamps.iter().zip(told).filter(|(s, _)| s.good && s.misfit < limit).collect()
    }
}

fn leftover(
    stamp: &mut Stamp,
    fields: &Fields,
    s: f64,
    noise: Noise,
    departure: &Departure,
    clip: bool,
) -> Residuals {
    let (x, y) = stamp.position();
    stamp.shape = fields.at(x, y);
    let light = departure.on(stamp);
    let common = Common { s, departure: light.as_deref(), noise };
    if !fit_place(stamp, &common, PLACE_STEPS) {
        stamp.good = false;
    }
    let light = departure.on(stamp);
    let common = Common { s, departure: light.as_deref(), noise };
    residuals(stamp, &common, clip)
}

fn degree_for(stars: usize, wanted: usize) -> usize {
    (0..=wanted).rev().find(|&d| d == 0 || stars >= 6 * term_count(d)).unwrap_or(0)
}
