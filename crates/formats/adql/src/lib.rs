//! ADQL 2.1 (IVOA REC, 2023-12-15): text in, a checked query out, rendered for an engine.
//!
//! [`parse`] gives the tree of a text; the tree can hold ADQL and nothing else, so no query writes.
//! [`check`] resolves its names against a [`Catalog`] and finds its spatial predicates
//! ([`SpatialTerm`]). [`Checked::render`] writes it for an [`Engine`]: [`DataFusion`], [`DuckDb`],
//! [`PostgresQ3c`], or [`Adql`] again. Errors say line, column, and what was expected.

mod catalog;
mod convert;
mod error;
mod functions;
mod geometry;
mod lex;
mod query;
mod render;
mod resolve;
mod simple;
mod spatial;
pub mod tree;
mod types;
pub mod udf;
mod units;
mod walk;
mod words;

pub use catalog::{Catalog, ColumnInfo, FelisCatalog, TableInfo};
pub use convert::parse;
pub use error::{AdqlError, At};
pub use geometry::{Shape, stc_s};
pub use lex::{CHAIN_MAX, NESTING_MAX, QUERY_BYTES_MAX};
pub use query::{Checked, check};
pub use render::{Adql, DataFusion, DuckDb, Engine, PostgresQ3c, Sky};
pub use simple::{RowByRow, RowItem};
pub use spatial::{Clause, Position, Predicate, SpatialTerm, Step};
pub use types::Type;
