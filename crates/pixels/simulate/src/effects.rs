//! Errors of the instrument that a scene may leave in its image.
//!
//! Simple models, honest in size and sign, of what the signature removal has to take out:
//! - brighter-fatter: the border between two pixels moves towards the fuller one by `brighter_fatter_px`
//!   for each 1e5 electrons of difference, and the charge in between changes sides; charge is conserved
//!   (the nearest-neighbour term of Antilogus et al. 2014, JINST 9, C03048)
//! - tree rings: rings about a point outside a corner displace light along the radius by
//!   `tree_rings_px` sin(2 pi r / period); the sky sees the change of the pixels' areas. A source moves as
//!   a whole; what the truth says is where it would be without (Plazas et al. 2014, PASP 126, 750).
//! - flat error: each pixel's response is off by a normal number of this width, and the field by a
//!   gradient of the same size from middle to corner

use crate::rng::{Purpose, Stream};
use crate::scene::SceneSource;
use elqui_image::Image;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;

/// Distance between tree rings, pixels.
const RING_PERIOD_PX: f64 = 120.0;

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Effects {
    /// Shift of a pixel's border for 1e5 electrons between neighbours, pixels.
    pub brighter_fatter_px: f64,
    /// Largest displacement by the rings, pixels.
    pub tree_rings_px: f64,
    /// Relative error of the response.
    pub flat_error: f64,
}

impl Effects {
    /// Radius vector from the rings' centre, which lies off the lower left corner.
    fn from_rings(x: f64, y: f64, half_diagonal: f64) -> [f64; 3] {
        let (dx, dy) = (x + 0.2 * half_diagonal, y + 0.1 * half_diagonal);
        [dx, dy, dx.hypot(dy)]
    }

    pub(crate) fn displaced(&self, s: &SceneSource, half_diagonal: f64) -> SceneSource {
        let [dx, dy, r] = Self::from_rings(s.x, s.y, half_diagonal);
        let shift = self.tree_rings_px * (TAU * r / RING_PERIOD_PX).sin() / r.max(1.0);
        SceneSource { x: s.x + shift * dx, y: s.y + shift * dy, ..*s }
    }

    /// Change the mean image (electrons) as the detector would.
    pub(crate) fn apply(&self, image: &mut Image<f32>, seed: u64, half_diagonal: f64) {
        let (width, height) = (image.width(), image.height());
        image.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            let mut stream = Stream::new(seed, Purpose::FlatError, 0, y as u64);
            let v = (y as f64 - 0.5 * height as f64) / half_diagonal;
            for (x, pixel) in row.iter_mut().enumerate() {
                let u = (x as f64 - 0.5 * width as f64) / half_diagonal;
                let [_, _, r] = Self::from_rings(x as f64, y as f64, half_diagonal);
                let wave = TAU / RING_PERIOD_PX;
                let area = 1.0 - self.tree_rings_px * wave * (wave * r).cos();
                let response = 1.0 + self.flat_error * (stream.normal() + 0.8 * u + 0.6 * v);
                *pixel = (f64::from(*pixel) * area * response) as f32;
            }
        });
        if self.brighter_fatter_px != 0.0 {
            self.move_borders(image);
        }
    }

    fn move_borders(&self, image: &mut Image<f32>) {
        let (width, height) = (image.width(), image.height());
        let before = image.clone();
        let a = self.brighter_fatter_px / 1e5;
        // Charge that pixel p gains from its neighbour q.
        let gain = |p: f32, q: f32| {
            let (p, q) = (f64::from(p), f64::from(q));
            a * (q - p) * 0.5 * (p + q)
        };
        image.data_mut().par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            for (x, pixel) in row.iter_mut().enumerate() {
                let own = before.at(x, y);
                let mut sum = 0.0;
                for (i, j) in
                    [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)]
                {
                    if i < width && j < height {
                        sum += gain(own, before.at(i, j));
                    }
                }
                *pixel = (f64::from(own) + sum) as f32;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brighter_is_fatter_and_charge_is_kept() {
        let star = |peak: f64| {
            Image::from_fn(41, 41, |x, y| {
                let r2 = (x as f64 - 20.0).powi(2) + (y as f64 - 20.0).powi(2);
                (100.0 + peak * (-r2 / 8.0).exp()) as f32
            })
        };
        let effects = Effects { brighter_fatter_px: 0.03, ..Effects::default() };
        let width = |image: &Image<f32>| {
            let sum: f64 = image.data().iter().map(|v| f64::from(*v) - 100.0).sum();
            sum / (f64::from(image.at(20, 20)) - 100.0)
        };
        let mut growth = Vec::new();
        for peak in [1e3, 9e4] {
            let before = star(peak);
            let mut after = before.clone();
            effects.move_borders(&mut after);
            let sum = |i: &Image<f32>| i.data().iter().map(|v| f64::from(*v)).sum::<f64>();
            assert!((sum(&after) / sum(&before) - 1.0).abs() < 1e-6);
            growth.push(width(&after) / width(&before) - 1.0);
        }
        assert!(growth[1] > 0.005 && growth[1] > 20.0 * growth[0].abs(), "{growth:?}");
    }
}
