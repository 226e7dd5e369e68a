//! The composition of steps: from a raw or corrected frame to a calibrated catalogue.
//!
//! `process_frame` is the one order of the frame's steps; `elqui process` and the survey pipelines
//! both call it. It reads and writes no file.

mod astrometry;
mod calibrate;
mod config;
mod detect;
mod error;
mod facts;
mod frame;
mod quality;
mod summary;

pub use config::{AstrometryStep, ProcessConfig};
pub use error::ProcessError;
pub use frame::{FrameInput, ProcessOutput, Reference, process_frame};
pub use quality::{Limits, NominalZeroPoint, Quality, QualityConfig, Reason, ReasonCode, Verdict};
pub use summary::FrameSummary;
