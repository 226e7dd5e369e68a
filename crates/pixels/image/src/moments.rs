//! Adaptive second moments: an elliptical Gaussian weight matched to the source itself.
//!
//! - source: Bernstein & Jarvis 2002, AJ 123, 583, sec. 3; Hirata & Seljak 2003, MNRAS 343, 459, sec. 2
//! - input: background-subtracted image, adu; output: centroid in pixels, moments in pixel^2
//! - differs from the reference iterations: the weight's Gaussian is made along each row by a
//!   two-term recurrence, so that no exponential is taken per pixel

use crate::image::Image;
use crate::mask::Mask;

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
    for iteration in 1..=60 {
        m.iterations = iteration;
        let det = m.ixx * m.iyy - m.ixy * m.ixy;
        if !(det > 1e-6) || m.ixx > max_sigma * max_sigma || m.iyy > max_sigma * max_sigma {
            return m;
        }
        let Some([f, fx, fy, fxx, fxy, fyy]) = weighted_sums(image, mask, reject, &m, det) else {
            return m;
        };
        if !(f > 0.0) {
            return m;
        }
        // The weighted centroid of a matched Gaussian moves by half of the true offset.
        let (dx, dy) = (fx / f, fy / f);
        m.x += 2.0 * dx;
        m.y += 2.0 * dy;
        if (m.x - x).hypot(m.y - y) > max_shift {
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
        if change < 1e-4 && 2.0 * dx.hypot(dy) < 1e-4 {
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
) -> Option<[f64; 6]> {
    let (a, b, c) = (m.iyy / det, -m.ixy / det, m.ixx / det);
    const EXTENT: f64 = 4.0;
    let (rx, ry) = (EXTENT * m.ixx.sqrt(), EXTENT * m.iyy.sqrt());
    let x0 = (m.x - rx).ceil().max(0.0);
    let x1 = (m.x + rx).floor().min(image.width() as f64 - 1.0);
    let y0 = (m.y - ry).ceil().max(0.0);
    let y1 = (m.y + ry).floor().min(image.height() as f64 - 1.0);
    if !(x1 - x0 >= 1.0 && y1 - y0 >= 1.0) {
        return None;
    }
    let (x0, x1) = (x0 as usize, x1 as usize);
    let dx0 = x0 as f64 - m.x;
    let ratio_step = (-a).exp();
    // The first ratio of a row, from row to row.
    let dy0 = y0 - m.y;
    let mut row_ratio = (-0.5 * (a * (2.0 * dx0 + 1.0) + 2.0 * b * dy0)).exp();
    let row_ratio_step = (-b).exp();
    let mut sums = [0.0f64; 6];
    let mut weight_used = 0.0;
    for j in y0 as usize..=y1 as usize {
        let dy = j as f64 - m.y;
        let mut w = (-0.5 * (a * dx0 * dx0 + 2.0 * b * dx0 * dy + c * dy * dy)).exp();
        let mut ratio = row_ratio;
        row_ratio *= row_ratio_step;
        let (row, bits) = (&image.row(j)[x0..=x1], &mask.row(j)[x0..=x1]);
        let (mut s0, mut s1, mut s2) = (0.0, 0.0, 0.0);
        let mut dx = dx0;
        for (value, bit) in row.iter().zip(bits) {
            if bit & reject == 0 {
                let t = w * f64::from(*value);
                weight_used += w;
                s0 += t;
                s1 += t * dx;
                s2 += t * dx * dx;
            }
            w *= ratio;
            ratio *= ratio_step;
            dx += 1.0;
        }
        sums[0] += s0;
        sums[1] += s1;
        sums[2] += s0 * dy;
        sums[3] += s2;
        sums[4] += s1 * dy;
        sums[5] += s0 * dy * dy;
    }
    let weight_full = std::f64::consts::TAU * det.sqrt();
    (weight_used > 0.6 * weight_full.min(1e9)).then_some(sums)
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
