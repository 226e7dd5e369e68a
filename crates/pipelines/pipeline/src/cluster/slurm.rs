//! Slurm: a group is a job array, a part one task of it.
//!
//! - `sbatch --parsable` says `ID` or `ID;CLUSTER`; `sacct --parsable2` a line a task, `ID_PART|STATE`
//! - jobs depend by `afterany`: whether a quantum can run is decided by its inputs, not by how
//!   the jobs before it ended
//! - source: sbatch(1), sacct(1), job_array.html of Slurm 22.05

use crate::cluster::{Cluster, JobState, Plan};
use crate::error::PipelineError;
use std::collections::BTreeMap;
use std::path::Path;

/// What a site asks of its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slurm {
    /// The program that runs a part: it is called with `FOLDER GROUP PART` after these words.
    pub program: Vec<String>,
    pub partition: Option<String>,
    pub account: Option<String>,
    pub cpus: u32,
    /// Of a job, minutes.
    pub minutes: u32,
    /// Tasks of an array that run at once at most; 0 for no limit.
    pub at_once: u32,
    /// `MaxArraySize` of the site.
    pub array_max: u32,
}

impl Default for Slurm {
    fn default() -> Self {
        Self {
            program: ["elqui", "pipeline", "run-part"].map(String::from).to_vec(),
            partition: None,
            account: None,
            cpus: 1,
            minutes: 60,
            at_once: 0,
            // Slurm's default, which counts from 0.
            array_max: 1001,
        }
    }
}

fn wrong(why: String) -> PipelineError {
    PipelineError::Cluster { why }
}

/// For the shell: nothing in it means anything.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// For a line of `#SBATCH`, which knows quotes but no lines.
fn option(name: &str, value: &str) -> Result<String, PipelineError> {
    if value.is_empty() || value.chars().any(|c| c.is_control() || "\"'\\`$ %".contains(c)) {
        return Err(wrong(format!(
            "`{value}` cannot be Slurm's option {name}: use letters, digits and `._-+/:,=` without blanks"
        )));
    }
    Ok(format!("#SBATCH --{name}={value}\n"))
}

impl Cluster for Slurm {
    fn script(&self, plan: &Plan, group: usize, folder: &Path) -> Result<String, PipelineError> {
        let Some(of) = plan.groups.get(group) else {
            return Err(wrong(format!("the plan has no group {group}")));
        };
        let count = of.parts.len();
        if count == 0 || count > self.array_max as usize {
            return Err(wrong(format!(
                "`{}` has {count} parts, the array may have 1 to {}: put more data ids into a part",
                of.name, self.array_max
            )));
        }
        let folder = folder.display().to_string();
        let limit = if self.at_once == 0 { String::new() } else { format!("%{}", self.at_once) };
        // Memory of one quantum on each processor.
        let memory = of.peak_memory_bytes.div_ceil(1 << 20).max(64);
        let mut text = "#!/bin/sh\n".to_string();
        // Its name is for people: Slurm cuts it, and so do we.
        text += &option("job-name", &of.name.chars().take(60).collect::<String>())?;
        text += &format!("#SBATCH --array=0-{}{limit}\n", count - 1);
        text += &format!("#SBATCH --cpus-per-task={}\n", self.cpus.max(1));
        text += &format!("#SBATCH --mem-per-cpu={memory}M\n");
        text += &format!("#SBATCH --time={}\n", self.minutes.max(1));
        // The two words of Slurm are put behind the check of the folder.
        text += &option("output", &format!("{folder}/logs/group-{group}-"))?;
        text.truncate(text.len() - 1);
        text += "%a.log\n#SBATCH --open-mode=append\n#SBATCH --requeue\n";
        for (name, value) in [("partition", &self.partition), ("account", &self.account)] {
            if let Some(value) = value {
                text += &option(name, value)?;
            }
        }
        let program: Vec<String> = self.program.iter().map(|w| quoted(w)).collect();
        text += &format!(
            "exec {} {} {group} \"$SLURM_ARRAY_TASK_ID\"\n",
            program.join(" "),
            quoted(&folder)
        );
        Ok(text)
    }

    fn submit(&self, script: &Path, after: &[String]) -> Vec<String> {
        let mut words = vec!["sbatch".to_string(), "--parsable".to_string()];
        if !after.is_empty() {
            words.push(format!("--dependency=afterany:{}", after.join(":")));
        }
        words.push(script.display().to_string());
        words
    }

    fn job_id(&self, output: &str) -> Result<String, PipelineError> {
        let last = output.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
        let id = last.trim().split(';').next().unwrap_or_default();
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
            let said: String = output.trim().chars().take(200).collect();
            return Err(wrong(format!("sbatch gave no job id, it said `{said}`")));
        }
        Ok(id.to_string())
    }

    fn status(&self, jobs: &[String]) -> Vec<String> {
        let words = ["sacct", "--noheader", "--parsable2", "--allocations", "--array"];
        let mut words: Vec<String> = words.map(String::from).to_vec();
        words.extend(["--format=JobID,State".to_string(), format!("--jobs={}", jobs.join(","))]);
        words
    }

    fn states(&self, output: &str) -> BTreeMap<(String, u32), JobState> {
        let mut all = BTreeMap::new();
        for line in output.lines() {
            let Some((id, state)) = line.trim().split_once('|') else { continue };
            let Some((job, part)) = id.split_once('_') else { continue };
            // `CANCELLED by 1000` and the like.
            let state = match state.split([' ', '+']).next().unwrap_or_default() {
                "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "SUSPENDED" => {
                    JobState::Waiting
                }
                "RUNNING" | "COMPLETING" | "STAGE_OUT" | "SIGNALING" => JobState::Running,
                "COMPLETED" => JobState::Ended,
                "TIMEOUT" | "DEADLINE" => JobState::TimedOut,
                "OUT_OF_MEMORY" => JobState::OutOfMemory,
                "CANCELLED" | "REVOKED" => JobState::Cancelled,
                "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" => JobState::Lost,
                _ => JobState::Failed,
            };
            // Tasks that wait are told together: `12_[3-5,7%2]`.
            let list = part.trim_start_matches('[').trim_end_matches(']');
            let list = list.split('%').next().unwrap_or_default();
            for part in crate::cluster::parse_ranges(list, 1 << 22).unwrap_or_default() {
                all.insert((job.to_string(), part), state);
            }
        }
        all
    }

    fn cancel(&self, jobs: &[String]) -> Vec<String> {
        std::iter::once("scancel".to_string()).chain(jobs.iter().cloned()).collect()
    }
}
