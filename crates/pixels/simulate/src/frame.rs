//! One simulated frame, and how frames are numbered.

use elqui_image::{Header, Image};
use elqui_schema::Table;

/// What a frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameKind {
    Bias,
    Dark,
    Flat,
    Science,
}

impl FrameKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bias => "bias",
            Self::Dark => "dark",
            Self::Flat => "flat",
            Self::Science => "science",
        }
    }
}

/// A raw frame of one detector with its truth; pixels are whole adu from 0 to 65535.
#[derive(Debug, Clone, PartialEq)]
pub struct SimFrame {
    pub kind: FrameKind,
    pub visit: u64,
    /// Index of the detector in the list the survey was made with, and its id.
    pub detector: usize,
    pub detector_id: u32,
    /// Empty for bias and dark frames.
    pub band: String,
    pub header: Header,
    /// Index of the HDU, and its raw image with overscan.
    pub amps: Vec<(usize, Image<f32>)>,
    /// Objects on this frame; no rows for calibration frames.
    pub truth: Table,
}

impl SimFrame {
    /// A file name without its extension: `simcam_science_1001_r_0`.
    pub fn stem(&self) -> String {
        let band = if self.band.is_empty() { String::new() } else { format!("_{}", self.band) };
        format!("simcam_{}_{}{band}_{}", self.kind.name(), self.visit, self.detector_id)
    }
}

/// First visit number of each kind of frame.
const FIRST_VISIT: [(FrameKind, u64); 4] = [
    (FrameKind::Science, 1001),
    (FrameKind::Bias, 2001),
    (FrameKind::Dark, 3001),
    (FrameKind::Flat, 4001),
];

pub(crate) fn first_visit(kind: FrameKind) -> u64 {
    FIRST_VISIT.iter().find(|(k, _)| *k == kind).map_or(1, |(_, v)| *v)
}

/// The key of a frame's random streams.
pub(crate) fn key(kind: FrameKind, index: usize, det: usize) -> u64 {
    ((kind as u64 + 1) << 48) | ((index as u64) << 12) | det as u64
}
