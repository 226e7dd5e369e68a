//! Adaptive second moments: an elliptical Gaussian weight matched to the source itself.
//!
//! - source: Bernstein & Jarvis 2002, AJ 123, 583, sec. 3; Hirata & Seljak 2003, MNRAS 343, 459, sec. 2
//! - input: background-subtracted image, adu; output: centroid in pixels, moments in pixel^2
//! - the weight goes from row to row as [`GaussianRows`] says; pixels are summed in f32, all else in f64

use crate::gaussian_rows::GaussianRows;
use crate::image::Image;
use crate::mask::Mask;
use crate::vectors::{LANES, Simd, Totals, V8, WithSimd, run};
use crate::wide::length;

/// Result of [`adaptive_moments`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    pub x: f64,
    pub y: f64,
    pub ixx: f64,
    pub iyy: f64,
    pub ixy: f64,
    /// Flux of the matched Gaussian, adu.
    pub flux: f64,
    /// Iterations taken.
    pub iterations: usize,
    /// True when it did not converge or left its bounds; the other values are the last ones.
    pub failed: bool,
}

/// The iteration ends when the moments change by less than this part of themselves and the centroid
/// by less than this many pixels; what is left then is several times smaller.
const CHANGE_MIN: f64 = 5e-4;
/// Adaptive moments of the source near (x, y), starting from a round weight of `sigma` pixels.
///
/// Pixels whose mask has a bit of `reject` are left out. The centroid may move by at most
/// `max_shift` pixels; the weight's extent is bounded at `max_sigma`.
pub fn adaptive_moments(
    image: &Image<f32>,
    mask: &Mask,
    reject: u32,
    (x, y): (f64, f64),
    sigma: f64,
    max_shift: f64,
    max_sigma: f64,
) -> Moments {
    let s2 = sigma * sigma;
    let mut m =
        Moments { x, y, ixx: s2, iyy: s2, ixy: 0.0, flux: f64::NAN, iterations: 0, failed: true };
    let mut rows = GaussianRows::default();
    for iteration in 1..=60 {
        m.iterations = iteration;
        let det = m.ixx * m.iyy - m.ixy * m.ixy;
        if !(det > 1e-6) || m.ixx > max_sigma * max_sigma || m.iyy > max_sigma * max_sigma {
            return m;
        }
        let Some([f, fx, fy, fxx, fxy, fyy]) =
            weighted_sums(image, mask, reject, &m, det, &mut rows)
        else {
            return m;
        };
        if !(f > 0.0) {
            return m;
        }
        // The weighted centroid of a matched Gaussian moves by half of the true offset.
        let (dx, dy) = (fx / f, fy / f);
        m.x += 2.0 * dx;
        m.y += 2.0 * dy;
        if length(m.x - x, m.y - y) > max_shift {
            return m;
        }
        let (wxx, wxy, wyy) = (fxx / f - dx * dx, fxy / f - dx * dy, fyy / f - dy * dy);
        let wdet = wxx * wyy - wxy * wxy;
        if !(wdet > 0.0) {
            return m;
        }
        // Remove the weight: inverse moments of a product of Gaussians add.
        let (a, b, c) =
            (wyy / wdet - m.iyy / det, -wxy / wdet + m.ixy / det, wxx / wdet - m.ixx / det);
        let ndet = a * c - b * b;
        if !(ndet > 0.0 && a > 0.0) {
            return m;
        }
        let (nxx, nxy, nyy) = (c / ndet, -b / ndet, a / ndet);
        let scale = nxx + nyy;
        let change = ((nxx - m.ixx).abs() + (nyy - m.iyy).abs() + (nxy - m.ixy).abs()) / scale;
        (m.ixx, m.ixy, m.iyy) = (nxx, nxy, nyy);
        // Flux of the Gaussian whose weighted sum is f: f = F / 2 for weight = shape at unit peak,
        // times its normalisation 2 pi sqrt(det).
        if change < CHANGE_MIN && 2.0 * length(dx, dy) < CHANGE_MIN {
            m.flux = 2.0 * f;
            m.failed = false;
            return m;
        }
    }
    m
}

/// Sums of w I times 1, dx, dy, dx^2, dx dy, dy^2; `None` when too little of the weight is on
/// usable pixels.
fn weighted_sums(
    image: &Image<f32>,
    mask: &Mask,
    reject: u32,
    m: &Moments,
    det: f64,
    rows: &mut GaussianRows,
) -> Option<[f64; 6]> {
    const EXTENT: f64 = 4.0;
    let (rx, ry) = (EXTENT * m.ixx.sqrt(), EXTENT * m.iyy.sqrt());
    let x0 = (m.x - rx).ceil().max(0.0);
    let x1 = (m.x + rx).floor().min(image.width() as f64 - 1.0);
    let y0 = (m.y - ry).ceil().max(0.0);
    let y1 = (m.y + ry).floor().min(image.height() as f64 - 1.0);
    if !(x1 - x0 >= 1.0 && y1 - y0 >= 1.0) {
        return None;
    }
    let (columns, first) = ((x1 - x0) as usize + 1, x0 as usize);
    let form = [m.iyy / det, -m.ixy / det, m.ixx / det];
    rows.start(form, y0 - m.y, x0 - m.x, columns, image.width() - first);
    let (y0, y1) = (y0 as usize, y1 as usize);
    let [used, sums @ ..] = run(WeightedSums { image, mask, reject, first, y0, y1, rows });
    let weight_full = std::f64::consts::TAU * det.sqrt();
    (used > 0.6 * weight_full.min(1e9)).then_some(sums)
}

/// The kernel of the sums; the first is that of the weight.
struct WeightedSums<'a> {
    image: &'a Image<f32>,
    mask: &'a Mask,
    reject: u32,
    first: usize,
    y0: usize,
    y1: usize,
    rows: &'a mut GaussianRows,
}

impl WithSimd for WeightedSums<'_> {
    type Output = [f64; 7];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 7] {
        let Self { image, mask, reject, first, y0, y1, rows } = self;
        let mut totals = Totals::<S, 7>::new(simd);
        let mut picked = [0.0f64; 7];
        let n = rows.dx.len();
        for j in y0..=y1 {
            let row = &image.row(j)[first..first + n];
            let bits = &mask.row(j)[first..first + n];
            if bits.iter().fold(0, |a, b| a | b) & reject == 0 {
                let y = V8::splat(simd, rows.along_y as f32);
                let dy = V8::splat(simd, rows.dy as f32);
                for at in (0..n).step_by(LANES) {
                    let (w, dx) =
                        (V8::load(simd, &rows.weight[at..]) * y, V8::load(simd, &rows.dx[at..]));
                    let t = w * V8::load(simd, &row[at..]);
                    let (tx, ty) = (t * dx, t * dy);
                    let sums = &mut totals.running;
                    sums[0] += w;
                    sums[1] += t;
                    sums[2] += tx;
                    sums[3] += ty;
                    sums[4] += tx * dx;
                    sums[5] += tx * dy;
                    sums[6] += ty * dy;
                }
                totals.end_row();
            } else {
                let [used, s0, s1, s2] = picked_sums(row, &rows.weight, &rows.dx, bits, reject)
                    .map(|s| s * rows.along_y);
                let dy = rows.dy;
                let add = [used, s0, s1, s0 * dy, s2, s1 * dy, s0 * dy * dy];
                picked.iter_mut().zip(add).for_each(|(p, a)| *p += a);
            }
            rows.next_row();
        }
        let mut sums = totals.finish();
        sums.iter_mut().zip(picked).for_each(|(s, p)| *s += p);
        sums
    }
}

/// The sums of w, w I, w I dx, w I dx^2 over the pixels without a bit of `reject`.
fn picked_sums(row: &[f32], weight: &[f32], dx: &[f32], bits: &[u32], reject: u32) -> [f64; 4] {
    let mut s = [0.0f64; 4];
    for (((v, w), dx), b) in row.iter().zip(weight).zip(dx).zip(bits) {
        if b & reject == 0 {
            let (v, w, dx) = (f64::from(*v), f64::from(*w), f64::from(*dx));
            let t = w * v;
            s[0] += w;
            s[1] += t;
            s[2] += t * dx;
            s[3] += t * dx * dx;
        }
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_elliptical_gaussian_gives_its_own_moments() {
        let (x, y, ixx, iyy, ixy, flux) = (30.3, 28.7, 6.0, 3.5, 1.2, 5e4);
        let det: f64 = ixx * iyy - ixy * ixy;
        let image = Image::from_fn(61, 61, |i, j| {
            let (dx, dy) = (i as f64 - x, j as f64 - y);
            let q = (iyy * dx * dx - 2.0 * ixy * dx * dy + ixx * dy * dy) / det;
            (flux / (std::f64::consts::TAU * det.sqrt()) * (-0.5 * q).exp()) as f32
        });
        let m =
            adaptive_moments(&image, &Image::filled(61, 61, 0), 0, (30.0, 29.0), 1.5, 3.0, 10.0);
        assert!(!m.failed, "{m:?}");
        assert!((m.x - x).abs() < 1e-3 && (m.y - y).abs() < 1e-3, "{m:?}");
        assert!(
            (m.ixx - ixx).abs() < 5e-3 && (m.iyy - iyy).abs() < 5e-3 && (m.ixy - ixy).abs() < 5e-3,
            "{m:?}"
        );
        assert!((m.flux / flux - 1.0).abs() < 2e-3, "{m:?}");
    }

    #[test]
    fn a_thin_slanted_source_gives_its_own_moments() {
        // A trail at 45 degrees: 16 pixels long, 1 pixel wide (sigmas).
        let (along, across) = (256.0, 1.0);
        let (ixx, ixy) = (0.5 * (along + across), 0.5 * (along - across));
        let det: f64 = along * across;
        for sign in [1.0, -1.0] {
            let image = Image::from_fn(201, 201, |i, j| {
                let (dx, dy) = (i as f64 - 100.2, j as f64 - 99.7);
                let q = (ixx * (dx * dx + dy * dy) - 2.0 * sign * ixy * dx * dy) / det;
                (1e3 * (-0.5 * q).exp()) as f32
            });
            let mask = Image::filled(201, 201, 0);
            let m = adaptive_moments(&image, &mask, 0, (100.0, 100.0), 3.0, 3.0, 40.0);
            assert!(!m.failed, "{m:?}");
            assert!((m.ixx / ixx - 1.0).abs() < 5e-3 && (m.iyy / ixx - 1.0).abs() < 5e-3, "{m:?}");
            assert!((m.ixy / (sign * ixy) - 1.0).abs() < 5e-3, "{m:?}");
        }
    }

    #[test]
    fn an_empty_image_fails_without_a_panic() {
        let m = adaptive_moments(
            &Image::filled(9, 9, 0.0),
            &Image::filled(9, 9, 0),
            0,
            (4.0, 4.0),
            2.0,
            3.0,
            9.0,
        );
        assert!(m.failed);
    }
}
