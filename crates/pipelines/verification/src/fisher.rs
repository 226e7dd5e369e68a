//! Cramer-Rao bounds of fluxes and positions.
//!
//! For parameters a, b of the mean M of the pixels, I_ab = sum (dM/da) (dM/db) / V, V = sky + sources +
//! read noise^2 in electrons^2, and the bound is the diagonal of I^-1. For photons alone this is exact
//! (M = V); with read noise it is the bound of what is left when V is known: the term 1/2 (dV)^2 / V^2,
//! which a normal law whose variance follows its mean would add, is not part of the Poisson law and is
//! left out.
//! - parameters: flux, x, y of each source, and one local level of the sky over the window
//! - "the" bound of this crate has the sky free over the window (51 x 51 pixels and more); the flux error
//!   with the sky known is given beside it, about 1% smaller
//! - input: profiles of unit flux on one window; output: electrons and pixels

use elqui_base::invert_spd;

/// A source on the window: its light for unit flux, the derivatives of that, and its flux.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub flux_e: f64,
    pub value: Vec<f64>,
    pub by_x: Vec<f64>,
    pub by_y: Vec<f64>,
}

/// Smallest standard deviations that an unbiased measurement can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    pub flux_e: f64,
    pub x: f64,
    pub y: f64,
    /// Flux, were the sky known.
    pub flux_known_sky_e: f64,
}

const NONE: Bound =
    Bound { flux_e: f64::NAN, x: f64::NAN, y: f64::NAN, flux_known_sky_e: f64::NAN };

/// Bound of one source; NaN when the window says nothing.
pub fn point_bound(profile: &Profile, variance: &[f64]) -> Bound {
    bounds(&[profile], variance).map_or(NONE, |b| b[0])
}

/// Bounds of two sources fitted together.
pub fn pair_bounds(a: &Profile, b: &Profile, variance: &[f64]) -> [Bound; 2] {
    bounds(&[a, b], variance).map_or([NONE; 2], |v| [v[0], v[1]])
}

fn bounds(profiles: &[&Profile], variance: &[f64]) -> Option<Vec<Bound>> {
    let n = 3 * profiles.len() + 1;
    let pixels = variance.len();
    let mut columns: Vec<Vec<f64>> = Vec::with_capacity(n);
    for p in profiles {
        if p.value.len() != pixels || !(p.flux_e > 0.0) {
            return None;
        }
        columns.push(p.value.clone());
        columns.push(p.by_x.iter().map(|v| v * p.flux_e).collect());
        columns.push(p.by_y.iter().map(|v| v * p.flux_e).collect());
    }
    columns.push(vec![1.0; pixels]);
    let covariance = inverse(&columns, variance)?;
    let known = inverse(&columns[..n - 1], variance)?;
    let error = |c: &[f64], n: usize, k: usize| c[k * n + k].sqrt();
    Some(
        (0..profiles.len())
            .map(|s| Bound {
                flux_e: error(&covariance, n, 3 * s),
                x: error(&covariance, n, 3 * s + 1),
                y: error(&covariance, n, 3 * s + 2),
                flux_known_sky_e: error(&known, n - 1, 3 * s),
            })
            .collect(),
    )
}

/// Inverse of the Fisher matrix of these columns; the columns are brought to unit length first.
fn inverse(columns: &[Vec<f64>], variance: &[f64]) -> Option<Vec<f64>> {
    let n = columns.len();
    let weight: Vec<f64> =
        variance.iter().map(|v| if *v > 0.0 && v.is_finite() { 1.0 / v } else { 0.0 }).collect();
    let mut matrix = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 =
                columns[i].iter().zip(&columns[j]).zip(&weight).map(|((a, b), w)| a * b * w).sum();
            matrix[i * n + j] = sum;
            matrix[j * n + i] = sum;
        }
    }
    let scale: Vec<f64> = (0..n).map(|i| matrix[i * n + i].sqrt().recip()).collect();
    for i in 0..n {
        for j in 0..n {
            matrix[i * n + j] *= scale[i] * scale[j];
        }
    }
    let mut out = invert_spd(&matrix, n).ok()?;
    for i in 0..n {
        for j in 0..n {
            out[i * n + j] *= scale[i] * scale[j];
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(sigma: f64, dx: f64, flux_e: f64) -> Profile {
        let mut p = Profile { flux_e, value: Vec::new(), by_x: Vec::new(), by_y: Vec::new() };
        for j in -30..=30 {
            for i in -30..=30 {
                let (x, y) = (f64::from(i) - dx, f64::from(j));
                let s2 = sigma * sigma;
                let v = (-0.5 * (x * x + y * y) / s2).exp() / (std::f64::consts::TAU * s2);
                p.value.push(v);
                p.by_x.push(v * x / s2);
                p.by_y.push(v * y / s2);
            }
        }
        p
    }

    #[test]
    fn a_gaussian_under_constant_noise_has_its_known_bounds() {
        let (sigma, noise, flux) = (2.0, 30.0, 1e4);
        let p = gaussian(sigma, 0.3, flux);
        let b = point_bound(&p, &vec![noise * noise; p.value.len()]);
        let pi = std::f64::consts::PI;
        let expected = 2.0 * pi.sqrt() * sigma * noise;
        assert!((b.flux_known_sky_e / expected - 1.0).abs() < 1e-6);
        // Free sky: variance grows by 1 / (1 - 4 pi sigma^2 / N).
        let grown = expected / (1.0 - 4.0 * pi * sigma * sigma / 3721.0).sqrt();
        assert!((b.flux_e / grown - 1.0).abs() < 1e-6, "{} {grown}", b.flux_e);
        let place = 8f64.sqrt() * pi.sqrt() * sigma * sigma * noise / flux;
        assert!((b.x / place - 1.0).abs() < 1e-6 && (b.y / place - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_pair_far_apart_is_two_and_a_close_one_costs() {
        let (a, variance) = (gaussian(1.5, -9.0, 1e4), vec![900.0; 3721]);
        let alone = point_bound(&a, &variance);
        let apart = pair_bounds(&a, &gaussian(1.5, 9.0, 2e4), &variance)[0];
        assert!((apart.flux_known_sky_e / alone.flux_known_sky_e - 1.0).abs() < 1e-3);
        let close = pair_bounds(&gaussian(1.5, -1.8, 1e4), &gaussian(1.5, 1.8, 2e4), &variance)[0];
        assert!(close.flux_e > 1.15 * alone.flux_e, "{} {}", close.flux_e, alone.flux_e);
        let same = pair_bounds(&a, &a, &variance)[0];
        assert!(same.flux_e.is_nan() || same.flux_e > 100.0 * alone.flux_e);
        assert!(point_bound(&a, &[]).flux_e.is_nan());
    }
}
