//! Opening catalogues and asking them.

use crate::about;
use crate::engine::{Engine, Planned};
use crate::error::{SkyDbError, one_line};
use crate::names::Names;
use crate::open::open_all;
use crate::types::{OpenOptions, QueryLimits, QueryResult, TableInfo};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Catalogues, open for questions. Cheap to share behind an `Arc`; any number of threads may ask.
pub struct SkyDb {
    engine: Arc<Engine>,
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

/// Stack of the threads that plan: they descend into a query's nesting.
const STACK_BYTES: usize = 32 << 20;

impl SkyDb {
    /// Open folders: catalogues in HATS layout, folders of them, folders of Parquet, single files.
    pub fn open(roots: &[PathBuf]) -> Result<Self, SkyDbError> {
        Self::open_with(roots, &OpenOptions::default())
    }

    /// Open with a bound on the threads.
    pub fn open_with_threads(roots: &[PathBuf], threads: usize) -> Result<Self, SkyDbError> {
        Self::open_with(roots, &OpenOptions { threads: threads.max(1), ..OpenOptions::default() })
    }

    pub fn open_with(roots: &[PathBuf], options: &OpenOptions) -> Result<Self, SkyDbError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("elqui-skydb")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|e| SkyDbError::Failed { reason: one_line(e) })?;
        let engine = Engine::new(options)?;
        let tables = runtime.block_on(open_all(&engine, roots, options.version.as_deref()))?;
        let names = Arc::new(Names::new(&tables));
        Ok(Self { engine: Arc::new(engine), names, tables, runtime: Some(runtime) })
    }

    /// The tables, sorted by name.
    pub fn tables(&self) -> &[TableInfo] {
        &self.tables
    }

    /// Ask with the default limits, and wait for the answer. Not for use inside async code.
    pub fn query(&self, adql: &str) -> Result<QueryResult, SkyDbError> {
        self.query_with(adql, QueryLimits::default())
    }

    /// Ask, and wait for the answer. Not for use inside async code.
    pub fn query_with(&self, adql: &str, limits: QueryLimits) -> Result<QueryResult, SkyDbError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(self.query_async(adql, limits)),
            None => Err(closed()),
        }
    }

    /// Ask from async code; the work is done on the database's own threads, and stops when the
    /// answer is not waited for any more.
    pub async fn query_async(
        &self,
        adql: &str,
        limits: QueryLimits,
    ) -> Result<QueryResult, SkyDbError> {
        if let Some(answer) = about::answer(&self.tables, adql)? {
            return Ok(answer);
        }
        let (explain, text) = about::explain(adql);
        let checked = elqui_adql::check(text, self.names.as_ref()).map_err(SkyDbError::Adql)?;
        let planned = Planned::new(&checked)?;
        let Some(runtime) = &self.runtime else { return Err(closed()) };
        let engine = self.engine.clone();
        let mut task = Stopped(runtime.spawn(async move {
            match explain {
                Some(explain) => engine.explain(&planned, explain, &limits).await,
                None => engine.collect(&planned, &limits).await,
            }
        }));
        let time = Duration::try_from_secs_f64(limits.time_max_s).unwrap_or(Duration::MAX);
        let (_done, mut out_of_time) = alarm(time);
        tokio::select! {
            done = &mut task.0 => done.unwrap_or_else(|e| {
                Err(SkyDbError::Failed { reason: format!("the engine stopped: {}", one_line(e)) })
            }),
            Ok(()) = &mut out_of_time => Err(SkyDbError::Timeout { time_max_s: limits.time_max_s }),
        }
    }
}

fn closed() -> SkyDbError {
    SkyDbError::Failed { reason: "the database is closed".into() }
}

/// A task that ends with whoever waits for it.
struct Stopped<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Stopped<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
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
