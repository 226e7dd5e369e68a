//! What a batch system is asked and tells, whatever its name.

use crate::cluster::{Needs, Said};
use crate::error::PipelineError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a batch system says of one part of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Waiting,
    Running,
    /// Ended by itself, with status 0.
    Ended,
    Failed,
    TimedOut,
    OutOfMemory,
    Cancelled,
    /// The machine went down, or the job was thrown off it: a restart helps.
    Lost,
}

impl JobState {
    /// Whether it may still do something.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }
}

/// A state, and why it is so where the batch system says it (why a job waits).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub state: JobState,
    pub reason: String,
}

/// States of arrays' parts, and of jobs that are no arrays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct States {
    pub parts: BTreeMap<(String, u32), Told>,
    pub single: BTreeMap<String, Told>,
}

impl States {
    /// With what somebody else knows, who is believed.
    pub fn extend(&mut self, other: Self) {
        self.parts.extend(other.parts);
        self.single.extend(other.single);
    }

    /// How many may still do something.
    pub fn open(&self) -> usize {
        self.parts.values().chain(self.single.values()).filter(|t| t.state.is_open()).count()
    }
}

/// A job, or an array of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Nobody else's, so that the job is found again if its id is not known.
    pub name: String,
    /// Of an array; its part's number is put behind the words.
    pub parts: Option<usize>,
    pub needs: Needs,
    /// Program and arguments.
    pub words: Vec<String>,
    /// Where what it says goes, without the part's number and ending.
    pub log: PathBuf,
}

/// A batch system. Each function makes or reads a text; to run the commands is the caller's.
pub trait Cluster {
    /// The file that describes a job.
    fn script(&self, job: &Job) -> Result<String, PipelineError>;
    /// Program and arguments that submit a script behind other jobs.
    fn submit(&self, script: &Path, after: &[String]) -> Vec<String>;
    /// The job's id, from what that command said.
    fn job_id(&self, output: &str) -> Result<String, PipelineError>;
    /// Ask for the ids of the jobs of a name: after a submission that was cut off.
    fn find(&self, name: &str) -> Vec<String>;
    fn found(&self, output: &str) -> Vec<String>;
    /// Ask what waits, runs, or ended lately.
    fn queue(&self, jobs: &[String]) -> Vec<String>;
    /// Ask the accounting, which not all sites have.
    fn history(&self, jobs: &[String]) -> Vec<String>;
    /// What either of them said.
    fn states(&self, output: &str) -> States;
    fn cancel(&self, jobs: &[String]) -> Vec<String>;
    /// Whether a command failed only because it knows none of the jobs any more.
    fn forgotten(&self, said: &Said) -> bool;
    /// Why a command failed and what to do, in one line.
    fn explain(&self, program: &str, said: &Said) -> String;
}
