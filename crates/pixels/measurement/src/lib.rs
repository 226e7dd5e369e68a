//! Measurement of sources: centroids, moments, fluxes, flags and aperture corrections.
//!
//! [`measure`] fills a [`SourceTable`](elqui_schema::SourceTable) from an exposure whose sky is
//! subtracted and whose PSF is set. Fluxes are adu. A failed measurement is NaN with its flag;
//! nothing here is an error of one source.

mod apcorr;
mod classify;
mod columns;
mod config;
mod error;
mod extra;
mod forced;
mod group;
mod growth;
mod joint;
mod kron;
mod measure;
mod models;
mod neighbours;
mod psf_fit;
mod psf_shape;
mod row;
mod spread;
mod stamp;
mod whole;
mod windowed;

pub use apcorr::{aperture_corrections, apply_aperture_corrections};
pub use classify::classify;
pub use config::{ApCorrConfig, MeasurementConfig, ModelFit};
pub use error::MeasurementError;
pub use forced::{Forced, forced_psf};
pub use growth::model_light_beyond;
pub use measure::{Parent, measure};
pub use models::{CModel, Gaap, ModelPsf, ModelScratch, Start, Trail, View, cmodel, gaap, trail};
pub use whole::whole_apertures;
pub use windowed::{Planes, Windowed, moment_errors, windowed_centroid};
