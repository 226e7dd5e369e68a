//! Table definitions in Felis YAML, and the columnar tables that carry them.
//!
//! `Table` is a set of named columns, the currency between rooms and formats. `SourceTable` is the
//! typed struct of arrays that measurement fills; its units, UCDs and descriptions come from
//! `felis/elqui.yaml`, the one definition from which every other form derives.

mod column;
pub mod felis;
mod sources;
mod table;

pub use column::{Column, ColumnData};
pub use sources::SourceTable;
pub use table::{SchemaError, Table};
