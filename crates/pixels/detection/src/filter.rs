//! The matched filter: each pixel's signal-to-noise ratio for a source with the kernel's shape.
//!
//! With weights k (a Gaussian), image I and variance V of independent pixels,
//! `S/N = sum(k I) / sqrt(sum(k^2 V))`; both sums run over usable pixels only, so that masked
//! pixels and borders lose signal but keep unit noise.
//! - input: image (adu), variance (adu^2), mask; output: S/N, 0 where no pixel is usable
//! - source: North 1943 (reprinted Proc. IEEE 51, 1016); Bosch et al. 2018, PASJ 70, S5, sec. 4.1
//! - differs from a convolution of whole images: rows are filtered along x into a ring of rows and
//!   summed along y at once, so that the only image-sized buffer is the result

use elqui_base::FWHM_PER_SIGMA;
use elqui_image::wide::widest;
use elqui_image::{Image, Mask, PsfModel};
use rayon::prelude::*;

/// Kernel's half-width, in units of its sigma.
const REACH_SIGMA: f64 = 3.0;
/// Weights of half a kernel, at most: those of the widest kernel that is allowed.
const KERNEL_MAX: usize = 160;
/// Pixels that are summed at a time.
const BLOCK: usize = 32;
/// Rows that one task filters.
const ROWS_A_TASK: usize = 256;
const STRIP_PIXELS: usize = 512;

/// Half-width in pixels of the kernel for a Gaussian of `sigma` pixels.
pub(crate) fn reach(sigma: f64) -> usize {
    (REACH_SIGMA * sigma).ceil().max(1.0) as usize
}

/// Sigma of the Gaussian that loses least of a star's signal-to-noise ratio against the PSF itself,
/// pixels. For a Moffat profile of exponent 3 it is 1.13 times that of the same FWHM and loses 0.4%;
/// with the FWHM's own 1.0% would be lost.
pub fn kernel_sigma(psf: &PsfModel, (x, y): (f64, f64)) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let stamp = psf.render(x.round(), y.round());
    let half = psf.half_width() as i32;
    let guess = psf.fwhm_pixels / FWHM_PER_SIGMA;
    let kept = |sigma: f64| -> f64 {
        let r = (reach(sigma) as i32).min(half);
        let weights: Vec<f64> =
            (-r..=r).map(|k| (-0.5 * (f64::from(k) / sigma).powi(2)).exp()).collect();
        let (mut signal, mut noise) = (0.0, 0.0);
        for (j, wy) in weights.iter().enumerate() {
            for (i, wx) in weights.iter().enumerate() {
                let (px, py) = (half - r + i as i32, half - r + j as i32);
                signal += wx * wy * f64::from(stamp.at(px as usize, py as usize));
                noise += (wx * wy).powi(2);
            }
        }
        signal / noise.sqrt()
    };
    if !(0.1..=50.0).contains(&guess) || half < 1 {
        return guess;
    }
    let (mut low, mut high) = (0.7 * guess, 1.6 * guess);
    for _ in 0..12 {
        let step = GOLDEN * (high - low);
        if kept(high - step) > kept(low + step) { high = low + step } else { low = high - step }
    }
    0.5 * (low + high)
}

/// Weights at offsets 0, 1, ... `reach` of a Gaussian.
fn half_kernel(sigma: f64, reach: usize) -> Vec<f32> {
    (0..=reach).map(|k| (-0.5 * (k as f64 / sigma).powi(2)).exp() as f32).collect()
}

/// The signal-to-noise image for a Gaussian of `sigma` pixels; pixels whose mask has a bit of
/// `exclude`, or without a finite value and a finite positive variance, are left out.
pub fn signal_to_noise(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    exclude: u32,
    sigma: f64,
) -> Image<f32> {
    let (width, height) = (image.width(), image.height());
    let mut out = Image::filled(width, height, 0.0f32);
    if width == 0 || height == 0 {
        return out;
    }
    let kernel = half_kernel(sigma, reach(sigma));
    // k^2 is a Gaussian too, narrower by sqrt 2; its own tail beyond 3 sigma is negligible.
    let squared: Vec<f32> = kernel.iter().map(|k| k * k).take_while(|k| *k > 2e-4).collect();
    let kernels = Kernels { kernel: &kernel, squared: &squared };
    let planes = Planes { image, variance, mask, exclude };
    out.data_mut().par_chunks_mut(width * ROWS_A_TASK).enumerate().for_each(|(task, rows)| {
        let first = task * ROWS_A_TASK;
        let last = first + rows.len() / width;
        let r = kernel.len() - 1;
        // In strips so narrow that the ring stays in the processor's cache.
        for x0 in (0..width).step_by(STRIP_PIXELS) {
            let strip = x0..(x0 + STRIP_PIXELS).min(width);
            let mut ring = Ring::new(strip.len(), r);
            for y in first.saturating_sub(r)..(first + r).min(height) {
                ring.push(y, &planes, x0, &kernels);
            }
            for y in first..last {
                if y + r < height {
                    ring.push(y + r, &planes, x0, &kernels);
                }
                let row = &mut rows[(y - first) * width..(y - first + 1) * width];
                ring.combine(y, height, &kernels, &mut row[strip.clone()]);
            }
        }
    });
    out
}

/// Weights from the middle outwards, and their squares.
struct Kernels<'a> {
    kernel: &'a [f32],
    squared: &'a [f32],
}

/// What is filtered.
struct Planes<'a> {
    image: &'a Image<f32>,
    variance: &'a Image<f32>,
    mask: &'a Mask,
    exclude: u32,
}

/// The last `2 r + 1` rows, filtered along x.
struct Ring {
    width: usize,
    r: usize,
    signal: Vec<f32>,
    noise: Vec<f32>,
    padded: Vec<f32>,
    sum: Vec<f32>,
    zeros: Vec<f32>,
}

impl Ring {
    fn new(width: usize, r: usize) -> Self {
        let rows = vec![0.0; width * (2 * r + 1)];
        Self {
            width,
            r,
            signal: rows.clone(),
            noise: rows,
            padded: vec![0.0; 2 * (width + 2 * r)],
            sum: vec![0.0; width],
            zeros: vec![0.0; width],
        }
    }

    fn slot(&self, y: usize) -> std::ops::Range<usize> {
        let k = y % (2 * self.r + 1);
        k * self.width..(k + 1) * self.width
    }

    /// Filter row `y` from column `x0` on along x.
    fn push(&mut self, y: usize, planes: &Planes<'_>, x0: usize, kernels: &Kernels<'_>) {
        let (w, r) = (self.width, self.r);
        let slot = self.slot(y);
        let (i_row, v_row) = self.padded.split_at_mut(w + 2 * r);
        let (signal, noise) = (&mut self.signal[slot.clone()], &mut self.noise[slot]);
        let image = planes.image.row(y);
        // What there is of the strip and its margins; beyond the image the pads stay zero.
        let from = x0.saturating_sub(r)..(x0 + w + r).min(image.len());
        let to = from.start + r - x0..from.end + r - x0;
        let (variance, mask) = (planes.variance.row(y), planes.mask.row(y));
        widest(
            #[inline(always)]
            || {
                let source = (&image[from.clone()], &variance[from.clone()], &mask[from]);
                usable(source, planes.exclude, &mut i_row[to.clone()], &mut v_row[to]);
                along_x(i_row, r, kernels.kernel, signal);
                along_x(v_row, r, kernels.squared, noise);
            },
        );
    }

    /// The S/N of row `y`; all rows it needs must have been pushed.
    fn combine(&mut self, y: usize, height: usize, kernels: &Kernels<'_>, out: &mut [f32]) {
        let mut noise = std::mem::take(&mut self.sum);
        widest(
            #[inline(always)]
            || {
                along_y(self, y, height, kernels.kernel, &self.signal, out);
                along_y(self, y, height, kernels.squared, &self.noise, &mut noise);
                for (o, n) in out.iter_mut().zip(&noise) {
                    *o = if *n > 0.0 { *o / n.sqrt() } else { 0.0 };
                }
            },
        );
        self.sum = noise;
    }
}

/// Values and variances of the usable pixels of a row, 0 elsewhere.
#[inline(always)]
fn usable(
    (image, variance, mask): (&[f32], &[f32], &[u32]),
    exclude: u32,
    to_image: &mut [f32],
    to_variance: &mut [f32],
) {
    let n = image.len();
    let (variance, mask) = (&variance[..n], &mask[..n]);
    let (to_image, to_variance) = (&mut to_image[..n], &mut to_variance[..n]);
    for k in 0..n {
        let (i, v) = (image[k], variance[k]);
        let good =
            (mask[k] & exclude == 0) & (i.abs() < f32::INFINITY) & (v > 0.0) & (v < f32::INFINITY);
        to_image[k] = if good { i } else { 0.0 };
        to_variance[k] = if good { v } else { 0.0 };
    }
}

/// `N` pixels of `kernel[0] middle + sum of kernel[k] (before_k + after_k)`, in registers.
#[inline(always)]
fn symmetric<'a, const N: usize>(
    kernel: &[f32],
    middle: &[f32],
    pair: impl Fn(usize) -> [&'a [f32]; 2],
    out: &mut [f32],
) {
    let mut sums = [0.0f32; N];
    for (sum, m) in sums.iter_mut().zip(&middle[..N]) {
        *sum = kernel[0] * m;
    }
    for (k, weight) in kernel.iter().enumerate().skip(1) {
        let [before, after] = pair(k);
        let (before, after) = (&before[..N], &after[..N]);
        for i in 0..N {
            sums[i] += weight * (before[i] + after[i]);
        }
    }
    out[..N].copy_from_slice(&sums);
}

/// Symmetric filter of a padded row.
#[inline(always)]
fn along_x(padded: &[f32], r: usize, kernel: &[f32], out: &mut [f32]) {
    let whole = out.len() - out.len() % BLOCK;
    for at in (0..whole).step_by(BLOCK) {
        let p = &padded[at..];
        symmetric::<BLOCK>(
            kernel,
            &p[r..],
            #[inline(always)]
            |k| [&p[r - k..], &p[r + k..]],
            &mut out[at..],
        );
    }
    for at in whole..out.len() {
        let p = &padded[at..];
        symmetric::<1>(
            kernel,
            &p[r..],
            #[inline(always)]
            |k| [&p[r - k..], &p[r + k..]],
            &mut out[at..],
        );
    }
}

/// Symmetric filter across the rows of the ring; beyond the image there is nothing.
#[inline(always)]
fn along_y(ring: &Ring, y: usize, height: usize, kernel: &[f32], rows: &[f32], out: &mut [f32]) {
    let row = |y: usize| &rows[ring.slot(y)];
    let (middle, nothing) = (row(y), &ring.zeros[..]);
    let mut pairs = [[nothing; 2]; KERNEL_MAX];
    for (k, pair) in pairs.iter_mut().enumerate().take(kernel.len()).skip(1) {
        *pair = [
            if y >= k { row(y - k) } else { nothing },
            if y + k < height { row(y + k) } else { nothing },
        ];
    }
    let whole = out.len() - out.len() % BLOCK;
    for at in (0..whole).step_by(BLOCK) {
        symmetric::<BLOCK>(
            kernel,
            &middle[at..],
            #[inline(always)]
            |k| [&pairs[k][0][at..], &pairs[k][1][at..]],
            &mut out[at..],
        );
    }
    for at in whole..out.len() {
        symmetric::<1>(
            kernel,
            &middle[at..],
            #[inline(always)]
            |k| [&pairs[k][0][at..], &pairs[k][1][at..]],
            &mut out[at..],
        );
    }
}
