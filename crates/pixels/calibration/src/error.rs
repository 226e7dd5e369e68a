//! What can stop the making of a master frame.

#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum CalibrationError {
    #[error("a master {kind} needs at least {needed} frames, {got} given")]
    TooFew { kind: &'static str, needed: usize, got: usize },
    #[error("frame {index} of the master {kind} is {got:?} pixels where the first is {expected:?}")]
    Size { kind: &'static str, index: usize, got: (usize, usize), expected: (usize, usize) },
    #[error("frame {index} of the master {kind} has no pixels")]
    Empty { kind: &'static str, index: usize },
    #[error(
        "frame {index} of the master dark was exposed for {exposure_s} s: it must be above zero"
    )]
    ExposureTime { index: usize, exposure_s: f64 },
    #[error("frame {index} of the master flat has a median of {median} adu: it must be above zero")]
    Dark { index: usize, median: f64 },
}
