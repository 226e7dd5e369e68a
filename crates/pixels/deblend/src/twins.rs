//! Two stars under one peak: closer than about 1.7 FWHM the matched filter shows a single maximum.
//!
//! A source qualifies when it is longer than the PSF one way and not the other (weighted second
//! moments). Then two models of six parameters each compete: two points, and a symmetric row of three
//! (what a thin galaxy looks like at this resolution, with most light in the middle). It is split when
//! two points fit clearly better, or as well while the row's middle is dark.
//! - input: pixels about a peak with the neighbours taken out, adu, and the peak's S/N
//! - output: two points, or nothing
//! - source: weighted moments as in Bernstein & Jarvis 2002, AJ 123, 583, sec. 3; the competition is own

use crate::points::{Pair, Row, fit};
use crate::shift::{Drawn, Stamp};
use elqui_image::{LocalPsf, PsfSampler};

/// Widest companion, PSF FWHM.
const SEPARATION_MAX: f64 = 2.2;
/// Excess of the moments across, as part of that along, of two points at most.
const THICKNESS_MAX: f64 = 0.3;
/// Excess of the moments along, as part of the PSF's, at least (the PSF's model is no better).
const EXCESS_MIN: f64 = 0.08;
/// By how much chi^2 has to be better.
const MARGIN: f64 = 16.0;
/// Part of the light in the middle of a row of three that is as good as none.
const DARK: f64 = 0.1;
/// Width of the moments' weight, PSF FWHM.
const WEIGHT_FWHM: f64 = 0.6;

/// Pixels about a peak, row by row; (x0, y0) is the frame's position of the first one.
#[derive(Default)]
pub struct Window {
    pub x0: i32,
    pub y0: i32,
    pub side: usize,
    pub data: Vec<f32>,
    /// 1 where the pixel may be used, else 0.
    pub weight: Vec<f32>,
}

/// Memory of the search.
#[derive(Default)]
pub struct Scratch {
    pub window: Window,
    local: LocalPsf,
    psf: Stamp,
    drawn: [Drawn; 3],
}

/// A point source in the window's frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spot {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
}

/// Half-width of the window that is needed, pixels.
pub fn window_half(fwhm: f64) -> usize {
    (1.7 * fwhm).round().clamp(4.0, 40.0) as usize
}

/// Two points in place of a source that [`elongation`] found long, when its light says so.
pub fn split_in_two(
    excess: &Excess,
    snr: f64,
    sampler: &PsfSampler,
    scratch: &mut Scratch,
) -> Option<[Spot; 2]> {
    let fwhm = sampler.fwhm_pixels();
    let &Excess { along, skew, direction, center } = excess;
    // The PSF here, in the middle of a pixel.
    let x = (f64::from(scratch.window.x0) + center.0).round();
    let y = (f64::from(scratch.window.y0) + center.1).round();
    sampler.localise(x, y, &mut scratch.local);
    scratch.local.draw(x, y, &mut scratch.psf.values);
    scratch.psf.half = scratch.local.half_width();
    let squares: f64 = scratch.psf.values.iter().map(|&p| f64::from(p).powi(2)).sum();

    // Start: two points with these moments (f (1 - f) d^2 and f (1 - f) (1 - 2 f) d^3).
    let d = along.sqrt() * (4.0 + (skew / along.powf(1.5)).powi(2)).sqrt();
    let d = d.clamp(0.8 * fwhm, 1.8 * fwhm);
    let part = (0.5 * (1.0 - skew / (along * d))).clamp(0.1, 0.9);
    let at = |s: f64| (center.0 + s * direction.0, center.1 + s * direction.1);
    let ((ax, ay), (bx, by)) = (at(-part * d), at((1.0 - part) * d));
    let Scratch { window, psf, drawn, .. } = scratch;
    let pair = fit::<Pair>([0.0, ax, ay, 0.0, bx, by], window, psf, drawn)?;
    let [fa, ax, ay, fb, bx, by] = pair.parameters;
    let separation = (ax - bx).hypot(ay - by);
    // Never more than the window's border shows, should the peak's S/N be understated.
    let noise = ((fa + fb) * squares.sqrt() / snr).min(2.0 * border_scatter(window));
    let each = fa.min(fb) * squares.sqrt() / noise;
    if !(each >= 5.0 && separation >= 0.6 * fwhm && separation <= SEPARATION_MAX * fwhm) {
        return None;
    }
    let variance = noise * noise;
    let pair_chi2 = pair.squares / variance;
    // What is left has to look like noise, but for what the PSF's model may lack.
    let pixels: f64 = window.weight.iter().map(|&w| f64::from(w)).sum();
    if !(pair_chi2 < pixels * (1.0 + 4.0 * (2.0 / pixels).sqrt()) + (0.05 * snr).powi(2)) {
        return None;
    }
    let (u, v) = (0.5 * d * direction.0, 0.5 * d * direction.1);
    let row = fit::<Row>([0.0, 0.0, center.0, center.1, u, v], window, psf, drawn)?;
    let row_chi2 = row.squares / variance;
    let dark = row.parameters[0] < DARK * (row.parameters[0] + 2.0 * row.parameters[1]);
    (pair_chi2 + MARGIN < row_chi2 || (dark && pair_chi2 < row_chi2 + MARGIN))
        .then_some([Spot { x: ax, y: ay, flux: fa }, Spot { x: bx, y: by, flux: fb }])
}

/// Robust scatter of the usable pixels along the window's border, adu.
fn border_scatter(window: &Window) -> f64 {
    let last = window.side - 1;
    let mut values: Vec<f32> = (0..window.side * window.side)
        .filter(|k| {
            let (i, j) = (k % window.side, k / window.side);
            i == 0 || j == 0 || i == last || j == last
        })
        .filter(|&k| window.weight[k] > 0.0)
        .map(|k| window.data[k])
        .collect();
    if values.len() < 8 {
        return f64::INFINITY;
    }
    let middle = values.len() / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    let median = *median;
    values.iter_mut().for_each(|v| *v = (*v - median).abs());
    let (_, scatter, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    1.4826 * f64::from(*scatter)
}

/// The PSF's weighted moments xx, xy, yy over the detector: bilinear between nodes.
pub struct PsfMoments {
    nodes: usize,
    step: (f64, f64),
    values: Vec<[f64; 3]>,
}

impl PsfMoments {
    pub fn new(sampler: &PsfSampler, width: usize, height: usize) -> Self {
        const NODES: usize = 7;
        let n = (NODES - 1) as f64;
        let step = ((width as f64 / n).max(1.0), (height as f64 / n).max(1.0));
        let (mut local, mut stamp) = (LocalPsf::default(), Vec::new());
        let values = (0..NODES * NODES)
            .map(|k| {
                let x = ((k % NODES) as f64 * step.0).round();
                let y = ((k / NODES) as f64 * step.1).round();
                sampler.localise(x, y, &mut local);
                local.draw(x, y, &mut stamp);
                let half = local.half_width();
                let at = (half as f64, half as f64);
                let sigma = WEIGHT_FWHM * sampler.fwhm_pixels();
                let m = moments(&stamp, &[], 2 * half + 1, at, sigma);
                [m[3], m[4], m[5]]
            })
            .collect();
        Self { nodes: NODES, step, values }
    }

    pub fn at(&self, x: f64, y: f64) -> [f64; 3] {
        let cell = |v: f64, step: f64| {
            let u = (v / step).clamp(0.0, (self.nodes - 1) as f64 - 1e-9);
            (u.floor() as usize, u - u.floor())
        };
        let ((i, u), (j, v)) = (cell(x, self.step.0), cell(y, self.step.1));
        let node = |i: usize, j: usize, c: usize| self.values[j * self.nodes + i][c];
        [0, 1, 2].map(|c| {
            let low = node(i, j, c) * (1.0 - u) + node(i + 1, j, c) * u;
            let high = node(i, j + 1, c) * (1.0 - u) + node(i + 1, j + 1, c) * u;
            low * (1.0 - v) + high * v
        })
    }
}

/// How much longer than the PSF a source is, one way.
#[derive(Debug, Clone, Copy)]
pub struct Excess {
    /// Second moment along less the PSF's, and the third moment along, both as if unweighted.
    along: f64,
    skew: f64,
    direction: (f64, f64),
    /// In the window's frame.
    center: (f64, f64),
}

/// `None` when the light is as round as the PSF's (whose moments are `psf`), or wider in all directions.
pub fn elongation(
    window: &Window,
    peak: (f64, f64),
    snr: f64,
    fwhm: f64,
    psf: [f64; 3],
) -> Option<Excess> {
    let sigma = WEIGHT_FWHM * fwhm;
    let mut center = peak;
    let mut m = [0.0; 10];
    for _ in 0..3 {
        m = moments(&window.data, &window.weight, window.side, center, sigma);
        // A weight of the light's own width halves the step.
        let step = (1.5 * m[1], 1.5 * m[2]);
        if !(m[0] > 0.0 && step.0.hypot(step.1) < fwhm) {
            return None;
        }
        center = (center.0 + step.0, center.1 + step.1);
        if (center.0 - peak.0).hypot(center.1 - peak.1) > 1.2 * fwhm {
            return None;
        }
    }
    let (xx, xy, yy) = (m[3] - psf[0], m[4] - psf[1], m[5] - psf[2]);
    let (mean, difference) = (0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
    let (along, across) = (mean + difference, mean - difference);
    let typical = 0.5 * (psf[0] + psf[2]);
    let least = (EXCESS_MIN * typical).max(4.0 * typical / snr);
    if !(along > least && across < THICKNESS_MAX * along) {
        return None;
    }
    let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
    let (s, c) = angle.sin_cos();
    let third =
        m[6] * c * c * c + 3.0 * m[7] * c * c * s + 3.0 * m[8] * c * s * s + m[9] * s * s * s;
    // 1 / moment = 1 / true moment + 1 / weight's, for Gaussians.
    let hidden = (sigma * sigma / (sigma * sigma - typical)).clamp(1.0, 2.0);
    let undo = hidden * hidden;
    Some(Excess { along: along * undo, skew: third * undo.powf(1.5), direction: (c, s), center })
}

/// Weighted moments about a place: sum; means of x, y; xx, xy, yy; xxx, xxy, xyy, yyy.
fn moments(data: &[f32], usable: &[f32], side: usize, (x, y): (f64, f64), sigma: f64) -> [f64; 10] {
    let k = -0.5 / (sigma * sigma);
    let column: Vec<f32> = (0..side).map(|i| (k * (i as f64 - x).powi(2)).exp() as f32).collect();
    let mut m = [0.0f64; 10];
    for (j, row) in data.chunks_exact(side).enumerate() {
        let dy = j as f64 - y;
        let weight = (k * dy * dy).exp();
        if weight < 1e-3 {
            continue;
        }
        let flags = usable.get(j * side..(j + 1) * side);
        let mut r = [0.0f32; 4];
        for (i, (&v, w)) in row.iter().zip(&column).enumerate() {
            let dx = i as f32 - x as f32;
            let wv = w * v * flags.map_or(1.0, |f| f[i]);
            let (a, b) = (wv * dx, wv * dx * dx);
            r[0] += wv;
            r[1] += a;
            r[2] += b;
            r[3] += b * dx;
        }
        let r = r.map(f64::from);
        let add = [
            r[0],
            r[1],
            dy * r[0],
            r[2],
            dy * r[1],
            dy * dy * r[0],
            r[3],
            dy * r[2],
            dy * dy * r[1],
            dy * dy * dy * r[0],
        ];
        m.iter_mut().zip(add).for_each(|(m, a)| *m += weight * a);
    }
    let sum = m[0];
    m[1..].iter_mut().for_each(|v| *v /= sum);
    m
}
