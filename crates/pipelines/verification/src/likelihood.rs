//! How well stars and galaxies of a scene can be told apart at all.
//!
//! - distance: d^2 = min over (flux, sky) of sum (G - F P - s)^2 / V, the expected log-likelihood ratio
//!   (times two) of a galaxy's mean image G against the star that fits it best
//! - bound: the likelihood-ratio test (Neyman & Pearson 1933) of a galaxy whose shape is known has z
//!   normal about 0 for stars and about d for the galaxy. All galaxies of a bin of S/N are tested on one
//!   such z ("size"), with the threshold that makes the fewest errors in that bin. A real galaxy's shape
//!   is not known before, so this is a bound and not quite within reach.

use crate::stats::normal_cdf;
use serde::Serialize;

/// d of a galaxy against the best star at its place; NaN when there is nothing to see.
///
/// - `galaxy`, `variance`: electrons, electrons^2; `psf`: unit flux; all on one window
pub fn distance_to_star(galaxy: &[f64], psf: &[f64], variance: &[f64]) -> f64 {
    let (mut pp, mut p1, mut one, mut gp, mut g1, mut gg) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for ((g, p), v) in galaxy.iter().zip(psf).zip(variance) {
        let w = 1.0 / v;
        pp += w * p * p;
        p1 += w * p;
        one += w;
        gp += w * g * p;
        g1 += w * g;
        gg += w * g * g;
    }
    let det = pp * one - p1 * p1;
    if !(det > 0.0) {
        return f64::NAN;
    }
    let flux = (gp * one - g1 * p1) / det;
    let sky = (g1 * pp - gp * p1) / det;
    (gg - flux * gp - sky * g1).max(0.0).sqrt()
}

/// Completeness and purity of the class "star".
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Separation {
    pub completeness: f64,
    pub purity: f64,
}

/// What the best test does: `stars` is the number of stars, `galaxies` the distances, of one bin each.
pub fn best_separation(bins: &[(usize, Vec<f64>)]) -> Separation {
    let (mut kept, mut stars, mut leaked) = (0.0, 0.0, 0.0);
    for (n, galaxies) in bins {
        let n_stars = *n as f64;
        let leak = |t: f64| {
            galaxies.iter().filter(|d| d.is_finite()).map(|d| normal_cdf(t - d)).sum::<f64>()
        };
        let errors = |t: f64| n_stars * (1.0 - normal_cdf(t)) + leak(t);
        let best = (0..=1000)
            .map(|k| -2.0 + 0.01 * f64::from(k))
            .min_by(|a, b| errors(*a).total_cmp(&errors(*b)))
            .unwrap_or(0.0);
        kept += n_stars * normal_cdf(best);
        stars += n_stars;
        leaked += leak(best);
    }
    Separation { completeness: kept / stars, purity: kept / (kept + leaked) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_no_distance_from_itself() {
        let psf: Vec<f64> = (-20..=20).map(|i| (-0.5 * f64::from(i * i) / 4.0).exp()).collect();
        let wide: Vec<f64> = (-20..=20).map(|i| (-0.5 * f64::from(i * i) / 9.0).exp()).collect();
        let variance = vec![1e-4; 41];
        let star: Vec<f64> = psf.iter().map(|p| 7.0 * p + 3.0).collect();
        assert!(distance_to_star(&star, &psf, &variance) < 1e-3);
        let d = distance_to_star(&wide, &psf, &variance);
        let four = distance_to_star(&wide, &psf, &vec![16e-4; 41]);
        assert!(d > 10.0 && (d / four - 4.0).abs() < 1e-6, "{d} {four}");
        assert!(distance_to_star(&[], &[], &[]).is_nan());
    }

    #[test]
    fn far_apart_is_perfect_and_alike_is_a_guess() {
        let s = best_separation(&[(100, vec![20.0; 100])]);
        assert!(s.completeness > 0.9999 && s.purity > 0.9999);
        let s = best_separation(&[(100, vec![2.0; 100])]);
        // Threshold at 1: Phi(1) of both.
        assert!((s.completeness - 0.8413).abs() < 2e-3 && (s.purity - 0.8413).abs() < 2e-3);
    }
}
