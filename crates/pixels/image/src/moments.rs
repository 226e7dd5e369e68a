//! Adaptive second moments: an elliptical Gaussian weight matched to the source itself.
//!
//! - source: Bernstein & Jarvis 2002, AJ 123, 583, sec. 3; Hirata & Seljak 2003, MNRAS 343, 459, sec. 2
//! - input: background-subtracted image, adu; output: centroid in pixels, moments in pixel^2
//! - differs from the reference iterations: the weight's Gaussian goes from row to row by one factor
//!   a column, so that no exponential is taken per pixel; thin slanted sources, for which the factors
//!   would leave the range of f64, are given their exponentials

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

/// The iteration ends when the moments change by less than this part of themselves and the centroid
/// by less than this many pixels; what is left then is several times smaller.
const CHANGE_MIN: f64 = 5e-4;
/// Square of the weight's correlation coefficient from which on it counts as thin.
const THIN: f64 = 0.9;
const LANES: usize = 4;

/// Memory of the weight: for each column of the window dx, the weight's part that holds dx in the
/// row at hand, and the factor that takes that to the next row.
#[derive(Default)]
struct Columns {
    dx: Vec<f64>,
    weight: Vec<f64>,
    factor: Vec<f64>,
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
    let mut columns = Columns::default();
    for iteration in 1..=60 {
        m.iterations = iteration;
        let det = m.ixx * m.iyy - m.ixy * m.ixy;
        if !(det > 1e-6) || m.ixx > max_sigma * max_sigma || m.iyy > max_sigma * max_sigma {
            return m;
        }
        let Some([f, fx, fy, fxx, fxy, fyy]) =
            weighted_sums(image, mask, reject, &m, det, &mut columns)
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
        if change < CHANGE_MIN && 2.0 * dx.hypot(dy) < CHANGE_MIN {
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
    columns: &mut Columns,
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
    let thin = m.ixy * m.ixy > THIN * m.ixx * m.iyy;
    let dy0 = y0 - m.y;
    let Columns { dx, weight, factor } = columns;
    dx.clear();
    dx.extend((x0..=x1).map(|i| i as f64 - m.x));
    weight.clear();
    factor.clear();
    weight.resize(dx.len(), 0.0);
    // The part of the weight that holds dy alone, its factor to the next row, and that one's.
    let mut along_y = (-0.5 * c * dy0 * dy0).exp();
    let (mut along_y_factor, along_y_step) = ((-0.5 * c * (2.0 * dy0 + 1.0)).exp(), (-c).exp());
    if !thin {
        first_row(weight, dx, a, b * dy0);
        let (mut f, step) = ((-b * dx[0]).exp(), (-b).exp());
        factor.extend(dx.iter().map(|_| {
            let now = f;
            f *= step;
            now
        }));
    }
    let mut sums = [0.0f64; 6];
    let mut weight_used = 0.0;
    for j in y0 as usize..=y1 as usize {
        let dy = j as f64 - m.y;
        let (row, bits) = (&image.row(j)[x0..=x1], &mask.row(j)[x0..=x1]);
        if thin {
            (along_y, along_y_factor) = (1.0, 1.0);
            for (w, dx) in weight.iter_mut().zip(dx.iter()) {
                *w = (-0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy)).exp();
            }
        }
        let clean = bits.iter().fold(0, |a, b| a | b) & reject == 0;
        let s = if clean {
            row_sums(row, weight, dx)
        } else {
            let mut s = [0.0; 4];
            let pixels = row.iter().zip(bits).filter(|(_, b)| *b & reject == 0).map(|(v, _)| v);
            let at = weight.iter().zip(dx.iter()).zip(bits).filter(|(_, b)| *b & reject == 0);
            pixels.zip(at).for_each(|(v, ((w, dx), _))| add(&mut s, *v, *w, *dx));
            s
        };
        let [used, s0, s1, s2] = s.map(|s| s * along_y);
        weight.iter_mut().zip(factor.iter()).for_each(|(w, f)| *w *= f);
        along_y *= along_y_factor;
        along_y_factor *= along_y_step;
        weight_used += used;
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

/// exp(-a dx^2 / 2 - b dx) of each column, from the largest of them outwards.
fn first_row(weight: &mut [f64], dx: &[f64], a: f64, b: f64) {
    let last = dx.len() - 1;
    let top = (-b / a - dx[0]).round().clamp(0.0, last as f64) as usize;
    let at = dx[top];
    let step = (-a).exp();
    let start = (-(0.5 * a * at + b) * at).exp();
    let (mut w, mut ratio) = (start, (-0.5 * a * (2.0 * at + 1.0) - b).exp());
    for out in &mut weight[top..] {
        *out = w;
        w *= ratio;
        ratio *= step;
    }
    (w, ratio) = (start, (0.5 * a * (2.0 * at - 1.0) + b).exp());
    for out in weight[..=top].iter_mut().rev() {
        *out = w;
        w *= ratio;
        ratio *= step;
    }
}

/// Add one pixel to the sums of w, w I, w I dx, w I dx^2.
fn add(s: &mut [f64; 4], value: f32, w: f64, dx: f64) {
    let t = w * f64::from(value);
    s[0] += w;
    s[1] += t;
    s[2] += t * dx;
    s[3] += t * dx * dx;
}

/// The sums of a row whose pixels are all usable, in lanes.
fn row_sums(row: &[f32], weight: &[f64], dx: &[f64]) -> [f64; 4] {
    let mut lanes = [[0.0f64; LANES]; 4];
    let (rows, weights, dxs) =
        (row.chunks_exact(LANES), weight.chunks_exact(LANES), dx.chunks_exact(LANES));
    let mut rest = [0.0f64; 4];
    for ((v, w), dx) in rows.remainder().iter().zip(weights.remainder()).zip(dxs.remainder()) {
        add(&mut rest, *v, *w, *dx);
    }
    for ((v, w), dx) in rows.zip(weights).zip(dxs) {
        for l in 0..LANES {
            let t = w[l] * f64::from(v[l]);
            let td = t * dx[l];
            lanes[0][l] += w[l];
            lanes[1][l] += t;
            lanes[2][l] += td;
            lanes[3][l] += td * dx[l];
        }
    }
    for (sum, lane) in rest.iter_mut().zip(&lanes) {
        *sum += (lane[0] + lane[1]) + (lane[2] + lane[3]);
    }
    rest
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
