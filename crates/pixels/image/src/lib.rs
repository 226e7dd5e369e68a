//! Images, masks, exposures and the nouns that pixel rooms share.
//!
//! Pixel (0, 0) is the centre of the first pixel; x runs along a row. Pixels are f32, geometry and
//! sums f64. Nothing here reads a file.

mod aperture;
mod bbox;
mod detector;
mod exposure;
mod footprint;
mod header;
mod image;
mod mask;
mod moments;
mod psf_model;

pub use aperture::{ApertureSum, aperture_sum, circle_overlap};
pub use bbox::Bbox;
pub use detector::{Amplifier, Detector};
pub use exposure::{
    ApCorrMap, BackgroundModel, Exposure, ImageError, PhotoCalib, RawFrame, VisitInfo,
};
pub use footprint::{Footprint, Peak, Span};
pub use header::{Card, Header, Value};
pub use image::Image;
pub use mask::{Mask, MaskPlane};
pub use moments::{Moments, adaptive_moments};
pub use psf_model::PsfModel;
