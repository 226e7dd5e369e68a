//! What can go wrong with a pipeline, a graph, a run; and within one step.

use elqui_butler::ButlerError;
use elqui_codec::CodecError;
use elqui_registry::RegistryError;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A pipeline's text is wrong; the line counts from 1.
    #[error("{file}:{line}: {why}")]
    Yaml { file: String, line: usize, why: String },
    #[error("`{text}` changes no configuration: {why}; write LABEL:key.key=value")]
    Change { text: String, why: String },
    #[error("cannot read `{path}`: {source}")]
    Read { path: String, source: io::Error },
    #[error("the graph of pipeline `{pipeline}` cannot be built: {why}")]
    Graph { pipeline: String, why: String },
    #[error("`{path}` is no quantum graph that can be used: {why}")]
    SavedGraph { path: String, why: String },
    #[error("the run `{run}` cannot go on: {why}")]
    Run { run: String, why: String },
    #[error("the cluster: {why}")]
    Cluster { why: String },
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Butler(#[from] ButlerError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Why one quantum did not finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    #[error("{0}")]
    Failed(String),
    #[error("it took longer than {seconds} s: raise `timeout_s` of the step, or look at its log")]
    TimedOut { seconds: u64 },
    #[error("the run was cancelled")]
    Cancelled,
    /// Not of this quantum: the registry is locked, full, read-only or lost.
    #[error("{0}")]
    Registry(String),
    #[error("it panicked, which is a bug of the step: {0}")]
    Panicked(String),
}

impl StepError {
    pub fn failed(why: impl std::fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }

    /// Whether trying again can help: not after a cancel.
    pub fn retryable(&self) -> bool {
        !matches!(self, Self::Cancelled)
    }
}

impl From<CodecError> for StepError {
    fn from(e: CodecError) -> Self {
        Self::failed(e)
    }
}
impl From<RegistryError> for StepError {
    fn from(e: RegistryError) -> Self {
        match &e {
            // A fault is of what was asked; all others are of the database.
            RegistryError::Sql(sql) if sql.fault().is_none() => Self::Registry(e.to_string()),
            _ => Self::failed(e),
        }
    }
}
