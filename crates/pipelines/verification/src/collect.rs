//! Source by source: what was measured against what is true and what was possible.
//!
//! - a true source and a primary detection are one when each is the other's nearest within 1 FWHM
//! - S/N: flux over its Cramer-Rao error, with the noise of everything that is there
//! - isolated: no other true source of S/N > 3 within 2.5 FWHM, and all others together add less than
//!   0.1 sigma to a PSF-matched flux; what little they add is taken out of the flux residuals
//! - left out: saturated stars and what lies within 30 pixels of the edge

use crate::detections::{Detections, spurious};
use crate::fisher::{Profile, pair_bounds, point_bound};
use crate::frame;
use crate::likelihood::distance_to_star;
use crate::samples::{GalaxySample, PairSample, Samples, StarSample};
use crate::truth::Truth;
use elqui_image::Exposure;
use elqui_matching::PlaneTree;
use elqui_measurement::{MeasurementConfig, forced_psf};
use elqui_schema::SourceTable;
use rayon::prelude::*;

const EDGE_PX: f64 = 30.0;
/// Step of the numerical derivatives, pixels.
const STEP_PX: f64 = 0.02;
const HALF_MIN: usize = 25;
const HALF_MAX: usize = 60;

/// What each true source could give.
pub(crate) struct Limit {
    pub snr: f64,
    pub bound_flux_e: f64,
    pub bound_x: f64,
    pub bound_y: f64,
    /// What a PSF-matched flux sees of it, electrons: all of a star, less of a galaxy.
    pub matched_e: f64,
    /// Light of all others in a PSF-matched flux at its place, electrons.
    pub neighbours_e: f64,
    pub distance: f64,
}

/// Compare a processed frame with its truth.
///
/// - `summary_rows` of the frame (steps, memory) are the caller's to fill
pub fn collect(
    truth: &Truth<'_>,
    exposure: &Exposure,
    sources: &SourceTable,
    config: &MeasurementConfig,
) -> Samples {
    let limits: Vec<Limit> =
        (0..truth.sources.len()).into_par_iter().map(|i| limit(truth, i)).collect();
    let places: Vec<[f64; 2]> = truth.sources.iter().map(|s| [s.x, s.y]).collect();
    let tree = PlaneTree::new(&places);
    let found = Detections::new(truth, exposure, sources);
    let near = |i: usize, r: f64| {
        let [x, y] = places[i];
        tree.within(x, y, r).into_iter().map(|(j, _)| j).filter(move |&j| j != i)
    };
    let fwhm = truth.facts.fwhm_px;
    let isolated: Vec<bool> = (0..places.len())
        .map(|i| {
            limits[i].neighbours_e.abs() < 0.1 * limits[i].bound_flux_e
                && near(i, 2.5 * fwhm).all(|j| limits[j].snr <= 3.0)
        })
        .collect();
    let (w, h) = (exposure.width() as f64, exposure.height() as f64);
    let inside = |i: usize| {
        let [x, y] = places[i];
        x > EDGE_PX && y > EDGE_PX && x < w - 1.0 - EDGE_PX && y < h - 1.0 - EDGE_PX
    };
    let usable = |i: &usize| inside(*i) && !truth.sources[*i].saturated;
    let stars: Vec<usize> =
        (0..places.len()).filter(|i| truth.sources[*i].is_star).filter(usable).collect();
    let positions: Vec<(f64, f64)> = stars.iter().map(|&i| (places[i][0], places[i][1])).collect();
    let forced = forced_psf(exposure, &positions, config);

    let mut out = Samples::default();
    for (&i, forced) in stars.iter().zip(&forced) {
        let (s, l) = (&truth.sources[i], &limits[i]);
        let add = l.neighbours_e / s.flux_e;
        let scale = found.scale_forced(s.x, s.y) / s.flux_e;
        let (flux, err) = (forced.flux * scale, forced.flux_err * scale);
        let good = !forced.flag;
        let mut sample = StarSample {
            index: i,
            x: s.x,
            y: s.y,
            snr: l.snr,
            bound_flux: l.bound_flux_e / s.flux_e,
            bound_x: l.bound_x,
            bound_y: l.bound_y,
            isolated: isolated[i],
            detected: false,
            dx: f64::NAN,
            dy: f64::NAN,
            flux: f64::NAN,
            pull_x: f64::NAN,
            pull_y: f64::NAN,
            pull_flux: f64::NAN,
            forced: if good { flux - 1.0 - add } else { f64::NAN },
            forced_pull: if good { (flux - 1.0 - add) / err } else { f64::NAN },
            extendedness: f64::NAN,
            spread: [f64::NAN; 3],
        };
        if let Some(row) = found.of[i] {
            sample.detected = true;
            sample.dx = sources.x[row] - s.x;
            sample.dy = sources.y[row] - s.y;
            sample.pull_x = sample.dx / f64::from(sources.x_err[row]);
            sample.pull_y = sample.dy / f64::from(sources.y_err[row]);
            let scale = found.scale / s.flux_e;
            sample.flux = sources.psf_flux[row] * scale - 1.0 - add;
            sample.pull_flux = sample.flux / (sources.psf_flux_err[row] * scale);
            sample.extendedness = f64::from(sources.extendedness[row]);
            sample.spread = spread(sources, row);
        }
        out.stars.push(sample);
    }
    let sky_noise = truth.facts.sky_noise_e() / truth.facts.gain;
    for i in (0..places.len()).filter(|&i| !truth.sources[i].is_star && inside(i)) {
        let (s, l) = (&truth.sources[i], &limits[i]);
        let (x, y) = (s.x.round() as usize, s.y.round() as usize);
        let background = f64::from(truth.image.at(x, y)) - f64::from(exposure.image.at(x, y));
        let ratio = |column: &[f64]| {
            found.of[i].map_or(f64::NAN, |row| column[row] * found.scale / s.flux_e - 1.0)
        };
        out.galaxies.push(GalaxySample {
            x: s.x,
            y: s.y,
            snr: l.snr,
            isolated: isolated[i],
            detected: found.of[i].is_some(),
            cmodel: ratio(&sources.cmodel_flux),
            kron: ratio(&sources.kron_flux),
            gaap: ratio(&sources.gaap2p5_flux),
            distance: l.distance,
            extendedness: found.of[i].map_or(f64::NAN, |r| f64::from(sources.extendedness[r])),
            spread: found.of[i].map_or([f64::NAN; 3], |r| spread(sources, r)),
            radius_px: s.radius_px,
            background: (background - truth.facts.sky_e / truth.facts.gain) / sky_noise,
        });
    }
    out.pairs = pairs(truth, sources, &limits, &found, &stars, near);
    let mut frame = frame::frame_sample(truth, exposure, &limits, config);
    frame.detections = found.rows.len();
    frame.spurious = spurious(truth, sources, &limits, &found);
    out.frames.push(frame);
    out
}

/// How extended a detection looks.
fn spread(t: &SourceTable, row: usize) -> [f64; 3] {
    let area = f64::from(t.ixx[row] + t.iyy[row]) / f64::from(t.ixx_psf[row] + t.iyy_psf[row]);
    [f64::from(t.spread_model[row]), f64::from(t.spread_model_err[row]), area - 1.0]
}

/// The bounds of one true source.
fn limit(truth: &Truth<'_>, i: usize) -> Limit {
    let s = &truth.sources[i];
    let half = HALF_MIN.max((4.0 * s.radius_px).ceil() as usize).min(HALF_MAX);
    let middle = [s.x.round() as i32, s.y.round() as i32];
    let variance = variance(truth, middle, half);
    let profile = profile(truth, i, middle, half);
    let bound = point_bound(&profile, &variance);
    let own: Vec<f64> = profile.value.iter().map(|v| v * s.flux_e).collect();
    let psf = doubles(&truth.light.psf(middle, s.x, s.y, half));
    let distance = if s.is_star { 0.0 } else { distance_to_star(&own, &psf, &variance) };
    // Matched within 1.6 FWHM, as a PSF fit sees it.
    let reach = 1.6 * truth.facts.fwhm_px;
    let (mut pd, mut pp, mut own_pd) = (0.0, 0.0, 0.0);
    let side = 2 * half + 1;
    let h = half as f64;
    for (k, p) in psf.iter().enumerate() {
        let (dx, dy) = ((k % side) as f64 - h, (k / side) as f64 - h);
        if dx.abs().max(dy.abs()) > reach {
            continue;
        }
        let at = |m: i32, d: f64| m + d as i32;
        if let Some(all) = truth.expectation.get(at(middle[0], dx), at(middle[1], dy)) {
            pd += p * (f64::from(all) - truth.facts.sky_e - own[k]);
            own_pd += p * own[k];
            pp += p * p;
        }
    }
    Limit {
        snr: s.flux_e / bound.flux_e,
        bound_flux_e: bound.flux_e,
        bound_x: bound.x,
        bound_y: bound.y,
        matched_e: own_pd / pp,
        neighbours_e: pd / pp,
        distance,
    }
}

fn doubles(image: &elqui_image::Image<f32>) -> Vec<f64> {
    image.data().iter().map(|v| f64::from(*v)).collect()
}

/// True variance of the window's pixels, electrons^2; infinite outside the frame.
fn variance(truth: &Truth<'_>, middle: [i32; 2], half: usize) -> Vec<f64> {
    let h = half as i32;
    let read = truth.facts.read_noise_e.powi(2);
    let pixel = |x, y| truth.expectation.get(x, y).map_or(f64::INFINITY, |e| f64::from(e) + read);
    (-h..=h)
        .flat_map(|dy| (-h..=h).map(move |dx| (middle[0] + dx, middle[1] + dy)))
        .map(|(x, y)| pixel(x, y))
        .collect()
}

fn profile(truth: &Truth<'_>, i: usize, middle: [i32; 2], half: usize) -> Profile {
    let s = &truth.sources[i];
    let unit = 1.0 / s.flux_e;
    let at = |dx: f64, dy: f64| doubles(&truth.light.source(i, middle, s.x + dx, s.y + dy, half));
    let slope = |plus: Vec<f64>, minus: Vec<f64>| {
        plus.iter().zip(&minus).map(|(p, m)| (p - m) * unit / (2.0 * STEP_PX)).collect()
    };
    Profile {
        flux_e: s.flux_e,
        value: at(0.0, 0.0).into_iter().map(|v| v * unit).collect(),
        by_x: slope(at(STEP_PX, 0.0), at(-STEP_PX, 0.0)),
        by_y: slope(at(0.0, STEP_PX), at(0.0, -STEP_PX)),
    }
}

/// Pairs of stars at 1 to 2 FWHM, both of S/N > 20, with nothing else of 5% of the fainter's flux within
/// 3 FWHM of either.
fn pairs<I: Iterator<Item = usize>>(
    truth: &Truth<'_>,
    sources: &SourceTable,
    limits: &[Limit],
    found: &Detections,
    stars: &[usize],
    near: impl Fn(usize, f64) -> I,
) -> Vec<PairSample> {
    let fwhm = truth.facts.fwhm_px;
    let mut good = vec![false; truth.sources.len()];
    stars.iter().for_each(|&i| good[i] = limits[i].snr > 20.0);
    let mut out = Vec::new();
    for &i in stars.iter().filter(|&&i| good[i]) {
        for j in near(i, 2.0 * fwhm).filter(|&j| j > i && good[j]) {
            let (a, b) = (&truth.sources[i], &truth.sources[j]);
            let separation = (a.x - b.x).hypot(a.y - b.y) / fwhm;
            let faint = 0.05 * a.flux_e.min(b.flux_e);
            let third = |k: usize| k != i && k != j && truth.sources[k].flux_e > faint;
            if separation < 1.0 || near(i, 3.0 * fwhm).chain(near(j, 3.0 * fwhm)).any(third) {
                continue;
            }
            let middle = [(0.5 * (a.x + b.x)).round() as i32, (0.5 * (a.y + b.y)).round() as i32];
            let variance = variance(truth, middle, HALF_MIN + 5);
            let draw = |k| profile(truth, k, middle, HALF_MIN + 5);
            let bounds = pair_bounds(&draw(i), &draw(j), &variance);
            let rows = found.of[i].zip(found.of[j]);
            let mut sample = PairSample {
                separation,
                resolved: rows.is_some(),
                residual: [f64::NAN; 2],
                pull: [f64::NAN; 2],
            };
            if let Some((p, q)) = rows {
                for (k, (s, row)) in [(a, p), (b, q)].into_iter().enumerate() {
                    let residual = sources.psf_flux[row] * found.scale - s.flux_e;
                    sample.residual[k] = residual / bounds[k].flux_e;
                    sample.pull[k] = residual / (sources.psf_flux_err[row] * found.scale);
                }
            }
            out.push(sample);
        }
    }
    out
}
