//! What the simulator knows of a frame, in plain numbers.
//!
//! - positions: 0-based pixels; fluxes: electrons over the whole exposure, total over all space

use elqui_image::Image;
use elqui_wcs::Wcs;

/// One source on the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrueSource {
    pub x: f64,
    pub y: f64,
    pub flux_e: f64,
    pub is_star: bool,
    /// Its peak is cut, or near it.
    pub saturated: bool,
    /// Effective radius of a galaxy, pixels; 0 for a star.
    pub radius_px: f64,
    /// Error of its position in the reference catalogue that was used, mas; NaN when it is not in it.
    pub reference_err_mas: f64,
}

/// Facts of the exposure.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub sky_e: f64,
    pub read_noise_e: f64,
    /// Electrons per adu.
    pub gain: f64,
    pub exposure_s: f64,
    /// AB magnitude of 1 electron a second.
    pub zero_point_mag: f64,
    pub pixel_scale_arcsec: f64,
    /// FWHM of the PSF in the middle, pixels.
    pub fwhm_px: f64,
    pub wcs: Wcs,
}

impl Facts {
    /// AB magnitude of 1 adu over the whole exposure.
    pub fn zero_point_adu(&self) -> f64 {
        self.zero_point_mag + 2.5 * (self.exposure_s / self.gain).log10()
    }

    pub fn magnitude(&self, flux_e: f64) -> f64 {
        self.zero_point_mag - 2.5 * (flux_e / self.exposure_s).log10()
    }

    /// Noise of a pixel of blank sky, electrons.
    pub fn sky_noise_e(&self) -> f64 {
        (self.sky_e + self.read_noise_e * self.read_noise_e).sqrt()
    }
}

/// Noiseless light: stamps of side `2 half + 1` about a pixel.
pub trait Light: Sync {
    /// PSF of a source at (x, y), of unit sum over all space.
    fn psf(&self, middle: [i32; 2], x: f64, y: f64, half: usize) -> Image<f32>;
    /// Mean image of a source, electrons, as if its centre were at (x, y).
    fn source(&self, index: usize, middle: [i32; 2], x: f64, y: f64, half: usize) -> Image<f32>;
}

/// Everything about a frame.
pub struct Truth<'a> {
    pub facts: Facts,
    /// What lies on the frame.
    pub sources: Vec<TrueSource>,
    /// Sources just outside, whose light falls on it: x, y, electrons.
    pub outside: Vec<[f64; 3]>,
    pub light: &'a dyn Light,
    /// Mean image of all sources and the sky, electrons.
    pub expectation: Image<f32>,
    /// The image that was processed, adu, sky included.
    pub image: &'a Image<f32>,
}
