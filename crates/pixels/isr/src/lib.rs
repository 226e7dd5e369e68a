//! Instrument signature removal: overscan, bias, dark, flat, assembly, saturation, cosmic rays.
//!
//! [`correct`] brings a raw frame to an [`Exposure`](elqui_image::Exposure) in adu;
//! [`from_corrected`] does so for an image that was already reduced; [`find_cosmic_rays`] cleans
//! either once its background is known; [`find_dead_regions`] looks for amplifiers that failed.
//!
//! Master frames are in the units of [`correct`]'s image (amplifiers brought to the detector's mean
//! gain): a bias is built from frames corrected with nothing, a dark from frames corrected with the
//! bias, a flat from frames corrected with bias and dark.

mod amplifier;
mod config;
mod correct;
mod corrected;
mod cosmic;
mod dead;
mod error;
mod sky;

pub use amplifier::{OverscanLevels, assemble, overscan_levels, subtract_overscan};
pub use config::{CosmicRayConfig, IsrConfig, OverscanConfig};
pub use correct::{CalibSet, correct};
pub use corrected::{CorrectedInput, fill_variance_from_sky, from_corrected};
pub use cosmic::find_cosmic_rays;
pub use dead::{DeadKind, DeadRegion, DeadReport, find_dead_regions, mask_dead_regions};
pub use error::IsrError;
