//! Parquet files as a source of rows: a row group is a part.
//!
//! - several files of one schema (names and types of columns, in order)
//! - the fields' metadata is the first file's

use super::{Batches, RowSource};
use crate::error::{CatalogError, one_line};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BATCH_ROWS: usize = 8192;

pub struct ParquetSource {
    files: Vec<(PathBuf, ArrowReaderMetadata)>,
    /// File and row group of every part.
    parts: Vec<(usize, usize)>,
    schema: SchemaRef,
}

impl ParquetSource {
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, CatalogError> {
        let Some(first) = paths.first().map(|p| p.as_ref().display().to_string()) else {
            return Err(CatalogError::refused("no input file is given; name at least one"));
        };
        let mut files: Vec<(PathBuf, ArrowReaderMetadata)> = Vec::new();
        let mut parts = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let file = File::open(path).map_err(|e| CatalogError::read(path, e))?;
            let options = ArrowReaderOptions::new();
            let metadata =
                ArrowReaderMetadata::load(&file, options).map_err(|e| CatalogError::Input {
                    path: path.display().to_string(),
                    format: "Parquet",
                    reason: one_line(e),
                })?;
            if let Some((_, known)) = files.first()
                && let Some(reason) = difference(known.schema(), metadata.schema())
            {
                let path = path.display().to_string();
                return Err(CatalogError::Schemas { path, first, reason });
            }
            parts.extend((0..metadata.metadata().num_row_groups()).map(|g| (files.len(), g)));
            files.push((path.to_path_buf(), metadata));
        }
        // The file's own metadata (pandas' notes) says nothing of a catalogue.
        let schema = Arc::new(Schema::new(files[0].1.schema().fields().clone()));
        Ok(Self { files, parts, schema })
    }
}

impl ParquetSource {
    /// Some rows of the first file, by number (rising), as one batch.
    pub(crate) fn rows(&self, rows: &[u32]) -> Result<RecordBatch, CatalogError> {
        let (path, metadata) = &self.files[0];
        let bad = |e: String| CatalogError::parquet(path, e);
        let file = File::open(path).map_err(|e| CatalogError::read(path, e))?;
        let mut selectors = Vec::new();
        let mut at = 0usize;
        for &row in rows {
            let row = row as usize;
            if row > at {
                selectors.push(RowSelector::skip(row - at));
            }
            selectors.push(RowSelector::select(1));
            at = row + 1;
        }
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
            .with_row_selection(RowSelection::from(selectors))
            .build()
            .map_err(|e| bad(one_line(e)))?;
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| bad(one_line(e)))?;
        let batches: Vec<RecordBatch> = batches
            .into_iter()
            .map(|b| RecordBatch::try_new(self.schema.clone(), b.columns().to_vec()))
            .collect::<Result<_, _>>()
            .map_err(|e| bad(one_line(e)))?;
        arrow::compute::concat_batches(&self.schema, &batches).map_err(|e| bad(one_line(e)))
    }
}

/// How two schemas differ, by column; `None` when names and types agree.
pub(super) fn difference(a: &Schema, b: &Schema) -> Option<String> {
    for (k, field) in a.fields().iter().enumerate() {
        let Some(other) = b.fields().get(k) else {
            return Some(format!("column `{}` is missing", field.name()));
        };
        if field.name() != other.name() {
            return Some(format!(
                "column {} is `{}` instead of `{}`",
                k + 1,
                other.name(),
                field.name()
            ));
        }
        if field.data_type() != other.data_type() {
            return Some(format!(
                "column `{}` is {} instead of {}",
                field.name(),
                other.data_type(),
                field.data_type()
            ));
        }
    }
    b.fields().get(a.fields().len()).map(|f| format!("column `{}` is too much", f.name()))
}

impl RowSource for ParquetSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn part(&self, k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError> {
        let (f, group) = self.parts[k];
        let (path, metadata) = &self.files[f];
        let file = File::open(path).map_err(|e| CatalogError::read(path, e))?;
        let label = self.label(k);
        let bad = |e: String| CatalogError::Parquet { path: label.clone(), reason: e };
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_row_groups(vec![group])
                .with_batch_size(BATCH_ROWS);
        if let Some(columns) = columns {
            let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        let reader = builder.build().map_err(|e| bad(one_line(e)))?;
        // The reader gives projected columns in the file's order.
        let order: Option<Vec<usize>> = columns.map(|wanted| {
            let mut sorted = wanted.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            wanted.iter().map(|c| sorted.binary_search(c).unwrap_or(0)).collect()
        });
        let schema = match columns {
            Some(c) => Arc::new(self.schema.project(c).map_err(|e| bad(one_line(e)))?),
            None => self.schema.clone(),
        };
        let label = self.label(k);
        Ok(Box::new(reader.map(move |batch| {
            let bad = |e: String| CatalogError::Parquet { path: label.clone(), reason: e };
            let batch = batch.map_err(|e| bad(one_line(e)))?;
            let columns = match &order {
                Some(order) => order.iter().map(|&i| batch.column(i).clone()).collect(),
                None => batch.columns().to_vec(),
            };
            // A file may say "nullable" where the first one does not.
            RecordBatch::try_new(schema.clone(), columns).map_err(|e| bad(one_line(e)))
        })))
    }

    fn label(&self, k: usize) -> String {
        let (f, group) = self.parts[k];
        format!("{}, row group {group}", self.files[f].0.display())
    }

    fn fingerprint(&self, k: usize) -> Result<String, CatalogError> {
        let (f, group) = self.parts[k];
        super::file_fingerprint(&self.files[f].0).map(|p| format!("{p} {group}"))
    }

    fn part_rows(&self, k: usize) -> Option<u64> {
        let (f, group) = self.parts[k];
        u64::try_from(self.files[f].1.metadata().row_group(group).num_rows()).ok()
    }
}
