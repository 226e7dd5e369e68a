//! A simulated sky and camera: raw frames with their truth.
//!
//! [`Survey`] makes bias, dark, flat and science frames of a camera as its electronics would write
//! them, and the tables of what is really there. [`Scene`] makes one corrected image for tests of
//! speed. Nothing here is shared with the rooms that it tests: profiles, noise and electronics are its
//! own. Every number follows from one seed, whatever the number of threads. No files.

// `!(x > 0.0)` is said where NaN has to be refused with the rest.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod camera;
mod config;
mod cosmic;
mod effects;
mod error;
mod frame;
mod header;
mod plan;
mod population;
mod profile;
mod psf_field;
mod render;
mod rng;
mod scene;
mod sky_map;
mod survey;
#[cfg(test)]
mod testing;
mod trouble;
mod truth;

pub use config::{BandConfig, CameraConfig, PointingConfig, PsfConfig, SkyConfig, SurveyConfig};
pub use effects::Effects;
pub use error::SimulateError;
pub use frame::{FrameKind, SimFrame};
pub use plan::VisitPlan;
pub use population::GalaxyLaw;
pub use render::GalaxyShape;
pub use scene::{Scene, SceneFrame, SceneSource};
pub use survey::Survey;
pub use trouble::Trouble;
