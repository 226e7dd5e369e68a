//! How frames are combined.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrationConfig {
    /// A value this far from the pixel's median is left out, in the scatter of its stack.
    pub n_sigma: f32,
    /// A flat below this (of its median) has no calibration: NaN.
    pub flat_min: f32,
    /// Fewest frames of a master.
    pub frames_min: usize,
}

impl Default for CalibrationConfig {
    fn default() -> Self {
        Self { n_sigma: 4.0, flat_min: 0.05, frames_min: 3 }
    }
}
