//! A point-spread function as plain data that can be evaluated.
//!
//! The model is an effective PSF (Anderson & King 2000, PASP 112, 1360): samples of the
//! pixel-convolved profile on a grid finer than (or equal to) the pixels, each sample a polynomial
//! in detector position. A pixel's value is therefore a point sample: nothing is integrated.

use crate::image::Image;
use elqui_base::terms;
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
        let half = self.half_width();
        let side = 2 * half + 1;
        let wx = self.weights(half, dx);
        let wy = self.weights(half, dy);
        // Rows first: interpolate along x on every grid row, then along y.
        let g = self.grid;
        let mut along_x = vec![0.0f32; g * side];
        for row in 0..g {
            let source = &samples[row * g..(row + 1) * g];
            for (i, (from, w)) in wx.iter().enumerate() {
                along_x[row * side + i] = w.iter().zip(&source[*from..]).map(|(a, b)| a * b).sum();
            }
        }
        let mut out = Image::filled(side, side, 0.0f32);
        for (j, (from, w)) in wy.iter().enumerate() {
            let target = out.row_mut(j);
            for (k, weight) in w.iter().enumerate() {
                let source = &along_x[(from + k) * side..(from + k + 1) * side];
                for (t, s) in target.iter_mut().zip(source) {
                    *t += weight * s;
                }
            }
        }
        let sum: f32 = out.data().iter().sum();
        if sum > 0.0 {
            let inverse = 1.0 / sum;
            out.data_mut().iter_mut().for_each(|v| *v *= inverse);
        }
        out
    }

    /// For each pixel of a stamp's axis: first grid sample and the weights from there on.
    pub(crate) fn weights(&self, half: usize, shift: f64) -> Vec<(usize, Vec<f32>)> {
        let middle = (self.grid / 2) as f64;
        (0..=2 * half)
            .map(|i| {
                let at = middle + (i as f64 - half as f64 - shift) / self.step;
                let first = (at - LANCZOS_ORDER).ceil().max(0.0) as usize;
                let last = ((at + LANCZOS_ORDER).floor().max(0.0) as usize).min(self.grid - 1);
                if first > last {
                    return (0, Vec::new());
                }
                let raw: Vec<f64> = (first..=last).map(|k| lanczos(k as f64 - at)).collect();
                // Weights beyond the grid are zero, not renormalised: the profile ends there.
                let full: f64 = ((at - LANCZOS_ORDER).ceil() as i64
                    ..=(at + LANCZOS_ORDER).floor() as i64)
                    .map(|k| lanczos(k as f64 - at))
                    .sum();
                (first, raw.iter().map(|w| (w / full) as f32).collect())
            })
            .collect()
    }
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
                    assert!((got - truth).abs() < 2e-5, "{step} {i} {j}: {got} {truth}");
                }
            }
        }
    }
}
