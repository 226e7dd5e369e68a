//! The analytic profile: an elliptical Moffat function of unit total flux.
//!
//! `f = N (1 + c q)^-beta`, `q` the quadratic form that is 1 on the ellipse of half maximum,
//! `c = 2^(1/beta) - 1`, `N = (beta - 1) c / (pi h^2)`. With the half width at half maximum `h` as its
//! size, size and exponent are nearly independent, and `s = 1 / beta -> 0` is the Gaussian.
//! - shape: distortions `(a^2 - b^2) / (a^2 + b^2)` as two components, at constant area
//! - light per pixel: the pixel's own width counts as part of the profile
//! - source: Moffat 1969, A&A 3, 455

use elqui_image::wide::{exp, ln_1p, widest};

/// Range of the inverse exponent.
pub(crate) const S_RANGE: (f64, f64) = (0.03, 0.6);
/// Largest distortion.
pub(crate) const E_MAX: f64 = 0.95;

/// Width and shape at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shape {
    /// Half width at half maximum, pixels (of the round profile of the same area).
    pub half_width: f64,
    pub e1: f64,
    pub e2: f64,
}

impl Shape {
    /// The nearest shape that makes sense.
    pub(crate) fn bounded(self) -> Self {
        let e = self.e1.hypot(self.e2);
        let k = if e > E_MAX { E_MAX / e } else { 1.0 };
        Self { half_width: self.half_width.clamp(0.2, 100.0), e1: k * self.e1, e2: k * self.e2 }
    }
}

/// The profile with all that does not depend on the pixel worked out.
pub(crate) struct Moffat {
    beta: f64,
    c: f64,
    norm: f64,
    /// Quadratic form over the square of the half width.
    a: f64,
    b: f64,
    d: f64,
    /// Derivative by the half width over f + q df/dq.
    by_h: f64,
    /// Derivatives of the quadratic form by e1 and e2: factors of x^2, x y and y^2.
    q_e1: [f64; 3],
    q_e2: [f64; 3],
    /// Derivative by s over the value: constant, factor of the logarithm, and of q over its argument.
    by_s: [f64; 3],
}

impl Moffat {
    pub(crate) fn new(shape: Shape, s: f64) -> Self {
        let Shape { half_width: h, e1, e2 } = shape;
        let (beta, c, round) = (1.0 / s, 2f64.powf(s) - 1.0, (1.0 - e1 * e1 - e2 * e2).sqrt());
        let scale = 1.0 / (round * h * h);
        let (r1, r3) = (scale, scale / (round * round));
        let dc = std::f64::consts::LN_2 * (1.0 + c);
        Self {
            beta,
            c,
            norm: (beta - 1.0) * c / (std::f64::consts::PI * h * h),
            a: (1.0 - e1) * scale,
            b: -e2 * scale,
            d: (1.0 + e1) * scale,
            by_h: -2.0 / h,
            q_e1: [(1.0 - e1) * e1 * r3 - r1, -2.0 * e2 * e1 * r3, (1.0 + e1) * e1 * r3 + r1],
            q_e2: [(1.0 - e1) * e2 * r3, -2.0 * (r1 + e2 * e2 * r3), (1.0 + e1) * e2 * r3],
            by_s: [dc / c - 1.0 / (s * (1.0 - s)), 1.0 / (s * s), -dc],
        }
    }

    #[inline(always)]
    pub(crate) fn value(&self, dx: f64, dy: f64) -> f64 {
        let q = self.a * dx * dx + 2.0 * self.b * dx * dy + self.d * dy * dy;
        self.norm * exp(-self.beta * ln_1p(self.c * q))
    }

    /// Values at places (x, y) of the profile about (cx, cy).
    pub(crate) fn draw(&self, x: &[f32], y: &[f32], (cx, cy): (f64, f64), out: &mut [f64]) {
        widest(
            #[inline(always)]
            || self.draw_plainly(x, y, (cx, cy), out),
        );
    }

    #[inline(always)]
    fn draw_plainly(&self, x: &[f32], y: &[f32], (cx, cy): (f64, f64), out: &mut [f64]) {
        for ((o, x), y) in out.iter_mut().zip(x).zip(y) {
            *o = self.value(f64::from(*x) - cx, f64::from(*y) - cy);
        }
    }

    /// Value, and derivatives by the centre's x and y, the half width, e1, e2 and s.
    #[inline(always)]
    pub(crate) fn gradient(&self, dx: f64, dy: f64) -> [f64; 7] {
        let (xx, xy, yy) = (dx * dx, dx * dy, dy * dy);
        let q = self.a * xx + 2.0 * self.b * xy + self.d * yy;
        let log = ln_1p(self.c * q);
        let f = self.norm * exp(-self.beta * log);
        let share = self.beta / (1.0 + self.c * q);
        let by_q = -self.c * share * f;
        let by = |m: &[f64; 3]| by_q * (m[0] * xx + m[1] * xy + m[2] * yy);
        [
            f,
            -2.0 * by_q * (self.a * dx + self.b * dy),
            -2.0 * by_q * (self.b * dx + self.d * dy),
            self.by_h * (f + q * by_q),
            by(&self.q_e1),
            by(&self.q_e2),
            f * (self.by_s[0] + self.by_s[1] * log + self.by_s[2] * q * share),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_differences() {
        let p = [0.3, -0.2, 2.1, 0.2, -0.15, 0.31];
        let make = |p: &[f64; 6]| Moffat::new(Shape { half_width: p[2], e1: p[3], e2: p[4] }, p[5]);
        for (x, y) in [(0.0, 0.0), (1.5, -2.0), (-6.0, 3.0)] {
            let g = make(&p).gradient(x - p[0], y - p[1]);
            assert!((g[0] - make(&p).value(x - p[0], y - p[1])).abs() < 1e-15);
            for k in 0..6 {
                let at = |d: f64| {
                    let mut p = p;
                    p[k] += d;
                    make(&p).value(x - p[0], y - p[1])
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((g[k + 1] - slope).abs() < 1e-8, "{k} at {x}, {y}: {} {slope}", g[k + 1]);
            }
        }
    }

    #[test]
    fn half_maximum_and_total_are_as_said() {
        for s in [0.05, 0.2, 1.0 / 3.0] {
            let m = Moffat::new(Shape { half_width: 2.0, e1: 0.0, e2: 0.0 }, s);
            assert!((m.value(2.0, 0.0) / m.value(0.0, 0.0) - 0.5).abs() < 1e-12);
            let sum: f64 = (-200..=200)
                .flat_map(|j| (-200..=200).map(move |i| (f64::from(i), f64::from(j))))
                .map(|(x, y)| m.value(x, y))
                .sum();
            assert!((sum - 1.0).abs() < 1e-4, "{s}: {sum}");
        }
    }
}
