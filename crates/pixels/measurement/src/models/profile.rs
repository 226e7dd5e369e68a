//! Fourier transforms of galaxies' radial profiles.
//!
//! - profile: I(r) ~ exp(-b (r / r_e)^(1/n)), n = 1 (exponential) and 4 (de Vaucouleurs 1948), not cut
//!   off; r_e holds half of the light (Ciotti & Bertin 1999, A&A 352, 447 for b)
//! - with s = r^2 it is exp(-(b^2n s)^(1/2n)): the Laplace transform of the one-sided stable law of index
//!   1/(2n), so it is an exact mixture of Gaussians, whose transforms are Gaussians. The law is that of
//!   (a(U) / E)^(2n - 1) with U uniform and E exponential (Kanter 1975, Ann. Probab. 3, 697), which makes
//!   the transform a smooth double integral: midpoint in U, trapezoid in ln E
//! - output: T and dT/dt as tables of t = (k r_e)^2, even in the logarithm of t, read by linear
//!   interpolation (error about 5e-5 of T); T = 1 at t = 0

use std::sync::LazyLock;

/// Entries for each factor of two, and the range of t: 2^-24 to 2^20.
const PER_OCTAVE_BITS: u32 = 5;
const FIRST_EXPONENT: i32 = -24;
const OCTAVES: usize = 44;

#[derive(Debug, Clone)]
pub struct Profile {
    /// T and dT/dt at each entry.
    table: Vec<[f32; 2]>,
}

pub static EXPONENTIAL: LazyLock<Profile> = LazyLock::new(|| {
    // The scale length is r_e / 1.67834699; the transform (1 + k^2 h^2)^(-3/2).
    let h2 = 1.678_346_990_016_661f64.powi(-2);
    Profile::tabulate(|t| {
        let u = 1.0 + h2 * t;
        (u.powf(-1.5), -1.5 * h2 * u.powf(-2.5))
    })
});

const DE_VAUCOULEURS_B: f64 = 7.669_249_443_104_72;
pub static DE_VAUCOULEURS: LazyLock<Profile> = LazyLock::new(|| {
    let mixture = stable_mixture(4.0, DE_VAUCOULEURS_B);
    Profile::tabulate(|t| {
        mixture.iter().fold((0.0, 0.0), |(value, slope), &(weight, v)| {
            let g = weight * (-0.25 * t * v).exp();
            (value + g, slope - 0.25 * v * g)
        })
    })
});

/// (share of the light, 1 / u) of Gaussians exp(-u r^2) in units of r_e.
fn stable_mixture(n: f64, b: f64) -> Vec<(f64, f64)> {
    let alpha = 0.5 / n;
    let power = (1.0 - alpha) / alpha;
    const ANGLES: usize = 24;
    // Widths are gathered on a grid even in their logarithm, each shared by its two neighbours.
    const STEP: f64 = 0.1;
    let mut bins = std::collections::BTreeMap::new();
    for k in 0..ANGLES {
        let u = std::f64::consts::PI * (k as f64 + 0.5) / ANGLES as f64;
        let a = ((alpha * u).sin() / u.sin()).powf(1.0 / (1.0 - alpha)) * ((1.0 - alpha) * u).sin()
            / (alpha * u).sin();
        for j in 0..400 {
            let ln_e = -6.0 + 0.025 * f64::from(j);
            let e = ln_e.exp();
            // Light is I's weight over u; the measure of ln E brings another E.
            let ln_v = power * (ln_e - a.ln()) - 2.0 * n * b.ln();
            let weight = (-e + ln_e + ln_v).exp();
            if !(weight > 0.0) {
                continue;
            }
            let at = (ln_v / STEP).floor();
            let part = ln_v / STEP - at;
            *bins.entry(at as i32).or_insert(0.0) += weight * (1.0 - part);
            *bins.entry(at as i32 + 1).or_insert(0.0) += weight * part;
        }
    }
    let total: f64 = bins.values().sum();
    bins.into_iter()
        .map(|(at, w)| (w / total, (f64::from(at) * STEP).exp()))
        .filter(|(w, _)| *w > 1e-9)
        .collect()
}

impl Profile {
    fn tabulate(f: impl Fn(f64) -> (f64, f64)) -> Self {
        let per = 1usize << PER_OCTAVE_BITS;
        let table = (0..=OCTAVES * per)
            .map(|k| {
                // Entries are where the bits of a float step: even within an octave.
                let octave = 2f64.powi(FIRST_EXPONENT + (k / per) as i32);
                let (value, slope) = f(octave * (1.0 + (k % per) as f64 / per as f64));
                [value as f32, slope as f32]
            })
            .collect();
        Self { table }
    }

    /// T and dT/dt at t; below 0 the odd continuation about (0, 1).
    ///
    /// A source that noise makes sharper than the PSF has t < 0: with it, sizes and fluxes of point sources
    /// scatter to both sides of the truth, where a bound at 0 would push both up.
    #[inline]
    pub fn at(&self, t: f32) -> (f32, f32) {
        let (value, slope) = self.above(t.abs());
        (if t < 0.0 { 2.0 - value } else { value }, slope)
    }

    #[inline]
    fn above(&self, t: f32) -> (f32, f32) {
        const SHIFT: u32 = 23 - PER_OCTAVE_BITS;
        const FIRST: u32 = ((127 + FIRST_EXPONENT) as u32) << PER_OCTAVE_BITS;
        let least = f32::from_bits(((127 + FIRST_EXPONENT) as u32) << 23);
        let bits = t.max(least).to_bits();
        let k = (((bits >> SHIFT) - FIRST) as usize).min(self.table.len() - 2);
        let part = (bits & ((1 << SHIFT) - 1)) as f32 * (1.0 / (1u32 << SHIFT) as f32);
        let ([v0, s0], [v1, s1]) = (self.table[k], self.table[k + 1]);
        (v0 + part * (v1 - v0), s0 + part * (s1 - s0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transform by the plain sum over rings, with J0 by its integral.
    fn hankel(n: f64, b: f64, k: f64) -> f64 {
        let j0 = |x: f64| {
            let m = 60 + (2.0 * x) as usize;
            (0..m)
                .map(|i| (x * ((i as f64 + 0.5) * std::f64::consts::PI / m as f64).sin()).cos())
                .sum::<f64>()
                / m as f64
        };
        let (mut sum, mut total) = (0.0, 0.0);
        for i in 0..6000 {
            let r = (-14.0 + 0.0035 * f64::from(i)).exp();
            let light = (-b * r.powf(1.0 / n)).exp() * r * r;
            total += light;
            if light > 1e-12 * total {
                sum += light * j0(k * r);
            }
        }
        sum / total
    }

    #[test]
    fn tables_are_the_transforms() {
        for (profile, n, b) in [(&*EXPONENTIAL, 1.0, 1.678_347), (&*DE_VAUCOULEURS, 4.0, 7.669_25)]
        {
            for k in [0.01f64, 0.1, 0.5, 1.0, 2.0, 5.0] {
                let (value, slope) = profile.at((k * k) as f32);
                let truth = hankel(n, b, k);
                assert!((f64::from(value) - truth).abs() < 2e-3, "n {n} k {k}: {value} {truth}");
                let (t, h) = (k * k, 0.1 * k * k);
                let difference =
                    f64::from(profile.at((t + h) as f32).0 - profile.at((t - h) as f32).0);
                assert!(
                    (difference / (2.0 * h) / f64::from(slope) - 1.0).abs() < 0.05,
                    "n {n} k {k}"
                );
            }
            assert_eq!(profile.at(0.0).0, profile.at(f32::MIN_POSITIVE).0);
            assert!((profile.at(0.0).0 - 1.0).abs() < 1e-4);
            assert!(profile.at(f32::MAX).0.abs() < 1e-3 && profile.at(f32::NAN).0.is_finite());
        }
    }
}
