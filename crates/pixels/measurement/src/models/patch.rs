//! The pixels that a model is fitted to: a square of cells about the source.
//!
//! Cells hold the sum of their pixels. A cell without a value of its own (masked, outside, another
//! source's) is *missing*: it starts as its mirror image through the centre (galaxies, trails and stars
//! look the same turned by half a turn), then is filled with the model until both agree
//! (Dempster et al. 1977, J. R. Stat. Soc. B 39, 1): the fit's fixed point is that of the other pixels.

use super::modes::Grid;
use elqui_image::{Image, Mask};

/// Part of an image with its variance and mask.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Position of the first pixel.
    pub x0: i32,
    pub y0: i32,
    pub image: &'a Image<f32>,
    pub variance: &'a Image<f32>,
    pub mask: &'a Mask,
    /// Pixels with one of these bits have no value.
    pub reject: u32,
}

#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// Place of the origin (the middle of cell (n/2, n/2)), pixels.
    pub x: f64,
    pub y: f64,
    pub data: Vec<f32>,
    pub variance: Vec<f32>,
    pub missing: Vec<u32>,
    /// Sum of the variance over the patch: the power of its noise in every mode.
    pub noise: f64,
}

impl Patch {
    /// First pixel of the patch about (x, y), and the place of its origin.
    pub fn origin((x, y): (f64, f64), grid: Grid) -> ((i32, i32), (f64, f64)) {
        let half = (grid.n / 2 * grid.bin) as i32;
        let first = (x.round() as i32 - half, y.round() as i32 - half);
        let middle = f64::from(half) + 0.5 * (grid.bin as f64 - 1.0);
        (first, (f64::from(first.0) + middle, f64::from(first.1) + middle))
    }

    /// Add an image of its cells to those that have a value.
    pub fn add(&mut self, image: &[f32]) {
        self.data.iter_mut().zip(image).for_each(|(d, v)| *d += v);
        for &k in &self.missing {
            self.data[k as usize] -= image[k as usize];
        }
    }

    /// Cut the patch about (x, y); false when fewer than a tenth of its cells have a value.
    pub fn cut(&mut self, view: &View<'_>, (x, y): (f64, f64), grid: Grid) -> bool {
        let (n, bin) = (grid.n, grid.bin as i32);
        let ((first_x, first_y), origin) = Self::origin((x, y), grid);
        (self.x, self.y) = origin;
        for v in [&mut self.data, &mut self.variance] {
            v.clear();
            v.resize(n * n, 0.0);
        }
        self.missing.clear();
        if bin == 1 {
            self.copy_rows(view, first_x - view.x0, first_y - view.y0, n);
        }
        for j in (0..n).filter(|_| bin > 1) {
            for i in 0..n {
                let (at_x, at_y) =
                    (first_x - view.x0 + i as i32 * bin, first_y - view.y0 + j as i32 * bin);
                match cell(view, at_x, at_y, bin) {
                    Some((value, variance)) => {
                        self.data[j * n + i] = value;
                        self.variance[j * n + i] = variance;
                    }
                    None => self.missing.push((j * n + i) as u32),
                }
            }
        }
        let present = n * n - self.missing.len();
        if present * 10 < n * n {
            return false;
        }
        let sum: f64 = self.variance.iter().map(|&v| f64::from(v)).sum();
        self.noise = sum * (n * n) as f64 / present as f64;
        self.mirror(n, (x, y), bin);
        self.noise > 0.0
    }

    /// Cells of single pixels, a row at a time; (x, y) is the first pixel in the view.
    fn copy_rows(&mut self, view: &View<'_>, x: i32, y: i32, n: usize) {
        let (width, height) = (view.image.width() as i32, view.image.height() as i32);
        let first = (-x).clamp(0, n as i32) as usize;
        let end = (width - x).clamp(first as i32, n as i32) as usize;
        let outside = |missing: &mut Vec<u32>, j: usize, cells: std::ops::Range<usize>| {
            missing.extend(cells.map(|i| (j * n + i) as u32));
        };
        for j in 0..n {
            let row = y + j as i32;
            if row < 0 || row >= height || first == end {
                outside(&mut self.missing, j, 0..n);
                continue;
            }
            let row = row as usize;
            let from = (x + first as i32) as usize..(x + end as i32) as usize;
            let cells = j * n + first..j * n + end;
            let values = &view.image.row(row)[from.clone()];
            let variances = &view.variance.row(row)[from.clone()];
            let bits = &view.mask.row(row)[from];
            outside(&mut self.missing, j, 0..first);
            let good = |v: f32, s: f32, b: u32| {
                (v.abs() <= f32::MAX) & (s > 0.0) & (s <= f32::MAX) & (b & view.reject == 0)
            };
            let mut all = true;
            for ((&v, &s), &b) in values.iter().zip(variances).zip(bits) {
                all &= good(v, s, b);
            }
            if all {
                self.data[cells.clone()].copy_from_slice(values);
                self.variance[cells].copy_from_slice(variances);
            } else {
                for (k, ((&v, &s), &b)) in values.iter().zip(variances).zip(bits).enumerate() {
                    if good(v, s, b) {
                        self.data[cells.start + k] = v;
                        self.variance[cells.start + k] = s;
                    } else {
                        self.missing.push((cells.start + k) as u32);
                    }
                }
            }
            outside(&mut self.missing, j, end..n);
        }
    }

    fn mirror(&mut self, n: usize, (x, y): (f64, f64), bin: i32) {
        let twice = |at: f64, origin: f64| {
            (2.0 * ((at - origin) / f64::from(bin) + (n / 2) as f64)).round() as i32
        };
        let (sx, sy) = (twice(x, self.x), twice(y, self.y));
        for k in 0..self.missing.len() {
            let at = self.missing[k] as usize;
            let (i, j) = (sx - (at % n) as i32, sy - (at / n) as i32);
            if i >= 0 && j >= 0 && i < n as i32 && j < n as i32 {
                // A mirror that is missing too holds 0: its variance tells.
                self.data[at] = self.data[j as usize * n + i as usize];
            }
        }
    }

    /// Put the model into the missing cells; the part of the model's squares that they hold.
    pub fn fill(&mut self, model: &[f32]) -> f64 {
        let square = |v: f32| f64::from(v) * f64::from(v);
        let all: f64 = model.iter().map(|&v| square(v)).sum();
        let mut hidden = 0.0;
        for &k in &self.missing {
            self.data[k as usize] = model[k as usize];
            hidden += square(model[k as usize]);
        }
        if all > 0.0 { (hidden / all).min(1.0) } else { 0.0 }
    }
}

/// Sum of value and variance over a cell whose first pixel is (x, y) of the view.
fn cell(view: &View<'_>, x: i32, y: i32, bin: i32) -> Option<(f32, f32)> {
    let (mut value, mut variance) = (0.0, 0.0);
    for j in y..y + bin {
        for i in x..x + bin {
            let bits = view.mask.get(i, j)?;
            let (v, s) = (view.image.get(i, j)?, view.variance.get(i, j)?);
            if bits & view.reject != 0 || !v.is_finite() || !(s > 0.0 && s <= f32::MAX) {
                return None;
            }
            value += v;
            variance += s;
        }
    }
    Some((value, variance))
}
