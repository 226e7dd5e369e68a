//! What can stop the removal of the instrument's signature.

use elqui_image::ImageError;

/// An amplifier or a calibration that does not fit the frame.
#[derive(Debug, thiserror::Error, PartialEq, Clone)]
pub enum IsrError {
    #[error("the raw frame has no image in HDU {hdu}, which amplifier `{amplifier}` names")]
    MissingHdu { amplifier: String, hdu: usize },
    #[error("{section} section of amplifier `{amplifier}` has no pixels")]
    EmptySection { amplifier: String, section: &'static str },
    #[error(
        "{section} section {bbox} of amplifier `{amplifier}` is outside of its image of {width} x {height} pixels"
    )]
    SectionOutside {
        amplifier: String,
        section: &'static str,
        bbox: String,
        width: usize,
        height: usize,
    },
    #[error(
        "amplifier `{amplifier}` has {got:?} pixels of data for a place of {expected:?} in the detector"
    )]
    PlaceSize { amplifier: String, got: (usize, usize), expected: (usize, usize) },
    #[error("detector `{detector}` has no amplifiers")]
    NoAmplifiers { detector: String },
    #[error("gain of amplifier `{amplifier}` is {gain}: it must be above zero")]
    BadGain { amplifier: String, gain: f64 },
    #[error("{got} crosstalk coefficients for {amplifiers} amplifiers: their square is needed")]
    Crosstalk { got: usize, amplifiers: usize },
    #[error("exposure time is {exposure_s} s: the dark cannot be scaled by it")]
    ExposureTime { exposure_s: f64 },
    #[error(transparent)]
    Image(#[from] ImageError),
}
