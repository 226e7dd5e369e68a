//! Steps, pipelines, the quantum graph, and the executors that run it.
//!
//! A [`Step`] is typed Rust, or an external command; a [`Pipeline`] is YAML that chooses steps; a
//! [`QuantumGraph`] is what it comes to for some data; [`run_graph`] runs it on one machine,
//! [`cluster`] cuts it into jobs.
//! `docs/design/pipelines.md` tells how and why.

pub mod cluster;
mod error;
mod executor;
mod graph;
mod repository;
mod run;
mod task;
mod timing;
mod yaml;

pub use error::{PipelineError, StepError};
pub use executor::{Outcome, Progress, run_all};
pub use graph::{GraphHeader, GraphRequest, Node, QuantumGraph, TaskHead, TypeHead};
pub use repository::{
    Artifacts, BadArtifact, CacheAt, Describe, DescribeAll, Described, Exported, Garbage, Imported,
    Ingest, Ingested, Origin, PostgresAt, RegistryAt, Repository, RepositoryConfig,
    RepositoryError, S3At, StoreAt, Verified,
};
pub use run::{
    Clocks, InRepository, Launcher, OnFailure, QuantumReport, RunOptions, RunReport, Status, Watch,
    prepare, run_graph, run_quantum,
};
pub use task::{
    Cancel, CommandSpec, ConfigError, Context, Datasets, Each, Finished, Give, InputSlot, Inputs,
    Io, Lazy, Many, Maybe, Number, One, OutputSlot, Outputs, Role, Runnable, Session, SlotDef,
    SlotInfo, Step, StorageClass, Take, TaskInfo, Tasks, Written,
};
pub use timing::{StepCost, Timing};
pub use yaml::{ConfigChange, Limits, Pipeline, PipelineStep, Subset};
