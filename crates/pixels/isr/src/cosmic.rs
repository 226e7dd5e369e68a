//! Cosmic rays: pixels that are sharper than the PSF permits.
//!
//! A point source, wherever it is centred, has opposing neighbours whose mean is at least
//! `H(d) = exp(-d^2 / 2 s^2)` of the pixel between them (for a Gaussian PSF of width s; d = 1 or
//! sqrt 2 pixels): their sum is symmetric in the offset and least when the source is centred.
//! A pixel p above the sky with p > n sigma(p) is a ray when along any of the four directions
//!     (p - m sigma(p)) H > (mean of the pair) + m sigma(pair)
//! with s made narrower than measured by `psf_safety`, so that undersampled cores stay. Neighbours
//! of what was found are tried again with lower thresholds, the found pixels being filled first.
//! Found pixels get CR and INTRP, and image and variance from their neighbours.
//! - source: the idea of Lupton's SDSS photo (see Lupton et al. 2001, ASP 238, 269), own criteria
//! - pixels at or beside SAT, BAD or NO_DATA are left alone
//! - same result on any number of threads

use crate::config::CosmicRayConfig;
use elqui_image::{Exposure, Image, Mask, MaskPlane};
use rayon::prelude::*;
use std::collections::HashMap;

/// Opposing neighbours: one of each pair.
const PAIRS: [(i32, i32); 4] = [(1, 0), (0, 1), (1, 1), (1, -1)];
/// Farthest good pixel used to fill a found one.
const REACH: i32 = 4;

/// Find, mask and fill cosmic rays; how many pixels they cover. Nothing is found without a
/// positive PSF width, or where `background` has another size.
pub fn find_cosmic_rays(
    exposure: &mut Exposure,
    background: &Image<f32>,
    psf_fwhm_pixels: f64,
    config: &CosmicRayConfig,
) -> usize {
    let (width, height) = (exposure.width(), exposure.height());
    let usable = psf_fwhm_pixels > 0.0 && psf_fwhm_pixels.is_finite();
    let same_size = (background.width(), background.height()) == (width, height);
    if !usable || !same_size || width < 3 || height < 3 {
        return 0;
    }
    let sigma = psf_fwhm_pixels / elqui_base::FWHM_PER_SIGMA * config.psf_safety;
    let contrast = |d2: f64| (-0.5 * d2 / (sigma * sigma)).exp() as f32;
    let test = Test {
        image: &exposure.image,
        background,
        variance: &exposure.variance,
        mask: &exposure.mask,
        contrast: [contrast(1.0), contrast(1.0), contrast(2.0), contrast(2.0)],
    };
    let rows: Vec<Vec<u32>> =
        (1..height - 1).into_par_iter().map(|y| test.row(y, config)).collect();
    let first: Vec<u32> = rows.into_iter().flatten().collect();
    if first.is_empty() || first.len() as f64 > config.fraction_max * (width * height) as f64 {
        return 0;
    }
    let mut found = Found::new(width, height);
    first.iter().for_each(|k| found.add(*k));
    for _ in 0..config.iterations {
        found.fill(&test);
        let mut fresh: Vec<u32> = Vec::new();
        for k in &found.pixels {
            let (x, y) = (*k as usize % width, *k as usize / width);
            for ny in y.saturating_sub(1).max(1)..=(y + 1).min(height - 2) {
                for nx in x.saturating_sub(1).max(1)..=(x + 1).min(width - 2) {
                    let grown = !found.has(nx, ny)
                        && test.sharp(nx, ny, config.grow_sigma, 1.0, Some(&found));
                    if grown {
                        fresh.push((ny * width + nx) as u32);
                    }
                }
            }
        }
        fresh.sort_unstable();
        fresh.dedup();
        if fresh.is_empty() {
            break;
        }
        fresh.iter().for_each(|k| found.add(*k));
    }
    found.fill(&test);
    let bits = MaskPlane::Cr.bit() | MaskPlane::Intrp.bit();
    for (k, (value, variance)) in found.pixels.iter().zip(&found.values) {
        let k = *k as usize;
        exposure.image.data_mut()[k] = value + background.data()[k];
        exposure.variance.data_mut()[k] = *variance;
        exposure.mask.data_mut()[k] |= bits;
    }
    found.pixels.len()
}

struct Test<'a> {
    image: &'a Image<f32>,
    background: &'a Image<f32>,
    variance: &'a Image<f32>,
    mask: &'a Mask,
    /// H of each pair.
    contrast: [f32; 4],
}

impl Test<'_> {
    fn value(&self, x: usize, y: usize) -> f32 {
        self.image.at(x, y) - self.background.at(x, y)
    }

    /// Rays of one row in the first pass.
    fn row(&self, y: usize, config: &CosmicRayConfig) -> Vec<u32> {
        let width = self.image.width();
        let (image, sky, var) = (self.image.row(y), self.background.row(y), self.variance.row(y));
        let limit = config.n_sigma * config.n_sigma;
        let mut out = Vec::new();
        for x in 1..width - 1 {
            let p = image[x] - sky[x];
            // Nearly all pixels end here.
            if p > 0.0
                && p * p > limit * var[x]
                && self.sharp(x, y, config.n_sigma, config.psf_margin_sigma, None)
            {
                out.push((y * width + x) as u32);
            }
        }
        out
    }

    /// The test of one pixel that is not at the border; found pixels count as they were filled.
    fn sharp(&self, x: usize, y: usize, n_sigma: f32, margin: f32, found: Option<&Found>) -> bool {
        let p = self.value(x, y);
        let error = self.variance.at(x, y).sqrt();
        if !error.is_finite() || !p.is_finite() || p <= n_sigma * error {
            return false;
        }
        let untouchable = MaskPlane::Sat.bit() | MaskPlane::Bad.bit() | MaskPlane::NoData.bit();
        for ny in y - 1..=y + 1 {
            if self.mask.row(ny)[x - 1..=x + 1].iter().any(|m| m & untouchable != 0) {
                return false;
            }
        }
        let neighbour = |x: usize, y: usize| -> (f32, f32) {
            let filled = found.and_then(|f| f.value(x, y));
            filled.unwrap_or_else(|| (self.value(x, y), self.variance.at(x, y)))
        };
        PAIRS.iter().zip(self.contrast).any(|(&(dx, dy), h)| {
            let at = |s: i32| ((x as i32 + s * dx) as usize, (y as i32 + s * dy) as usize);
            let ((ax, ay), (bx, by)) = (at(1), at(-1));
            let ((a, va), (b, vb)) = (neighbour(ax, ay), neighbour(bx, by));
            let pair_error = 0.5 * (va + vb).max(0.0).sqrt();
            (p - margin * error) * h > 0.5 * (a + b) + margin * pair_error
        })
    }
}

/// Found pixels with what they are filled with (value above the sky, variance).
struct Found {
    pixels: Vec<u32>,
    values: Vec<(f32, f32)>,
    index: HashMap<u32, usize>,
    /// A bit for each pixel of the image: most questions are about pixels that are not found.
    bits: Vec<u64>,
    width: usize,
}

impl Found {
    fn new(width: usize, height: usize) -> Self {
        let bits = vec![0; (width * height).div_ceil(64)];
        Self { pixels: Vec::new(), values: Vec::new(), index: HashMap::new(), bits, width }
    }

    fn add(&mut self, k: u32) {
        self.bits[k as usize / 64] |= 1 << (k % 64);
        self.index.insert(k, self.pixels.len());
        self.pixels.push(k);
    }

    fn has(&self, x: usize, y: usize) -> bool {
        let k = y * self.width + x;
        self.bits[k / 64] >> (k % 64) & 1 == 1
    }

    fn value(&self, x: usize, y: usize) -> Option<(f32, f32)> {
        if !self.has(x, y) {
            return None;
        }
        let at = self.index.get(&((y * self.width + x) as u32))?;
        self.values.get(*at).copied()
    }

    /// Fill from pixels that are not found: along each direction linearly between the nearest good
    /// ones, shorter spans counting more; without any such span the sky.
    fn fill(&mut self, test: &Test<'_>) {
        let bad = MaskPlane::unusable();
        let good = |x: i32, y: i32| -> Option<(f32, f32)> {
            let bits = test.mask.get(x, y)?;
            let (x, y) = (x as usize, y as usize);
            (bits & bad == 0 && !self.has(x, y))
                .then(|| (test.value(x, y), test.variance.at(x, y)))
                .filter(|(v, var)| v.is_finite() && var.is_finite())
        };
        let fill_one = |k: &u32| -> (f32, f32) {
            let (x, y) = ((*k as usize % self.width) as i32, (*k as usize / self.width) as i32);
            let (mut sum, mut variance, mut weight) = (0.0f32, 0.0f32, 0.0f32);
            for (dx, dy) in PAIRS {
                let step = ((dx * dx + dy * dy) as f32).sqrt();
                let nearest = |s: i32| {
                    (1..=REACH)
                        .find_map(|d| good(x + s * d * dx, y + s * d * dy).map(|v| (v, d as f32)))
                };
                if let (Some(((a, va), da)), Some(((b, vb), db))) = (nearest(1), nearest(-1)) {
                    let (fa, fb) = (db / (da + db), da / (da + db));
                    let w = 1.0 / (step * (da + db)).powi(2);
                    sum += w * (fa * a + fb * b);
                    variance += w * (fa * va + fb * vb);
                    weight += w;
                }
            }
            if weight > 0.0 { (sum / weight, variance / weight) } else { (0.0, f32::INFINITY) }
        };
        self.values = self.pixels.iter().map(fill_one).collect();
    }
}

#[cfg(test)]
#[path = "cosmic_tests.rs"]
mod tests;
