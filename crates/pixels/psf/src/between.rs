//! Between a grid of samples and the pixels of a stamp: drawing, and its transpose.
//!
//! One axis after the other; along a row, one of the kernel's weights for all pixels at a time, on a row with
//! zeros beyond both ends, so that the loops are plain.
//! - input: the model's grid and the star's place from the middle pixel
//! - the same weights as `PsfModel::interpolate_samples`

use elqui_image::wide::widest;
use elqui_image::{AxisTaps, PsfModel};

/// Weights between a grid and a stamp of its width for one place of the star.
pub(crate) struct Between {
    grid: usize,
    side: usize,
    stride: usize,
    /// Zeros before and after a row.
    margin: usize,
    /// Where the first pixel's weights begin in such a row.
    first: usize,
    along_x: Vec<f32>,
    along_y: AxisTaps,
}

impl Between {
    pub(crate) fn new(model: &PsfModel, dx: f64, dy: f64) -> Self {
        let (grid, half) = (model.grid, model.half_width());
        let stride = (1.0 / model.step).round() as usize;
        let taps = model.taps(dx);
        // Only the middle pixel's are sure to be whole, unless the star is far off.
        let margin = ((dx.abs() + 2.0) / model.step).ceil() as usize + 16;
        let (from, weights) = taps.at(half, grid);
        Self {
            grid,
            side: 2 * half + 1,
            stride,
            margin,
            first: (margin + from).saturating_sub(stride * half),
            along_x: weights.to_vec(),
            along_y: model.taps(dy),
        }
    }

    /// The samples on the stamp's pixels.
    pub(crate) fn draw(&self, samples: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0f32; self.side * self.side];
        widest(
            #[inline(always)]
            || self.draw_plainly(samples, &mut out),
        );
        out
    }

    #[inline(always)]
    fn draw_plainly(&self, samples: &[f32], out: &mut [f32]) {
        let (grid, margin) = (self.grid, self.margin);
        let mut row = vec![0.0f32; grid + 2 * margin];
        for (j, target) in out.chunks_exact_mut(self.side).enumerate() {
            row.fill(0.0);
            let (from, weights) = self.along_y.at(j, grid);
            for (k, w) in weights.iter().enumerate() {
                let source = &samples[(from + k) * grid..(from + k + 1) * grid];
                row[margin..].iter_mut().zip(source).for_each(|(r, s)| *r += w * s);
            }
            for (k, w) in self.along_x.iter().enumerate() {
                let source = &row[self.first + k..];
                if self.stride == 1 {
                    target.iter_mut().zip(source).for_each(|(t, s)| *t += w * s);
                } else {
                    let source = source.iter().step_by(self.stride);
                    target.iter_mut().zip(source).for_each(|(t, s)| *t += w * s);
                }
            }
        }
    }

    /// The transpose: the pixels' values spread over the samples.
    pub(crate) fn spread(&self, pixels: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0f32; self.grid * self.grid];
        widest(
            #[inline(always)]
            || self.spread_plainly(pixels, &mut out),
        );
        out
    }

    #[inline(always)]
    fn spread_plainly(&self, pixels: &[f32], out: &mut [f32]) {
        let (grid, margin) = (self.grid, self.margin);
        let mut row = vec![0.0f32; grid + 2 * margin];
        for (j, source) in pixels.chunks_exact(self.side).enumerate() {
            row.fill(0.0);
            for (k, w) in self.along_x.iter().enumerate() {
                let target = &mut row[self.first + k..];
                if self.stride == 1 {
                    target.iter_mut().zip(source).for_each(|(t, s)| *t += w * s);
                } else {
                    let target = target.iter_mut().step_by(self.stride);
                    target.zip(source).for_each(|(t, s)| *t += w * s);
                }
            }
            let (from, weights) = self.along_y.at(j, grid);
            for (k, w) in weights.iter().enumerate() {
                let target = &mut out[(from + k) * grid..(from + k + 1) * grid];
                target.iter_mut().zip(&row[margin..]).for_each(|(t, r)| *t += w * r);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_draws_what_the_model_draws_and_spreads_by_the_transpose() {
        for (grid, step) in [(31, 1.0), (51, 0.5)] {
            let bell = |x: f64, y: f64| (-0.1 * (x * x + 1.3 * y * y + 0.4 * x * y)).exp();
            let model = PsfModel::from_profile(grid, step, 4.0, bell);
            for (dx, dy) in [(0.0, 0.0), (0.31, -0.47), (2.6, -3.2), (-9.7, 11.2)] {
                let between = Between::new(&model, dx, dy);
                let samples = &model.components[0];
                let drawn = between.draw(samples);
                let truth = model.interpolate_samples(samples, dx, dy);
                for (k, (a, b)) in drawn.iter().zip(truth.data()).enumerate() {
                    assert!((a - b).abs() < 1e-7, "{dx}, {dy}, {k}: {a} {b}");
                }
                // <draw s, p> = <s, spread p>
                let pixels: Vec<f32> = (0..drawn.len()).map(|k| (k * 37 % 101) as f32).collect();
                let dot = |a: &[f32], b: &[f32]| -> f64 {
                    a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
                };
                let (left, right) = (dot(&drawn, &pixels), dot(samples, &between.spread(&pixels)));
                assert!((left - right).abs() < 1e-5 * left.abs(), "{left} {right}");
            }
        }
    }
}
