//! Tables on disk: Parquet, CSV and Arrow.
//!
//! Every reader gives a `schema::Table` and every writer takes one. Parquet keeps unit, UCD and
//! description of a column in the field's metadata, and the table's own metadata in the file's.
//! The same table gives the same bytes.

mod arrow_table;
mod csv_table;
mod error;
mod file;
mod parquet_table;

pub use arrow_table::{arrow_schema, from_batches, to_batch};
pub use csv_table::{csv_bytes, parse_csv, read_csv, write_csv};
pub use error::TableError;
pub use file::{read_table_file, write_table_file};
pub use parquet_table::{parquet_bytes, parse_parquet, read_parquet, write_parquet};
