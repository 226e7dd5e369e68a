//! What may be chosen, and what can go wrong.

use serde::{Deserialize, Serialize};

/// Choices of [`estimate`](crate::estimate).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackgroundConfig {
    /// Wanted side of a mesh cell, pixels; adapted so that cells are nearly equal.
    pub cell_pixels: usize,
    /// Pixels farther from the median than this many sigma are clipped, iteratively.
    pub clip_sigma: f64,
    /// Side of the mesh's median filter, cells (odd; 1 = none).
    pub filter_cells: usize,
    /// A cell with a smaller part of its pixels usable is filled from its neighbours.
    pub min_usable_fraction: f64,
}

impl Default for BackgroundConfig {
    fn default() -> Self {
        Self { cell_pixels: 128, clip_sigma: 3.0, filter_cells: 3, min_usable_fraction: 0.1 }
    }
}

/// Why no background could be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BackgroundError {
    #[error("cannot estimate the background of an image without pixels ({width} x {height})")]
    Empty { width: usize, height: usize },
    #[error(
        "cannot estimate the background: the mask is {mask:?} pixels where the image is {image:?}"
    )]
    Shape { mask: (usize, usize), image: (usize, usize) },
    #[error("cannot estimate the background: every pixel is masked or not a finite number")]
    NothingUsable,
    #[error("cannot estimate the background: `{name}` may not be {value}")]
    Config { name: &'static str, value: f64 },
}
