//! The short way for questions that go row by row through one table: no planner, just a scan and, where
//! results are computed, their expressions.
//!
//! The same expressions and the same scan as on the long way, so the same answers.

use crate::engine::Engine;
use crate::error::SkyDbError;
use crate::scan::CatalogTable;
use crate::storage::SkyTable;
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use elqui_adql::{RowByRow, RowItem};
use std::sync::Arc;

/// The plan of a question about one of the catalogue's tables.
pub fn plan(
    engine: &Engine,
    table: &Arc<SkyTable>,
    query: &RowByRow,
) -> Result<Arc<dyn ExecutionPlan>, SkyDbError> {
    let failed = |e: DataFusionError| SkyDbError::from_engine(&e);
    let schema = DFSchema::try_from_qualified_schema(
        TableReference::bare(query.label.clone()),
        &table.schema,
    )
    .map_err(failed)?;
    let state = engine.context.state_ref();
    let state = state.read();
    let facts = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(state.config_options().clone())
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(facts);
    // Types made equal and constants folded, as the planner does.
    let read = |text: &str| {
        let e = state.create_logical_expr(text, &schema)?;
        simplifier.simplify(simplifier.coerce(e, &schema)?)
    };
    let filters: Vec<Expr> = match &query.filter {
        Some(text) => split_conjunction_owned(read(text).map_err(failed)?),
        None => Vec::new(),
    };
    let mut computed: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
    for (k, item) in query.items.iter().enumerate() {
        computed.push(match item {
            RowItem::Column(name) => {
                let index = table.schema.index_of(name).map_err(|e| failed(e.into()))?;
                (Arc::new(Column::new(name, index)), name.clone())
            }
            RowItem::Expression(text) => {
                let e = read(text).map_err(failed)?;
                (state.create_physical_expr(e, &schema).map_err(failed)?, format!("item {k}"))
            }
        });
    }
    let mut columns: Vec<usize> = Vec::new();
    for (e, _) in &computed {
        let mut own: Vec<usize> = collect_columns(e).iter().map(Column::index).collect();
        own.sort_unstable();
        own.retain(|c| !columns.contains(c));
        columns.extend(own);
    }
    let limit = query.top.and_then(|n| usize::try_from(n).ok());
    let threads = state.config().target_partitions();
    let scan = CatalogTable::scan_plan(table, &*state, &schema, columns, &filters, limit, threads)
        .map_err(failed)?;
    let mut scan: Arc<dyn ExecutionPlan> = Arc::new(scan);
    if limit.is_some() && scan.output_partitioning().partition_count() > 1 {
        let one = Arc::new(CoalescePartitionsExec::new(scan));
        scan = Arc::new(GlobalLimitExec::new(one, 0, limit));
    }
    let below = scan.schema();
    let same = computed.len() == below.fields().len()
        && computed
            .iter()
            .zip(below.fields())
            .all(|((e, name), f)| e.downcast_ref::<Column>().is_some() && name == f.name());
    if same {
        return Ok(scan);
    }
    let items = computed
        .into_iter()
        .map(|(e, alias)| Ok(ProjectionExpr { expr: reassign_expr_columns(e, &below)?, alias }))
        .collect::<Result<Vec<_>, DataFusionError>>()
        .map_err(failed)?;
    Ok(Arc::new(ProjectionExec::try_new(items, scan).map_err(failed)?))
}
