//! Kron flux: an elliptical aperture that follows the source's own extent.
//!
//! - source: Kron 1980, ApJS 43, 305; Bertin & Arnouts 1996, A&AS 117, 393, sec. 7.4
//! - the radius is the first moment of the light in an ellipse of `extent_sigma` sigma, in
//!   circularised pixels: r = sqrt(d' M^-1 d) det(M)^(1/4); it is never below the PSF's own
//! - the flux is the sum within `factor` radii; a pixel on the border counts by the linear
//!   coverage of the ellipse along its normal (exact to 1e-3 of the sum for radii above 3 pixels)

use crate::stamp::{Stamp, UNUSABLE};

/// Second moments, pixel^2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    pub ixx: f64,
    pub iyy: f64,
    pub ixy: f64,
}

impl Shape {
    pub fn det(&self) -> f64 {
        self.ixx * self.iyy - self.ixy * self.ixy
    }

    /// Circularised sigma, pixels.
    pub fn sigma(&self) -> f64 {
        self.det().max(0.0).powf(0.25)
    }

    /// Sigma along the major axis, pixels.
    pub fn sigma_major(&self) -> f64 {
        let half_trace = 0.5 * (self.ixx + self.iyy);
        (half_trace + (0.25 * (self.ixx - self.iyy).powi(2) + self.ixy * self.ixy).sqrt()).sqrt()
    }

    pub fn is_valid(&self) -> bool {
        self.det() > 1e-6 && self.ixx > 0.0 && self.ixx.is_finite() && self.iyy.is_finite()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kron {
    pub flux: f64,
    pub variance: f64,
    /// Kron radius, circularised pixels.
    pub radius: f64,
    /// Part of the aperture's area that was not usable or outside the image.
    pub lost: f64,
}

/// Pixels of a stamp within circularised radius `r` (plus one): (index, radius, square of half the
/// gradient of radius^2).
fn ellipse(
    stamp: &Stamp,
    (x, y): (f64, f64),
    shape: &Shape,
    r: f64,
    mut each: impl FnMut(usize, f64, f64),
) {
    let root = shape.det().sqrt();
    // r^2 = a dx^2 + 2 b dx dy + c dy^2
    let (a, b, c) = (shape.iyy / root, -shape.ixy / root, shape.ixx / root);
    let (cx, cy) = (x - f64::from(stamp.x0), y - f64::from(stamp.y0));
    let reach_y = r * (shape.iyy / root).sqrt() + 1.0;
    let (w, h) = (stamp.image.width(), stamp.image.height());
    let j0 = (cy - reach_y).ceil().clamp(0.0, h as f64) as usize;
    let j1 = (cy + reach_y).floor().clamp(-1.0, h as f64 - 1.0) as i64;
    for j in j0 as i64..=j1 {
        let dy = j as f64 - cy;
        // The row's chord of the ellipse, grown by a pixel.
        let inside = (r * r - dy * dy / a).max(0.0) / a;
        let (mid, reach) = (cx - b * dy / a, inside.sqrt() + 1.5);
        let i0 = (mid - reach).ceil().clamp(0.0, w as f64) as usize;
        let i1 = (mid + reach).floor().clamp(-1.0, w as f64 - 1.0) as i64;
        for i in i0 as i64..=i1 {
            let dx = i as f64 - cx;
            let (gx, gy) = (a * dx + b * dy, b * dx + c * dy);
            let radius = (gx * dx + gy * dy).max(0.0).sqrt();
            each(j as usize * w + i as usize, radius, gx * gx + gy * gy);
        }
    }
}

/// First moment of the light within `extent_sigma` sigma; NaN when there is no light.
pub fn radius(stamp: &Stamp, center: (f64, f64), shape: &Shape, extent_sigma: f64) -> f64 {
    let limit = extent_sigma * shape.sigma();
    let (image, mask) = (stamp.image.data(), stamp.mask.data());
    let (mut sum, mut moment) = (0.0, 0.0);
    ellipse(stamp, center, shape, limit, |k, r, _| {
        if r <= limit && mask[k] & UNUSABLE == 0 {
            let v = f64::from(image[k]);
            sum += v;
            moment += v * r;
        }
    });
    let r = moment / sum;
    if sum > 0.0 && r > 0.0 && r < limit { r } else { f64::NAN }
}

/// Sum within the ellipse of circularised radius `aperture`.
pub fn flux(stamp: &Stamp, center: (f64, f64), shape: &Shape, aperture: f64, radius: f64) -> Kron {
    let (image, variance, mask) = (stamp.image.data(), stamp.variance.data(), stamp.mask.data());
    let (mut sum, mut var, mut area) = (0.0, 0.0, 0.0);
    // The radius changes by at most this along half a pixel.
    let steepest = 0.5 * shape.sigma() * (shape.ixx + shape.iyy).sqrt() / shape.det().sqrt();
    ellipse(stamp, center, shape, aperture, |k, r, g2| {
        let depth = aperture - r;
        if depth <= -steepest {
            return;
        }
        let w = if depth >= steepest {
            1.0
        } else {
            (0.5 + depth * r / g2.max(1e-12).sqrt()).clamp(0.0, 1.0)
        };
        if mask[k] & UNUSABLE == 0 {
            sum += w * f64::from(image[k]);
            var += w * w * f64::from(variance[k]);
            area += w;
        }
    });
    let total = std::f64::consts::PI * aperture * aperture;
    if !(area > 0.0) {
        return Kron { flux: f64::NAN, variance: f64::NAN, radius, lost: 1.0 };
    }
    Kron { flux: sum, variance: var, radius, lost: (1.0 - area / total).max(0.0) }
}
