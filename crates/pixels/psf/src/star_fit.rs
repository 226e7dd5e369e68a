//! One star against the model: flux, place, sky, and when asked its own width and shape.
//!
//! Gauss-Newton on the pixels, weighted by the model's noise. The sky's level is held near zero as far as
//! the stars of the frame bear it (a prior), so that what a background estimate left behind does not go into the
//! wings.

use crate::normal::{ALL, PLACE, SHAPE, equations};
use crate::profile::{Moffat, S_RANGE, Shape};
use crate::sky::{Level, SkyPrior};
use crate::stamp::{Noise, Stamp};
use elqui_base::invert_spd;

/// Pixels of the core that count for the misfit reach this many half widths out.
pub(crate) const CORE_HALF_WIDTHS: f64 = 3.0;
/// Pixels farther off than this many sigma are dropped, outside the core.
const PIXEL_CLIP_SIGMA: f64 = 5.0;

/// The profile beside what each star has of its own.
#[derive(Clone, Copy)]
pub(crate) struct Common<'a> {
    pub s: f64,
    /// Departure from the analytic profile at the star's place, per unit of flux, for each of its pixels.
    pub departure: &'a [f32],
    pub noise: Noise,
    pub sky: SkyPrior,
}

/// What a star says about the inverse exponent (step and weight), and about its sky.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    pub slope: f64,
    pub weight: f64,
    /// In units of its noise.
    pub sky: Level,
}

/// Take a bounded step; false when the star is lost.
fn take(stamp: &mut Stamp, step: &[f64]) -> bool {
    let h = stamp.shape.half_width;
    let flux = stamp.flux + step[0];
    if !(flux > 0.0 && flux.is_finite()) {
        return false;
    }
    stamp.flux = flux;
    stamp.sky += step[1];
    stamp.dx += step[2].clamp(-0.5 * h, 0.5 * h);
    stamp.dy += step[3].clamp(-0.5 * h, 0.5 * h);
    if step.len() == SHAPE {
        stamp.shape = Shape {
            half_width: h + step[4].clamp(-0.3 * h, 0.5 * h),
            e1: stamp.shape.e1 + step[5].clamp(-0.3, 0.3),
            e2: stamp.shape.e2 + step[6].clamp(-0.3, 0.3),
        }
        .bounded();
    }
    stamp.dx.hypot(stamp.dy) < 1.5 + h
}

/// What the steps change: a fit that fails puts it back, so that the next round starts afresh.
fn state(stamp: &Stamp) -> ([f64; 4], Shape) {
    ([stamp.flux, stamp.sky, stamp.dx, stamp.dy], stamp.shape)
}

fn restore(stamp: &mut Stamp, (values, shape): ([f64; 4], Shape)) {
    [stamp.flux, stamp.sky, stamp.dx, stamp.dy] = values;
    stamp.shape = shape;
}

/// Flux, place and sky with the shape as it is; false when that fails.
pub(crate) fn fit_place(stamp: &mut Stamp, common: &Common<'_>, steps: usize) -> bool {
    let before = state(stamp);
    let fits = (0..steps).all(|_| {
        let step = equations::<PLACE>(stamp, common).step(PLACE);
        step.is_some_and(|step| take(stamp, &step))
    });
    if !fits {
        restore(stamp, before);
    }
    fits
}

/// The star's own shape too, with its errors, and what it tells about the others'; `None` when that fails.
pub(crate) fn fit_shape(stamp: &mut Stamp, common: &Common<'_>, steps: usize) -> Option<Told> {
    let before = state(stamp);
    for _ in 0..steps {
        let step = equations::<SHAPE>(stamp, common).step(SHAPE);
        let Some(step) = step.filter(|step| take(stamp, step)) else {
            restore(stamp, before);
            return None;
        };
        let small = step[4].abs() < 1e-4 * stamp.shape.half_width
            && step[5].hypot(step[6]) < 1e-4
            && step[2].hypot(step[3]) < 1e-3;
        if small {
            break;
        }
    }
    let e = equations::<ALL>(stamp, common);
    let (a, b, scale) = e.scaled(SHAPE)?;
    let inverse = invert_spd(&a, SHAPE).ok()?;
    for k in 0..3 {
        let p = PLACE + k;
        stamp.shape_error[k] = inverse[p * SHAPE + p].sqrt() * scale[p];
    }
    // The exponent with everything else of this star fitted again.
    let row: Vec<f64> = (0..SHAPE).map(|p| e.matrix[SHAPE][p] * scale[p]).collect();
    let (mut weight, mut slope) = (e.matrix[SHAPE][SHAPE], e.vector[SHAPE]);
    for p in 0..SHAPE {
        let t: f64 = (0..SHAPE).map(|q| inverse[p * SHAPE + q] * row[q]).sum();
        weight -= t * row[p];
        slope -= t * b[p];
    }
    let variance = inverse[SHAPE + 1] * scale[1] * scale[1] / stamp.base_variance;
    let noise = stamp.base_variance.sqrt();
    let sky = Level { level: stamp.sky / noise, variance, flux: stamp.flux / noise };
    (weight > 0.0 && slope.is_finite()).then_some(Told { slope, weight, sky })
}

/// The inverse exponent after what the stars told. A star whose own step is far off the others' is no
/// star of this profile and does not count.
pub(crate) fn next_exponent(s: f64, told: &[Told]) -> f64 {
    let mut steps: Vec<f64> =
        told.iter().filter(|v| v.weight > 0.0).map(|v| v.slope / v.weight).collect();
    if steps.is_empty() {
        return s;
    }
    let (middle, _) = elqui_base::mad_sigma(&mut steps);
    let (mut slope, mut weight) = (0.0, 0.0);
    for v in told.iter().filter(|v| v.weight > 0.0) {
        // Beyond four sigma of the star's own error.
        if (v.slope / v.weight - middle).abs() * v.weight.sqrt() < 4.0 {
            slope += v.slope;
            weight += v.weight;
        }
    }
    let step = if weight > 0.0 { slope / weight } else { middle };
    (s + step.clamp(-0.1, 0.1)).clamp(S_RANGE.0, S_RANGE.1)
}

/// Residual of each of its own pixels per unit of flux (0 where unused), and the misfit noted. When
/// `clip` is set, pixels outside the core that are far off are dropped until the next time.
pub(crate) fn residuals(stamp: &mut Stamp, common: &Common<'_>, clip: bool) -> Residuals {
    let profile = Moffat::new(stamp.shape, common.s);
    let n = stamp.own;
    let mut units = vec![0.0; n];
    profile.draw(&stamp.x[..n], &stamp.y[..n], (stamp.dx, stamp.dy), &mut units);
    let core = CORE_HALF_WIDTHS * stamp.shape.half_width;
    let mut out = Residuals {
        values: vec![0.0; n],
        variances: vec![0.0; n],
        information: 0.0,
        excess: [0.0; 2],
    };
    stamp.keep_all();
    let (mut chi2, mut count, inverse) = (0.0, 0.0, 1.0 / stamp.flux);
    for (k, unit) in units.iter().enumerate() {
        let light = stamp.flux * (unit + f64::from(common.departure[k]));
        let variance = common.noise.variance(stamp.floor[k].into(), light);
        let residual = f64::from(stamp.data[k]) - stamp.sky - light;
        let r2 = residual * residual / variance;
        let radius2 = f64::from(stamp.x[k] * stamp.x[k] + stamp.y[k] * stamp.y[k]);
        if radius2 < core * core {
            chi2 += r2;
            count += 1.0;
            let known = variance - (common.noise.epsilon * light).powi(2);
            let share = light * light / known;
            out.excess[0] += (residual * residual / known - 1.0) * share;
            out.excess[1] += share * share;
        } else if clip && r2 > PIXEL_CLIP_SIGMA * PIXEL_CLIP_SIGMA {
            stamp.keep[k] = 0.0;
            continue;
        }
        out.values[k] = (residual * inverse) as f32;
        out.variances[k] = (variance * inverse * inverse) as f32;
        out.information += light * light / variance;
    }
    // A star must show most of its core.
    let shows = count > 0.6 * std::f64::consts::PI * core * core;
    stamp.misfit = if shows { chi2 / count } else { f64::INFINITY };
    out
}

/// What a star has to say beyond the model.
pub(crate) struct Residuals {
    pub values: Vec<f32>,
    /// Variance of each value, 0 where there is none.
    pub variances: Vec<f32>,
    /// Square of the star's S/N.
    pub information: f64,
    /// Numerator and denominator of the square of the model's relative error.
    pub excess: [f64; 2],
}
