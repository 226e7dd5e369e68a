//! The operator that reads a table: cells of the sky, row groups, pages, rows, then the condition.
//!
//! The plan is plain data (table, columns, ranges of cells, condition): a copy restricted to fewer cells is
//! how the sky join reads one tile after the other.

use super::prune::GroupPruner;
use super::reader::{Batches, Wanted};
use crate::storage::ranges::intersection;
use crate::storage::{Ranges, SkyTable};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions, apply_expression_roots,
};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    SendableRecordBatchStream,
};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Fewer rows than these (by estimate) are read by one thread: handing over costs more.
const ROWS_OF_ONE_THREAD: f64 = 100_000.0;

#[derive(Debug, Clone)]
pub struct CatalogScan {
    pub table: Arc<SkyTable>,
    /// Only rows of these cells; `None`: all.
    pub cells: Option<Ranges>,
    wanted: Arc<Wanted>,
    pruner: Arc<OnceLock<Option<GroupPruner>>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl CatalogScan {
    /// `predicate` names columns of the whole table.
    pub fn try_new(
        table: Arc<SkyTable>,
        columns: Vec<usize>,
        cells: Option<Ranges>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
        threads: usize,
    ) -> Result<Self> {
        let mut read = columns.clone();
        if let Some(p) = &predicate {
            let mut more: Vec<usize> = collect_columns(p).iter().map(|c| c.index()).collect();
            more.sort_unstable();
            read.extend(more.into_iter().filter(|c| !columns.contains(c)));
        }
        let read_schema = Arc::new(table.schema.project(&read)?);
        let predicate = match predicate {
            Some(p) => Some(reassign_expr_columns(p, &read_schema)?),
            None => None,
        };
        let schema = Arc::new(table.schema.project(&columns)?);
        let wanted = Wanted::new(read_schema, schema.clone(), predicate)?;
        let parts = partitions(&table, cells.as_deref(), threads);
        Ok(Self {
            properties: properties(schema, parts),
            table,
            cells,
            wanted: Arc::new(wanted),
            pruner: Arc::default(),
            limit,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// The same, for rows in `cells` only, read by one thread.
    #[must_use]
    pub fn within(&self, cells: &[Range<u64>]) -> Self {
        let cells = match &self.cells {
            Some(before) => intersection(before, cells),
            None => cells.to_vec(),
        };
        Self {
            cells: Some(cells.into()),
            properties: properties(self.wanted.schema.clone(), 1),
            ..self.clone()
        }
    }

    /// The same, for rows in `cells` only, in as many streams.
    #[must_use]
    pub fn narrowed(&self, cells: &[Range<u64>]) -> Self {
        Self { properties: self.properties.clone(), ..self.within(cells) }
    }

    /// Rows before the condition, by estimate where cells cut the table.
    pub fn rows_estimate(&self) -> Option<f64> {
        match &self.cells {
            Some(cells) => Some(self.table.rows_in(cells)),
            None => self.table.rows.map(|n| n as f64),
        }
    }
}

fn partitions(table: &SkyTable, cells: Option<&[Range<u64>]>, threads: usize) -> usize {
    let rows = match cells {
        Some(cells) => table.rows_in(cells),
        None => table.rows.map_or(f64::INFINITY, |n| n as f64),
    };
    if rows < ROWS_OF_ONE_THREAD { 1 } else { threads.max(1) }
}

fn properties(schema: SchemaRef, partitions: usize) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

impl DisplayAs for CatalogScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            self.wanted.schema.fields().iter().map(|f| f.name().as_str()).collect();
        write!(
            f,
            "CatalogScan: {}.{} [{}]",
            self.table.schema_name,
            self.table.name,
            names.join(", ")
        )?;
        match &self.cells {
            Some(cells) => {
                let files = self.table.files_of(Some(cells)).len();
                write!(
                    f,
                    ", {} ranges of cells in {files} of {} files",
                    cells.len(),
                    self.table.files.len()
                )?;
            }
            None => write!(f, ", {} files", self.table.files.len())?,
        }
        if let Some(p) = &self.wanted.predicate {
            write!(f, ", where {p}")?;
        }
        if let Some(n) = self.limit {
            write!(f, ", limit {n}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for CatalogScan {
    fn name(&self) -> &'static str {
        "CatalogScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.wanted.predicate.iter(), f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no inputs") }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no inputs") }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let parts = self.properties.partitioning.partition_count();
        let pruner = self.pruner.get_or_init(|| {
            self.wanted.predicate.as_ref().and_then(|p| GroupPruner::new(p, &self.wanted.read))
        });
        let batches = Batches::new(
            self.table.clone(),
            self.wanted.clone(),
            self.cells.clone(),
            pruner.clone(),
            (partition, parts),
            self.limit,
            context.session_config().batch_size(),
            &self.metrics,
        );
        let schema = self.wanted.schema.clone();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.wanted.schema);
        if partition.is_none()
            && let Some(rows) = self.rows_estimate()
        {
            let whole = self.cells.is_none() && self.wanted.predicate.is_none();
            // What a condition leaves is a guess, the same as the planner's own.
            let rows = if self.wanted.predicate.is_some() { rows * 0.2 } else { rows };
            statistics.num_rows = match (whole, self.limit) {
                (true, None) => Precision::Exact(rows as usize),
                (_, limit) => Precision::Inexact((rows as usize).min(limit.unwrap_or(usize::MAX))),
            };
        }
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self { limit, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }
}
