//! How width and shape vary over the detector: one polynomial each, from what each star says.
//!
//! Terms enter one by one, the most significant first, until none is worth it: a few hundred stars, of
//! which thirty bright ones decide, cannot pay for terms that say nothing. Stars off the others are
//! left out, and the scatter that the errors do not explain is added to them, so that a few bright stars do not
//! decide alone.
//! - input: values with errors at positions; output: the polynomial and which stars it rests on
//! - source: Chen, Billings & Luo 1989, Int. J. Control 50, 1873 (forward orthogonal least squares);
//!   Schwarz 1978, Ann. Stat. 6, 461 (price of a term)

use elqui_base::{Polynomial2d, SIGMA_PER_MAD, median, term_count, terms};

/// A term has to lower chi^2 by this: about ln(stars), Bayes' criterion, and twice the
/// logarithm of how many terms there are to choose from.
const TERM_PRICE: f64 = 10.0;
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
        field = stepwise(samples, &kept, highest, scaling, extra).unwrap_or(field);
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

/// The polynomial whose terms are worth it: they enter one by one, each time the one that explains most.
fn stepwise(
    samples: &Samples<'_>,
    kept: &[usize],
    degree_max: usize,
    (center, scale): ([f64; 2], [f64; 2]),
    extra: f64,
) -> Option<Polynomial2d> {
    let degree =
        (0..=degree_max).rev().find(|&d| d == 0 || kept.len() >= STARS_PER_TERM * term_count(d))?;
    let shapes = candidates(degree);
    let mut rest = Vec::with_capacity(kept.len());
    let mut columns: Vec<Vec<f64>> = vec![Vec::with_capacity(kept.len()); shapes.len()];
    for &k in kept {
        let w = 1.0 / samples.errors[k].hypot(extra);
        let [x, y] = samples.points[k];
        let t = terms(degree, (x - center[0]) * scale[0], (y - center[1]) * scale[1]);
        for (column, shape) in columns.iter_mut().zip(&shapes) {
            column.push(w * dot(shape, &t));
        }
        rest.push(w * samples.values[k]);
    }
    let lengths: Vec<f64> = columns.iter().map(|c| dot(c, c).sqrt()).collect();
    // What each column is made of, in monomials: kept up while it is made orthogonal to those taken.
    let mut made = shapes;
    let mut open: Vec<usize> = (0..columns.len()).collect();
    let mut coefficients = vec![0.0; term_count(degree)];
    for taken in 0..columns.len() {
        if taken > 0 && kept.len() < STARS_PER_TERM * (taken + 1) {
            break;
        }
        // The constant is always there.
        let next = if taken == 0 {
            Some((0, f64::INFINITY))
        } else {
            open.iter()
                .enumerate()
                .filter(|(_, c)| dot(&columns[**c], &columns[**c]).sqrt() > 1e-3 * lengths[**c])
                .map(|(at, c)| {
                    (at, dot(&columns[*c], &rest).powi(2) / dot(&columns[*c], &columns[*c]))
                })
                .max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let Some((at, gain)) = next else { break };
        if !(gain > TERM_PRICE) {
            break;
        }
        let chosen = open.remove(at);
        let (unit, its) = (columns[chosen].clone(), made[chosen].clone());
        let square = dot(&unit, &unit);
        let z = dot(&unit, &rest) / square;
        if !z.is_finite() {
            return None;
        }
        subtract(&mut rest, z, &unit);
        coefficients.iter_mut().zip(&its).for_each(|(c, m)| *c += z * m);
        for &c in &open {
            let part = dot(&columns[c], &unit) / square;
            subtract(&mut columns[c], part, &unit);
            subtract(&mut made[c], part, &its);
        }
    }
    Some(Polynomial2d { degree, coefficients, center, scale })
}

/// The terms that may enter, in monomials: those of Zernike's polynomials, `r^a cos(m phi)` and
/// `r^a sin(m phi)`, because what an optical system does to a width or a shape is mostly one of them.
fn candidates(degree: usize) -> Vec<Vec<f64>> {
    let index = monomials(degree);
    let mut out = Vec::new();
    for d in 0..=degree {
        for m in (d % 2..=d).step_by(2) {
            // r^(d - m) (u + i v)^m, as real and imaginary part.
            let (mut real, mut imaginary) = (vec![0.0; index.len()], vec![0.0; index.len()]);
            let q = (d - m) / 2;
            for a in 0..=q {
                for b in 0..=m {
                    let powers = [2 * (q - a) + m - b, 2 * a + b];
                    let at = index.iter().position(|p| *p == powers).expect("a term");
                    let value = binomial(q, a) * binomial(m, b);
                    match b % 4 {
                        0 => real[at] += value,
                        1 => imaginary[at] += value,
                        2 => real[at] -= value,
                        _ => imaginary[at] -= value,
                    }
                }
            }
            out.push(real);
            if m > 0 {
                out.push(imaginary);
            }
        }
    }
    out
}

/// Powers of u and v of the terms, in their order, read off [`terms`] itself.
fn monomials(degree: usize) -> Vec<[usize; 2]> {
    let power = |v: f64| v.log2().round() as usize;
    let (along_u, along_v) = (terms(degree, 2.0, 1.0), terms(degree, 1.0, 2.0));
    along_u.iter().zip(&along_v).map(|(u, v)| [power(*u), power(*v)]).collect()
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |b, i| b * (n - i) as f64 / (i + 1) as f64)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn subtract(from: &mut [f64], times: f64, what: &[f64]) {
    from.iter_mut().zip(what).for_each(|(f, w)| *f -= times * w);
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
