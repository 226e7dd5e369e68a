//! The jobs' own side: run a part, one quantum of it in a process of its own, merge the records.
//!
//! A part may be run any number of times, also at the same time: what is done is passed over, and of
//! attempts at the same moment only the last one goes on (see `attempt.rs`).

use crate::cluster::attempt::{self, Fenced, PartEnd, begin, finish};
use crate::cluster::folder::{Submission, write_json, wrong};
use crate::cluster::merge::merge_files;
use crate::cluster::{GroupJob, Merged, Recorded};
use crate::error::{PipelineError, StepError};
use crate::graph::QuantumGraph;
use crate::repository::Repository;
use crate::run::{
    InRepository, Launcher, RunOptions, Watch, existing, run_graph, run_quantum, successors,
};
use crate::task::{Datasets, Tasks};
use crate::yaml::Pipeline;
use elqui_butler::Universe;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// What a job brings along.
pub struct JobSide<'a> {
    pub tasks: &'a Tasks,
    pub universe: &'a Universe,
    /// Clocks, host, software and cancel count; threads, memory, retries, time and part are the submission's.
    pub options: RunOptions,
    /// The batch system's id of this job; empty where it is not known.
    pub job: String,
    pub watch: &'a dyn Watch,
    /// For isolated steps: it must call [`run_part_quantum`].
    pub launcher: Option<&'a dyn Launcher>,
}

/// Run a part. Failures of quanta are in what is returned, and left for all to read; an error is that the
/// attempt itself broke off.
pub fn run_part(
    folder: &Path,
    group: usize,
    part: usize,
    side: &JobSide<'_>,
) -> Result<PartEnd, PipelineError> {
    let submission = Submission::open(folder)?;
    let job = group_of(&submission, group)?;
    let options = RunOptions {
        threads: job.needs.cpus as usize,
        memory_bytes: job.needs.memory_bytes,
        retries: submission.settings.retries,
        timeout: submission.settings.timeout_s.map(Duration::from_secs_f64),
        logs: Some(submission.folder.join("logs")),
        ..side.options.clone()
    };
    let mine = PartEnd {
        group,
        part,
        host: options.host.clone(),
        job: side.job.clone(),
        threads: options.threads,
        started_ns: (options.clocks.now_ns)(),
        ..PartEnd::default()
    };
    let mut end = begin(&submission.folder, mine)?;
    let result = attempt(&submission, &job, options, side, &mut end);
    end.ended = true;
    end.error = result.as_ref().err().map(ToString::to_string);
    finish(&submission.folder, &end)?;
    result.map(|()| end)
}

fn group_of(submission: &Submission, group: usize) -> Result<GroupJob, PipelineError> {
    let jobs = submission.jobs()?;
    let count = jobs.groups.len();
    let folder = submission.folder.display();
    let found = jobs.groups.into_iter().nth(group);
    found.ok_or_else(|| wrong(format!("`{folder}` has {count} groups, there is no group {group}")))
}

fn attempt(
    submission: &Submission,
    job: &GroupJob,
    mut options: RunOptions,
    side: &JobSide<'_>,
    end: &mut PartEnd,
) -> Result<(), PipelineError> {
    let graph = submission.graph()?;
    let pipeline = submission.pipeline(side.tasks, side.universe)?;
    let mut parts = submission.parts(end.group, graph.len())?;
    if end.part >= parts.len() {
        let (group, part, count) = (end.group, end.part, parts.len());
        return Err(wrong(format!("group {group} has {count} parts, there is no part {part}")));
    }
    let numbers = parts.swap_remove(end.part);
    let repository = InRepository::new(&submission.settings.repository);
    let recorded;
    let inner: &dyn Datasets = if submission.settings.records {
        let records = submission.folder.join("records");
        recorded = Recorded::open_attempt(&repository, &records, end.group, end.part, end.attempt)?;
        &recorded
    } else {
        &repository
    };
    let datasets = Fenced::new(inner, &submission.folder, end, job.round, &options.cancel);
    let (can, blocked) = split(&graph, &existing(&graph, &datasets)?, &numbers);
    end.blocked = blocked;
    options.part = Some(can);
    let report = run_graph(&graph, &pipeline, &datasets, &options, side.watch, side.launcher)?;
    end.take(&report);
    if datasets.is_overtaken() {
        return Err(wrong("a later attempt took this part over, so this one stopped".into()));
    }
    Ok(())
}

/// Quanta that can run, and those that read what should have been made elsewhere and is not there.
fn split(graph: &QuantumGraph, done: &[bool], part: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut mine = vec![false; graph.len()];
    part.iter().for_each(|n| mine[*n as usize] = true);
    let mut blocked = vec![false; graph.len()];
    let successors = successors(graph);
    // Makers come before those who read them, so one pass tells all.
    for number in 0..graph.len() {
        if done[number] || (mine[number] && !blocked[number]) {
            continue;
        }
        successors.of(number).iter().for_each(|next| blocked[*next as usize] = true);
    }
    part.iter().partition(|n| done[**n as usize] || !blocked[**n as usize])
}

/// The child's side of an isolated quantum of a part. As [`run_quantum`], for the submission's graph.
pub fn run_part_quantum(
    folder: &Path,
    number: u32,
    quantum_folder: &Path,
    side: &JobSide<'_>,
    peak_memory_bytes: fn() -> i64,
) -> Result<(), PipelineError> {
    let submission = Submission::open(folder)?;
    let graph = submission.graph()?;
    let pipeline: Pipeline = submission.pipeline(side.tasks, side.universe)?;
    let repository = InRepository::new(&submission.settings.repository);
    let records = submission.folder.join("records");
    // Its own records are the parent's; those before it are read.
    let recorded = Recorded::reading(&repository, &records)?;
    let datasets: &dyn Datasets = if submission.settings.records { &recorded } else { &repository };
    run_quantum(
        &graph,
        &pipeline,
        datasets,
        &side.options,
        number,
        quantum_folder,
        peak_memory_bytes,
    )
}

/// What the last job does, and who cancels or restarts: register all that was recorded. With PostgreSQL the
/// jobs did so themselves.
pub fn merge_records(submission: &Submission) -> Result<Merged, PipelineError> {
    if !submission.settings.records {
        return Ok(Merged::default());
    }
    let repository = InRepository::new(&submission.settings.repository);
    let opened = Repository::open(&submission.settings.repository).map_err(StepError::from)?;
    let store = opened.artifacts();
    drop(opened);
    let (jobs, ends) = (submission.jobs()?, attempt::all(&submission.folder)?);
    let round = |group: usize| jobs.groups.get(group).map_or(0, |g| g.round);
    let mut attempts: HashMap<(usize, usize), usize> = HashMap::new();
    ends.iter().for_each(|e| *attempts.entry((e.group, e.part)).or_default() += 1);
    // Earlier rounds with attempts whose end nobody saw: what they started may write yet.
    let stray = ends.iter().filter(|e| !e.ended).map(|e| round(e.group)).min();
    let doubt = |file: &Path| {
        let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let numbers = name.strip_suffix(".jsonl").and_then(attempt::numbers);
        numbers.is_none_or(|(group, part, _)| {
            let again = attempts.get(&(group, part)).is_some_and(|n| *n > 1);
            again || stray.is_some_and(|from| round(group) > from)
        })
    };
    let records = submission.folder.join("records");
    let merged = merge_files(&repository, &records, Some(&store), &doubt)?;
    write_json(&submission.folder.join("merged.json"), &merged)?;
    Ok(merged)
}
