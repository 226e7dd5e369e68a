//! A second point beside a source: one that was not detected.
//!
//! - model: F P + E (P_b - P) + a shift (slopes of P) + C P at a place from one FWHM on; weights 1 / variance
//! - the place: where a point is most significant on what the others leave, on a grid of a few pixels' step, and
//!   above [`COMPANY_SIGMA`]; then all are fitted together
//! - output: E / F and its error, from the joint matrix

use crate::psf_fit::Under;
use elqui_base::invert_spd;
use elqui_image::vectors::{LANES, Simd, V8, WithSimd};

/// What is found has to be this significant.
const COMPANY_SIGMA: f64 = 4.5;
/// Places that are looked at closely.
const PLACES: usize = 3;

/// The window's pixels in the search for a second point.
#[derive(Default)]
pub struct Company {
    /// P, its slopes along x and y, P_b - P, and the second point.
    templates: [Vec<f32>; 5],
    /// Inverse variance, 0 where unusable; the light; and what the model leaves of it.
    weight: Vec<f32>,
    light: Vec<f32>,
    left: Vec<f32>,
    places: Vec<(f64, i32, i32)>,
}

/// The kernel of the search: E / F and its error beside a second point; `None` without one.
pub struct Beside<'a> {
    pub company: &'a mut Company,
    pub under: &'a Under,
    /// The PSF drawn on a window of `side` pixels, and P_b.
    pub psf: &'a [f32],
    pub wide: &'a [f32],
    pub side: usize,
    /// The least distance, pixels.
    pub near: f64,
}

impl WithSimd for Beside<'_> {
    type Output = Option<[f64; 2]>;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Option<[f64; 2]> {
        let Self { company, under, psf, wide, side, near } = self;
        company.spread(simd, under, (psf, wide), (side, near))
    }
}

impl Company {
    #[inline(always)]
    fn spread<S: Simd>(
        &mut self,
        simd: S,
        under: &Under,
        (psf, wide): (&[f32], &[f32]),
        (side, near): (usize, f64),
    ) -> Option<[f64; 2]> {
        self.fill(under, (psf, wide), side);
        let fit = self.solve::<S, 4>(simd)?;
        for (k, left) in self.left.iter_mut().enumerate() {
            let model: f32 = (0..4).map(|t| fit.values[t] as f32 * self.templates[t][k]).sum();
            *left = self.light[k] - model;
        }
        self.look(simd, psf, side, near);
        let mut best = (COMPANY_SIGMA, None);
        for place in 0..self.places.len().min(PLACES) {
            let (_, dx, dy) = self.places[place];
            self.shift(psf, side, dx, dy);
            let along = self.along(simd, 4, 4);
            let mut b = [0.0f64; 4];
            for (t, b) in b.iter_mut().enumerate() {
                *b = self.along(simd, t, 4);
            }
            let own: f64 = (0..4)
                .map(|i| b[i] * (0..4).map(|j| fit.inverse[4 * i + j] * b[j]).sum::<f64>())
                .sum();
            let free = along - own;
            let sigma =
                sum(simd, &self.templates[4], &self.weight, &self.left) / free.max(0.0).sqrt();
            // What the others can take up altogether is no second point.
            if free > 0.02 * along && sigma > best.0 {
                best = (sigma, Some((dx, dy)));
            }
        }
        let (dx, dy) = best.1?;
        self.shift(psf, side, dx, dy);
        let fit = self.solve::<S, 5>(simd)?;
        let [flux, wider] = [fit.values[0], fit.values[3]];
        if !(flux > 0.0) {
            return None;
        }
        let ratio = wider / flux;
        let at = |i: usize, j: usize| fit.inverse[5 * i + j];
        let var = at(3, 3) - 2.0 * ratio * at(0, 3) + ratio * ratio * at(0, 0);
        Some([ratio, var.max(0.0).sqrt() / flux])
    }

    /// The window's templates, light and weights.
    fn fill(&mut self, under: &Under, (psf, wide): (&[f32], &[f32]), side: usize) {
        for v in [&mut self.weight, &mut self.light, &mut self.left] {
            v.clear();
            v.resize(side * side, 0.0);
        }
        let half = side as i32 / 2;
        for j in 0..side {
            let dy = j as i32 - half;
            for i in 0..side {
                let (dx, k) = (i as i32 - half, j * side + i);
                let v = under.variance[k];
                if under.used[k] > 0.0 && v > 0.0 && dx * dx + dy * dy <= half * half + half {
                    self.weight[k] = 1.0 / v;
                    self.light[k] = under.image[k];
                }
            }
        }
        let [p, by_x, by_y, wider, second] = &mut self.templates;
        for t in [&mut *p, by_x, by_y, wider, second] {
            t.clear();
            t.resize(side * side, 0.0);
        }
        p.copy_from_slice(psf);
        for k in side..side * (side - 1) {
            if k % side > 0 && k % side < side - 1 {
                by_x[k] = 0.5 * (psf[k - 1] - psf[k + 1]);
                by_y[k] = 0.5 * (psf[k - side] - psf[k + side]);
            }
        }
        wider.iter_mut().zip(wide.iter().zip(psf)).for_each(|(t, (w, p))| *t = w - p);
    }

    /// The places where what is left looks most like a point, best first.
    #[inline(always)]
    fn look<S: Simd>(&mut self, simd: S, psf: &[f32], side: usize, near: f64) {
        self.places.clear();
        let step = (near / 4.0).floor().max(1.0) as i32;
        let reach = side as i32 / 2 + 1;
        let steps = reach / step;
        for j in -steps..=steps {
            for i in (-steps..=steps).filter(|i| (i + j) % 2 == 0) {
                let (dx, dy) = (step * i, step * j);
                let away = f64::from(dx * dx + dy * dy);
                if away < near * near || away > f64::from(reach * reach) {
                    continue;
                }
                let (mut found, mut norm) = (V8::splat(simd, 0.0), V8::splat(simd, 0.0));
                for (to, from, n) in shifted(side as i32, dx, dy) {
                    let (p, w) = (&psf[from..from + n], &self.weight[to..to + n]);
                    let left = &self.left[to..to + n];
                    for at in (0..n).step_by(LANES) {
                        let p = V8::load(simd, &p[at..]);
                        let pw = p * V8::load(simd, &w[at..]);
                        found += pw * V8::load(simd, &left[at..]);
                        norm += pw * p;
                    }
                }
                let (found, norm) = (found.sum(), norm.sum());
                let sigma = found / norm.sqrt();
                // The others' share of its light makes it look less than it is.
                if sigma > 0.6 * COMPANY_SIGMA {
                    self.places.push((sigma, dx, dy));
                }
            }
        }
        self.places.sort_by(|a, b| b.0.total_cmp(&a.0));
    }

    /// Draw the second point.
    fn shift(&mut self, psf: &[f32], side: usize, dx: i32, dy: i32) {
        let second = &mut self.templates[4];
        second.fill(0.0);
        for (to, from, n) in shifted(side as i32, dx, dy) {
            second[to..to + n].copy_from_slice(&psf[from..from + n]);
        }
    }

    #[inline(always)]
    fn along<S: Simd>(&self, simd: S, a: usize, b: usize) -> f64 {
        sum(simd, &self.weight, &self.templates[a], &self.templates[b])
    }

    /// Least squares of the first N templates.
    #[inline(always)]
    fn solve<S: Simd, const N: usize>(&self, simd: S) -> Option<Fit> {
        let mut a = vec![0.0f64; N * N];
        for i in 0..N {
            for j in 0..=i {
                a[N * i + j] = self.along(simd, i, j);
                a[N * j + i] = a[N * i + j];
            }
        }
        let inverse = invert_spd(&a, N).ok()?;
        let mut b = [0.0f64; N];
        for (b, template) in b.iter_mut().zip(&self.templates) {
            *b = sum(simd, &self.weight, template, &self.light);
        }
        let values = (0..N).map(|i| (0..N).map(|j| inverse[N * i + j] * b[j]).sum()).collect();
        Some(Fit { values, inverse })
    }
}

struct Fit {
    values: Vec<f64>,
    inverse: Vec<f64>,
}

/// Sum of a b c.
#[inline(always)]
fn sum<S: Simd>(simd: S, a: &[f32], b: &[f32], c: &[f32]) -> f64 {
    let mut total = V8::splat(simd, 0.0);
    for at in (0..a.len()).step_by(LANES) {
        let (a, b) = (V8::load(simd, &a[at..]), V8::load(simd, &b[at..]));
        total += a * b * V8::load(simd, &c[at..]);
    }
    total.sum()
}

/// Rows of a square that a shift of it reaches: first pixel there, first pixel here, and how many.
fn shifted(side: i32, dx: i32, dy: i32) -> impl Iterator<Item = (usize, usize, usize)> {
    let n = (side - dx.abs()).max(0);
    (dy.max(0)..(side + dy).min(side)).map(move |y| {
        let (to, from) = (y * side + dx.max(0), (y - dy) * side + (-dx).max(0));
        (to as usize, from as usize, n as usize)
    })
}
