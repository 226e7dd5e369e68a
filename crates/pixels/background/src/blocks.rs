//! The image in blocks of a few pixels: what every later step looks at.
//!
//! A block is small against the sky's structure, and its mean is quieter than a pixel, so that objects
//! far below the noise of one pixel can be seen and left out. Everything after this reads a sixteenth
//! of the image.
//! - input: image (adu) and mask; pixels with a bit of `reject`, and values that are not finite, say nothing
//! - output: mean (adu; NaN where under a quarter of the block is usable) and variance (adu^2) of each
//!   block, and whether it holds a saturated pixel

use elqui_image::{Image, Mask, MaskPlane};
use rayon::prelude::*;

pub(crate) struct Blocks {
    /// Side of a block, pixels.
    pub side: usize,
    pub mean: Image<f32>,
    /// Variance of the pixels inside the block about its mean; NaN for fewer than two pixels.
    pub variance: Image<f32>,
    pub saturated: Image<bool>,
    /// How many of the pixels are usable.
    pub count: Image<u16>,
}

#[derive(Clone, Copy, Default)]
struct Block {
    mean: f32,
    variance: f32,
    saturated: bool,
    count: u16,
}

/// Block rows that one task makes.
const ROWS_A_TASK: usize = 16;

impl Blocks {
    pub(crate) fn new(image: &Image<f32>, mask: &Mask, reject: u32, side: usize) -> Self {
        let (width, height) = (image.width(), image.height());
        let (bw, bh) = (width.div_ceil(side), height.div_ceil(side));
        let pivot = pivot(image, mask, reject);
        let mut cells = vec![Block::default(); bw * bh];
        cells.par_chunks_mut(bw * ROWS_A_TASK).enumerate().for_each(|(task, rows)| {
            let mut sums = Sums::new(bw * side);
            for (k, out) in rows.chunks_exact_mut(bw).enumerate() {
                let y0 = (task * ROWS_A_TASK + k) * side;
                let y1 = (y0 + side).min(height);
                sums.clear();
                for y in y0..y1 {
                    sums.add(image.row(y), mask.row(y), reject, pivot);
                }
                sums.reduce(side, pivot, out, |x0| {
                    (y0..y1).any(|y| {
                        let row = &mask.row(y)[x0..(x0 + side).min(width)];
                        row.iter().any(|b| b & reject & MaskPlane::Sat.bit() != 0)
                    })
                });
            }
        });
        let plane = |k: fn(&Block) -> f32| Image::from_vec(bw, bh, cells.iter().map(k).collect());
        Self {
            side,
            mean: plane(|c| c.mean),
            variance: plane(|c| c.variance),
            saturated: Image::from_vec(bw, bh, cells.iter().map(|c| c.saturated).collect()),
            count: Image::from_vec(bw, bh, cells.iter().map(|c| c.count).collect()),
        }
    }
}

/// A value near the sky, so that sums of squares keep their digits in f32.
fn pivot(image: &Image<f32>, mask: &Mask, reject: u32) -> f32 {
    let stride = (image.data().len() / 1009).max(1) | 1;
    let pixels = image.data().iter().zip(mask.data()).step_by(stride);
    let mut sample: Vec<f32> =
        pixels.filter(|(v, m)| v.is_finite() && *m & reject == 0).map(|(v, _)| *v).collect();
    let n = sample.len();
    if n == 0 {
        return 0.0;
    }
    *sample.select_nth_unstable_by(n / 2, f32::total_cmp).1
}

/// Sums down the columns of one row of blocks.
struct Sums {
    n: Vec<f32>,
    sum: Vec<f32>,
    square: Vec<f32>,
}

impl Sums {
    fn new(width: usize) -> Self {
        Self { n: vec![0.0; width], sum: vec![0.0; width], square: vec![0.0; width] }
    }

    fn clear(&mut self) {
        for v in [&mut self.n, &mut self.sum, &mut self.square] {
            v.fill(0.0);
        }
    }

    fn add(&mut self, row: &[f32], bits: &[u32], reject: u32, pivot: f32) {
        let columns = self.n.iter_mut().zip(&mut self.sum).zip(&mut self.square);
        for (((n, sum), square), (&v, &m)) in columns.zip(row.iter().zip(bits)) {
            // `abs() <= MAX` is false for NaN and infinities.
            let ok = (m & reject == 0) & (v.abs() <= f32::MAX);
            let d = if ok { v - pivot } else { 0.0 };
            *n += if ok { 1.0 } else { 0.0 };
            *sum += d;
            *square += d * d;
        }
    }

    /// Mean, variance and saturation of each block.
    fn reduce(
        &self,
        side: usize,
        pivot: f32,
        out: &mut [Block],
        saturated: impl Fn(usize) -> bool,
    ) {
        let full = (side * side) as f32;
        let columns = self.n.chunks_exact(side).zip(self.sum.chunks_exact(side));
        let columns = columns.zip(self.square.chunks_exact(side));
        for (k, (((n, sum), square), cell)) in columns.zip(out).enumerate() {
            let add = |v: &[f32]| v.iter().sum::<f32>();
            let (n, sum, square) = (add(n), add(sum), add(square));
            let mean = sum / n;
            let variance = ((square - sum * mean) / (n - 1.0)).clamp(0.0, f32::MAX);
            cell.mean = if 4.0 * n >= full { pivot + mean } else { f32::NAN };
            cell.variance = if n >= 2.0 && 4.0 * n >= full { variance } else { f32::NAN };
            cell.count = n as u16;
            cell.saturated = n < full && saturated(k * side);
        }
    }
}
