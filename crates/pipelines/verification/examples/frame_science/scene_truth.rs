//! A rendered scene as the truth that the tables want.

use crate::cube::CubePsf;
use elqui_image::Image;
use elqui_simulate::{Scene, SceneSource};
use elqui_verification::{Facts, Light, TrueSource, Truth};
use elqui_wcs::Wcs;

/// Part of the saturation level that a peak may reach.
const NEAR_SATURATION: f64 = 0.9;

/// A frame to process, whoever drew it.
#[derive(Clone)]
pub struct Frame {
    pub scene: Scene,
    pub image: Image<f32>,
    pub header: elqui_image::Header,
    pub wcs: Wcs,
    /// Everything drawn; the first `ids.len()` lie on the frame.
    pub sources: Vec<SceneSource>,
    pub ids: Vec<i64>,
    pub positions_deg: Vec<(f64, f64)>,
    pub reference: elqui_schema::Table,
    /// `scene` can draw it again, with other sources.
    pub can_be_redrawn: bool,
    /// The true PSF, where it is not that of `scene`.
    pub psf: Option<CubePsf>,
}

pub struct SceneLight<'a> {
    pub scene: &'a Scene,
    pub sources: &'a [SceneSource],
    pub psf: Option<&'a CubePsf>,
}

impl Light for SceneLight<'_> {
    fn psf(&self, middle: [i32; 2], x: f64, y: f64, half: usize) -> Image<f32> {
        match self.psf {
            Some(cube) => cube.stamp(middle, x, y, half),
            None => self.scene.psf_stamp_about(middle, x, y, half),
        }
    }

    fn source(&self, index: usize, middle: [i32; 2], x: f64, y: f64, half: usize) -> Image<f32> {
        let s = &self.sources[index];
        match s.galaxy {
            None => {
                let flux = s.flux_e as f32;
                self.psf(middle, x, y, half).map(|v| v * flux)
            }
            Some(_) => self.scene.source_stamp_about(middle, &SceneSource { x, y, ..*s }, half),
        }
    }
}

pub fn truth<'a>(
    frame: &'a Frame,
    light: &'a SceneLight<'a>,
    reference_err_mas: &dyn Fn(i64) -> f64,
) -> Truth<'a> {
    let scene = &frame.scene;
    let sky_e = scene.sky_e();
    let full = NEAR_SATURATION * scene.saturation_adu * scene.gain;
    let sources = frame
        .sources
        .iter()
        .zip(&frame.ids)
        .map(|(s, id)| {
            let middle = [s.x.round() as i32, s.y.round() as i32];
            let peak = s.flux_e * f64::from(light.psf(middle, s.x, s.y, 0).at(0, 0));
            TrueSource {
                x: s.x,
                y: s.y,
                flux_e: s.flux_e,
                is_star: s.galaxy.is_none(),
                saturated: s.galaxy.is_none() && peak + sky_e > full,
                radius_px: s.galaxy.map_or(0.0, |g| g.radius_px),
                reference_err_mas: reference_err_mas(*id),
            }
        })
        .collect();
    Truth {
        facts: Facts {
            sky_e,
            read_noise_e: scene.read_noise_e,
            gain: scene.gain,
            exposure_s: scene.exposure_s,
            zero_point_mag: scene.zero_point_mag,
            pixel_scale_arcsec: scene.pixel_scale_arcsec,
            fwhm_px: scene.fwhm_arcsec / scene.pixel_scale_arcsec,
            wcs: frame.wcs.clone(),
        },
        sources,
        outside: frame.sources[frame.ids.len()..].iter().map(|s| [s.x, s.y, s.flux_e]).collect(),
        light,
        expectation: expectation(frame, light),
        image: &frame.image,
    }
}

/// The mean image. Where the PSF is not the scene's, each star's neighbourhood is drawn with the true one.
fn expectation(frame: &Frame, light: &SceneLight<'_>) -> Image<f32> {
    let mut image = frame.scene.expectation(&frame.sources);
    let Some(cube) = &frame.psf else { return image };
    for s in frame.sources.iter().filter(|s| s.galaxy.is_none()) {
        let middle = [s.x.round() as i32, s.y.round() as i32];
        let half = cube.half();
        let theirs = cube.stamp(middle, s.x, s.y, half);
        let ours = light.scene.psf_stamp_about(middle, s.x, s.y, half);
        for j in 0..2 * half + 1 {
            for i in 0..2 * half + 1 {
                let (x, y) =
                    (middle[0] + (i as i32 - half as i32), middle[1] + (j as i32 - half as i32));
                if let Some(v) = image.get(x, y) {
                    let d = theirs.at(i, j) - ours.at(i, j);
                    image.set(x as usize, y as usize, v + d * s.flux_e as f32);
                }
            }
        }
    }
    image
}
