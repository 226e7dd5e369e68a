//! The normal equations of one star: what its pixels say about flux, sky, place, shape and exponent.
//!
//! Rows of derivatives, each divided by the pixel's error, are laid out one unknown after the other for a
//! block of pixels; the equations are their inner products. Eight partial sums each, always in the same
//! order: the same bytes on every processor.
//! - unknowns in order: flux, sky, x, y, half width, e1, e2, and the exponent s

use crate::profile::Moffat;
use crate::stamp::{LANES, Stamp};
use crate::star_fit::Common;
use elqui_base::cholesky_solve;
use elqui_image::wide::widest;

/// All unknowns; those of place and those of shape come first.
pub(crate) const PLACE: usize = 4;
pub(crate) const SHAPE: usize = 7;
pub(crate) const ALL: usize = 8;
/// Pixels that are worked out together: their rows stay in the nearest cache.
const BLOCK: usize = 128;

pub(crate) struct Equations {
    /// Lower triangle of the first unknowns.
    pub matrix: [[f64; ALL]; ALL],
    pub vector: [f64; ALL],
}

/// The equations of the first N unknowns.
pub(crate) fn equations<const N: usize>(stamp: &Stamp, common: &Common<'_>) -> Equations {
    let mut e = Equations { matrix: [[0.0; ALL]; ALL], vector: [0.0; ALL] };
    widest(
        #[inline(always)]
        || add_pixels::<N>(stamp, common, &mut e),
    );
    let prior = common.sky.weight(stamp.base_variance);
    e.matrix[1][1] += prior;
    e.vector[1] -= prior * stamp.sky;
    e
}

#[inline(always)]
fn add_pixels<const N: usize>(stamp: &Stamp, common: &Common<'_>, e: &mut Equations) {
    let profile = Moffat::new(stamp.shape, common.s);
    let mut rows = [[0.0f64; BLOCK]; ALL + 1];
    let total = stamp.fitted();
    for from in (0..total).step_by(BLOCK) {
        let n = (total - from).min(BLOCK);
        fill::<N>(stamp, common, &profile, from..from + n, &mut rows);
        for p in 0..N {
            e.vector[p] += inner(&rows[p][..n], &rows[ALL][..n]);
            for q in 0..=p {
                e.matrix[p][q] += inner(&rows[p][..n], &rows[q][..n]);
            }
        }
    }
}

/// Derivatives and residuals (the last row) of some pixels over their errors.
#[inline(always)]
fn fill<const N: usize>(
    stamp: &Stamp,
    common: &Common<'_>,
    profile: &Moffat,
    range: std::ops::Range<usize>,
    rows: &mut [[f64; BLOCK]; ALL + 1],
) {
    let n = range.len();
    let (x, y) = (&stamp.x[range.clone()], &stamp.y[range.clone()]);
    let (data, floor) = (&stamp.data[range.clone()], &stamp.floor[range.clone()]);
    let (keep, departure) = (&stamp.keep[range.clone()], &common.departure[range]);
    let [flux_row, sky_row, x_row, y_row, h_row, e1_row, e2_row, s_row, rest_row] = rows;
    let (f, sky, noise) = (stamp.flux, stamp.sky, common.noise);
    for k in 0..n {
        let g = profile.gradient(f64::from(x[k]) - stamp.dx, f64::from(y[k]) - stamp.dy);
        let unit = g[0] + f64::from(departure[k]);
        let light = f * unit;
        let w = (f64::from(keep[k]) / noise.variance(floor[k].into(), light)).sqrt();
        flux_row[k] = w * unit;
        sky_row[k] = w;
        x_row[k] = w * f * g[1];
        y_row[k] = w * f * g[2];
        if N > PLACE {
            h_row[k] = w * f * g[3];
            e1_row[k] = w * f * g[4];
            e2_row[k] = w * f * g[5];
        }
        if N > SHAPE {
            s_row[k] = w * f * g[6];
        }
        rest_row[k] = w * (f64::from(data[k]) - sky - light);
    }
}

#[inline(always)]
fn inner(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    sums.iter().sum()
}

impl Equations {
    /// Matrix of the first n unknowns and its right side, scaled to a unit diagonal; and the scales.
    pub(crate) fn scaled(&self, n: usize) -> Option<(Vec<f64>, Vec<f64>, Vec<f64>)> {
        let scale: Vec<f64> = (0..n).map(|p| self.matrix[p][p].sqrt().recip()).collect();
        if scale.iter().any(|s| !s.is_finite()) {
            return None;
        }
        let mut a = vec![0.0; n * n];
        for p in 0..n {
            for q in 0..n {
                a[p * n + q] = self.matrix[p.max(q)][p.min(q)] * scale[p] * scale[q];
            }
        }
        Some((a, (0..n).map(|p| self.vector[p] * scale[p]).collect(), scale))
    }

    /// Step of the first n unknowns.
    pub(crate) fn step(&self, n: usize) -> Option<Vec<f64>> {
        let (a, b, scale) = self.scaled(n)?;
        let x = cholesky_solve(&a, &b).ok()?;
        Some(x.iter().zip(&scale).map(|(x, s)| x * s).collect())
    }
}
