//! An elliptical Gaussian weight, row by row.
//!
//! `exp(-(a dx^2 + 2 b dx dy + c dy^2) / 2)` goes from row to row by one factor a column, so that no exponential
//! is taken per pixel; thin slanted ellipses, for which the factors would leave the range of f32, are given
//! their exponentials. The weight of a pixel is [`weight`](GaussianRows::weight) of its column times
//! [`along_y`](GaussianRows::along_y) of the row.

use crate::vectors::LANES;
use crate::wide::{exp, exp_f32, widest};

/// Square of the correlation coefficient from which on an ellipse counts as thin.
const THIN: f64 = 0.5;

/// The weight in the row at hand. Kept by the caller, so that its memory is reused.
#[derive(Debug, Clone, Default)]
pub struct GaussianRows {
    /// Distance of each column from the centre.
    pub dx: Vec<f32>,
    /// The part of the weight that holds dx.
    pub weight: Vec<f32>,
    /// The part that holds dy alone.
    pub along_y: f64,
    pub dy: f64,
    factor: Vec<f32>,
    along_y_factor: f64,
    along_y_step: f64,
    form: [f64; 3],
    thin: bool,
}

impl GaussianRows {
    /// Start at the row of distance `dy`, for columns of distance `dx0`, `dx0 + 1`, ... `columns` in number,
    /// and some more while they are fewer than `room`, so that they fill whole vectors.
    pub fn start(&mut self, [a, b, c]: [f64; 3], dy: f64, dx0: f64, columns: usize, room: usize) {
        let n = columns.next_multiple_of(LANES).min(room);
        (self.form, self.dy) = ([a, b, c], dy);
        self.thin = b * b > THIN * a * c;
        self.dx.clear();
        self.dx.extend((0..n).map(|i| (dx0 + i as f64) as f32));
        self.weight.resize(n, 0.0);
        self.factor.resize(n, 0.0);
        if self.thin {
            self.exponentials();
            return;
        }
        self.along_y = exp(-0.5 * c * dy * dy);
        self.along_y_factor = exp(-0.5 * c * (2.0 * dy + 1.0));
        self.along_y_step = exp(-c);
        let (half_a, b_dy, b) = ((0.5 * a) as f32, (b * dy) as f32, b as f32);
        widest(
            #[inline(always)]
            || {
                let columns = self.weight.iter_mut().zip(&mut self.factor).zip(&self.dx);
                for ((weight, factor), dx) in columns {
                    *weight = exp_f32(-(half_a * dx + b_dy) * dx);
                    *factor = exp_f32(-b * dx);
                }
            },
        );
    }

    /// Go to the next row.
    #[inline(always)]
    pub fn next_row(&mut self) {
        self.dy += 1.0;
        if self.thin {
            self.exponentials();
            return;
        }
        for (w, f) in self.weight.iter_mut().zip(&self.factor) {
            *w *= f;
        }
        self.along_y *= self.along_y_factor;
        self.along_y_factor *= self.along_y_step;
    }

    fn exponentials(&mut self) {
        let ([a, b, c], dy) = (self.form, self.dy);
        self.along_y = 1.0;
        for (w, dx) in self.weight.iter_mut().zip(&self.dx) {
            let dx = f64::from(*dx);
            *w = (-0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy)).exp() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_formula() {
        let forms = [[0.4, 0.0, 0.3], [0.4, 0.15, 0.3], [0.02, -0.012, 0.02], [2.0, 1.9, 2.0]];
        for form in forms {
            let [a, b, c] = form;
            let sigma = |v: f64| (v / (a * c - b * b)).sqrt();
            let (rx, ry) = (4.0 * sigma(c), 4.0 * sigma(a));
            let mut rows = GaussianRows::default();
            rows.start(form, -ry, -rx, (2.0 * rx) as usize + 1, 1000);
            while rows.dy < ry {
                for (w, dx) in rows.weight.iter().zip(&rows.dx) {
                    let dx = f64::from(*dx);
                    let truth = (-0.5
                        * (a * dx * dx + 2.0 * b * dx * rows.dy + c * rows.dy * rows.dy))
                        .exp();
                    let got = f64::from(*w) * rows.along_y;
                    assert!((got - truth).abs() < 2e-5 * truth + 1e-12, "{form:?}: {got} {truth}");
                }
                rows.next_row();
            }
        }
    }
}
