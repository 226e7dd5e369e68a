//! What a finished bucket leaves for the later stages, in the staging folder.
//!
//! - `NNNNNN.margin`: rows that lie in the margins of partitions, one chunk for each bucket of
//!   those partitions, with the partition's number as a last column
//! - `NNNNNN.ids`: id, cell and partition of every row, sorted (u64, u64, u32, little-endian)
//! - `NNNNNN.sky`: rows by cell of the sky map (u32, u64)
//! - `NNNNNN.done`: that it is finished, written last; a later run keeps what it names

use super::chunks::Place;
use crate::error::CatalogError;
use crate::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Ids are sampled by a hash of them, so that the sample does not depend on the buckets.
const SAMPLE: u64 = 1024;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Done {
    pub bytes: u64,
    pub margin: Vec<(usize, Place)>,
    pub ids: u64,
    pub null_ids: u64,
    pub sample: Vec<u64>,
}

pub(super) fn file(folder: &Path, bucket: usize, kind: &str) -> PathBuf {
    folder.join(format!("{bucket:06}.{kind}"))
}

pub(super) fn read_done(folder: &Path, bucket: usize) -> Option<Done> {
    let text = std::fs::read(file(folder, bucket, "done")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The last file of a bucket.
pub(super) fn write_done(folder: &Path, bucket: usize, done: &Done) -> Result<(), CatalogError> {
    let text = serde_json::to_vec(done).map_err(CatalogError::internal)?;
    files::put_quick(&file(folder, bucket, "done"), &text)
}

/// Id, cell and partition of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdEntry {
    pub key: u64,
    pub cell: u64,
    pub partition: u32,
}

impl IdEntry {
    pub const BYTES: usize = 20;

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..8].copy_from_slice(&self.key.to_le_bytes());
        out[8..16].copy_from_slice(&self.cell.to_le_bytes());
        out[16..].copy_from_slice(&self.partition.to_le_bytes());
        out
    }

    pub fn from_bytes(b: &[u8; Self::BYTES]) -> Self {
        let [k0, k1, k2, k3, k4, k5, k6, k7, c0, c1, c2, c3, c4, c5, c6, c7, p0, p1, p2, p3] = *b;
        Self {
            key: u64::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7]),
            cell: u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
            partition: u32::from_le_bytes([p0, p1, p2, p3]),
        }
    }
}

/// Write a bucket's ids, sorted, and note its sample.
pub(super) fn write_ids(
    folder: &Path,
    bucket: usize,
    mut entries: Vec<IdEntry>,
    done: &mut Done,
) -> Result<(), CatalogError> {
    entries.sort_unstable();
    let mut bytes = Vec::with_capacity(entries.len() * IdEntry::BYTES);
    for entry in &entries {
        bytes.extend_from_slice(&entry.to_bytes());
    }
    done.ids = entries.len() as u64;
    let chosen = |k: &u64| k.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & (SAMPLE - 1) == 0;
    done.sample = entries.iter().map(|e| e.key).filter(chosen).collect();
    write(&file(folder, bucket, "ids"), &bytes)
}

/// Rows by cell of the sky map, from sorted cells of order 29.
pub(super) fn write_sky(
    folder: &Path,
    bucket: usize,
    order: u8,
    cells: impl Iterator<Item = u64>,
) -> Result<(), CatalogError> {
    let shift = 2 * (29 - u32::from(order));
    let mut runs: Vec<(u32, u64)> = Vec::new();
    for cell in cells {
        let cell = u32::try_from(cell >> shift).unwrap_or(u32::MAX);
        match runs.last_mut() {
            Some(last) if last.0 == cell => last.1 += 1,
            _ => runs.push((cell, 1)),
        }
    }
    let mut bytes = Vec::with_capacity(runs.len() * 12);
    for (cell, rows) in runs {
        bytes.extend_from_slice(&cell.to_le_bytes());
        bytes.extend_from_slice(&rows.to_le_bytes());
    }
    write(&file(folder, bucket, "sky"), &bytes)
}

/// Add a bucket's rows to the sky map.
pub(super) fn add_sky(folder: &Path, bucket: usize, map: &mut [i64]) -> Result<(), CatalogError> {
    let path = file(folder, bucket, "sky");
    let bytes = std::fs::read(&path).map_err(|e| CatalogError::read(&path, e))?;
    for [c0, c1, c2, c3, n @ ..] in bytes.as_chunks::<12>().0 {
        let cell = u32::from_le_bytes([*c0, *c1, *c2, *c3]);
        let rows = i64::from_le_bytes(*n);
        if let Some(count) = usize::try_from(cell).ok().and_then(|c| map.get_mut(c)) {
            *count += rows;
        }
    }
    Ok(())
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), CatalogError> {
    use std::io::Write;
    files::create(path)?.write_all(bytes).map_err(|e| CatalogError::write(path, e))
}
