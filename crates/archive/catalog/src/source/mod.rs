//! Where rows come from: a table in parts that can be read side by side.
//!
//! A part gives the same rows in the same order each time it is read (an import reads twice, and
//! resumes).

mod builder;
mod csv;
mod ecsv;
mod fits;
mod infer;
mod inputs;
mod open;
mod parquet;
mod positions;
mod votable;

pub use csv::CsvSource;
pub use fits::FitsSource;
pub(crate) use inputs::cast_batch;
pub use inputs::{InputOptions, Inputs};
pub use open::{InputFormat, input_format};
pub use parquet::ParquetSource;
pub use positions::{InDegrees, KeyColumns, key_columns};
pub use votable::VotableSource;

use crate::error::CatalogError;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

/// Rows of one part, batch by batch.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, CatalogError>> + Send>;

pub trait RowSource: Send + Sync {
    /// Columns; unit, UCD and description as the fields' metadata.
    fn schema(&self) -> SchemaRef;
    fn parts(&self) -> usize;
    /// Rows of part `k`: all columns, or those of these indices in this order.
    fn part(&self, k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError>;
    /// What part `k` is, for errors ("objects.parquet, row group 3").
    fn label(&self, k: usize) -> String;
    /// What tells that part `k` is still the same (size and time of its file, ...); an import
    /// that goes on compares it.
    fn fingerprint(&self, k: usize) -> Result<String, CatalogError> {
        Ok(self.label(k))
    }
    /// Rows of part `k`, where known without reading it.
    fn part_rows(&self, _k: usize) -> Option<u64> {
        None
    }
}

impl<S: RowSource + ?Sized> RowSource for Box<S> {
    fn schema(&self) -> SchemaRef {
        (**self).schema()
    }

    fn parts(&self) -> usize {
        (**self).parts()
    }

    fn part(&self, k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError> {
        (**self).part(k, columns)
    }

    fn label(&self, k: usize) -> String {
        (**self).label(k)
    }

    fn fingerprint(&self, k: usize) -> Result<String, CatalogError> {
        (**self).fingerprint(k)
    }

    fn part_rows(&self, k: usize) -> Option<u64> {
        (**self).part_rows(k)
    }
}

/// Path, size and time of a file, for [`RowSource::fingerprint`].
pub(crate) fn file_fingerprint(path: &std::path::Path) -> Result<String, CatalogError> {
    let read = |e| CatalogError::read(path, e);
    let facts = std::fs::metadata(path).map_err(read)?;
    let time = facts.modified().map_err(read)?;
    let time = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let whole = std::fs::canonicalize(path).map_err(read)?;
    Ok(format!("{} {} {time}", whole.display(), facts.len()))
}
