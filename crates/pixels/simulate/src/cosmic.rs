//! Cosmic rays: straight tracks of charge.
//!
//! Lengths follow a particle that crosses a layer a few pixels thick at a random slope; the charge a
//! pixel of track is log-normal. Electrons.

use crate::rng::Stream;
use elqui_image::Image;

/// Steps a pixel along a track, and the layer's thickness in pixels.
const STEPS_PX: f64 = 4.0;
const THICKNESS_PX: f64 = 3.0;
const LENGTH_MAX_PX: f64 = 80.0;

/// Add `count` tracks; the number of pixels touched is what a cosmic-ray finder can hope for.
pub fn add(image: &mut Image<f32>, count: usize, charge_e: f64, stream: &mut Stream) {
    let (w, h) = (image.width() as f64, image.height() as f64);
    for _ in 0..count {
        let (mut x, mut y) = (stream.range(-0.5, w - 0.5), stream.range(-0.5, h - 0.5));
        let angle = stream.range(0.0, std::f64::consts::TAU);
        let slope = (stream.range(0.0, 0.5 * std::f64::consts::PI)).tan();
        let length = (0.5 + THICKNESS_PX * slope).min(LENGTH_MAX_PX);
        let charge = charge_e * (0.6 * stream.normal()).exp() / (1.0 + 0.15 * length);
        let (dy, dx) = angle.sin_cos();
        for _ in 0..(length * STEPS_PX).ceil() as usize {
            let (ix, iy) = (x.round(), y.round());
            if ix >= 0.0 && iy >= 0.0 && ix < w && iy < h {
                let i = iy as usize * image.width() + ix as usize;
                image.data_mut()[i] += (charge / STEPS_PX) as f32;
            }
            x += dx / STEPS_PX;
            y += dy / STEPS_PX;
        }
    }
}
