//! Graphs on clusters: how one is cut into jobs, and what a batch system is told.
//!
//! [`Plan`] cuts; a [`Cluster`] writes and reads a batch system's texts, and starts nothing itself, so
//! it is tested without one.

mod plan;
mod records;
mod slurm;

pub use plan::{Group, Plan, parse_ranges, ranges};
pub use records::{Merged, Recorded, merge};
pub use slurm::Slurm;

use crate::error::PipelineError;
use std::collections::BTreeMap;
use std::path::Path;

/// What a batch system says of one part of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// A batch system. Each function makes or reads a text; to run the commands is the caller's.
pub trait Cluster {
    /// The file that describes a group's array of jobs.
    fn script(&self, plan: &Plan, group: usize, folder: &Path) -> Result<String, PipelineError>;
    /// Program and arguments that submit a script behind other jobs.
    fn submit(&self, script: &Path, after: &[String]) -> Vec<String>;
    /// The job's id, from what that command said.
    fn job_id(&self, output: &str) -> Result<String, PipelineError>;
    fn status(&self, jobs: &[String]) -> Vec<String>;
    /// States by job id and part, from what the status command said.
    fn states(&self, output: &str) -> BTreeMap<(String, u32), JobState>;
    fn cancel(&self, jobs: &[String]) -> Vec<String>;
}
