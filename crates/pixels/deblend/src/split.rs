//! The split itself: one parent, or all of a frame's.

use crate::blend::Blend;
use crate::config::DeblendConfig;
use crate::fit::{Point, Scratch, fit_points};
use crate::template::{scale_templates, templates};
use elqui_image::{Footprint, HeavyFootprint, Image, Mask, Peak, PsfModel, PsfSampler};
use rayon::prelude::*;

/// The children of one parent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deblended {
    /// One a peak, in the order of the parent's peaks; empty when the parent has a single peak.
    pub children: Vec<HeavyFootprint>,
    /// The blend was too large and a cheaper method split it: points only, at their peaks.
    pub simplified: bool,
}

/// Split one parent.
pub fn deblend(
    image: &Image<f32>,
    mask: &Mask,
    footprint: &Footprint,
    psf: &PsfModel,
    config: &DeblendConfig,
) -> Deblended {
    if footprint.peaks.len() < 2 {
        return Deblended::default();
    }
    let samplers = Samplers::new(psf, config);
    split(image, mask, footprint, &samplers, config, &mut Scratch::default())
}

/// Split every parent of a frame, in order.
pub fn deblend_all(
    image: &Image<f32>,
    mask: &Mask,
    footprints: &[Footprint],
    psf: &PsfModel,
    config: &DeblendConfig,
) -> Vec<Deblended> {
    let samplers = Samplers::new(psf, config);
    footprints
        .par_iter()
        .with_min_len(16)
        .map_init(Scratch::default, |s, f| split(image, mask, f, &samplers, config, s))
        .collect()
}

/// The PSF tabulated narrowly for the fits and widely for the templates.
struct Samplers {
    fit: PsfSampler,
    template: PsfSampler,
}

impl Samplers {
    fn new(psf: &PsfModel, config: &DeblendConfig) -> Self {
        let half = |fwhms: f64| {
            let h = (fwhms * psf.fwhm_pixels).ceil();
            if h.is_finite() { h.clamp(3.0, 60.0) as usize } else { 6 }
        };
        Self {
            fit: PsfSampler::new(psf, half(config.fit_fwhm)),
            template: PsfSampler::new(psf, half(config.template_fwhm)),
        }
    }
}

fn split(
    image: &Image<f32>,
    mask: &Mask,
    footprint: &Footprint,
    samplers: &Samplers,
    config: &DeblendConfig,
    scratch: &mut Scratch,
) -> Deblended {
    if footprint.peaks.len() < 2 {
        return Deblended::default();
    }
    let simplified =
        footprint.peaks.len() > config.peaks_max || footprint.area() > config.area_pixels_max;
    let Some(blend) = Blend::cut(image, mask, footprint) else {
        let children = footprint.peaks.iter().map(|&p| empty(p)).collect();
        return Deblended { children, simplified };
    };
    let mut points: Vec<Point> = footprint.peaks.iter().map(|p| Point::new(&blend, p)).collect();
    let effort = if simplified { (2, false) } else { (config.sweeps, true) };
    let residual = fit_points(&blend, &mut points, &samplers.fit, config, effort, scratch);
    let (mut profiles, any_extended) =
        templates(&blend, &residual, &points, &samplers.template, config, !simplified, scratch);
    if any_extended {
        scale_templates(&blend, &mut profiles, 3);
    }
    let peaks: Vec<Peak> = footprint
        .peaks
        .iter()
        .zip(&points)
        .map(|(peak, p)| {
            if !p.valid {
                return *peak;
            }
            let x = p.x + f64::from(blend.bbox.x0);
            let y = p.y + f64::from(blend.bbox.y0);
            Peak { x: x as f32, y: y as f32, ..*peak }
        })
        .collect();
    Deblended { children: crate::share::share(&blend, &profiles, &peaks), simplified }
}

/// A child whose parent misses the image.
fn empty(peak: Peak) -> HeavyFootprint {
    HeavyFootprint {
        footprint: Footprint { spans: Vec::new(), peaks: vec![peak] },
        bbox: elqui_image::Bbox::default(),
        pixels: Image::filled(0, 0, 0.0),
    }
}
