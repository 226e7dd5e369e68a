//! Stars as stamps: their pixels, what those weigh, and the light of neighbours in them.
//!
//! A pixel's variance is `floor + k flux m + (epsilon flux m)^2` with the model's light m, not the
//! data's: a variance made from the data makes pixels that scattered low weigh more. `floor`
//! is the stamp's variance without the star's photons and `k` the variance per adu of light, both
//! read off the variance image, whichever way that was made.

use crate::profile::{Moffat, Shape};
use crate::star::{Neighbour, StarCandidate};
use elqui_base::median;
use elqui_image::{AxisTaps, Image, Mask, MaskPlane};

/// Samples in a FWHM: with fewer, drawing between them costs more than 2e-4 of the size.
const SAMPLES_PER_FWHM: f64 = 6.4;
/// Below this width what departs from the analytic profile needs samples finer than the pixels.
const FINE_BELOW_FWHM: f64 = 2.5;
/// The wings go on to this many FWHM: a Moffat profile of exponent 3 has 0.05% of its light beyond.
const WINGS_FWHM: f64 = 6.0;
/// A variance above this many times the expected one is believed.
const EXCESS_VARIANCE: f32 = 2.5;
/// Error of a neighbour's light that was subtracted, as a part of it.
const NEIGHBOUR_ERROR: f32 = 0.3;

/// Spacing of the model's samples, pixels: 1, 1/2 or 1/4.
pub(crate) fn step_for(fwhm: f64) -> f64 {
    match fwhm / SAMPLES_PER_FWHM {
        w if w >= 1.0 => 1.0,
        w if w >= 0.5 => 0.5,
        _ => 0.25,
    }
}

/// Spacing of the departure's samples, pixels.
pub(crate) fn coarse_step_for(fwhm: f64) -> f64 {
    if fwhm < FINE_BELOW_FWHM { 0.5 } else { 1.0 }
}

/// Half-width of the stamps that are fitted, pixels.
pub(crate) fn half_width_for(fwhm: f64) -> usize {
    (4.0 * fwhm).ceil().clamp(10.0, 25.0) as usize
}

/// Half-width of the model, pixels.
pub(crate) fn wing_half_width_for(fwhm: f64) -> usize {
    half_width_for(fwhm).max((WINGS_FWHM * fwhm).ceil().clamp(12.0, 30.0) as usize)
}

/// Side of the sample grid.
pub(crate) fn grid_for(half_width: usize, step: f64) -> usize {
    2 * (half_width as f64 / step).round() as usize + 1
}

/// How noisy light is, in all stamps alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    /// Variance per adu of light.
    pub per_adu: f64,
    /// Relative error of the model.
    pub epsilon: f64,
}

/// Pixels of one star.
pub(crate) struct Stamp {
    /// Which of the candidates it is.
    pub candidate: usize,
    /// Middle pixel.
    pub cx: i32,
    pub cy: i32,
    pub half: usize,
    /// The star's place relative to it, flux, the sky's level under it, and its own shape.
    pub dx: f64,
    pub dy: f64,
    pub flux: f64,
    pub sky: f64,
    pub shape: Shape,
    /// Errors of half width, e1 and e2.
    pub shape_error: [f64; 3],
    /// Image without the neighbours' light, and that light.
    pub data: Vec<f32>,
    pub others: Vec<f32>,
    /// Variance of the stamp without its star, 0 where there is no usable pixel.
    pub floor: Vec<f32>,
    /// Near a neighbour.
    pub blocked: Vec<bool>,
    /// False where blocked and where a pixel was clipped.
    pub keep: Vec<bool>,
    /// Chi^2 per pixel of the core.
    pub misfit: f64,
    /// Takes part in the fit.
    pub good: bool,
    /// Median of the variance without the star.
    pub base_variance: f64,
}

impl Stamp {
    /// The star's surroundings. `per_adu` from [`variance_per_adu`].
    pub(crate) fn cut(
        (image, variance, mask): (&Image<f32>, &Image<f32>, &Mask),
        star: &StarCandidate,
        candidate: usize,
        fwhm: f64,
        per_adu: f64,
    ) -> Self {
        let half = half_width_for(fwhm);
        let (cx, cy) = (star.x.round() as i32, star.y.round() as i32);
        let side = 2 * half + 1;
        let mut data = vec![0.0f32; side * side];
        let mut floor = vec![0.0f32; side * side];
        for (k, (v, var)) in pixels((image, variance, mask), (cx, cy), half) {
            data[k] = v;
            floor[k] = var;
        }
        let k = per_adu as f32;
        let mut dark: Vec<f64> = data
            .iter()
            .zip(&floor)
            .enumerate()
            .filter(|(i, (_, f))| **f > 0.0 && radius(*i, half) > 1.5 * fwhm)
            .map(|(_, (v, f))| f64::from(f - k * v))
            .collect();
        let mut base = median(&mut dark);
        if !(base > 0.0) {
            let mut all: Vec<f64> =
                floor.iter().filter(|f| **f > 0.0).map(|f| f64::from(*f)).collect();
            base = median(&mut all);
        }
        let base = if base > 0.0 { base } else { 1.0 };
        for (f, v) in floor.iter_mut().zip(&data) {
            let expected = base as f32 + k * v.max(0.0);
            if *f > 0.0 && *f < EXCESS_VARIANCE * expected {
                *f = base as f32;
            }
        }
        let mut out = Self {
            candidate,
            cx,
            cy,
            half,
            dx: star.x - f64::from(cx),
            dy: star.y - f64::from(cy),
            flux: star.flux,
            sky: 0.0,
            shape: Shape { half_width: 0.5 * fwhm, e1: star.e1, e2: star.e2 }.bounded(),
            shape_error: [f64::NAN; 3],
            others: vec![0.0; side * side],
            blocked: vec![false; side * side],
            keep: vec![true; side * side],
            data,
            floor,
            misfit: f64::NAN,
            good: true,
            base_variance: base,
        };
        out.block_neighbours(&star.neighbours, fwhm);
        out
    }

    pub(crate) fn position(&self) -> (f64, f64) {
        (f64::from(self.cx) + self.dx, f64::from(self.cy) + self.dy)
    }

    pub(crate) fn side(&self) -> usize {
        2 * self.half + 1
    }

    /// Variance of pixel k where the star's model has `light`; `None` when the pixel is not used.
    pub(crate) fn variance(&self, k: usize, light: f64, noise: &Noise) -> Option<f64> {
        let f = f64::from(self.floor[k]);
        if f <= 0.0 || !self.keep[k] {
            return None;
        }
        Some(f + noise.per_adu * light.max(0.0) + (noise.epsilon * light).powi(2))
    }

    /// Pixels where a neighbour outshines what could be subtracted of it say nothing.
    fn block_neighbours(&mut self, neighbours: &[Neighbour], fwhm: f64) {
        let (half, side) = (self.half as f64, self.side());
        for n in neighbours {
            // Brighter neighbours reach farther, but never into the star's own core.
            let (nx, ny) = self.relative(n);
            let apart = (nx - self.dx).hypot(ny - self.dy);
            let reach = fwhm * (1.0 + 0.5 * (1.0 + 20.0 * f64::from(n.relative_flux)).ln());
            let (ni, nj) = (nx + half, ny + half);
            let low = |v: f64| (v - reach).ceil().max(0.0) as usize;
            let high = |v: f64| ((v + reach).floor() + 1.0).clamp(0.0, side as f64) as usize;
            for j in low(nj)..high(nj) {
                for i in low(ni)..high(ni) {
                    let own = (i as f64 - half).hypot(j as f64 - half);
                    let other = (i as f64 - ni).hypot(j as f64 - nj);
                    if other < reach && (own > other || own > apart.min(1.5 * fwhm)) {
                        self.blocked[j * side + i] = true;
                        self.keep[j * side + i] = false;
                    }
                }
            }
        }
    }

    fn relative(&self, n: &Neighbour) -> (f64, f64) {
        (f64::from(n.x) - f64::from(self.cx), f64::from(n.y) - f64::from(self.cy))
    }

    /// Take the neighbours' light off, each as a point source at its peak with the star's own
    /// profile, and trust what is left the less for it.
    pub(crate) fn subtract_neighbours(&mut self, neighbours: &[Neighbour], s: f64) {
        let profile = Moffat::new(self.shape, s);
        let (half, side) = (self.half as f64, self.side());
        let raw: Vec<f32> = self.data.iter().zip(&self.others).map(|(d, o)| d + o).collect();
        for (k, o) in self.others.iter_mut().enumerate() {
            let old = NEIGHBOUR_ERROR * *o;
            if self.floor[k] > 0.0 {
                self.floor[k] = (self.floor[k] - old * old).max(1e-3 * self.base_variance as f32);
            }
            *o = 0.0;
        }
        let place = |k: usize| ((k % side) as f64 - half, (k / side) as f64 - half);
        for n in neighbours {
            let (nx, ny) = self.relative(n);
            let reach = 2.0 * self.shape.half_width;
            let (mut top, mut bottom, mut count) = (0.0, 0.0, 0.0);
            for k in 0..raw.len() {
                let (x, y) = place(k);
                if self.floor[k] <= 0.0 || (x - nx).hypot(y - ny) > reach {
                    continue;
                }
                let own = self.flux * profile.value(x - self.dx, y - self.dy) + self.sky;
                let m = profile.value(x - nx, y - ny);
                top += m * (f64::from(raw[k] - self.others[k]) - own);
                bottom += m * m;
                count += 1.0;
            }
            let seen = count > 0.5 * std::f64::consts::PI * reach * reach;
            let flux =
                if seen { top / bottom } else { f64::from(n.relative_flux) * self.flux }.max(0.0);
            for (k, o) in self.others.iter_mut().enumerate() {
                let (x, y) = place(k);
                *o += (flux * profile.value(x - nx, y - ny)) as f32;
            }
        }
        for (k, o) in self.others.iter().enumerate() {
            self.data[k] = raw[k] - o;
            if self.floor[k] > 0.0 {
                self.floor[k] += (NEIGHBOUR_ERROR * o).powi(2);
            }
        }
    }
}

/// Distance of pixel k of a stamp from its middle.
pub(crate) fn radius(k: usize, half: usize) -> f64 {
    let side = 2 * half + 1;
    ((k % side) as f64 - half as f64).hypot((k / side) as f64 - half as f64)
}

/// Index in the stamp, value and variance of its usable pixels.
fn pixels<'a>(
    (image, variance, mask): (&'a Image<f32>, &'a Image<f32>, &'a Mask),
    (cx, cy): (i32, i32),
    half: usize,
) -> impl Iterator<Item = (usize, (f32, f32))> + 'a {
    const REJECT: u32 = MaskPlane::unusable() | MaskPlane::Intrp.bit() | MaskPlane::Streak.bit();
    let (side, h) = (2 * half + 1, half as i32);
    (0..side * side).filter_map(move |k| {
        let (x, y) = (cx + (k % side) as i32 - h, cy + (k / side) as i32 - h);
        let (bits, v, var) = (mask.get(x, y)?, image.get(x, y)?, variance.get(x, y)?);
        let usable = bits & REJECT == 0 && v.is_finite() && var > 0.0 && var.is_finite();
        usable.then_some((k, (v, var)))
    })
}

/// Variance per adu of light, from the bright pixels of the stars: 0 when the variance image does
/// not know of the stars' photons.
pub(crate) fn variance_per_adu(
    images: (&Image<f32>, &Image<f32>, &Mask),
    stars: &[StarCandidate],
    which: &[usize],
    fwhm: f64,
) -> f64 {
    let half = half_width_for(fwhm).min(12);
    let mut slopes: Vec<f64> = which
        .iter()
        .filter_map(|&k| {
            let s = &stars[k];
            let all: Vec<_> =
                pixels(images, (s.x.round() as i32, s.y.round() as i32), half).collect();
            let mut dark: Vec<f64> = all
                .iter()
                .filter(|(k, _)| radius(*k, half) > 1.5 * fwhm)
                .map(|(_, (_, var))| f64::from(*var))
                .collect();
            let base = median(&mut dark);
            let (mut top, mut bottom) = (0.0, 0.0);
            for (_, (v, var)) in all.iter().filter(|(k, _)| radius(*k, half) < 0.7 * fwhm) {
                top += (f64::from(*var) - base) * f64::from(*v);
                bottom += f64::from(*v) * f64::from(*v);
            }
            (bottom > 0.0 && base.is_finite()).then(|| top / bottom)
        })
        .collect();
    let slope = median(&mut slopes);
    if slope > 0.0 { slope } else { 0.0 }
}

/// The transpose of the model's interpolation: spread a stamp's values over the grid's samples,
/// adding them to `out`.
pub(crate) fn spread_to_grid(
    values: &[f32],
    side: usize,
    grid: usize,
    (tx, ty): (&AxisTaps, &AxisTaps),
    out: &mut [f32],
) {
    let mut row = vec![0.0f32; grid];
    for j in 0..side {
        row.fill(0.0);
        for (i, v) in values[j * side..(j + 1) * side].iter().enumerate() {
            let (from, w) = tx.at(i, grid);
            row[from..from + w.len()].iter_mut().zip(w).for_each(|(r, a)| *r += a * v);
        }
        let (from, w) = ty.at(j, grid);
        for (k, b) in w.iter().enumerate() {
            let target = &mut out[(from + k) * grid..(from + k + 1) * grid];
            target.iter_mut().zip(&row).for_each(|(t, r)| *t += b * r);
        }
    }
}
