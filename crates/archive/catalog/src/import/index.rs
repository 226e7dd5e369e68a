//! The id index: for every id its cell and partition, sorted by id.
//!
//! - columns `_healpix_29`, `Norder`, `Npix` and the id, in files of some millions of rows whose
//!   names sort as the ids do
//! - an external sort: the buckets left sorted runs; cuts between files are taken from a sample
//!   of the ids that does not depend on the buckets

use super::encoding::{index_properties, write_file};
use super::input::HEALPIX_COLUMN;
use super::plan::Plan;
use super::side::{self, Done, IdEntry};
use crate::config::{ImportConfig, Progress, Stage};
use crate::error::{CatalogError, one_line};
use crate::keys::{from_keys, key_text};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt8Array, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use rayon::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Samples between two cuts: some 4 million rows.
const SAMPLES_PER_FILE: usize = 4096;

pub(super) struct IndexWriter<'a> {
    pub config: &'a ImportConfig,
    pub plan: &'a Plan,
    pub field: FieldRef,
    /// Folder of the index.
    pub root: &'a Path,
    pub side: &'a Path,
}

#[derive(Debug, Default)]
pub(super) struct IndexFacts {
    pub rows: u64,
    pub duplicates: u64,
    pub first_duplicate: Option<String>,
}

pub(super) fn index_schema(field: &FieldRef) -> SchemaRef {
    Arc::new(Schema::new(vec![
        Arc::new(Field::new(HEALPIX_COLUMN, DataType::Int64, false)),
        Arc::new(Field::new("Norder", DataType::UInt8, false)),
        Arc::new(Field::new("Npix", DataType::UInt64, false)),
        field.clone(),
    ]))
}

impl IndexWriter<'_> {
    pub fn write(
        &self,
        done: &[Done],
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<IndexFacts, CatalogError> {
        let mut sample: Vec<u64> = done.iter().flat_map(|d| d.sample.iter().copied()).collect();
        sample.sort_unstable();
        sample.dedup();
        let cuts: Vec<u64> =
            sample.iter().skip(SAMPLES_PER_FILE).step_by(SAMPLES_PER_FILE).copied().collect();
        let total = cuts.len() as u64 + 1;
        let finished = AtomicU64::new(0);
        let facts: Vec<IndexFacts> = (0..=cuts.len())
            .into_par_iter()
            .map(|k| {
                let from = k.checked_sub(1).map_or(0, |k| cuts[k]);
                let entries = self.between(done.len(), from, cuts.get(k).copied())?;
                let facts = self.file(k, &entries)?;
                let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
                tell(Progress { stage: Stage::Index, done, total });
                Ok(facts)
            })
            .collect::<Result<_, CatalogError>>()?;
        Ok(facts.into_iter().fold(IndexFacts::default(), |all, one| IndexFacts {
            rows: all.rows + one.rows,
            duplicates: all.duplicates + one.duplicates,
            first_duplicate: all.first_duplicate.or(one.first_duplicate),
        }))
    }

    /// Entries of all buckets with keys in `[from, to)`, sorted.
    fn between(
        &self,
        buckets: usize,
        from: u64,
        to: Option<u64>,
    ) -> Result<Vec<IdEntry>, CatalogError> {
        let mut entries = Vec::new();
        for bucket in 0..buckets {
            let path = side::file(self.side, bucket, "ids");
            let read = |e| CatalogError::read(&path, e);
            let file = File::open(&path).map_err(read)?;
            let count = file.metadata().map_err(read)?.len() / IdEntry::BYTES as u64;
            let start = first_at(&file, count, from).map_err(read)?;
            let end = to.map_or(Ok(count), |to| first_at(&file, count, to)).map_err(read)?;
            let length = usize::try_from(end.saturating_sub(start)).unwrap_or(0) * IdEntry::BYTES;
            let mut bytes = vec![0u8; length];
            file.read_exact_at(&mut bytes, start * IdEntry::BYTES as u64).map_err(read)?;
            entries.extend(bytes.as_chunks().0.iter().map(IdEntry::from_bytes));
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn file(&self, number: usize, entries: &[IdEntry]) -> Result<IndexFacts, CatalogError> {
        let data_type = self.field.data_type();
        let mut facts = IndexFacts { rows: entries.len() as u64, ..IndexFacts::default() };
        for pair in entries.windows(2).filter(|p| p[0].key == p[1].key) {
            facts.duplicates += 1;
            facts.first_duplicate.get_or_insert_with(|| key_text(pair[0].key, data_type));
        }
        let schema = index_schema(&self.field);
        let groups = entries.chunks(self.config.row_group_rows).map(|part| {
            let keys: Vec<u64> = part.iter().map(|e| e.key).collect();
            let cells = part.iter().map(|e| e.cell.cast_signed());
            let pixel = |e: &IdEntry| self.plan.partitions[e.partition as usize].pixel();
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from_iter_values(cells)),
                Arc::new(UInt8Array::from_iter_values(part.iter().map(|e| pixel(e).order))),
                Arc::new(UInt64Array::from_iter_values(part.iter().map(|e| pixel(e).index))),
                from_keys(&keys, data_type)?,
            ];
            RecordBatch::try_new(schema.clone(), columns)
                .map_err(|e| CatalogError::refused(one_line(e)))
        });
        let path = self.root.join(format!("dataset/index/part.{number:05}.parquet"));
        let properties = index_properties(self.config, self.field.name());
        write_file(&path, schema.clone(), properties, groups)?;
        Ok(facts)
    }
}

/// The first entry of a sorted run whose key is not below `key`.
fn first_at(file: &File, count: u64, key: u64) -> std::io::Result<u64> {
    let (mut low, mut high) = (0, count);
    let mut bytes = [0u8; IdEntry::BYTES];
    while low < high {
        let middle = low + (high - low) / 2;
        file.read_exact_at(&mut bytes, middle * IdEntry::BYTES as u64)?;
        if IdEntry::from_bytes(&bytes).key < key {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
