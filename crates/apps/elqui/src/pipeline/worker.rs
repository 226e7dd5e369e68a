//! What a run starts of itself: one quantum in a process of its own.

use super::load;
use super::run::{FOLDER_GRAPH, FOLDER_PIPELINE, options};
use crate::clock;
use crate::error::CliError;
use elqui_pipeline::{InRepository, Launcher, QuantumGraph, Repository, run_quantum};
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(clap::Args)]
pub struct QuantumArgs {
    /// The run's folder: graph and pipeline.
    #[arg(long)]
    work: PathBuf,
    #[arg(long)]
    number: u32,
    /// Where the request is, and the result goes.
    #[arg(long)]
    folder: PathBuf,
}

pub fn quantum(repo: &Path, args: &QuantumArgs) -> Result<(), CliError> {
    let graph = QuantumGraph::load(&args.work.join(FOLDER_GRAPH)).map_err(CliError::work)?;
    let mut repository = Repository::open(repo).map_err(CliError::work)?;
    let universe = repository.registry().universe().clone();
    let pipeline = load(&args.work.join(FOLDER_PIPELINE), &universe, &[], &[])?;
    let datasets = InRepository::new(repo);
    let peak = || clock::peak_memory_bytes().and_then(|b| i64::try_from(b).ok()).unwrap_or(0);
    run_quantum(&graph, &pipeline, &datasets, &options(), args.number, &args.folder, peak)
        .map_err(CliError::work)
}

/// Starts this program again for an isolated quantum.
pub struct Itself {
    pub program: PathBuf,
    pub repo: PathBuf,
    pub work: PathBuf,
}

impl Launcher for Itself {
    fn command(&self, number: u32, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["pipeline", "run-quantum", "--repo"]).arg(&self.repo);
        command.arg("--work").arg(&self.work);
        command.arg("--number").arg(number.to_string()).arg("--folder").arg(folder);
        command
    }
}
