//! The PSF of a detector as Fourier modes, exact for its polynomial.
//!
//! The transform is linear, so each term of the polynomial is transformed once for each size of patch;
//! at a source the terms are summed and brought to unit sum. Sizes are made when first asked for.
//! - a PSF narrower than about 2 pixels FWHM is sampled too coarsely for a shift to be a phase; its
//!   models are right to the PSF's power beyond Nyquist

use super::modes::{Grid, Modes, Spectrum};
use elqui_base::terms;
use elqui_image::PsfModel;
use std::sync::OnceLock;

/// Modes in which the PSF keeps less than this part of its light are left out.
const POWER_MIN: f64 = 8e-3;

/// Modes of one size of patch with the transforms of the PSF's terms.
#[derive(Debug)]
pub struct Sized {
    pub modes: Modes,
    terms: Vec<Spectrum>,
}

/// The PSF of a detector, ready for model fits.
#[derive(Debug)]
pub struct ModelPsf {
    model: PsfModel,
    /// Each term drawn at the middle of a pixel: side, and a row-major stamp for each.
    side: usize,
    stamps: Vec<Vec<f64>>,
    /// Gaussian sigma of its FWHM, pixels.
    pub sigma: f64,
    k_max: f64,
    sized: [OnceLock<Sized>; Grid::ALL.len()],
}

impl ModelPsf {
    pub fn new(model: &PsfModel) -> Self {
        let half = model.half_width();
        let side = 2 * half + 1;
        let taps = model.taps(0.0);
        let stamps: Vec<Vec<f64>> = model
            .components
            .iter()
            .map(|samples| {
                let mut out = vec![0.0; side * side];
                for j in 0..side {
                    let (from_y, wy) = taps.at(j, model.grid);
                    for i in 0..side {
                        let (from_x, wx) = taps.at(i, model.grid);
                        for (y, b) in wy.iter().enumerate() {
                            let row = &samples[(from_y + y) * model.grid + from_x..];
                            let sum: f32 = wx.iter().zip(row).map(|(a, s)| a * s).sum();
                            out[j * side + i] += f64::from(b * sum);
                        }
                    }
                }
                out
            })
            .collect();
        let sigma = if model.fwhm_pixels > 0.3 { model.fwhm_pixels / 2.3548 } else { 1.0 };
        let mut out = Self {
            model: model.clone(),
            side,
            stamps,
            sigma,
            k_max: std::f64::consts::PI,
            sized: Default::default(),
        };
        out.k_max = out.cutoff();
        out
    }

    /// The stamp of the first term is that of the middle of the detector: where its power ends.
    fn cutoff(&self) -> f64 {
        let Some(stamp) = self.stamps.first() else { return std::f64::consts::PI };
        let middle = (self.side / 2) as f64;
        let total: f64 = stamp.iter().sum();
        let power = |k: f64, along_x: bool| {
            let at = |p: usize| if along_x { p % self.side } else { p / self.side };
            let sum: f64 = stamp
                .iter()
                .enumerate()
                .map(|(p, v)| v * (k * (at(p) as f64 - middle)).cos())
                .sum();
            (sum / total).abs()
        };
        (4..=50)
            .map(|k| f64::from(k) * std::f64::consts::PI / 50.0)
            .find(|&k| power(k, true) < POWER_MIN && power(k, false) < POWER_MIN)
            .unwrap_or(std::f64::consts::PI)
    }

    /// The modes of a size of patch: an index of [`Grid::ALL`].
    pub fn sized(&self, size: usize) -> &Sized {
        let size = size.min(Grid::ALL.len() - 1);
        self.sized[size].get_or_init(|| {
            let modes = Modes::new(Grid::ALL[size], self.k_max);
            let terms = self.stamps.iter().map(|s| self.transform(s, &modes)).collect();
            Sized { modes, terms }
        })
    }

    /// Transform of a stamp about its middle, times that of the patch's cells.
    fn transform(&self, stamp: &[f64], modes: &Modes) -> Spectrum {
        let (side, middle) = (self.side, (self.side / 2) as f64);
        let wave = |k: f64| -> Vec<(f64, f64)> {
            (0..side).map(|p| (k * (p as f64 - middle)).sin_cos()).map(|(s, c)| (c, -s)).collect()
        };
        let mut out = Spectrum::default();
        out.resize(modes.len());
        let mut rows: Vec<(f64, f64)> = Vec::new();
        let mut row_of = f32::NAN;
        for k in 0..modes.len() {
            // Modes come row by row: along y once a row.
            if modes.ky[k] != row_of || k == 0 {
                row_of = modes.ky[k];
                let along_y = wave(f64::from(row_of));
                rows = vec![(0.0, 0.0); side];
                for (j, (c, s)) in along_y.iter().enumerate() {
                    for (sum, v) in rows.iter_mut().zip(&stamp[j * side..]) {
                        sum.0 += c * v;
                        sum.1 += s * v;
                    }
                }
            }
            let kx = f64::from(modes.kx[k]);
            let (mut re, mut im) = (0.0, 0.0);
            // One rotation a pixel instead of a sine.
            let (ds, dc) = (-kx).sin_cos();
            let (mut s, mut c) = (kx * middle).sin_cos();
            for (a, b) in &rows {
                re += a * c - b * s;
                im += a * s + b * c;
                (c, s) = (c * dc - s * ds, c * ds + s * dc);
            }
            let cell = cell(kx, modes.grid.bin) * cell(f64::from(row_of), modes.grid.bin);
            (out.re[k], out.im[k]) = ((re * cell) as f32, (im * cell) as f32);
        }
        out
    }

    /// Sum of the PSF's terms at a place of the detector, of unit sum; false when it has none.
    pub fn at(&self, size: usize, x: f64, y: f64, out: &mut Spectrum) -> bool {
        let sized = self.sized(size);
        let m = &self.model;
        let t = terms(m.degree, (x - m.center[0]) * m.scale[0], (y - m.center[1]) * m.scale[1]);
        out.resize(sized.modes.len());
        for (c, term) in t.iter().zip(&sized.terms) {
            let c = *c as f32;
            out.re.iter_mut().zip(&term.re).for_each(|(o, v)| *o += c * v);
            out.im.iter_mut().zip(&term.im).for_each(|(o, v)| *o += c * v);
        }
        let sum = out.re.first().copied().unwrap_or(0.0);
        if !(sum > 0.0 && sum.is_finite()) {
            return false;
        }
        let inverse = 1.0 / sum;
        out.re.iter_mut().chain(&mut out.im).for_each(|v| *v *= inverse);
        true
    }
}

/// Transform of `bin` neighbouring pixels added up, about their middle, over their number.
fn cell(k: f64, bin: usize) -> f64 {
    let half = 0.5 * k;
    if bin == 1 || half.abs() < 1e-9 {
        return 1.0;
    }
    (half * bin as f64).sin() / (bin as f64 * half.sin())
}
