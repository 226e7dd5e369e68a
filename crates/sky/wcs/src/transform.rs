//! The map itself: pixels to the sky and back, and its derivatives.
//!
//! pixel -> (distortion, matrix) -> intermediate world coordinates, degrees -> native direction
//! -> ICRS. The inverse solves the distorted part by Newton's method, to rounding.

use crate::distortion::{Live, radial};
use crate::wcs::Wcs;
use elqui_base::{UnitVector, newton_2d};

const DEG: f64 = std::f64::consts::PI / 180.0;

pub(crate) fn determinant(m: &[[f64; 2]; 2]) -> f64 {
    m[0][0] * m[1][1] - m[0][1] * m[1][0]
}

pub(crate) fn inverse_2x2(m: &[[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let d = determinant(m);
    [[m[1][1] / d, -m[0][1] / d], [-m[1][0] / d, m[0][0] / d]]
}

fn apply(m: &[[f64; 2]; 2], v: [f64; 2]) -> [f64; 2] {
    [m[0][0] * v[0] + m[0][1] * v[1], m[1][0] * v[0] + m[1][1] * v[1]]
}

pub(crate) fn is_singular(m: &[[f64; 2]; 2]) -> bool {
    let norm2: f64 = m.iter().flatten().map(|v| v * v).sum();
    let d = determinant(m).abs();
    let regular = norm2.is_finite() && d > 1e-12 * norm2;
    !regular
}

/// Value and Jacobian.
pub(crate) type WithGradient = ([f64; 2], [[f64; 2]; 2]);

impl Wcs {
    /// ICRS right ascension in [0, 360) and declination (deg) of a 0-based pixel position.
    pub fn pixel_to_sky(&self, x: f64, y: f64) -> (f64, f64) {
        let (xi, eta) = self.pixel_to_intermediate(x, y);
        self.intermediate_to_sky(xi, eta)
    }

    /// 0-based pixel position of an ICRS direction (deg).
    pub fn sky_to_pixel(&self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        let (xi, eta) = self.sky_to_intermediate(ra, dec)?;
        self.intermediate_to_pixel(xi, eta)
    }

    /// Intermediate world coordinates (deg; longitude axis, latitude axis) of a pixel.
    #[inline]
    pub fn pixel_to_intermediate(&self, x: f64, y: f64) -> (f64, f64) {
        let (u, v) = (x - self.parts.crpix0[0], y - self.parts.crpix0[1]);
        let cd = &self.parts.cd_deg;
        let [xi, eta] = match &self.live {
            Live::None => apply(cd, [u, v]),
            Live::Sip { forward, .. } => {
                let d = forward.eval(u, v);
                apply(cd, [u + d[0], v + d[1]])
            }
            Live::Tpv { powers, radii } => {
                let [p, q] = apply(cd, [u, v]);
                let mut w = powers.eval(p, q);
                if let Some(c) = radii {
                    let (r, _, _) = radial(c, p, q);
                    w = [w[0] + r[0], w[1] + r[1]];
                }
                w
            }
            Live::Map { poly, center, scale } => {
                poly.eval((x - center[0]) * scale[0], (y - center[1]) * scale[1])
            }
        };
        (xi, eta)
    }

    /// The same with d(intermediate, deg) / d(x, y).
    pub(crate) fn intermediate_with_gradient(&self, x: f64, y: f64) -> WithGradient {
        let (u, v) = (x - self.parts.crpix0[0], y - self.parts.crpix0[1]);
        let cd = &self.parts.cd_deg;
        match &self.live {
            Live::None => (apply(cd, [u, v]), *cd),
            Live::Sip { forward, .. } => {
                let (d, du, dv) = forward.eval_with_gradient(u, v);
                let w = apply(cd, [u + d[0], v + d[1]]);
                let wx = apply(cd, [1.0 + du[0], du[1]]);
                let wy = apply(cd, [dv[0], 1.0 + dv[1]]);
                (w, [[wx[0], wy[0]], [wx[1], wy[1]]])
            }
            Live::Tpv { powers, radii } => {
                let [p, q] = apply(cd, [u, v]);
                let (mut w, mut wp, mut wq) = powers.eval_with_gradient(p, q);
                if let Some(c) = radii {
                    let (r, rp, rq) = radial(c, p, q);
                    for k in 0..2 {
                        w[k] += r[k];
                        wp[k] += rp[k];
                        wq[k] += rq[k];
                    }
                }
                let row = |k: usize| {
                    [wp[k] * cd[0][0] + wq[k] * cd[1][0], wp[k] * cd[0][1] + wq[k] * cd[1][1]]
                };
                (w, [row(0), row(1)])
            }
            Live::Map { poly, center, scale } => {
                let (w, wu, wv) =
                    poly.eval_with_gradient((x - center[0]) * scale[0], (y - center[1]) * scale[1]);
                let row = |k: usize| [wu[k] * scale[0], wv[k] * scale[1]];
                (w, [row(0), row(1)])
            }
        }
    }

    /// Pixel of intermediate world coordinates (deg); `None` where the distortion has no inverse.
    pub fn intermediate_to_pixel(&self, xi: f64, eta: f64) -> Option<(f64, f64)> {
        let target = [xi, eta];
        let (p0, w0, scale) = &self.start;
        let linear = || {
            let d = apply(scale, [xi - w0[0], eta - w0[1]]);
            [p0[0] + d[0], p0[1] + d[1]]
        };
        let found = match &self.live {
            Live::None => Some(linear()),
            Live::Sip { inverse: Some(inverse), .. } => {
                let [u, v] = apply(&self.cd_inverse, target);
                let d = inverse.eval(u, v);
                let guess = [p0[0] + u + d[0], p0[1] + v + d[1]];
                self.newton(target, guess).or_else(|| self.newton(target, linear()))
            }
            _ => self.newton(target, linear()),
        };
        found.filter(|p| p[0].is_finite() && p[1].is_finite()).map(|p| (p[0], p[1]))
    }

    /// Newton's method from `guess`; when it does not settle at once, with damped steps.
    fn newton(&self, target: [f64; 2], guess: [f64; 2]) -> Option<[f64; 2]> {
        let mut p = guess;
        for _ in 0..8 {
            let (w, j) = self.intermediate_with_gradient(p[0], p[1]);
            let (r0, r1) = (target[0] - w[0], target[1] - w[1]);
            let inv = 1.0 / determinant(&j);
            let dx = (j[1][1] * r0 - j[0][1] * r1) * inv;
            let dy = (j[0][0] * r1 - j[1][0] * r0) * inv;
            p = [p[0] + dx, p[1] + dy];
            // Steps shrink quadratically: the next one would be far below rounding.
            if dx.abs().max(dy.abs()) < 1e-5 {
                return (inv * self.parity > 0.0).then_some(p);
            }
        }
        let f = |x: f64, y: f64| self.intermediate_with_gradient(x, y);
        let p = newton_2d(f, target, guess, 1e-8, 60)?;
        let (w, j) = f(p[0], p[1]);
        let miss = (w[0] - target[0]).abs().max((w[1] - target[1]).abs());
        let pixel = determinant(&j).abs().sqrt();
        (determinant(&j) * self.parity > 0.0 && miss < 1e-6 * pixel).then_some(p)
    }

    /// ICRS position (deg) of intermediate world coordinates (deg); NaN outside the projection.
    #[inline]
    pub fn intermediate_to_sky(&self, xi: f64, eta: f64) -> (f64, f64) {
        let Some(v) = self.direction(xi, eta) else { return (f64::NAN, f64::NAN) };
        let ra = v[1].atan2(v[0]) / DEG;
        let dec = v[2].atan2((v[0] * v[0] + v[1] * v[1]).sqrt()) / DEG;
        let ra = if ra < 0.0 { ra + 360.0 } else { ra };
        (if ra >= 360.0 { 0.0 } else { ra }, dec)
    }

    /// Intermediate world coordinates (deg) of an ICRS direction (deg).
    #[inline]
    pub fn sky_to_intermediate(&self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        let (sin_ra, cos_ra) = (ra * DEG).sin_cos();
        let (sin_dec, cos_dec) = (dec * DEG).sin_cos();
        let s = [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec];
        let m = &self.to_sky;
        let n = std::array::from_fn(|j| m[0][j] * s[0] + m[1][j] * s[1] + m[2][j] * s[2]);
        let [x, y] = self.parts.projection.project(n)?;
        (x.is_finite() && y.is_finite()).then_some((x / DEG, y / DEG))
    }

    #[inline]
    fn direction(&self, xi: f64, eta: f64) -> Option<[f64; 3]> {
        let n = self.parts.projection.deproject(xi * DEG, eta * DEG)?;
        let m = &self.to_sky;
        Some(std::array::from_fn(|i| m[i][0] * n[0] + m[i][1] * n[1] + m[i][2] * n[2]))
    }

    /// d(east, north; arcsec) / d(x, y) in the plane tangent to the sky at this pixel.
    pub fn jacobian(&self, x: f64, y: f64) -> [[f64; 2]; 2] {
        self.try_jacobian(x, y).unwrap_or([[f64::NAN; 2]; 2])
    }

    fn try_jacobian(&self, x: f64, y: f64) -> Option<[[f64; 2]; 2]> {
        let ([xi, eta], g) = self.intermediate_with_gradient(x, y);
        let (east, north) = UnitVector(self.direction(xi, eta)?).tangent_basis();
        // The projection's own derivatives by central differences: smooth on this scale, and
        // good to 1e-10.
        let h = 3e-4;
        let mut d = [[0.0; 2]; 2];
        for (k, (dx, dy)) in [(h, 0.0), (0.0, h)].into_iter().enumerate() {
            let plus = self.direction(xi + dx, eta + dy)?;
            let minus = self.direction(xi - dx, eta - dy)?;
            for i in 0..3 {
                let slope = (plus[i] - minus[i]) / (2.0 * h) * elqui_base::ARCSEC_PER_RAD;
                d[0][k] += east[i] * slope;
                d[1][k] += north[i] * slope;
            }
        }
        Some(std::array::from_fn(|i| {
            std::array::from_fn(|j| d[i][0] * g[0][j] + d[i][1] * g[1][j])
        }))
    }

    /// Side of a square of the pixel's area on the sky, arcsec; NaN where undefined.
    pub fn pixel_scale_arcsec(&self, x: f64, y: f64) -> f64 {
        determinant(&self.jacobian(x, y)).abs().sqrt()
    }
}
