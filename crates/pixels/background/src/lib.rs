//! Sky background: masked blocks, a mesh of their clipped levels, and a spline or Chebyshev sum.
//!
//! [`estimate`] measures level, error and scatter of the sky in each cell of a mesh; [`evaluate`],
//! [`evaluate_error`], [`evaluate_rms`] and [`subtract`] carry them to the pixels. [`Sky`] does the same
//! in two passes, the second with a detection's footprints.

// `!(x > 0.0)` is said where NaN has to be refused with the rest.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod blocks;
mod chebyshev;
mod config;
mod level;
mod mesh;
mod mode;
mod objects;
mod repair;
mod sky;
mod spline;

pub use config::{BackgroundConfig, BackgroundError, SkyModel};
pub use sky::{Sky, estimate, evaluate, evaluate_error, evaluate_rms, exchange, restore, subtract};

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

/// Median standard error of the mesh's level, adu; NaN when the model has none.
pub fn mean_error(model: &BackgroundModel) -> f64 {
    model.error.as_ref().map_or(f64::NAN, |e| f64::from(median_f32(&mut e.data().to_vec())))
}
