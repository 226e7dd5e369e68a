//! The frame in blocks, in units of the blocks' own scatter.
//!
//! A block's value is (sum - local median) / local scatter of the blocks, clipped, less the mean of the
//! blocks about it. A trail of 1 sigma a pixel and 4 pixels width has about 3 in blocks of 8 pixels.
//! - input: image (adu) and mask; output: one number a block, 0 where fewer than half of the pixels count

use super::radon::Candidate;
use super::trace::Line;
use super::{Streak, StreakConfig};
use elqui_image::{Image, Mask};
use rayon::prelude::*;

/// Blocks on a side of a tile in which level and scatter are taken.
const TILE: usize = 32;
/// Blocks to each side whose mean is taken off.
const WIDE: usize = 8;
/// Values are cut here.
const CLIP: f32 = 3.0;

pub struct Grid {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
    bin: usize,
}

impl Grid {
    pub fn new(image: &Image<f32>, mask: &Mask, config: &StreakConfig) -> Self {
        let bin = config.bin_pixels;
        // Blocks that are cut by the upper and right border are left out.
        let (width, height) = (image.width() / bin, image.height() / bin);
        let mut values = vec![f32::NAN; width * height];
        values.par_chunks_mut(width).enumerate().for_each(|(row, out)| {
            let n = width * bin;
            let (mut sum, mut count) = (vec![0.0f32; n], vec![0.0f32; n]);
            for y in row * bin..(row + 1) * bin {
                let pixels = image.row(y)[..n].iter().zip(&mask.row(y)[..n]);
                for ((s, c), (&v, &m)) in sum.iter_mut().zip(&mut count).zip(pixels) {
                    let good = (m & config.exclude == 0) & (v.abs() < f32::MAX);
                    *s += if good { v } else { 0.0 };
                    *c += if good { 1.0 } else { 0.0 };
                }
            }
            let blocks = sum.chunks_exact(bin).zip(count.chunks_exact(bin));
            for (o, (s, c)) in out.iter_mut().zip(blocks) {
                let (s, c): (f32, f32) = (s.iter().sum(), c.iter().sum());
                // As if all pixels counted, with the noise of those that do.
                if c >= 0.5 * (bin * bin) as f32 {
                    *o = s * (bin * bin) as f32 / c;
                }
            }
        });
        let mut grid = Self { width, height, values, bin };
        grid.normalise();
        grid.flatten();
        grid
    }

    /// Level and scatter by tiles; clipped. What has no value becomes 0.
    fn normalise(&mut self) {
        let mut sample = Vec::with_capacity(TILE * TILE);
        for y0 in (0..self.height).step_by(TILE) {
            let y1 = (y0 + TILE).min(self.height);
            for x0 in (0..self.width).step_by(TILE) {
                let x1 = (x0 + TILE).min(self.width);
                sample.clear();
                for y in y0..y1 {
                    let row = &self.values[y * self.width + x0..y * self.width + x1];
                    sample.extend(row.iter().copied().filter(|v| v.is_finite()));
                }
                let median = elqui_base::median_f32(&mut sample);
                sample.iter_mut().for_each(|v| *v = (*v - median).abs());
                let sigma = 1.4826 * elqui_base::median_f32(&mut sample);
                let inverse = if sigma > 0.0 && sigma.is_finite() { 1.0 / sigma } else { 0.0 };
                for y in y0..y1 {
                    for v in &mut self.values[y * self.width + x0..y * self.width + x1] {
                        let u = ((*v - median) * inverse).clamp(-CLIP, CLIP);
                        *v = if u.is_finite() { u } else { 0.0 };
                    }
                }
            }
        }
    }

    /// Take off the mean of the blocks about each: haloes and gradients are wide, trails are not.
    fn flatten(&mut self) {
        let (w, h) = (self.width, self.height);
        let mut along = vec![0.0f32; w * h];
        for (row, out) in self.values.chunks_exact(w).zip(along.chunks_exact_mut(w)) {
            running_mean(row, out);
        }
        let (mut column, mut mean) = (vec![0.0f32; h], vec![0.0f32; h]);
        for x in 0..w {
            (0..h).for_each(|y| column[y] = along[y * w + x]);
            running_mean(&column, &mut mean);
            for (y, m) in mean.iter().enumerate() {
                let v = &mut self.values[y * w + x];
                // What had no value keeps none.
                *v -= if *v == 0.0 { 0.0 } else { *m };
            }
        }
    }

    /// Sum of the grid along a candidate, as it is now.
    pub fn line_sum(&self, c: &Candidate) -> f32 {
        let mut sum = 0.0;
        self.visit(c, 0, |v| sum += *v);
        sum
    }

    fn visit(&self, c: &Candidate, reach: i64, mut f: impl FnMut(&f32)) {
        for k in self.cells(c, reach) {
            f(&self.values[k]);
        }
    }

    /// The blocks along a candidate and `reach` to either side.
    fn cells(&self, c: &Candidate, reach: i64) -> Vec<usize> {
        let steps = ((c.x1 - c.x0).abs().max((c.y1 - c.y0).abs())).round() as i64;
        let steep = (c.y1 - c.y0).abs() > (c.x1 - c.x0).abs();
        let mut out = Vec::new();
        for k in 0..=steps {
            let t = k as f64 / steps.max(1) as f64;
            let x = (c.x0 + t * (c.x1 - c.x0)).round() as i64;
            let y = (c.y0 + t * (c.y1 - c.y0)).round() as i64;
            for r in -reach..=reach {
                let (i, j) = if steep { (x + r, y) } else { (x, y + r) };
                if i >= 0 && j >= 0 && i < self.width as i64 && j < self.height as i64 {
                    out.push(j as usize * self.width + i as usize);
                }
            }
        }
        out
    }

    /// The candidate's line in pixels of the image.
    pub fn to_pixels(&self, c: &Candidate) -> Line {
        let pixel = |v: f64| (v + 0.5) * self.bin as f64 - 0.5;
        Line::between((pixel(c.x0), pixel(c.y0)), (pixel(c.x1), pixel(c.y1)))
    }

    /// Forget the blocks along a candidate.
    pub fn erase_candidate(&mut self, c: &Candidate) {
        for k in self.cells(c, 1) {
            self.values[k] = 0.0;
        }
    }

    /// Forget the blocks of a trail.
    pub fn erase(&mut self, s: &Streak) {
        let block = |v: f64| (v + 0.5) / self.bin as f64 - 0.5;
        let c = Candidate {
            x0: block(s.x0),
            y0: block(s.y0),
            x1: block(s.x1),
            y1: block(s.y1),
            sum: 0.0,
            score: 0.0,
        };
        let reach = (0.75 * s.width_pixels / self.bin as f64).ceil() as i64 + 1;
        for k in self.cells(&c, reach) {
            self.values[k] = 0.0;
        }
    }
}

/// Mean of `WIDE` values to each side, the ends with what there is.
fn running_mean(values: &[f32], out: &mut [f32]) {
    let n = values.len();
    let mut sum: f64 = values[..WIDE.min(n)].iter().map(|&v| f64::from(v)).sum();
    for k in 0..n {
        if k + WIDE < n {
            sum += f64::from(values[k + WIDE]);
        }
        if k > WIDE {
            sum -= f64::from(values[k - WIDE - 1]);
        }
        let count = (k + WIDE).min(n - 1) + 1 - k.saturating_sub(WIDE);
        out[k] = (sum / count as f64) as f32;
    }
}
