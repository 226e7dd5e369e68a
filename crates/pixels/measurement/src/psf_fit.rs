//! Position and flux of a point source by least squares with the PSF.
//!
//! - input: a stamp, adu; the PSF about the source; output: pixels and adu
//! - position: Gauss-Newton in (flux, x, y). Weights are 1 / (sky + F P / gain) with the *model's*
//!   photon noise when the gain is known, so that noise in a pixel does not choose its own weight;
//!   constant otherwise.
//! - flux: at that position with constant weights, F = sum(P I) / sum(P^2): unbiased whatever the
//!   flux, and optimal where the sky dominates (Stetson 1987, PASP 99, 191 discusses the weights)
//! - errors: propagated from the full variance of each pixel through the estimator used

use crate::stamp::{Stamp, UNUSABLE};
use elqui_image::vectors::{LANES, Simd, V8, WithSimd, run, sums};
use elqui_image::wide::length;
use elqui_image::{LocalPsf, PsfSampler};

/// Memory that fits reuse.
#[derive(Default)]
pub struct Scratch {
    pub local: LocalPsf,
    /// The PSF as last drawn, and its gradients.
    pub drawn: [Vec<f32>; 3],
    pub values: Vec<f32>,
    /// The stamp that a source is measured on.
    pub stamp: Stamp,
    pub under: Under,
    pub spread: crate::spread::Scratch,
    pub joint: crate::joint::Scratch,
}

/// The stamp's pixels under a drawn PSF, pixel for pixel, so that sums run through plain arrays.
#[derive(Default)]
pub struct Under {
    pub image: Vec<f32>,
    pub variance: Vec<f32>,
    /// 1 where usable; 0 elsewhere, as outside the stamp.
    pub used: Vec<f32>,
}

impl Under {
    fn fill(&mut self, stamp: &Stamp, local: &LocalPsf) {
        let area = (2 * local.half_width() + 1).pow(2);
        for plane in [&mut self.image, &mut self.variance, &mut self.used] {
            plane.clear();
            plane.resize(area, 0.0);
        }
        let (image, variance) = (stamp.image.data(), stamp.variance.data());
        let mask = stamp.mask.data();
        for (at, psf_at, n) in overlap(stamp, local) {
            self.image[psf_at..psf_at + n].copy_from_slice(&image[at..at + n]);
            self.variance[psf_at..psf_at + n].copy_from_slice(&variance[at..at + n]);
            for (u, m) in self.used[psf_at..psf_at + n].iter_mut().zip(&mask[at..at + n]) {
                *u = (1 - (m & UNUSABLE)) as f32;
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PsfFit {
    pub x: f64,
    pub y: f64,
    pub x_err: f64,
    pub y_err: f64,
    /// The position converged near enough to its start.
    pub converged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PsfFlux {
    pub flux: f64,
    pub flux_err: f64,
    /// Part of the PSF's light that fell on unusable pixels or outside.
    pub lost: f64,
}

const ITERATIONS_MAX: usize = 12;
/// A step below this ends the iteration, pixels; the next would be far smaller.
const STEP_MIN: f64 = 5e-3;
const STEP_MAX: f64 = 0.7;

/// Rows where a drawn PSF and the stamp overlap: (stamp's index, PSF's index, length).
pub fn overlap(
    stamp: &Stamp,
    local: &LocalPsf,
) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
    let half = local.half_width() as i32;
    let side = 2 * half + 1;
    let (mx, my) = local.middle();
    // The PSF's first pixel, in the stamp.
    let (px, py) = (mx - half - stamp.x0, my - half - stamp.y0);
    let (w, h) = (stamp.image.width() as i32, stamp.image.height() as i32);
    let (i0, i1) = (px.max(0), (px + side).min(w));
    let (j0, j1) = (py.max(0), (py + side).min(h));
    let length = (i1 - i0).max(0) as usize;
    (j0..j1.max(j0)).map(move |j| {
        let at = j * w + i0;
        let psf_at = (j - py) * side + (i0 - px);
        (at.max(0) as usize, psf_at.max(0) as usize, length)
    })
}

/// Constant level of the variance under the source: the median of a few pixels at the fit's border.
fn sky_variance(stamp: &Stamp, local: &LocalPsf, scratch: &mut Vec<f32>) -> f64 {
    scratch.clear();
    let (mask, variance) = (stamp.mask.data(), stamp.variance.data());
    let rows = 2 * local.half_width();
    for (k, (at, _, n)) in overlap(stamp, local).enumerate() {
        let border = k == 0 || k == rows;
        let step = if border { 2 } else { n.saturating_sub(1).max(1) };
        scratch.extend(
            (at..at + n).step_by(step).filter(|&p| mask[p] & UNUSABLE == 0).map(|p| variance[p]),
        );
    }
    f64::from(elqui_base::median_f32(scratch))
}

/// Fit the position from `start`; it may move by `shift_max` pixels at most.
pub fn fit_position(
    stamp: &Stamp,
    sampler: &PsfSampler,
    start: (f64, f64),
    shift_max: f64,
    gain: f64,
    scratch: &mut Scratch,
) -> PsfFit {
    let (mut x, mut y) = start;
    let mut out = PsfFit { x, y, x_err: f64::NAN, y_err: f64::NAN, converged: false };
    let mut sky = f64::NAN;
    let mut flux = 0.0;
    for iteration in 0..ITERATIONS_MAX {
        if !scratch.local.covers(x, y) {
            sampler.localise(x, y, &mut scratch.local);
            scratch.under.fill(stamp, &scratch.local);
        } else if iteration == 0 {
            scratch.under.fill(stamp, &scratch.local);
        }
        if iteration == 0 && gain.is_finite() && gain > 0.0 {
            sky = sky_variance(stamp, &scratch.local, &mut scratch.values);
        }
        scratch.local.draw_with_gradient(x, y, &mut scratch.drawn);
        // Relative weight 1 / (1 + ratio P).
        let ratio = if sky > 0.0 && flux > 0.0 { (flux / (gain * sky)) as f32 } else { 0.0 };
        let s = run(Normal::<false> { under: &scratch.under, drawn: &scratch.drawn, ratio });
        let Some(inverse) = invert3(&s.a) else { return out };
        let solved = inverse.map(|r| r[0] * s.b[0] + r[1] * s.b[1] + r[2] * s.b[2]);
        flux = solved[0];
        if !(flux > 0.0) {
            return out;
        }
        let (dx, dy) = (solved[1] / flux, solved[2] / flux);
        let moved = length(dx, dy);
        if !moved.is_finite() {
            return out;
        }
        let shrink = (STEP_MAX / moved).min(1.0);
        (x, y) = (x + shrink * dx, y + shrink * dy);
        if length(x - start.0, y - start.1) > shift_max {
            return out;
        }
        // The first pass has no photon noise in its weights: always take a second.
        if moved < STEP_MIN && (iteration > 0 || !(sky > 0.0)) {
            let s = run(Normal::<true> { under: &scratch.under, drawn: &scratch.drawn, ratio });
            let c = sandwich(&inverse, &s.v);
            out = PsfFit {
                x,
                y,
                x_err: c[1].max(0.0).sqrt() / flux,
                y_err: c[2].max(0.0).sqrt() / flux,
                converged: true,
            };
            return out;
        }
    }
    out
}

/// Normal equations of (F, F dx, F dy), and the same with the weights squared times the variance.
struct Sums {
    a: [f64; 6],
    b: [f64; 3],
    v: [f64; 6],
}

/// The kernel of the sums; relative weights are 1 / (1 + ratio P).
struct Normal<'a, const ERRORS: bool> {
    under: &'a Under,
    drawn: &'a [Vec<f32>; 3],
    ratio: f32,
}

impl<const ERRORS: bool> WithSimd for Normal<'_, ERRORS> {
    type Output = Sums;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Sums {
        let [value, by_x, by_y] = self.drawn;
        let Under { image, variance, used } = self.under;
        let (zero, one) = (V8::splat(simd, 0.0), V8::splat(simd, 1.0));
        let ratio = V8::splat(simd, self.ratio);
        let (mut a, mut b, mut v) = ([zero; 6], [zero; 3], [zero; 6]);
        for at in (0..image.len()).step_by(LANES) {
            let (p, gx, gy) = (
                V8::load(simd, &value[at..]),
                V8::load(simd, &by_x[at..]),
                V8::load(simd, &by_y[at..]),
            );
            let w = V8::load(simd, &used[at..]) / (one + ratio * p.max(zero));
            let (wp, wx, wy) = (w * p, w * gx, w * gy);
            let t = [wp * p, wp * gx, wp * gy, wx * gx, wx * gy, wy * gy];
            // t holds one w: together w^2 var.
            let s = if ERRORS { w * V8::load(simd, &variance[at..]) } else { zero };
            for k in 0..6 {
                a[k] += t[k];
                if ERRORS {
                    v[k] += s * t[k];
                }
            }
            let d = V8::load(simd, &image[at..]);
            b[0] += wp * d;
            b[1] += wx * d;
            b[2] += wy * d;
        }
        Sums { a: sums(&a), b: sums(&b), v: sums(&v) }
    }
}

/// Inverse of a symmetric 3 x 3 matrix given as (00, 01, 02, 11, 12, 22).
fn invert3(m: &[f64; 6]) -> Option<[[f64; 3]; 3]> {
    let [a, b, c, d, e, f] = *m;
    let (c00, c01, c02) = (d * f - e * e, c * e - b * f, b * e - c * d);
    let det = a * c00 + b * c01 + c * c02;
    if !(det > 1e-12 * (a * d * f).abs()) {
        return None;
    }
    let (c11, c12, c22) = (a * f - c * c, b * c - a * e, a * d - b * b);
    let k = 1.0 / det;
    Some([[c00 * k, c01 * k, c02 * k], [c01 * k, c11 * k, c12 * k], [c02 * k, c12 * k, c22 * k]])
}

/// Diagonal of A^-1 V A^-1.
fn sandwich(inverse: &[[f64; 3]; 3], v: &[f64; 6]) -> [f64; 3] {
    let v = [[v[0], v[1], v[2]], [v[1], v[3], v[4]], [v[2], v[4], v[5]]];
    [0, 1, 2].map(|k| {
        let r = &inverse[k];
        (0..3).map(|i| (0..3).map(|j| r[i] * v[i][j] * r[j]).sum::<f64>()).sum()
    })
}

/// Flux of the PSF at (x, y); NaN when nothing of it is usable.
pub fn flux_at(
    stamp: &Stamp,
    sampler: &PsfSampler,
    (x, y): (f64, f64),
    scratch: &mut Scratch,
) -> PsfFlux {
    if !scratch.local.covers(x, y) {
        sampler.localise(x, y, &mut scratch.local);
    }
    scratch.local.draw(x, y, &mut scratch.drawn[0]);
    scratch.under.fill(stamp, &scratch.local);
    let [pd, pp, ppv, light, all] =
        run(FluxSums { under: &scratch.under, value: &scratch.drawn[0] });
    let lost = if all > 0.0 { (1.0 - light / all).clamp(0.0, 1.0) } else { 1.0 };
    if !(pp > 0.0) {
        return PsfFlux { flux: f64::NAN, flux_err: f64::NAN, lost: 1.0 };
    }
    PsfFlux { flux: pd / pp, flux_err: ppv.sqrt() / pp, lost }
}

/// Sums of P I, P^2, P^2 V and P over the usable pixels, and of P over all.
struct FluxSums<'a> {
    under: &'a Under,
    value: &'a [f32],
}

impl WithSimd for FluxSums<'_> {
    type Output = [f64; 5];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 5] {
        let Under { image, variance, used } = self.under;
        let mut out = [V8::splat(simd, 0.0); 5];
        for at in (0..image.len()).step_by(LANES) {
            let p = V8::load(simd, &self.value[at..]);
            let q = p * V8::load(simd, &used[at..]);
            let qq = q * q;
            out[0] += q * V8::load(simd, &image[at..]);
            out[1] += qq;
            out[2] += qq * V8::load(simd, &variance[at..]);
            out[3] += q;
            out[4] += p;
        }
        sums(&out)
    }
}
