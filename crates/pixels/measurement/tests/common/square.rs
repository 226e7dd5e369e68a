//! Squares of pixels with one source that the simulator drew, for the tests of model fits.
#![allow(dead_code)]

use super::common::Rng;
use elqui_image::{Image, PsfModel};
use elqui_measurement::{Start, View};
use elqui_simulate::{GalaxyShape, Scene, SceneSource};

pub const MIDDLE: f64 = 500.0;

/// Image, variance and mask of a square about pixel (500, 500).
pub struct Square {
    pub half: usize,
    pub image: Image<f32>,
    pub variance: Image<f32>,
    pub mask: Image<u32>,
}

impl Square {
    pub fn new(half: usize, image: Image<f32>, sigma: f64) -> Self {
        let side = 2 * half + 1;
        let variance = Image::filled(side, side, (sigma * sigma) as f32);
        Self { half, image, variance, mask: Image::filled(side, side, 0) }
    }
    pub fn view(&self) -> View<'_> {
        let first = MIDDLE as i32 - self.half as i32;
        View {
            x0: first,
            y0: first,
            image: &self.image,
            variance: &self.variance,
            mask: &self.mask,
            reject: 1,
        }
    }
    pub fn noisy(&self, rng: &mut Rng) -> Self {
        let mut image = self.image.clone();
        for (v, s) in image.data_mut().iter_mut().zip(self.variance.data()) {
            *v += (rng.normal() * f64::from(*s).sqrt()) as f32;
        }
        Self { half: self.half, image, variance: self.variance.clone(), mask: self.mask.clone() }
    }
    pub fn start(&self, x: f64, y: f64) -> Start {
        let c = (x - MIDDLE + self.half as f64, y - MIDDLE + self.half as f64);
        let m = elqui_image::adaptive_moments(&self.image, &self.mask, 1, c, 2.0, 4.0, 60.0);
        let moments = if m.failed { [4.0, 0.0, 4.0] } else { [m.ixx, m.ixy, m.iyy] };
        Start { x: x.round(), y: y.round(), flux: m.flux, moments }
    }
}

pub fn alpha(fwhm: f64) -> f64 {
    fwhm / (2.0 * (2f64.powf(1.0 / 3.0) - 1.0).sqrt())
}

/// The simulator's PSF: a Moffat function sampled at pixel centres.
pub fn moffat(fwhm: f64) -> PsfModel {
    let a = alpha(fwhm);
    PsfModel::from_profile(161, 0.5, fwhm, |dx, dy| (1.0 + (dx * dx + dy * dy) / (a * a)).powi(-3))
}

pub fn scene() -> Scene {
    Scene { width: 1001, height: 1001, fwhm_growth: 0.0, ellipticity: 0.0, ..Scene::default() }
}

/// Drawn bright, so that the simulator leaves no wings out, and brought to `flux`.
pub fn drawn(x: f64, y: f64, flux: f64, galaxy: Option<GalaxyShape>, half: usize) -> Image<f32> {
    let source = SceneSource { x, y, flux_e: 1e9, galaxy };
    let middle = [MIDDLE as i32; 2];
    scene().source_stamp_about(middle, &source, half).map(|v| v * (flux / 1e9) as f32)
}

/// A trail as many stars in a row.
pub fn trailed(x: f64, y: f64, length: f64, angle: f64, flux: f64, half: usize) -> Image<f32> {
    let steps = 200;
    let mut image = Image::filled(2 * half + 1, 2 * half + 1, 0.0f32);
    for k in 0..steps {
        let t = length * ((f64::from(k) + 0.5) / f64::from(steps) - 0.5);
        let a =
            drawn(x + t * angle.cos(), y + t * angle.sin(), flux / f64::from(steps), None, half);
        image.data_mut().iter_mut().zip(a.data()).for_each(|(i, a)| *i += a);
    }
    image
}
