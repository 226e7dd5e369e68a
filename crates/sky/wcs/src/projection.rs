//! Projections: intermediate world coordinates (radians) to native directions and back.
//!
//! Directions are unit vectors (cos theta cos phi, cos theta sin phi, sin theta), so that the
//! zenithal projections need no trigonometry on the native sphere.
//! - source: Calabretta & Greisen 2002, section 5; Calabretta & Roukema 2007 for HPX
//! - differs from wcslib: MOL and HPX work with 1 - |sin theta|, and so keep their digits near
//!   the poles

use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_PI_2, PI, SQRT_2};

/// A projection with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Projection {
    Tan,
    /// Slant orthographic; (0, 0) is the plain one. PV2_1, PV2_2.
    Sin {
        xi: f64,
        eta: f64,
    },
    Arc,
    Zea,
    Stg,
    Car,
    Ait,
    Mol,
    /// HEALPix grid, normally H = 4, K = 3. PV2_1, PV2_2.
    Hpx {
        h: u32,
        k: u32,
    },
}

/// How far past the edge of a projection rounding may carry a point.
const EDGE: f64 = 1e-13;

impl Projection {
    /// The three letters in CTYPE.
    pub fn code(self) -> &'static str {
        match self {
            Projection::Tan => "TAN",
            Projection::Sin { .. } => "SIN",
            Projection::Arc => "ARC",
            Projection::Zea => "ZEA",
            Projection::Stg => "STG",
            Projection::Car => "CAR",
            Projection::Ait => "AIT",
            Projection::Mol => "MOL",
            Projection::Hpx { .. } => "HPX",
        }
    }

    /// Native latitude of the fiducial point, degrees.
    pub(crate) fn theta0_deg(self) -> f64 {
        match self {
            Projection::Car | Projection::Ait | Projection::Mol | Projection::Hpx { .. } => 0.0,
            _ => 90.0,
        }
    }

    /// Native direction at (x, y) radians; `None` outside the projection's domain.
    #[inline]
    pub(crate) fn deproject(self, x: f64, y: f64) -> Option<[f64; 3]> {
        let r2 = x * x + y * y;
        match self {
            Projection::Tan => {
                let s = 1.0 / (1.0 + r2).sqrt();
                Some([-y * s, x * s, s])
            }
            Projection::Sin { xi, eta } => {
                // t = 1 - sin theta, the smaller root of a quadratic.
                let a = 1.0 + xi * xi + eta * eta;
                let b = 1.0 + x * xi + y * eta;
                let mut discriminant = b * b - a * r2;
                if discriminant < 0.0 && discriminant > -EDGE {
                    discriminant = 0.0;
                }
                let t = r2 / (b + discriminant.sqrt());
                (discriminant >= 0.0).then(|| [-(y - eta * t), x - xi * t, 1.0 - t])
            }
            Projection::Arc => {
                let r = r2.sqrt();
                let (sin, cos) = r.sin_cos();
                let s = if r > 0.0 { sin / r } else { 1.0 };
                (r <= PI + EDGE).then_some([-y * s, x * s, cos])
            }
            Projection::Zea => {
                let s = (1.0 - 0.25 * r2).max(0.0).sqrt();
                (r2 <= 4.0 + EDGE).then_some([-y * s, x * s, 1.0 - 0.5 * r2])
            }
            Projection::Stg => {
                let s = 1.0 / (1.0 + 0.25 * r2);
                Some([-y * s, x * s, (1.0 - 0.25 * r2) * s])
            }
            Projection::Car => {
                let (sin, cos) = y.sin_cos();
                (y.abs() <= FRAC_PI_2 + EDGE).then_some(())?;
                direction(x, sin, cos)
            }
            Projection::Ait => {
                let z2 = 1.0 - 0.0625 * x * x - 0.25 * y * y;
                (z2 >= 0.5 - EDGE).then_some(())?;
                let z = z2.sqrt();
                let (s, c) = (0.5 * x * z, 2.0 * z2 - 1.0);
                direction(2.0 * s.atan2(c), y * z, (s * s + c * c).sqrt())
            }
            Projection::Mol => {
                let c2 = (SQRT_2 - y.abs()) * (SQRT_2 + y.abs());
                (c2 >= -EDGE).then_some(())?;
                let c = c2.max(0.0).sqrt();
                let phi = if c > 0.0 { FRAC_PI_2 * x / c } else { x * f64::INFINITY };
                let phi = if x == 0.0 { 0.0 } else { phi };
                let epsilon = c.atan2(y.abs());
                direction_from_cap(phi, cap(epsilon) / PI, y)
            }
            Projection::Hpx { h, k } => hpx_to_native(f64::from(h), k, x, y),
        }
    }

    /// (x, y) radians of a native direction; `None` when it has no image.
    #[inline]
    pub(crate) fn project(self, n: [f64; 3]) -> Option<[f64; 2]> {
        let [nx, ny, nz] = n;
        let zenithal = |s: f64| [ny * s, -nx * s];
        match self {
            Projection::Tan => (nz > 0.0).then(|| zenithal(1.0 / nz)),
            Projection::Sin { xi, eta } => {
                let t = if nz > 0.0 { (nx * nx + ny * ny) / (1.0 + nz) } else { 1.0 - nz };
                let visible = nz >= -(xi * ny - eta * nx) - EDGE;
                visible.then_some([ny + xi * t, -nx + eta * t])
            }
            Projection::Arc => {
                let rho = (nx * nx + ny * ny).sqrt();
                let s = if rho > 0.0 { rho.atan2(nz) / rho } else { 1.0 };
                (rho > 0.0 || nz > 0.0).then(|| zenithal(s))
            }
            Projection::Zea => (nz > -1.0).then(|| zenithal((2.0 / (1.0 + nz)).sqrt())),
            Projection::Stg => (nz > -1.0).then(|| zenithal(2.0 / (1.0 + nz))),
            Projection::Car => Some([ny.atan2(nx), nz.atan2((nx * nx + ny * ny).sqrt())])
                .filter(|p| !p[0].is_nan()),
            Projection::Ait => {
                let rho = (nx * nx + ny * ny).sqrt();
                let (s, c) = (0.5 * ny.atan2(nx)).sin_cos();
                let gamma = (2.0 / (1.0 + rho * c)).sqrt();
                Some([2.0 * gamma * rho * s, gamma * nz])
            }
            Projection::Mol => {
                let t = one_minus_sin(n);
                let epsilon = solve_cap(PI * t);
                let (s, c) = epsilon.sin_cos();
                Some([SQRT_2 * ny.atan2(nx) * s / FRAC_PI_2, SQRT_2 * c.copysign(nz)])
            }
            Projection::Hpx { h, k } => Some(hpx_from_native(f64::from(h), k, n)),
        }
    }
}

/// Unit vector of longitude `phi` (within +-180 degrees) and a latitude's sine and cosine.
#[inline]
fn direction(phi: f64, sin: f64, cos: f64) -> Option<[f64; 3]> {
    let (s, c) = phi.sin_cos();
    (phi.abs() <= PI + EDGE).then_some([cos * c, cos * s, sin])
}

/// The same from t = 1 - |sin theta|, with the sign of `sign`.
#[inline]
fn direction_from_cap(phi: f64, t: f64, sign: f64) -> Option<[f64; 3]> {
    direction(phi, (1.0 - t).copysign(sign), (t * (2.0 - t)).max(0.0).sqrt())
}

/// 1 - |sin theta| of a native direction, with all its digits.
#[inline]
fn one_minus_sin(n: [f64; 3]) -> f64 {
    (n[0] * n[0] + n[1] * n[1]) / (1.0 + n[2].abs())
}

/// 2e - sin 2e without cancellation.
#[inline]
fn cap(epsilon: f64) -> f64 {
    let a = 2.0 * epsilon;
    if a < 0.5 {
        let a2 = a * a;
        // a^3/3! - a^5/5! + ... to a^15.
        let s = [6.0, 120.0, 5040.0, 362_880.0, 39_916_800.0, 6_227_020_800.0, 1.307_674_368e12];
        let mut sum = 0.0;
        for d in s.iter().rev() {
            sum = 1.0 / d - a2 * sum;
        }
        a * a2 * sum
    } else {
        a - a.sin()
    }
}

/// Solve 2e - sin 2e = value, 0 <= value <= pi.
fn solve_cap(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let mut e = (0.75 * value).cbrt();
    for _ in 0..12 {
        let s = e.sin();
        let step = (cap(e) - value) / (4.0 * s * s);
        e -= step;
        if step.abs() <= 1e-9 * e {
            break;
        }
    }
    e
}

/// Centre (radians) of the polar facet that `phi` lies in.
#[inline]
fn hpx_facet(h: f64, k: u32, phi: f64, north: bool) -> f64 {
    let omega = if k % 2 == 1 || north { 1.0 } else { 0.0 };
    let index = ((phi + PI) * h / (2.0 * PI) + 0.5 * (1.0 - omega)).floor();
    // phi = pi belongs to the last facet.
    let index = if omega == 1.0 { index.clamp(0.0, h - 1.0) } else { index };
    -PI + (2.0 * index + omega) * PI / h
}

fn hpx_to_native(h: f64, k: u32, x: f64, y: f64) -> Option<[f64; 3]> {
    let kf = f64::from(k);
    let y_equator = FRAC_PI_2 * (kf - 1.0) / h;
    if y.abs() <= y_equator {
        let sin = y * h / (FRAC_PI_2 * kf);
        return direction(x, sin, ((1.0 - sin) * (1.0 + sin)).sqrt());
    }
    let sigma = 0.5 * (kf + 1.0) - y.abs() * h / PI;
    (sigma >= -EDGE && x.abs() <= PI + EDGE).then_some(())?;
    let sigma = sigma.max(0.0);
    let center = hpx_facet(h, k, x, y > 0.0);
    let dx = x - center;
    (dx.abs() <= sigma * PI / h + EDGE).then_some(())?;
    let phi = if sigma > 0.0 { center + dx / sigma } else { center };
    direction_from_cap(phi.clamp(-PI, PI), sigma * sigma / kf, y)
}

fn hpx_from_native(h: f64, k: u32, n: [f64; 3]) -> [f64; 2] {
    let kf = f64::from(k);
    let phi = n[1].atan2(n[0]);
    if n[2].abs() * kf <= kf - 1.0 {
        return [phi, FRAC_PI_2 * kf / h * n[2]];
    }
    let sigma = (kf * one_minus_sin(n)).sqrt();
    let center = hpx_facet(h, k, phi, n[2] > 0.0);
    let y = PI / h * (0.5 * (kf + 1.0) - sigma);
    [center + (phi - center) * sigma, y.copysign(n[2])]
}
