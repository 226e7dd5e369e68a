//! Association of sources over visits into objects and light curves.
//!
//! [`associate`] ties the sources of many visits together by position. From its [`Objects`] come
//! the `Object` table, `ForcedSource`-like rows, and for one target the [`Series`] of fluxes of it
//! and its comparison stars, ready for differential photometry.

mod associate;
mod error;
mod series;
mod summary;

pub use associate::{AssociationConfig, Objects, VisitSources, associate};
pub use error::AssociationError;
pub use series::{Frame, Series, SeriesConfig, series};
pub use summary::{forced_source_table, object_table};
