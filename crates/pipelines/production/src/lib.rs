//! The composition of steps: from a raw or corrected frame to a calibrated catalogue.
//!
//! [`process_frame`] is the one order of the frame's steps, in two halves: [`remove_signature`] and
//! [`calibrate_image`]. They read and write no file; [`files`] are the doors. `elqui process` calls them in
//! one go, the steps of [`steps`] one by one with a repository between, to the same bytes.

mod astrometry;
mod calibrate;
mod config;
mod detect;
mod error;
mod facts;
pub mod files;
mod frame;
mod quality;
mod signature;
pub mod steps;
mod summary;

pub use config::{AstrometryStep, ProcessConfig};
pub use error::ProcessError;
pub use files::{CorrectedOptions, DetectorInput, OpenInput, ReferenceFile};
pub use frame::{FrameInput, ProcessOutput, Reference, calibrate_image, process_frame};
pub use quality::{Limits, NominalZeroPoint, Quality, QualityConfig, Reason, ReasonCode, Verdict};
pub use signature::{Origin, PostIsr, remove_signature};
pub use summary::FrameSummary;
