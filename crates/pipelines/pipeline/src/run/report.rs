//! What became of a run.

use crate::graph::QuantumGraph;
use crate::run::RunOptions;
use crate::yaml::PipelineStep;
use serde::Serialize;
use std::collections::HashMap;

/// What became of a quantum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its outputs are registered.
    Done,
    /// They were, before this run.
    Existed,
    /// Written, but the run broke off before they were registered: it is done again.
    Written,
    Failed,
    /// Something that it reads was not made.
    Blocked,
    /// The run stopped before it.
    NotRun,
    /// Not in this job's part.
    Elsewhere,
}

/// One quantum that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantumReport {
    pub number: u32,
    pub task: usize,
    pub attempts: u32,
    /// Of the executor.
    pub thread: usize,
    /// Since the run's beginning.
    pub start_s: f64,
    pub wall_s: f64,
    /// Of a failure.
    pub why: Option<String>,
}

/// What a step cost in all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepReport {
    pub label: String,
    pub counts: HashMap<Status, usize>,
    /// Of what was run: sum, mean, longest.
    pub wall_s: f64,
    pub mean_s: f64,
    pub max_s: f64,
}

/// A run's report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    pub pipeline: String,
    pub run: String,
    pub threads: usize,
    pub wall_s: f64,
    pub steps: Vec<StepReport>,
    /// By number.
    pub statuses: Vec<Status>,
    /// What was run, in the order in which it began.
    pub quanta: Vec<QuantumReport>,
    /// Names of failed quanta: `isr{detector=1,visit=2}`.
    pub failures: Vec<(String, String)>,
    /// Places in `quanta` of those that took longest, and their names.
    pub slowest: Vec<(usize, String)>,
}

/// Quanta that are named for having taken longest.
const SLOWEST: usize = 20;
/// Failures that are told one by one.
const FAILURES_MAX: usize = 1000;

impl RunReport {
    pub(crate) fn new(
        graph: &QuantumGraph,
        steps: &[&PipelineStep],
        options: &RunOptions,
        statuses: Vec<Status>,
        mut quanta: Vec<QuantumReport>,
        wall_s: f64,
    ) -> Self {
        quanta.sort_by(|a, b| a.start_s.total_cmp(&b.start_s).then(a.number.cmp(&b.number)));
        let mut all: Vec<StepReport> = steps
            .iter()
            .map(|s| StepReport {
                label: s.label.clone(),
                counts: HashMap::new(),
                wall_s: 0.0,
                mean_s: 0.0,
                max_s: 0.0,
            })
            .collect();
        for (number, status) in statuses.iter().enumerate() {
            if let Some(node) = graph.node(number as u32) {
                *all[node.task].counts.entry(*status).or_default() += 1;
            }
        }
        let mut tried = vec![0_usize; all.len()];
        for q in &quanta {
            let step = &mut all[q.task];
            tried[q.task] += 1;
            step.wall_s += q.wall_s;
            step.max_s = step.max_s.max(q.wall_s);
        }
        for (step, n) in all.iter_mut().zip(tried) {
            step.mean_s = if n == 0 { 0.0 } else { step.wall_s / n as f64 };
        }
        let name = |q: &QuantumReport| {
            Some(format!("{}{}", all[q.task].label, graph.short_id(graph.node(q.number)?)))
        };
        let failed = quanta.iter().filter(|q| q.why.is_some()).take(FAILURES_MAX);
        let failures: Vec<_> = failed.filter_map(|q| Some((name(q)?, q.why.clone()?))).collect();
        let mut order: Vec<usize> = (0..quanta.len()).collect();
        order.sort_by(|&a, &b| quanta[b].wall_s.total_cmp(&quanta[a].wall_s));
        order.truncate(SLOWEST);
        let slowest: Vec<_> =
            order.into_iter().filter_map(|k| Some((k, name(&quanta[k])?))).collect();
        Self {
            pipeline: graph.header.pipeline.clone(),
            run: graph.header.run.clone(),
            threads: options.threads,
            wall_s,
            failures,
            slowest,
            steps: all,
            statuses,
            quanta,
        }
    }

    pub fn count(&self, status: Status) -> usize {
        self.statuses.iter().filter(|s| **s == status).count()
    }

    /// Whether everything is there now.
    pub fn is_complete(&self) -> bool {
        let done = [Status::Done, Status::Existed, Status::Elsewhere];
        self.statuses.iter().all(|s| done.contains(s))
    }
}
