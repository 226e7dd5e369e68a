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

use crate::psf_fit::overlap;
use crate::stamp::{Stamp, UNUSABLE};
use company::Company;
use elqui_image::LocalPsf;
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
    row: Vec<f32>,
    company: Company,
}

/// Excess of area and its error; NaN where nothing can be said.
///
/// - `psf`: the drawn PSF, `area` its ixx + iyy in pixel^2
pub fn spread(
    stamp: &Stamp,
    local: &LocalPsf,
    psf: &[f32],
    area: f64,
    scratch: &mut Scratch,
) -> [f64; 2] {
    let nothing = [f64::NAN; 2];
    if !(area > 0.0 && area.is_finite()) {
        return nothing;
    }
    // A pass of (1, 2, 1) / 4 along both axes adds half a pixel^2 to each second moment.
    let passes = ((EXCESS * area).round() as usize).clamp(1, PASSES_MAX);
    let side = 2 * local.half_width() + 1;
    let radius = local.half_width() as f64 + 0.5;
    scratch.wide.clear();
    scratch.wide.extend_from_slice(psf);
    for _ in 0..passes {
        widen(&mut scratch.wide, side, &mut scratch.row);
    }
    let (mut pp, mut pd, mut dd, mut ip, mut id) = (0.0f64, 0.0f64, 0.0f64, 0.0f64, 0.0f64);
    let (mut vpp, mut vpd, mut vdd) = (0.0f64, 0.0f64, 0.0f64);
    let (image, variance, mask) = (stamp.image.data(), stamp.variance.data(), stamp.mask.data());
    for (at, psf_at, n) in overlap(stamp, local) {
        let (j, i0) = (psf_at / side, psf_at % side);
        let dy = j as f64 - local.half_width() as f64;
        let rim = local.half_width() - (radius * radius - dy * dy).max(0.0).sqrt() as usize;
        let mut s = [0.0f32; 8];
        let (from, to) = (rim.max(i0) - i0, (i0 + n).min(side - rim).max(i0) - i0);
        for k in from..to.max(from) {
            let usable = (1 - (mask[at + k] & UNUSABLE)) as f32;
            let p = psf[psf_at + k] * usable;
            let d = (scratch.wide[psf_at + k] - psf[psf_at + k]) * usable;
            let (v, w) = (image[at + k], variance[at + k]);
            let terms = [p * p, p * d, d * d, v * p, v * d, w * p * p, w * p * d, w * d * d];
            s.iter_mut().zip(terms).for_each(|(s, t)| *s += t);
        }
        let s = s.map(f64::from);
        (pp, pd, dd, ip, id) = (pp + s[0], pd + s[1], dd + s[2], ip + s[3], id + s[4]);
        (vpp, vpd, vdd) = (vpp + s[5], vpd + s[6], vdd + s[7]);
    }
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
    widest(|| company.spread(stamp, local, (psf, wide), near))
        .map_or(plain, |[ratio, err]| [unit * ratio, unit * err])
}

/// One pass of (1, 2, 1) / 4 along x and along y; outside is as the border.
fn widen(image: &mut [f32], side: usize, row: &mut Vec<f32>) {
    for line in image.chunks_exact_mut(side) {
        let mut before = line[0];
        for i in 0..side {
            let here = line[i];
            let after = line.get(i + 1).copied().unwrap_or(here);
            line[i] = 0.25 * (before + after) + 0.5 * here;
            before = here;
        }
    }
    row.clear();
    row.extend_from_slice(&image[..side]);
    for j in 0..side {
        let (head, rest) = image.split_at_mut((j + 1) * side);
        let here = &mut head[j * side..];
        let after = rest.get(..side);
        for i in 0..side {
            let value = here[i];
            let below = after.map_or(value, |a| a[i]);
            here[i] = 0.25 * (row[i] + below) + 0.5 * value;
            row[i] = value;
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
        let mut row = Vec::new();
        for _ in 0..3 {
            widen(&mut image, side, &mut row);
        }
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
