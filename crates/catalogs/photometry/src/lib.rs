//! Photometric zero points and differential photometry.
//!
//! [`calibrate`] ties instrumental fluxes to reference magnitudes, with a colour term and a zero
//! point that varies over the detector where they are asked for; [`visit_zero_point`] combines a
//! visit's detectors; [`ensemble`] makes a relative light curve of a target against comparison
//! stars of the same frames.

// `!(x > 0.0)` is said where NaN has to be refused with the rest.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod color;
mod ensemble;
mod error;
mod map;
mod robust;
mod visit;
mod zero;

pub use color::{ColorMode, ColorTerm, ColorUse};
pub use ensemble::{Ensemble, EnsembleConfig, Flux, FrameState, ensemble};
pub use error::PhotometryError;
pub use map::{SpatialConfig, ZeroPointMap};
pub use visit::{DetectorOffset, DetectorZeroPoint, VisitZeroPoint, visit_zero_point};
pub use zero::{
    CalibrationStars, Places, ZeroPoint, ZeroPointConfig, calibrate, zero_point,
    zero_point_with_color,
};
