//! From a rough map to TAN with SIP: match and robust fit in turns.
//!
//! - input: detections (pixels), reference stars on the plane about `center` (arcsec), where
//!   each detection lies roughly on that plane
//! - output: WCS, matches, residuals
//! - the fit: polynomials from pixels to the plane, weighted by the errors of both lists and the
//!   scatter that they do not explain; the order is the one with the least BIC
//! - differs from SCAMP: one image alone, and the reference's own errors count in full

use crate::config::{AstrometryConfig, Detected};
use crate::error::AstrometryError;
use crate::pattern::{Point, length};
use crate::search::one_to_one;
use elqui_base::{ARCSEC_PER_RAD, UnitVector, cholesky_solve, median, term_count};
use elqui_matching::{PlaneGrid, RefStar};
use elqui_wcs::Wcs;

pub struct Problem<'a> {
    /// Brightest first, as `stars` and all that goes with them.
    pub detected: &'a [Detected],
    pub rough: Vec<Point>,
    /// Scatter of the rough map, arcsec.
    pub rough_rms: f64,
    pub stars: &'a [RefStar],
    pub places: &'a [Point],
    pub center: UnitVector,
    pub size: [f64; 2],
    /// Arcsec.
    pub pixel: f64,
    /// Reference stars expected on the image over those in `stars`.
    pub fraction: f64,
}

pub struct Fitted {
    pub wcs: Wcs,
    pub rms_mas: [f64; 2],
    pub matches: Vec<(usize, usize)>,
    pub order: usize,
    pub radius_arcsec: f64,
}

/// Polynomials on pixels scaled by `half` about the image's middle.
struct Model {
    order: usize,
    half: f64,
    middle: Point,
    coefficients: [Vec<f64>; 2],
}

impl Model {
    fn scaled(&self, d: &Detected) -> Point {
        [(d.x - self.middle[0]) / self.half, (d.y - self.middle[1]) / self.half]
    }

    fn apply(&self, d: &Detected) -> Point {
        let [u, v] = self.scaled(d);
        let mut row = [0.0; TERMS_MAX];
        fill_terms(&mut row, self.order, u, v);
        [0, 1].map(|axis| self.coefficients[axis].iter().zip(&row).map(|(c, t)| c * t).sum())
    }
}

/// Terms of the largest order, 5.
const TERMS_MAX: usize = term_count(5);

/// 1, u, v, u^2, uv, v^2, ... without powers.
fn fill_terms(row: &mut [f64], order: usize, u: f64, v: f64) {
    row[0] = 1.0;
    let (mut k, mut previous) = (1, 0);
    for total in 1..=order {
        for j in 0..total {
            row[k + j] = row[previous + j] * u;
        }
        row[k + total] = row[previous + total - 1] * v;
        previous = k;
        k += total + 1;
    }
}

fn order_for(matches: usize, config: &AstrometryConfig) -> usize {
    let most = config.sip_order.clamp(1, 5);
    (1..=most).rev().find(|&k| k == 1 || 2 * matches >= 5 * term_count(k)).unwrap_or(1)
}

pub fn fit(problem: &Problem<'_>, config: &AstrometryConfig) -> Result<Fitted, AstrometryError> {
    let few = |n: usize| AstrometryError::Fit {
        reason: format!("only {n} matches are left, {} are needed", config.matches_min),
    };
    let total = problem.detected.len();
    let (mut rough, mut rms) = (problem.rough.clone(), problem.rough_rms);
    let floor = config.error_floor_px * problem.pixel;
    let most = config.match_radius_px * problem.pixel;
    let mut state: Option<(Model, Vec<(usize, usize)>, Vec<f64>, f64)> = None;
    // Few bright stars first, while the map is rough; all of them once it is good.
    let stages = [(100, 1), (200, 2), (600, 9), (2000, 9), (usize::MAX, 9), (usize::MAX, 9)];
    let mut last = 0;
    for (stage, &(count, order_limit)) in stages.iter().enumerate() {
        let count = count.min(total);
        if stage > 0 && count == last && count == total && stage < 4 {
            continue;
        }
        last = count;
        let radius = (4.5 * rms).max(0.4 * problem.pixel).max(4.0 * floor);
        let radius = if stage >= 3 { radius.min(most) } else { radius };
        let stars = ((3 * count) as f64 / problem.fraction.clamp(1e-6, 1.0)) as usize;
        let stars = stars.clamp(1, problem.places.len());
        let grid = PlaneGrid::new(&problem.places[..stars], radius);
        let pairs = one_to_one(
            rough[..count]
                .iter()
                .enumerate()
                .filter_map(|(d, p)| grid.nearest(p[0], p[1]).map(|(s, r)| (d, s, r))),
        );
        if pairs.len() < config.matches_min.max(4) {
            return Err(few(pairs.len()));
        }
        let order = order_for(pairs.len(), config).min(order_limit);
        let (model, kept, sigmas, scatter) = robust(problem, &pairs, order, config, stage >= 5)?;
        if kept.len() < config.matches_min.max(4) {
            return Err(few(kept.len()));
        }
        rough = problem.detected.iter().map(|d| model.apply(d)).collect();
        rms = scatter;
        state = Some((model, kept, sigmas, radius));
    }
    let (model, matches, sigmas, radius_arcsec) = state.ok_or_else(|| few(0))?;
    finish(problem, model.order, matches, &sigmas, radius_arcsec)
}

type Robust = (Model, Vec<(usize, usize)>, Vec<f64>, f64);

/// Fit, reject, fit again. Gives the matches kept, their errors and the scatter per axis.
fn robust(
    problem: &Problem<'_>,
    pairs: &[(usize, usize)],
    order: usize,
    config: &AstrometryConfig,
    choose: bool,
) -> Result<Robust, AstrometryError> {
    let own: Vec<f64> = pairs.iter().map(|&(d, s)| own_error(problem, d, s, config)).collect();
    let mut typical = own.clone();
    let typical = median(&mut typical);
    let mut keep: Vec<usize> = (0..pairs.len()).collect();
    let mut sigmas = own.clone();
    let mut model = polynomial(problem, pairs, &keep, &sigmas, order)?;
    let mut scatter = f64::INFINITY;
    for _ in 0..5 {
        let off: Vec<f64> = pairs
            .iter()
            .map(|&(d, s)| length(model.apply(&problem.detected[d]), problem.places[s]))
            .collect();
        // The median of a Rayleigh distribution is 1.1774 sigma.
        let mut sorted: Vec<f64> = keep.iter().map(|&k| off[k]).collect();
        scatter = median(&mut sorted) / 1.1774;
        let extra = (scatter * scatter - typical * typical).max(0.0).sqrt();
        sigmas = own.iter().map(|e| e.hypot(extra)).collect();
        let next: Vec<usize> =
            (0..pairs.len()).filter(|&k| off[k] <= config.clip_sigma * sigmas[k]).collect();
        if next.len() < 4 {
            break;
        }
        let settled = next == keep;
        keep = next;
        let order = order.min(order_for(keep.len(), config));
        model = polynomial(problem, pairs, &keep, &sigmas, order)?;
        if settled {
            break;
        }
    }
    if choose {
        let bic = |m: &Model| {
            let n = 2.0 * keep.len() as f64;
            let chi2: f64 = keep
                .iter()
                .map(|&k| {
                    let (d, s) = pairs[k];
                    (length(m.apply(&problem.detected[d]), problem.places[s]) / sigmas[k]).powi(2)
                })
                .sum();
            n * (chi2 / n).ln() + 2.0 * term_count(m.order) as f64 * n.ln()
        };
        for lower in (1..model.order).rev() {
            let other = polynomial(problem, pairs, &keep, &sigmas, lower)?;
            if bic(&other) < bic(&model) {
                model = other;
            }
        }
    }
    let kept_sigmas = keep.iter().map(|&k| sigmas[k]).collect();
    let kept = keep.iter().map(|&k| pairs[k]).collect();
    Ok((model, kept, kept_sigmas, scatter))
}

/// Error of the separation per axis, arcsec.
fn own_error(problem: &Problem<'_>, d: usize, s: usize, config: &AstrometryConfig) -> f64 {
    let known = |v: f64| if v.is_finite() && v > 0.0 { v } else { 0.0 };
    let (det, star) = (&problem.detected[d], &problem.stars[s]);
    let pixels = ((known(det.x_err).powi(2) + known(det.y_err).powi(2)) / 2.0).sqrt();
    let mas = ((known(star.ra_err_mas).powi(2) + known(star.dec_err_mas).powi(2)) / 2.0).sqrt();
    (pixels.max(config.error_floor_px) * problem.pixel).hypot(mas / 1000.0)
}

fn polynomial(
    problem: &Problem<'_>,
    pairs: &[(usize, usize)],
    keep: &[usize],
    sigmas: &[f64],
    order: usize,
) -> Result<Model, AstrometryError> {
    let kept: Vec<(usize, usize)> = keep.iter().map(|&k| pairs[k]).collect();
    let errors: Vec<f64> = keep.iter().map(|&k| sigmas[k]).collect();
    let targets: Vec<Point> = kept.iter().map(|&(_, s)| problem.places[s]).collect();
    solve_polynomial(problem, &kept, &targets, &errors, order)
}

fn solve_polynomial(
    problem: &Problem<'_>,
    kept: &[(usize, usize)],
    targets: &[Point],
    sigmas: &[f64],
    order: usize,
) -> Result<Model, AstrometryError> {
    let mut model = Model {
        order,
        half: 0.5 * problem.size[0].max(problem.size[1]).max(1.0),
        middle: [0.5 * (problem.size[0] - 1.0), 0.5 * (problem.size[1] - 1.0)],
        coefficients: [Vec::new(), Vec::new()],
    };
    // One normal matrix serves both axes; its columns are of order one already.
    let n = term_count(order);
    let (mut matrix, mut sides) = (vec![0.0; n * n], [vec![0.0; n], vec![0.0; n]]);
    let mut row = vec![0.0; n];
    for ((&(d, _), target), sigma) in kept.iter().zip(targets).zip(sigmas) {
        let [u, v] = model.scaled(&problem.detected[d]);
        fill_terms(&mut row, order, u, v);
        let w = (problem.pixel / sigma).powi(2);
        for i in 0..n {
            let wi = w * row[i];
            sides[0][i] += wi * target[0];
            sides[1][i] += wi * target[1];
            for j in 0..=i {
                matrix[i * n + j] += wi * row[j];
            }
        }
    }
    for i in 0..n {
        for j in 0..i {
            matrix[j * n + i] = matrix[i * n + j];
        }
    }
    for (coefficients, side) in model.coefficients.iter_mut().zip(&sides) {
        *coefficients = cholesky_solve(&matrix, side)
            .map_err(|e| AstrometryError::Fit { reason: e.to_string() })?;
    }
    Ok(model)
}

/// Move the tangent point to the image's middle, fit once more and write the WCS.
fn finish(
    problem: &Problem<'_>,
    order: usize,
    matches: Vec<(usize, usize)>,
    sigmas: &[f64],
    radius_arcsec: f64,
) -> Result<Fitted, AstrometryError> {
    let failed = |reason: String| AstrometryError::Fit { reason };
    let directions: Vec<UnitVector> = matches
        .iter()
        .map(|&(_, s)| UnitVector::from_ra_dec_deg(problem.stars[s].ra, problem.stars[s].dec))
        .collect();
    let mut center = problem.center;
    let mut result = None;
    for _ in 0..4 {
        let targets: Option<Vec<Point>> = directions
            .iter()
            .map(|v| v.to_tangent(center).map(|p| [p.0 * ARCSEC_PER_RAD, p.1 * ARCSEC_PER_RAD]))
            .collect();
        let targets = targets.ok_or_else(|| failed("a star lies behind the plane".into()))?;
        let model = solve_polynomial(problem, &matches, &targets, sigmas, order)?;
        let shift = [model.coefficients[0][0], model.coefficients[1][0]];
        result = Some((model, targets, center));
        if shift[0].hypot(shift[1]) < 1e-7 {
            break;
        }
        center =
            UnitVector::from_tangent(center, shift[0] / ARCSEC_PER_RAD, shift[1] / ARCSEC_PER_RAD);
    }
    let (model, targets, center) = result.ok_or_else(|| failed("no fit".into()))?;
    let wcs = to_wcs(&model, center, problem.size)?;
    let mut sums = [0.0; 2];
    for (&(d, _), target) in matches.iter().zip(&targets) {
        let p = model.apply(&problem.detected[d]);
        for k in 0..2 {
            sums[k] += (p[k] - target[k]).powi(2);
        }
    }
    let rms_mas = sums.map(|s| 1000.0 * (s / matches.len() as f64).sqrt());
    Ok(Fitted { wcs, rms_mas, matches, order: model.order, radius_arcsec })
}

fn to_wcs(model: &Model, center: UnitVector, size: [f64; 2]) -> Result<Wcs, AstrometryError> {
    let per_pixel = |k: usize, axis: usize, power: usize| {
        model.coefficients[axis][k] / model.half.powi(power as i32) / 3600.0
    };
    let cd = [[per_pixel(1, 0, 1), per_pixel(2, 0, 1)], [per_pixel(1, 1, 1), per_pixel(2, 1, 1)]];
    let det = cd[0][0] * cd[1][1] - cd[0][1] * cd[1][0];
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let mut k = 3;
    for total in 2..=model.order {
        for j in 0..=total {
            let (e, n) = (per_pixel(k, 0, total), per_pixel(k, 1, total));
            a.push(((total - j, j), (cd[1][1] * e - cd[0][1] * n) / det));
            b.push(((total - j, j), (cd[0][0] * n - cd[1][0] * e) / det));
            k += 1;
        }
    }
    let (ra, dec) = center.to_ra_dec_deg();
    Wcs::tan_sip_from_fit([ra, dec], model.middle, cd, model.order, a, b, size)
        .map_err(|e| AstrometryError::Fit { reason: e.to_string() })
}
