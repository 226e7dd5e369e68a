//! The effective PSF from stars: fit every star with the model, give the model their residuals.
//!
//! Each pass fits flux and centroid of all stars against the present model, spreads the residuals
//! (in units of the star's flux) back over the model's samples, and corrects every sample by the
//! weighted least-squares polynomial in position of what the stars say about it. Pixels that cannot
//! be used say nothing. Stars and pixels that fit badly are dropped on the way.
//! - input: sky-subtracted image (adu), variance (adu^2), mask, candidates
//! - output: the model, which stars were used and which reserved, and how well the reserved fit
//! - source: Anderson & King 2000, PASP 112, 1360, sec. 3; Bertin 2011, ASP Conf. 442, 435
//! - differs from PSFEx: residuals instead of one large system; the model is linear in its samples,
//!   and no regularisation but the smoothing of the far wings

use crate::FWHM_PER_SIGMA;
use crate::config::{PsfConfig, PsfError};
use crate::stack::{Stamp, grid_for, half_width_for, spread_to_grid, step_for};
use crate::star::StarCandidate;
use crate::width::{effective_fwhm, half_maximum_width};
use elqui_base::{Polynomial2d, cholesky_solve, invert_spd, median, term_count, terms};
use elqui_image::{Image, Mask, PsfModel, adaptive_moments};
use rayon::prelude::*;

/// Fewer usable stars than this make no model.
const MIN_STARS: usize = 3;
/// Stars whose contributions are summed by one task.
const STARS_A_TASK: usize = 16;
/// Pixels farther off than this many sigma are dropped, outside the core.
const PIXEL_CLIP_SIGMA: f32 = 5.0;

/// A model and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct PsfFit {
    pub model: PsfModel,
    /// Indices of the candidates in the fit, and of those kept out to validate it.
    pub used: Vec<usize>,
    pub reserved: Vec<usize>,
    /// Median of `sigma_star / sigma_model - 1` over the reserved stars (the used ones when there
    /// are none); NaN when no star could be measured.
    pub size_residual: f64,
    /// Scatter of the same.
    pub size_scatter: f64,
    /// Width at the middle of the detector of the Gaussian with the same noise-equivalent area.
    pub effective_fwhm_pixels: f64,
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
    let good: Vec<usize> = (0..stars.len())
        .filter(|&k| {
            let s = &stars[k];
            s.x.is_finite() && s.y.is_finite() && s.flux > 0.0 && s.sigma_pixels > 0.0
        })
        .collect();
    if good.len() < MIN_STARS {
        return Err(PsfError::TooFewStars { found: good.len(), needed: MIN_STARS });
    }
    let (reserved, mut used) = reserve(&good, config.reserved_fraction);
    let sigma = median(&mut used.iter().map(|&k| stars[k].sigma_pixels).collect::<Vec<f64>>());
    let fwhm = FWHM_PER_SIGMA * sigma;
    let half = half_width_for(fwhm);
    let mut model = start(image, stars, &used, half, fwhm, degree_for(used.len(), config.degree));
    let mut stamps: Vec<Stamp> = used
        .par_iter()
        .map(|&k| Stamp::cut(image, variance, mask, &stars[k], half, fwhm))
        .collect();
    for iteration in 0..config.iterations.max(1) {
        let correction = pass(&model, &mut stamps, fwhm, config, iteration >= 3);
        if iteration >= 3 {
            drop_misfits(&mut stamps, &mut used, fwhm, config);
            if used.len() < MIN_STARS {
                return Err(PsfError::TooFewStars { found: used.len(), needed: MIN_STARS });
            }
        }
        apply(&mut model, &correction);
        lower_degree(&mut model, used.len());
    }
    smooth_wings(&mut model, fwhm);
    normalise(&mut model)?;
    let (mx, my) = (0.5 * image.width() as f64, 0.5 * image.height() as f64);
    model.fwhm_pixels = half_maximum_width(&model, mx, my);
    let checked = if reserved.is_empty() { &used } else { &reserved };
    let (size_residual, size_scatter) = validate(&model, stars, checked);
    let effective_fwhm_pixels = effective_fwhm(&model, mx, my);
    Ok(PsfFit { model, used, reserved, size_residual, size_scatter, effective_fwhm_pixels })
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

/// Every n-th star is kept out, when there are enough.
fn reserve(good: &[usize], fraction: f64) -> (Vec<usize>, Vec<usize>) {
    if good.len() < 10 || !(fraction > 0.0) {
        return (Vec::new(), good.to_vec());
    }
    let every = ((1.0 / fraction).round() as usize).max(2);
    let (mut reserved, mut used) = (Vec::new(), Vec::new());
    for (rank, &k) in good.iter().enumerate() {
        if rank % every == every - 1 { reserved.push(k) } else { used.push(k) }
    }
    (reserved, used)
}

fn degree_for(stars: usize, wanted: usize) -> usize {
    (0..=wanted).rev().find(|&d| d == 0 || stars >= 6 * term_count(d)).unwrap_or(0)
}

/// When stars were dropped the rest may not carry the polynomial any more.
fn lower_degree(model: &mut PsfModel, stars: usize) {
    while model.degree > 0 && stars < 4 * term_count(model.degree) {
        model.degree -= 1;
        model.components.truncate(term_count(model.degree));
    }
}

/// The first model: the Gaussian with the stars' median moments.
fn start(
    image: &Image<f32>,
    stars: &[StarCandidate],
    used: &[usize],
    half: usize,
    fwhm: f64,
    degree: usize,
) -> PsfModel {
    let typical = |f: fn(&StarCandidate) -> f64| {
        median(&mut used.iter().map(|&k| f(&stars[k])).collect::<Vec<f64>>())
    };
    let (e1, e2, sigma) = (typical(|s| s.e1), typical(|s| s.e2), fwhm / FWHM_PER_SIGMA);
    let round = (1.0 - e1 * e1 - e2 * e2).max(0.05).sqrt();
    // Inverse moments of unit determinant, over sigma^2.
    let (a, b, c) = ((1.0 - e1) / round, -e2 / round, (1.0 + e1) / round);
    let step = step_for(fwhm);
    let mut model = PsfModel::from_profile(grid_for(half, step), step, fwhm, |dx, dy| {
        (-0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy) / (sigma * sigma)).exp()
    });
    model.degree = degree;
    (model.center, model.scale) =
        Polynomial2d::scaling(image.width() as f64, image.height() as f64);
    model.components.resize(term_count(degree), vec![0.0; model.grid * model.grid]);
    model
}

/// What one pass over the stars adds up for each term of each sample.
struct Correction {
    /// terms x terms.
    normal: Vec<f64>,
    /// One grid for each term.
    sums: Vec<Vec<f32>>,
}

fn pass(
    model: &PsfModel,
    stamps: &mut [Stamp],
    fwhm: f64,
    config: &PsfConfig,
    clip_pixels: bool,
) -> Correction {
    stamps.par_iter_mut().for_each(|s| fit_star(model, s, fwhm, clip_pixels));
    let n = model.components.len();
    let parts: Vec<Correction> = stamps
        .par_chunks(STARS_A_TASK)
        .map(|chunk| {
            let mut part = Correction {
                normal: vec![0.0; n * n],
                sums: vec![vec![0.0; model.grid * model.grid]; n],
            };
            chunk.iter().for_each(|s| add_star(model, s, config, &mut part));
            part
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut total = parts.next().expect("at least one star");
    for part in parts {
        total.normal.iter_mut().zip(&part.normal).for_each(|(a, b)| *a += b);
        for (a, b) in total.sums.iter_mut().zip(&part.sums) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
    }
    total
}

fn position_terms(model: &PsfModel, (x, y): (f64, f64)) -> Vec<f64> {
    let u = (x - model.center[0]) * model.scale[0];
    let v = (y - model.center[1]) * model.scale[1];
    terms(model.degree, u, v)
}

/// Flux and centroid of a star against the model; the misfit per pixel of the core.
fn fit_star(model: &PsfModel, s: &mut Stamp, fwhm: f64, clip_pixels: bool) {
    let (x, y) = s.position();
    let stamp = model.render_samples(&model.samples_at(x, y), s.dx, s.dy);
    let (side, m) = (stamp.width(), stamp.data());
    let half = (side / 2) as f64;
    let core = 1.5 * fwhm;
    let reach = core.min(half - 1.0);
    let (mut a, mut b) = ([0.0f64; 9], [0.0f64; 3]);
    let low = (half - reach).floor().max(1.0) as usize;
    let high = ((half + reach).ceil() as usize).min(side - 2);
    for j in low..=high {
        for i in low..=high {
            let k = j * side + i;
            let w = f64::from(s.weight[k]);
            if w <= 0.0 || (i as f64 - half).hypot(j as f64 - half) > reach {
                continue;
            }
            let g = [
                f64::from(m[k]),
                s.flux * 0.5 * f64::from(m[k - 1] - m[k + 1]),
                s.flux * 0.5 * f64::from(m[k - side] - m[k + side]),
            ];
            for p in 0..3 {
                b[p] += w * g[p] * f64::from(s.data[k]);
                for q in 0..3 {
                    a[p * 3 + q] += w * g[p] * g[q];
                }
            }
        }
    }
    s.misfit = f64::INFINITY;
    let Ok(solution) = cholesky_solve(&a, &b) else { return };
    if !(solution[0] > 0.0) {
        return;
    }
    s.flux = solution[0];
    s.dx += solution[1].clamp(-0.3, 0.3);
    s.dy += solution[2].clamp(-0.3, 0.3);
    let (mut chi2, mut count) = (0.0, 0.0);
    for j in 0..side {
        for i in 0..side {
            let k = j * side + i;
            if s.weight[k] <= 0.0 {
                continue;
            }
            let expected = s.flux as f32 * m[k];
            let residual = s.data[k] - expected;
            let variance = 1.0 / s.weight[k] + (0.03 * expected).powi(2);
            let r2 = residual * residual / variance;
            let r = (i as f64 - half).hypot(j as f64 - half);
            if r < core {
                chi2 += f64::from(r2);
                count += 1.0;
            } else if clip_pixels && r2 > PIXEL_CLIP_SIGMA * PIXEL_CLIP_SIGMA {
                s.weight[k] = 0.0;
            }
        }
    }
    // A star must show most of its core.
    if count > 0.6 * std::f64::consts::PI * core * core {
        s.misfit = chi2 / count;
    }
}

/// Spread a star's residuals over the samples.
fn add_star(model: &PsfModel, s: &Stamp, config: &PsfConfig, part: &mut Correction) {
    if !s.misfit.is_finite() {
        return;
    }
    let t = position_terms(model, s.position());
    let (x, y) = s.position();
    let stamp = model.render_samples(&model.samples_at(x, y), s.dx, s.dy);
    let inverse = (1.0 / s.flux) as f32;
    let (mut noise, mut norm) = (0.0f64, 0.0f64);
    let residual: Vec<f32> = stamp
        .data()
        .iter()
        .zip(&s.data)
        .zip(&s.weight)
        .map(|((m, d), w)| {
            if *w > 0.0 {
                noise += f64::from(m * m * w);
                norm += 1.0;
                d * inverse - m
            } else {
                0.0
            }
        })
        .collect();
    if !(norm > 0.0 && noise > 0.0) {
        return;
    }
    // 1 / (relative variance of the star's flux + floor).
    let relative_variance = 1.0 / (noise * s.flux * s.flux);
    let weight = 1.0 / (relative_variance + config.model_error * config.model_error);
    let (tx, ty) = (model.taps(s.dx), model.taps(s.dy));
    let mut spread = vec![0.0f32; model.grid * model.grid];
    spread_to_grid(&residual, stamp.width(), model.grid, (&tx, &ty), &mut spread);
    let n = t.len();
    for p in 0..n {
        let scale = (weight * t[p]) as f32;
        part.sums[p].iter_mut().zip(&spread).for_each(|(a, b)| *a += scale * b);
        for q in 0..n {
            part.normal[p * n + q] += weight * t[p] * t[q];
        }
    }
}

/// Correct the model by the polynomials that the sums ask for.
fn apply(model: &mut PsfModel, correction: &Correction) {
    let n = model.components.len();
    let Ok(inverse) = invert_spd(&correction.normal, n) else { return };
    // A sample hears of `step^2` pixels on average.
    let per_sample = 1.0 / (model.step * model.step);
    for (p, component) in model.components.iter_mut().enumerate() {
        for (q, sums) in correction.sums.iter().enumerate() {
            let c = (inverse[p * n + q] * per_sample) as f32;
            component.iter_mut().zip(sums).for_each(|(a, b)| *a += c * b);
        }
    }
}

/// Drop stars that fit much worse than the others or have wandered off.
fn drop_misfits(stamps: &mut Vec<Stamp>, used: &mut Vec<usize>, fwhm: f64, config: &PsfConfig) {
    let mut misfits: Vec<f64> = stamps.iter().map(|s| s.misfit).filter(|m| m.is_finite()).collect();
    let limit = config.clip_misfit * median(&mut misfits).max(1.0);
    let fits = |s: &Stamp| s.misfit < limit && s.dx.hypot(s.dy) < 1.5 + 0.2 * fwhm;
    let keep: Vec<bool> = stamps.iter().map(fits).collect();
    let mut flags = keep.iter();
    stamps.retain(|_| *flags.next().expect("one flag a stamp"));
    let mut flags = keep.iter();
    used.retain(|_| *flags.next().expect("one flag a star"));
}

/// Average far-wing samples with their neighbours: there is nothing sharp out there. Only what
/// departs from the mean radial profile is averaged, as the profile itself is steep.
fn smooth_wings(model: &mut PsfModel, fwhm: f64) {
    let (g, step) = (model.grid as i32, model.step);
    let middle = f64::from(g / 2);
    let radius = |k: usize| {
        let (i, j) = ((k as i32 % g) as f64, (k as i32 / g) as f64);
        (i - middle).hypot(j - middle)
    };
    let reach = (fwhm / step * 0.4).round().max(1.0) as i32;
    for component in &mut model.components {
        let profile = radial_profile(component, &radius);
        let old: Vec<f32> = component
            .iter()
            .enumerate()
            .map(|(k, v)| v - profile_at(&profile, radius(k)))
            .collect();
        for k in 0..component.len() {
            let (i, j) = (k as i32 % g, k as i32 / g);
            // From nothing at 1.5 FWHM to all at 2.5 FWHM.
            let part = ((radius(k) * step / fwhm - 1.5).clamp(0.0, 1.0)) as f32;
            if part <= 0.0 {
                continue;
            }
            let (mut sum, mut count) = (0.0f32, 0.0f32);
            for b in (j - reach).max(0)..=(j + reach).min(g - 1) {
                for a in (i - reach).max(0)..=(i + reach).min(g - 1) {
                    sum += old[(b * g + a) as usize];
                    count += 1.0;
                }
            }
            component[k] += part * (sum / count - old[k]);
        }
    }
}

/// Mean radius and value of rings one sample wide.
fn radial_profile(component: &[f32], radius: &impl Fn(usize) -> f64) -> Vec<(f64, f32)> {
    let mut rings: Vec<(f64, f64, f64)> = Vec::new();
    for (k, v) in component.iter().enumerate() {
        let r = radius(k);
        let ring = r.round() as usize;
        if rings.len() <= ring {
            rings.resize(ring + 1, (0.0, 0.0, 0.0));
        }
        rings[ring].0 += 1.0;
        rings[ring].1 += r;
        rings[ring].2 += f64::from(*v);
    }
    rings.iter().filter(|(n, ..)| *n > 0.0).map(|(n, r, v)| (r / n, (v / n) as f32)).collect()
}

fn profile_at(profile: &[(f64, f32)], r: f64) -> f32 {
    let k = profile.partition_point(|(p, _)| *p <= r).clamp(1, profile.len() - 1);
    let ((r0, v0), (r1, v1)) = (profile[k - 1], profile[k]);
    v0 + (v1 - v0) * ((r - r0) / (r1 - r0)).clamp(0.0, 1.0) as f32
}

/// Unit sum of the constant term, no sum in the others.
fn normalise(model: &mut PsfModel) -> Result<(), PsfError> {
    let area = model.step * model.step;
    let sum = |c: &[f32]| c.iter().map(|&v| f64::from(v)).sum::<f64>() * area;
    let total = sum(&model.components[0]);
    if !(total > 0.0 && total.is_finite()) {
        return Err(PsfError::NoProfile);
    }
    let first = model.components[0].clone();
    for (k, c) in model.components.iter_mut().enumerate() {
        let share = if k == 0 { 0.0 } else { (sum(c) / total) as f32 };
        let inverse = (1.0 / total) as f32;
        c.iter_mut().zip(&first).for_each(|(v, f)| *v = (*v - share * f) * inverse);
    }
    Ok(())
}

/// Sizes of stars against the sizes of the model at their places.
fn validate(model: &PsfModel, stars: &[StarCandidate], which: &[usize]) -> (f64, f64) {
    let residuals: Vec<f64> = which
        .par_iter()
        .take(100)
        .filter_map(|&k| {
            let s = &stars[k];
            let stamp = model.render(s.x, s.y);
            let half = model.half_width() as f64;
            let at = (half + s.x - s.x.round(), half + s.y - s.y.round());
            let clear = Image::filled(stamp.width(), stamp.height(), 0);
            let m = adaptive_moments(&stamp, &clear, 0, at, s.sigma_pixels, 2.0, 12.0);
            let det = m.ixx * m.iyy - m.ixy * m.ixy;
            (!m.failed && det > 0.0).then(|| s.sigma_pixels / det.powf(0.25) - 1.0)
        })
        .collect();
    elqui_base::mad_sigma(&mut residuals.clone())
}
