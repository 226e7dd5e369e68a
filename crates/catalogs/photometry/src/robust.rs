//! A linear model fitted to stars of which some are wrong, with the scatter that their errors leave.
//!
//! value = design . model, each star with its own error and all with one *intrinsic* scatter in
//! quadrature (unmodelled: variability, flat field, passband).
//! - start: the median, and the intrinsic scatter at which the median of |residual| / total error is
//!   that of a Gaussian; so nearly half of the stars may be wrong
//! - then in turns: clip at `clip_sigma` total errors, weighted least squares, and the intrinsic
//!   scatter at which the kept stars' chi squared is what a Gaussian clipped there has
//! - covariance: that of the weights, times what clipping costs, times 1 + 2 / dof, because the
//!   scatter is itself an estimate
//! - priors: coefficient k may be given a Gaussian prior of mean 0 (infinite: none)
//! - source: Huber & Ronchetti 2009, Robust Statistics, 4.7 and 6 (skipped mean, its variance)

use elqui_base::{LinalgError, least_squares, median};

/// The equations: `design` is rows x unknowns, its first column all ones.
pub struct Equations<'a> {
    pub design: &'a [f64],
    pub values: &'a [f64],
    pub sigmas: &'a [f64],
    /// Standard deviation of each coefficient's prior; its length is the number of unknowns.
    pub priors: &'a [f64],
}

#[derive(Debug, Clone, PartialEq)]
pub struct RobustFit {
    pub model: Vec<f64>,
    /// Row-major.
    pub covariance: Vec<f64>,
    /// Scatter beyond the stars' own errors.
    pub intrinsic: f64,
    /// Rows kept.
    pub used: Vec<usize>,
}

impl Equations<'_> {
    pub fn unknowns(&self) -> usize {
        self.priors.len()
    }

    pub fn residual(&self, r: usize, model: &[f64]) -> f64 {
        let n = self.unknowns();
        let row = &self.design[r * n..(r + 1) * n];
        self.values[r] - row.iter().zip(model).map(|(a, b)| a * b).sum::<f64>()
    }

    /// Weighted least squares of the rows, the priors as rows of their own.
    pub fn solve(
        &self,
        rows: &[usize],
        intrinsic: f64,
    ) -> Result<(Vec<f64>, Vec<f64>), LinalgError> {
        let n = self.unknowns();
        let mut design = Vec::with_capacity((rows.len() + n) * n);
        let mut values = Vec::with_capacity(rows.len() + n);
        let mut sigmas = Vec::with_capacity(rows.len() + n);
        for &r in rows {
            design.extend_from_slice(&self.design[r * n..(r + 1) * n]);
            values.push(self.values[r]);
            sigmas.push(self.sigmas[r].hypot(intrinsic));
        }
        for (k, prior) in self.priors.iter().enumerate().filter(|(_, p)| p.is_finite()) {
            design.extend((0..n).map(|j| f64::from(u8::from(j == k))));
            values.push(0.0);
            sigmas.push(*prior);
        }
        least_squares(&design, &values, &sigmas, n)
    }

    /// Fit; `rows_min` rows are kept at least. Sigmas must be above zero.
    pub fn fit(
        &self,
        clip_sigma: f64,
        iterations_max: usize,
        rows_min: usize,
    ) -> Result<RobustFit, LinalgError> {
        let n = self.unknowns();
        let all: Vec<usize> = (0..self.values.len()).collect();
        let free = self.priors.iter().filter(|p| !p.is_finite()).count();
        let mut model = vec![0.0; n];
        model[0] = median(&mut self.values.to_vec());
        let mut intrinsic = self.scatter_of_median(&all, &model);
        let (mut used, mut covariance) = (all.clone(), vec![0.0; n * n]);
        let gauss = Clipped::at(clip_sigma);
        for round in 0..iterations_max.max(2) {
            let within = |r: &usize| {
                self.residual(*r, &model).abs() <= clip_sigma * self.sigmas[*r].hypot(intrinsic)
            };
            let next: Vec<usize> = all.iter().copied().filter(within).collect();
            if next.len() < rows_min.max(free) {
                // Nothing agrees with anything: all of it, with the scatter that it has.
                if round == 0 {
                    (model, covariance) = self.solve(&all, intrinsic)?;
                }
                break;
            }
            let (solution, cov) = self.solve(&next, intrinsic)?;
            let moved = solution.iter().zip(&model).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            (model, covariance) = (solution, cov);
            let last = intrinsic;
            intrinsic = self.scatter_of_chi2(&next, &model, free, gauss.second_moment);
            let settled = next == used && moved < 1e-7 && (intrinsic - last).abs() < 1e-7;
            used = next;
            if settled {
                break;
            }
        }
        let dof = used.len().saturating_sub(free).max(1) as f64;
        let inflation = gauss.cost * (1.0 + 2.0 / dof);
        covariance.iter_mut().for_each(|c| *c *= inflation);
        Ok(RobustFit { model, covariance, intrinsic, used })
    }

    /// The intrinsic scatter at which the median of |residual| / total is a Gaussian's.
    fn scatter_of_median(&self, rows: &[usize], model: &[f64]) -> f64 {
        const GAUSSIAN: f64 = 0.674_489_750_196_082;
        root(|s| {
            let mut z: Vec<f64> = rows
                .iter()
                .map(|&r| self.residual(r, model).abs() / self.sigmas[r].hypot(s))
                .collect();
            median(&mut z) - GAUSSIAN
        })
    }

    /// The intrinsic scatter at which chi squared of the kept rows is what it should be.
    fn scatter_of_chi2(&self, rows: &[usize], model: &[f64], free: usize, moment: f64) -> f64 {
        let dof = rows.len().saturating_sub(free).max(1) as f64;
        root(|s| {
            let chi2: f64 = rows
                .iter()
                .map(|&r| (self.residual(r, model) / self.sigmas[r].hypot(s)).powi(2))
                .sum();
            chi2 - moment * dof
        })
    }
}

/// Where a falling function of s >= 0 is zero; 0 where it is not above zero there.
fn root(f: impl Fn(f64) -> f64) -> f64 {
    if !(f(0.0) > 0.0) {
        return 0.0;
    }
    let mut high = 1e-4;
    while f(high) > 0.0 && high < 1e4 {
        high *= 4.0;
    }
    let mut low = 0.0;
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if f(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// A Gaussian clipped at k sigma.
struct Clipped {
    /// Its variance.
    second_moment: f64,
    /// Variance of the mean of what is kept, over that of as many stars that were never clipped.
    cost: f64,
}

impl Clipped {
    fn at(k: f64) -> Self {
        let k = k.clamp(0.5, 8.0);
        let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
        // Simpson's rule over (0, k).
        let steps = 200;
        let h = k / f64::from(steps);
        let half: f64 = (0..=steps)
            .map(|i| {
                let weight = match i {
                    0 => 1.0,
                    i if i == steps => 1.0,
                    i if i % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                weight * density(f64::from(i) * h)
            })
            .sum();
        let inside = 2.0 * half * h / 3.0;
        let second_moment = 1.0 - 2.0 * k * density(k) / inside;
        let slope = inside - 2.0 * k * density(k);
        Self { second_moment, cost: second_moment * (inside / slope).powi(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clipped_gaussian_has_its_moments() {
        let c = Clipped::at(3.0);
        assert!((c.second_moment - 0.9733).abs() < 2e-4, "{}", c.second_moment);
        assert!((c.cost - 1.0274).abs() < 1e-3, "{}", c.cost);
    }
}
