//! The local executor: a graph over the threads of one machine.
//!
//! Workers take quanta whose inputs are there, write the outputs' bytes, and hand a record to one
//! committer, which registers many quanta a transaction. A record is sent before its successors may
//! start, so records arrive in an order in which they can be registered.

mod commit;
mod gantt;
mod html;
mod in_repository;
mod isolated;
mod options;
pub(crate) mod process;
pub(crate) mod record;
mod report;
mod scheduler;
mod work;

pub use in_repository::InRepository;
pub use isolated::run_quantum;
pub use options::{Clocks, Launcher, OnFailure, RunOptions, Watch};
pub use report::{QuantumReport, RunReport, Status};

use crate::error::{PipelineError, StepError};
use crate::graph::{Edges, Node, QuantumGraph, pair};
use crate::task::{Datasets, Number};
use crate::yaml::{Pipeline, PipelineStep};
use elqui_butler::CollectionKind;
use elqui_registry::Registry;
use scheduler::{End, Scheduler};
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use work::Work;

/// Records that may wait for the committer before workers wait for it.
const RECORDS_MAX: usize = 2000;

/// Register the run and the dataset types that a graph makes, if they are not there.
pub fn prepare(graph: &QuantumGraph, registry: &mut Registry) -> Result<(), PipelineError> {
    let run = &graph.header.run;
    registry.register_collection(run, CollectionKind::Run, &graph.header.pipeline)?;
    for head in graph.header.types.iter().filter(|t| t.maker.is_some()) {
        registry.register_dataset_type(&head.of)?;
    }
    Ok(())
}

/// The steps of the pipeline in the graph's order; configurations must be the graph's.
pub(crate) fn steps<'a>(
    graph: &QuantumGraph,
    pipeline: &'a Pipeline,
) -> Result<Vec<&'a PipelineStep>, PipelineError> {
    let mut all = Vec::new();
    for head in &graph.header.tasks {
        let step = pipeline.step(&head.label);
        let same = step.filter(|s| s.info == head.info && s.config() == head.config);
        all.push(same.ok_or_else(|| PipelineError::Run {
            run: graph.header.run.clone(),
            why: format!(
                "the step `{}` is not as it was when the graph was made: make a new graph",
                head.label
            ),
        })?);
    }
    Ok(all)
}

/// Run a graph, or what a killed run left of it. The run and the types are registered
/// ([`prepare`]). Failures of quanta are in the report; an error is that the run itself cannot go on.
pub fn run_graph(
    graph: &QuantumGraph,
    pipeline: &Pipeline,
    datasets: &dyn Datasets,
    options: &RunOptions,
    watch: &dyn Watch,
    launcher: Option<&dyn Launcher>,
) -> Result<RunReport, PipelineError> {
    let steps = steps(graph, pipeline)?;
    let stop = |why: String| PipelineError::Run { run: graph.header.run.clone(), why };
    for (task, step) in steps.iter().enumerate() {
        let of_task = |n: &u32| graph.node(*n).is_some_and(|node| node.task == task);
        if options.part.as_ref().is_some_and(|part| !part.iter().any(of_task)) {
            continue;
        }
        let peak = step.peak_memory_bytes();
        if peak > options.memory_bytes {
            return Err(stop(format!(
                "the step `{}` needs {} MiB, {} MiB are allowed: allow more, or set its `peak_memory_mib`",
                step.label,
                peak >> 20,
                options.memory_bytes >> 20
            )));
        }
        if step.limits.isolated && launcher.is_none() {
            let why =
                format!("the step `{}` is isolated, which cannot be started here", step.label);
            return Err(stop(why));
        }
    }
    let done = existing(graph, datasets)?;
    let scheduler =
        Scheduler::new(graph, &steps, options, &done, &successors(graph)).map_err(stop)?;
    watch.begin(graph.len(), done.iter().filter(|d| **d).count());
    let begin = Instant::now();
    let (sender, records) = sync_channel(RECORDS_MAX);
    let work = Work::new(graph, &steps, datasets, options, launcher);
    let mut reports = std::thread::scope(|scope| {
        let committer = scope.spawn(|| {
            commit::run(records, datasets, &scheduler, &work, watch);
        });
        let threads: Vec<_> = (0..options.threads.max(1))
            .map(|thread| {
                let (sender, scheduler, work) = (sender.clone(), &scheduler, &work);
                scope.spawn(move || worker(thread, begin, scheduler, work, &sender, watch))
            })
            .collect();
        drop(sender);
        let mut reports: Vec<QuantumReport> = Vec::new();
        for thread in threads {
            reports.extend(thread.join().unwrap_or_default());
        }
        // It ends when the last sender is gone.
        let _ = committer.join();
        reports
    });
    let (statuses, broken) = scheduler.end();
    if let Some(why) = broken {
        return Err(stop(why));
    }
    let wall_s = begin.elapsed().as_secs_f64();
    let refused = work.take_refused();
    for report in &mut reports {
        if let Some(why) = refused.get(&report.number) {
            report.why = Some(why.clone());
        }
    }
    Ok(RunReport::new(graph, &steps, options, statuses, reports, wall_s))
}

fn worker(
    thread: usize,
    begin: Instant,
    scheduler: &Scheduler,
    work: &Work<'_>,
    sender: &std::sync::mpsc::SyncSender<commit::Record>,
    watch: &dyn Watch,
) -> Vec<QuantumReport> {
    let mut reports = Vec::new();
    let mut session = match work.datasets.session() {
        Ok(session) => session,
        Err(e) => {
            scheduler.break_off(format!("the repository cannot be opened: {e}"));
            return reports;
        }
    };
    while let Some(node) = scheduler.take() {
        let number = work.graph.number(node);
        let label = &work.steps[node.task].label;
        watch.started(number, label);
        let start = Instant::now();
        let (attempts, result) = work.quantum(node, number, session.as_mut());
        let mut report = QuantumReport {
            number,
            task: node.task,
            attempts,
            thread,
            start_s: (start - begin).as_secs_f64(),
            wall_s: start.elapsed().as_secs_f64(),
            why: None,
        };
        match result {
            Ok(finished) => {
                report.wall_s = start.elapsed().as_secs_f64();
                if sender.send(commit::Record { node, number, finished }).is_err() {
                    scheduler.break_off("the registry's writer ended".into());
                }
                scheduler.finish(node, number, End::Written);
            }
            Err(why) => {
                let status = match why {
                    StepError::Cancelled => Status::NotRun,
                    _ => Status::Failed,
                };
                report.why = Some(why.to_string());
                watch.finished(number, label, status);
                scheduler.finish(node, number, End::Failed(status));
            }
        }
        reports.push(report);
    }
    reports
}

/// By number, whether the run has a quantum's outputs already: one question a type.
pub(crate) fn existing(
    graph: &QuantumGraph,
    datasets: &dyn Datasets,
) -> Result<Vec<bool>, PipelineError> {
    let mut session = datasets.session()?;
    let mut there: Vec<Vec<bool>> = Vec::new();
    for (kind, head) in graph.header.types.iter().enumerate() {
        let mut rows = Vec::new();
        if head.maker.is_some() {
            rows = vec![false; graph.rows(kind)];
            for id in session.existing(&head.of, &graph.header.run)? {
                if let Some(row) = graph.row_of(kind, &id) {
                    rows[row as usize] = true;
                }
            }
        }
        there.push(rows);
    }
    let mut done = Vec::with_capacity(graph.len());
    for (task, head) in graph.header.tasks.iter().enumerate() {
        for row in 0..graph.count(task) as u32 {
            let outputs = graph.outputs(Node { task, row });
            let all = outputs.iter().zip(&head.info.outputs);
            let (mut has, mut lacks) = (false, false);
            for ((kind, row), slot) in all {
                let here = there[*kind][*row as usize];
                has |= here;
                lacks |= !here && slot.number != Number::Maybe;
            }
            done.push(has && !lacks);
        }
    }
    Ok(done)
}

/// Who waits for whom, by numbers.
pub(crate) fn successors(graph: &QuantumGraph) -> Edges {
    let mut pairs = Vec::new();
    for number in 0..graph.len() as u32 {
        let Some(node) = graph.node(number) else { break };
        for (kind, rows) in graph.inputs(node) {
            for maker in rows.iter().filter_map(|row| graph.maker(kind, *row)) {
                pairs.push(pair(graph.number(maker), number));
            }
        }
    }
    Edges::from_pairs(pairs, graph.len())
}
