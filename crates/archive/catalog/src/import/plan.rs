//! The plan of an import: its partitions, and the buckets that are worked on one at a time.
//!
//! A bucket is a run of neighbouring partitions that fits into memory together.

use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::PathBuf;

use elqui_hats::Pixel;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub partitions: Vec<Planned>,
    pub buckets: Vec<Range<usize>>,
    pub rows: u64,
    pub bad: u64,
    pub part_rows: Vec<u64>,
}

/// One partition to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub order: u8,
    pub index: u64,
    pub rows: u64,
    /// A file of the version before that is taken over as it is.
    pub kept: Option<PathBuf>,
}

impl Planned {
    pub fn pixel(&self) -> Pixel {
        Pixel { order: self.order, index: self.index }
    }
}

impl Plan {
    /// Partitions (along the sky) in buckets of about `bucket_bytes`.
    pub fn new(partitions: Vec<Planned>, row_bytes: usize, bucket_bytes: usize) -> Self {
        let mut buckets: Vec<Range<usize>> = Vec::new();
        let mut bytes = 0u64;
        for (k, p) in partitions.iter().enumerate() {
            let own = p.rows.saturating_mul(row_bytes as u64);
            let same_kind =
                |b: &Range<usize>| partitions[b.start].kept.is_some() == p.kept.is_some();
            match buckets.last_mut() {
                Some(b) if bytes + own <= bucket_bytes as u64 && same_kind(b) => {
                    b.end = k + 1;
                    bytes += own;
                }
                _ => {
                    buckets.push(k..k + 1);
                    bytes = own;
                }
            }
        }
        let rows = partitions.iter().map(|p| p.rows).sum();
        Self { partitions, buckets, rows, bad: 0, part_rows: Vec::new() }
    }

    pub fn is_kept(&self, bucket: usize) -> bool {
        self.partitions[self.buckets[bucket].start].kept.is_some()
    }

    /// The partition that holds a cell of order 29.
    pub fn partition_at(&self, cell: u64) -> Option<usize> {
        let k = self.partitions.partition_point(|p| p.pixel().range29().start <= cell);
        let k = k.checked_sub(1)?;
        self.partitions[k].pixel().contains29(cell).then_some(k)
    }

    /// Partitions that overlap a range of cells.
    pub fn partitions_in(&self, cells: Range<u64>) -> Range<usize> {
        let ends = |p: &Planned| p.pixel().range29().end <= cells.start;
        let first = self.partitions.partition_point(ends);
        let starts = |p: &Planned| p.pixel().range29().start < cells.end;
        first..self.partitions.partition_point(starts).max(first)
    }

    pub fn bucket_of(&self, partition: usize) -> usize {
        self.buckets.partition_point(|b| b.end <= partition)
    }
}
