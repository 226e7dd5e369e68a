//! Small dense linear algebra, on faer. Matrices are row-major slices.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// Why a system could not be solved.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum LinalgError {
    #[error("matrix of order {order} is not positive definite")]
    NotPositiveDefinite { order: usize },
    #[error("{rows} equations cannot fix {unknowns} unknowns")]
    Underdetermined { rows: usize, unknowns: usize },
}

fn factor(a: &[f64], n: usize) -> Result<faer::linalg::solvers::Llt<f64>, LinalgError> {
    let error = LinalgError::NotPositiveDefinite { order: n };
    if a.iter().any(|v| !v.is_finite()) {
        return Err(error);
    }
    Mat::from_fn(n, n, |i, j| a[i * n + j]).llt(Side::Lower).map_err(|_| error)
}

/// Solve `a x = b` for a symmetric positive-definite `a` (n x n, n = `b.len()`).
pub fn cholesky_solve(a: &[f64], b: &[f64]) -> Result<Vec<f64>, LinalgError> {
    let n = b.len();
    let x = factor(a, n)?.solve(Mat::from_fn(n, 1, |i, _| b[i]));
    Ok((0..n).map(|i| x[(i, 0)]).collect())
}

/// Inverse of a symmetric positive-definite n x n matrix.
pub fn invert_spd(a: &[f64], n: usize) -> Result<Vec<f64>, LinalgError> {
    let x = factor(a, n)?.solve(Mat::<f64>::identity(n, n));
    Ok((0..n * n).map(|k| x[(k / n, k % n)]).collect())
}

/// Weighted linear least squares by the normal equations, columns scaled to unit length first.
///
/// - `design`: rows x unknowns, row-major
/// - `sigmas`: one standard deviation a row; rows whose sigma is not finite and positive are left out
/// - output: the coefficients and their covariance (unknowns x unknowns, row-major)
pub fn least_squares(
    design: &[f64],
    values: &[f64],
    sigmas: &[f64],
    unknowns: usize,
) -> Result<(Vec<f64>, Vec<f64>), LinalgError> {
    let n = unknowns;
    let mut a = vec![0.0; n * n];
    let mut b = vec![0.0; n];
    let mut used = 0;
    for (k, row) in design.chunks_exact(n).enumerate() {
        let w = 1.0 / (sigmas[k] * sigmas[k]);
        if !(w.is_finite() && w > 0.0 && values[k].is_finite()) {
            continue;
        }
        used += 1;
        for i in 0..n {
            let wi = w * row[i];
            b[i] += wi * values[k];
            for j in 0..=i {
                a[i * n + j] += wi * row[j];
            }
        }
    }
    if used < n {
        return Err(LinalgError::Underdetermined { rows: used, unknowns: n });
    }
    let scale: Vec<f64> = (0..n)
        .map(|i| if a[i * n + i] > 0.0 { a[i * n + i].sqrt().recip() } else { 1.0 })
        .collect();
    for i in 0..n {
        b[i] *= scale[i];
        for j in 0..=i {
            a[i * n + j] *= scale[i] * scale[j];
            a[j * n + i] = a[i * n + j];
        }
    }
    let x = cholesky_solve(&a, &b)?;
    let inverse = invert_spd(&a, n)?;
    let coefficients = (0..n).map(|i| x[i] * scale[i]).collect();
    let covariance = (0..n * n).map(|k| inverse[k] * scale[k / n] * scale[k % n]).collect();
    Ok((coefficients, covariance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_with_its_errors() {
        let xs = [0.0, 1.0, 2.0, 3.0];
        let design: Vec<f64> = xs.iter().flat_map(|&x| [1.0, x]).collect();
        let values: Vec<f64> = xs.iter().map(|x| 2.0 + 3.0 * x).collect();
        let (c, cov) = least_squares(&design, &values, &[0.5; 4], 2).unwrap();
        assert!((c[0] - 2.0).abs() < 1e-12 && (c[1] - 3.0).abs() < 1e-12);
        // Variance of a slope: sigma^2 / sum (x - mean)^2.
        assert!((cov[3] - 0.25 / 5.0).abs() < 1e-12);
    }

    #[test]
    fn singular_is_an_error() {
        assert!(cholesky_solve(&[1.0, 1.0, 1.0, 1.0], &[1.0, 2.0]).is_err());
        assert!(least_squares(&[1.0, 2.0], &[1.0], &[1.0], 2).is_err());
    }
}
