//! A simulated sky and camera: raw frames with their truth.
//!
//! [`Survey`] makes bias, dark, flat and science frames of a camera as its electronics would write
//! them, and the tables of what is really there. [`Scene`] makes one corrected image for tests of
//! speed. Nothing here is shared with the rooms that it tests: profiles, noise and electronics are its
//! own. Every number follows from one seed, whatever the number of threads. No files.

mod camera;
mod config;
mod cosmic;
mod error;
mod header;
mod population;
mod profile;
mod psf_field;
mod render;
mod rng;
mod scene;
mod survey;
#[cfg(test)]
mod testing;
mod truth;

pub use config::{BandConfig, CameraConfig, PointingConfig, PsfConfig, SkyConfig, SurveyConfig};
pub use error::SimulateError;
pub use scene::{Scene, SceneFrame};
pub use survey::{FrameKind, SimFrame, Survey, VisitPlan};
