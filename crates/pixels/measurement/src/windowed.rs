//! The windowed centroid, and the errors of the adaptive moments.
//!
//! - centroid: x <- x + 2 sum(w I (x - x0)) / sum(w I) with a Gaussian window of the source's own width (FWHM
//!   = half-light diameter), until it rests (SExtractor's XWIN_IMAGE; Bertin & Arnouts 1996, A&AS 117, 393)
//! - its error: noise moves the point of rest by sum(w n (x - x0)) / sum(w I (1 - (x - x0)^2 / s^2)); with 2 / sum(w I)
//!   instead, right for a Gaussian source, errors of Moffat stars come out a tenth too small
//! - moments: noise moves the fixed point of the matched weight (Bernstein & Jarvis 2002, AJ 123, 583, sec. 3) by
//!   sum(w n (d d' - C/2)) / sum(w I), divided by 1/2 - m/8 for the shape and 3/4 - m/4 for the size, where
//!   m = <rho^4> of the weighted light, rho^2 = d' C^-1 d: 2 and both 1/4 for a Gaussian, more for a Moffat star
//! - units: pixels, pixels^2; pixels with a bit of `reject` are left out

use elqui_image::{Image, Mask};

/// A step below this ends the iteration, pixels.
const STEP_MIN: f64 = 2e-4;
const ITERATIONS_MAX: usize = 16;
/// The window ends at so many sigma.
const EXTENT: f64 = 4.0;
/// Part of the window's weight that must be on usable pixels.
const WEIGHT_MIN: f64 = 0.8;
/// Largest <rho^4> that is believed; de Vaucouleurs galaxies have about 2.5.
const FOURTH_MAX: f64 = 2.6;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Windowed {
    pub x: f64,
    pub y: f64,
    pub x_err: f64,
    pub y_err: f64,
    pub flag: bool,
}

impl Windowed {
    pub const FAILED: Self =
        Self { x: f64::NAN, y: f64::NAN, x_err: f64::NAN, y_err: f64::NAN, flag: true };
}

/// Planes of pixels that agree in size.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    pub image: &'a Image<f32>,
    pub variance: &'a Image<f32>,
    pub mask: &'a Mask,
    pub reject: u32,
}

/// First and last pixel within `reach` of `at`; `None` when there is none.
fn range(at: f64, reach: f64, n: usize) -> Option<(usize, usize)> {
    let first = (at - reach).ceil().max(0.0);
    let last = (at + reach).floor().min(n as f64 - 1.0);
    (first <= last).then_some((first as usize, last as usize))
}

/// The windowed centroid from (x, y), pixels of the planes, with a window of `sigma` pixels.
pub fn windowed_centroid(
    planes: &Planes<'_>,
    (x0, y0): (f64, f64),
    sigma: f64,
    shift_max: f64,
) -> Windowed {
    if !(x0.is_finite() && y0.is_finite() && sigma > 0.2 && sigma < 200.0) {
        return Windowed::FAILED;
    }
    let (mut x, mut y) = (x0, y0);
    let mut along_x = Vec::new();
    for iteration in 0..ITERATIONS_MAX {
        let Some(s) = window_sums::<false>(planes, (x, y), sigma, &mut along_x) else {
            return Windowed::FAILED;
        };
        let (dx, dy) = (2.0 * s.fx / s.f, 2.0 * s.fy / s.f);
        (x, y) = (x + dx, y + dy);
        if !((x - x0).hypot(y - y0) <= shift_max) || iteration + 1 == ITERATIONS_MAX {
            return Windowed::FAILED;
        }
        if dx.hypot(dy) < STEP_MIN {
            break;
        }
    }
    let Some(s) = window_sums::<true>(planes, (x, y), sigma, &mut along_x) else {
        return Windowed::FAILED;
    };
    let per = 1.0 / (sigma * sigma);
    let error = |v: f64, second: f64| v.max(0.0).sqrt() / (s.f - per * second).max(0.0);
    let (x_err, y_err) = (error(s.vx, s.fxx), error(s.vy, s.fyy));
    Windowed { x, y, x_err, y_err, flag: !(x_err.is_finite() && y_err.is_finite()) }
}

#[derive(Default)]
struct WindowSums {
    f: f64,
    fx: f64,
    fy: f64,
    fxx: f64,
    fyy: f64,
    vx: f64,
    vy: f64,
}

/// exp(-d^2 / 2 s^2) of each (d, _), a pixel apart: by factors from the middle outwards.
fn gaussians(columns: &mut [(f64, f64)], sigma: f64) {
    let k = 0.5 / (sigma * sigma);
    let step = (-2.0 * k).exp();
    let middle = columns.partition_point(|(d, _)| *d < 0.0);
    let (low, high) = columns.split_at_mut(middle);
    // Outwards by one from distance d: the exponent falls by k (2 d + 1), and by 2 k more each time.
    let run = |side: &mut dyn Iterator<Item = &mut (f64, f64)>| {
        let (mut w, mut ratio) = (f64::NAN, f64::NAN);
        for (n, cell) in side.enumerate() {
            if n == 0 {
                let d = cell.0.abs();
                (w, ratio) = ((-k * d * d).exp(), (-k * (2.0 * d + 1.0)).exp());
            }
            cell.1 = w;
            w *= ratio;
            ratio *= step;
        }
    };
    run(&mut low.iter_mut().rev());
    run(&mut high.iter_mut());
}

fn window_sums<const ERRORS: bool>(
    p: &Planes<'_>,
    (x, y): (f64, f64),
    sigma: f64,
    along_x: &mut Vec<(f64, f64)>,
) -> Option<WindowSums> {
    let reach = EXTENT * sigma;
    let (i0, i1) = range(x, reach, p.image.width())?;
    let (j0, j1) = range(y, reach, p.image.height())?;
    let gauss = |d: f64| (-0.5 * d * d / (sigma * sigma)).exp();
    along_x.clear();
    along_x.extend((i0..=i1).map(|i| (i as f64 - x, 0.0)));
    gaussians(along_x, sigma);
    let mut s = WindowSums::default();
    let mut used = 0.0;
    for j in j0..=j1 {
        let dy = j as f64 - y;
        let wy = gauss(dy);
        let (row, bits) = (&p.image.row(j)[i0..=i1], &p.mask.row(j)[i0..=i1]);
        let (mut f, mut fx, mut fxx, mut w) = (0.0, 0.0, 0.0, 0.0);
        for ((&(dx, wx), &v), &b) in along_x.iter().zip(row).zip(bits) {
            let wx = if b & p.reject == 0 { wx } else { 0.0 };
            let t = wx * f64::from(v);
            w += wx;
            f += t;
            fx += t * dx;
            fxx += t * dx * dx;
        }
        used += wy * w;
        s.f += wy * f;
        s.fx += wy * fx;
        s.fy += wy * f * dy;
        s.fxx += wy * fxx;
        s.fyy += wy * f * dy * dy;
        if ERRORS {
            for ((&(dx, wx), &v), &b) in
                along_x.iter().zip(p.variance.row(j)[i0..=i1].iter()).zip(bits)
            {
                let t = if b & p.reject == 0 { (wx * wy).powi(2) * f64::from(v) } else { 0.0 };
                s.vx += t * dx * dx;
                s.vy += t * dy * dy;
            }
        }
    }
    let whole = std::f64::consts::TAU * sigma * sigma;
    (s.f > 0.0 && used > WEIGHT_MIN * whole).then_some(s)
}

/// Errors of adaptive moments (xx, yy, xy) that converged at (x, y); NaN when they cannot be said.
pub fn moment_errors(
    planes: &Planes<'_>,
    (x, y): (f64, f64),
    [ixx, iyy, ixy]: [f64; 3],
) -> [f64; 3] {
    let none = [f64::NAN; 3];
    let det = ixx * iyy - ixy * ixy;
    if !(det > 1e-6 && ixx > 0.0 && ixx < 1e6 && iyy < 1e6 && x.is_finite() && y.is_finite()) {
        return none;
    }
    let (a, b, c) = (iyy / det, -ixy / det, ixx / det);
    let Some((j0, j1)) = range(y, EXTENT * iyy.sqrt(), planes.image.height()) else { return none };
    let (mut f, mut fourth) = (0.0, 0.0);
    // Variances of xx + yy, of xx - yy, of xy, and the covariance of the first two.
    let mut v = [0.0f64; 4];
    for j in j0..=j1 {
        let dy = j as f64 - y;
        // The ellipse's chord in this row.
        let room = (EXTENT * EXTENT - dy * dy / iyy).max(0.0) / a;
        let middle = x - b * dy / a;
        let Some((i0, i1)) = range(middle, room.sqrt(), planes.image.width()) else { continue };
        // The weight goes along the row by factors.
        let dx = i0 as f64 - x;
        let mut w = (-0.5 * (a * dx * dx + 2.0 * b * dx * dy + c * dy * dy)).exp();
        let mut ratio = (-0.5 * a * (2.0 * dx + 1.0) - b * dy).exp();
        let step = (-a).exp();
        let pixels = planes.image.row(j)[i0..=i1].iter().zip(&planes.variance.row(j)[i0..=i1]);
        for (k, ((&value, &variance), &bits)) in
            pixels.zip(&planes.mask.row(j)[i0..=i1]).enumerate()
        {
            if bits & planes.reject == 0 {
                let dx = (i0 + k) as f64 - x;
                let t = w * w * f64::from(variance);
                let light = w * f64::from(value);
                let rho2 = a * dx * dx + 2.0 * b * dx * dy + c * dy * dy;
                f += light;
                fourth += light * rho2 * rho2;
                let (nx, ny) = (dx * dx - 0.5 * ixx, dy * dy - 0.5 * iyy);
                v[0] += t * (nx + ny).powi(2);
                v[1] += t * (nx - ny).powi(2);
                v[2] += t * (dx * dy - 0.5 * ixy).powi(2);
                v[3] += t * (nx + ny) * (nx - ny);
            }
            w *= ratio;
            ratio *= step;
        }
    }
    if !(f > 0.0) {
        return none;
    }
    // Noise must not make the answer of a faint source infinite.
    let m = (fourth / f).clamp(2.0, FOURTH_MAX);
    let (size, shape) = (f * (0.75 - 0.25 * m), f * (0.5 - 0.125 * m));
    let (ss, dd, sd) = (v[0] / (size * size), v[1] / (shape * shape), v[3] / (size * shape));
    let error = |v: f64| v.max(0.0).sqrt();
    [error(0.25 * (ss + dd + 2.0 * sd)), error(0.25 * (ss + dd - 2.0 * sd)), error(v[2]) / shape]
}
