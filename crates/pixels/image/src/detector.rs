//! Geometry of a detector: its amplifiers, and where their pixels are in the raw frame.

use crate::bbox::Bbox;
use serde::{Deserialize, Serialize};

/// One amplifier. Boxes named `raw_*` are in the raw image of its HDU; `bbox` is its place in
/// the assembled detector. `flip_*` is applied to the raw data when it is placed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Amplifier {
    pub name: String,
    /// HDU of the raw file that holds it (index; 0 is the primary).
    pub raw_hdu: usize,
    pub raw_data: Bbox,
    /// Serial (column) overscan, beside the data; empty when there is none.
    pub raw_serial_overscan: Bbox,
    /// Parallel (row) overscan, above or below the data; empty when there is none.
    pub raw_parallel_overscan: Bbox,
    pub bbox: Bbox,
    pub flip_x: bool,
    pub flip_y: bool,
    /// Electrons per adu.
    pub gain: f64,
    /// Electrons.
    pub read_noise: f64,
    /// Level at which the raw pixel is saturated, adu (before any subtraction).
    pub saturation_adu: f64,
}

/// A detector: its assembled size and its amplifiers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    pub id: u32,
    pub name: String,
    pub width: usize,
    pub height: usize,
    pub amplifiers: Vec<Amplifier>,
    /// Nominal pixel scale, arcsec.
    pub pixel_scale_arcsec: f64,
    /// Crosstalk: fraction of amplifier j's signal that appears in amplifier i, row-major; empty for none.
    #[serde(default)]
    pub crosstalk: Vec<f64>,
}
