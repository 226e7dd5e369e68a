//! The map that is fitted: polynomials from pixels to the plane, upon the instrument's distortion where that is known.
//!
//! - input: pixels scaled by half the image's longer side about its middle: u, v
//! - output: arcsec on the plane; TAN with SIP
//! - terms: 1, U, V, then u^2, uv, v^2, ... up to the order, where (U, V) are u and v without a distortion:
//!   the instrument's where that is known, else none, or a radial one, U = u (1 + k r^2), whose k is fitted: what
//!   most optics have costs one parameter instead of fourteen. Order 1 is then that map shifted, turned and
//!   sheared, and higher orders are corrections of it
//! - the result is itself one polynomial in u and v, so that SIP holds it exactly

use crate::config::Detected;
use crate::error::AstrometryError;
use crate::pattern::Point;
use elqui_base::{
    ARCSEC_PER_RAD, Polynomial2d, UnitVector, cholesky_solve, invert_spd, term_count,
};
use elqui_wcs::Wcs;

/// Largest order of what is fitted, and of an instrument's distortion.
pub const ORDER_MAX: usize = 5;
const INSTRUMENT_ORDER_MAX: usize = 7;
const TERMS_MAX: usize = term_count(ORDER_MAX);
/// An instrument's distortion is kept when a polynomial holds it this well, pixels; below it there is none.
const INSTRUMENT_ERROR_PX: f64 = 2e-4;

/// 1, u, v, u^2, uv, v^2, ... without powers.
fn fill_terms(row: &mut [f64], order: usize, u: f64, v: f64) {
    row[0] = 1.0;
    let (mut k, mut previous) = (1, 0);
    for total in 1..=order {
        for j in 0..total {
            row[k + j] = row[previous + j] * u;
        }
        row[k + total] = row[previous + total - 1] * v;
        previous = k;
        k += total + 1;
    }
}

/// Pixels of an image on the scale of the fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    pub half: f64,
    pub middle: Point,
}

impl Scaling {
    pub fn new(size: [f64; 2]) -> Self {
        Self {
            half: 0.5 * size[0].max(size[1]).max(1.0),
            middle: [0.5 * (size[0] - 1.0), 0.5 * (size[1] - 1.0)],
        }
    }

    pub fn scaled(&self, x: f64, y: f64) -> Point {
        [(x - self.middle[0]) / self.half, (y - self.middle[1]) / self.half]
    }
}

/// The instrument's plane in units of pixels: U(u, v) and V(u, v), linear about the image's middle.
#[derive(Debug, Clone, PartialEq)]
pub struct InstrumentPlane {
    scaling: Scaling,
    order: usize,
    coefficients: [Vec<f64>; 2],
}

impl InstrumentPlane {
    /// `None` where the map has no distortion worth the name, or one that no polynomial of order 7 holds.
    pub fn new(wcs: &Wcs, size: [f64; 2]) -> Option<Self> {
        const N: usize = 24;
        let scaling = Scaling::new(size);
        let [cx, cy] = scaling.middle;
        let (ra, dec) = wcs.pixel_to_sky(cx, cy);
        if !(ra.is_finite() && dec.is_finite()) {
            return None;
        }
        let center = UnitVector::from_ra_dec_deg(ra, dec);
        let plane = |x: f64, y: f64| -> Option<Point> {
            let (ra, dec) = wcs.pixel_to_sky(x, y);
            let (xi, eta) = UnitVector::from_ra_dec_deg(ra, dec).to_tangent(center)?;
            (xi.is_finite() && eta.is_finite())
                .then_some([xi * ARCSEC_PER_RAD, eta * ARCSEC_PER_RAD])
        };
        let j = wcs.jacobian(cx, cy);
        let det = j[0][0] * j[1][1] - j[0][1] * j[1][0];
        let (mut points, mut values) = (Vec::new(), [Vec::new(), Vec::new()]);
        let mut bent = 0.0f64;
        for k in 0..N * N {
            let at = |i: usize, size: f64| (size - 1.0) * i as f64 / (N - 1) as f64;
            let (x, y) = (at(k % N, size[0]), at(k / N, size[1]));
            let p = plane(x, y)?;
            let straight =
                [(j[1][1] * p[0] - j[0][1] * p[1]) / det, (j[0][0] * p[1] - j[1][0] * p[0]) / det];
            bent = bent.max((straight[0] - x + cx).hypot(straight[1] - y + cy));
            points.push([x, y]);
            values[0].push(straight[0] / scaling.half);
            values[1].push(straight[1] / scaling.half);
        }
        if !(bent > INSTRUMENT_ERROR_PX && bent.is_finite()) {
            return None;
        }
        let sigmas = vec![1.0; points.len()];
        let scales = (scaling.middle, [1.0 / scaling.half; 2]);
        for order in [3, 5, INSTRUMENT_ORDER_MAX] {
            let fit = |v: &[f64]| Polynomial2d::fit(order, scales, &points, v, &sigmas).ok();
            let (Some(u), Some(v)) = (fit(&values[0]), fit(&values[1])) else { return None };
            let worst = points.iter().enumerate().fold(0.0f64, |worst, (k, p)| {
                let off = (u.0.eval(p[0], p[1]) - values[0][k])
                    .hypot(v.0.eval(p[0], p[1]) - values[1][k]);
                worst.max(off * scaling.half)
            });
            if worst < INSTRUMENT_ERROR_PX {
                return Some(Self {
                    scaling,
                    order,
                    coefficients: [u.0.coefficients, v.0.coefficients],
                });
            }
        }
        None
    }

    fn eval(&self, u: f64, v: f64) -> Point {
        let mut row = [0.0; term_count(INSTRUMENT_ORDER_MAX)];
        fill_terms(&mut row, self.order, u, v);
        [0, 1].map(|axis| self.coefficients[axis].iter().zip(&row).map(|(c, t)| c * t).sum())
    }

    /// A pixel position without the distortion.
    pub fn straightened(&self, x: f64, y: f64) -> Point {
        let [u, v] = self.scaling.scaled(x, y);
        let p = self.eval(u, v);
        [0, 1].map(|k| self.scaling.middle[k] + self.scaling.half * p[k])
    }
}

/// Which terms a model has.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    pub scaling: Scaling,
    pub order: usize,
    pub base: Option<&'a InstrumentPlane>,
    /// k of a radial distortion, where there is no instrument's.
    pub radial: f64,
}

impl Shape<'_> {
    /// Of one axis, k not counted.
    pub fn terms(&self) -> usize {
        term_count(self.order)
    }

    /// U and V as polynomials, and their order.
    fn straight(&self) -> (usize, [Vec<f64>; 2]) {
        if let Some(base) = self.base {
            return (base.order, base.coefficients.clone());
        }
        let order = if self.radial == 0.0 { 1 } else { 3 };
        let (mut u, mut v) = (vec![0.0; term_count(order)], vec![0.0; term_count(order)]);
        (u[1], v[2]) = (1.0, 1.0);
        if order == 3 {
            // u^3, u^2 v, u v^2, v^3 are terms 6 to 9.
            (u[6], u[8], v[7], v[9]) = (self.radial, self.radial, self.radial, self.radial);
        }
        (order, [u, v])
    }

    fn row(&self, x: f64, y: f64) -> [f64; TERMS_MAX] {
        let [u, v] = self.scaling.scaled(x, y);
        let mut row = [0.0; TERMS_MAX];
        fill_terms(&mut row, self.order, u, v);
        if let Some(base) = self.base {
            [row[1], row[2]] = base.eval(u, v);
        } else if self.radial != 0.0 {
            let growth = 1.0 + self.radial * (u * u + v * v);
            [row[1], row[2]] = [u * growth, v * growth];
        }
        row
    }
}

/// Points spread evenly over an image.
fn grid(size: [f64; 2]) -> Vec<Point> {
    const N: usize = 16;
    let at = |i: usize, size: f64| size * (i as f64 + 0.5) / N as f64 - 0.5;
    (0..N * N).map(|k| [at(k % N, size[0]), at(k / N, size[1])]).collect()
}

/// A fitted map, and the covariance of its coefficients (one matrix an axis).
#[derive(Debug, Clone)]
pub struct Model<'a> {
    pub shape: Shape<'a>,
    pub coefficients: [Vec<f64>; 2],
    normal: [Vec<f64>; 2],
    /// The normal matrices are in units of this, arcsec.
    unit: f64,
}

impl<'a> Model<'a> {
    /// Weighted least squares; `sigmas` per axis, `unit` about as large as they are, all in arcsec.
    pub fn fit(
        shape: Shape<'a>,
        data: impl Iterator<Item = (Detected, Point, [f64; 2])>,
        unit: f64,
    ) -> Result<Self, AstrometryError> {
        let n = shape.terms();
        let mut normal = [vec![0.0; n * n], vec![0.0; n * n]];
        let mut sides = [vec![0.0; n], vec![0.0; n]];
        for (d, target, sigma) in data {
            let row = shape.row(d.x, d.y);
            for axis in 0..2 {
                let (matrix, side) = (&mut normal[axis], &mut sides[axis]);
                let w = (unit / sigma[axis]).powi(2);
                for i in 0..n {
                    let wi = w * row[i];
                    side[i] += wi * target[axis];
                    for (m, t) in matrix[i * n..=i * n + i].iter_mut().zip(&row) {
                        *m += wi * t;
                    }
                }
            }
        }
        let mut coefficients = [Vec::new(), Vec::new()];
        for axis in 0..2 {
            for i in 0..n {
                for j in 0..i {
                    normal[axis][j * n + i] = normal[axis][i * n + j];
                }
            }
            coefficients[axis] = cholesky_solve(&normal[axis], &sides[axis])
                .map_err(|e| AstrometryError::Fit { reason: e.to_string() })?;
        }
        Ok(Self { shape, coefficients, normal, unit })
    }

    pub fn apply(&self, d: &Detected) -> Point {
        let row = self.shape.row(d.x, d.y);
        [0, 1].map(|axis| self.coefficients[axis].iter().zip(&row).map(|(c, t)| c * t).sum())
    }

    /// Error of the map per axis (arcsec), root mean square over an image of this size.
    pub fn mean_error(&self, size: [f64; 2]) -> f64 {
        let n = self.shape.terms();
        let mut gram = vec![0.0; n * n];
        let points = grid(size);
        for p in &points {
            let row = self.shape.row(p[0], p[1]);
            for i in 0..n {
                for j in 0..n {
                    gram[i * n + j] += row[i] * row[j] / points.len() as f64;
                }
            }
        }
        let variance = self.normal.iter().fold(0.0, |sum, matrix| {
            let trace = invert_spd(matrix, n)
                .map_or(f64::NAN, |c| c.iter().zip(&gram).map(|(c, g)| c * g).sum::<f64>());
            sum + 0.5 * trace * self.unit * self.unit
        });
        variance.sqrt()
    }

    /// Mean square of the difference to another model per axis (arcsec^2) over an image of this size.
    pub fn mean_square_from(&self, other: &Self, size: [f64; 2]) -> f64 {
        let points = grid(size);
        let sum: f64 = points
            .iter()
            .map(|p| {
                let d = Detected { x: p[0], y: p[1], ..Detected::default() };
                let (a, b) = (self.apply(&d), other.apply(&d));
                0.5 * ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2))
            })
            .sum();
        sum / points.len() as f64
    }

    /// TAN with SIP about `center`, which is where the image's middle lies.
    pub fn to_wcs(&self, center: UnitVector, size: [f64; 2]) -> Result<Wcs, AstrometryError> {
        let (straight_order, straight) = self.shape.straight();
        let order = self.shape.order.max(straight_order);
        let whole = [0, 1].map(|axis| {
            let mut out = vec![0.0; term_count(order)];
            for (k, c) in self.coefficients[axis].iter().enumerate() {
                if k == 1 || k == 2 {
                    out.iter_mut().zip(&straight[k - 1]).for_each(|(o, p)| *o += c * p);
                } else {
                    out[k] += c;
                }
            }
            out
        });
        let half = self.shape.scaling.half;
        let per_pixel =
            |k: usize, axis: usize, power: usize| whole[axis][k] / half.powi(power as i32) / 3600.0;
        let cd =
            [[per_pixel(1, 0, 1), per_pixel(2, 0, 1)], [per_pixel(1, 1, 1), per_pixel(2, 1, 1)]];
        let det = cd[0][0] * cd[1][1] - cd[0][1] * cd[1][0];
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let mut k = 3;
        for total in 2..=order {
            for j in 0..=total {
                let (e, n) = (per_pixel(k, 0, total), per_pixel(k, 1, total));
                a.push(((total - j, j), (cd[1][1] * e - cd[0][1] * n) / det));
                b.push(((total - j, j), (cd[0][0] * n - cd[1][0] * e) / det));
                k += 1;
            }
        }
        let (ra, dec) = center.to_ra_dec_deg();
        Wcs::tan_sip_from_fit([ra, dec], self.shape.scaling.middle, cd, order, a, b, size)
            .map_err(|e| AstrometryError::Fit { reason: e.to_string() })
    }
}
