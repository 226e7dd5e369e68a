//! The rounds of a fit: stars, variation, neighbours, samples, and which stars to believe.

use crate::config::{PsfConfig, PsfError, PsfKind};
use crate::departure::Departure;
use crate::model::Fields;
use crate::neighbours::subtract_neighbours;
use crate::profile::Shape;
use crate::sky::{Level, SkyPrior};
use crate::stamp::{Noise, Stamp, coarse_step_for, grid_for, half_width_for};
use crate::star::StarCandidate;
use crate::star_fit::{Common, Residuals, Told, fit_place, fit_shape, next_exponent, residuals};
use crate::variation::{Samples, vary};
use elqui_base::{median, percentile, term_count};
use rayon::prelude::*;

/// Fewer usable stars than this make no model.
pub(crate) const MIN_STARS: usize = 3;
/// Inverse exponents to start from: a star's wings, and a Gaussian for the samples alone.
const FIRST_S: f64 = 0.3;
const GAUSSIAN_S: f64 = 0.03;
/// Gauss-Newton steps of a star in a round.
const SHAPE_STEPS: usize = 2;
const PLACE_STEPS: usize = 2;
/// Corrections of the samples in a round, where there are samples alone; beside a profile, one.
const CORRECTIONS: usize = 3;
/// The exponent is settled after this many rounds, before the samples take part.
const EXPONENT_ROUNDS: usize = 2;
/// Rounds before pixels are clipped: the wings have to be known.
const CLIP_AFTER: usize = 2;
/// The model's own relative error is taken as this until it can be learnt, and is at most that.
const FIRST_EPSILON: f64 = 0.01;
const EPSILON_MAX: f64 = 0.05;

/// The state of the rounds.
pub(crate) struct Fit<'a> {
    pub stamps: Vec<Stamp>,
    pub model: Model,
    candidates: &'a [StarCandidate],
    config: &'a PsfConfig,
    scaling: ([f64; 2], [f64; 2]),
}

/// What all stars have in common.
pub(crate) struct Model {
    pub fields: Fields,
    /// Inverse exponent.
    pub s: f64,
    pub departure: Departure,
    pub noise: Noise,
    pub sky: SkyPrior,
}

impl Model {
    /// For one star, on whose pixels the departure is `light`.
    fn common<'l>(&self, light: &'l [f32]) -> Common<'l> {
        Common { s: self.s, departure: light, noise: self.noise, sky: self.sky }
    }

    /// Flux and place of a star with the model's shape, and what is left of it.
    fn leftover(&self, stamp: &mut Stamp, clip: bool) -> Residuals {
        let (x, y) = stamp.position();
        stamp.shape = self.fields.at(x, y);
        if !fit_place(stamp, &self.common(&self.departure.on(stamp)), PLACE_STEPS) {
            stamp.good = false;
        }
        residuals(stamp, &self.common(&self.departure.on(stamp)), clip)
    }
}

impl<'a> Fit<'a> {
    pub(crate) fn new(
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
        let model = Model {
            fields: Fields::constant(shape, scaling),
            s: if config.kind == PsfKind::Pixels { GAUSSIAN_S } else { FIRST_S },
            departure: Departure::none(side, step, degree, scaling),
            noise: Noise { per_adu, epsilon: config.model_error.max(FIRST_EPSILON) },
            sky: SkyPrior::default(),
        };
        Self { stamps, model, candidates, config, scaling }
    }

    pub(crate) fn round(&mut self, round: usize) -> Result<(), PsfError> {
        let pixels_only = self.config.kind == PsfKind::Pixels;
        if !pixels_only {
            self.fit_shapes(round < EXPONENT_ROUNDS);
            self.follow_fields();
        }
        self.enough()?;
        let (model, candidates) = (&self.model, self.candidates);
        self.stamps.par_iter_mut().for_each(|stamp| {
            let (x, y) = stamp.position();
            stamp.shape = model.fields.at(x, y);
            subtract_neighbours(stamp, &candidates[stamp.candidate].neighbours, model.s);
        });
        let corrects = match self.config.kind {
            PsfKind::Analytic => 0,
            PsfKind::Pixels => CORRECTIONS,
            PsfKind::Hybrid if round + 1 >= EXPONENT_ROUNDS => 1,
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
                self.model.departure.update(&stars, pixels_only);
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

    /// Every star's own width and shape; the exponent and the skies of them all.
    fn fit_shapes(&mut self, exponent_too: bool) {
        let model = &self.model;
        let told: Vec<Told> = self
            .stamps
            .par_iter_mut()
            .map(|stamp| {
                let light = model.departure.on(stamp);
                let told = fit_shape(stamp, &model.common(&light), SHAPE_STEPS);
                if told.is_none() {
                    stamp.shape_error = [f64::NAN; 3];
                }
                told.unwrap_or_default()
            })
            .collect();
        let good = self.stamps.iter().zip(&told).filter(|(s, _)| s.good);
        let skies: Vec<Level> = good.map(|(_, t)| t.sky).collect();
        self.model.sky = self.model.sky.learn(&skies);
        if exponent_too {
            self.model.s = next_exponent(self.model.s, &told);
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
            self.model.fields = Fields { half_width: h.field, e1: e1.field, e2: e2.field };
        }
    }

    fn residuals_of_all(&mut self, clip: bool) -> Vec<Residuals> {
        let model = &self.model;
        self.stamps.par_iter_mut().map(|stamp| model.leftover(stamp, clip)).collect()
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
        self.model.noise.epsilon = error.clamp(self.config.model_error.max(0.0), EPSILON_MAX);
    }

    /// The reserved stars fitted with the final model, those that are worth being compared. Without
    /// reserved ones the used.
    pub(crate) fn check_stars<'s>(
        &'s mut self,
        reserved: &'s mut Vec<Stamp>,
    ) -> Vec<(&'s Stamp, Residuals)> {
        let (model, candidates) = (&self.model, self.candidates);
        let stamps = if reserved.is_empty() { &mut self.stamps } else { reserved };
        let told: Vec<Residuals> = stamps
            .par_iter_mut()
            .map(|stamp| {
                for clip in [false, true] {
                    let (x, y) = stamp.position();
                    stamp.shape = model.fields.at(x, y);
                    subtract_neighbours(stamp, &candidates[stamp.candidate].neighbours, model.s);
                    model.leftover(stamp, clip);
                }
                model.leftover(stamp, true)
            })
            .collect();
        let limit = self.config.clip_misfit
            * median(&mut stamps.iter().map(|s| s.misfit).collect::<Vec<_>>()).max(1.0);
        stamps.iter().zip(told).filter(|(s, _)| s.good && s.misfit < limit).collect()
    }
}

fn degree_for(stars: usize, wanted: usize) -> usize {
    (0..=wanted).rev().find(|&d| d == 0 || stars >= 6 * term_count(d)).unwrap_or(0)
}
