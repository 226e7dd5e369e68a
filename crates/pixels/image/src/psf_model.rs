//! A point-spread function as plain data that can be evaluated.
//!
//! The model is an effective PSF (Anderson & King 2000, PASP 112, 1360): samples of the
//! pixel-convolved profile on a grid finer than (or equal to) the pixels, each sample a polynomial
//! in detector position. A pixel's value is therefore a point sample: nothing is integrated.

use crate::image::Image;
use elqui_base::{cholesky_solve, terms};
use serde::{Deserialize, Serialize};

/// Half-width of the interpolation kernel, grid steps.
const LANCZOS_ORDER: f64 = 4.0;

/// Grid samples per polynomial term of detector position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PsfModel {
    /// Side of the sample grid (odd); its middle sample is the centre of the PSF.
    pub grid: usize,
    /// Spacing of the samples, pixels (at most 1).
    pub step: f64,
    /// Total degree of the polynomial in position.
    pub degree: usize,
    /// `u = (x - center) * scale` is what the polynomial is in.
    pub center: [f64; 2],
    pub scale: [f64; 2],
    /// One grid (row-major, `grid * grid`) for each term in the order of `base::terms`.
    pub components: Vec<Vec<f32>>,
    /// Mean full width at half maximum, pixels.
    pub fwhm_pixels: f64,
}

impl PsfModel {
    /// A PSF that is the same everywhere, from a profile `f(dx, dy)` in pixels (any normalisation).
    pub fn from_profile(
        grid: usize,
        step: f64,
        fwhm_pixels: f64,
        f: impl Fn(f64, f64) -> f64,
    ) -> Self {
        let half = (grid / 2) as f64;
        let mut samples: Vec<f32> = (0..grid * grid)
            .map(|k| f(((k % grid) as f64 - half) * step, ((k / grid) as f64 - half) * step) as f32)
            .collect();
        let sum: f64 = samples.iter().map(|&v| f64::from(v)).sum::<f64>() * step * step;
        samples.iter_mut().for_each(|v| *v = (f64::from(*v) / sum) as f32);
        Self {
            grid,
            step,
            degree: 0,
            center: [0.0; 2],
            scale: [1.0; 2],
            components: vec![samples],
            fwhm_pixels,
        }
    }

    /// The sample grid at a position of the detector.
    pub fn samples_at(&self, x: f64, y: f64) -> Vec<f32> {
        let t = terms(
            self.degree,
            (x - self.center[0]) * self.scale[0],
            (y - self.center[1]) * self.scale[1],
        );
        let mut out = vec![0.0f32; self.grid * self.grid];
        for (c, component) in t.iter().zip(&self.components) {
            let c = *c as f32;
            for (o, v) in out.iter_mut().zip(component) {
                *o += c * v;
            }
        }
        out
    }

    /// Half-width of the stamp that [`render`](Self::render) makes, pixels.
    pub fn half_width(&self) -> usize {
        (((self.grid / 2) as f64) * self.step).floor() as usize
    }

    /// The PSF of a source at (x, y): a stamp of side `2 half_width + 1` about the nearest pixel,
    /// holding the sub-pixel shift, of unit sum.
    pub fn render(&self, x: f64, y: f64) -> Image<f32> {
        let samples = self.samples_at(x, y);
        self.render_samples(&samples, x - x.round(), y - y.round())
    }

    /// As [`render`](Self::render) from samples already evaluated, for a centre at (dx, dy) from the
    /// stamp's middle pixel.
    pub fn render_samples(&self, samples: &[f32], dx: f64, dy: f64) -> Image<f32> {
        let mut out = self.interpolate_samples(samples, dx, dy);
        let sum: f32 = out.data().iter().sum();
        if sum > 0.0 {
            let inverse = 1.0 / sum;
            out.data_mut().iter_mut().for_each(|v| *v *= inverse);
        }
        out
    }

    /// As [`render_samples`](Self::render_samples), without bringing the sum to one.
    pub fn interpolate_samples(&self, samples: &[f32], dx: f64, dy: f64) -> Image<f32> {
        let half = self.half_width();
        let side = 2 * half + 1;
        let (g, wx, wy) = (self.grid, self.taps(dx), self.taps(dy));
        // Along y first: whole grid rows are added, then the fewer pixels' rows along x.
        let mut along_y = vec![0.0f32; g];
        let mut out = Image::filled(side, side, 0.0f32);
        for j in 0..side {
            along_y.fill(0.0);
            let (from, w) = wy.at(j, g);
            for (k, weight) in w.iter().enumerate() {
                let source = &samples[(from + k) * g..(from + k + 1) * g];
                along_y.iter_mut().zip(source).for_each(|(t, s)| *t += weight * s);
            }
            for (i, target) in out.row_mut(j).iter_mut().enumerate() {
                let (from, w) = wx.at(i, g);
                *target = w.iter().zip(&along_y[from..]).map(|(a, b)| a * b).sum();
            }
        }
        out
    }

    /// For each pixel of a stamp's axis: first grid sample and the weights from there on.
    pub(crate) fn weights(&self, half: usize, shift: f64) -> Vec<(usize, Vec<f32>)> {
        let taps = self.taps(shift);
        let owned = |(from, w): (usize, &[f32])| (from, w.to_vec());
        (0..=2 * half).map(|i| owned(taps.at(i, self.grid))).collect()
    }

    /// Interpolation weights of a stamp's axis for a centre shifted by `shift` pixels.
    pub fn taps(&self, shift: f64) -> AxisTaps {
        let half = self.half_width() as f64;
        let middle = (self.grid / 2) as f64;
        let stride = (1.0 / self.step).round();
        let set = |i: f64| {
            let at = middle + (i - half - shift) / self.step;
            let (first, last) = ((at - LANCZOS_ORDER).ceil(), (at + LANCZOS_ORDER).floor());
            let raw = kernel(at, first as i64, last as i64);
            // Weights beyond the grid are dropped, not renormalised: the profile ends there.
            (first as i32, raw.iter().map(|w| *w as f32).collect::<Vec<f32>>())
        };
        // Steps that divide a pixel: every pixel has the same weights, `stride` samples on.
        if (stride * self.step - 1.0).abs() < 1e-9 {
            return AxisTaps { stride: stride as i32, sets: vec![set(0.0)] };
        }
        AxisTaps { stride: 0, sets: (0..=2 * self.half_width()).map(|i| set(i as f64)).collect() }
    }
}

/// Interpolation weights from grid samples to the pixels of one axis of a stamp.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisTaps {
    stride: i32,
    sets: Vec<(i32, Vec<f32>)>,
}

impl AxisTaps {
    /// First grid sample and the weights from there on for pixel `i`, cut to a grid of side `grid`.
    pub fn at(&self, i: usize, grid: usize) -> (usize, &[f32]) {
        let (first, weights) = match self.stride {
            0 => (self.sets[i].0, &self.sets[i].1),
            s => (self.sets[0].0 + s * i as i32, &self.sets[0].1),
        };
        let skip = (-first).clamp(0, weights.len() as i32) as usize;
        let from = first.max(0) as usize;
        let room = grid.saturating_sub(from).min(weights.len() - skip);
        (from.min(grid), &weights[skip..skip + room])
    }
}

/// Interpolation weights at `at` of the samples `first` to `last`.
///
/// A plain Lanczos kernel moves a profile by about 1/100 of a sample; a smooth term is added that
/// makes the weights exact for quintics (their moments about `at` are 1, 0, 0, 0, 0, 0).
fn kernel(at: f64, first: i64, last: i64) -> Vec<f64> {
    let offsets: Vec<f64> = (first..=last).map(|k| k as f64 - at).collect();
    let mut weights: Vec<f64> = offsets.iter().map(|&u| lanczos(u)).collect();
    let unit: Vec<f64> = offsets.iter().map(|u| u / LANCZOS_ORDER).collect();
    let window: Vec<f64> = unit.iter().map(|u| (1.0 - u * u).max(0.0).powi(2)).collect();
    let moment = |w: &[f64], m: usize| -> f64 {
        w.iter().zip(&unit).map(|(w, u)| w * u.powi(m as i32)).sum()
    };
    const N: usize = 6;
    let matrix: Vec<f64> = (0..N * N).map(|k| moment(&window, k / N + k % N)).collect();
    let missing: Vec<f64> =
        (0..N).map(|m| if m == 0 { 1.0 } else { 0.0 } - moment(&weights, m)).collect();
    if let Ok(c) = cholesky_solve(&matrix, &missing) {
        for ((w, g), u) in weights.iter_mut().zip(&window).zip(&unit) {
            *w += g * c.iter().rev().fold(0.0, |sum, c| sum * u + c);
        }
    }
    weights
}

fn lanczos(t: f64) -> f64 {
    if t.abs() < 1e-9 {
        return 1.0;
    }
    if t.abs() >= LANCZOS_ORDER {
        return 0.0;
    }
    let p = std::f64::consts::PI * t;
    LANCZOS_ORDER * p.sin() * (p / LANCZOS_ORDER).sin() / (p * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_gaussian_is_the_gaussian() {
        let sigma = 1.6f64;
        let g = |dx: f64, dy: f64| (-0.5 * (dx * dx + dy * dy) / (sigma * sigma)).exp();
        for step in [1.0, 0.5] {
            let grid = if step == 1.0 { 31 } else { 61 };
            let psf = PsfModel::from_profile(grid, step, 2.355 * sigma, g);
            let (x, y) = (100.3, 49.6);
            let stamp = psf.render(x, y);
            let half = psf.half_width() as f64;
            let norm = 1.0 / (std::f64::consts::TAU * sigma * sigma);
            for j in 0..stamp.height() {
                for i in 0..stamp.width() {
                    let truth = norm * g(i as f64 - half - 0.3, j as f64 - half + 0.4);
                    let got = f64::from(stamp.at(i, j));
                    // The profile is barely sampled at a step of a whole pixel.
                    let limit = if step == 1.0 { 3e-4 } else { 2e-5 };
                    assert!((got - truth).abs() < limit, "{step} {i} {j}: {got} {truth}");
                }
            }
        }
    }
}
