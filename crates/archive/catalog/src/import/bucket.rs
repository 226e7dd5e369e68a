//! One bucket: its partitions are sorted and written, and what the later stages need is kept.

use super::border::border_rows;
use super::chunks;
use super::encoding::{Encodings, write_file};
use super::input::HEALPIX_COLUMN;
use super::plan::Plan;
use super::side::{self, Done, IdEntry};
use crate::config::ImportConfig;
use crate::error::{CatalogError, one_line};
use crate::files;
use crate::keys;
use crate::source::{ParquetSource, RowSource};
use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use std::path::Path;
use std::sync::Arc;

pub(super) struct BucketWriter<'a> {
    pub config: &'a ImportConfig,
    pub plan: &'a Plan,
    pub schema: SchemaRef,
    pub encodings: &'a Encodings,
    /// Folder of the primary table.
    pub root: &'a Path,
    pub side: &'a Path,
    pub margin_order: Option<u8>,
    pub sky_order: u8,
    pub id: Option<usize>,
}

/// What is gathered over the partitions of a bucket.
#[derive(Default)]
struct Gathered {
    cells: Vec<u64>,
    ids: Vec<IdEntry>,
    /// Rows for the margins: partition of the margin, and a batch with all its rows.
    margin: Vec<(u32, RecordBatch)>,
    done: Done,
}

impl BucketWriter<'_> {
    /// Write a bucket from its rows, in the order of the input.
    pub fn write(&self, bucket: usize, rows: Vec<RecordBatch>) -> Result<(), CatalogError> {
        let failed = |e| CatalogError::refused(one_line(e));
        let whole = concat_batches(&self.schema, &rows).map_err(failed)?;
        drop(rows);
        let cells = whole.column(0).as_primitive::<Int64Type>().values();
        let count = u32::try_from(cells.len()).map_err(|_| {
            CatalogError::refused("more than 4 billion rows stand at one place; split the input")
        })?;
        // Equal cells keep the order of the input.
        let mut order: Vec<(u64, u32)> =
            cells.iter().map(|c| c.cast_unsigned()).zip(0..count).collect();
        order.sort_unstable();
        let keys = self.id.map(|id| keys::keys(whole.column(id))).transpose()?;
        let mut gathered = Gathered::default();
        for k in self.plan.buckets[bucket].clone() {
            let pixel = self.plan.partitions[k].pixel();
            let range = pixel.range29();
            let start = order.partition_point(|o| o.0 < range.start);
            let own = &order[start..start + order[start..].partition_point(|o| o.0 < range.end)];
            if own.len() as u64 != self.plan.partitions[k].rows {
                let label = format!("the input ({pixel})");
                return Err(CatalogError::Changed { label });
            }
            let path = self.root.join(pixel.path());
            let properties = self.encodings.properties(self.config, HEALPIX_COLUMN);
            let groups = own.chunks(self.config.row_group_rows).map(|rows| {
                let rows = UInt32Array::from_iter_values(rows.iter().map(|r| r.1));
                take_record_batch(&whole, &rows).map_err(failed)
            });
            write_file(&path, self.schema.clone(), properties, groups)?;
            gathered.done.bytes += files::size(&path)?;
            let cells: Vec<u64> = own.iter().map(|o| o.0).collect();
            self.gather_margin(&mut gathered, k, &cells, |rows| {
                let rows = rows.iter().filter_map(|&r| own.get(r as usize)).map(|o| o.1);
                take_record_batch(&whole, &UInt32Array::from_iter_values(rows)).map_err(failed)
            })?;
            if let Some(keys) = &keys {
                let keys = own.iter().map(|o| keys.get(o.1 as usize).copied().flatten());
                gather_ids(&mut gathered, k, &cells, keys);
            }
            gathered.cells.extend(cells);
        }
        self.finish(bucket, gathered)
    }

    /// Have a bucket's files on the disk.
    pub fn sync(&self, bucket: usize) -> Result<(), CatalogError> {
        for p in &self.plan.partitions[self.plan.buckets[bucket].clone()] {
            let path = self.root.join(p.pixel().path());
            let file = std::fs::File::open(&path).map_err(|e| CatalogError::read(&path, e))?;
            file.sync_all().map_err(|e| CatalogError::write(&path, e))?;
        }
        Ok(())
    }

    /// Whether a former run finished a bucket and its files are still whole.
    pub fn is_done(&self, bucket: usize) -> bool {
        let Some(done) = side::read_done(self.side, bucket) else { return false };
        let own = &self.plan.partitions[self.plan.buckets[bucket].clone()];
        let size = |p: &super::plan::Planned| files::size(&self.root.join(p.pixel().path()));
        own.iter().map(size).sum::<Result<u64, _>>().is_ok_and(|bytes| bytes == done.bytes)
    }

    /// Take over partitions of the version before.
    pub fn keep(&self, bucket: usize) -> Result<(), CatalogError> {
        let mut gathered = Gathered::default();
        for k in self.plan.buckets[bucket].clone() {
            let planned = &self.plan.partitions[k];
            let Some(from) = &planned.kept else { continue };
            let path = self.root.join(planned.pixel().path());
            files::link(from, &path)?;
            gathered.done.bytes += files::size(&path)?;
            let source = ParquetSource::open(&[from])?;
            let wanted: Vec<usize> = std::iter::once(0).chain(self.id).collect();
            let (mut cells, mut keys) = (Vec::new(), Vec::new());
            for part in 0..source.parts() {
                for batch in source.part(part, Some(&wanted))? {
                    let batch = batch?;
                    let own = batch.column(0).as_primitive::<Int64Type>().values();
                    cells.extend(own.iter().map(|c| c.cast_unsigned()));
                    if self.id.is_some() {
                        keys.extend(keys::keys(batch.column(1))?);
                    }
                }
            }
            self.gather_margin(&mut gathered, k, &cells, |rows| source.rows(rows))?;
            if self.id.is_some() {
                gather_ids(&mut gathered, k, &cells, keys.into_iter());
            }
            gathered.cells.extend(cells);
        }
        self.finish(bucket, gathered)
    }

    fn gather_margin(
        &self,
        gathered: &mut Gathered,
        partition: usize,
        cells: &[u64],
        take: impl Fn(&[u32]) -> Result<RecordBatch, CatalogError>,
    ) -> Result<(), CatalogError> {
        let Some(order) = self.margin_order else { return Ok(()) };
        let found = border_rows(self.plan, partition, cells, order);
        for group in found.chunk_by(|a, b| a.0 == b.0) {
            let rows: Vec<u32> = group.iter().map(|g| g.1).collect();
            gathered.margin.push((group[0].0, take(&rows)?));
        }
        Ok(())
    }

    fn finish(&self, bucket: usize, gathered: Gathered) -> Result<(), CatalogError> {
        let Gathered { cells, ids, mut margin, mut done } = gathered;
        side::write_sky(self.side, bucket, self.sky_order, cells.into_iter())?;
        if self.id.is_some() {
            side::write_ids(self.side, bucket, ids, &mut done)?;
        }
        if self.margin_order.is_some() {
            // Stable: rows of one margin stay in the order of their partitions.
            margin.sort_by_key(|m| m.0);
            let bucket_of = |m: &(u32, RecordBatch)| self.plan.bucket_of(m.0 as usize);
            let mut bytes = Vec::new();
            for group in margin.chunk_by(|a, b| bucket_of(a) == bucket_of(b)) {
                let place = chunks::encode(&self.tagged(group)?, &mut bytes)?;
                done.margin.push((bucket_of(&group[0]), place));
            }
            side::write(&side::file(self.side, bucket, "margin"), &bytes)?;
        }
        side::write_done(self.side, bucket, &done)
    }

    /// Batches as one, with the partition's number as a last column.
    fn tagged(&self, group: &[(u32, RecordBatch)]) -> Result<RecordBatch, CatalogError> {
        let failed = |e| CatalogError::refused(one_line(e));
        let schema = tagged_schema(&self.schema);
        let batches: Vec<RecordBatch> = group
            .iter()
            .map(|(target, batch)| {
                let mut columns = batch.columns().to_vec();
                columns.push(Arc::new(UInt32Array::from(vec![*target; batch.num_rows()])));
                RecordBatch::try_new(schema.clone(), columns).map_err(failed)
            })
            .collect::<Result<_, _>>()?;
        concat_batches(&schema, &batches).map_err(failed)
    }
}

fn tagged_schema(schema: &Schema) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new("partition", DataType::UInt32, false)));
    Arc::new(Schema::new(fields))
}

fn gather_ids(
    gathered: &mut Gathered,
    partition: usize,
    cells: &[u64],
    keys: impl Iterator<Item = Option<u64>>,
) {
    let partition = u32::try_from(partition).unwrap_or(u32::MAX);
    for (key, &cell) in keys.zip(cells) {
        match key {
            Some(key) => gathered.ids.push(IdEntry { key, cell, partition }),
            None => gathered.done.null_ids += 1,
        }
    }
}
