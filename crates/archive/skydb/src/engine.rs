//! The engine inside: DataFusion with the sky's tables, functions and joins.

use crate::about::{Explain, batch};
use crate::direct;
use crate::error::{SkyDbError, one_line};
use crate::functions;
use crate::guard::refuse_endless;
use crate::join::{ChildCellsRule, SkyJoinRule};
use crate::scan::CatalogTable;
use crate::storage::SkyTable;
use crate::types::{OpenOptions, QueryLimits, QueryResult};
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, MemorySchemaProvider, TableProvider};
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use elqui_adql::{Checked, RowByRow};
use futures::StreamExt;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

pub struct Engine {
    pub context: SessionContext,
    /// The catalogue's own tables, by schema and name.
    catalogued: RwLock<HashMap<(String, String), Arc<SkyTable>>>,
    spill_folder: Option<PathBuf>,
}

/// A query in the engine's words, and what its columns mean.
pub struct Planned {
    sql: String,
    columns: Vec<elqui_adql::ColumnInfo>,
    short: Option<RowByRow>,
}

impl Planned {
    pub fn new(checked: &Checked) -> Result<Self, SkyDbError> {
        let sql = checked.render(&elqui_adql::DataFusion).map_err(SkyDbError::Adql)?;
        let short = checked.row_by_row(&elqui_adql::DataFusion).map_err(SkyDbError::Adql)?;
        Ok(Self { sql, columns: checked.columns.clone(), short })
    }
}

impl Engine {
    pub fn new(options: &OpenOptions) -> Result<Self, SkyDbError> {
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema("sky", crate::names::RELEASE)
            .with_create_default_catalog_and_schema(true)
            .with_target_partitions(options.threads.max(1))
            .with_collect_statistics(true);
        // The language has a bound on nesting of its own; a subquery counts for several here.
        config.options_mut().sql_parser.recursion_limit = ConfigNonZeroUsize::try_new(256)
            .map_err(|e| SkyDbError::Failed { reason: one_line(e) })?;
        // Kept back by each thread of a sort for merging: the default is too much for small limits.
        config.options_mut().execution.sort_spill_reservation_bytes = 1 << 20;
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(ChildCellsRule))
            .with_physical_optimizer_rule(Arc::new(SkyJoinRule))
            .build();
        let context = SessionContext::new_with_state(state);
        functions::register(&context);
        Ok(Self {
            context,
            catalogued: RwLock::default(),
            spill_folder: options.spill_folder.clone(),
        })
    }

    /// Make a table known.
    pub fn register(
        &self,
        schema: &str,
        name: &str,
        table: Arc<dyn TableProvider>,
    ) -> Result<(), SkyDbError> {
        let failed = |e: DataFusionError| SkyDbError::Failed { reason: one_line(e) };
        let sky: Arc<dyn CatalogProvider> = self
            .context
            .catalog("sky")
            .ok_or_else(|| SkyDbError::Failed { reason: "the engine has no catalogue".into() })?;
        if sky.schema(schema).is_none() {
            sky.register_schema(schema, Arc::new(MemorySchemaProvider::new())).map_err(failed)?;
        }
        if let Some(shelf) = sky.schema(schema) {
            shelf.register_table(name.to_string(), table).map_err(failed)?;
        }
        Ok(())
    }

    /// Make a catalogue known.
    pub fn register_catalogue(&self, table: Arc<SkyTable>) -> Result<(), SkyDbError> {
        self.register(&table.schema_name, &table.name, Arc::new(CatalogTable(table.clone())))?;
        let key = (table.schema_name.clone(), table.name.clone());
        self.catalogued.write().unwrap_or_else(PoisonError::into_inner).insert(key, table);
        Ok(())
    }

    fn catalogue(&self, schema: &str, name: &str) -> Option<Arc<SkyTable>> {
        let known = self.catalogued.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&(schema.to_string(), name.to_string())).cloned()
    }

    async fn physical(&self, planned: &Planned) -> Result<Arc<dyn ExecutionPlan>, SkyDbError> {
        if let Some(short) = &planned.short
            && let Some(table) = self.catalogue(&short.schema, &short.table)
        {
            return direct::plan(self, &table, short);
        }
        let engine = |e: DataFusionError| SkyDbError::from_engine(&e);
        let state = self.context.state();
        let plan = state.create_logical_plan(&planned.sql).await.map_err(engine)?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(engine)?;
        let physical = state.create_physical_plan(&plan).await.map_err(engine)?;
        refuse_endless(&physical)?;
        Ok(physical)
    }

    /// What a query may use: memory and disk of its own.
    fn task(&self, limits: &QueryLimits) -> Result<Arc<TaskContext>, SkyDbError> {
        let failed = |e: DataFusionError| SkyDbError::Failed { reason: one_line(e) };
        let mode = match &self.spill_folder {
            Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let disk = DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(limits.spill_max_bytes);
        let pool = TrackConsumersPool::new(
            FairSpillPool::new(limits.memory_max_bytes),
            NonZeroUsize::MIN.saturating_add(2),
        );
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk)
            .with_object_store_registry(self.context.runtime_env().object_store_registry.clone())
            .build_arc()
            .map_err(failed)?;
        let plain = self.context.task_ctx();
        Ok(Arc::new(TaskContext::new(
            None,
            plain.session_id(),
            plain.session_config().clone(),
            plain.scalar_functions().clone(),
            plain.higher_order_functions().clone(),
            plain.aggregate_functions().clone(),
            plain.window_functions().clone(),
            runtime,
        )))
    }

    /// Run a query; rows past the limit are cut off.
    pub async fn collect(
        &self,
        planned: &Planned,
        limits: &QueryLimits,
    ) -> Result<QueryResult, SkyDbError> {
        let plan = self.physical(planned).await?;
        let schema = described(&plan.schema(), &planned.columns);
        let engine = |e: DataFusionError| SkyDbError::from_engine(&e);
        let mut stream = execute_stream(plan, self.task(limits)?).map_err(engine)?;
        let (mut batches, mut rows, mut truncated) = (Vec::new(), 0usize, false);
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(engine)?;
            let room = limits.rows_max - rows;
            let cut = batch.num_rows() > room;
            let kept = if cut { batch.slice(0, room) } else { batch };
            rows += kept.num_rows();
            let count = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
            let columns = kept.columns().to_vec();
            let kept = RecordBatch::try_new_with_options(schema.clone(), columns, &count)
                .map_err(|e| engine(e.into()))?;
            if kept.num_rows() > 0 {
                batches.push(kept);
            }
            if cut {
                truncated = true;
                break;
            }
        }
        Ok(QueryResult { schema, batches, truncated })
    }

    /// The plan as text, one operator a row.
    pub async fn explain(
        &self,
        planned: &Planned,
        how: Explain,
        limits: &QueryLimits,
    ) -> Result<QueryResult, SkyDbError> {
        let plan = self.physical(planned).await?;
        let text = match how {
            Explain::Plan => displayable(plan.as_ref()).indent(false).to_string(),
            Explain::Analyze => {
                let engine = |e: DataFusionError| SkyDbError::from_engine(&e);
                let mut stream =
                    execute_stream(plan.clone(), self.task(limits)?).map_err(engine)?;
                while let Some(batch) = stream.next().await {
                    batch.map_err(engine)?;
                }
                datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(
                    plan.as_ref(),
                )
                .indent(false)
                .to_string()
            }
        };
        let lines: ArrayRef = Arc::new(StringArray::from(text.lines().collect::<Vec<_>>()));
        batch(vec![("plan", lines)])
    }
}

/// The result's schema with the names and meanings that the language gives its columns.
fn described(schema: &SchemaRef, columns: &[elqui_adql::ColumnInfo]) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(k, f)| {
            let Some(c) = columns.get(k) else { return f.as_ref().clone() };
            let xtype = match c.ty {
                elqui_adql::Type::Point => "point",
                elqui_adql::Type::Timestamp => "timestamp",
                t if t.is_geometry() && t != elqui_adql::Type::Any => "adql:REGION",
                _ => "",
            };
            let facts = [
                ("unit", c.unit.as_str()),
                ("ucd", &c.ucd),
                ("description", &c.description),
                ("xtype", xtype),
            ];
            let metadata = facts
                .into_iter()
                .filter(|(_, v)| !v.is_empty())
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect();
            Field::new(&c.name, f.data_type().clone(), true).with_metadata(metadata)
        })
        .collect();
    Arc::new(Schema::new(fields))
}
