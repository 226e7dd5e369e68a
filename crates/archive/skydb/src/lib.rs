//! The sky database: catalogues of any size, asked in ADQL.
//!
//! [`SkyDb`] opens catalogues in HATS layout and plain folders of Parquet. A query is checked by
//! `elqui-adql`, planned and run by DataFusion, which stays inside this room; what is the sky's own is
//! here: `storage` (files by cells, footers, exact rows of ranges, ids), `scan` (what a condition
//! says about the sky, and the operator that reads), `join` (positions near each other), `functions`.

mod about;
mod db;
mod direct;
mod engine;
mod error;
mod folders;
mod functions;
mod guard;
mod join;
mod names;
mod open;
mod plain;
mod scan;
mod storage;
mod types;

pub use db::SkyDb;
pub use error::SkyDbError;
pub use types::{ColumnInfo, OpenOptions, QueryLimits, QueryResult, TableInfo};
