//! Stars as stamps: their usable pixels in a list, and what those weigh.
//!
//! A pixel's variance is `floor + k flux m + (epsilon flux m)^2` with the model's light m, not the
//! data's: a variance made from the data makes pixels that scattered low weigh more. `floor`
//! is the stamp's variance without the star's photons and `k` the variance per adu of light, both
//! read off the variance image, whichever way that was made.

use crate::neighbours::Blocked;
use crate::profile::Shape;
use crate::star::StarCandidate;
use elqui_base::{median, median_f32};
use elqui_image::{Image, Mask, MaskPlane};

/// Samples in a FWHM: with fewer, drawing between them costs more than 2e-4 of the size.
const SAMPLES_PER_FWHM: f64 = 6.4;
/// Below this width what departs from the analytic profile needs samples finer than the pixels.
const FINE_BELOW_FWHM: f64 = 2.5;
/// The wings go on to this many FWHM: a Moffat profile of exponent 3 has 0.05% of its light beyond.
const WINGS_FWHM: f64 = 6.0;
/// A variance above this many times the expected one is believed.
const EXCESS_VARIANCE: f32 = 2.5;
/// Values of pixels come in multiples of this many.
pub(crate) const LANES: usize = 8;

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

impl Noise {
    /// Of a pixel with this variance without the star, and this much of its model's light.
    #[inline(always)]
    pub(crate) fn variance(&self, floor: f64, light: f64) -> f64 {
        let error = self.epsilon * light;
        floor + self.per_adu * (if light > 0.0 { light } else { 0.0 }) + error * error
    }
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
    /// Usable pixels, in the square of the stamp: first the star's `own`, then those near a neighbour and the
    /// corners. What follows is a value for each, filled up to a whole number of `LANES`.
    pub at: Vec<usize>,
    pub own: usize,
    /// From the middle pixel.
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    /// Image without the neighbours' light, and that light.
    pub data: Vec<f32>,
    pub others: Vec<f32>,
    /// Variance of the stamp without its star.
    pub floor: Vec<f32>,
    /// 1 for its own pixels that were not clipped, 0 for the others.
    pub keep: Vec<f32>,
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
        let place = (star.x - f64::from(cx), star.y - f64::from(cy));
        let k = per_adu as f32;
        let seen: Vec<Pixel> = pixels((image, variance, mask), (cx, cy), half).collect();
        let far = (1.5 * fwhm * 1.5 * fwhm) as f32;
        let dark = |p: &&Pixel| p.x * p.x + p.y * p.y > far;
        let mut base = median_f32(
            &mut seen.iter().filter(dark).map(|p| p.var - k * p.value).collect::<Vec<_>>(),
        );
        if !(base > 0.0) {
            base = median_f32(&mut seen.iter().map(|p| p.var).collect::<Vec<_>>());
        }
        let base = if base > 0.0 { base } else { 1.0 };
        let reach = (half as f32 + 0.5).powi(2);
        let blocked = Blocked::new(&star.neighbours, (cx, cy), place, fwhm);
        let (mut order, others): (Vec<Pixel>, Vec<Pixel>) =
            seen.iter().copied().partition(|p: &Pixel| {
                p.x * p.x + p.y * p.y <= reach && !blocked.hides(p.x.into(), p.y.into())
            });
        let own = order.len();
        order.extend(others);
        let total = order.len().next_multiple_of(LANES);
        let column = |value: &dyn Fn(&Pixel) -> f32, fill: f32| {
            let mut out: Vec<f32> = order.iter().map(value).collect();
            out.resize(total, fill);
            out
        };
        let floor = |p: &Pixel| {
            let expected = base + k * p.value.max(0.0);
            if p.var < EXCESS_VARIANCE * expected { base } else { p.var }
        };
        let mut out = Self {
            candidate,
            cx,
            cy,
            half,
            dx: place.0,
            dy: place.1,
            flux: star.flux,
            sky: 0.0,
            shape: Shape { half_width: 0.5 * fwhm, e1: star.e1, e2: star.e2 }.bounded(),
            shape_error: [f64::NAN; 3],
            own,
            x: column(&|p| p.x, 0.0),
            y: column(&|p| p.y, 0.0),
            data: column(&|p| p.value, 0.0),
            others: vec![0.0; total],
            floor: column(&floor, 1.0),
            keep: vec![0.0; total],
            at: order.iter().map(|p| p.at).collect(),
            misfit: f64::NAN,
            good: true,
            base_variance: base.into(),
        };
        out.keep_all();
        out
    }

    /// No pixel of its own is clipped.
    pub(crate) fn keep_all(&mut self) {
        self.keep[..self.own].fill(1.0);
    }

    /// How many values a fit goes through: its own pixels, up to a whole number of `LANES`.
    pub(crate) fn fitted(&self) -> usize {
        self.own.next_multiple_of(LANES)
    }

    pub(crate) fn position(&self) -> (f64, f64) {
        (f64::from(self.cx) + self.dx, f64::from(self.cy) + self.dy)
    }

    pub(crate) fn side(&self) -> usize {
        2 * self.half + 1
    }
}

/// A usable pixel: its index in the stamp, place from the middle, value and variance.
#[derive(Clone, Copy)]
struct Pixel {
    at: usize,
    x: f32,
    y: f32,
    value: f32,
    var: f32,
}

fn pixels<'a>(
    (image, variance, mask): (&'a Image<f32>, &'a Image<f32>, &'a Mask),
    (cx, cy): (i32, i32),
    half: usize,
) -> impl Iterator<Item = Pixel> + 'a {
    const REJECT: u32 = MaskPlane::unusable() | MaskPlane::Intrp.bit() | MaskPlane::Streak.bit();
    let (side, h) = (2 * half + 1, half as i32);
    (0..side * side).filter_map(move |at| {
        let (x, y) = ((at % side) as i32 - h, (at / side) as i32 - h);
        let (bits, value) = (mask.get(cx + x, cy + y)?, image.get(cx + x, cy + y)?);
        let var = variance.get(cx + x, cy + y)?;
        let usable = bits & REJECT == 0 && value.is_finite() && var > 0.0 && var.is_finite();
        usable.then_some(Pixel { at, x: x as f32, y: y as f32, value, var })
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
            let all: Vec<Pixel> =
                pixels(images, (s.x.round() as i32, s.y.round() as i32), half).collect();
            let radius2 = |p: &Pixel| f64::from(p.x * p.x + p.y * p.y);
            let dark = all.iter().filter(|p| radius2(p) > (1.5 * fwhm).powi(2));
            let base = f64::from(median_f32(&mut dark.map(|p| p.var).collect::<Vec<_>>()));
            let (mut top, mut bottom) = (0.0, 0.0);
            for p in all.iter().filter(|p| radius2(p) < (0.7 * fwhm).powi(2)) {
                top += (f64::from(p.var) - base) * f64::from(p.value);
                bottom += f64::from(p.value) * f64::from(p.value);
            }
            (bottom > 0.0 && base.is_finite()).then(|| top / bottom)
        })
        .collect();
    let slope = median(&mut slopes);
    if slope > 0.0 { slope } else { 0.0 }
}
