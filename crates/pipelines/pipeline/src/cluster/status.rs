//! How a submission stands: by groups, by steps, and why what failed did.

use crate::cluster::folder::{Submission, read_json};
use crate::cluster::state::{Seen, look};
use crate::cluster::{Cluster, Commands, JobState, Merged, QuantumState};
use crate::error::PipelineError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Failures that are told one by one.
const FAILURES_MAX: usize = 1000;

/// The jobs of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupStatus {
    pub group: usize,
    pub round: usize,
    pub name: String,
    /// The batch system's id; `None` where it is not submitted.
    pub job: Option<String>,
    pub parts: usize,
    pub waiting: usize,
    pub running: usize,
    /// Came to their end, whatever it was.
    pub ended: usize,
    /// Gone without one.
    pub lost: usize,
    /// Why parts wait, as the batch system calls it.
    pub waits_for: Vec<String>,
}

/// The quanta of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StepStatus {
    pub label: String,
    pub done: usize,
    pub failed: usize,
    pub blocked: usize,
    pub running: usize,
    pub waiting: usize,
    pub lost: usize,
    pub not_submitted: usize,
}

/// Why quanta are not there, and how many; `example` is one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub step: String,
    pub why: String,
    pub count: usize,
    pub example: String,
    /// Lost by its job, not failed by itself: a restart helps.
    pub lost: bool,
}

/// See each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubmissionStatus {
    pub run: String,
    pub round: usize,
    pub cancelled: bool,
    pub groups: Vec<GroupStatus>,
    pub steps: Vec<StepStatus>,
    pub failures: Vec<Failure>,
    /// State of the job that merges; `None` where it is not known any more, or not needed.
    pub merge: Option<JobState>,
    /// Quanta that are done and not registered: the merge is to come, or it failed.
    pub unmerged: usize,
    /// What the last merge could not register, and why.
    pub problem: Option<String>,
    /// Whether any job may still do something.
    pub open: bool,
}

/// How a submission stands now.
pub fn status(
    submission: &Submission,
    cluster: &dyn Cluster,
    commands: &dyn Commands,
) -> Result<SubmissionStatus, PipelineError> {
    let seen = look(submission, Some((cluster, commands)))?;
    let round = seen.jobs.merges.len().saturating_sub(1);
    let merge = seen.jobs.merges.get(round).and_then(|m| m.as_ref()?.id.clone());
    let merge = merge.and_then(|id| seen.told.single.get(&id)).map(|t| t.state);
    let (steps, failures) = steps(&seen);
    let last = submission.folder.join("merged.json");
    // What is registered by now was mended.
    let problem = match seen.unmerged > 0 && last.is_file() {
        true => read_json::<Merged>(&last)?.problem(),
        false => None,
    };
    Ok(SubmissionStatus {
        run: seen.graph.header.run.clone(),
        round,
        cancelled: seen.jobs.cancelled.contains(&round),
        groups: groups(&seen),
        steps,
        failures,
        merge,
        unmerged: seen.unmerged,
        problem,
        open: seen.told.open() > 0,
    })
}

fn groups(seen: &Seen) -> Vec<GroupStatus> {
    let mut all = Vec::new();
    for (k, group) in seen.jobs.groups.iter().enumerate() {
        let mut one = GroupStatus {
            group: k,
            round: group.round,
            name: group.name.clone(),
            job: group.submit.id.clone(),
            parts: group.parts,
            waiting: 0,
            running: 0,
            ended: 0,
            lost: 0,
            waits_for: Vec::new(),
        };
        let mut ended = vec![false; group.parts];
        for end in seen.ends.iter().filter(|e| e.group == k && e.ended && e.part < group.parts) {
            ended[end.part] = end.error.is_none();
        }
        for (part, ended) in ended.into_iter().enumerate() {
            let key = group.submit.id.clone().map(|id| (id, part as u32));
            let told = key.and_then(|key| seen.told.parts.get(&key));
            match told.map(|t| t.state) {
                Some(JobState::Waiting) => one.waiting += 1,
                Some(JobState::Running) => one.running += 1,
                _ if ended => one.ended += 1,
                _ if group.submit.id.is_some() => one.lost += 1,
                _ => {}
            }
            let reason = told.filter(|t| t.state == JobState::Waiting).map(|t| t.reason.as_str());
            if let Some(reason) = reason.filter(|r| !r.is_empty())
                && !one.waits_for.iter().any(|r| r == reason)
            {
                one.waits_for.push(reason.to_string());
            }
        }
        all.push(one);
    }
    all
}

fn steps(seen: &Seen) -> (Vec<StepStatus>, Vec<Failure>) {
    let labels = seen.graph.header.tasks.iter().map(|t| t.label.clone());
    let mut steps: Vec<StepStatus> =
        labels.map(|label| StepStatus { label, ..StepStatus::default() }).collect();
    let mut failures: BTreeMap<(usize, bool, &str), (usize, String)> = BTreeMap::new();
    for (number, state) in seen.quanta.iter().enumerate() {
        let Some(node) = seen.graph.node(number as u32) else { continue };
        let step = &mut steps[node.task];
        match state {
            QuantumState::Done => step.done += 1,
            QuantumState::Failed(_) => step.failed += 1,
            QuantumState::Blocked => step.blocked += 1,
            QuantumState::Running => step.running += 1,
            QuantumState::Waiting => step.waiting += 1,
            QuantumState::Lost(_) => step.lost += 1,
            QuantumState::NotSubmitted => step.not_submitted += 1,
        }
        let (why, lost) = match state {
            QuantumState::Failed(why) => (why, false),
            QuantumState::Lost(why) => (why, true),
            _ => continue,
        };
        let example = || format!("{}{}", step.label, seen.graph.data_id(node));
        let known = failures.entry((node.task, lost, why)).or_insert_with(|| (0, example()));
        known.0 += 1;
    }
    let all = failures.into_iter().take(FAILURES_MAX);
    let all = all.map(|((task, lost, why), (count, example))| Failure {
        step: steps[task].label.clone(),
        why: why.to_string(),
        count,
        example,
        lost,
    });
    let all = all.collect();
    (steps, all)
}

impl SubmissionStatus {
    /// Whether everything is there, and registered.
    pub fn is_complete(&self) -> bool {
        let all = |s: &StepStatus| {
            s.failed + s.blocked + s.running + s.waiting + s.lost + s.not_submitted == 0
        };
        self.unmerged == 0 && self.steps.iter().all(all)
    }

    /// How the merge stands; `None` where there is nothing to tell.
    fn merge_line(&self) -> Option<String> {
        let n = self.unmerged;
        match self.merge {
            Some(JobState::Waiting) => Some(format!("merge: waiting; {n} quanta to register")),
            Some(JobState::Running) => Some(format!("merge: running; {n} quanta to register")),
            _ if n == 0 => None,
            _ if self.open => Some(format!("merge: to come; {n} quanta to register")),
            state => {
                let what = match (&self.problem, state) {
                    (Some(problem), _) => problem.as_str(),
                    (None, Some(JobState::TimedOut)) => "its time was over",
                    (None, Some(JobState::OutOfMemory)) => "it took more memory than it was given",
                    (None, Some(JobState::Cancelled)) => "it was cancelled",
                    (None, _) => "see logs/merge-*",
                };
                Some(format!(
                    "merge: failed, {n} quanta are done and not registered ({what}): `elqui pipeline restart` merges"
                ))
            }
        }
    }
}

impl fmt::Display for SubmissionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = if self.cancelled { ", cancelled" } else { "" };
        writeln!(f, "run {}, round {}{cancelled}", self.run, self.round + 1)?;
        writeln!(
            f,
            "{:<28} {:>10} {:>6} {:>8} {:>8} {:>6} {:>6}  waits for",
            "group", "job", "parts", "waiting", "running", "ended", "lost"
        )?;
        for g in &self.groups {
            let name: String = format!("{} {}", g.group, g.name).chars().take(28).collect();
            let (job, why) = (g.job.as_deref().unwrap_or("-"), g.waits_for.join(", "));
            let line = format!(
                "{name:<28} {job:>10} {:>6} {:>8} {:>8} {:>6} {:>6}  {why}",
                g.parts, g.waiting, g.running, g.ended, g.lost
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        writeln!(
            f,
            "{:<28} {:>8} {:>6} {:>7} {:>7} {:>7} {:>6}",
            "step", "done", "failed", "blocked", "running", "waiting", "lost"
        )?;
        for s in &self.steps {
            let label: String = s.label.chars().take(28).collect();
            writeln!(
                f,
                "{label:<28} {:>8} {:>6} {:>7} {:>7} {:>7} {:>6}",
                s.done,
                s.failed,
                s.blocked,
                s.running,
                s.waiting + s.not_submitted,
                s.lost
            )?;
        }
        if let Some(line) = self.merge_line() {
            writeln!(f, "{line}")?;
        }
        for e in &self.failures {
            let what = if e.lost { "lost" } else { "failed" };
            writeln!(f, "{what}: {} x {}, such as {}: {}", e.count, e.step, e.example, e.why)?;
        }
        Ok(())
    }
}
