//! A zero point that varies smoothly over the detector, as thin cloud makes it.
//!
//! zp(x, y) = polynomial of a total degree <= the one asked for, on coordinates of [-1, 1]
//! - each coefficient of degree t >= 1 has a Gaussian prior of mean 0 and width tau rho^(t - 1); tau (how
//!   much structure) and rho (how fine) are those of the largest evidence, the probability of the
//!   data with all coefficients integrated out. So the data choose the order softly: terms that they
//!   do not ask for are near 0, but what they could be is in the error, which a polynomial cut at a
//!   lower degree would forget
//! - the degree is the largest allowed that leaves `stars_per_term` stars a term
//! - where a constant is as likely (odds below e^3) there is no map
//! - the error at (x, y) follows from the covariance of the coefficients, so it grows where there
//!   are no stars, up to what the prior allows
//! - source: MacKay 1992 (doi:10.1162/neco.1992.4.3.415) for the evidence

use crate::robust::{Equations, RobustFit};
use elqui_base::{BoundedField, LinalgError, Polynomial2d, term_count, terms};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpatialConfig {
    /// Largest total degree of the polynomial.
    pub degree: usize,
    /// A degree needs this many stars for each of its terms.
    pub stars_per_term: usize,
}

impl Default for SpatialConfig {
    fn default() -> Self {
        Self { degree: 6, stars_per_term: 2 }
    }
}

/// Degrees beyond this are not offered: with few stars they only ripple.
const DEGREE_MAX: usize = 8;
/// Natural logarithm of the odds against a constant from which structure is believed.
const LN_ODDS_MIN: f64 = 3.0;
/// Ratios of the widths of one degree's prior and the last one's that are tried.
const RATIOS: [f64; 4] = [0.1, 0.25, 0.5, 1.0];
/// Widths of the prior that are tried, magnitudes.
const WIDTHS_MAG: [f64; 8] = [0.004, 0.01, 0.025, 0.06, 0.15, 0.4, 1.0, 2.5];

/// The zero point over the detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ZeroPointMap {
    /// Magnitudes at pixel (x, y), with covariance.
    pub field: BoundedField,
    /// Natural logarithm of its odds against a constant.
    pub ln_odds: f64,
    /// Root mean square of its variation over the detector, magnitudes.
    pub rms_mag: f64,
}

impl ZeroPointMap {
    /// Zero point and its error at a pixel, magnitudes.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.field.eval(x, y), self.field.error(x, y))
    }

    /// Its mean over the detector and the error of that.
    pub fn mean(&self) -> (f64, f64) {
        let p = &self.field.polynomial;
        let m = box_means(p.degree);
        let value = m.iter().zip(&p.coefficients).map(|(a, b)| a * b).sum();
        let n = m.len();
        let variance: f64 = (0..n * n)
            .map(|k| m[k / n] * self.field.covariance.get(k).unwrap_or(&0.0) * m[k % n])
            .sum();
        (value, variance.max(0.0).sqrt())
    }
}

/// Mean of each term over [-1, 1] x [-1, 1].
fn box_means(degree: usize) -> Vec<f64> {
    let one = |i: usize| if i.is_multiple_of(2) { 1.0 / (i as f64 + 1.0) } else { 0.0 };
    (0..=degree).flat_map(|t| (0..=t).map(move |j| one(t - j) * one(j))).collect()
}

/// Stars for a map: the flat part of the model (1 and, where there is one, the colour) and places.
pub struct MapStars<'a> {
    /// rows x flat, the first column all ones.
    pub flat: &'a [f64],
    pub flat_terms: usize,
    pub values: &'a [f64],
    pub sigmas: &'a [f64],
    pub x: &'a [f64],
    pub y: &'a [f64],
    pub width: f64,
    pub height: f64,
}

/// How a fit is clipped.
#[derive(Debug, Clone, Copy)]
pub struct Clip {
    pub sigma: f64,
    pub iterations_max: usize,
    pub rows_min: usize,
}

/// The map and the fit that it came from (colour in its second coefficient, where there is one);
/// `None` where the stars know of no structure.
pub fn fit_map(
    stars: &MapStars<'_>,
    constant: &RobustFit,
    config: &SpatialConfig,
    clip: Clip,
) -> Result<Option<(ZeroPointMap, RobustFit)>, LinalgError> {
    let n = stars.values.len();
    let allowed = |d: &usize| n >= config.stars_per_term.max(1) * term_count(*d);
    let Some(degree) = (1..=config.degree.min(DEGREE_MAX)).rev().find(allowed) else {
        return Ok(None);
    };
    let mut current = constant.clone();
    let mut best: Option<(ZeroPointMap, RobustFit)> = None;
    // Structure that is not yet in the model is in the scatter: choose, refit, and choose again.
    for _ in 0..4 {
        let base = Trial::new(stars, 0, 1.0, 1.0);
        let zero = base.ln_evidence(stars, &current);
        let mut chosen: Option<(f64, Trial)> = None;
        for ratio in RATIOS {
            for width in WIDTHS_MAG {
                let trial = Trial::new(stars, degree, width, ratio);
                let evidence = trial.ln_evidence(stars, &current) - zero;
                if evidence > chosen.as_ref().map_or(LN_ODDS_MIN, |c| c.0) {
                    chosen = Some((evidence, trial));
                }
            }
        }
        let Some((ln_odds, trial)) = chosen else { break };
        let fit = trial.equations(stars).fit(clip.sigma, clip.iterations_max, clip.rows_min)?;
        let map = trial.map(stars, &fit, ln_odds);
        let settled = best.as_ref().is_some_and(|(b, _)| (b.rms_mag - map.rms_mag).abs() < 1e-5);
        current = fit.clone();
        best = Some((map, fit));
        if settled {
            break;
        }
    }
    Ok(best)
}

/// One degree with one prior.
struct Trial {
    degree: usize,
    design: Vec<f64>,
    priors: Vec<f64>,
}

impl Trial {
    fn new(stars: &MapStars<'_>, degree: usize, width: f64, ratio: f64) -> Self {
        let (center, scale) = Polynomial2d::scaling(stars.width, stars.height);
        let flat = stars.flat_terms;
        let mut design = Vec::new();
        for r in 0..stars.values.len() {
            design.extend_from_slice(&stars.flat[r * flat..(r + 1) * flat]);
            let (u, v) = ((stars.x[r] - center[0]) * scale[0], (stars.y[r] - center[1]) * scale[1]);
            design.extend_from_slice(&terms(degree, u, v)[1..]);
        }
        let mut priors = vec![f64::INFINITY; flat];
        for total in 1..=degree {
            priors.extend(std::iter::repeat_n(width * ratio.powi(total as i32 - 1), total + 1));
        }
        Self { degree, design, priors }
    }

    fn equations<'a>(&'a self, stars: &'a MapStars<'_>) -> Equations<'a> {
        Equations {
            design: &self.design,
            values: stars.values,
            sigmas: stars.sigmas,
            priors: &self.priors,
        }
    }

    /// Logarithm of the probability of the rows, coefficients integrated out, but for constants that
    /// all trials share.
    fn ln_evidence(&self, stars: &MapStars<'_>, fit: &RobustFit) -> f64 {
        // About the constant, so that no digits are lost.
        let (zero, intrinsic) = (fit.model[0], fit.intrinsic);
        let n = self.priors.len();
        let (mut a, mut b, mut chi2) = (vec![0.0; n * n], vec![0.0; n], 0.0);
        for (k, prior) in self.priors.iter().enumerate().filter(|(_, p)| p.is_finite()) {
            a[k * n + k] = 1.0 / (prior * prior);
        }
        for &r in &fit.used {
            let row = &self.design[r * n..(r + 1) * n];
            let (value, sigma) = (stars.values[r] - zero, stars.sigmas[r].hypot(intrinsic));
            let w = 1.0 / (sigma * sigma);
            chi2 += w * value * value;
            for i in 0..n {
                b[i] += w * row[i] * value;
                for j in 0..=i {
                    a[i * n + j] += w * row[i] * row[j];
                }
            }
        }
        let Some((solution, ln_det)) = cholesky(&mut a, &b) else { return f64::NEG_INFINITY };
        let explained: f64 = solution.iter().zip(&b).map(|(x, y)| x * y).sum();
        let ln_priors: f64 =
            self.priors.iter().filter(|p| p.is_finite()).map(|p| 2.0 * p.ln()).sum();
        -0.5 * (chi2 - explained + ln_det + ln_priors)
    }

    fn map(&self, stars: &MapStars<'_>, fit: &RobustFit, ln_odds: f64) -> ZeroPointMap {
        let n = self.priors.len();
        // The colour's coefficient is not the map's.
        let own: Vec<usize> = std::iter::once(0).chain(stars.flat_terms..n).collect();
        let coefficients: Vec<f64> = own.iter().map(|&k| fit.model[k]).collect();
        let covariance =
            own.iter().flat_map(|&i| own.iter().map(move |&j| fit.covariance[i * n + j])).collect();
        let (center, scale) = Polynomial2d::scaling(stars.width, stars.height);
        let polynomial = Polynomial2d { degree: self.degree, coefficients, center, scale };
        let grid = |k: usize, size: f64| size * (k as f64 + 0.5) / 16.0;
        let values: Vec<f64> = (0..256)
            .map(|k| polynomial.eval(grid(k % 16, stars.width), grid(k / 16, stars.height)))
            .collect();
        let mean = values.iter().sum::<f64>() / 256.0;
        let rms = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 256.0).sqrt();
        ZeroPointMap { field: BoundedField { polynomial, covariance }, ln_odds, rms_mag: rms }
    }
}

/// Solution and ln det of the symmetric `a` (lower triangle, overwritten); `None` when not positive
/// definite.
fn cholesky(a: &mut [f64], b: &[f64]) -> Option<(Vec<f64>, f64)> {
    let n = b.len();
    let mut ln_det = 0.0;
    for i in 0..n {
        for j in 0..=i {
            let mut sum = a[i * n + j];
            for k in 0..j {
                sum -= a[i * n + k] * a[j * n + k];
            }
            if i == j {
                if !(sum > 0.0) {
                    return None;
                }
                a[i * n + i] = sum.sqrt();
                ln_det += sum.ln();
            } else {
                a[i * n + j] = sum / a[j * n + j];
            }
        }
    }
    let mut x = b.to_vec();
    for i in 0..n {
        for k in 0..i {
            x[i] -= a[i * n + k] * x[k];
        }
        x[i] /= a[i * n + i];
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            x[i] -= a[k * n + i] * x[k];
        }
        x[i] /= a[i * n + i];
    }
    Some((x, ln_det))
}
