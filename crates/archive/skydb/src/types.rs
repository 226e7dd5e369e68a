//! What goes into a query and comes out of it.

use crate::error::{SkyDbError, one_line};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float32Type, Float64Type, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use elqui_schema::Table;
use std::path::PathBuf;

/// How much a query may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryLimits {
    /// More rows than this are cut off, and the result says so.
    pub rows_max: usize,
    pub time_max_s: f64,
    /// Memory that it may hold; sorts and groups past it use the disk.
    pub memory_max_bytes: usize,
    /// Disk that it may use then.
    pub spill_max_bytes: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            rows_max: 1_000_000,
            time_max_s: 300.0,
            memory_max_bytes: 2 << 30,
            spill_max_bytes: 50 << 30,
        }
    }
}

/// How a database is opened.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenOptions {
    pub threads: usize,
    /// Where queries put what does not fit in memory; the system's folder for such files without.
    pub spill_folder: Option<PathBuf>,
    /// A version or tag of the catalogues that have versions; the newest without.
    pub version: Option<String>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, spill_folder: None, version: None }
    }
}

/// The rows as Arrow batches, and whether there were more than the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryResult {
    /// Fields carry unit, UCD and description in their metadata.
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    pub truncated: bool,
}

impl QueryResult {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The first rows as texts, column by column: name, cells (empty where NULL), whether numbers. `real`
    /// writes a number with so many significant digits.
    pub fn texts(
        &self,
        rows_max: usize,
        real: impl Fn(f64, i32) -> String,
    ) -> Result<Vec<(String, Vec<String>, bool)>, SkyDbError> {
        let failed = |e: ArrowError| SkyDbError::Failed { reason: one_line(e) };
        let options = FormatOptions::new();
        let mut out = Vec::new();
        for (k, field) in self.schema.fields().iter().enumerate() {
            let mut cells = Vec::new();
            for batch in &self.batches {
                let column = batch.column(k);
                let plain = ArrayFormatter::try_new(column.as_ref(), &options).map_err(failed)?;
                for r in 0..column.len().min(rows_max - cells.len()) {
                    cells.push(if column.is_null(r) {
                        String::new()
                    } else if let Some(v) = column.as_primitive_opt::<Float64Type>() {
                        real(v.value(r), 10)
                    } else if let Some(v) = column.as_primitive_opt::<Float32Type>() {
                        real(f64::from(v.value(r)), 6)
                    } else {
                        plain.value(r).to_string()
                    });
                }
            }
            out.push((field.name().clone(), cells, field.data_type().is_numeric()));
        }
        Ok(out)
    }

    /// As a table of the house's own kind, which has no NULL: numbers are NaN or 0, texts empty.
    pub fn table(&self) -> Result<Table, SkyDbError> {
        elqui_tables::from_batches("result", &self.schema, &self.batches)
            .map_err(|e| SkyDbError::Failed { reason: e.to_string() })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    pub name: String,
    /// `double`, `long`, ... as in Felis.
    pub datatype: String,
    pub unit: String,
    pub ucd: String,
    pub description: String,
}

/// A table that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    pub schema: String,
    pub name: String,
    pub description: String,
    pub rows: Option<u64>,
    pub columns: Vec<ColumnInfo>,
}
