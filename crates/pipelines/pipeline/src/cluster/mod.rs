//! Graphs on clusters: one graph cut into arrays of jobs, submitted, watched, restarted.
//!
//! [`Plan`] cuts; a [`Submission`] is the folder that all jobs share, with what can be done to it; a
//! [`Cluster`] writes and reads a batch system's texts and starts nothing itself; [`Commands`] runs its
//! commands. [`run_part`] and [`merge_records`] are the jobs' own side.

mod attempt;
mod batch;
mod commands;
mod folder;
mod merge;
mod part;
mod plan;
mod records;
mod report;
mod round;
mod site;
mod slurm;
mod state;
mod status;
mod submit;
mod text;
mod unmerged;

pub(crate) use unmerged::each_recorded;

pub use attempt::{PartEnd, Ran};
pub use batch::{Cluster, Job, JobState, States, Told};
pub use commands::{Commands, Said, Shell};
pub use folder::{GroupJob, Jobs, NewSubmission, Settings, Submission, Submit};
pub use merge::{Merged, merge};
pub use part::{JobSide, merge_records, run_part, run_part_quantum};
pub use plan::{Group, Plan, parse_ranges, ranges};
pub use records::Recorded;
pub use report::report;
pub use site::{Needs, Site, StepSite};
pub use slurm::Slurm;
pub use state::QuantumState;
pub use status::{Failure, GroupStatus, StepStatus, SubmissionStatus, status};
pub use submit::{Cancelled, Submitted, cancel, restart, submit};
