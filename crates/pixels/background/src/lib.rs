//! Sky background: a masked, clipped mesh and its interpolation.
//!
//! [`estimate`] measures level and scatter of the sky in each cell of a mesh; [`evaluate`],
//! [`evaluate_rms`] and [`subtract`] interpolate between the cells' centres.

mod cell;
mod config;
mod mesh;
mod spline;

pub use config::{BackgroundConfig, BackgroundError};
pub use mesh::estimate;
pub use spline::{evaluate, evaluate_rms, subtract};

use elqui_base::median_f32;
use elqui_image::BackgroundModel;

/// Median level of the mesh, adu.
pub fn mean_level(model: &BackgroundModel) -> f64 {
    f64::from(median_f32(&mut model.level.data().to_vec()))
}

/// Median scatter of the sky over the mesh, adu.
pub fn mean_rms(model: &BackgroundModel) -> f64 {
    f64::from(median_f32(&mut model.rms.data().to_vec()))
}
