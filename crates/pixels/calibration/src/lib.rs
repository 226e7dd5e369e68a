//! Master calibration frames: bias, dark and flat from many exposures.
//!
//! Inputs are overscan-subtracted and assembled, in the adu of one gain: a bias from frames with
//! nothing else taken off, a dark from frames without bias, a flat from frames without bias and
//! dark.

mod combine;
mod config;
mod error;
mod master;

pub use config::CalibrationConfig;
pub use error::CalibrationError;
pub use master::{MasterFrame, build_bias, build_dark, build_flat};
pub use master::{build_bias_with, build_dark_with, build_flat_with};
