//! What a step is told while it runs: whether to stop, how long it has, and where to write its log.

use crate::error::StepError;
use elqui_butler::DataId;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A wish to stop that many threads see. Cloned handles are the same wish.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One attempt at one quantum.
pub struct Context {
    pub label: String,
    pub data_id: DataId,
    /// Counts from 1.
    pub attempt: u32,
    pub cancel: Cancel,
    started: Instant,
    timeout: Option<Duration>,
    log_path: Option<PathBuf>,
    log: Mutex<Option<File>>,
    peak_memory_bytes: AtomicU64,
}

impl Context {
    pub fn new(label: &str, data_id: DataId, cancel: Cancel, timeout: Option<Duration>) -> Self {
        Self {
            label: label.to_string(),
            data_id,
            attempt: 1,
            cancel,
            started: Instant::now(),
            timeout,
            log_path: None,
            log: Mutex::new(None),
            peak_memory_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn with_log(mut self, path: Option<PathBuf>, attempt: u32) -> Self {
        self.log_path = path;
        self.attempt = attempt;
        self
    }

    /// To be called by a step wherever it can stop: an error when it should. Costs nanoseconds.
    pub fn check(&self) -> Result<(), StepError> {
        if self.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        match self.timeout {
            Some(limit) if self.started.elapsed() > limit => Err(self.timed_out()),
            _ => Ok(()),
        }
    }

    pub(crate) fn timed_out(&self) -> StepError {
        StepError::TimedOut { seconds: self.timeout.map_or(0, |t| t.as_secs()) }
    }

    /// What is left of the time, if there is a limit.
    pub fn remaining(&self) -> Option<Duration> {
        self.timeout.map(|limit| limit.saturating_sub(self.started.elapsed()))
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A line for this quantum's log. The file is made with the first one, and each line is in it
    /// at once: what was said before a kill can be read after it. A log that cannot be written
    /// does not stop the work.
    pub fn log(&self, line: impl fmt::Display) {
        let Some(path) = &self.log_path else { return };
        let Ok(mut log) = self.log.lock() else { return };
        if log.is_none() {
            if let Some(folder) = path.parent() {
                let _ = std::fs::create_dir_all(folder);
            }
            *log = OpenOptions::new().create(true).append(true).open(path).ok();
        }
        if let Some(file) = log.as_mut() {
            let seconds = self.started.elapsed().as_secs_f64();
            let _ = file.write_all(format!("{seconds:9.3} {line}\n").as_bytes());
        }
    }

    /// What processes of this attempt took at most, as far as it was seen; `None` where there were none.
    pub(crate) fn peak_memory_bytes(&self) -> Option<i64> {
        let bytes = self.peak_memory_bytes.load(Ordering::Relaxed);
        i64::try_from(bytes).ok().filter(|b| *b > 0)
    }

    pub(crate) fn saw_memory(&self, bytes: u64) {
        self.peak_memory_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Where this quantum's log is.
    pub fn log_path(&self) -> Option<&PathBuf> {
        self.log_path.as_ref()
    }
}
