//! A table of a catalogue as the engine sees it.

use super::constraint::cells_of;
use super::exec::CatalogScan;
use crate::storage::SkyTable;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, Statistics};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

#[derive(Debug)]
pub struct CatalogTable(pub Arc<SkyTable>);

#[async_trait::async_trait]
impl TableProvider for CatalogTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let judge = |e: &&Expr| {
            if e.is_volatile() {
                TableProviderFilterPushDown::Unsupported
            } else {
                TableProviderFilterPushDown::Exact
            }
        };
        Ok(filters.iter().map(judge).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        None
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.0.schema.fields().len()).collect();
        let columns = projection.cloned().unwrap_or(all);
        let threads = state.config().target_partitions();
        let schema = DFSchema::try_from(self.0.schema.as_ref().clone())?;
        let scan = Self::scan_plan(&self.0, state, &schema, columns, filters, limit, threads)?;
        Ok(Arc::new(scan))
    }
}

impl CatalogTable {
    /// The scan of a table's columns for the rows that fulfil the filters.
    pub fn scan_plan(
        table: &Arc<SkyTable>,
        state: &dyn Session,
        schema: &DFSchema,
        columns: Vec<usize>,
        filters: &[Expr],
        limit: Option<usize>,
        threads: usize,
    ) -> Result<CatalogScan> {
        let cells = cells_of(table, filters).map_err(|e| DataFusionError::External(e.into()))?;
        let predicate = match conjunction(filters.to_vec()) {
            Some(e) => Some(state.create_physical_expr(e, schema)?),
            None => None,
        };
        CatalogScan::try_new(
            table.clone(),
            columns,
            cells.map(Into::into),
            predicate,
            limit,
            threads,
        )
    }
}
