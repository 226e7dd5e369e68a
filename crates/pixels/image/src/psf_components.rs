//! The ways in which a PSF varies over the detector: principal components in place of a polynomial's terms.
//!
//! - input: a [`PsfModel`]; output: for each component its weight by each of the polynomial's terms, and its
//!   samples (row-major, as the model's)
//! - places are weighted evenly over the detector, scaled to -1 to 1; models of few terms stay as they are
//! - source: Jolliffe 2002, Principal Component Analysis, ch. 2

use crate::psf_model::PsfModel;
use elqui_base::{term_count, terms};

/// The components of a model and how the polynomial's terms make their weights.
///
/// With C = L L' the terms' second moments over the detector and G the samples' inner products, the
/// eigenvectors v of L' G L give components M' L v and weights t' L'^-1 v.
pub(crate) fn principal(model: &PsfModel) -> (Vec<Vec<f64>>, Vec<Vec<f32>>) {
    /// Part of the PSF's square that may be left out.
    const LEFT_OUT: f64 = 4e-8;
    const NODES: usize = 17;
    let n = term_count(model.degree).min(model.components.len());
    let as_it_is = || {
        let unit = |c: usize| (0..n).map(|k| f64::from(u8::from(k == c))).collect();
        ((0..n).map(unit).collect(), model.components[..n].to_vec())
    };
    if n < 4 {
        return as_it_is();
    }
    // Scaled places of the detector run from -1 to 1.
    let mut moments = vec![0.0; n * n];
    for k in 0..NODES * NODES {
        let at = |k: usize| 2.0 * k as f64 / (NODES - 1) as f64 - 1.0;
        let t = terms(model.degree, at(k % NODES), at(k / NODES));
        for (cell, m) in moments.iter_mut().enumerate() {
            *m += t[cell / n] * t[cell % n] / (NODES * NODES) as f64;
        }
    }
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        // In rows: sums of f32 stay short.
        let rows = a.chunks(128).zip(b.chunks(128));
        rows.map(|(a, b)| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>())).sum()
    };
    let Some(lower) = cholesky(&moments, n) else { return as_it_is() };
    let mut products = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let d = dot(&model.components[i], &model.components[j]);
            (products[i * n + j], products[j * n + i]) = (d, d);
        }
    }
    // L' G L
    let mut inner = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let mut sum = 0.0;
            for a in i..n {
                for b in j..n {
                    sum += lower[a * n + i] * products[a * n + b] * lower[b * n + j];
                }
            }
            inner[i * n + j] = sum;
        }
    }
    let vectors = eigenvectors(&mut inner, n);
    let values: Vec<f64> = (0..n).map(|k| inner[k * n + k].max(0.0)).collect();
    let all: f64 = values.iter().sum();
    if !(all > 0.0 && all.is_finite()) {
        return as_it_is();
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let mut left: f64 = all;
    let mut keep = 0;
    while keep < n && left > LEFT_OUT * all {
        left -= values[order[keep]];
        keep += 1;
    }
    let mut mixing = Vec::with_capacity(keep);
    let mut components = Vec::with_capacity(keep);
    for &k in &order[..keep] {
        let v: Vec<f64> = (0..n).map(|i| vectors[i * n + k]).collect();
        // L' m = v, from the last row up.
        let mut m = vec![0.0; n];
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|a| lower[a * n + i] * m[a]).sum();
            m[i] = (v[i] - known) / lower[i * n + i];
        }
        mixing.push(m);
        let mut component = vec![0.0f32; model.grid * model.grid];
        for (c, samples) in model.components[..n].iter().enumerate() {
            let weight = (0..=c).map(|j| lower[c * n + j] * v[j]).sum::<f64>() as f32;
            component.iter_mut().zip(samples).for_each(|(o, s)| *o += weight * s);
        }
        components.push(component);
    }
    (mixing, components)
}

/// Lower factor of a positive matrix; `None` when it is not.
fn cholesky(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
            let rest = matrix[i * n + j] - sum;
            if i == j {
                if !(rest > 1e-12) {
                    return None;
                }
                lower[i * n + i] = rest.sqrt();
            } else {
                lower[i * n + j] = rest / lower[j * n + j];
            }
        }
    }
    Some(lower)
}

/// Eigenvectors (columns) of a symmetric matrix, which is left with its eigenvalues on the diagonal:
/// Jacobi's rotations (Golub & Van Loan, Matrix Computations, sec. 8.5).
fn eigenvectors(a: &mut [f64], n: usize) -> Vec<f64> {
    const SWEEPS: usize = 12;
    let mut vectors: Vec<f64> = (0..n * n).map(|k| f64::from(u8::from(k / n == k % n))).collect();
    for _ in 0..SWEEPS {
        for p in 0..n {
            for q in p + 1..n {
                let off = a[p * n + q];
                if off.abs() < 1e-300 {
                    continue;
                }
                let half = 0.5 * (a[q * n + q] - a[p * n + p]) / off;
                let t = half.signum() / (half.abs() + half.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (vectors[k * n + p], vectors[k * n + q]);
                    (vectors[k * n + p], vectors[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Gaussian whose width and place vary over the detector, as a polynomial of third degree.
    fn varying() -> PsfModel {
        let mut model = PsfModel::from_profile(41, 0.5, 4.0, |x, y| (-(x * x + y * y) / 5.8).exp());
        let at = |k: usize, sign: f64| {
            let (x, y) = ((k % 41) as f64 * 0.5 - 10.0, (k / 41) as f64 * 0.5 - 10.0);
            let r2 = x * x + y * y;
            // Wider, stretched along x, stretched along the diagonal.
            let shape = [1e-2 * (r2 - 5.8), 4e-3 * (x * x - y * y), 4e-3 * x * y];
            (shape[0] + sign * shape[1] + sign * shape[2]) * (-r2 / 5.8).exp() / 18.2
        };
        model.degree = 3;
        model.center = [500.0; 2];
        model.scale = [1.0 / 500.0; 2];
        for c in 1..term_count(3) {
            let sign = if c % 2 == 0 { 1.0 } else { -1.0 };
            let size = 1.0 / c as f64;
            model.components.push((0..41 * 41).map(|k| (size * at(k, sign)) as f32).collect());
        }
        model
    }

    #[test]
    fn the_components_make_the_model_again_with_fewer() {
        let model = varying();
        let (mixing, components) = principal(&model);
        assert!(components.len() < model.components.len(), "{}", components.len());
        for (x, y) in [(0.0, 0.0), (999.0, 10.0), (500.0, 500.0), (321.0, 876.0)] {
            let t = terms(3, (x - 500.0) / 500.0, (y - 500.0) / 500.0);
            let truth = model.samples_at(x, y);
            let mut made = vec![0.0f64; truth.len()];
            for (m, component) in mixing.iter().zip(&components) {
                let weight: f64 = m.iter().zip(&t).map(|(a, b)| a * b).sum();
                made.iter_mut().zip(component).for_each(|(o, c)| *o += weight * f64::from(*c));
            }
            let peak = truth.iter().fold(0.0f32, |a, b| a.max(*b));
            let worst =
                made.iter().zip(&truth).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
            assert!(worst < 5e-4 * f64::from(peak), "({x}, {y}): {worst} of {peak}");
        }
    }

    #[test]
    fn few_terms_stay_as_they_are() {
        let model = PsfModel::from_profile(21, 1.0, 3.0, |x, y| (-(x * x + y * y) / 3.0).exp());
        let (mixing, components) = principal(&model);
        assert_eq!((mixing, components), (vec![vec![1.0]], model.components));
    }
}
