//! A table file by the ending of its name.

use crate::{TableError, read_csv, read_parquet, write_csv, write_parquet};
use elqui_schema::Table;
use std::path::Path;

enum Format {
    Parquet,
    Csv,
}

fn format(path: &Path) -> Result<Format, TableError> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "parquet" | "pq" | "parq" => Ok(Format::Parquet),
        "csv" | "tsv" => Ok(Format::Csv),
        _ => Err(TableError::UnknownFormat { path: path.display().to_string() }),
    }
}

/// Read a `.parquet`, `.csv` or `.tsv` file.
pub fn read_table_file(path: &Path) -> Result<Table, TableError> {
    match format(path)? {
        Format::Parquet => read_parquet(path),
        Format::Csv => read_csv(path),
    }
}

/// Write a `.parquet` or `.csv` file; it appears whole or not at all.
pub fn write_table_file(path: &Path, table: &Table) -> Result<(), TableError> {
    match format(path)? {
        Format::Parquet => write_parquet(table, path),
        Format::Csv => write_csv(table, path),
    }
}
