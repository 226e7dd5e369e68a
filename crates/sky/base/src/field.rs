//! A bounded field: a scalar that varies smoothly over a detector, with its error.

use crate::linalg::LinalgError;
use crate::poly::{Polynomial2d, terms};
use serde::{Deserialize, Serialize};

/// A polynomial over a box of pixels, with the covariance of its coefficients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundedField {
    pub polynomial: Polynomial2d,
    /// Covariance of the coefficients, row-major; empty when the field is exact.
    pub covariance: Vec<f64>,
}

impl BoundedField {
    pub fn constant(value: f64, error: f64) -> Self {
        Self { polynomial: Polynomial2d::constant(value), covariance: vec![error * error] }
    }

    /// Fit values at pixel positions over a detector of `width` x `height`.
    pub fn fit(
        degree: usize,
        width: f64,
        height: f64,
        points: &[[f64; 2]],
        values: &[f64],
        sigmas: &[f64],
    ) -> Result<Self, LinalgError> {
        let scaling = Polynomial2d::scaling(width, height);
        let (polynomial, covariance) = Polynomial2d::fit(degree, scaling, points, values, sigmas)?;
        Ok(Self { polynomial, covariance })
    }

    pub fn eval(&self, x: f64, y: f64) -> f64 {
        self.polynomial.eval(x, y)
    }

    /// Standard deviation of the value at (x, y) from the fit's covariance.
    pub fn error(&self, x: f64, y: f64) -> f64 {
        let p = &self.polynomial;
        let t = terms(p.degree, (x - p.center[0]) * p.scale[0], (y - p.center[1]) * p.scale[1]);
        let n = t.len();
        if self.covariance.len() != n * n {
            return 0.0;
        }
        let mut variance = 0.0;
        for i in 0..n {
            for j in 0..n {
                variance += t[i] * self.covariance[i * n + j] * t[j];
            }
        }
        variance.max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_mean_shrinks_with_the_root_of_n() {
        let points: Vec<[f64; 2]> = (0..16).map(|k| [f64::from(k), 3.0]).collect();
        let f = BoundedField::fit(0, 16.0, 16.0, &points, &[2.0; 16], &[0.4; 16]).unwrap();
        assert!((f.eval(5.0, 5.0) - 2.0).abs() < 1e-12);
        assert!((f.error(5.0, 5.0) - 0.1).abs() < 1e-12);
    }
}
