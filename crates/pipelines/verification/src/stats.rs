//! Statistics of residuals.

use serde::Serialize;

/// A number and the half-width of its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    pub value: f64,
    pub half_95: f64,
}

/// Normal deviate of 97.5%.
pub const Z95: f64 = 1.96;

/// Half of the distance from the 15.87% to the 84.13% quantile: the standard deviation of a normal law,
/// deaf to a few outliers. Its error is 1.24 / sqrt(2 n) of it for a normal law.
pub fn width(values: &[f64]) -> Interval {
    let mut v: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let n = v.len() as f64;
    let low = elqui_base::percentile(&mut v, 0.158_655);
    let high = elqui_base::percentile(&mut v, 0.841_345);
    let value = 0.5 * (high - low);
    Interval { value, half_95: Z95 * 1.24 * value / (2.0 * n).sqrt() }
}

/// Median, its error taken as 1.253 of that of the mean.
pub fn median(values: &[f64]) -> Interval {
    let mut v: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let n = v.len() as f64;
    let value = elqui_base::median(&mut v);
    Interval { value, half_95: Z95 * 1.253 * width(values).value / n.sqrt() }
}

/// Mean with weights 1 / sigma^2; the interval is from the residuals themselves. Residuals beyond five
/// sigma are left out.
pub fn weighted_mean(values: &[f64], sigmas: &[f64]) -> Interval {
    let mut kept: Vec<(f64, f64)> = values
        .iter()
        .zip(sigmas)
        .filter(|(v, s)| v.is_finite() && s.is_finite() && **s > 0.0)
        .map(|(v, s)| (*v, *s))
        .collect();
    let mut out = Interval { value: f64::NAN, half_95: f64::NAN };
    for _ in 0..5 {
        let weight: f64 = kept.iter().map(|(_, s)| s.powi(-2)).sum();
        let value = kept.iter().map(|(v, s)| v / (s * s)).sum::<f64>() / weight;
        let spread: f64 = kept.iter().map(|(v, s)| ((v - value) / (s * s)).powi(2)).sum();
        out = Interval { value, half_95: Z95 * spread.sqrt() / weight };
        let before = kept.len();
        // About the median at first, which outliers do not move.
        kept.retain(|(v, s)| (v - value).abs() < 5.0 * s);
        if kept.len() == before {
            break;
        }
    }
    out
}

/// Mean of a sample and its interval; values beyond five robust widths of the median are left out.
pub fn mean(values: &[f64]) -> Interval {
    let (middle, wide) = (median(values).value, width(values).value);
    let kept: Vec<f64> =
        values.iter().copied().filter(|v| (v - middle).abs() <= 5.0 * wide).collect();
    let n = kept.len() as f64;
    let value = elqui_base::mean(&kept);
    let variance = kept.iter().map(|v| (v - value).powi(2)).sum::<f64>() / (n - 1.0);
    Interval { value, half_95: Z95 * (variance / n).sqrt() }
}

/// Root mean square, and its interval for a normal law.
pub fn rms(values: &[f64]) -> Interval {
    let v: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let n = v.len() as f64;
    let value = (v.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
    Interval { value, half_95: Z95 * value / (2.0 * n).sqrt() }
}

/// Where half of the trials succeed: a probit fit P = Phi(a + b s) by scoring, with its error.
///
/// - output: s at P = 1/2; NaN when it cannot be had (all found, none found)
pub fn half_point(s: &[f64], found: &[bool]) -> Interval {
    let fail = Interval { value: f64::NAN, half_95: f64::NAN };
    let (mut a, mut b) = (-elqui_base::mean(s), 1.0);
    let mut covariance = [0.0; 3];
    for _ in 0..100 {
        let (mut m, mut g) = ([0.0; 3], [0.0; 2]);
        for (&s, &found) in s.iter().zip(found) {
            let z = (a + b * s).clamp(-6.0, 6.0);
            let p = normal_cdf(z).clamp(1e-9, 1.0 - 1e-9);
            let density = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
            let w = density * density / (p * (1.0 - p));
            let r = (f64::from(u8::from(found)) - p) * density / (p * (1.0 - p));
            m = [m[0] + w, m[1] + w * s, m[2] + w * s * s];
            g = [g[0] + r, g[1] + r * s];
        }
        let det = m[0] * m[2] - m[1] * m[1];
        if !(det > 1e-12) {
            return fail;
        }
        covariance = [m[2] / det, -m[1] / det, m[0] / det];
        let da = covariance[0] * g[0] + covariance[1] * g[1];
        let db = covariance[1] * g[0] + covariance[2] * g[1];
        a += da.clamp(-5.0, 5.0);
        b += db.clamp(-1.0, 1.0);
        if da.abs() + db.abs() < 1e-9 {
            break;
        }
    }
    if !(b > 0.05) {
        return fail;
    }
    let value = -a / b;
    let (ga, gb) = (-1.0 / b, a / (b * b));
    let variance =
        ga * ga * covariance[0] + 2.0 * ga * gb * covariance[1] + gb * gb * covariance[2];
    let half_95 = Z95 * variance.max(0.0).sqrt();
    // A point that the trials do not bracket is no measurement.
    if half_95 < 2.0 { Interval { value, half_95 } } else { fail }
}

/// Phi(z), to 1e-7 (Abramowitz & Stegun 1964, 7.1.26 has 1.5e-7 in erf).
pub fn normal_cdf(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let poly = t
        * (0.254_829_592
            + t * (-0.284_496_736
                + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let erf = 1.0 - poly * (-x * x).exp();
    if z < 0.0 { 0.5 * (1.0 - erf) } else { 0.5 * (1.0 + erf) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal numbers by quantile: exact, no generator.
    fn normal(n: usize) -> Vec<f64> {
        (0..n)
            .map(|k| {
                let p = (k as f64 + 0.5) / n as f64;
                let (mut low, mut high) = (-8.0, 8.0);
                for _ in 0..60 {
                    let z = 0.5 * (low + high);
                    if normal_cdf(z) < p { low = z } else { high = z }
                }
                low
            })
            .collect()
    }

    #[test]
    fn widths_and_means_of_a_normal_law() {
        let mut v: Vec<f64> = normal(4001).iter().map(|z| 3.0 + 2.0 * z).collect();
        assert!((width(&v).value - 2.0).abs() < 0.01);
        assert!((median(&v).value - 3.0).abs() < 1e-3 && (mean(&v).value - 3.0).abs() < 1e-3);
        v.push(1e6);
        assert!((mean(&v).value - 3.0).abs() < 0.01);
        assert!(width(&[]).value.is_nan());
        let m = weighted_mean(&[1.0, 3.0, f64::NAN], &[1.0, 1e3, 1.0]);
        assert!((m.value - 1.0).abs() < 1e-3);
    }

    #[test]
    fn half_of_a_probit_law() {
        let z = normal(50);
        let (mut s, mut found) = (Vec::new(), Vec::new());
        for k in 0..60 {
            let snr = 3.0 + 0.1 * f64::from(k);
            for z in &z {
                s.push(snr);
                found.push(snr + z > 5.3);
            }
        }
        let h = half_point(&s, &found);
        assert!((h.value - 5.3).abs() < 0.03 && h.half_95 < 0.2, "{h:?}");
        assert!(half_point(&s, &vec![true; s.len()]).value.is_nan() || s.is_empty());
    }
}
