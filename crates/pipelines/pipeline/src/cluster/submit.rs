//! What changes a submission: submit, cancel, restart.
//!
//! Before a job is submitted `jobs.json` says that it is tried, afterwards its id. Whoever goes on with a
//! submission that was cut off in between asks the batch system for jobs of that name, and the jobs' own
//! traces, before submitting again: nothing is submitted twice.

use crate::cluster::commands::call;
use crate::cluster::folder::{Jobs, Submission, Submit, wrong};
use crate::cluster::state::states;
use crate::cluster::{Cluster, Commands, Merged, attempt, merge_records};
use crate::error::PipelineError;
use crate::run::{InRepository, existing};
use crate::task::Tasks;
use elqui_butler::Universe;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Ids in one command.
const IDS_MAX: usize = 200;

/// What was submitted by one call, and before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submitted {
    /// Jobs (arrays and the merge) that were submitted now.
    pub now: usize,
    /// Jobs of this round that were submitted before.
    pub before: usize,
    /// Of those: whose ids were lost, and found again.
    pub found: usize,
    pub parts: usize,
    pub quanta: usize,
}

/// What a cancel came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cancelled {
    pub jobs: usize,
    /// Parts that had not ended when the waiting was over.
    pub open: usize,
    /// What had been done by then.
    pub merged: Merged,
}

/// Submit what is not submitted yet of the last round.
pub fn submit(
    submission: &Submission,
    cluster: &dyn Cluster,
    commands: &dyn Commands,
) -> Result<Submitted, PipelineError> {
    let _lock = submission.lock()?;
    let mut jobs = submission.jobs()?;
    submit_round(submission, &mut jobs, cluster, commands)
}

fn submit_round(
    submission: &Submission,
    jobs: &mut Jobs,
    cluster: &dyn Cluster,
    commands: &dyn Commands,
) -> Result<Submitted, PipelineError> {
    let Some(round) = jobs.merges.len().checked_sub(1) else { return Ok(Submitted::default()) };
    if jobs.cancelled.contains(&round) {
        return Err(wrong(format!(
            "`{}` was cancelled: `elqui pipeline restart` goes on with what is left",
            submission.folder.display()
        )));
    }
    let mut done = Submitted::default();
    for number in 0..jobs.groups.len() {
        let group = &jobs.groups[number];
        if group.round != round {
            continue;
        }
        done.parts += group.parts;
        done.quanta += group.quanta;
        if known(submission, jobs, Which::Group(number), cluster, commands, &mut done)? {
            continue;
        }
        let group = &jobs.groups[number];
        let script = submission.group_script(cluster, group, number)?;
        let after = group.after.iter().filter_map(|g| jobs.groups[*g].submit.id.clone());
        let after: Vec<String> = after.collect();
        one(submission, jobs, Which::Group(number), script, &after, cluster, commands)?;
        done.now += 1;
    }
    let merge = Which::Merge(round);
    let name = jobs.merges[round].as_ref().map(|m| m.job_name.clone());
    if let Some(name) = name
        && !known(submission, jobs, merge, cluster, commands, &mut done)?
    {
        let script = submission.merge_script(cluster, &name, round)?;
        let all = jobs.groups.iter().filter(|g| g.round == round);
        let after: Vec<String> = all.filter_map(|g| g.submit.id.clone()).collect();
        one(submission, jobs, merge, script, &after, cluster, commands)?;
        done.now += 1;
    }
    Ok(done)
}

#[derive(Clone, Copy)]
enum Which {
    Group(usize),
    Merge(usize),
}

impl Which {
    fn of(self, jobs: &mut Jobs) -> Option<&mut Submit> {
        match self {
            Self::Group(number) => jobs.groups.get_mut(number).map(|g| &mut g.submit),
            Self::Merge(round) => jobs.merges.get_mut(round).and_then(Option::as_mut),
        }
    }
}

/// Whether a job is submitted; if only its id was lost, it is found and kept.
fn known(
    submission: &Submission,
    jobs: &mut Jobs,
    which: Which,
    cluster: &dyn Cluster,
    commands: &dyn Commands,
    done: &mut Submitted,
) -> Result<bool, PipelineError> {
    let Some(submit) = which.of(jobs) else { return Ok(true) };
    if submit.id.is_none() && submit.tried {
        let output = call(cluster, commands, &cluster.find(&submit.job_name))?;
        let mut ids = cluster.found(&output);
        if let (true, Which::Group(number)) = (ids.is_empty(), which) {
            // It may have ended so long ago that the queue forgot it.
            let all = attempt::all(&submission.folder)?;
            let traces = all.into_iter().filter(|p| p.group == number && !p.job.is_empty());
            ids.extend(traces.map(|p| p.job).next());
        }
        let Some(id) = ids.into_iter().next() else { return Ok(false) };
        submit.id = Some(id);
        done.found += 1;
        submission.write_jobs(jobs)?;
    }
    let here = which.of(jobs).is_some_and(|s| s.id.is_some());
    done.before += usize::from(here);
    Ok(here)
}

fn one(
    submission: &Submission,
    jobs: &mut Jobs,
    which: Which,
    script: PathBuf,
    after: &[String],
    cluster: &dyn Cluster,
    commands: &dyn Commands,
) -> Result<(), PipelineError> {
    if let Some(submit) = which.of(jobs) {
        submit.tried = true;
    }
    submission.write_jobs(jobs)?;
    let id = cluster.job_id(&call(cluster, commands, &cluster.submit(&script, after))?)?;
    if let Some(submit) = which.of(jobs) {
        submit.id = Some(id);
    }
    submission.write_jobs(jobs)
}

/// Ids of all jobs of the rounds, those included whose answer was lost.
fn all_ids(
    submission: &Submission,
    jobs: &mut Jobs,
    cluster: &dyn Cluster,
    commands: &dyn Commands,
) -> Result<Vec<String>, PipelineError> {
    let groups = (0..jobs.groups.len()).map(Which::Group);
    let all: Vec<Which> = groups.chain((0..jobs.merges.len()).map(Which::Merge)).collect();
    for which in all {
        known(submission, jobs, which, cluster, commands, &mut Submitted::default())?;
    }
    Ok(jobs.ids())
}

/// Stop all jobs, wait until they are gone, and merge what they did.
/// - `wait`: for jobs that do not end at once
pub fn cancel(
    submission: &Submission,
    cluster: &dyn Cluster,
    commands: &dyn Commands,
    wait: Duration,
) -> Result<Cancelled, PipelineError> {
    let _lock = submission.lock()?;
    let mut jobs = submission.jobs()?;
    let ids = all_ids(submission, &mut jobs, cluster, commands)?;
    // Said first: if this is cut off, nobody goes on with the submission by mistake.
    let round = jobs.merges.len().saturating_sub(1);
    if !jobs.cancelled.contains(&round) {
        jobs.cancelled.push(round);
    }
    submission.write_jobs(&jobs)?;
    let mut told = states(&ids, cluster, commands)?;
    let open: Vec<String> = ids.iter().filter(|id| told.is_open(id)).cloned().collect();
    for some in open.chunks(IDS_MAX) {
        let said = commands.run(&cluster.cancel(some))?;
        if said.status != Some(0) && !cluster.forgotten(&said) {
            return Err(wrong(cluster.explain("scancel", &said)));
        }
    }
    let begin = Instant::now();
    loop {
        told = states(&ids, cluster, commands)?;
        if told.open() == 0 || begin.elapsed() >= wait {
            break;
        }
        std::thread::sleep(Duration::from_millis(500).min(wait));
    }
    let merged = merge_records(submission)?;
    Ok(Cancelled { jobs: open.len(), open: told.open(), merged })
}

/// Merge what was done, cut what is left into jobs anew, and submit them. Nothing is left: `now` is 0.
pub fn restart(
    submission: &Submission,
    tasks: &Tasks,
    universe: &Universe,
    cluster: &dyn Cluster,
    commands: &dyn Commands,
) -> Result<Submitted, PipelineError> {
    let _lock = submission.lock()?;
    let mut jobs = submission.jobs()?;
    let ids = all_ids(submission, &mut jobs, cluster, commands)?;
    let open = states(&ids, cluster, commands)?.open();
    if open > 0 {
        return Err(wrong(format!(
            "{open} jobs of `{}` wait or run: wait until they end, or `elqui pipeline cancel` first",
            submission.folder.display()
        )));
    }
    let (graph, pipeline) = (submission.graph()?, submission.pipeline(tasks, universe)?);
    let round = jobs.merges.len();
    submission.mark_round(round)?;
    let merged = merge_records(submission)?;
    if let Some(first) = merged.refused.first() {
        // They are done: made again, the registry would refuse them again.
        let (folder, count) = (submission.folder.join("records"), merged.refused.len());
        return Err(wrong(format!(
            "{count} quanta that are done cannot be registered, such as {first}; mend that and restart again, or move `{}` away to make anew what is not registered",
            folder.display()
        )));
    }
    submission.retire_records(round)?;
    let done = existing(&graph, &InRepository::new(&submission.settings.repository))?;
    let plan = submission.plan(&graph, &pipeline, &done)?;
    if submission.add_round(&mut jobs, &graph, &plan)? == 0 {
        return Ok(Submitted::default());
    }
    submit_round(submission, &mut jobs, cluster, commands)
}
