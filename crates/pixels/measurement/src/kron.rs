//! Kron flux: an elliptical aperture that follows the source's own extent.
//!
//! - source: Kron 1980, ApJS 43, 305; Bertin & Arnouts 1996, A&AS 117, 393, sec. 7.4
//! - the radius is the first moment of the light in an ellipse of `extent_sigma` sigma, in
//!   circularised pixels: r = sqrt(d' M^-1 d) det(M)^(1/4); it is never below the PSF's own
//! - the flux is the sum within `factor` radii; a pixel on the border counts by the linear
//!   coverage of the ellipse along its normal (exact to 1e-3 of the sum for radii above 3 pixels)

use crate::stamp::{EMPTY, Stamp};
use elqui_image::vectors::{LANES, Simd, Totals, V8, WithSimd, run};
use std::ops::Range;

/// Columns of a vector.
const STEPS: [f32; LANES] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

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
    let [light, moment] = run(FirstMoment { stamp, ellipse: &e, limit });
    let r = moment / light;
    if light > 0.0 && r > 0.0 && r < limit { r } else { f64::NAN }
}

/// The kernel of the light and of light times radius within `limit`.
struct FirstMoment<'a> {
    stamp: &'a Stamp,
    ellipse: &'a Ellipse,
    limit: f64,
}

impl WithSimd for FirstMoment<'_> {
    type Output = [f64; 2];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let Self { stamp, ellipse: e, limit } = self;
        let (zero, limit2) = (V8::splat(simd, 0.0), V8::splat(simd, (limit * limit) as f32));
        let a = V8::splat(simd, e.a as f32);
        let mut totals = Totals::<S, 2>::new(simd);
        for j in e.rows(limit) {
            let chord = e.chord(j, limit, 0.0);
            let dy = j as f64 - e.cy;
            let constant = V8::splat(simd, (e.c * dy * dy) as f32);
            let linear = V8::splat(simd, (2.0 * e.b * dy) as f32);
            let mut dx =
                V8::load(simd, &STEPS) + V8::splat(simd, (chord.start as f64 - e.cx) as f32);
            // Pixels without a value are 0 in the stamp and need no test.
            let row = &stamp.image.row(j)[chord];
            for at in (0..row.len()).step_by(LANES) {
                let r2 = (constant + (linear + a * dx) * dx).max(zero);
                let light = r2.select_at_most(limit2, V8::load(simd, &row[at..]), zero);
                let sums = &mut totals.running;
                sums[0] += light;
                sums[1] += light * r2.sqrt();
                dx += V8::splat(simd, LANES as f32);
            }
            totals.end_row();
        }
        totals.finish()
    }
}

/// Sum within the ellipse of circularised radius `aperture`.
pub fn flux(stamp: &Stamp, center: (f64, f64), shape: &Shape, aperture: f64, radius: f64) -> Kron {
    let e = Ellipse::new(stamp, center, shape);
    // The radius changes by at most this along half a pixel.
    let steepest = 0.5 * shape.sigma() * (shape.ixx + shape.iyy).sqrt() / shape.det().sqrt();
    let [flux, variance, area] = run(EllipseSums { stamp, ellipse: &e, aperture, steepest });
    let total = std::f64::consts::PI * aperture * aperture;
    if !(area > 0.0) {
        return Kron { flux: f64::NAN, variance: f64::NAN, radius, lost: 1.0 };
    }
    Kron { flux, variance, radius, lost: (1.0 - area / total).max(0.0) }
}

/// The kernel of light, variance and usable area within the ellipse.
struct EllipseSums<'a> {
    stamp: &'a Stamp,
    ellipse: &'a Ellipse,
    aperture: f64,
    /// The radius changes by at most this along half a pixel.
    steepest: f64,
}

impl WithSimd for EllipseSums<'_> {
    type Output = [f64; 3];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 3] {
        let Self { stamp, ellipse: e, aperture, steepest } = self;
        let (zero, one) = (V8::splat(simd, 0.0), V8::splat(simd, 1.0));
        let (a, b) = (V8::splat(simd, e.a as f32), V8::splat(simd, e.b as f32));
        let (radius, tiny) = (V8::splat(simd, aperture as f32), V8::splat(simd, 1e-12));
        let (near, half) = (V8::splat(simd, steepest as f32), V8::splat(simd, 0.5));
        let mut totals = Totals::<S, 3>::new(simd);
        let mut usable = Vec::new();
        for j in e.rows(aperture) {
            let dy = j as f64 - e.cy;
            let chord = e.chord(j, aperture, 1.5);
            let x0 = V8::splat(simd, (chord.start as f64 - e.cx) as f32);
            let mut dx = V8::load(simd, &STEPS) + x0;
            let (b_dy, c_dy) =
                (V8::splat(simd, (e.b * dy) as f32), V8::splat(simd, (e.c * dy) as f32));
            let dy = V8::splat(simd, dy as f32);
            let (image, variance) =
                (&stamp.image.row(j)[chord.clone()], &stamp.variance.row(j)[chord.clone()]);
            usable.clear();
            usable.extend(stamp.mask.row(j)[chord].iter().map(|m| f32::from(m & EMPTY == 0)));
            for at in (0..usable.len()).step_by(LANES) {
                let (gx, gy) = (a * dx + b_dy, b * dx + c_dy);
                let r = (gx * dx + gy * dy).max(zero).sqrt();
                let depth = radius - r;
                // Half the gradient of radius^2 is r times that of the radius.
                let slope = (gx * gx + gy * gy).max(tiny).sqrt();
                let border = (half + depth * r / slope).max(zero).min(one);
                // Well inside every pixel counts whole.
                let w = near.select_at_most(depth, one, border);
                let w = w * V8::load(simd, &usable[at..]);
                let sums = &mut totals.running;
                sums[0] += w * V8::load(simd, &image[at..]);
                sums[1] += w * w * V8::load(simd, &variance[at..]);
                sums[2] += w;
                dx += V8::splat(simd, LANES as f32);
            }
            totals.end_row();
        }
        totals.finish()
    }
}
