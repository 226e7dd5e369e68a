//! What has become of jobs and quanta, from the queue, the accounting where there is one, and what the jobs
//! left.

use crate::cluster::attempt::{self, PartEnd};
use crate::cluster::folder::{Jobs, Submission, wrong};
use crate::cluster::{Cluster, Commands, JobState, Recorded, States};
use crate::error::PipelineError;
use crate::graph::QuantumGraph;
use crate::run::{InRepository, existing};
use serde::Serialize;
use std::collections::HashMap;

/// What has become of a quantum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "why")]
pub enum QuantumState {
    /// Registered, or recorded to be.
    Done,
    Failed(String),
    /// What it reads was not made.
    Blocked,
    Running,
    Waiting,
    /// Its job is gone and left no word of it: why, as far as it is known.
    Lost(String),
    /// No job was submitted for it yet.
    NotSubmitted,
}

impl Jobs {
    /// Of all that was submitted.
    pub fn ids(&self) -> Vec<String> {
        let merges = self.merges.iter().flatten();
        let all = self.groups.iter().map(|g| &g.submit).chain(merges);
        all.filter_map(|s| s.id.clone()).collect()
    }
}

impl States {
    /// Whether any part of a job may still do something.
    pub(crate) fn is_open(&self, id: &str) -> bool {
        let single = self.single.get(id).is_some_and(|t| t.state.is_open());
        let from = (id.to_string(), 0);
        let parts = self.parts.range(from..).take_while(|((job, _), _)| job == id);
        single || parts.into_iter().any(|(_, t)| t.state.is_open())
    }
}

/// The accounting's word, and above it the queue's. A site without accounting has only the latter, which
/// forgets jobs some minutes after their end.
pub(crate) fn states(
    ids: &[String],
    cluster: &dyn Cluster,
    commands: &dyn Commands,
) -> Result<States, PipelineError> {
    let mut all = States::default();
    if ids.is_empty() {
        return Ok(all);
    }
    if let Ok(said) = commands.run(&cluster.history(ids))
        && said.status == Some(0)
    {
        all = cluster.states(&said.out);
    }
    let queue = cluster.queue(ids);
    let said = commands.run(&queue)?;
    let mut queued = States::default();
    if said.status == Some(0) {
        queued = cluster.states(&said.out);
    } else if !cluster.forgotten(&said) {
        return Err(wrong(cluster.explain(queue.first().map_or("", String::as_str), &said)));
    }
    // What only the accounting calls open is of a controller that lost its jobs.
    for ((job, part), told) in &mut all.parts {
        if told.state.is_open() && !queued.parts.contains_key(&(job.clone(), *part)) {
            told.state = JobState::Lost;
        }
    }
    for (job, told) in &mut all.single {
        if told.state.is_open() && !queued.single.contains_key(job) {
            told.state = JobState::Lost;
        }
    }
    all.extend(queued);
    Ok(all)
}

/// Everything that is known of a submission at one moment.
pub(crate) struct Seen {
    pub jobs: Jobs,
    pub graph: QuantumGraph,
    pub told: States,
    pub ends: Vec<PartEnd>,
    /// By number.
    pub quanta: Vec<QuantumState>,
    /// Quanta that are recorded and not registered.
    pub unmerged: usize,
}

/// - `ask`: without it the queue is not asked
pub(crate) fn look(
    submission: &Submission,
    ask: Option<(&dyn Cluster, &dyn Commands)>,
) -> Result<Seen, PipelineError> {
    let jobs = submission.jobs()?;
    let graph = submission.graph()?;
    // First the queue, then what was left: what ends in between is not called lost.
    let told = match ask {
        Some((cluster, commands)) => states(&jobs.ids(), cluster, commands)?,
        None => States::default(),
    };
    let ends = attempt::all(&submission.folder)?;
    let repository = InRepository::new(&submission.settings.repository);
    let (done, unmerged) = if submission.settings.records {
        let records = submission.folder.join("records");
        // The registry last: what a merge moves meanwhile is not called unmerged.
        let done = existing(&graph, &Recorded::reading(&repository, &records)?)?;
        let registered = existing(&graph, &repository)?;
        let unmerged = done.iter().zip(&registered).filter(|(done, known)| **done && !**known);
        let unmerged = unmerged.count();
        (done, unmerged)
    } else {
        (existing(&graph, &repository)?, 0)
    };
    let mut quanta = vec![QuantumState::NotSubmitted; graph.len()];
    let mut last: HashMap<(usize, usize), &PartEnd> = HashMap::new();
    for end in &ends {
        last.insert((end.group, end.part), end);
    }
    for (k, group) in jobs.groups.iter().enumerate() {
        for (part, numbers) in submission.parts(k, graph.len())?.iter().enumerate() {
            let end = last.get(&(k, part)).copied();
            let key = group.submit.id.clone().map(|id| (id, part as u32));
            let state = key.and_then(|key| told.parts.get(&key)).map(|t| t.state);
            let submitted = group.submit.id.is_some() || end.is_some();
            for number in numbers {
                quanta[*number as usize] = match (state, end) {
                    _ if !submitted => QuantumState::NotSubmitted,
                    (Some(JobState::Running), _) => QuantumState::Running,
                    (Some(JobState::Waiting), _) => QuantumState::Waiting,
                    (state, Some(end)) if end.ended => ended(end, *number, state),
                    (state, end) => QuantumState::Lost(lost(state, end)),
                };
            }
        }
    }
    for (state, _) in quanta.iter_mut().zip(&done).filter(|(_, done)| **done) {
        *state = QuantumState::Done;
    }
    Ok(Seen { jobs, graph, told, ends, quanta, unmerged })
}

/// A quantum that is not done, of an attempt that came to its end.
fn ended(end: &PartEnd, number: u32, state: Option<JobState>) -> QuantumState {
    if end.blocked.binary_search(&number).is_ok() {
        return QuantumState::Blocked;
    }
    let ran = end.ran.iter().find(|r| r.number == number);
    match (ran.and_then(|r| r.why.clone()), &end.error) {
        (Some(why), _) => QuantumState::Failed(why),
        (None, Some(error)) => QuantumState::Lost(error.clone()),
        (None, None) => QuantumState::Lost(lost(state, Some(end))),
    }
}

fn lost(state: Option<JobState>, end: Option<&PartEnd>) -> String {
    let what = match state {
        Some(JobState::TimedOut) => {
            "the job's time was over: raise `minutes` in the site's options"
        }
        Some(JobState::OutOfMemory) => {
            "the job took more memory than it was given: raise `memory_extra_mib` or the step's `peak_memory_mib`"
        }
        Some(JobState::Cancelled) => "the job was cancelled",
        Some(JobState::Lost) => "the machine was lost, or the job thrown off it",
        Some(JobState::Failed) => "the job failed: see the logs",
        _ => "the job is gone and left no record",
    };
    match end {
        Some(end) if !end.host.is_empty() => format!("{what} (on {})", end.host),
        _ => what.to_string(),
    }
}
