//! Why a calibration or a light curve could not be made.

#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum PhotometryError {
    #[error("columns of the zero point differ in length: {lengths:?}")]
    Lengths { lengths: Vec<usize> },
    #[error(
        "no zero point: {count} usable stars (positive flux and a reference magnitude), at least {needed} are needed"
    )]
    FewStars { count: usize, needed: usize },
    #[error(
        "no relative light curve: {count} usable comparison stars over {frames} frames, at least {needed} are needed"
    )]
    FewComparisons { count: usize, frames: usize, needed: usize },
    #[error("no relative light curve: the target is measured in none of {frames} frames")]
    NoTarget { frames: usize },
    #[error("frame {frame} has {got} stars where {expected} were expected")]
    Ragged { frame: usize, got: usize, expected: usize },
    #[error("no zero point of the visit: none of its {given} detectors has one with an error")]
    NoDetectors { given: usize },
}
