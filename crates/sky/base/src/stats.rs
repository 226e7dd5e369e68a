//! Robust statistics. Functions take what they may reorder as `&mut`, and skip nothing: the
//! caller passes finite values only.

use crate::constants::SIGMA_PER_MAD;

/// Arithmetic mean; NaN when empty.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { f64::NAN } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Median; the mean of the middle two for an even count; NaN when empty. Reorders.
pub fn median(values: &mut [f64]) -> f64 {
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    let (low, mid, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let upper = *mid;
    if n % 2 == 1 {
        return upper;
    }
    let lower = low.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    0.5 * (lower + upper)
}

/// Median of f32 values, as [`median`].
pub fn median_f32(values: &mut [f32]) -> f32 {
    let n = values.len();
    if n == 0 {
        return f32::NAN;
    }
    let (low, mid, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    let upper = *mid;
    if n % 2 == 1 {
        return upper;
    }
    let lower = low.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    0.5 * (lower + upper)
}

/// The `q` quantile (0..=1) by linear interpolation; NaN when empty. Reorders.
pub fn percentile(values: &mut [f64], q: f64) -> f64 {
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    let pos = q.clamp(0.0, 1.0) * (n - 1) as f64;
    let k = pos.floor() as usize;
    let (_, at, above) = values.select_nth_unstable_by(k, f64::total_cmp);
    let at = *at;
    let next = above.iter().copied().fold(f64::INFINITY, f64::min);
    if next.is_finite() { at + (pos - k as f64) * (next - at) } else { at }
}

/// Median and Gaussian-equivalent scatter from the median absolute deviation. Reorders.
pub fn mad_sigma(values: &mut [f64]) -> (f64, f64) {
    let m = median(values);
    for v in values.iter_mut() {
        *v = (*v - m).abs();
    }
    (m, SIGMA_PER_MAD * median(values))
}

/// Result of a clipped mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClippedStats {
    pub mean: f64,
    /// Sample standard deviation of what was kept.
    pub sigma: f64,
    /// How many were kept.
    pub count: usize,
}

/// Mean after iterative clipping at `n_sigma` about the median, until nothing more falls out or
/// `max_iterations` passes. The first pass takes its scatter from the MAD.
pub fn clipped_mean(values: &[f64], n_sigma: f64, max_iterations: usize) -> ClippedStats {
    let mut kept = values.to_vec();
    for iteration in 0..max_iterations {
        let mut scratch = kept.clone();
        let (m, mad) = mad_sigma(&mut scratch);
        let sigma = if iteration == 0 && mad > 0.0 { mad } else { std_dev(&kept) };
        let before = kept.len();
        kept.retain(|v| (v - m).abs() <= n_sigma * sigma);
        if kept.len() == before || kept.is_empty() {
            break;
        }
    }
    ClippedStats { mean: mean(&kept), sigma: std_dev(&kept), count: kept.len() }
}

fn std_dev(values: &[f64]) -> f64 {
    let m = mean(values);
    let n = values.len();
    if n < 2 {
        return if n == 1 { 0.0 } else { f64::NAN };
    }
    (values.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / (n - 1) as f64).sqrt()
}

/// Mean weighted by inverse variance, and its error. NaN when there is no weight.
pub fn weighted_mean(values: &[f64], sigmas: &[f64]) -> (f64, f64) {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (v, s) in values.iter().zip(sigmas) {
        let w = 1.0 / (s * s);
        if w.is_finite() && v.is_finite() {
            sum += w * v;
            weight += w;
        }
    }
    if weight > 0.0 { (sum / weight, weight.sqrt().recip()) } else { (f64::NAN, f64::NAN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
        assert_eq!(median_f32(&mut [1.0, 5.0]), 3.0);
        assert_eq!(percentile(&mut [0.0, 10.0, 20.0], 0.25), 5.0);
    }

    #[test]
    fn clipping_removes_outliers() {
        let mut v: Vec<f64> = (0..101).map(|i| f64::from(i - 50) / 50.0).collect();
        v.push(1e6);
        let s = clipped_mean(&v, 3.0, 5);
        assert!(s.mean.abs() < 1e-12 && s.count == 101);
    }
}
