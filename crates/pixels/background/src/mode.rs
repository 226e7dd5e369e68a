//! Level of the sky in a coarse cell, objects and all.
//!
//! Values are counted in a histogram of fine bins (never finer than the data's own quantum), and
//! all clipping happens on the histogram. The level is the mean when clipping took little away
//! (nothing but sky). When objects crowd the cell it is the centre of the Gaussian that fits the
//! histogram's lower side up to a little past its top, where objects hardly reach; and for too few
//! pixels the mode `2.5 median - 1.5 mean`, or the median when the two disagree too much for that.
//! - input: usable pixels of a cell, adu; output: level and Gaussian sigma, adu
//! - source: Da Costa 1992, ASP Conf. 23, 90 (mode estimate); Bertin & Arnouts 1996, A&AS 117, 393, sec. 4
//! - differs from SExtractor: quantised data keep unbiased medians, sigma is corrected for the clip,
//!   and the lower side decides in crowded cells (the mode estimate was found high by 7 % of sigma
//!   with one object per 560 pixels)

use elqui_base::{SIGMA_PER_MAD, cholesky_solve};

const BINS: usize = 512;
/// The histogram spans this many sigma to either side.
const SPAN_SIGMA: f32 = 8.0;
/// Mean and median that differ by more than this (in sigma) make the mode unsafe.
const MODE_LIMIT_SIGMA: f64 = 0.3;

/// Level and scatter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CellSky {
    pub level: f64,
    pub sigma: f64,
}

/// Scratch memory kept from cell to cell.
pub(crate) struct Scratch {
    pub values: Vec<f32>,
    sample: Vec<f32>,
    histogram: Vec<u32>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { values: Vec::new(), sample: Vec::new(), histogram: vec![0; BINS + 2] }
    }
}

/// Sky of `scratch.values` (finite, not empty).
pub(crate) fn measure(scratch: &mut Scratch, clip_sigma: f64) -> CellSky {
    let Scratch { values, sample, histogram } = scratch;
    let (center, width) = bins(values, sample);
    if !(width > 0.0) {
        return CellSky { level: f64::from(center), sigma: 0.0 };
    }
    histogram.fill(0);
    let low = center - width * (BINS as f32 / 2.0);
    let inverse = 1.0 / width;
    // Bin 0 and the last one hold what is outside.
    for &v in values.iter() {
        let bin = ((v - low) * inverse).clamp(-0.5, BINS as f32 + 0.5) + 1.0;
        histogram[bin as usize] += 1;
    }
    clip(&histogram[1..=BINS], f64::from(low), f64::from(width), clip_sigma)
}

/// Centre of the histogram and width of its bins (0 when all values are equal).
fn bins(values: &[f32], sample: &mut Vec<f32>) -> (f32, f32) {
    let stride = (values.len() / 400).max(1);
    sample.clear();
    sample.extend(values.iter().step_by(stride));
    sample.sort_unstable_by(f32::total_cmp);
    let n = sample.len();
    let median = sample[n / 2];
    // Quantised data: many equal values; their smallest difference is the quantum.
    let (mut distinct, mut quantum) = (1, f32::INFINITY);
    for pair in sample.windows(2) {
        if pair[1] > pair[0] {
            distinct += 1;
            quantum = quantum.min(pair[1] - pair[0]);
        }
    }
    let quantum = if distinct * 3 < n * 2 && quantum.is_finite() { quantum } else { 0.0 };
    // The lower half's quartile: objects spoil the upper half.
    let sigma = (median - sample[n / 4]) * SIGMA_PER_MAD as f32;
    let sigma = if sigma > 0.0 { sigma } else { (sample[n - 1] - sample[0]) / SPAN_SIGMA };
    if !(sigma > 0.0) {
        // A sample of equal values; the rest may still differ.
        let (low, high) = values
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        let far = (high - median).max(median - low);
        return (median, far * 2.0 / (BINS - 2) as f32);
    }
    let fine = 2.0 * SPAN_SIGMA * sigma / BINS as f32;
    if quantum > 0.0 {
        // Whole numbers of quanta a bin, with bin edges half-way between possible values.
        return (median - 0.5 * quantum, quantum * (fine / quantum).ceil().max(1.0));
    }
    (median, fine)
}

/// Iterative clipping about the median, on counts.
fn clip(counts: &[u32], low: f64, width: f64, clip_sigma: f64) -> CellSky {
    let (mut from, mut to) = (0usize, counts.len());
    let mut first_sigma = f64::NAN;
    let (mut mean, mut median, mut sigma) = (0.0, 0.0, 0.0);
    for iteration in 0..30 {
        let (mut n, mut s1, mut s2) = (0.0f64, 0.0f64, 0.0f64);
        for (k, &c) in counts[from..to].iter().enumerate() {
            let (c, k) = (f64::from(c), k as f64);
            n += c;
            s1 += c * k;
            s2 += c * k * k;
        }
        if n == 0.0 {
            break;
        }
        let m = s1 / n;
        mean = from as f64 + m + 0.5;
        sigma = (s2 / n - m * m).max(0.0).sqrt();
        median = median_bin(&counts[from..to], n) + from as f64;
        if iteration == 0 {
            first_sigma = sigma;
        }
        let reach = clip_sigma * sigma.max(0.3);
        let next_from = (median - reach).floor().max(0.0) as usize;
        let next_to = ((median + reach).ceil() as usize).min(counts.len());
        if (next_from, next_to) == (from, to) || next_to <= next_from {
            break;
        }
        (from, to) = (next_from, next_to);
    }
    let crowded = first_sigma >= 1.03 * sigma / clip_shrink(clip_sigma);
    if crowded && let Some((level, sigma)) = lower_side(counts, median, sigma) {
        return CellSky { level: low + width * level, sigma: width * sigma };
    }
    let level = if sigma <= 0.0 {
        median
    } else if !crowded {
        mean
    } else if (mean - median).abs() < MODE_LIMIT_SIGMA * sigma {
        2.5 * median - 1.5 * mean
    } else {
        median
    };
    CellSky { level: low + width * level, sigma: width * sigma / clip_shrink(clip_sigma) }
}

/// Centre and sigma (in bins) of the Gaussian through the lower side of the histogram: a parabola
/// fitted to the logarithm of the counts, each weighted by its count.
fn lower_side(counts: &[u32], center: f64, sigma: f64) -> Option<(f64, f64)> {
    const FROM_SIGMA: f64 = -2.5;
    const TO_SIGMA: f64 = 0.3;
    const GROUPS: usize = 20;
    const MIN_COUNT: f64 = 800.0;
    let (mut c, mut s) = (center, sigma);
    for _ in 0..6 {
        let size = ((TO_SIGMA - FROM_SIGMA) * s / GROUPS as f64).round().max(1.0) as usize;
        let first = (c + FROM_SIGMA * s).round().max(0.0) as usize;
        let end = ((c + TO_SIGMA * s).round().max(0.0) as usize).min(counts.len());
        let (mut a, mut b, mut total, mut groups) = ([0.0; 9], [0.0; 3], 0.0, 0);
        for (k, group) in counts.get(first..end)?.chunks_exact(size).enumerate() {
            let n: f64 = group.iter().map(|&v| f64::from(v)).sum();
            if n < 5.0 {
                continue;
            }
            let t = (first as f64 + (k as f64 + 0.5) * size as f64 - c) / s;
            groups += 1;
            total += n;
            let powers = [1.0, t, t * t];
            for p in 0..3 {
                b[p] += n * powers[p] * n.ln();
                for q in 0..3 {
                    a[3 * p + q] += n * powers[p] * powers[q];
                }
            }
        }
        if groups < 6 || total < MIN_COUNT {
            return None;
        }
        let [_, slope, curve] = cholesky_solve(&a, &b).ok()?[..] else { return None };
        if curve >= 0.0 {
            return None;
        }
        let next_c = c + s * (-slope / (2.0 * curve)).clamp(-0.5, 0.5);
        let next_s = s * (-0.5 / curve).sqrt().clamp(0.6, 1.5);
        let moved = (next_c - c).abs() + (next_s - s).abs();
        (c, s) = (next_c, next_s);
        if moved < 1e-3 * s {
            break;
        }
    }
    ((c - center).abs() < sigma && s < 1.3 * sigma).then_some((c, s))
}

/// Median in units of bins, linear inside its bin.
fn median_bin(counts: &[u32], n: f64) -> f64 {
    let half = 0.5 * n;
    let mut below = 0.0;
    for (k, &c) in counts.iter().enumerate() {
        let c = f64::from(c);
        if below + c >= half && c > 0.0 {
            return k as f64 + (half - below) / c;
        }
        below += c;
    }
    counts.len() as f64
}

/// Sigma of a Gaussian after converged clipping at `k` sigma, over its true sigma.
fn clip_shrink(k: f64) -> f64 {
    let mut s = 1.0f64;
    for _ in 0..50 {
        let a = k * s;
        // Probability inside, by Simpson's rule on the density.
        let density = |t: f64| (-0.5 * t * t).exp() / std::f64::consts::TAU.sqrt();
        let h = a / 16.0;
        let inside: f64 = (0..=16)
            .map(|i| {
                let weight = if i == 0 || i == 16 { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
                weight * density(f64::from(i) * h)
            })
            .sum::<f64>()
            * h
            / 3.0
            * 2.0;
        s = (1.0 - 2.0 * a * density(a) / inside).max(0.01).sqrt();
    }
    s
}
