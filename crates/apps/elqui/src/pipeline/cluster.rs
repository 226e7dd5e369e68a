//! Runs on a cluster: `run --engine slurm`, and what is done with what was submitted.

use super::run::{FOLDER_REPORT, How, options};
use crate::clock;
use crate::error::CliError;
use crate::outputs::{put, say};
use elqui_butler::{CollectionKind, Universe};
use elqui_pipeline::cluster::{
    JobSide, NewSubmission, Shell, Site, Slurm, Submission, Submitted, cancel, merge_records,
    report, restart, run_part, run_part_quantum, status, submit,
};
use elqui_pipeline::{Launcher, Pipeline, QuantumGraph, Repository, Tasks};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Which submission.
#[derive(clap::Args)]
pub struct Which {
    /// The run (or its chain), or the folder that `run --engine slurm` told.
    #[arg(value_name = "RUN|DIR")]
    of: String,
}

/// How a submission stands: jobs, steps, and what failed.
///
/// Example: elqui pipeline status u/me/frames --repo survey
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct StatusArgs {
    #[command(flatten)]
    which: Which,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Stop a submission's jobs; what they did is kept.
///
/// Example: elqui pipeline cancel u/me/frames --repo survey
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct CancelArgs {
    #[command(flatten)]
    which: Which,
    /// How long to wait for the jobs to end, seconds.
    #[arg(long, default_value_t = 60, value_name = "S")]
    wait: u64,
}

/// Submit again what is not done: after a cancel, failures, or jobs that were lost.
///
/// Example: elqui pipeline restart u/me/frames --repo survey
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct RestartArgs {
    #[command(flatten)]
    which: Which,
}

/// Write the report of a submission: what ran where and when, what failed and why.
///
/// Example: elqui pipeline report u/me/frames --repo survey
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ReportArgs {
    #[command(flatten)]
    which: Which,
    /// Where to (default: report.html in its folder).
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
}

/// What jobs call.
#[derive(clap::Args)]
pub struct PartArgs {
    folder: PathBuf,
    group: usize,
    part: usize,
}

#[derive(clap::Args)]
pub struct MergeArgs {
    folder: PathBuf,
}

#[derive(clap::Args)]
pub struct PartQuantumArgs {
    folder: PathBuf,
    number: u32,
    quantum_folder: PathBuf,
}

fn tasks() -> Tasks {
    elqui_production::steps::tasks()
}

/// Write a submission and give it to Slurm; one that was cut off goes on where it stopped.
pub fn start(
    r: &mut Repository,
    pipeline: &Pipeline,
    graph: &QuantumGraph,
    how: &How,
    site: Option<Site>,
) -> Result<(), CliError> {
    let folder = how.folder(r, &graph.header.run)?;
    let submission = if Submission::exists(&folder) {
        let known = Submission::open(&folder).map_err(CliError::work)?;
        let there = known.graph().map_err(CliError::work)?;
        let same = site.as_ref().is_none_or(|s| *s == known.settings.site);
        if !same || !graph.is_part_of(&there) {
            return Err(CliError::work(format!(
                "`{0}` was submitted with other data, another configuration or another site: go on with it by `elqui pipeline restart {0}`, or choose another run",
                graph.header.run
            )));
        }
        known
    } else {
        let program = std::env::current_exe().map_err(CliError::work)?;
        let universe = r.registry().universe().clone();
        let new = NewSubmission {
            graph,
            pipeline,
            tasks: &tasks(),
            universe: &universe,
            repository: r.root(),
            program: vec![program.display().to_string(), "pipeline".into()],
            site: site.unwrap_or_default(),
            retries: how.retries,
            timeout_s: how.timeout,
        };
        Submission::create(&folder, &new).map_err(CliError::work)?
    };
    let done = submit(&submission, &slurm(&submission), &Shell::default());
    told(&submission, &done.map_err(CliError::work)?)
}

fn slurm(submission: &Submission) -> Slurm {
    Slurm { site: submission.settings.site.clone() }
}

fn told(submission: &Submission, done: &Submitted) -> Result<(), CliError> {
    let before = match done.before {
        0 => String::new(),
        n => format!(" ({n} were submitted before)"),
    };
    say(&format!(
        "{} quanta in {} parts: {} jobs submitted{before}; folder: {}",
        done.quanta,
        done.parts,
        done.now,
        submission.folder.display()
    ))
}

impl Which {
    fn open(&self, repo: &Path) -> Result<Submission, CliError> {
        let direct = Path::new(&self.of);
        if Submission::exists(direct) {
            return Submission::open(direct).map_err(CliError::work);
        }
        let mut r = Repository::open(repo).map_err(CliError::work)?;
        let mut run = self.of.clone();
        let found = r.registry().collections(&run).map_err(CliError::work)?;
        if let Some(chain) = found.iter().find(|c| c.name == run)
            && chain.kind == CollectionKind::Chained
            && let Some(newest) = chain.children.first()
        {
            run.clone_from(newest);
        }
        let folder = How::default().folder(&r, &run)?;
        if !Submission::exists(&folder) {
            return Err(CliError::words(format!(
                "`{}` was not submitted to a cluster (there is no submission in {}): submit it by `elqui pipeline run --engine slurm`",
                self.of,
                folder.display()
            )));
        }
        Submission::open(&folder).map_err(CliError::work)
    }
}

pub fn show_status(repo: &Path, args: &StatusArgs) -> Result<(), CliError> {
    let submission = args.which.open(repo)?;
    let now =
        status(&submission, &slurm(&submission), &Shell::default()).map_err(CliError::work)?;
    if args.json {
        return say(&serde_json::to_string_pretty(&now).map_err(CliError::work)?);
    }
    say(now.to_string().trim_end())
}

pub fn stop(repo: &Path, args: &CancelArgs) -> Result<(), CliError> {
    let submission = args.which.open(repo)?;
    let wait = Duration::from_secs(args.wait);
    let done = cancel(&submission, &slurm(&submission), &Shell::default(), wait);
    let done = done.map_err(CliError::work)?;
    say(&format!("{} jobs stopped; {} quanta are kept", done.jobs, done.merged.quanta))?;
    if let Some(why) = done.merged.problem() {
        return Err(CliError::work(why));
    }
    match done.open {
        0 => Ok(()),
        n => Err(CliError::work(format!(
            "{n} jobs have not ended yet: look again with `elqui pipeline status`"
        ))),
    }
}

pub fn again(repo: &Path, args: &RestartArgs) -> Result<(), CliError> {
    let submission = args.which.open(repo)?;
    let universe = universe_of(&submission)?;
    let slurm = slurm(&submission);
    let done = restart(&submission, &tasks(), &universe, &slurm, &Shell::default());
    let done = done.map_err(CliError::work)?;
    if done.now == 0 { say("nothing is left to do") } else { told(&submission, &done) }
}

pub fn write_report(repo: &Path, args: &ReportArgs) -> Result<(), CliError> {
    let submission = args.which.open(repo)?;
    let universe = universe_of(&submission)?;
    let report = report(&submission, &tasks(), &universe).map_err(CliError::work)?;
    let out = args.out.clone().unwrap_or_else(|| submission.folder.join(FOLDER_REPORT));
    put(&out, report.to_html().as_bytes())?;
    say(&out.display().to_string())
}

fn universe_of(submission: &Submission) -> Result<Universe, CliError> {
    let mut r = Repository::open(&submission.settings.repository).map_err(CliError::work)?;
    Ok(r.registry().universe().clone())
}

/// Starts this program again for an isolated quantum of a part.
struct InPart {
    program: PathBuf,
    folder: PathBuf,
}

impl Launcher for InPart {
    fn command(&self, number: u32, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["pipeline", "run-part-quantum"]).arg(&self.folder);
        command.arg(number.to_string()).arg(folder);
        command
    }
}

/// Do something as a job does.
fn as_job<T>(
    folder: &Path,
    work: impl FnOnce(&JobSide<'_>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let submission = Submission::open(folder).map_err(CliError::work)?;
    let universe = universe_of(&submission)?;
    let tasks = tasks();
    let program = std::env::current_exe().map_err(CliError::work)?;
    let launcher = InPart { program, folder: submission.folder.clone() };
    let name = "SLURM_ARRAY_JOB_ID";
    work(&JobSide {
        tasks: &tasks,
        universe: &universe,
        options: options(),
        job: std::env::var(name).unwrap_or_default(),
        watch: &(),
        launcher: Some(&launcher),
    })
}

pub fn part(args: &PartArgs) -> Result<(), CliError> {
    let end = as_job(&args.folder, |side| {
        run_part(&args.folder, args.group, args.part, side).map_err(CliError::work)
    })?;
    if end.is_complete() {
        return say(&format!("{} quanta done, {} were there", end.done, end.existed));
    }
    Err(CliError::work(format!(
        "{} quanta failed, {} could not run; see `elqui pipeline status {}`",
        end.failed(),
        end.blocked.len(),
        args.folder.display()
    )))
}

pub fn part_quantum(args: &PartQuantumArgs) -> Result<(), CliError> {
    let peak = || clock::peak_memory_bytes().and_then(|b| i64::try_from(b).ok()).unwrap_or(0);
    as_job(&args.folder, |side| {
        run_part_quantum(&args.folder, args.number, &args.quantum_folder, side, peak)
            .map_err(CliError::work)
    })
}

pub fn merge(args: &MergeArgs) -> Result<(), CliError> {
    let submission = Submission::open(&args.folder).map_err(CliError::work)?;
    let done = merge_records(&submission).map_err(CliError::work)?;
    match done.problem() {
        None => say(&format!("{} quanta registered", done.quanta)),
        Some(why) => Err(CliError::work(why)),
    }
}
