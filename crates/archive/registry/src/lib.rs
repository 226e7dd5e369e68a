//! The registry: what datasets there are, in SQLite or PostgreSQL.
//!
//! A [`Registry`] keeps records of dimensions, dataset types, collections, datasets with their
//! files, validities of calibrations and provenance, and answers the expressions of
//! `butler::expression`. Every change is one transaction. Both engines stand behind one small
//! trait ([`Sql`]) and pass one suite of tests. `docs/design/butler.md` has the tables.

mod batch;
mod calibs;
mod collections;
mod datasets;
mod error;
mod listing;
#[cfg(feature = "postgres")]
mod postgres;
mod provenance;
mod query;
mod records;
mod registry;
mod schema;
mod sql;
mod sqlite;
mod tags;
mod types;

pub use batch::Part;
pub use datasets::NewDataset;
pub use error::{Fault, RegistryError};
pub use listing::Certified;
pub use provenance::Outputs;
pub use query::{DatasetQuery, Select};
pub use registry::{Location, Registry};
pub use schema::{CELL_ORDER, SCHEMA_VERSION};
pub use sql::{Dialect, Sql, SqlValue};
