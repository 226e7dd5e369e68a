//! Measurement of sources: centroids, moments, fluxes, flags and aperture corrections.
//!
//! [`measure`] fills a [`SourceTable`](elqui_schema::SourceTable) from an exposure whose sky is
//! subtracted and whose PSF is set. Fluxes are adu. A failed measurement is NaN with its flag;
//! nothing here is an error of one source.

mod apcorr;
mod classify;
mod config;
mod error;
mod forced;
mod growth;
mod kron;
mod measure;
mod psf_fit;
mod psf_shape;
mod row;
mod stamp;
mod whole;

pub use apcorr::{aperture_corrections, apply_aperture_corrections};
pub use classify::classify;
pub use config::{ApCorrConfig, MeasurementConfig};
pub use error::MeasurementError;
pub use forced::{Forced, forced_psf};
pub use measure::{Parent, measure};
pub use whole::whole_apertures;
