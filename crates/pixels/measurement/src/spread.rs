//! How much a source spreads beyond the PSF: a linear matched filter.
//!
//! - model: I = F P + E (P_b - P), P the PSF at the source and P_b the PSF widened by a binomial kernel
//!   to about 1.6 times its area; F and E by least squares with constant weights, inside a circle
//! - the template need not be exact: a point source has none of it. At the drawn PSF's border it is widened
//!   as if it went on with what it has there
//! - output: (E / F) x (T_b / T - 1), T the trace of the second moments: 0 for a point source, about the
//!   relative excess of area of a small galaxy; and its error, from each pixel's variance
//! - source: the idea is SPREAD_MODEL's (Desai et al. 2012, ApJ 757, 83, sec. 5.1; Bouy et al. 2013,
//!   A&A 554, A101); differs in the template, which is matched to the galaxies that are hardest to
//!   tell, in units of area, and in that it is one fit instead of a difference of two ratios
//! - it never fails to converge: there is nothing to iterate
//! - company: where the spread is significant, a second point is looked for on what P, its slopes and P_b leave,
//!   from one FWHM on. Found, it is part of the fit: a galaxy is the same on either side, a star with an
//!   unseen neighbour is not

mod company;

use crate::psf_fit::Under;
use company::{Beside, Company};
use elqui_image::vectors::{LANES, Simd, Totals, V8, WithSimd, run};
use elqui_image::wide::widest;

/// Excess of area that the template has, nearly.
const EXCESS: f64 = 0.6;
const PASSES_MAX: usize = 48;
/// A second point is looked for where the spread is above this many errors, and below this.
const LOOK_SIGMA: f64 = 2.0;
const LOOK_MAX: f64 = 1.5;
/// FWHM of a PSF of unit ixx + iyy, nearly.
const FWHM: f64 = 1.65;

/// Memory that calls reuse.
#[derive(Default)]
pub struct Scratch {
    wide: Vec<f32>,
    next: Vec<f32>,
    company: Company,
}

/// Excess of area and its error; NaN where nothing can be said.
///
/// - `under`: the pixels under the drawn PSF `psf`, whose ixx + iyy is `area` in pixel^2
pub fn spread(under: &Under, psf: &[f32], area: f64, scratch: &mut Scratch) -> [f64; 2] {
    let nothing = [f64::NAN; 2];
    if !(area > 0.0 && area.is_finite() && psf.len() >= 9) {
        return nothing;
    }
    // A pass of (1, 2, 1) / 4 along both axes adds half a pixel^2 to each second moment.
    let passes = ((EXCESS * area).round() as usize).clamp(1, PASSES_MAX);
    let side = psf.len().isqrt();
    scratch.wide.clear();
    scratch.wide.extend_from_slice(psf);
    widest(
        #[inline(always)]
        || widen(&mut scratch.wide, side, passes, &mut scratch.next),
    );
    let [pp, pd, dd, ip, id, vpp, vpd, vdd] = run(Sums { under, psf, wide: &scratch.wide, side });
    let det = pp * dd - pd * pd;
    if !(det > 1e-12 * pp * dd) {
        return nothing;
    }
    let flux = (ip * dd - id * pd) / det;
    let wider = (id * pp - ip * pd) / det;
    // The flux that belongs to the whole: both templates have unit sum or none.
    if !(flux > 0.0) {
        return nothing;
    }
    let unit = passes as f64 / area;
    let ratio = wider / flux;
    // Variance of E - ratio F: the error of the ratio to first order.
    let (a, b) = (pp + ratio * pd, -(pd + ratio * dd));
    let var = (a * a * vdd + 2.0 * a * b * vpd + b * b * vpp) / (det * det);
    let plain = [unit * ratio, unit * var.max(0.0).sqrt() / flux];
    if !(plain[0] > LOOK_SIGMA * plain[1] && plain[0] < LOOK_MAX) {
        return plain;
    }
    let Scratch { wide, company, .. } = scratch;
    let near = FWHM * area.sqrt();
    run(Beside { company, under, psf, wide, side, near })
        .map_or(plain, |[ratio, err]| [unit * ratio, unit * err])
}

/// The kernel of the sums within the circle: P P, P D, D D, I P, I D with D = P_b - P, and the first three
/// times the variance.
struct Sums<'a> {
    under: &'a Under,
    psf: &'a [f32],
    wide: &'a [f32],
    side: usize,
}

impl WithSimd for Sums<'_> {
    type Output = [f64; 8];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 8] {
        let Self { under: Under { image, variance, used }, psf, wide, side } = self;
        let mut totals = Totals::<S, 8>::new(simd);
        let half = side / 2;
        let radius = half as f64 + 0.5;
        for j in 0..side {
            let dy = j as f64 - half as f64;
            let rim = half - (radius * radius - dy * dy).max(0.0).sqrt() as usize;
            let end = (j + 1) * side - rim;
            for at in (j * side + rim..end).step_by(LANES) {
                let whole = V8::load(simd, &psf[at..end]);
                let used = V8::load(simd, &used[at..end]);
                let p = whole * used;
                let d = (V8::load(simd, &wide[at..end]) - whole) * used;
                let (v, w) = (V8::load(simd, &image[at..end]), V8::load(simd, &variance[at..end]));
                let (pp, pd, dd) = (p * p, p * d, d * d);
                let sums = &mut totals.running;
                sums[0] += pp;
                sums[1] += pd;
                sums[2] += dd;
                sums[3] += v * p;
                sums[4] += v * d;
                sums[5] += w * pp;
                sums[6] += w * pd;
                sums[7] += w * dd;
            }
            totals.end_row();
        }
        totals.finish()
    }
}

/// Passes of (1, 2, 1) / 4 along x and along y; outside is as the border.
#[inline(always)]
fn widen(image: &mut [f32], side: usize, passes: usize, next: &mut Vec<f32>) {
    next.resize(image.len(), 0.0);
    let smooth = |before: f32, here: f32, after: f32| 0.25 * (before + after) + 0.5 * here;
    for _ in 0..passes {
        // Along x as if rows went on in the next, then the borders put right.
        let n = image.len();
        for i in 1..n - 1 {
            next[i] = smooth(image[i - 1], image[i], image[i + 1]);
        }
        for start in (0..n).step_by(side) {
            let end = start + side - 1;
            next[start] = smooth(image[start], image[start], image[start + 1]);
            next[end] = smooth(image[end - 1], image[end], image[end]);
        }
        for j in 0..side {
            let row = |j: usize| &next[j * side..(j + 1) * side];
            let (before, here) = (row(j.saturating_sub(1)), row(j));
            let after = row((j + 1).min(side - 1));
            let out = &mut image[j * side..(j + 1) * side];
            for i in 0..side {
                out[i] = smooth(before[i], here[i], after[i]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_light_and_adds_to_the_moments() {
        let side = 21;
        let mut image = vec![0.0f32; side * side];
        image[10 * side + 10] = 1.0;
        widen(&mut image, side, 3, &mut Vec::new());
        let moment = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            image
                .iter()
                .enumerate()
                .map(|(k, v)| f((k % side) as f64 - 10.0, (k / side) as f64 - 10.0) * f64::from(*v))
                .sum()
        };
        assert!((moment(&|_, _| 1.0) - 1.0).abs() < 1e-6);
        assert!((moment(&|x, _| x * x) - 1.5).abs() < 1e-5);
        assert!((moment(&|_, y| y * y) - 1.5).abs() < 1e-5);
        assert!(moment(&|x, y| x * y).abs() < 1e-6);
    }
}
