//! The margin cache: for each partition, the rows of others that lie near it.
//!
//! - written from what the buckets left; layout and columns as the primary table's

use super::chunks;
use super::encoding::{Encodings, write_file};
use super::input::HEALPIX_COLUMN;
use super::plan::Plan;
use super::side::{self, Done};
use crate::config::{ImportConfig, Progress, Stage};
use crate::error::{CatalogError, one_line};
use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef, UInt32Type};
use elqui_hats::Pixel;
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct MarginWriter<'a> {
    pub config: &'a ImportConfig,
    pub plan: &'a Plan,
    pub schema: SchemaRef,
    pub encodings: &'a Encodings,
    /// Folder of the margin cache.
    pub root: &'a Path,
    pub side: &'a Path,
}

impl MarginWriter<'_> {
    /// Write all margins; pixel and rows of those that have any.
    pub fn write(
        &self,
        done: &[Done],
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<(Pixel, Option<u64>)>, CatalogError> {
        // For each bucket of partitions: the buckets that left rows for it, in order.
        let mut sources: Vec<Vec<(usize, chunks::Place)>> = vec![Vec::new(); done.len()];
        for (from, done) in done.iter().enumerate() {
            for (to, place) in &done.margin {
                sources[*to].push((from, *place));
            }
        }
        let finished = AtomicU64::new(0);
        let total = done.len() as u64;
        let parts: Vec<Vec<(Pixel, Option<u64>)>> = sources
            .into_par_iter()
            .map(|sources| {
                let written = self.bucket(&sources)?;
                let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
                tell(Progress { stage: Stage::Margin, done, total });
                Ok(written)
            })
            .collect::<Result<_, CatalogError>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    fn bucket(
        &self,
        sources: &[(usize, chunks::Place)],
    ) -> Result<Vec<(Pixel, Option<u64>)>, CatalogError> {
        let failed = |e| CatalogError::refused(one_line(e));
        let mut batches: Vec<RecordBatch> = Vec::new();
        for (from, place) in sources {
            batches.extend(chunks::read_some(&side::file(self.side, *from, "margin"), &[*place])?);
        }
        let Some(first) = batches.first() else { return Ok(Vec::new()) };
        let whole = concat_batches(&first.schema(), &batches).map_err(failed)?;
        drop(batches);
        let (tag, columns) = whole
            .columns()
            .split_last()
            .ok_or_else(|| CatalogError::internal("a margin without columns"))?;
        let plain = RecordBatch::try_new(self.schema.clone(), columns.to_vec()).map_err(failed)?;
        let targets = tag.as_primitive::<UInt32Type>().values();
        let cells = plain.column(0).as_primitive::<Int64Type>().values();
        let rows = targets.iter().zip(cells).map(|(t, c)| (*t, c.cast_unsigned()));
        let mut order: Vec<((u32, u64), u32)> = rows.zip(0u32..).collect();
        order.sort_unstable();
        let mut written = Vec::new();
        for own in order.chunk_by(|a, b| a.0.0 == b.0.0) {
            let pixel = self.plan.partitions[own[0].0.0 as usize].pixel();
            let properties = self.encodings.properties(self.config, HEALPIX_COLUMN);
            let groups = own.chunks(self.config.row_group_rows).map(|rows| {
                let rows = UInt32Array::from_iter_values(rows.iter().map(|r| r.1));
                take_record_batch(&plain, &rows).map_err(failed)
            });
            write_file(&self.root.join(pixel.path()), self.schema.clone(), properties, groups)?;
            written.push((pixel, Some(own.len() as u64)));
        }
        Ok(written)
    }
}
