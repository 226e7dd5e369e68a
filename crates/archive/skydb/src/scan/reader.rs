//! Rows of a table as batches, one row group after the other.
//!
//! - which row groups: those of the files that meet the cells, whose statistics allow the condition
//! - which rows: exact ranges of the sorted cells
//! - a condition with few answers is tested on its own columns first, the other columns are read
//!   for the rows that are left; one with many is tested on whole batches

use super::prune::GroupPruner;
use crate::error::SkyDbError;
use crate::storage::{OpenFile, Ranges, RowsOfGroup, SkyTable, rows_in_ranges, selection};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array,
};
use datafusion::arrow::compute::{cast, filter_record_batch, prep_null_mask_filter};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Columns to read and to give, and the condition.
#[derive(Debug)]
pub struct Wanted {
    /// Columns that are read: those that come out first, then those that only the condition needs.
    pub read: SchemaRef,
    pub schema: SchemaRef,
    /// On the columns of `read`.
    pub predicate: Option<Arc<dyn PhysicalExpr>>,
    /// The same on its own columns alone, and these.
    narrow: Option<(Arc<dyn PhysicalExpr>, SchemaRef)>,
}

impl Wanted {
    pub fn new(
        read: SchemaRef,
        schema: SchemaRef,
        predicate: Option<Arc<dyn PhysicalExpr>>,
    ) -> Result<Self> {
        let narrow = match &predicate {
            None => None,
            Some(p) => {
                let mut own: Vec<usize> = collect_columns(p).iter().map(|c| c.index()).collect();
                own.sort_unstable();
                let own_schema = Arc::new(read.project(&own)?);
                // Worth it where other columns can be saved.
                let saves = !own.is_empty() && own.len() < read.fields().len();
                if saves {
                    Some((reassign_expr_columns(p.clone(), &own_schema)?, own_schema))
                } else {
                    None
                }
            }
        };
        Ok(Self { read, schema, predicate, narrow })
    }
}

/// A condition that this part of the rows (or fewer) fulfils is tested before the other columns are read.
const FEW: f64 = 0.1;
/// Fewer rows than these are read at once: cells have found them already.
const ROWS_AT_ONCE: usize = 20_000;

pub struct Batches {
    table: Arc<SkyTable>,
    wanted: Arc<Wanted>,
    cells: Option<Ranges>,
    pruner: Option<GroupPruner>,
    part: (usize, usize),
    left: Option<usize>,
    batch_rows: usize,
    files: VecDeque<usize>,
    groups: VecDeque<(Arc<OpenFile>, RowsOfGroup)>,
    now: Option<(ParquetRecordBatchReader, Arc<OpenFile>, Vec<Option<usize>>, bool)>,
    seen: (usize, usize),
    rows_read: Count,
    groups_read: Count,
    baseline: BaselineMetrics,
    done: bool,
}

impl Batches {
    #[expect(clippy::too_many_arguments, reason = "what the operator knows, handed over once")]
    pub fn new(
        table: Arc<SkyTable>,
        wanted: Arc<Wanted>,
        cells: Option<Ranges>,
        pruner: Option<GroupPruner>,
        part: (usize, usize),
        limit: Option<usize>,
        batch_rows: usize,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Self {
        let files = table.files_of(cells.as_deref()).into();
        let count = |name: &'static str| MetricBuilder::new(metrics).counter(name, part.0);
        Self {
            table,
            wanted,
            cells,
            pruner,
            part,
            left: limit,
            batch_rows,
            files,
            groups: VecDeque::new(),
            now: None,
            seen: (0, 0),
            rows_read: count("rows_read"),
            groups_read: count("row_groups_read"),
            baseline: BaselineMetrics::new(metrics, part.0),
            done: false,
        }
    }

    /// Row groups of the next file that are this part's.
    fn open_next(&mut self, k: usize) -> Result<(), SkyDbError> {
        let file = self.table.open(k)?;
        let leaf = self.table.healpix.as_deref().and_then(|h| file.leaf(h));
        let meta = file.metadata();
        let groups = match (&self.cells, leaf) {
            // A file that lies in one range as a whole is not looked into.
            (Some(cells), Some(leaf)) if !covers(cells, &self.table.files[k].cells) => {
                rows_in_ranges(&file, leaf, cells, true)?
            }
            _ => (0..meta.num_row_groups())
                .map(|group| {
                    let rows = usize::try_from(meta.row_group(group).num_rows()).unwrap_or(0);
                    RowsOfGroup { group, rows: std::iter::once(0..rows).collect() }
                })
                .collect(),
        };
        let (part, parts) = self.part;
        for g in groups {
            let mine = (k + g.group) % parts == part;
            if mine && self.pruner.as_ref().is_none_or(|p| p.keeps(&file, g.group)) {
                self.groups.push_back((file.clone(), g));
            }
        }
        Ok(())
    }

    fn start(&mut self, file: Arc<OpenFile>, rows: &RowsOfGroup) -> Result<(), SkyDbError> {
        let meta = file.metadata().row_group(rows.group);
        let count = usize::try_from(meta.num_rows()).unwrap_or(0);
        let names = file.arrow.schema();
        let roots = |schema: &SchemaRef| -> Vec<Option<usize>> {
            schema.fields().iter().map(|f| names.index_of(f.name()).ok()).collect()
        };
        let from = roots(&self.wanted.read);
        let parquet = file.arrow.parquet_schema();
        let mask = ProjectionMask::roots(parquet, from.iter().flatten().copied());
        let wanted_rows = rows.count();
        let few = self.seen.0 == 0 || (self.seen.1 as f64) < FEW * self.seen.0 as f64;
        let narrow = self.wanted.narrow.as_ref().filter(|_| few && wanted_rows > ROWS_AT_ONCE);
        let mut reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
            file.reader.clone(),
            file.arrow.clone(),
        )
        .with_row_groups(vec![rows.group])
        .with_projection(mask)
        .with_batch_size(self.batch_rows.min(wanted_rows).max(1));
        if wanted_rows < count {
            reader = reader.with_row_selection(selection(&rows.rows, count));
        }
        let filtered = narrow.is_some();
        if let Some((predicate, schema)) = narrow {
            let own = roots(schema);
            let mask = ProjectionMask::roots(parquet, own.iter().flatten().copied());
            let order = positions(&own);
            let (predicate, schema) = (predicate.clone(), schema.clone());
            let test = move |batch: RecordBatch| {
                let batch = arrange(&batch, &schema, &order)?;
                Ok::<_, ArrowError>(
                    passes(&predicate, &batch).map_err(|e| ArrowError::ExternalError(e.into()))?,
                )
            };
            reader = reader
                .with_row_filter(RowFilter::new(vec![Box::new(ArrowPredicateFn::new(mask, test))]));
        }
        let made = reader.build().map_err(|e| file.damaged(e))?;
        self.rows_read.add(wanted_rows);
        self.groups_read.add(1);
        if filtered {
            self.seen.0 += wanted_rows;
        }
        self.now = Some((made, file, positions(&from), filtered));
        Ok(())
    }

    /// The next batch that is not empty.
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.left == Some(0) {
                return Ok(None);
            }
            if let Some((reader, file, order, filtered)) = &mut self.now {
                let Some(batch) = reader.next() else {
                    self.now = None;
                    continue;
                };
                let batch = batch.map_err(|e| external(file.damaged(e)))?;
                let mut batch = arrange(&batch, &self.wanted.read, order)?;
                if *filtered {
                    self.seen.1 += batch.num_rows();
                } else if let Some(p) = &self.wanted.predicate {
                    let before = batch.num_rows();
                    batch = filter_record_batch(&batch, &passes(p, &batch)?)?;
                    self.seen.0 += before;
                    self.seen.1 += batch.num_rows();
                }
                if batch.num_rows() == 0 {
                    continue;
                }
                if self.wanted.schema.fields().len() < self.wanted.read.fields().len() {
                    let columns: Vec<usize> = (0..self.wanted.schema.fields().len()).collect();
                    batch = batch.project(&columns)?;
                }
                if let Some(left) = &mut self.left {
                    batch = batch.slice(0, batch.num_rows().min(*left));
                    *left -= batch.num_rows();
                }
                return Ok(Some(batch));
            }
            if let Some((file, rows)) = self.groups.pop_front() {
                self.start(file, &rows).map_err(external)?;
            } else if let Some(k) = self.files.pop_front() {
                self.open_next(k).map_err(external)?;
            } else {
                return Ok(None);
            }
        }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let time = self.baseline.elapsed_compute().clone();
        let _timer = time.timer();
        let got = self.advance().transpose();
        match &got {
            Some(Ok(batch)) => self.baseline.record_output(batch.num_rows()),
            _ => self.done = true,
        }
        got
    }
}

fn external(e: SkyDbError) -> DataFusionError {
    DataFusionError::External(e.into())
}

fn covers(ranges: &[std::ops::Range<u64>], cells: &std::ops::Range<u64>) -> bool {
    let first = ranges.partition_point(|r| r.end <= cells.start);
    ranges.get(first).is_some_and(|r| r.start <= cells.start && cells.end <= r.end)
}

/// Where each wanted column stands in what the reader gives: it keeps the order of the file.
fn positions(from: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = from.iter().flatten().copied().collect();
    order.sort_unstable();
    from.iter().map(|f| f.and_then(|f| order.binary_search(&f).ok())).collect()
}

/// The wanted columns in their order and types; one that the file lacks is NULL.
fn arrange(
    batch: &RecordBatch,
    schema: &SchemaRef,
    order: &[Option<usize>],
) -> std::result::Result<RecordBatch, ArrowError> {
    let columns = schema
        .fields()
        .iter()
        .zip(order)
        .map(|(field, k)| {
            let column: ArrayRef = match k {
                Some(k) => batch.column(*k).clone(),
                None => new_null_array(field.data_type(), batch.num_rows()),
            };
            if column.data_type() == field.data_type() {
                Ok(column)
            } else {
                cast(&column, field.data_type())
            }
        })
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

fn passes(predicate: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let values = predicate.evaluate(batch)?.into_array(batch.num_rows())?;
    let mask = values.as_boolean();
    Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
}
