//! Second pass: rows are read and dealt out to the buckets.
//!
//! - each chunk of rows is split by bucket, its order kept; what was dealt stays in memory if all rows fit, otherwise a file a bucket
//! - the chunks of a bucket are told apart by part and number, so that the threads that made
//!   them leave no trace in the result

use super::chunks::{self, Place};
use super::input::Inputs;
use super::plan::Plan;
use crate::config::{Progress, Stage};
use crate::error::{CatalogError, one_line};
use crate::files::make_folder;
use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::Int64Type;
use elqui_sphere::HEALPIX29_BAD;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What was dealt to the buckets.
pub(super) enum Dealt {
    Memory(Vec<Mutex<Vec<(Key, RecordBatch)>>>),
    Files { folder: PathBuf, places: Vec<Vec<Place>> },
}

/// Part and number of a chunk.
type Key = (usize, usize);
/// Bytes of a bucket's file, and its chunks.
type Ledger = Mutex<(u64, Vec<(Key, Place)>)>;

#[derive(Serialize, Deserialize)]
pub(super) struct DealtFiles {
    pub places: Vec<Vec<Place>>,
}

impl Dealt {
    /// The rows of a bucket, in the order of the input; memory gives them away.
    pub fn rows(&self, bucket: usize) -> Result<Vec<RecordBatch>, CatalogError> {
        match self {
            Self::Memory(buckets) => {
                let mut own = buckets[bucket].lock().unwrap_or_else(PoisonError::into_inner);
                let mut chunks = std::mem::take(&mut *own);
                chunks.sort_by_key(|c| c.0);
                Ok(chunks.into_iter().map(|c| c.1).collect())
            }
            Self::Files { folder, places } => {
                if places[bucket].is_empty() {
                    return Ok(Vec::new());
                }
                let buffer = chunks::read_file(&bucket_file(folder, bucket))?;
                chunks::decode(&buffer, &places[bucket])
            }
        }
    }

    /// Free what a finished bucket held on disk.
    pub fn release(&self, bucket: usize) {
        if let Self::Files { folder, .. } = self {
            // The staging folder is removed at the end anyway.
            let _ = std::fs::remove_file(bucket_file(folder, bucket));
        }
    }
}

fn bucket_file(folder: &Path, bucket: usize) -> PathBuf {
    folder.join(format!("{bucket:06}.rows"))
}

pub(super) struct Dealer<'a> {
    pub inputs: &'a Inputs<'a>,
    pub plan: &'a Plan,
    pub chunk_bytes: usize,
    /// Where to; memory when `None`.
    pub folder: Option<PathBuf>,
    pub tell: &'a (dyn Fn(Progress) + Sync),
}

enum Sink {
    Memory(Vec<Mutex<Vec<(Key, RecordBatch)>>>),
    Files { folder: PathBuf, buckets: Vec<Ledger> },
}

impl Dealer<'_> {
    pub fn deal(&self) -> Result<Dealt, CatalogError> {
        let buckets = 0..self.plan.buckets.len();
        let sink = match &self.folder {
            None => Sink::Memory(buckets.map(|_| Mutex::default()).collect()),
            Some(folder) => {
                make_folder(folder)?;
                let buckets = buckets.map(|_| Mutex::default()).collect();
                Sink::Files { folder: folder.clone(), buckets }
            }
        };
        let done = AtomicU64::new(0);
        let total = self.inputs.parts() as u64;
        (0..self.inputs.parts()).into_par_iter().try_for_each(|part| {
            self.part(part, &sink)?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            (self.tell)(Progress { stage: Stage::Deal, done, total });
            Ok::<(), CatalogError>(())
        })?;
        Ok(match sink {
            Sink::Memory(buckets) => Dealt::Memory(buckets),
            Sink::Files { folder, buckets } => {
                let sorted = |b: Ledger| {
                    let mut places = b.into_inner().unwrap_or_else(PoisonError::into_inner).1;
                    places.sort_by_key(|p| p.0);
                    places.into_iter().map(|p| p.1).collect()
                };
                Dealt::Files { folder, places: buckets.into_iter().map(sorted).collect() }
            }
        })
    }

    fn part(&self, part: usize, sink: &Sink) -> Result<(), CatalogError> {
        let (mut held, mut bytes, mut number, mut rows) = (Vec::new(), 0, 0, 0u64);
        for batch in self.inputs.rows(part)? {
            let batch = batch?;
            bytes += batch.get_array_memory_size();
            rows += batch.num_rows() as u64;
            held.push(batch);
            if bytes >= self.chunk_bytes {
                self.chunk(&held, (part, number), sink)?;
                (bytes, number) = (0, number + 1);
                held.clear();
            }
        }
        if !held.is_empty() {
            self.chunk(&held, (part, number), sink)?;
        }
        if rows != self.plan.part_rows[part] {
            return Err(CatalogError::Changed { label: self.inputs.label(part) });
        }
        Ok(())
    }

    /// Split one chunk of rows by bucket.
    fn chunk(&self, held: &[RecordBatch], key: Key, sink: &Sink) -> Result<(), CatalogError> {
        let failed = |e| CatalogError::refused(one_line(e));
        let batch = concat_batches(&held[0].schema(), held).map_err(failed)?;
        let cells = batch.column(0).as_primitive::<Int64Type>().values();
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); self.plan.buckets.len()];
        for (row, cell) in cells.iter().map(|c| c.cast_unsigned()).enumerate() {
            if cell == HEALPIX29_BAD {
                continue;
            }
            // A cell without partition: the rows are not those that were counted.
            let partition = self.plan.partition_at(cell);
            let partition = partition.ok_or_else(|| self.changed(key.0))?;
            let row = u32::try_from(row).unwrap_or(u32::MAX);
            groups[self.plan.bucket_of(partition)].push(row);
        }
        let mut bytes = Vec::new();
        for (bucket, rows) in groups.into_iter().enumerate().filter(|(_, r)| !r.is_empty()) {
            let part = if rows.len() == batch.num_rows() {
                batch.clone()
            } else {
                take_record_batch(&batch, &UInt32Array::from(rows)).map_err(failed)?
            };
            match sink {
                Sink::Memory(buckets) => {
                    let mut own = buckets[bucket].lock().unwrap_or_else(PoisonError::into_inner);
                    own.push((key, part));
                }
                Sink::Files { folder, buckets } => {
                    bytes.clear();
                    let place = chunks::encode(&part, &mut bytes)?;
                    let mut own = buckets[bucket].lock().unwrap_or_else(PoisonError::into_inner);
                    append(&bucket_file(folder, bucket), &bytes)?;
                    let offset = own.0;
                    own.0 += bytes.len() as u64;
                    own.1.push((key, Place { offset, ..place }));
                }
            }
        }
        Ok(())
    }

    fn changed(&self, part: usize) -> CatalogError {
        CatalogError::Changed { label: self.inputs.label(part) }
    }
}

fn append(path: &Path, bytes: &[u8]) -> Result<(), CatalogError> {
    let write = |e| CatalogError::write(path, e);
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(write)?;
    file.write_all(bytes).map_err(write)
}
