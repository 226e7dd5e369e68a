//! The reports of all jobs as one: statuses, failures, and the Gantt picture with a row for each place on the
//! cluster, which jobs take one after the other.

use crate::cluster::folder::Submission;
use crate::cluster::state::look;
use crate::cluster::{PartEnd, QuantumState};
use crate::error::PipelineError;
use crate::run::{QuantumReport, RunOptions, RunReport, Status};
use crate::task::Tasks;
use elqui_butler::Universe;

/// What all jobs did until now; what is still running counts as not run.
pub fn report(
    submission: &Submission,
    tasks: &Tasks,
    universe: &Universe,
) -> Result<RunReport, PipelineError> {
    let seen = look(submission, None)?;
    let pipeline = submission.pipeline(tasks, universe)?;
    let steps = crate::run::steps(&seen.graph, &pipeline)?;
    let status = |state: &QuantumState| match state {
        QuantumState::Done => Status::Done,
        QuantumState::Failed(_) => Status::Failed,
        QuantumState::Blocked => Status::Blocked,
        _ => Status::NotRun,
    };
    let statuses: Vec<Status> = seen.quanta.iter().map(status).collect();
    let begin = seen.ends.iter().map(|e| e.started_ns).filter(|ns| *ns > 0).min().unwrap_or(0);
    let (rows, places) = places(&seen.ends);
    let (mut quanta, mut wall_s) = (Vec::new(), 0.0_f64);
    for (end, row) in seen.ends.iter().zip(rows) {
        let start = if end.started_ns > 0 { (end.started_ns - begin) as f64 * 1e-9 } else { 0.0 };
        wall_s = wall_s.max(start + end.wall_s);
        for ran in &end.ran {
            let Some(node) = seen.graph.node(ran.number) else { continue };
            // A failure that a later attempt made good is none.
            let failed = statuses.get(ran.number as usize) == Some(&Status::Failed);
            quanta.push(QuantumReport {
                number: ran.number,
                task: node.task,
                attempts: ran.attempts,
                thread: row + ran.thread,
                start_s: start + ran.start_s,
                wall_s: ran.wall_s,
                why: ran.why.clone().filter(|_| failed),
            });
        }
    }
    let options = RunOptions { threads: places, ..RunOptions::default() };
    Ok(RunReport::new(&seen.graph, &steps, &options, statuses, quanta, wall_s))
}

/// The first row of each attempt, so that none are drawn over each other, and how many rows there are.
fn places(ends: &[PartEnd]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by_key(|k| ends[*k].started_ns);
    let mut rows = vec![0; ends.len()];
    // By row, when it is free again.
    let mut free: Vec<i64> = Vec::new();
    for k in order {
        let (end, width) = (&ends[k], ends[k].threads.max(1));
        let fits = |row: &usize| {
            free[*row..(*row + width).min(free.len())].iter().all(|t| *t <= end.started_ns)
        };
        let row = (0..free.len()).find(fits).unwrap_or(free.len());
        free.resize(free.len().max(row + width), i64::MIN);
        let over = end.started_ns + (end.wall_s * 1e9) as i64;
        free[row..row + width].fill(over);
        rows[k] = row;
    }
    (rows, free.len())
}
