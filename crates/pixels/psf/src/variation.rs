//! How width and shape vary over the detector: one polynomial each, from what each star says.
//!
//! The degree is the one that predicts left-out stars best; in it, each term (made orthogonal to the
//! lower ones) is kept by how significant it is. Stars off the others are left out, and
//! the scatter that the errors do not explain is added to them, so that a few bright stars do not
//! decide alone.
//! - input: values with errors at positions; output: the polynomial and which stars it rests on
//! - source: Allen 1974, Technometrics 16, 125 (PRESS); Breiman 1995, Technometrics 37, 373 (garrote)

use elqui_base::{Polynomial2d, SIGMA_PER_MAD, median, term_count, terms};

/// A term is dropped when its square is below this many times its variance.
const TERM_LIMIT: f64 = 3.0;
/// A higher degree has to predict better by this for each of its terms.
const TERM_PRICE: f64 = 2.0;
/// Scatter beyond the errors is believed when it raises the log likelihood by this.
const EVIDENCE: f64 = 4.0;
/// Stars a term, at least.
const STARS_PER_TERM: usize = 4;
const ROUNDS: usize = 6;
/// Smallest polynomial whose stars are clipped at all.
const CLIP_FROM: usize = 5;

/// One quantity of all stars.
pub(crate) struct Samples<'a> {
    pub points: &'a [[f64; 2]],
    pub values: &'a [f64],
    pub errors: &'a [f64],
}

/// The polynomial of one quantity, and for each star how far off it is in sigma.
pub(crate) struct Variation {
    pub field: Polynomial2d,
    pub pulls: Vec<f64>,
}

/// Fit one quantity, leaving out what is beyond `clip` sigma.
pub(crate) fn vary(
    samples: &Samples<'_>,
    degree_max: usize,
    scaling: ([f64; 2], [f64; 2]),
    clip: f64,
) -> Option<Variation> {
    let all = samples.values.len();
    let mut kept: Vec<usize> =
        (0..all).filter(|&k| samples.values[k].is_finite() && samples.errors[k] > 0.0).collect();
    if kept.is_empty() {
        return None;
    }
    let center = median(&mut kept.iter().map(|&k| samples.values[k]).collect::<Vec<f64>>());
    let mut field =
        Polynomial2d { degree: 0, coefficients: vec![center], center: scaling.0, scale: scaling.1 };
    let mut extra = spread(samples, &kept, &field);
    let mut pulls = vec![f64::INFINITY; all];
    for round in 0..ROUNDS {
        let before = kept.clone();
        for (k, pull) in pulls.iter_mut().enumerate() {
            let (value, error) = (samples.values[k], samples.errors[k]);
            if value.is_finite() && error > 0.0 {
                let r = value - field.eval(samples.points[k][0], samples.points[k][1]);
                *pull = r.abs() / error.hypot(extra);
            }
        }
        if all >= CLIP_FROM {
            // Errors that are too small must not throw out one star after the other.
            let finite = pulls.iter().copied().filter(|p| p.is_finite());
            let typical = SIGMA_PER_MAD * median(&mut finite.collect::<Vec<f64>>());
            pulls.iter_mut().for_each(|p| *p /= typical.max(1.0));
            let inside: Vec<usize> = (0..all).filter(|&k| pulls[k] < clip).collect();
            if 2 * inside.len() > all {
                kept = inside;
            }
        }
        if round > 1 && kept == before {
            break;
        }
        let highest = if round == 0 { degree_max.min(2) } else { degree_max };
        field = best_degree(samples, &kept, highest, scaling, extra).unwrap_or(field);
        extra = intrinsic(samples, &kept, &field);
    }
    Some(Variation { field, pulls })
}

/// Robust scatter of all, for the first clipping.
fn spread(samples: &Samples<'_>, kept: &[usize], field: &Polynomial2d) -> f64 {
    let mut r: Vec<f64> = kept
        .iter()
        .map(|&k| samples.values[k] - field.eval(samples.points[k][0], samples.points[k][1]))
        .collect();
    elqui_base::mad_sigma(&mut r).1
}

/// Scatter beyond the errors, of greatest likelihood.
fn intrinsic(samples: &Samples<'_>, kept: &[usize], field: &Polynomial2d) -> f64 {
    let pairs: Vec<(f64, f64)> = kept
        .iter()
        .map(|&k| {
            let r = samples.values[k] - field.eval(samples.points[k][0], samples.points[k][1]);
            (r * r, samples.errors[k] * samples.errors[k])
        })
        .collect();
    // The fit has taken part of the scatter away.
    let n = pairs.len() as f64;
    let p = field.coefficients.iter().filter(|c| **c != 0.0).count() as f64;
    let lost = if n > p { n / (n - p) } else { return 0.0 };
    let slope = |v: f64| -> f64 {
        pairs.iter().map(|(r2, e2)| (lost * r2 - e2 - v) / (e2 + v).powi(2)).sum()
    };
    if slope(0.0) <= 0.0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, pairs.iter().map(|p| lost * p.0).fold(0.0, f64::max));
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if slope(middle) > 0.0 { low = middle } else { high = middle }
    }
    let likelihood = |v: f64| -> f64 {
        pairs.iter().map(|(r2, e2)| -0.5 * (lost * r2 / (e2 + v) + (e2 + v).ln())).sum()
    };
    if likelihood(low) - likelihood(0.0) > EVIDENCE { low.sqrt() } else { 0.0 }
}

fn best_degree(
    samples: &Samples<'_>,
    kept: &[usize],
    degree_max: usize,
    scaling: ([f64; 2], [f64; 2]),
    extra: f64,
) -> Option<Polynomial2d> {
    let mut best: Option<(f64, Polynomial2d)> = None;
    for degree in 0..=degree_max {
        if degree > 0 && kept.len() < STARS_PER_TERM * term_count(degree) {
            break;
        }
        let Some((score, coefficients)) = fit(samples, kept, degree, scaling, extra) else {
            continue;
        };
        let score = score + TERM_PRICE * term_count(degree) as f64;
        if best.as_ref().is_none_or(|(s, _)| score < *s) {
            let field = Polynomial2d { degree, coefficients, center: scaling.0, scale: scaling.1 };
            best = Some((score, field));
        }
    }
    best.map(|b| b.1)
}

/// Weighted squares of the residuals of stars left out one by one, and the coefficients.
fn fit(
    samples: &Samples<'_>,
    kept: &[usize],
    degree: usize,
    (center, scale): ([f64; 2], [f64; 2]),
    extra: f64,
) -> Option<(f64, Vec<f64>)> {
    let p = term_count(degree);
    let mut rows = Vec::with_capacity(kept.len() * p);
    let mut right = Vec::with_capacity(kept.len());
    for &k in kept {
        let w = 1.0 / samples.errors[k].hypot(extra);
        let [x, y] = samples.points[k];
        let t = terms(degree, (x - center[0]) * scale[0], (y - center[1]) * scale[1]);
        rows.extend(t.iter().map(|t| t * w));
        right.push(samples.values[k] * w);
    }
    // Modified Gram-Schmidt, twice for its rounding: rows = basis * upper.
    let n = kept.len();
    let mut upper = vec![0.0; p * p];
    for j in 0..p {
        let length = column(&rows, p, j).map(|v| v * v).sum::<f64>().sqrt();
        for _ in 0..2 {
            for i in 0..j {
                let dot: f64 = (0..n).map(|r| rows[r * p + i] * rows[r * p + j]).sum();
                upper[i * p + j] += dot;
                (0..n).for_each(|r| rows[r * p + j] -= dot * rows[r * p + i]);
            }
        }
        let rest = column(&rows, p, j).map(|v| v * v).sum::<f64>().sqrt();
        if !(rest > 1e-8 * length && rest.is_finite()) {
            return None;
        }
        upper[j * p + j] = rest;
        (0..n).for_each(|r| rows[r * p + j] /= rest);
    }
    // In the orthogonal basis each coefficient has unit variance.
    let mut z: Vec<f64> =
        (0..p).map(|j| column(&rows, p, j).zip(&right).map(|(a, b)| a * b).sum()).collect();
    let garrote: Vec<f64> = z
        .iter()
        .enumerate()
        .map(|(j, z)| if j == 0 { 1.0 } else { (1.0 - TERM_LIMIT / (z * z)).max(0.0) })
        .collect();
    z.iter_mut().zip(&garrote).for_each(|(z, g)| *z *= g);
    let mut score = 0.0;
    for (r, y) in right.iter().enumerate() {
        let row = &rows[r * p..(r + 1) * p];
        let value: f64 = row.iter().zip(&z).map(|(a, z)| a * z).sum();
        let leverage: f64 = row.iter().zip(&garrote).map(|(a, g)| a * a * g).sum();
        score += ((y - value) / (1.0 - leverage).max(0.05)).powi(2);
    }
    for j in (0..p).rev() {
        for i in j + 1..p {
            z[j] -= upper[j * p + i] * z[i];
        }
        z[j] /= upper[j * p + j];
    }
    Some((score, z))
}

fn column(rows: &[f64], p: usize, j: usize) -> impl Iterator<Item = f64> + '_ {
    rows.iter().skip(j).step_by(p).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cheap scatter of about unit variance.
    fn noise(k: usize) -> f64 {
        let u = |s: usize| ((k * 7919 + s * 104_729) % 10_007) as f64 / 10_007.0 - 0.5;
        (u(1) + u(2) * 0.7 + u(3)) * 2.2
    }

    fn points(n: usize) -> Vec<[f64; 2]> {
        (0..n)
            .map(|k| [(k * 379 % 1000) as f64, (k * 617 % 1000) as f64 + (k % 7) as f64])
            .collect()
    }

    #[test]
    fn a_quadratic_is_found_and_outliers_are_not_believed() {
        let points = points(200);
        let truth = |p: &[f64; 2]| 2.0 + 1e-7 * ((p[0] - 500.0).powi(2) + (p[1] - 500.0).powi(2));
        let mut values: Vec<f64> =
            points.iter().enumerate().map(|(k, p)| truth(p) + 0.003 * noise(k)).collect();
        (0..20).for_each(|k| values[k * 10] += 0.5);
        let errors = vec![0.003; 200];
        let samples = Samples { points: &points, values: &values, errors: &errors };
        let v = vary(&samples, 4, Polynomial2d::scaling(1000.0, 1000.0), 4.0).unwrap();
        assert!((0..20).all(|k| v.pulls[k * 10] > 4.0));
        for at in [[500.0, 500.0], [100.0, 900.0], [950.0, 60.0]] {
            let got = v.field.eval(at[0], at[1]);
            assert!((got - truth(&at)).abs() < 2e-3, "{at:?}: {got} {}", truth(&at));
        }
    }

    #[test]
    fn noise_alone_makes_no_terms() {
        let points = points(150);
        let values: Vec<f64> = (0..150).map(|k| 1.0 + 0.01 * noise(k)).collect();
        let errors = vec![0.01; 150];
        let samples = Samples { points: &points, values: &values, errors: &errors };
        let v = vary(&samples, 4, Polynomial2d::scaling(1000.0, 1000.0), 4.0).unwrap();
        for at in [[500.0, 500.0], [10.0, 990.0], [990.0, 990.0]] {
            assert!((v.field.eval(at[0], at[1]) - 1.0).abs() < 5e-3);
        }
    }
}
