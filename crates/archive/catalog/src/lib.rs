//! Catalogues in HATS layout: import, append, versions, margins, indexes, verification.
//!
//! [`import`] makes a collection from a [`RowSource`], [`append`] and [`replace`] give it a new
//! version; readers see the old or the new one, never half. Bounded memory, any number of
//! threads, the same files; an import that was killed goes on where it was.

mod clock;
mod config;
mod digests;
mod error;
mod export;
mod felis;
mod files;
mod import;
mod info;
mod keys;
mod lock;
mod metadata;
mod skymap;
pub mod source;
mod verify;
mod versions;

pub use elqui_sphere::SkyRegion;

pub use config::{ImportConfig, ImportReport, Parent, Progress, Stage};
pub use error::CatalogError;
pub use export::{ExportFormat, ExportReport, ExportRequest, export, write_batches};
pub use felis::{Described, felis_table, read_felis, text_types};
pub use import::{append, config_of, import, replace};
pub use info::{CatalogInfo, ColumnInfo, catalog_schema, info, open_catalog, size_text};
pub use source::{Batches, ParquetSource, RowSource};
pub use verify::{Finding, VerifyReport, verify};
pub use versions::{prune, tag, versions};
