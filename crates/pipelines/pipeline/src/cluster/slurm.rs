//! Slurm's words: a group is an array, a part one task of it.
//!
//! - `sbatch --parsable` says `ID` or `ID;CLUSTER`; `squeue` and `sacct` are asked for a line a task,
//!   `ID_PART|STATE|REASON`
//! - jobs depend by `afterany`: whether a quantum can run is decided by its inputs, not by how
//!   the jobs before it ended
//! - source: sbatch(1), squeue(1), sacct(1), job_array.html of Slurm 22.05, and what its commands say

use crate::cluster::folder::wrong;
use crate::cluster::{Cluster, Job, JobState, Said, Site, States, Told};
use crate::error::PipelineError;
use std::path::Path;

/// A site that runs Slurm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slurm {
    pub site: Site,
}

/// For the shell: nothing in it means anything.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn refused(value: &str, name: &str) -> PipelineError {
    wrong(format!(
        "`{value}` cannot be Slurm's option {name}: use letters, digits and `._-+/:,=` without blanks"
    ))
}

fn strange(value: &str) -> bool {
    value.is_empty() || value.chars().any(|c| c.is_control() || "\"'\\`$ %#".contains(c))
}

/// For a line of `#SBATCH`, which knows quotes but no lines.
fn option(name: &str, value: &str) -> Result<String, PipelineError> {
    if strange(value) {
        Err(refused(value, name))
    } else {
        Ok(format!("#SBATCH --{name}={value}\n"))
    }
}

/// How a failed command is told: what it says, what is wrong, what to do.
const KNOWN: &[(&str, &str)] = &[
    (
        "Unable to contact slurm controller",
        "Slurm's controller does not answer: see `scontrol ping`, and run this again, nothing is submitted twice",
    ),
    (
        "Unable to process configuration file",
        "Slurm is not configured here: run this on a login node, or set SLURM_CONF",
    ),
    ("Munge", "Slurm does not accept this machine: is munged running, with the cluster's key?"),
    ("Invalid partition", "see `sinfo`, and set `partition` in the site's options"),
    (
        "Invalid account",
        "see `sacctmgr show associations`, and set `account` in the site's options",
    ),
    ("Invalid qos", "see `sacctmgr show qos`, and set `qos` in the site's options"),
    (
        "Invalid job array",
        "see MaxArraySize in `scontrol show config`, and set `array_max` in the site's options",
    ),
    ("time limit", "set `minutes` in the site's options to what `sinfo` allows"),
    (
        "node configuration is not available",
        "no machine is so large: lower `cpus`, `memory_extra_mib` or the step's `peak_memory_mib`",
    ),
    ("More processors requested", "no machine is so large: lower `cpus` in the site's options"),
    (
        "emory",
        "no machine has so much memory: lower `cpus`, `memory_extra_mib` or the step's `peak_memory_mib`",
    ),
    (
        "violates accounting",
        "the site's limits are reached: wait until jobs end, then run this again",
    ),
];

impl Cluster for Slurm {
    fn script(&self, job: &Job) -> Result<String, PipelineError> {
        let site = &self.site;
        let mut text = "#!/bin/sh\n".to_string();
        text += &option("job-name", &job.name)?;
        if let Some(count) = job.parts {
            if count == 0 || count > site.array_max as usize {
                return Err(wrong(format!(
                    "`{}` has {count} parts, the array may have 1 to {}: put more data ids into a part",
                    job.name, site.array_max
                )));
            }
            let limit =
                if site.at_once == 0 { String::new() } else { format!("%{}", site.at_once) };
            text += &format!("#SBATCH --array=0-{}{limit}\n", count - 1);
        }
        text += &format!("#SBATCH --ntasks=1\n#SBATCH --cpus-per-task={}\n", job.needs.cpus.max(1));
        text += &format!("#SBATCH --mem={}M\n", job.needs.memory_mib.max(64));
        text += &format!("#SBATCH --time={}\n", job.needs.minutes.max(1));
        // Slurm's own words are put behind the check of the path.
        let log = option("output", &job.log.display().to_string())?;
        let part = if job.parts.is_some() { "-%a" } else { "" };
        text += &format!("{}{part}.log\n#SBATCH --open-mode=append\n", log.trim_end());
        text += if site.requeue { "#SBATCH --requeue\n" } else { "#SBATCH --no-requeue\n" };
        for (name, value) in
            [("partition", &site.partition), ("account", &site.account), ("qos", &site.qos)]
        {
            if let Some(value) = value {
                text += &option(name, value)?;
            }
        }
        for line in &site.lines {
            let name = line.strip_prefix("--").ok_or_else(|| {
                wrong(format!(
                    "`{line}` in `lines` is no option of sbatch such as --constraint=haswell"
                ))
            })?;
            if strange(name) {
                return Err(refused(line, "in `lines`"));
            }
            text += &format!("#SBATCH --{name}\n");
        }
        for line in &site.setup {
            text += &format!("{line}\n");
        }
        let words: Vec<String> = job.words.iter().map(|w| quoted(w)).collect();
        let part = if job.parts.is_some() { " \"$SLURM_ARRAY_TASK_ID\"" } else { "" };
        Ok(text + &format!("exec {}{part}\n", words.join(" ")))
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

    fn find(&self, name: &str) -> Vec<String> {
        let words = ["squeue", "--noheader", "--states=all", "--format=%F"].map(String::from);
        words.into_iter().chain([format!("--name={name}")]).collect()
    }

    fn found(&self, output: &str) -> Vec<String> {
        let ids = output.lines().map(str::trim);
        let ids = ids.filter(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_digit()));
        let mut ids: Vec<String> = ids.map(String::from).collect();
        ids.sort_by_key(|id| (id.len(), id.clone()));
        ids.dedup();
        ids
    }

    fn queue(&self, jobs: &[String]) -> Vec<String> {
        let words = ["squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r"];
        words.map(String::from).into_iter().chain([format!("--jobs={}", jobs.join(","))]).collect()
    }

    fn history(&self, jobs: &[String]) -> Vec<String> {
        let words = ["sacct", "--noheader", "--parsable2", "--allocations", "--array"];
        let mut words: Vec<String> = words.map(String::from).to_vec();
        words.extend(["--format=JobID,State".to_string(), format!("--jobs={}", jobs.join(","))]);
        words
    }

    fn states(&self, output: &str) -> States {
        let mut all = States::default();
        for line in output.lines() {
            let mut columns = line.trim().split('|');
            let (Some(id), Some(state)) = (columns.next(), columns.next()) else { continue };
            let reason = columns.next().filter(|r| *r != "None").unwrap_or_default();
            // `CANCELLED by 1000` and the like.
            let state = match state.split([' ', '+']).next().unwrap_or_default() {
                "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD"
                | "SUSPENDED" | "STOPPED" => JobState::Waiting,
                "RUNNING" | "COMPLETING" | "STAGE_OUT" | "SIGNALING" => JobState::Running,
                "COMPLETED" => JobState::Ended,
                "TIMEOUT" | "DEADLINE" => JobState::TimedOut,
                "OUT_OF_MEMORY" => JobState::OutOfMemory,
                "CANCELLED" | "REVOKED" => JobState::Cancelled,
                "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" => JobState::Lost,
                _ => JobState::Failed,
            };
            let told = Told { state, reason: reason.to_string() };
            let number = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
            let Some((job, part)) = id.split_once('_') else {
                if number(id) {
                    all.single.insert(id.to_string(), told);
                }
                continue;
            };
            // Tasks that wait are told together: `12_[3-5,7%2]`.
            let list = part.trim_start_matches('[').trim_end_matches(']');
            let list = list.split('%').next().unwrap_or_default();
            for part in crate::cluster::parse_ranges(list, 1 << 22).unwrap_or_default() {
                all.parts.insert((job.to_string(), part), told.clone());
            }
        }
        all
    }

    fn cancel(&self, jobs: &[String]) -> Vec<String> {
        std::iter::once("scancel".to_string()).chain(jobs.iter().cloned()).collect()
    }

    fn forgotten(&self, said: &Said) -> bool {
        said.err.contains("Invalid job id")
    }

    fn explain(&self, program: &str, said: &Said) -> String {
        let said = format!("{}\n{}", said.err, said.out);
        let mut lines = said.lines().map(str::trim).filter(|l| !l.is_empty());
        let words = lines.next_back().unwrap_or("it said nothing");
        let words = words.strip_prefix(&format!("{program}: error: ")).unwrap_or(words);
        let words: String = words.chars().take(300).collect();
        let known = KNOWN.iter().find(|(words, _)| said.contains(words));
        let remedy = known.map_or("see the batch system's documentation", |(_, remedy)| remedy);
        format!("`{program}` failed: {words}; {remedy}")
    }
}
