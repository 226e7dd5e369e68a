//! Kron flux: an elliptical aperture that follows the source's own extent.
//!
//! - source: Kron 1980, ApJS 43, 305; Bertin & Arnouts 1996, A&AS 117, 393, sec. 7.4
//! - the radius is the first moment of the light in an ellipse of `extent_sigma` sigma, in
//!   circularised pixels: r = sqrt(d' M^-1 d) det(M)^(1/4); it is never below the PSF's own
//! - the flux is the sum within `factor` radii; a pixel on the border counts by the linear
//!   coverage of the ellipse along its normal (exact to 1e-3 of the sum for radii above 3 pixels)

use crate::stamp::{EMPTY, Stamp};
use std::ops::Range;

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

/// The ellipses of one shape about one place of a stamp: r^2 = a dx^2 + 2 b dx dy + c dy^2 with
/// a c - b^2 = 1.
struct Ellipse {
    a: f64,
    b: f64,
    c: f64,
    cx: f64,
    cy: f64,
    width: usize,
    height: usize,
}

impl Ellipse {
    fn new(stamp: &Stamp, (x, y): (f64, f64), shape: &Shape) -> Self {
        let root = shape.det().sqrt();
        Self {
            a: shape.iyy / root,
            b: -shape.ixy / root,
            c: shape.ixx / root,
            cx: x - f64::from(stamp.x0),
            cy: y - f64::from(stamp.y0),
            width: stamp.image.width(),
            height: stamp.image.height(),
        }
    }

    /// The stamp's rows within radius `r`, grown by a pixel.
    fn rows(&self, r: f64) -> Range<usize> {
        let reach = r * self.a.sqrt() + 1.0;
        whole_numbers(self.cy - reach, self.cy + reach, self.height)
    }

    /// The pixels of row `j` on the chord of radius `r`, grown by `margin` at both ends; a radius
    /// that does not reach the row has an empty chord.
    fn chord(&self, j: usize, r: f64, margin: f64) -> Range<usize> {
        let dy = j as f64 - self.cy;
        let inside = (r * r - dy * dy / self.a).max(0.0) / self.a;
        let (middle, reach) = (self.cx - self.b * dy / self.a, inside.sqrt() + margin);
        whole_numbers(middle - reach, middle + reach, self.width)
    }
}

/// The whole numbers from `low` to `high` that are indices of `n` things; rounded by conversion, which
/// is quicker than `floor`.
fn whole_numbers(low: f64, high: f64, n: usize) -> Range<usize> {
    let end = (high + 1.0).clamp(0.0, n as f64) as usize;
    let low = low.clamp(0.0, end as f64);
    let start = low as usize;
    start + usize::from(low > start as f64)..end
}

/// First moment of the light within `extent_sigma` sigma; NaN when there is no light.
pub fn radius(stamp: &Stamp, center: (f64, f64), shape: &Shape, extent_sigma: f64) -> f64 {
    let limit = extent_sigma * shape.sigma();
    let e = Ellipse::new(stamp, center, shape);
    let (mut sum, mut moment) = (0.0, 0.0);
    for j in e.rows(limit) {
        let chord = e.chord(j, limit, 0.0);
        let dy = j as f64 - e.cy;
        let (constant, linear) = (e.c * dy * dy, 2.0 * e.b * dy);
        // Pixels without a value are 0 in the stamp and need no test.
        for (i, &v) in chord.clone().zip(&stamp.image.row(j)[chord]) {
            let dx = i as f64 - e.cx;
            let r2 = constant + (linear + e.a * dx) * dx;
            let v = if r2 <= limit * limit { f64::from(v) } else { 0.0 };
            sum += v;
            moment += v * r2.max(0.0).sqrt();
        }
    }
    let r = moment / sum;
    if sum > 0.0 && r > 0.0 && r < limit { r } else { f64::NAN }
}

/// Sum within the ellipse of circularised radius `aperture`.
pub fn flux(stamp: &Stamp, center: (f64, f64), shape: &Shape, aperture: f64, radius: f64) -> Kron {
    let (mut sum, mut var, mut area) = (0.0, 0.0, 0.0);
    // The radius changes by at most this along half a pixel.
    let steepest = 0.5 * shape.sigma() * (shape.ixx + shape.iyy).sqrt() / shape.det().sqrt();
    let e = Ellipse::new(stamp, center, shape);
    for j in e.rows(aperture) {
        let (image, variance, mask) =
            (stamp.image.row(j), stamp.variance.row(j), stamp.mask.row(j));
        let dy = j as f64 - e.cy;
        let outer = e.chord(j, aperture, 1.5);
        // Well inside every pixel counts whole.
        let core = (aperture - steepest).max(0.0);
        let inner = if core * core > dy * dy / e.a { e.chord(j, core, 0.0) } else { 0..0 };
        let (first, second) = if inner.is_empty() {
            (outer, 0..0)
        } else {
            (outer.start..inner.start, inner.end..outer.end)
        };
        for i in first.chain(second) {
            let dx = i as f64 - e.cx;
            let (gx, gy) = (e.a * dx + e.b * dy, e.b * dx + e.c * dy);
            let r = (gx * dx + gy * dy).max(0.0).sqrt();
            let depth = aperture - r;
            if depth <= -steepest || mask[i] & EMPTY != 0 {
                continue;
            }
            // Half the gradient of radius^2 is r times that of the radius.
            let slope = (gx * gx + gy * gy).max(1e-12).sqrt();
            let w = if depth >= steepest { 1.0 } else { (0.5 + depth * r / slope).clamp(0.0, 1.0) };
            sum += w * f64::from(image[i]);
            var += w * w * f64::from(variance[i]);
            area += w;
        }
        // Without a value image and variance are 0.
        let whole = image[inner.clone()].iter().zip(&variance[inner.clone()]).zip(&mask[inner]);
        let (mut row_sum, mut row_var, mut row_empty, mut row_area) = (0.0, 0.0, 0, 0);
        for ((v, s), m) in whole {
            row_sum += f64::from(*v);
            row_var += f64::from(*s);
            row_empty += m & EMPTY;
            row_area += 1;
        }
        sum += row_sum;
        var += row_var;
        area += f64::from(row_area - row_empty / EMPTY);
    }
    let total = std::f64::consts::PI * aperture * aperture;
    if !(area > 0.0) {
        return Kron { flux: f64::NAN, variance: f64::NAN, radius, lost: 1.0 };
    }
    Kron { flux: sum, variance: var, radius, lost: (1.0 - area / total).max(0.0) }
}
