//! A point-spread function tabulated for speed: the quick way to draw it thousands of times.
//!
//! [`PsfModel::render`] interpolates its fine grid for every stamp. Here each polynomial term is drawn
//! once at shifts of 1/6 pixel; at a source's place the terms are summed for the 16 shifts about
//! its own, and every drawing after that is a cubic interpolation between whole stamps.
//! - error of the interpolation: 3/128 h^4 f'''' with h = 1/6 pixel, about 1e-4 of the peak for
//!   FWHM >= 2.2 pixels
//! - the polynomial's terms are first replaced by their principal components over the detector (Jolliffe
//!   2002, Principal Component Analysis, ch. 2), as few as keep the PSF to 2e-4 of its norm, by
//!   which fluxes change far less: a PSF varies in fewer ways than a polynomial has terms
//! - output: stamps of unit sum over the model's whole extent, as `render` makes them, and their
//!   derivatives by the source's position, per pixel

use crate::psf_components::principal;
use crate::psf_model::PsfModel;
use crate::wide::widest;
use elqui_base::terms_into;

/// Shifts per pixel, and how many are kept: -4/6 to 4/6 pixel.
const PHASES_PER_PIXEL: f64 = 6.0;
const PHASE_FIRST: i32 = -4;
const PHASES: usize = 9;
const TAPS: usize = 4;
/// Pixels that are summed at a time, in registers.
const BLOCK: usize = 32;
const GRADIENT_BLOCK: usize = 16;

/// The tabulated PSF of one detector.
#[derive(Debug, Clone)]
pub struct PsfSampler {
    half: usize,
    degree: usize,
    center: [f64; 2],
    scale: [f64; 2],
    /// For each component, its weight by each of the polynomial's terms.
    mixing: Vec<Vec<f64>>,
    /// Stamps in the order (shift in y, shift in x, component).
    planes: Vec<f32>,
    /// Sum of each plane over the model's whole extent.
    sums: Vec<f64>,
    fwhm_pixels: f64,
}

impl PsfSampler {
    /// Tabulate `model` on stamps of half-width `half` pixels (at most the model's own).
    pub fn new(model: &PsfModel, half: usize) -> Self {
        let full = model.half_width();
        let half = half.min(full);
        let (side, grid) = (2 * half + 1, model.grid);
        let (mixing, components) = principal(model);
        let term_total = components.len();
        let shifts: Vec<_> = (0..PHASES)
            .map(|k| model.weights(full, f64::from(PHASE_FIRST + k as i32) / PHASES_PER_PIXEL))
            .collect();
        // How much each grid sample gives to the sum over all pixels of an axis.
        let gives: Vec<Vec<f64>> = shifts
            .iter()
            .map(|pixels| {
                let mut out = vec![0.0; grid];
                for (from, w) in pixels {
                    for (o, v) in out[*from..].iter_mut().zip(w) {
                        *o += f64::from(*v);
                    }
                }
                out
            })
            .collect();
        let area = side * side;
        let mut planes = vec![0.0f32; PHASES * PHASES * term_total * area];
        let mut sums = vec![0.0; PHASES * PHASES * term_total];
        let mut along_x = vec![0.0f32; grid * side];
        for (c, samples) in components.iter().enumerate() {
            for px in 0..PHASES {
                let wx = &shifts[px][full - half..=full + half];
                let mut row_sums = vec![0.0f64; grid];
                for row in 0..grid {
                    let source = &samples[row * grid..(row + 1) * grid];
                    for (i, (from, w)) in wx.iter().enumerate() {
                        along_x[row * side + i] =
                            w.iter().zip(&source[*from..]).map(|(a, b)| a * b).sum();
                    }
                    row_sums[row] =
                        gives[px].iter().zip(source).map(|(a, b)| a * f64::from(*b)).sum();
                }
                for py in 0..PHASES {
                    let k = (py * PHASES + px) * term_total + c;
                    sums[k] = gives[py].iter().zip(&row_sums).map(|(a, b)| a * b).sum();
                    let plane = &mut planes[k * area..(k + 1) * area];
                    let wy = &shifts[py][full - half..=full + half];
                    for (target, (from, w)) in plane.chunks_exact_mut(side).zip(wy) {
                        for (weight, source) in
                            w.iter().zip(along_x[from * side..].chunks_exact(side))
                        {
                            for (t, s) in target.iter_mut().zip(source) {
                                *t += weight * s;
                            }
                        }
                    }
                }
            }
        }
        Self {
            half,
            degree: model.degree,
            center: model.center,
            scale: model.scale,
            mixing,
            planes,
            sums,
            fwhm_pixels: model.fwhm_pixels,
        }
    }

    pub const fn half_width(&self) -> usize {
        self.half
    }
    pub const fn fwhm_pixels(&self) -> f64 {
        self.fwhm_pixels
    }

    /// The PSF about (x, y), ready to be drawn there and nearby; `local` is reused.
    ///
    /// The polynomial is taken at the middle of the pixel: all places that the result
    /// [covers](LocalPsf::covers) get the same, whichever came first.
    pub fn localise(&self, x: f64, y: f64, local: &mut LocalPsf) {
        let side = 2 * self.half + 1;
        let area = side * side;
        local.half = self.half;
        local.x = Axis::at(x);
        local.y = Axis::at(y);
        terms_into(
            self.degree,
            (f64::from(local.x.pixel) - self.center[0]) * self.scale[0],
            (f64::from(local.y.pixel) - self.center[1]) * self.scale[1],
            &mut local.powers,
        );
        let LocalPsf { powers, mixed, .. } = local;
        mixed.clear();
        mixed.extend(
            self.mixing.iter().map(|m| m.iter().zip(&*powers).map(|(a, b)| a * b).sum::<f64>()),
        );
        // Every value is written below.
        local.planes.resize(TAPS * TAPS * area, 0.0);
        local.weights.resize(local.mixed.len(), 0.0);
        widest(
            #[inline(always)]
            || self.mix(area, local),
        );
    }

    /// Sum the components for the sixteen shifts of `local`.
    #[inline(always)]
    fn mix(&self, area: usize, local: &mut LocalPsf) {
        let t = &local.mixed[..];
        let term_total = t.len();
        let (first_y, first_x) = (local.y.first, local.x.first);
        for (k, out) in local.planes.chunks_exact_mut(area).enumerate() {
            let (py, px) = (first_y + k / TAPS, first_x + k % TAPS);
            let from = (py * PHASES + px) * term_total;
            let mut sum = 0.0;
            for (a, b) in t.iter().zip(&self.sums[from..]) {
                sum += a * b;
            }
            let inverse = if sum > 0.0 { 1.0 / sum } else { f64::NAN };
            for (w, t) in local.weights.iter_mut().zip(t) {
                *w = (t * inverse) as f32;
            }
            let planes = &self.planes[from * area..(from + term_total) * area];
            let whole = area - area % BLOCK;
            for at in (0..whole).step_by(BLOCK) {
                weighted_sum::<BLOCK>(&planes[at..], area, &local.weights, &mut out[at..]);
            }
            for at in whole..area {
                weighted_sum::<1>(&planes[at..], area, &local.weights, &mut out[at..]);
            }
        }
    }
}

/// `N` pixels of the weighted sum of planes that follow each other by `area` pixels.
#[inline(always)]
fn weighted_sum<const N: usize>(planes: &[f32], area: usize, weights: &[f32], out: &mut [f32]) {
    let mut sums = [0.0f32; N];
    for (c, w) in weights.iter().enumerate() {
        let plane = &planes[c * area..c * area + N];
        for (sum, v) in sums.iter_mut().zip(plane) {
            *sum += w * v;
        }
    }
    out[..N].copy_from_slice(&sums);
}

/// Weights of the shifts, and their derivatives per pixel.
type AxisWeights = ([f32; TAPS], [f32; TAPS]);

/// One axis: the stamp's middle pixel and the first of the shifts in use.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Axis {
    pixel: i32,
    first: usize,
}

impl Axis {
    fn at(v: f64) -> Self {
        let pixel = v.round().clamp(-1e9, 1e9);
        let phase = ((v - pixel) * PHASES_PER_PIXEL).floor().clamp(-3.0, 2.0) as i32;
        Self { pixel: pixel as i32, first: (phase - 1 - PHASE_FIRST) as usize }
    }

    /// Cubic Lagrange weights of the four shifts, and their derivatives per pixel.
    fn weights(self, v: f64) -> AxisWeights {
        let base = self.first as f64 + f64::from(PHASE_FIRST) + 1.0;
        let t = (v - f64::from(self.pixel)) * PHASES_PER_PIXEL - base;
        let w = [
            -t * (t - 1.0) * (t - 2.0) / 6.0,
            (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0,
            -(t + 1.0) * t * (t - 2.0) / 2.0,
            (t + 1.0) * t * (t - 1.0) / 6.0,
        ];
        let t2 = 3.0 * t * t;
        let d = [
            -(t2 - 6.0 * t + 2.0) / 6.0,
            (t2 - 4.0 * t - 1.0) / 2.0,
            -(t2 - 2.0 * t - 2.0) / 2.0,
            (t2 - 1.0) / 6.0,
        ];
        (w.map(|v| v as f32), d.map(|v| (v * PHASES_PER_PIXEL) as f32))
    }
}

/// The PSF at one place, ready to be drawn. Kept by the caller, so that its memory is reused.
#[derive(Debug, Clone, Default)]
pub struct LocalPsf {
    half: usize,
    x: Axis,
    y: Axis,
    planes: Vec<f32>,
    /// The polynomial's terms, the components' weights, and these for stamps of unit sum.
    powers: Vec<f64>,
    mixed: Vec<f64>,
    weights: Vec<f32>,
}

impl LocalPsf {
    pub const fn half_width(&self) -> usize {
        self.half
    }

    /// The pixel in the middle of the stamps.
    pub const fn middle(&self) -> (i32, i32) {
        (self.x.pixel, self.y.pixel)
    }

    /// Whether a source at (x, y) is within the shifts that were prepared.
    pub fn covers(&self, x: f64, y: f64) -> bool {
        self.x == Axis::at(x) && self.y == Axis::at(y) && !self.planes.is_empty()
    }

    /// Draw a source of unit flux at (x, y), row-major, side `2 half_width + 1`.
    pub fn draw(&self, x: f64, y: f64, out: &mut Vec<f32>) {
        let ((wx, _), (wy, _)) = (self.x.weights(x), self.y.weights(y));
        let area = self.planes.len() / (TAPS * TAPS);
        let mut weights = [0.0f32; TAPS * TAPS];
        for (k, w) in weights.iter_mut().enumerate() {
            *w = wy[k / TAPS] * wx[k % TAPS];
        }
        out.resize(area, 0.0);
        widest(
            #[inline(always)]
            || {
                let whole = area - area % BLOCK;
                for at in (0..whole).step_by(BLOCK) {
                    weighted_sum::<BLOCK>(&self.planes[at..], area, &weights, &mut out[at..]);
                }
                for at in whole..area {
                    weighted_sum::<1>(&self.planes[at..], area, &weights, &mut out[at..]);
                }
            },
        );
    }

    /// As [`draw`](Self::draw), with the derivatives by the source's x and y.
    pub fn draw_with_gradient(&self, x: f64, y: f64, out: &mut [Vec<f32>; 3]) {
        let (along_x, along_y) = (self.x.weights(x), self.y.weights(y));
        let area = self.planes.len() / (TAPS * TAPS);
        for o in out.iter_mut() {
            o.resize(area, 0.0);
        }
        widest(
            #[inline(always)]
            || {
                let whole = area - area % GRADIENT_BLOCK;
                for at in (0..whole).step_by(GRADIENT_BLOCK) {
                    self.gradient_block::<GRADIENT_BLOCK>(at, area, (&along_x, &along_y), out);
                }
                for at in whole..area {
                    self.gradient_block::<1>(at, area, (&along_x, &along_y), out);
                }
            },
        );
    }

    /// `N` pixels of the value and its derivatives, from pixel `at` on.
    #[inline(always)]
    fn gradient_block<const N: usize>(
        &self,
        at: usize,
        area: usize,
        ((wx, gx), (wy, gy)): (&AxisWeights, &AxisWeights),
        [value, by_x, by_y]: &mut [Vec<f32>; 3],
    ) {
        let (mut v, mut dx, mut dy) = ([0.0f32; N], [0.0f32; N], [0.0f32; N]);
        for row in 0..TAPS {
            let from = row * TAPS * area + at;
            let p = &self.planes[from..from + N];
            let q = &self.planes[from + area..from + area + N];
            let r = &self.planes[from + 2 * area..from + 2 * area + N];
            let s = &self.planes[from + 3 * area..from + 3 * area + N];
            for i in 0..N {
                let along = (wx[0] * p[i] + wx[1] * q[i]) + (wx[2] * r[i] + wx[3] * s[i]);
                let slope = (gx[0] * p[i] + gx[1] * q[i]) + (gx[2] * r[i] + gx[3] * s[i]);
                v[i] += wy[row] * along;
                dx[i] += wy[row] * slope;
                dy[i] += gy[row] * along;
            }
        }
        value[at..at + N].copy_from_slice(&v);
        by_x[at..at + N].copy_from_slice(&dx);
        by_y[at..at + N].copy_from_slice(&dy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_agree_with_the_model_and_gradients_with_differences() {
        let sigma = 1.3f64;
        let g = |dx: f64, dy: f64| (-0.5 * (dx * dx + dy * dy) / (sigma * sigma)).exp();
        let mut model = PsfModel::from_profile(51, 0.5, 2.355 * sigma, g);
        // A second term: the PSF grows with x.
        model.degree = 1;
        model.scale = [1e-3; 2];
        let wider = PsfModel::from_profile(51, 0.5, 3.5, |dx, dy| g(dx / 1.2, dy / 1.2));
        let difference =
            wider.components[0].iter().zip(&model.components[0]).map(|(a, b)| a - b).collect();
        model.components.push(difference);
        model.components.push(vec![0.0; 51 * 51]);
        let sampler = PsfSampler::new(&model, 12);
        let mut local = LocalPsf::default();
        let mut stamp = Vec::new();
        for (x, y) in [(400.5, 300.49), (399.51, 20.0), (100.27, 49.73), (7.0, 8.1)] {
            sampler.localise(x, y, &mut local);
            assert!(local.covers(x, y));
            local.draw(x, y, &mut stamp);
            // The polynomial is taken at the middle of the pixel.
            let samples = model.samples_at(x.round(), y.round());
            let truth = model.render_samples(&samples, x - x.round(), y - y.round());
            let peak = truth.data().iter().copied().fold(0.0f32, f32::max);
            for (a, b) in stamp.iter().zip(truth.data()) {
                assert!((a - b).abs() < 1e-4 * peak, "{x} {y}: {a} {b} of {peak}");
            }
            // Nearby places that it covers get the very same planes.
            let mut other = LocalPsf::default();
            sampler.localise(x + 1e-3, y + 1e-3, &mut other);
            assert!(local.covers(x + 1e-3, y + 1e-3) && other.planes == local.planes);
            let mut out = [vec![], vec![], vec![]];
            local.draw_with_gradient(x, y, &mut out);
            let (mut up, mut down) = (Vec::new(), Vec::new());
            local.draw(x, y + 0.01, &mut up);
            local.draw(x, y - 0.01, &mut down);
            for k in 0..stamp.len() {
                assert!((out[2][k] - (up[k] - down[k]) / 0.02).abs() < 1e-3 * peak);
            }
        }
    }
}
