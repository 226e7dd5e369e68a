//! Light profiles: stars as Moffat functions, galaxies as sums of Gaussians.
//!
//! - Moffat of exponent 3: I(u) = 2 / (pi alpha^2) (1 + u)^-3, u = r^2 / alpha^2. It is also exactly a
//!   mixture of Gaussians, (1 + u)^-3 = integral s^2 e^-s e^(-s u) ds / 2, which the sum below
//!   approximates by the trapezoid rule in ln s; that is how galaxies are convolved with it.
//! - Sersic n = 1 and 4: own non-negative fits of Gaussians, within 2% from 0.1 to 4 effective radii.
//!   The fits *are* the simulated profiles; their half-light radii are 1.001 and 0.989 effective radii.
//! - a profile means light per pixel: the pixel's own width counts as part of the PSF
//! - units: pixels; fluxes add up to 1

/// Widths (effective radii) and light fractions for n = 1.
pub const EXPONENTIAL: [(f64, f64); 8] = [
    (0.08000, 0.001696),
    (0.12844, 0.003096),
    (0.20622, 0.013723),
    (0.33109, 0.059823),
    (0.53158, 0.171153),
    (0.85346, 0.411448),
    (1.37026, 0.312461),
    (2.20000, 0.026601),
];

/// The same for n = 4.
pub const DE_VAUCOULEURS: [(f64, f64); 11] = [
    (0.00800, 0.001628),
    (0.01615, 0.004644),
    (0.03261, 0.013134),
    (0.06583, 0.032558),
    (0.13291, 0.070431),
    (0.26833, 0.128599),
    (0.54173, 0.190644),
    (1.09370, 0.220394),
    (2.20807, 0.186137),
    (4.45787, 0.109621),
    (9.00000, 0.042209),
];

/// A symmetric 2 x 2 matrix: a shape's second moments, or their inverse, pixels^(+-2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    pub xx: f64,
    pub xy: f64,
    pub yy: f64,
}

impl Shape {
    /// Second moments of an ellipse with semi-axes `a` and `b`, the first at this angle from x.
    pub fn ellipse(a: f64, b: f64, angle: f64) -> Self {
        let (s, c) = angle.sin_cos();
        let (aa, bb) = (a * a, b * b);
        Self { xx: aa * c * c + bb * s * s, xy: (aa - bb) * s * c, yy: aa * s * s + bb * c * c }
    }

    pub fn scaled(self, k: f64) -> Self {
        Self { xx: self.xx * k, xy: self.xy * k, yy: self.yy * k }
    }

    pub fn plus(self, o: Self) -> Self {
        Self { xx: self.xx + o.xx, xy: self.xy + o.xy, yy: self.yy + o.yy }
    }

    pub fn determinant(self) -> f64 {
        self.xx * self.yy - self.xy * self.xy
    }

    pub fn inverse(self) -> Self {
        let d = self.determinant();
        Self { xx: self.yy / d, xy: -self.xy / d, yy: self.xx / d }
    }
}

/// The PSF at one place: alpha^2 of the Moffat function as a matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moffat {
    pub alpha2: Shape,
}

impl Moffat {
    /// A round profile of this FWHM made elliptical at constant area; `e` is (a - b) / (a + b).
    pub fn new(fwhm_px: f64, e: f64, angle: f64) -> Self {
        let alpha = fwhm_px / (2.0 * (2f64.powf(1.0 / 3.0) - 1.0).sqrt());
        let stretch = ((1.0 + e) / (1.0 - e)).sqrt();
        Self { alpha2: Shape::ellipse(alpha * stretch, alpha / stretch, angle) }
    }

    /// Light of the central pixel when the star sits on it.
    pub fn peak(&self) -> f64 {
        2.0 / (std::f64::consts::PI * self.alpha2.determinant().sqrt())
    }

    /// Pixels that count as noise in a matched filter: 1 / sum of squares (5 pi alpha^2 / 4).
    pub fn noise_area(&self) -> f64 {
        1.25 * std::f64::consts::PI * self.alpha2.determinant().sqrt()
    }

    /// Gaussians that add up to it: factors of alpha^2 for the second moments, and fractions. Within 1e-3
    /// of it out to 4 alpha and 5% out to 8 alpha; what lies beyond is 2e-4 of the light.
    pub fn gaussians() -> Vec<(f64, f64)> {
        const STEPS: i32 = 12;
        let nodes: Vec<(f64, f64)> = (0..STEPS)
            .map(|k| {
                let s = (-4.0 + 0.55 * f64::from(k)).exp();
                (0.5 / s, s * s * (-s).exp())
            })
            .collect();
        let total: f64 = nodes.iter().map(|n| n.1).sum();
        nodes.into_iter().map(|(m, w)| (m, w / total)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_add_up_to_one() {
        for list in [&EXPONENTIAL[..], &DE_VAUCOULEURS[..], &Moffat::gaussians()[..]] {
            assert!((list.iter().map(|c| c.1).sum::<f64>() - 1.0).abs() < 2e-6);
        }
    }

    #[test]
    fn gaussians_follow_the_moffat_function() {
        let gaussians = Moffat::gaussians();
        for u in [0.0f64, 0.3, 1.0, 3.0, 9.0] {
            // alpha = 1: peak of a Gaussian of moment m is 1 / (2 pi m)
            let sum: f64 = gaussians
                .iter()
                .map(|(m, w)| w * (-u / (2.0 * m)).exp() / (std::f64::consts::TAU * m))
                .sum();
            let exact = 2.0 / std::f64::consts::PI * (1.0 + u).powi(-3);
            assert!((sum / exact - 1.0).abs() < 0.03, "u = {u}: {sum} for {exact}");
        }
    }

    #[test]
    fn profiles_hold_half_their_light_in_the_effective_radius() {
        for (list, tolerance) in [(&EXPONENTIAL[..], 0.005), (&DE_VAUCOULEURS[..], 0.005)] {
            let inside: f64 = list.iter().map(|(s, f)| f * (1.0 - (-0.5 / (s * s)).exp())).sum();
            assert!((inside - 0.5).abs() < tolerance, "{inside}");
        }
    }

    #[test]
    fn full_width_is_at_half_maximum() {
        let psf = Moffat::new(4.0, 0.0, 0.0);
        let u = 4.0 / psf.alpha2.xx;
        assert!(((1.0 + u).powi(-3) - 0.5).abs() < 1e-12);
    }
}
