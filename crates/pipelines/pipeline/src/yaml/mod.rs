//! Pipelines as YAML: which steps, with which configuration, under which names.

mod change;
mod check;
mod load;
mod locate;
mod text;
mod write;

pub use change::ConfigChange;

use crate::task::{Runnable, TaskInfo};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a step may run; each can be set in the pipeline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// For one attempt.
    pub timeout: Option<Duration>,
    /// Attempts after the first.
    pub retries: Option<u32>,
    /// In a process of its own, which can be killed.
    pub isolated: bool,
    /// Instead of what the step declares.
    pub peak_memory_bytes: Option<u64>,
}

/// A step of a pipeline, configured and checked.
#[derive(Clone)]
pub struct PipelineStep {
    pub label: String,
    /// With the dataset types as this pipeline calls them.
    pub info: TaskInfo,
    /// Which data it runs on, besides what the graph is asked for; empty for all.
    pub condition: String,
    pub limits: Limits,
    pub(crate) runnable: Arc<dyn Runnable>,
    pub(crate) file: String,
    pub(crate) line: usize,
}

impl PipelineStep {
    /// The whole configuration as text.
    pub fn config(&self) -> &str {
        self.runnable.config()
    }

    pub fn peak_memory_bytes(&self) -> u64 {
        self.limits.peak_memory_bytes.unwrap_or_else(|| self.runnable.peak_memory_bytes())
    }
}

impl std::fmt::Debug for PipelineStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipelineStep").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Steps that are chosen together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    pub description: String,
    pub steps: Vec<String>,
}

/// A pipeline that passed all checks, its steps in an order in which they can run.
#[derive(Debug, Clone)]
pub struct Pipeline {
    pub name: String,
    pub description: String,
    pub steps: Vec<PipelineStep>,
    pub subsets: BTreeMap<String, Subset>,
}

impl Pipeline {
    pub fn step(&self, label: &str) -> Option<&PipelineStep> {
        self.steps.iter().find(|s| s.label == label)
    }

    /// Types that no step makes, in the order in which they are read.
    pub fn overall_inputs(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for slot in self.steps.iter().flat_map(|s| &s.info.inputs) {
            let made = self.steps.iter().flat_map(|s| &s.info.outputs);
            let made = made.into_iter().any(|o| o.dataset_type == slot.dataset_type);
            if !made && !found.contains(&slot.dataset_type.as_str()) {
                found.push(&slot.dataset_type);
            }
        }
        found
    }
}
