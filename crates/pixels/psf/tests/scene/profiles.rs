//! Profiles of stars: of unit sum, of a given full width at half maximum, pixels as point samples.
//!
//! - Kolmogorov: transform of exp(-k^(5/3)); Airy: a clear circular aperture with as much Gaussian
//!   jitter as its own width. Both by a Hankel transform, tabulated once.

use std::f64::consts::PI;
use std::sync::OnceLock;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Profile {
    Moffat(f64),
    Kolmogorov,
    /// Two Gaussians, the second with a tenth of the light and twice the width.
    DoubleGaussian,
    AiryJitter,
    /// A Moffat function with a wider one beside it, a quarter of the light.
    Coma,
}

impl Profile {
    /// Elongated along x by the axis ratio `1 - ellipticity`, at constant area.
    pub fn draw(self, fwhm: f64, ellipticity: f64) -> Box<dyn Fn(f64, f64) -> f64> {
        let q = 1.0 - ellipticity;
        let r2 = move |dx: f64, dy: f64| dx * dx * q + dy * dy / q;
        match self {
            Self::Moffat(beta) => Box::new(move |dx, dy| moffat(r2(dx, dy), fwhm, beta)),
            Self::DoubleGaussian => {
                let s2 = (fwhm / 2.45).powi(2);
                let g = |r2: f64, s2: f64| (-0.5 * r2 / s2).exp() / (2.0 * PI * s2);
                Box::new(move |dx, dy| 0.9 * g(r2(dx, dy), s2) + 0.1 * g(r2(dx, dy), 4.0 * s2))
            }
            Self::Coma => Box::new(move |dx, dy| {
                0.75 * moffat(r2(dx, dy), fwhm, 3.5)
                    + 0.25 * moffat(r2(dx - 0.4 * fwhm, dy), 1.3 * fwhm, 3.5)
            }),
            Self::Kolmogorov | Self::AiryJitter => {
                let table = self.table();
                Box::new(move |dx, dy| table.at(r2(dx, dy).sqrt() / fwhm) / (fwhm * fwhm))
            }
        }
    }

    fn table(self) -> &'static Table {
        static KOLMOGOROV: OnceLock<Table> = OnceLock::new();
        static AIRY: OnceLock<Table> = OnceLock::new();
        if self == Self::Kolmogorov {
            KOLMOGOROV.get_or_init(|| Table::new(12.0, |k| (-k.powf(5.0 / 3.0)).exp()))
        } else {
            AIRY.get_or_init(|| {
                Table::new(2.0, |k| {
                    let n = (0.5 * k).min(1.0);
                    let clear = 2.0 / PI * (n.acos() - n * (1.0 - n * n).sqrt());
                    clear * (-0.5 * (k * 0.7).powi(2)).exp()
                })
            })
        }
    }
}

fn moffat(r2: f64, fwhm: f64, beta: f64) -> f64 {
    let a2 = (0.5 * fwhm).powi(2) / (2.0f64.powf(1.0 / beta) - 1.0);
    (beta - 1.0) / (PI * a2) * (1.0 + r2 / a2).powf(-beta)
}

/// A radial profile of unit full width and unit sum.
struct Table {
    values: Vec<f64>,
}

const PER_WIDTH: f64 = 50.0;
const WIDTHS: f64 = 15.0;

impl Table {
    fn new(k_max: f64, transfer: impl Fn(f64) -> f64) -> Self {
        const STEPS: usize = 600;
        let modes: Vec<(f64, f64)> = (0..STEPS)
            .map(|i| {
                let k = (i as f64 + 0.5) / STEPS as f64 * k_max;
                (k, transfer(k) * k * k_max / STEPS as f64 / (2.0 * PI))
            })
            .collect();
        let at = |r: f64| -> f64 { modes.iter().map(|(k, w)| w * bessel0(k * r)).sum() };
        let (mut low, mut high) = (0.0, 20.0);
        let top = at(0.0);
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if at(middle) > 0.5 * top { low = middle } else { high = middle }
        }
        let width = 2.0 * low;
        let count = (PER_WIDTH * WIDTHS) as usize;
        let values =
            (0..=count).map(|i| at(i as f64 / PER_WIDTH * width) * width * width).collect();
        Self { values }
    }

    fn at(&self, r: f64) -> f64 {
        let t = r * PER_WIDTH;
        let k = t.floor() as usize;
        if k == 0 || k + 2 >= self.values.len() {
            return if k == 0 {
                // Even in r: a parabola about the middle.
                self.values[0] + (self.values[1] - self.values[0]) * t * t
            } else {
                0.0
            };
        }
        let (u, v) = (t - k as f64, &self.values[k - 1..k + 3]);
        v[0] * (-u * (u - 1.0) * (u - 2.0) / 6.0) + v[1] * ((u + 1.0) * (u - 1.0) * (u - 2.0) / 2.0)
            - v[2] * ((u + 1.0) * u * (u - 2.0) / 2.0)
            + v[3] * ((u + 1.0) * u * (u - 1.0) / 6.0)
    }
}

fn bessel0(x: f64) -> f64 {
    let n = 12 + (0.6 * x) as usize;
    (0..n).map(|i| (x * (PI * (i as f64 + 0.5) / n as f64).sin()).cos()).sum::<f64>() / n as f64
}
