//! The sky database: SQL over catalogues, on DataFusion.
//!
//! `SkyDb` opens folders of Parquet and answers questions in SQL with what ADQL adds to it. It
//! only reads. DataFusion stays inside: what goes in is text, what comes out is a `schema::Table`.

mod catalog;
mod db;
mod error;
mod explain;
mod functions;
mod rewrite;
mod types;

pub use db::SkyDb;
pub use error::SkyDbError;
pub use types::{ColumnInfo, QueryLimits, QueryResult, TableInfo};
