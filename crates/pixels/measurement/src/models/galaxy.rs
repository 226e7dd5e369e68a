//! One elliptical galaxy profile as a shape to be fitted.
//!
//! The shape is the symmetric matrix Q = (xx, xy, yy), pixels^2, of the half-light ellipse before the PSF:
//! the profile's transform is T(k' Q k). Q = 0 is a point source and nothing special there, unlike the
//! logarithm of the radius, and noise may carry Q a little below it (see [`Profile::at`]).
//! - allowed: squared semi-axes between `-negative_max` and `most`^2
//! - prior: a Gaussian of width 0.5 in each of (xx - yy, 2 xy) / |xx + yy|, softened: weak, it keeps faint
//!   sources from turning into needles

use super::fit::Shape;
use super::modes::Modes;
use super::profile::Profile;

const PRIOR_SIGMA: f64 = 0.5;

/// Semi-axes and angle of a Q: (major, minor, angle from +x in radians).
pub fn axes([xx, xy, yy]: [f64; 3]) -> (f64, f64, f64) {
    let (half, diff) = (0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
    let root = |v: f64| v.max(0.0).sqrt();
    (root(half + diff), root(half - diff), 0.5 * (2.0 * xy).atan2(xx - yy))
}

/// The Q of semi-axes squared and an angle.
pub fn matrix(aa: f64, bb: f64, angle: f64) -> [f64; 3] {
    let (s, c) = angle.sin_cos();
    [aa * c * c + bb * s * s, (aa - bb) * s * c, aa * s * s + bb * c * c]
}

pub struct Galaxy<'a> {
    pub profile: &'a Profile,
    /// Largest semi-axis, pixels; a squared semi-axis is at least `-negative_max`, pixels^2.
    pub most: f64,
    pub negative_max: f64,
    /// Trace below which the prior lets go, pixels^2.
    pub softening: f64,
}

impl Shape<3> for Galaxy<'_> {
    fn evaluate(&self, modes: &Modes, q: &[f64; 3], m: &mut [f32], slope: &mut [f32]) {
        let [a, b, c] = q.map(|v| v as f32);
        let [xx, xy, yy] = &modes.kk;
        let k = xx.iter().zip(xy).zip(yy);
        for (((xx, xy), yy), (m, slope)) in k.zip(m.iter_mut().zip(slope)) {
            (*m, *slope) = self.profile.at(a * xx + b * xy + c * yy);
        }
    }

    fn basis<'a>(&self, modes: &'a Modes) -> [&'a [f32]; 3] {
        modes.kk.each_ref().map(Vec::as_slice)
    }

    fn allowed(&self, q: [f64; 3]) -> [f64; 3] {
        if !q.iter().all(|v| v.is_finite()) {
            return [0.0; 3];
        }
        let (half, diff) = (0.5 * (q[0] + q[2]), (0.5 * (q[0] - q[2])).hypot(q[1]));
        let (low, high) = (-self.negative_max, self.most * self.most);
        let (aa, bb) = ((half + diff).clamp(low, high), (half - diff).clamp(low, high));
        if aa == half + diff && bb == half - diff {
            return q;
        }
        matrix(aa, bb, 0.5 * (2.0 * q[1]).atan2(q[0] - q[2]))
    }

    fn prior(&self, q: &[f64; 3]) -> (f64, [f64; 3], [[f64; 3]; 3]) {
        let trace = q[0] + q[2];
        let size = trace.hypot(self.softening);
        let e = [(q[0] - q[2]) / size, 2.0 * q[1] / size];
        // Derivatives of both by (xx, xy, yy).
        let g = trace / (size * size);
        let d = [
            [1.0 / size - e[0] * g, 0.0, -1.0 / size - e[0] * g],
            [-e[1] * g, 2.0 / size, -e[1] * g],
        ];
        let w = 1.0 / (PRIOR_SIGMA * PRIOR_SIGMA);
        let value = w * (e[0] * e[0] + e[1] * e[1]);
        let gradient = std::array::from_fn(|j| w * (e[0] * d[0][j] + e[1] * d[1][j]));
        let curvature = std::array::from_fn(|i| {
            std::array::from_fn(|j| w * (d[0][i] * d[0][j] + d[1][i] * d[1][j]))
        });
        (value, gradient, curvature)
    }
}
