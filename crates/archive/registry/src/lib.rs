//! The registry: what datasets there are, in SQLite or PostgreSQL.
//!
//! A [`Registry`] keeps records of dimensions, dataset types, collections, datasets with their
//! files, validities of calibrations and provenance, and answers the expressions of
//! `butler::expression`. Every change is one transaction. Both engines stand behind one small
//! trait ([`Sql`], in the room `sql`) and pass one suite of tests. `docs/design/butler.md` has the tables.

mod batch;
mod calibs;
mod collections;
mod datasets;
mod error;
mod listing;
mod provenance;
mod query;
mod records;
mod registry;
mod schema;
mod statistics;
mod tags;
mod types;

pub use batch::Part;
pub use datasets::NewDataset;
pub use elqui_sql::{Dialect, Fault, Location, Sql, SqlError, SqlValue, Step};
pub use error::RegistryError;
pub use listing::Certified;
pub use provenance::Outputs;
pub use query::{Cursor, DatasetQuery, Page, Select};
pub use registry::Registry;
pub use schema::{CELL_ORDER, SCHEMA_VERSION};
