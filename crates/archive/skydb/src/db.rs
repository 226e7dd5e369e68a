//! Opening catalogues and asking them.

use crate::catalog;
use crate::error::{SkyDbError, one_line};
use crate::explain::{explain, syntax};
use crate::functions;
use crate::rewrite::{Names, rewrite, tokens};
use crate::types::{ColumnInfo, QueryLimits, QueryResult, TableInfo};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{CatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use elqui_schema::{Column, ColumnData, Table, felis};
use futures::StreamExt;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Schema names under which every table is found, besides none at all: our own and those of
/// Rubin's releases, so that a query written there runs here.
const SCHEMAS: &[&str] = &["elqui", "dp1", "dp2", "dp02_dc2_catalogs", "public"];

/// Memory that one query may hold before it has to use the disk or give up.
const MEMORY_MAX_BYTES: usize = 2 << 30;

/// Catalogues, open for questions. Cheap to share behind an `Arc`; any number of threads may ask.
pub struct SkyDb {
    context: SessionContext,
    names: Arc<Names>,
    tables: Vec<TableInfo>,
    /// The engine's own threads; taken only when the database is dropped.
    runtime: Option<Runtime>,
}

impl Drop for SkyDb {
    fn drop(&mut self) {
        // A runtime must not be dropped by waiting inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl SkyDb {
    /// Open folders of Parquet (or single files), with a thread a core.
    pub fn open(roots: &[PathBuf]) -> Result<Self, SkyDbError> {
        Self::open_with_threads(roots, std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// Open with a bound on the threads.
    pub fn open_with_threads(roots: &[PathBuf], threads: usize) -> Result<Self, SkyDbError> {
        let files = catalog::find(roots)?;
        let failed = |e: String| SkyDbError::Failed { reason: e };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("elqui-skydb")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|e| failed(one_line(e)))?;
        let config = SessionConfig::new()
            .with_default_catalog_and_schema("sky", "elqui")
            .with_create_default_catalog_and_schema(true)
            .with_target_partitions(threads.max(1))
            .with_collect_statistics(true);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_limit(MEMORY_MAX_BYTES, 1.0)
            .build_arc()
            .map_err(|e| failed(one_line(e)))?;
        let context = SessionContext::new_with_config_rt(config, environment);
        functions::register(&context);
        let shelf = Arc::new(MemorySchemaProvider::new());
        let sky: Arc<dyn CatalogProvider> =
            context.catalog("sky").ok_or_else(|| failed("the catalogue is gone".into()))?;
        for name in SCHEMAS {
            sky.register_schema(name, shelf.clone()).map_err(|e| failed(one_line(e)))?;
        }
        let mut names = Names::default();
        let mut tables = Vec::new();
        for (name, paths) in files {
            let (provider, rows) = runtime.block_on(open_table(&context, &name, &paths))?;
            let schema = provider.schema();
            for field in schema.fields() {
                let spellings: &mut Vec<String> =
                    names.columns.entry(field.name().to_lowercase()).or_default();
                if !spellings.contains(field.name()) {
                    spellings.push(field.name().clone());
                }
            }
            names.tables.insert(name.to_lowercase(), name.clone());
            tables.push(table_info(&name, &schema, rows));
            shelf.register_table(name.to_lowercase(), provider).map_err(|e| failed(one_line(e)))?;
        }
        Ok(Self { context, names: Arc::new(names), tables, runtime: Some(runtime) })
    }

    /// The tables, sorted by name.
    pub fn tables(&self) -> &[TableInfo] {
        &self.tables
    }

    /// Ask with the default limits, and wait for the answer. Not for use inside async code.
    pub fn query(&self, sql: &str) -> Result<QueryResult, SkyDbError> {
        self.query_with(sql, QueryLimits::default())
    }

    /// Ask, and wait for the answer. Not for use inside async code.
    pub fn query_with(&self, sql: &str, limits: QueryLimits) -> Result<QueryResult, SkyDbError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.query_async(sql, limits)),
            None => Err(SkyDbError::Failed { reason: "the database is closed".into() }),
        }
    }

    /// Ask from async code; the work is done on the database's own threads.
    pub async fn query_async(
        &self,
        sql: &str,
        limits: QueryLimits,
    ) -> Result<QueryResult, SkyDbError> {
        let typed = tokens(sql)?;
        if let Some(answer) = self.about_tables(&typed)? {
            return Ok(QueryResult { table: answer, truncated: false });
        }
        let statement = parse_on_a_deep_stack(&typed, &self.names)?;
        let (context, names) = (self.context.clone(), self.names.clone());
        let Some(runtime) = &self.runtime else {
            return Err(SkyDbError::Failed { reason: "the database is closed".into() });
        };
        let mut task = runtime.spawn(async move {
            run(&context, statement, limits.rows_max).await.map_err(|e| explain(&e, &typed, &names))
        });
        let time = Duration::try_from_secs_f64(limits.time_max_s).unwrap_or(Duration::MAX);
        let timeout = SkyDbError::Timeout { time_max_s: limits.time_max_s };
        let (_done, mut out_of_time) = alarm(time);
        tokio::select! {
            done = &mut task => done.unwrap_or_else(|e| {
                Err(SkyDbError::Failed { reason: format!("the engine stopped: {}", one_line(e)) })
            }),
            Ok(()) = &mut out_of_time => {
                task.abort();
                Err(timeout)
            }
        }
    }

    /// SHOW TABLES and DESCRIBE are answered from what was opened.
    fn about_tables(&self, typed: &[TokenWithSpan]) -> Result<Option<Table>, SkyDbError> {
        let words: Vec<String> = typed
            .iter()
            .filter(|t| t.token != Token::Period)
            .map(|t| t.token.to_string().trim_matches('"').to_lowercase())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let name = match words.as_slice() {
            ["show", "tables"] => {
                let mut t = Table::new("tables");
                let rows = self.tables.iter().map(|i| i.rows.unwrap_or(0) as i64).collect();
                t.columns.push(text("table", self.tables.iter().map(|i| &i.name)));
                t.columns.push(Column::new("rows", ColumnData::I64(rows)));
                t.columns.push(text("description", self.tables.iter().map(|i| &i.description)));
                return Ok(Some(t));
            }
            ["describe" | "desc", .., name] => *name,
            ["show", "columns", "from" | "in", .., name] => *name,
            _ => return Ok(None),
        };
        let known = self.tables.iter().find(|t| t.name.eq_ignore_ascii_case(name));
        let Some(info) = known else {
            let e = DataFusionError::Plan(format!("table '{name}' not found"));
            return Err(explain(&e, typed, &self.names));
        };
        let mut t = Table::new(&info.name);
        t.columns.push(text("column", info.columns.iter().map(|c| &c.name)));
        t.columns.push(text("datatype", info.columns.iter().map(|c| &c.datatype)));
        t.columns.push(text("unit", info.columns.iter().map(|c| &c.unit)));
        t.columns.push(text("ucd", info.columns.iter().map(|c| &c.ucd)));
        t.columns.push(text("description", info.columns.iter().map(|c| &c.description)));
        Ok(Some(t))
    }
}

fn text<'a>(name: &str, values: impl Iterator<Item = &'a String>) -> Column {
    Column::new(name, ColumnData::Str(values.cloned().collect()))
}

/// Rings after `time`, unless the first half is dropped before.
///
/// On a thread of its own: a runtime whose threads are all deep in a join looks at no timer.
fn alarm(time: Duration) -> (mpsc::Sender<()>, oneshot::Receiver<()>) {
    let (done, is_done) = mpsc::channel::<()>();
    let (ring, rings) = oneshot::channel();
    std::thread::spawn(move || {
        let longest = Duration::from_secs(86_400 * 365);
        if is_done.recv_timeout(time.min(longest)) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Nobody listens any more when the query ended just now.
            let _ = ring.send(());
        }
    });
    (done, rings)
}

/// Stack of the threads that parse and plan: both descend into a query's nesting.
const STACK_BYTES: usize = 32 << 20;

/// [`parse`] on a thread whose stack the parser's own limit on nesting is safe with.
fn parse_on_a_deep_stack(typed: &[TokenWithSpan], names: &Names) -> Result<Statement, SkyDbError> {
    let stopped = || SkyDbError::Failed { reason: "the query could not be parsed".into() };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || parse(typed, names))
            .map_err(|_| stopped())?
            .join()
            .unwrap_or_else(|_| Err(stopped()))
    })
}

/// One statement, and one that only reads.
fn parse(typed: &[TokenWithSpan], names: &Names) -> Result<Statement, SkyDbError> {
    let Some(first) = typed.first() else {
        return Err(SkyDbError::Syntax { line: 1, column: 1, reason: "the query is empty".into() });
    };
    let word = first.token.to_string().to_uppercase();
    let reads = ["SELECT", "WITH", "EXPLAIN", "VALUES", "("];
    const WRITES: &[&str] = &[
        "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "COPY",
        "SET", "GRANT", "REVOKE", "CALL", "LOAD", "ATTACH", "BEGIN", "COMMIT", "ROLLBACK",
        "VACUUM", "RESET", "PREPARE", "EXECUTE", "USE", "SHOW", "REPLACE",
    ];
    if WRITES.contains(&word.as_str()) {
        return Err(SkyDbError::ReadOnly { word });
    }
    let place = |t: &TokenWithSpan, reason: String| SkyDbError::Syntax {
        line: t.span.start.line,
        column: t.span.start.column,
        reason,
    };
    if !reads.contains(&word.as_str()) {
        return Err(place(first, format!("a query begins with SELECT, not {}", first.token)));
    }
    if let Some(t) = typed.iter().find(|t| t.token == Token::SemiColon) {
        return Err(place(t, "one query at a time: there is text after the semicolon".into()));
    }
    let mut statements = Parser::new(&GenericDialect {})
        .with_recursion_limit(100)
        .with_tokens_with_locations(rewrite(typed.to_vec(), names))
        .parse_statements()
        .map_err(|e| syntax(&e, typed))?;
    match statements.pop() {
        Some(s) if statements.is_empty() => Ok(s),
        _ => Err(place(first, "one query at a time".into())),
    }
}

async fn run(
    context: &SessionContext,
    statement: Statement,
    rows_max: usize,
) -> Result<QueryResult, DataFusionError> {
    let plan =
        context.state().statement_to_plan(DfStatement::Statement(Box::new(statement))).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
    let frame = context.execute_logical_plan(plan).await?;
    let mut stream = frame.execute_stream().await?;
    let (mut batches, mut rows, mut truncated) = (Vec::new(), 0usize, false);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let room = rows_max - rows;
        if batch.num_rows() > room {
            batches.push(batch.slice(0, room));
            truncated = true;
            break;
        }
        rows += batch.num_rows();
        batches.push(batch);
    }
    let table = elqui_tables::from_batches("result", &schema, &batches)
        .map_err(|e| DataFusionError::Execution(e.to_string()))?;
    Ok(QueryResult { table, truncated })
}

/// A table over its files, with the units and descriptions that the first file gives.
async fn open_table(
    context: &SessionContext,
    name: &str,
    paths: &[PathBuf],
) -> Result<(Arc<dyn TableProvider>, Option<u64>), SkyDbError> {
    let fail = |path: &PathBuf, reason: String| SkyDbError::Open {
        path: path.display().to_string(),
        reason,
    };
    let mut urls = Vec::new();
    for path in paths {
        let full = std::fs::canonicalize(path).map_err(|e| fail(path, one_line(e)))?;
        let text = full.to_string_lossy();
        urls.push(ListingTableUrl::parse(&text).map_err(|e| fail(path, one_line(e)))?);
    }
    let state = context.state();
    let format = || Arc::new(ParquetFormat::default().with_skip_metadata(false));
    let listing = |f| ListingOptions::new(f).with_file_extension("");
    // The first file says what the columns mean; the others need only have the same types.
    let described = listing(format())
        .infer_schema(&state, &urls[0])
        .await
        .map_err(|e| fail(&paths[0], one_line(e)))?;
    let plain = listing(Arc::new(ParquetFormat::default()));
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(plain)
        .infer_schema(&state)
        .await
        .map_err(|e| fail(&paths[0], one_line(e)))?;
    let bare = config.file_schema.clone().unwrap_or_else(|| described.clone());
    let fields: Vec<Field> = bare
        .fields()
        .iter()
        .map(|f| {
            let mut metadata = described
                .field_with_name(f.name())
                .map(|d| d.metadata().clone())
                .unwrap_or_default();
            if metadata.is_empty() {
                if let Some(known) = felis::column(name, f.name()) {
                    let facts = [
                        ("unit", known.unit),
                        ("ucd", known.ucd),
                        ("description", known.description),
                    ];
                    metadata = facts
                        .into_iter()
                        .filter(|(_, v)| !v.is_empty())
                        .map(|(k, v)| (k.to_string(), v))
                        .collect();
                }
            }
            f.as_ref().clone().with_metadata(metadata)
        })
        .collect();
    let table = ListingTable::try_new(config.with_schema(Arc::new(Schema::new(fields))))
        .map_err(|e| fail(&paths[0], one_line(e)))?;
    let provider: Arc<dyn TableProvider> = Arc::new(table);
    let frame = context.read_table(provider.clone()).map_err(|e| fail(&paths[0], one_line(e)))?;
    let rows = frame.count().await.map_err(|e| fail(&paths[0], one_line(e)))?;
    Ok((provider, Some(rows as u64)))
}

fn table_info(name: &str, schema: &SchemaRef, rows: Option<u64>) -> TableInfo {
    let columns = schema
        .fields()
        .iter()
        .map(|f| {
            let fact = |key: &str| f.metadata().get(key).cloned().unwrap_or_default();
            let datatype = match f.data_type() {
                DataType::Float64 => "double".into(),
                DataType::Float32 => "float".into(),
                DataType::Int64 => "long".into(),
                DataType::Int32 => "int".into(),
                DataType::Boolean => "boolean".into(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
                other => other.to_string().to_lowercase(),
            };
            ColumnInfo {
                name: f.name().clone(),
                datatype,
                unit: fact("unit"),
                ucd: fact("ucd"),
                description: fact("description"),
            }
        })
        .collect();
    let description = felis::table(name).map(|t| t.description.clone()).unwrap_or_default();
    TableInfo { name: name.to_string(), description, rows, columns }
}
