//! Errors of the pairs, the floor that they need, and the fit that rejects.
//!
//! - input: pairs of detections and stars, errors of both lists
//! - output: a model, what was kept, the floor
//! - error of a pair: the centroid's and the star's in quadrature, each along the plane's axes, and one floor for all:
//!   what neither list confesses (the atmosphere, the detector). It is estimated, by likelihood, and is
//!   zero unless the likelihood asks for it (by more than two in 2 ln L; four would be two sigma)
//! - rejection: beyond `clip_sigma`, or beyond what the largest of so many true residuals would be, whichever is larger:
//!   clean data lose nothing
//! - the order, and what distortion it stands upon (the instrument's, a radial one, none), is that with the least BIC;
//!   what a larger order had rejected is asked again under the chosen one

use crate::config::AstrometryConfig;
use crate::error::AstrometryError;
use crate::fit::Problem;
use crate::model::{InstrumentPlane, Model, ORDER_MAX, Scaling, Shape};
use crate::pattern::{Point, length};
use elqui_base::{median, term_count};

pub struct Robust<'a> {
    pub model: Model<'a>,
    /// Pairs kept, and their errors per axis with the floor, arcsec.
    pub kept: Vec<(usize, usize)>,
    pub sigmas: Vec<[f64; 2]>,
    /// Typical residual per axis, arcsec.
    pub scatter: f64,
    pub floor: f64,
    pub clipped: usize,
    /// Mean square error of the map per axis that comes of the radial distortion's own error, arcsec^2.
    pub radial_variance: f64,
}

/// 2 ln L must rise by this for a floor.
const FLOOR_GAIN: f64 = 2.0;
/// Pairs that choose the shape.
const CHOOSERS: usize = 1000;
/// Largest k of a radial distortion: a tenth at the image's edge.
const RADIAL_MAX: f64 = 0.1;

/// Largest order that so many pairs bear.
pub fn order_for(pairs: usize, config: &AstrometryConfig) -> usize {
    let most = config.sip_order.clamp(1, ORDER_MAX);
    (1..=most).rev().find(|&k| k == 1 || 2 * pairs >= 5 * term_count(k)).unwrap_or(1)
}

/// Variances of the separations along both axes, arcsec^2, without a floor.
fn own_variances(
    problem: &Problem<'_>,
    pairs: &[(usize, usize)],
    config: &AstrometryConfig,
) -> Vec<[f64; 2]> {
    let known = |v: f64| v.is_finite() && v > 0.0;
    let mut all: Vec<f64> = pairs
        .iter()
        .map(|&(d, _)| &problem.detected[d])
        .filter(|d| known(d.x_err) && known(d.y_err))
        .map(|d| (0.5 * (d.x_err * d.x_err + d.y_err * d.y_err)).sqrt())
        .collect();
    // An error that is not known is a bad one; where none is known the floor finds them all.
    let other = if all.is_empty() { 0.0 } else { 3.0 * median(&mut all) };
    let least = config.error_floor_px.max(1e-6);
    let j = problem.jacobian;
    pairs
        .iter()
        .map(|&(d, s)| {
            let (det, star) = (&problem.detected[d], &problem.stars[s]);
            let pixel = |e: f64| if known(e) { e } else { other }.max(least).powi(2);
            let (vx, vy) = (pixel(det.x_err), pixel(det.y_err));
            let arcsec = |mas: f64| if known(mas) { (mas / 1000.0).powi(2) } else { 0.0 };
            let reference = [arcsec(star.ra_err_mas), arcsec(star.dec_err_mas)];
            [0, 1].map(|k| j[k][0] * j[k][0] * vx + j[k][1] * j[k][1] * vy + reference[k])
        })
        .collect()
}

fn model<'a>(
    problem: &Problem<'a>,
    pairs: &[(usize, usize)],
    keep: &[usize],
    variances: &[[f64; 2]],
    floor: f64,
    shape: Shape<'a>,
) -> Result<Model<'a>, AstrometryError> {
    let data = keep.iter().map(|&k| {
        let (d, s) = pairs[k];
        (problem.detected[d], problem.places[s], variances[k].map(|v| (v + floor * floor).sqrt()))
    });
    Model::fit(shape, data, problem.pixel)
}

fn residuals(problem: &Problem<'_>, pairs: &[(usize, usize)], model: &Model<'_>) -> Vec<Point> {
    pairs
        .iter()
        .map(|&(d, s)| {
            let p = model.apply(&problem.detected[d]);
            [p[0] - problem.places[s][0], p[1] - problem.places[s][1]]
        })
        .collect()
}

/// Squared length of a residual in its errors.
fn chi2(r: &Point, v: &[f64; 2], floor: f64) -> f64 {
    (0..2).map(|k| r[k] * r[k] / (v[k] + floor * floor)).sum()
}

/// Least x >= 0 with `f(x) <= 0` for a falling f, by bisection; `f` is above zero at 0.
fn root(f: impl Fn(f64) -> f64, scale: f64) -> f64 {
    let (mut low, mut high) = (0.0, scale.max(f64::MIN_POSITIVE));
    while f(high) > 0.0 && high < 1e12 * scale {
        high *= 4.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if f(middle) > 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The floor with which the median pair is as far off as it should be: outliers do not count.
fn median_floor(residuals: &[Point], variances: &[[f64; 2]], pixel: f64) -> f64 {
    // Median of chi2 with two degrees of freedom: 2 ln 2.
    let excess = |square: f64| {
        let mut all: Vec<f64> =
            residuals.iter().zip(variances).map(|(r, v)| chi2(r, v, square.sqrt())).collect();
        median(&mut all) - 2.0 * std::f64::consts::LN_2
    };
    if excess(0.0) <= 0.0 { 0.0 } else { root(excess, 1e-4 * pixel * pixel).sqrt() }
}

/// The floor of the greatest likelihood, `used` of the residuals' degrees of freedom being spent.
fn likely_floor(residuals: &[Point], variances: &[[f64; 2]], used: usize, pixel: f64) -> f64 {
    let each = || residuals.iter().zip(variances).flat_map(|(r, v)| [(r[0], v[0]), (r[1], v[1])]);
    let left = (1.0 - used as f64 / residuals.len().max(1) as f64).max(0.1);
    let slope = |square: f64| {
        each().map(|(r, v)| (r * r / (v + square) - left) / (v + square)).sum::<f64>()
    };
    if slope(0.0) <= 0.0 {
        return 0.0;
    }
    let square = root(slope, 1e-4 * pixel * pixel);
    let gain: f64 = each()
        .map(|(r, v)| r * r / v - r * r / (v + square) - left * ((v + square) / v).ln())
        .sum();
    if gain > FLOOR_GAIN { square.sqrt() } else { 0.0 }
}

/// Fit, reject, fit again; with `last` the order is chosen and the floor taken from the likelihood.
pub fn robust<'a>(
    problem: &Problem<'a>,
    pairs: &[(usize, usize)],
    order_limit: usize,
    config: &AstrometryConfig,
    last: bool,
) -> Result<Robust<'a>, AstrometryError> {
    let variances = own_variances(problem, pairs, config);
    let all: Vec<usize> = (0..pairs.len()).collect();
    let order = order_for(pairs.len(), config).min(order_limit);
    let plain =
        Shape { scaling: Scaling::new(problem.size), order, base: problem.base, radial: 0.0 };
    if !last {
        let found = settle(problem, pairs, all, &variances, plain, config, false)?;
        return Ok(found.finish(pairs, &variances));
    }
    let mut chosen = choose(problem, pairs, &variances, plain, config)?;
    let mut found = settle(problem, pairs, all, &variances, chosen, config, true)?;
    if chosen.radial == 0.0 {
        return Ok(found.finish(pairs, &variances));
    }
    // k once more with the pairs and weights that were settled on.
    (chosen.radial, _) = radial(problem, pairs, &found.keep, &variances, found.floor, chosen)?;
    found = settle(problem, pairs, found.keep, &variances, chosen, config, true)?;
    let (k, error) = radial(problem, pairs, &found.keep, &variances, found.floor, chosen)?;
    let fit = |radial: f64| {
        let shape = Shape { radial, ..chosen };
        model(problem, pairs, &found.keep, &variances, found.floor, shape)
    };
    let radial_variance = fit(k + error)?.mean_square_from(&fit(k)?, problem.size);
    Ok(Robust { radial_variance, ..found.finish(pairs, &variances) })
}

/// k of the radial distortion with the least chi squared, and its error; chi squared is nearly a parabola in k.
fn radial<'a>(
    problem: &Problem<'a>,
    pairs: &[(usize, usize)],
    keep: &[usize],
    variances: &[[f64; 2]],
    floor: f64,
    shape: Shape<'a>,
) -> Result<(f64, f64), AstrometryError> {
    let at = |k: f64| -> Result<f64, AstrometryError> {
        let fitted = model(problem, pairs, keep, variances, floor, Shape { radial: k, ..shape })?;
        Ok(total_chi2(problem, pairs, keep, variances, floor, &fitted))
    };
    let (mut k, mut error) = (shape.radial, f64::INFINITY);
    // Steps of a pixel at the image's edge, then of a hundredth.
    for step_px in [1.0, 0.01, 0.01] {
        let step = step_px / shape.scaling.half;
        let (low, here, high) = (at(k - step)?, at(k)?, at(k + step)?);
        let bend = (low - 2.0 * here + high) / (step * step);
        if bend.is_nan() || bend <= 0.0 {
            break;
        }
        k -= (high - low) / (2.0 * step * bend);
        error = (2.0 / bend).sqrt();
    }
    Ok((k, error))
}

fn total_chi2(
    problem: &Problem<'_>,
    pairs: &[(usize, usize)],
    keep: &[usize],
    variances: &[[f64; 2]],
    floor: f64,
    fitted: &Model<'_>,
) -> f64 {
    let off = residuals(problem, pairs, fitted);
    keep.iter().map(|&k| chi2(&off[k], &variances[k], floor)).sum()
}

struct Settled<'a> {
    model: Model<'a>,
    keep: Vec<usize>,
    floor: f64,
    scatter: f64,
}

impl<'a> Settled<'a> {
    fn finish(self, pairs: &[(usize, usize)], variances: &[[f64; 2]]) -> Robust<'a> {
        let square = self.floor * self.floor;
        Robust {
            kept: self.keep.iter().map(|&k| pairs[k]).collect(),
            sigmas: self.keep.iter().map(|&k| variances[k].map(|v| (v + square).sqrt())).collect(),
            clipped: pairs.len() - self.keep.len(),
            model: self.model,
            scatter: self.scatter,
            floor: self.floor,
            radial_variance: 0.0,
        }
    }
}

/// In sigma: what the largest of so many residuals of two axes would be, and no less than is asked for.
fn clip_limit(pairs: usize, config: &AstrometryConfig) -> f64 {
    config.clip_sigma.max((2.0 * (2.0 * pairs as f64).ln()).sqrt())
}

fn settle<'a>(
    problem: &Problem<'a>,
    pairs: &[(usize, usize)],
    start: Vec<usize>,
    variances: &[[f64; 2]],
    mut shape: Shape<'a>,
    config: &AstrometryConfig,
    likely: bool,
) -> Result<Settled<'a>, AstrometryError> {
    let pick = |keep: &[usize], from: &[Point]| keep.iter().map(|&k| from[k]).collect::<Vec<_>>();
    let limit = clip_limit(pairs.len(), config);
    let (mut keep, mut floor, mut scatter) = (start, 0.0, f64::INFINITY);
    let mut fitted = model(problem, pairs, &keep, variances, floor, shape)?;
    for pass in 0..8 {
        let off = residuals(problem, pairs, &fitted);
        let (mine, own) = (pick(&keep, &off), pick(&keep, variances));
        let mut lengths: Vec<f64> = mine.iter().map(|r| length(*r, [0.0; 2])).collect();
        // The median of a Rayleigh distribution is 1.1774 sigma.
        scatter = median(&mut lengths) / 1.1774;
        floor = if likely && pass > 0 {
            likely_floor(&mine, &own, shape.terms(), problem.pixel)
        } else {
            median_floor(&mine, &own, problem.pixel)
        };
        let next: Vec<usize> = (0..pairs.len())
            .filter(|&k| chi2(&off[k], &variances[k], floor) <= limit * limit)
            .collect();
        if next.len() < 4 {
            break;
        }
        let settled = next == keep && pass > 1;
        keep = next;
        shape.order = shape.order.min(order_for(keep.len(), config));
        fitted = model(problem, pairs, &keep, variances, floor, shape)?;
        if settled {
            break;
        }
    }
    Ok(Settled { model: fitted, keep, floor, scatter })
}

/// The shape with the least BIC. Each rejects by itself, and pays for what it rejects: a shape that bends to a
/// single wrong star must not win by it.
fn choose<'a>(
    problem: &Problem<'a>,
    pairs: &[(usize, usize)],
    variances: &[[f64; 2]],
    plain: Shape<'a>,
    config: &AstrometryConfig,
) -> Result<Shape<'a>, AstrometryError> {
    // The brightest say it all; pairs are in the order of brightness.
    let pairs = &pairs[..pairs.len().min(CHOOSERS)];
    let n = 2.0 * pairs.len() as f64;
    let limit = clip_limit(pairs.len(), config);
    let mut best = (f64::INFINITY, plain);
    let mut judge = |shape: Shape<'a>, more: f64| -> Result<Settled<'a>, AstrometryError> {
        let all = (0..pairs.len()).collect();
        let found = settle(problem, pairs, all, variances, shape, config, true)?;
        let off = residuals(problem, pairs, &found.model);
        let (mut sum, mut spread) = (0.0, 0.0);
        for (r, v) in off.iter().zip(variances) {
            sum += chi2(r, v, found.floor).min(limit * limit);
            spread += v.iter().map(|v| (v + found.floor * found.floor).ln()).sum::<f64>();
        }
        let terms = 2.0 * found.model.shape.terms() as f64 + more;
        // The scale of the errors is not believed.
        let bic = n * (sum.max(f64::MIN_POSITIVE) / n).ln() + spread + terms * n.ln();
        if bic < best.0 {
            best = (bic, found.model.shape);
        }
        Ok(found)
    };
    let bases: &[Option<&InstrumentPlane>] =
        if problem.base.is_some() { &[problem.base, None] } else { &[None] };
    for &base in bases {
        for order in 1..=order_for(pairs.len(), config) {
            let shape = Shape { order, base, ..plain };
            let found = judge(shape, 0.0)?;
            // Order 2 besides moves the middle of the distortion.
            if base.is_none() && order <= 2 && config.sip_order >= 3 {
                let mut bent = shape;
                let (mut keep, mut floor) = (found.keep, found.floor);
                for _ in 0..2 {
                    (bent.radial, _) = radial(problem, pairs, &keep, variances, floor, bent)?;
                    if bent.radial.is_nan() || bent.radial.abs() >= RADIAL_MAX {
                        break;
                    }
                    let next = settle(problem, pairs, keep, variances, bent, config, true)?;
                    (keep, floor) = (next.keep, next.floor);
                }
                if bent.radial.abs() < RADIAL_MAX {
                    judge(bent, 1.0)?;
                }
            }
        }
    }
    Ok(best.1)
}
