//! Images, masks, exposures and the nouns that pixel rooms share.
//!
//! Pixel (0, 0) is the centre of the first pixel; x runs along a row. Pixels are f32, geometry and
//! sums f64. Nothing here reads a file.

mod aperture;
mod bbox;
mod detector;
mod exposure;
mod footprint;
mod gaussian_rows;
mod header;
mod heavy;
mod image;
mod mask;
mod moments;
mod psf_components;
mod psf_model;
mod psf_sampler;
pub mod vectors;
pub mod wide;

pub use aperture::{ApertureSum, aperture_sum, aperture_sums, circle_overlap};
pub use bbox::Bbox;
pub use detector::{Amplifier, Detector};
pub use exposure::{
    ApCorrMap, BackgroundModel, Exposure, ImageError, PhotoCalib, RawFrame, VisitInfo,
};
pub use footprint::{Footprint, Peak, Span};
pub use gaussian_rows::GaussianRows;
pub use header::{Card, Header, Value};
pub use heavy::HeavyFootprint;
pub use image::Image;
pub use mask::{Mask, MaskPlane};
pub use moments::{Moments, adaptive_moments};
pub use psf_model::{AxisTaps, PsfModel};
pub use psf_sampler::{LocalPsf, PsfSampler};
