//! A small sky with known truth: Moffat stars and rounder-wider galaxies on a sky with noise.
//!
//! Deterministic, and shares no code with what it tests. Pixels are point samples of the profiles;
//! noise is Gaussian with the variance of sky and objects (gain 1).
#![allow(dead_code)]

mod profiles;

use elqui_image::{Image, Mask};
pub use profiles::Profile;

/// A source of the scene.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    pub x: f64,
    pub y: f64,
    pub flux: f64,
    pub galaxy: bool,
}

pub struct Scene {
    pub image: Image<f32>,
    pub variance: Image<f32>,
    pub mask: Mask,
    pub truth: Vec<Truth>,
}

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn normal(&mut self) -> f64 {
        let u = self.uniform().max(1e-300);
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[derive(Debug, Clone)]
pub struct Spec {
    pub profile: Profile,
    pub width: usize,
    pub height: usize,
    pub seed: u64,
    pub stars: usize,
    pub galaxies: usize,
    /// Level of the sky, adu (variance too, gain 1).
    pub sky: f64,
    pub fwhm: f64,
    /// Relative growth of the FWHM from the left edge to the right one.
    pub fwhm_growth: f64,
    /// Elongation along x: axis ratio is `1 - ellipticity`.
    pub ellipticity: f64,
    pub flux_min: f64,
    pub flux_max: f64,
    /// Sources keep this distance from each other and the border, pixels.
    pub spacing: f64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            profile: Profile::Moffat(3.5),
            width: 512,
            height: 512,
            seed: 1,
            stars: 100,
            galaxies: 0,
            sky: 400.0,
            fwhm: 3.2,
            fwhm_growth: 0.0,
            ellipticity: 0.0,
            flux_min: 1e3,
            flux_max: 1e6,
            spacing: 0.0,
        }
    }
}

/// Unit-sum profile of a star at x, by its offset.
pub fn star_profile(spec: &Spec, x: f64) -> impl Fn(f64, f64) -> f64 + use<> {
    let fwhm = spec.fwhm * (1.0 + spec.fwhm_growth * (x / spec.width as f64 - 0.5));
    spec.profile.draw(fwhm, spec.ellipticity)
}

pub fn make(spec: &Spec) -> Scene {
    let mut random = Random::new(spec.seed);
    let (w, h) = (spec.width as f64, spec.height as f64);
    let mut truth: Vec<Truth> = Vec::new();
    let mut tries = 0;
    while truth.len() < spec.stars + spec.galaxies && tries < 200_000 {
        tries += 1;
        let (x, y) = (random.uniform() * (w - 1.0), random.uniform() * (h - 1.0));
        let border = spec.spacing;
        let inside = x >= border && y >= border && x <= w - 1.0 - border && y <= h - 1.0 - border;
        let free =
            spec.spacing <= 0.0 || truth.iter().all(|t| (t.x - x).hypot(t.y - y) > spec.spacing);
        if inside && free {
            // Numbers fall as 1 / flux.
            let flux =
                spec.flux_min / (1.0 - random.uniform() * (1.0 - spec.flux_min / spec.flux_max));
            truth.push(Truth { x, y, flux, galaxy: truth.len() >= spec.stars });
        }
    }
    let mut light = vec![0.0f64; spec.width * spec.height];
    for t in &truth {
        let star = star_profile(spec, t.x);
        let broad = Profile::Moffat(3.0).draw(spec.fwhm * 2.0, 0.3);
        // Far enough that what is left out is well below the noise.
        let reach = (4.0 * spec.fwhm * (t.flux / spec.sky).powf(0.14)).clamp(10.0, 150.0) as i64;
        let (cx, cy) = (t.x.round() as i64, t.y.round() as i64);
        for j in (cy - reach).max(0)..=(cy + reach).min(spec.height as i64 - 1) {
            for i in (cx - reach).max(0)..=(cx + reach).min(spec.width as i64 - 1) {
                let (dx, dy) = (i as f64 - t.x, j as f64 - t.y);
                let v = if t.galaxy { broad(dx, dy) } else { star(dx, dy) };
                light[j as usize * spec.width + i as usize] += t.flux * v;
            }
        }
    }
    let variance: Vec<f32> = light.iter().map(|v| (v + spec.sky) as f32).collect();
    let pixels = light
        .iter()
        .map(|v| (v + spec.sky + (v + spec.sky).sqrt() * random.normal()) as f32)
        .collect();
    Scene {
        image: Image::from_vec(spec.width, spec.height, pixels),
        variance: Image::from_vec(spec.width, spec.height, variance),
        mask: Image::filled(spec.width, spec.height, 0),
        truth,
    }
}
