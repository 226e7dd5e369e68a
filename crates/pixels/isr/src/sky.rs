//! Level and noise of the sky, measured quickly on a sample of an image's pixels.

use elqui_base::{clipped_mean, median_f32};
use elqui_image::{Image, Mask, MaskPlane};

const SAMPLES: usize = 100_000;

/// Odd, so that a sample of an image of even width meets all columns.
fn step(pixels: usize) -> usize {
    (pixels / SAMPLES).max(1) | 1
}

/// Median level, and scatter of a pixel from the clipped differences of neighbours, adu; `None`
/// without enough pixels (those whose mask is empty count).
pub fn sky_and_noise(image: &Image<f32>, mask: &Mask) -> Option<(f32, f32)> {
    let (mut levels, mut differences) = (Vec::new(), Vec::new());
    for k in (1..image.data().len()).step_by(step(image.data().len())) {
        let (a, b) = (image.data()[k - 1], image.data()[k]);
        if mask.data()[k] | mask.data()[k - 1] == 0 && (b - a).is_finite() {
            levels.push(b);
            differences.push(f64::from(b - a) * std::f64::consts::FRAC_1_SQRT_2);
        }
    }
    let noise = clipped_mean(&differences, 3.0, 20).sigma;
    (levels.len() >= 100 && noise > 0.0).then(|| (median_f32(&mut levels), noise as f32))
}

/// Median of the finite pixels (with data, where there is a mask); zero when there are none. Holes are
/// filled with it, so that no sum downstream meets a NaN or a step that its mask should have kept
/// out.
pub fn typical(image: &Image<f32>, mask: Option<&Mask>) -> f32 {
    let has_data = |k: usize| mask.is_none_or(|m| m.data()[k] & MaskPlane::NoData.bit() == 0);
    let sampled = (0..image.data().len()).step_by(step(image.data().len()));
    let mut values: Vec<f32> = sampled
        .filter(|&k| has_data(k))
        .map(|k| image.data()[k])
        .filter(|v| v.is_finite())
        .collect();
    if values.is_empty() { 0.0 } else { median_f32(&mut values) }
}
