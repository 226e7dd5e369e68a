//! A child of a blend: which pixels it has a part in, and its share of their flux.

use crate::bbox::Bbox;
use crate::footprint::Footprint;
use crate::image::Image;
use serde::{Deserialize, Serialize};

/// A footprint of one peak with the child's own flux in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeavyFootprint {
    /// The pixels that the child has a part in; one peak.
    pub footprint: Footprint,
    /// Where `pixels` lie in the image.
    pub bbox: Bbox,
    /// The child's flux, adu; 0 outside its footprint.
    pub pixels: Image<f32>,
}

impl HeavyFootprint {
    /// The child's flux at a pixel of the image; 0 outside.
    pub fn at(&self, x: i32, y: i32) -> f32 {
        self.pixels.get(x - self.bbox.x0, y - self.bbox.y0).unwrap_or(0.0)
    }

    /// All of the child's flux, adu.
    pub fn total(&self) -> f64 {
        self.pixels.data().iter().map(|&v| f64::from(v)).sum()
    }
}
