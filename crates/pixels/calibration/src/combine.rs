//! Clipped mean of a stack, pixel by pixel.
//!
//! - input: frames of one size, each with a factor that brings it to the common scale
//! - clip: a value further than `n_sigma` from the pixel's median, in units of the scatter of a
//!   single frame. The scatter is that of the row, by the median of its pixels' sample variances (a
//!   stack of five knows its own too badly), or the pixel's own MAD where that is larger and the
//!   stack long enough
//! - output: mean of what was kept, its variance (of the mean), sample scatter of one frame
//! - rows in parallel; each row's sums have a fixed order, so the result is the same on any
//!   number of threads
//! - values that are not finite are left out; a pixel without any is NaN

use elqui_base::SIGMA_PER_MAD;
use elqui_image::Image;
use rayon::prelude::*;

/// Stack length from which a pixel's own scatter is believed.
const OWN_SCATTER_FROM: usize = 8;

pub struct Combined {
    pub mean: Image<f32>,
    /// Variance of the mean.
    pub variance: Image<f32>,
    /// Values that were clipped.
    pub clipped: usize,
}

pub fn combine(frames: &[(&Image<f32>, f32)], n_sigma: f32) -> Combined {
    let (width, height) = (frames[0].0.width(), frames[0].0.height());
    let rows: Vec<(Vec<f32>, Vec<f32>, usize)> =
        (0..height).into_par_iter().map(|y| combine_row(frames, y, n_sigma)).collect();
    let mut mean = Vec::with_capacity(width * height);
    let mut variance = Vec::with_capacity(width * height);
    let mut clipped = 0;
    for (m, v, c) in rows {
        mean.extend(m);
        variance.extend(v);
        clipped += c;
    }
    Combined {
        mean: Image::from_vec(width, height, mean),
        variance: Image::from_vec(width, height, variance),
        clipped,
    }
}

fn combine_row(
    frames: &[(&Image<f32>, f32)],
    y: usize,
    n_sigma: f32,
) -> (Vec<f32>, Vec<f32>, usize) {
    let width = frames[0].0.width();
    let n = frames.len();
    // Stacks of all pixels, sorted, with their medians and deviations.
    let mut stacks = vec![0.0f32; width * n];
    let mut lengths = vec![0usize; width];
    for (x, length) in lengths.iter_mut().enumerate() {
        let stack = &mut stacks[x * n..(x + 1) * n];
        for (frame, factor) in frames {
            let v = frame.at(x, y) * factor;
            if v.is_finite() {
                stack[*length] = v;
                *length += 1;
            }
        }
        stack[..*length].sort_unstable_by(f32::total_cmp);
    }
    let mut scratch = Vec::with_capacity(n);
    let mut variances: Vec<f32> = Vec::with_capacity(width);
    let mut own = vec![f32::NAN; width];
    for x in 0..width {
        let stack = &stacks[x * n..x * n + lengths[x]];
        if stack.len() < 2 {
            continue;
        }
        let m = middle(stack);
        scratch.clear();
        scratch.extend(stack.iter().map(|v| (v - m).abs()));
        scratch.sort_unstable_by(f32::total_cmp);
        own[x] = SIGMA_PER_MAD as f32 * middle(&scratch);
        let mean = stack.iter().sum::<f32>() / stack.len() as f32;
        let squares: f32 = stack.iter().map(|v| (v - mean) * (v - mean)).sum();
        variances.push(squares / (stack.len() - 1) as f32);
    }
    variances.sort_unstable_by(f32::total_cmp);
    // Median of a chi square of k degrees over k (Wilson & Hilferty 1931).
    let k = (n.max(2) - 1) as f32;
    let median_of_chi2 = (1.0 - 2.0 / (9.0 * k)).powi(3);
    let common =
        if variances.is_empty() { 0.0 } else { (middle(&variances) / median_of_chi2).sqrt() };
    let (mut mean, mut variance) = (Vec::with_capacity(width), Vec::with_capacity(width));
    let mut clipped = 0;
    for x in 0..width {
        let stack = &stacks[x * n..x * n + lengths[x]];
        if stack.is_empty() {
            mean.push(f32::NAN);
            variance.push(f32::INFINITY);
            continue;
        }
        let m = middle(stack);
        let sigma = if stack.len() >= OWN_SCATTER_FROM { own[x].max(common) } else { common };
        let limit = if sigma > 0.0 { n_sigma * sigma } else { f32::INFINITY };
        let (mut sum, mut count) = (0.0f64, 0usize);
        for v in stack.iter().filter(|v| (*v - m).abs() <= limit) {
            sum += f64::from(*v);
            count += 1;
        }
        let center = sum / count.max(1) as f64;
        let mut squares = 0.0f64;
        for v in stack.iter().filter(|v| (*v - m).abs() <= limit) {
            squares += (f64::from(*v) - center) * (f64::from(*v) - center);
        }
        clipped += stack.len() - count;
        mean.push(center as f32);
        variance.push(if count > 1 {
            (squares / (count - 1) as f64 / count as f64) as f32
        } else {
            sigma * sigma
        });
    }
    (mean, variance, clipped)
}

/// Median of sorted values.
pub fn middle(sorted: &[f32]) -> f32 {
    let n = sorted.len();
    if n % 2 == 1 { sorted[n / 2] } else { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) }
}
