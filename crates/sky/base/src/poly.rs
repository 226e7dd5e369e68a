//! Polynomials in two variables of a total degree, on coordinates scaled to about [-1, 1].

use crate::linalg::{LinalgError, least_squares};
use serde::{Deserialize, Serialize};

/// Number of terms `x^i y^j`, `i + j <= degree`.
pub const fn term_count(degree: usize) -> usize {
    (degree + 1) * (degree + 2) / 2
}

/// The terms in their order: 1, x, y, x^2, xy, y^2, ...
pub fn terms(degree: usize, x: f64, y: f64) -> Vec<f64> {
    let mut out = Vec::with_capacity(term_count(degree));
    terms_into(degree, x, y, &mut out);
    out
}

/// [`terms`] into memory that is reused.
pub fn terms_into(degree: usize, x: f64, y: f64, out: &mut Vec<f64>) {
    out.clear();
    out.push(1.0);
    for total in 1..=degree {
        // Those of one degree less times x, and the last of them times y.
        let before = out.len() - total;
        for j in before..before + total {
            out.push(out[j] * x);
        }
        out.push(out[before + total - 1] * y);
    }
}

/// `sum c_k x^i y^j` with x, y scaled: `u = (x - center) * scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Polynomial2d {
    pub degree: usize,
    pub coefficients: Vec<f64>,
    pub center: [f64; 2],
    pub scale: [f64; 2],
}

impl Polynomial2d {
    pub fn constant(value: f64) -> Self {
        Self { degree: 0, coefficients: vec![value], center: [0.0; 2], scale: [1.0; 2] }
    }

    /// Scaling that takes `[0, width] x [0, height]` to `[-1, 1]`.
    pub fn scaling(width: f64, height: f64) -> ([f64; 2], [f64; 2]) {
        ([0.5 * width, 0.5 * height], [2.0 / width.max(1.0), 2.0 / height.max(1.0)])
    }

    pub fn eval(&self, x: f64, y: f64) -> f64 {
        let t = terms(
            self.degree,
            (x - self.center[0]) * self.scale[0],
            (y - self.center[1]) * self.scale[1],
        );
        t.iter().zip(&self.coefficients).map(|(a, b)| a * b).sum()
    }

    /// Value and its partial derivatives in x and y.
    pub fn eval_with_gradient(&self, x: f64, y: f64) -> (f64, f64, f64) {
        let (u, v) = ((x - self.center[0]) * self.scale[0], (y - self.center[1]) * self.scale[1]);
        let (mut value, mut du, mut dv) = (0.0, 0.0, 0.0);
        let mut k = 0;
        for total in 0..=self.degree {
            for j in 0..=total {
                let (i, c) = (total - j, self.coefficients[k]);
                let (ui, vj) = (u.powi(i as i32), v.powi(j as i32));
                value += c * ui * vj;
                if i > 0 {
                    du += c * i as f64 * u.powi(i as i32 - 1) * vj;
                }
                if j > 0 {
                    dv += c * j as f64 * ui * v.powi(j as i32 - 1);
                }
                k += 1;
            }
        }
        (value, du * self.scale[0], dv * self.scale[1])
    }

    /// Weighted fit; `sigmas` in the units of `values`. Also the coefficients' covariance.
    pub fn fit(
        degree: usize,
        scaling: ([f64; 2], [f64; 2]),
        points: &[[f64; 2]],
        values: &[f64],
        sigmas: &[f64],
    ) -> Result<(Self, Vec<f64>), LinalgError> {
        let (center, scale) = scaling;
        let design: Vec<f64> = points
            .iter()
            .flat_map(|p| {
                terms(degree, (p[0] - center[0]) * scale[0], (p[1] - center[1]) * scale[1])
            })
            .collect();
        let (coefficients, covariance) =
            least_squares(&design, values, sigmas, term_count(degree))?;
        Ok((Self { degree, coefficients, center, scale }, covariance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_returns_what_made_it() {
        let truth = Polynomial2d {
            degree: 3,
            coefficients: (0..10).map(|k| 0.3 * f64::from(k) - 1.0).collect(),
            center: [1024.0, 1024.0],
            scale: [1.0 / 1024.0, 1.0 / 1024.0],
        };
        let points: Vec<[f64; 2]> =
            (0..100).map(|k| [f64::from(k % 10) * 200.0, f64::from(k / 10) * 200.0]).collect();
        let values: Vec<f64> = points.iter().map(|p| truth.eval(p[0], p[1])).collect();
        let (fit, _) = Polynomial2d::fit(
            3,
            Polynomial2d::scaling(2048.0, 2048.0),
            &points,
            &values,
            &vec![1.0; 100],
        )
        .unwrap();
        assert!((fit.eval(333.0, 777.0) - truth.eval(333.0, 777.0)).abs() < 1e-10);
        let (v, dx, dy) = fit.eval_with_gradient(500.0, 900.0);
        assert!((v - fit.eval(500.0, 900.0)).abs() < 1e-12);
        let h = 1e-3;
        assert!(
            (dx - (fit.eval(500.0 + h, 900.0) - fit.eval(500.0 - h, 900.0)) / (2.0 * h)).abs()
                < 1e-8
        );
        assert!(
            (dy - (fit.eval(500.0, 900.0 + h) - fit.eval(500.0, 900.0 - h)) / (2.0 * h)).abs()
                < 1e-8
        );
    }
}
