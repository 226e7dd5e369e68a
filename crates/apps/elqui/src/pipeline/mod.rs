//! `elqui pipeline`: what is to be run on which data, and running it.

mod bar;
mod cluster;
mod collections;
mod plan;
mod run;
mod show;
mod verdicts;
mod worker;

use crate::error::CliError;
use elqui_butler::Universe;
use elqui_pipeline::{ConfigChange, Pipeline, Repository, Tasks};
use std::path::{Path, PathBuf};

pub use run::{Job, execute};

/// Run steps on the data of a repository, in the order in which they need each other.
///
/// Example: elqui pipeline run frames --repo survey --input simcam/raw/all,refcats --output u/me/frames
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The repository's folder.
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Show(show::ShowArgs),
    Tasks(show::TasksArgs),
    Plan(plan::PlanArgs),
    Run(run::RunArgs),
    Status(cluster::StatusArgs),
    Cancel(cluster::CancelArgs),
    Restart(cluster::RestartArgs),
    Report(cluster::ReportArgs),
    #[command(hide = true)]
    RunQuantum(worker::QuantumArgs),
    #[command(hide = true)]
    RunPart(cluster::PartArgs),
    #[command(hide = true)]
    RunPartQuantum(cluster::PartQuantumArgs),
    #[command(hide = true)]
    Merge(cluster::MergeArgs),
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let open = || Repository::open(&args.repo).map_err(CliError::work);
    match &args.verb {
        Verb::Show(words) => show::show(words),
        Verb::Tasks(words) => show::tasks(words),
        Verb::Plan(words) => plan::run(&mut open()?, words),
        Verb::Run(words) => run::run(&mut open()?, words),
        Verb::Status(words) => cluster::show_status(&args.repo, words),
        Verb::Cancel(words) => cluster::stop(&args.repo, words),
        Verb::Restart(words) => cluster::again(&args.repo, words),
        Verb::Report(words) => cluster::write_report(&args.repo, words),
        Verb::RunQuantum(words) => worker::quantum(&args.repo, words),
        Verb::RunPart(words) => cluster::part(words),
        Verb::RunPartQuantum(words) => cluster::part_quantum(words),
        Verb::Merge(words) => cluster::merge(words),
    }
}

/// Which pipeline.
#[derive(clap::Args)]
pub struct Which {
    /// One that comes with elqui (frames, calibs), or a file.
    #[arg(value_name = "NAME|FILE.yaml")]
    pub pipeline: PathBuf,
    /// Only these steps and subsets.
    #[arg(long, value_name = "LABEL", value_delimiter = ',')]
    pub steps: Vec<String>,
    /// Change a step's configuration, such as "calibrate_image:frame.detection.threshold_sigma=4".
    #[arg(long = "set", value_name = "LABEL:KEY=VALUE")]
    pub changes: Vec<String>,
}

impl Which {
    pub fn load(&self, universe: &Universe) -> Result<Pipeline, CliError> {
        let changes = self.changes.iter().map(|c| ConfigChange::parse(c));
        let changes = changes.collect::<Result<Vec<_>, _>>().map_err(CliError::words)?;
        load(&self.pipeline, universe, &changes, &self.steps)
    }
}

/// A pipeline, or the part of it that is wanted.
pub fn load(
    path: &Path,
    universe: &Universe,
    changes: &[ConfigChange],
    steps: &[String],
) -> Result<Pipeline, CliError> {
    let tasks: Tasks = elqui_production::steps::tasks();
    if !path.is_file() && path.to_str().and_then(|name| tasks.pipeline(name)).is_none() {
        let known: Vec<&str> = tasks.pipeline_names().collect();
        return Err(CliError::words(format!(
            "{}: there is neither such a file nor such a pipeline; elqui has {}",
            path.display(),
            known.join(", ")
        )));
    }
    let whole = Pipeline::load_with(path, &tasks, universe, changes).map_err(CliError::words)?;
    if steps.is_empty() {
        return Ok(whole);
    }
    let wanted: Vec<&str> = steps.iter().map(String::as_str).collect();
    whole.only(&wanted).map_err(CliError::words)
}
