//! Stars as stamps, and the step between samples of the model and the pixels of a stamp.

use crate::star::StarCandidate;
use elqui_image::{AxisTaps, Image, Mask, MaskPlane};

/// Below this width the model needs samples finer than the pixels.
const FINE_BELOW_FWHM: f64 = 3.5;

pub(crate) fn step_for(fwhm: f64) -> f64 {
    if fwhm < FINE_BELOW_FWHM { 0.5 } else { 1.0 }
}

/// Half-width of the stamps, pixels.
pub(crate) fn half_width_for(fwhm: f64) -> usize {
    (4.0 * fwhm).ceil().clamp(10.0, 25.0) as usize
}

/// Side of the sample grid.
pub(crate) fn grid_for(half_width: usize, step: f64) -> usize {
    2 * (half_width as f64 / step).round() as usize + 1
}

/// Pixels of one star.
pub(crate) struct Stamp {
    /// Middle pixel.
    pub cx: i32,
    pub cy: i32,
    /// The star's place relative to it, and its flux.
    pub dx: f64,
    pub dy: f64,
    pub flux: f64,
    pub data: Vec<f32>,
    /// Inverse variance, 0 where the pixel is not to be used.
    pub weight: Vec<f32>,
    pub misfit: f64,
}

impl Stamp {
    /// The star's surroundings; pixels that belong to a neighbour have no weight.
    pub(crate) fn cut(
        image: &Image<f32>,
        variance: &Image<f32>,
        mask: &Mask,
        star: &StarCandidate,
        half: usize,
        fwhm: f64,
    ) -> Self {
        const REJECT: u32 =
            MaskPlane::unusable() | MaskPlane::Intrp.bit() | MaskPlane::Streak.bit();
        let (cx, cy) = (star.x.round() as i32, star.y.round() as i32);
        let (side, h) = (2 * half + 1, half as i32);
        let mut data = vec![0.0f32; side * side];
        let mut weight = vec![0.0f32; side * side];
        for j in 0..side as i32 {
            for i in 0..side as i32 {
                let (x, y) = (cx + i - h, cy + j - h);
                let (Some(bits), Some(v), Some(var)) =
                    (mask.get(x, y), image.get(x, y), variance.get(x, y))
                else {
                    continue;
                };
                let k = j as usize * side + i as usize;
                if bits & REJECT == 0 && v.is_finite() && var > 0.0 && var.is_finite() {
                    data[k] = v;
                    weight[k] = 1.0 / var;
                }
            }
        }
        for n in &star.neighbours {
            // Brighter neighbours reach farther, but never into the star's own core.
            let apart = (f64::from(n.x) - star.x).hypot(f64::from(n.y) - star.y);
            let reach = fwhm * (1.2 + 0.8 * (1.0 + 20.0 * f64::from(n.relative_flux)).ln());
            let (ni, nj) = (f64::from(n.x) - f64::from(cx - h), f64::from(n.y) - f64::from(cy - h));
            let low = |v: f64| (v - reach).ceil().max(0.0) as usize;
            let high = |v: f64| ((v + reach).floor() + 1.0).clamp(0.0, side as f64) as usize;
            for j in low(nj)..high(nj) {
                for i in low(ni)..high(ni) {
                    let own = (i as f64 - half as f64).hypot(j as f64 - half as f64);
                    let other = (i as f64 - ni).hypot(j as f64 - nj);
                    if other < reach && (own > other || own > apart.min(1.5 * fwhm)) {
                        weight[j * side + i] = 0.0;
                    }
                }
            }
        }
        Self {
            cx,
            cy,
            dx: star.x - f64::from(cx),
            dy: star.y - f64::from(cy),
            flux: star.flux,
            data,
            weight,
            misfit: f64::NAN,
        }
    }

    pub(crate) fn position(&self) -> (f64, f64) {
        (f64::from(self.cx) + self.dx, f64::from(self.cy) + self.dy)
    }
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
