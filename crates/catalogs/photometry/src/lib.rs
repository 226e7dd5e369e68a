//! Photometric zero points and differential photometry.
//!
//! [`zero_point`] ties instrumental fluxes to reference magnitudes; [`ensemble`] makes a relative
//! light curve of a target against comparison stars of the same frames.

mod ensemble;
mod error;
mod zero;

pub use ensemble::{Ensemble, EnsembleConfig, Flux, FrameState, ensemble};
pub use error::PhotometryError;
pub use zero::{ColorTerm, ZeroPoint, ZeroPointConfig, zero_point, zero_point_with_color};
