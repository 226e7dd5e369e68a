//! The sky of one cell from its free blocks: a clipped mean with its error, or the mode in a crowd.
//!
//! - input: blocks minus a model of the sky (adu), their inner variances (adu^2), which are objects'
//! - output: level above the model and its error, sigma of a pixel (adu)
//! - error: sigma of a block / sqrt(free blocks); noise that is correlated over a few pixels is in the
//!   blocks' own scatter

use crate::config::BackgroundConfig;
use crate::mode::{Scratch, measure};
use elqui_base::median_f32;
use elqui_image::Image;

/// What a cell says; all NaN when too little of it is free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CellLevel {
    pub level: f32,
    pub error: f32,
    /// Scatter of a pixel.
    pub pixel_sigma: f32,
    /// Not its neighbours'.
    pub own: bool,
}

impl CellLevel {
    pub(crate) const NOTHING: Self =
        Self { level: f32::NAN, error: f32::NAN, pixel_sigma: f32::NAN, own: false };

    /// Of a cell that only a model knows: no better than a block's noise.
    pub(crate) fn unknown(block_sigma: f32, side: usize) -> Self {
        let sigma = if block_sigma.is_finite() { block_sigma } else { 0.0 };
        Self { level: 0.0, error: sigma, pixel_sigma: sigma * side as f32, own: false }
    }
}

#[derive(Default)]
pub(crate) struct LevelScratch {
    values: Vec<f32>,
    sample: Vec<f32>,
    variances: Vec<f32>,
    mode: Scratch,
}

/// Scatter of the mode estimate over that of a mean.
const MODE_NOISE: f64 = 2.0;

/// The blocks, and which of them are free.
pub(crate) struct Free<'a> {
    /// Blocks minus a model, adu; NaN where unusable.
    pub residual: &'a Image<f32>,
    pub variance: &'a Image<f32>,
    /// Usable pixels of a block.
    pub count: &'a Image<u16>,
    pub objects: &'a Image<bool>,
    /// Wings are left in what is free: the mode decides.
    pub crowded: bool,
}

impl Free<'_> {
    /// Level of the cell `[x0, x1) x [y0, y1)` (blocks), whose blocks have about this noise (adu).
    pub(crate) fn level(
        &self,
        [x0, x1, y0, y1]: [usize; 4],
        noise: f64,
        config: &BackgroundConfig,
        scratch: &mut LevelScratch,
    ) -> CellLevel {
        let LevelScratch { values, sample, variances, mode } = scratch;
        values.clear();
        variances.clear();
        let mut pixels = 0.0;
        for y in y0..y1 {
            let row = self.residual.row(y)[x0..x1].iter().zip(&self.objects.row(y)[x0..x1]);
            let inner = self.variance.row(y)[x0..x1].iter().zip(&self.count.row(y)[x0..x1]);
            for ((&v, &o), (&s, &n)) in row.zip(inner) {
                if !o && !v.is_nan() {
                    values.push(v);
                    pixels += f64::from(n);
                    if !s.is_nan() {
                        variances.push(s);
                    }
                }
            }
        }
        let least = config.min_usable_fraction * ((x1 - x0) * (y1 - y0)) as f64;
        if values.is_empty() || (values.len() as f64) < least {
            return CellLevel::NOTHING;
        }
        let (mut level, sigma, used) = clipped(values, noise, config.clip_sigma, sample);
        let mut error = sigma / used.sqrt();
        if self.crowded {
            mode.values.clone_from(values);
            let by_mode = measure(mode, config.clip_sigma).level;
            // What the two disagree by is how well either is known.
            error = (MODE_NOISE * error).hypot(0.5 * (by_mode - level));
            level = by_mode;
        }
        // Usable pixels of a block.
        let pixels = (pixels / values.len() as f64).max(1.0);
        let inner = inner_variance(variances, pixels);
        CellLevel {
            level: level as f32,
            error: error as f32,
            // The law of total variance: within blocks, and between them.
            pixel_sigma: (inner * (pixels - 1.0) / pixels + sigma * sigma).sqrt() as f32,
            own: true,
        }
    }
}

/// Clipped mean, scatter without the clip, and how many values took part.
fn clipped(values: &[f32], noise: f64, clip: f64, sample: &mut Vec<f32>) -> (f64, f64, f64) {
    sample.clear();
    sample.extend(values.iter().step_by((values.len() / 128).max(1)));
    let mut mean = f64::from(median_f32(sample));
    let mut sigma = noise;
    let mut used = values.len() as f64;
    let shrink = cut_scatter(clip);
    for _ in 0..4 {
        // Equal values (a constant image) have no scatter, and nothing is clipped.
        let reach = if sigma > 0.0 { clip * sigma } else { f64::INFINITY };
        let (mut s0, mut s1, mut s2) = (0.0f64, 0.0f64, 0.0f64);
        for &v in values {
            let d = f64::from(v) - mean;
            let d = if d.abs() <= reach { d } else { continue };
            s0 += 1.0;
            s1 += d;
            s2 += d * d;
        }
        if s0 < 1.0 {
            // The noise was said too small by far: let the scatter speak.
            sigma = f64::INFINITY;
            continue;
        }
        let shift = s1 / s0;
        let last = sigma;
        sigma = (s2 / s0 - shift * shift).max(0.0).sqrt() / shrink;
        mean += shift;
        used = s0;
        if shift.abs() < 1e-3 * sigma && (sigma / last - 1.0).abs() < 1e-2 {
            break;
        }
    }
    (mean, if sigma.is_finite() { sigma } else { 0.0 }, used)
}

/// Mean variance inside blocks without those that a ray or a hot pixel spoils.
fn inner_variance(variances: &mut [f32], pixels: f64) -> f64 {
    if variances.is_empty() {
        return 0.0;
    }
    let n = variances.len();
    let median = *variances.select_nth_unstable_by(n / 2, f32::total_cmp).1;
    // Six sigma of a chi-squared of this many degrees of freedom.
    let top = median * (1.0 + 6.0 * (2.0 / (pixels - 1.0).max(1.0)).sqrt() as f32);
    let (mut sum, mut count) = (0.0, 0.0);
    for &v in variances.iter().filter(|v| **v <= top) {
        sum += f64::from(v);
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { f64::from(median) }
}

/// Sigma of a unit Gaussian cut at `k` sigma.
fn cut_scatter(k: f64) -> f64 {
    // Simpson's rule on the density and on t^2 times it.
    let density = |t: f64| (-0.5 * t * t).exp();
    let (mut inside, mut second) = (0.0, 0.0);
    let k = k.min(8.0);
    for i in 0..=32 {
        let weight = if i == 0 || i == 32 { 1.0 } else { 2.0 + 2.0 * f64::from(i % 2) };
        let t = k * f64::from(i) / 32.0;
        inside += weight * density(t);
        second += weight * t * t * density(t);
    }
    (second / inside).sqrt()
}
