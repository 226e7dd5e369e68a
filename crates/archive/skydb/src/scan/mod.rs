//! Reading a table: which cells a condition leaves, and the operator that reads them.

mod constraint;
mod exec;
mod provider;
mod prune;
mod reader;

pub use exec::CatalogScan;
pub use provider::CatalogTable;
