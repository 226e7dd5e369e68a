//! How a run is to go, and who is told about it.

use crate::run::Status;
use crate::task::Cancel;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What follows from a failed quantum. What depends on it never runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Everything else still runs.
    #[default]
    CarryOn,
    /// What runs may end; nothing new is started.
    Stop,
}

/// Clocks, handed in by the app.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// Nanoseconds of TAI since 1970.
    pub now_ns: fn() -> i64,
    /// CPU seconds of the calling thread.
    pub cpu_s: fn() -> f64,
}

impl Clocks {
    /// Clocks that stand still, for tests.
    pub fn none() -> Self {
        Self { now_ns: || 0, cpu_s: || 0.0 }
    }
}

/// See each field.
#[derive(Debug, Clone)]
pub struct RunOptions {
    pub threads: usize,
    /// The declared peaks of what runs at once never add up to more.
    pub memory_bytes: u64,
    /// Attempts after the first, where the step does not say.
    pub retries: u32,
    /// For one attempt, where the step does not say.
    pub timeout: Option<Duration>,
    pub on_failure: OnFailure,
    /// Where `LABEL/NUMBER.log` go; only quanta that say something have one.
    pub logs: Option<PathBuf>,
    /// Program and version, for the provenance.
    pub software: String,
    pub host: String,
    pub clocks: Clocks,
    pub cancel: Cancel,
    /// Only these quanta (a cluster job's part): the others are somebody else's.
    pub part: Option<Vec<u32>>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: u64::MAX,
            retries: 0,
            timeout: None,
            on_failure: OnFailure::default(),
            logs: None,
            software: concat!("elqui ", env!("CARGO_PKG_VERSION")).to_string(),
            host: String::new(),
            clocks: Clocks::none(),
            cancel: Cancel::default(),
            part: None,
        }
    }
}

/// Who is told how far the run is, from many threads. A bar with the time that is left is the app's.
pub trait Watch: Sync {
    /// - `existed`: quanta whose outputs an earlier run made
    fn begin(&self, _quanta: usize, _existed: usize) {}
    fn started(&self, _number: u32, _label: &str) {}
    /// `Done` is told when the outputs are registered.
    fn finished(&self, _number: u32, _label: &str, _status: Status) {}
}

impl Watch for () {}

/// How to start the process of an isolated quantum: mostly this program again.
pub trait Launcher: Sync {
    /// The command must call [`run_quantum`](crate::run_quantum) with the same number and folder.
    fn command(&self, number: u32, folder: &Path) -> Command;
}
