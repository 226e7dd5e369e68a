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

use elqui_image::vectors::{LANES, Simd, Totals, V8, WithSimd, run};
use elqui_image::wide::length;
use elqui_image::{GaussianRows, Image, Mask};

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
    let mut rows = GaussianRows::default();
    for iteration in 0..ITERATIONS_MAX {
        let Some(s) = window_sums::<false>(planes, (x, y), sigma, &mut rows) else {
            return Windowed::FAILED;
        };
        let (dx, dy) = (2.0 * s.fx / s.f, 2.0 * s.fy / s.f);
        (x, y) = (x + dx, y + dy);
        if !(length(x - x0, y - y0) <= shift_max) || iteration + 1 == ITERATIONS_MAX {
            return Windowed::FAILED;
        }
        if length(dx, dy) < STEP_MIN {
            break;
        }
    }
    let Some(s) = window_sums::<true>(planes, (x, y), sigma, &mut rows) else {
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

fn window_sums<const ERRORS: bool>(
    p: &Planes<'_>,
    (x, y): (f64, f64),
    sigma: f64,
    rows: &mut GaussianRows,
) -> Option<WindowSums> {
    let reach = EXTENT * sigma;
    let (i0, i1) = range(x, reach, p.image.width())?;
    let (j0, j1) = range(y, reach, p.image.height())?;
    let k = 1.0 / (sigma * sigma);
    let (columns, room) = (i1 + 1 - i0, p.image.width() - i0);
    rows.start([k, 0.0, k], j0 as f64 - y, i0 as f64 - x, columns, room);
    let (used, s) = run(Window::<ERRORS> { planes: p, i0, j0, j1, rows });
    let whole = std::f64::consts::TAU * sigma * sigma;
    (s.f > 0.0 && used > WEIGHT_MIN * whole).then_some(s)
}

/// The kernel of the window's sums; the weight's sum comes first.
struct Window<'a, const ERRORS: bool> {
    planes: &'a Planes<'a>,
    i0: usize,
    j0: usize,
    j1: usize,
    rows: &'a mut GaussianRows,
}

impl<const ERRORS: bool> WithSimd for Window<'_, ERRORS> {
    type Output = (f64, WindowSums);
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> (f64, WindowSums) {
        let Self { planes, i0, j0, j1, rows } = self;
        let mut totals = Totals::<S, 8>::new(simd);
        let n = rows.dx.len();
        let mut free = Vec::new();
        for j in j0..=j1 {
            let (wy, dy) = (V8::splat(simd, rows.along_y as f32), V8::splat(simd, rows.dy as f32));
            let row = &planes.image.row(j)[i0..i0 + n];
            let variance = &planes.variance.row(j)[i0..i0 + n];
            let wx = planes.free(j, i0, &rows.weight, &mut free);
            for at in (0..n).step_by(LANES) {
                let (w, dx) = (V8::load(simd, &wx[at..]) * wy, V8::load(simd, &rows.dx[at..]));
                let t = w * V8::load(simd, &row[at..]);
                let (tx, ty) = (t * dx, t * dy);
                let sums = &mut totals.running;
                sums[0] += w;
                sums[1] += t;
                sums[2] += tx;
                sums[3] += ty;
                if ERRORS {
                    sums[4] += tx * dx;
                    sums[5] += ty * dy;
                    let v = w * w * V8::load(simd, &variance[at..]);
                    sums[6] += v * dx * dx;
                    sums[7] += v * dy * dy;
                }
            }
            totals.end_row();
            rows.next_row();
        }
        let [used, f, fx, fy, fxx, fyy, vx, vy] = totals.finish();
        (used, WindowSums { f, fx, fy, fxx, fyy, vx, vy })
    }
}

impl Planes<'_> {
    /// The weights of row j from column i0 on, 0 where a pixel is left out.
    #[inline(always)]
    fn free<'b>(
        &self,
        j: usize,
        i0: usize,
        weight: &'b [f32],
        scratch: &'b mut Vec<f32>,
    ) -> &'b [f32] {
        let bits = &self.mask.row(j)[i0..i0 + weight.len()];
        if bits.iter().fold(0, |a, b| a | b) & self.reject == 0 {
            return weight;
        }
        scratch.clear();
        scratch.extend(
            weight.iter().zip(bits).map(|(w, b)| if b & self.reject == 0 { *w } else { 0.0 }),
        );
        scratch
    }
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
    let (reach_x, reach_y) = (EXTENT * ixx.sqrt(), EXTENT * iyy.sqrt());
    let Some((i0, i1)) = range(x, reach_x, planes.image.width()) else { return none };
    let Some((j0, j1)) = range(y, reach_y, planes.image.height()) else { return none };
    let (columns, room) = (i1 + 1 - i0, planes.image.width() - i0);
    let form = [iyy / det, -ixy / det, ixx / det];
    let mut rows = GaussianRows::default();
    rows.start(form, j0 as f64 - y, i0 as f64 - x, columns, room);
    let moments = [ixx, iyy, ixy];
    let [f, fourth, v @ ..] = run(ErrorSums { planes, i0, j0, j1, moments, form, rows: &mut rows });
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

/// The kernel of the errors' sums: the weighted light, that times rho^4, and the noise's variances of
/// xx + yy, of xx - yy and of xy, and the covariance of the first two.
struct ErrorSums<'a> {
    planes: &'a Planes<'a>,
    i0: usize,
    j0: usize,
    j1: usize,
    /// Moments xx, yy, xy and the form a, b, c that is their inverse.
    moments: [f64; 3],
    form: [f64; 3],
    rows: &'a mut GaussianRows,
}

impl WithSimd for ErrorSums<'_> {
    type Output = [f64; 6];
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 6] {
        let Self { planes, i0, j0, j1, moments: [ixx, iyy, ixy], form: [a, b, c], rows } = self;
        let splat = V8::splat;
        let (zero, a) = (splat(simd, 0.0), splat(simd, a as f32));
        let limit = splat(simd, (EXTENT * EXTENT) as f32);
        let n = rows.dx.len();
        let mut totals = Totals::<S, 6>::new(simd);
        let mut free = Vec::new();
        for j in j0..=j1 {
            let (wy, dy) = (splat(simd, rows.along_y as f32), rows.dy);
            let row = &planes.image.row(j)[i0..i0 + n];
            let variance = &planes.variance.row(j)[i0..i0 + n];
            let wx = planes.free(j, i0, &rows.weight, &mut free);
            let (cyy, by) = (splat(simd, (c * dy * dy) as f32), splat(simd, (2.0 * b * dy) as f32));
            let (half_xx, half_xy) =
                (splat(simd, (0.5 * ixx) as f32), splat(simd, (0.5 * ixy) as f32));
            let (y, ny) = (splat(simd, dy as f32), splat(simd, (dy * dy - 0.5 * iyy) as f32));
            for at in (0..n).step_by(LANES) {
                let dx = V8::load(simd, &rows.dx[at..]);
                let rho2 = cyy + (by + a * dx) * dx;
                let w = V8::load(simd, &wx[at..]) * wy;
                let w = rho2.select_at_most(limit, w, zero);
                let t = w * w * V8::load(simd, &variance[at..]);
                let light = w * V8::load(simd, &row[at..]);
                let nx = dx * dx - half_xx;
                let (size, shape, cross) = (nx + ny, nx - ny, dx * y - half_xy);
                let sums = &mut totals.running;
                sums[0] += light;
                sums[1] += light * rho2 * rho2;
                sums[2] += t * size * size;
                sums[3] += t * shape * shape;
                sums[4] += t * cross * cross;
                sums[5] += t * size * shape;
            }
            totals.end_row();
            rows.next_row();
        }
        totals.finish()
    }
}
