//! The doors of the frame's steps: frames, calibrations and reference catalogues as they come, and
//! what is made of them as bytes. `elqui process` and the steps of pipelines go through the same.

mod inputs;
mod post_isr;
mod preview;
mod products;
mod refcat;

pub use inputs::{CorrectedOptions, DetectorInput, OpenInput};
pub use post_isr::{post_isr_bytes, post_isr_from};
pub use preview::{FramePreview, PreviewFacts};
pub use products::{json_bytes, missing_masters, source_table};
pub use refcat::{FrameStars, ReferenceFile};
