//! The locus of the stars: all have nearly the same size, nothing real is smaller.
//!
//! The densest point of the logarithms of size is the locus; then size and both distortions are
//! fitted as low polynomials of position and what lies off them is clipped.
//! - source: half-sample mode, Robertson & Cryer 1974, JASA 69, 1012
//! - differs from SExtractor/PSFEx: no magnitude bins, variation over the detector is followed

use crate::star::StarCandidate;
use elqui_base::{Polynomial2d, mad_sigma};

/// Smallest relative width that the locus is given.
const MIN_WIDTH: f64 = 0.01;

/// Half-sample mode of sorted values; `None` when empty.
pub(crate) fn half_sample_mode(sorted: &[f64]) -> Option<f64> {
    let mut v = sorted;
    while v.len() > 3 {
        let half = v.len().div_ceil(2);
        let best = (0..=v.len() - half)
            .min_by(|&a, &b| (v[a + half - 1] - v[a]).total_cmp(&(v[b + half - 1] - v[b])))?;
        v = &v[best..best + half];
    }
    match v {
        [] => None,
        [a] => Some(*a),
        [a, b] => Some(0.5 * (a + b)),
        [a, b, c, ..] => Some(if b - a < c - b {
            0.5 * (a + b)
        } else if b - a > c - b {
            0.5 * (b + c)
        } else {
            *b
        }),
    }
}

/// Typical size of the stars among candidates, pixels.
pub(crate) fn typical_size(sizes: impl Iterator<Item = f64>) -> Option<f64> {
    let mut logs: Vec<f64> = sizes.filter(|s| *s > 0.3).map(f64::ln).collect();
    logs.sort_by(f64::total_cmp);
    let mode = half_sample_mode(&logs)?;
    // The half-sample mode is noisy: take the median of what is within 10 % of it.
    let near: Vec<f64> = logs.into_iter().filter(|l| (l - mode).abs() < 0.1).collect();
    Some(near[near.len() / 2].exp())
}

/// Indices of the candidates on the locus.
pub(crate) fn on_locus(
    candidates: &[StarCandidate],
    (width, height): (f64, f64),
    n_sigma: f64,
) -> Vec<usize> {
    let Some(size) = typical_size(candidates.iter().map(|c| c.sigma_pixels)) else {
        return Vec::new();
    };
    let mut kept: Vec<usize> = (0..candidates.len())
        .filter(|&k| (candidates[k].sigma_pixels / size).ln().abs() < 0.25)
        .collect();
    let measures: [fn(&StarCandidate) -> f64; 3] =
        [|c| c.sigma_pixels.ln(), |c| 0.5 * c.e1, |c| 0.5 * c.e2];
    for _ in 0..5 {
        let before = kept.len();
        for measure in measures {
            kept = clip(candidates, &kept, (width, height), n_sigma, measure);
        }
        if kept.len() == before {
            break;
        }
    }
    kept
}

fn clip(
    candidates: &[StarCandidate],
    kept: &[usize],
    (width, height): (f64, f64),
    n_sigma: f64,
    measure: fn(&StarCandidate) -> f64,
) -> Vec<usize> {
    let values: Vec<f64> = kept.iter().map(|&k| measure(&candidates[k])).collect();
    let (center, spread) = mad_sigma(&mut values.clone());
    // A first robust cut keeps the polynomial from chasing outliers.
    let reach = (4.0 * spread).max(4.0 * MIN_WIDTH);
    let fair: Vec<usize> =
        (0..kept.len()).filter(|&i| (values[i] - center).abs() < reach).collect();
    let degree = match fair.len() {
        0..=14 => 0,
        15..=39 => 1,
        _ => 2,
    };
    let points: Vec<[f64; 2]> =
        fair.iter().map(|&i| [candidates[kept[i]].x, candidates[kept[i]].y]).collect();
    let fair_values: Vec<f64> = fair.iter().map(|&i| values[i]).collect();
    let sigmas = vec![1.0; fair.len()];
    let scaling = Polynomial2d::scaling(width, height);
    let field = match Polynomial2d::fit(degree, scaling, &points, &fair_values, &sigmas) {
        Ok((p, _)) if degree > 0 => p,
        _ => Polynomial2d::constant(center),
    };
    let residual = |i: usize| values[i] - field.eval(candidates[kept[i]].x, candidates[kept[i]].y);
    let (_, spread) = mad_sigma(&mut fair.iter().map(|&i| residual(i)).collect::<Vec<f64>>());
    let reach = n_sigma * spread.max(MIN_WIDTH);
    (0..kept.len()).filter(|&i| residual(i).abs() < reach).map(|i| kept[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_where_values_crowd() {
        let mut v: Vec<f64> = (0..100).map(|k| f64::from(k) * 0.1).collect();
        v.extend((0..30).map(|k| 2.0 + 0.001 * f64::from(k)));
        v.sort_by(f64::total_cmp);
        let mode = half_sample_mode(&v).unwrap();
        assert!((mode - 2.015).abs() < 0.02, "{mode}");
        assert_eq!(half_sample_mode(&[]), None);
    }
}
