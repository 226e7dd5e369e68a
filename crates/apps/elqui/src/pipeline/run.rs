//! `elqui pipeline run`: plan, run on this machine, report.

use super::Which;
use super::bar::RunBar;
use super::cluster;
use super::collections::Where;
use super::plan::{build, check_calibrations};
use super::verdicts;
use super::worker::Itself;
use crate::clock;
use crate::error::CliError;
use crate::outputs::{make_folder, put, say};
use elqui_pipeline::cluster::{Site, Submission};
use elqui_pipeline::{
    Clocks, GraphRequest, InRepository, OnFailure, Pipeline, QuantumGraph, Repository, RunOptions,
    RunReport, Status, prepare, run_graph,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const FOLDER_GRAPH: &str = "graph.elqg";
pub const FOLDER_PIPELINE: &str = "pipeline.yaml";
pub const FOLDER_REPORT: &str = "report.html";
const FOLDER_LOGS: &str = "logs";
/// Of the machine's free memory, what quanta may declare; the rest is for files in the cache.
const MEMORY_PART: f64 = 0.85;

/// Run a pipeline on this machine or on a cluster. Killed at any moment, the same words with --resume
/// go on.
///
/// Example: elqui pipeline run frames --repo survey --input simcam/raw/all,refcats --output u/me/frames
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct RunArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    collections: Where,
    /// A graph that `plan` wrote, instead of a new one.
    #[arg(long, value_name = "FILE.elqg", conflicts_with_all = ["input", "output", "run", "condition"])]
    graph: Option<PathBuf>,
    /// Where the steps run: on this machine, or as jobs of Slurm.
    #[arg(long, value_enum, default_value = "local")]
    engine: Engine,
    /// What the cluster's site asks of its jobs: partition, account, sizes.
    #[arg(long, value_name = "FILE.yaml")]
    site: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    Local,
    Slurm,
}

/// How a run is to go.
#[derive(clap::Args, Default)]
pub struct How {
    /// What all that runs at once may take by its own account, MiB (default: most of what is free).
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    /// Try a failed quantum so many times again.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub retries: u32,
    /// Stop a quantum that takes longer, seconds; a step in this process ends where it next looks, one
    /// that is `isolated` or a command is killed.
    #[arg(long, value_name = "S")]
    pub timeout: Option<f64>,
    /// Start nothing new after a failure.
    #[arg(long)]
    fail_fast: bool,
    /// Folder for graph, pipeline, logs and report (default: runs/RUN in the repository).
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

impl How {
    fn check(&self, engine: Engine, has_site: bool) -> Result<(), CliError> {
        if self.timeout.is_some_and(|s| !(s > 0.0 && s < 1e9)) {
            return Err(CliError::words("--timeout has to be above zero"));
        }
        match engine {
            Engine::Local if has_site => {
                Err(CliError::words("--site is for clusters: say --engine slurm besides"))
            }
            Engine::Slurm if self.fail_fast || self.memory.is_some() => Err(CliError::words(
                "--fail-fast and --memory are for this machine: jobs take what their steps declare",
            )),
            _ => Ok(()),
        }
    }

    /// The folder of a run. No name has a comma, so no two runs have one folder.
    pub fn folder(&self, r: &Repository, run: &str) -> Result<PathBuf, CliError> {
        let parts: Vec<String> = run.split('/').map(elqui_codec::safe_name).collect();
        let name = parts.join(",");
        let folder = self.work.clone().unwrap_or_else(|| r.root().join("runs").join(name));
        std::path::absolute(&folder).map_err(|e| CliError::on(&folder, e))
    }
}

pub fn run(r: &mut Repository, args: &RunArgs) -> Result<(), CliError> {
    args.how.check(args.engine, args.site.is_some())?;
    // Read before anything is made, so that a mistake in it leaves nothing behind.
    let site = args.site.as_deref().map(Site::load).transpose().map_err(CliError::words)?;
    let pipeline = args.which.load(&r.registry().universe().clone())?;
    let graph = match &args.graph {
        Some(path) => QuantumGraph::load(path).map_err(CliError::work)?,
        None => plan(r, &pipeline, &args.collections)?,
    };
    // The run is seen in its chain from the beginning, so that --resume finds it after a kill.
    prepare(&graph, r.registry()).map_err(CliError::work)?;
    show(r, &graph)?;
    if args.engine == Engine::Slurm {
        return cluster::start(r, &pipeline, &graph, &args.how, site);
    }
    let done = run_planned(r, &pipeline, &graph, &args.how)?;
    verdicts::say_of(r, &graph)?;
    tell(&done)
}

/// A new graph, whose run has a name of its own.
fn plan(
    r: &mut Repository,
    pipeline: &Pipeline,
    collections: &Where,
) -> Result<QuantumGraph, CliError> {
    let mut place = collections.place(r)?;
    place.make(r)?;
    let request = GraphRequest {
        run: place.run,
        inputs: place.inputs,
        condition: collections.condition.clone(),
        skip_existing: collections.resume,
    };
    let mut graph = build(r, pipeline, &request)?;
    check_calibrations(r, &graph, collections.without_calibrations)?;
    graph.header.chain = place.chain;
    Ok(graph)
}

/// Put a run into its chain, when it has one.
fn show(r: &mut Repository, graph: &QuantumGraph) -> Result<(), CliError> {
    let Some(chain) = &graph.header.chain else { return Ok(()) };
    let rest: Vec<&str> = graph.header.inputs.iter().map(String::as_str).collect();
    r.registry().prepend_to_chain(chain, &graph.header.run, &rest).map_err(CliError::work)
}

/// What came of a run, and where its files are.
pub struct Finished {
    pub report: RunReport,
    pub folder: PathBuf,
}

/// A run that another verb wants.
pub struct Job<'a> {
    pub pipeline: &'a str,
    pub run: &'a str,
    pub inputs: &'a [&'a str],
}

/// Run a pipeline that comes with the program.
pub fn execute(r: &mut Repository, job: &Job<'_>) -> Result<Finished, CliError> {
    let universe = r.registry().universe().clone();
    let pipeline = super::load(Path::new(job.pipeline), &universe, &[], &[])?;
    let request = GraphRequest {
        run: job.run.to_string(),
        inputs: job.inputs.iter().map(|c| (*c).to_string()).collect(),
        ..GraphRequest::default()
    };
    let graph = build(r, &pipeline, &request)?;
    prepare(&graph, r.registry()).map_err(CliError::work)?;
    run_planned(r, &pipeline, &graph, &How::default())
}

/// Run a graph that is prepared.
fn run_planned(
    r: &mut Repository,
    pipeline: &Pipeline,
    graph: &QuantumGraph,
    how: &How,
) -> Result<Finished, CliError> {
    let run = &graph.header.run;
    let folder = how.folder(r, run)?;
    if Submission::exists(&folder) {
        return Err(CliError::work(format!(
            "the run `{run}` was submitted to a cluster: go on with `elqui pipeline restart {run}`, or choose another run"
        )));
    }
    make_folder(&folder)?;
    same_settings(r, pipeline, run, &folder.join(FOLDER_PIPELINE))?;
    graph.save(&folder.join(FOLDER_GRAPH)).map_err(CliError::work)?;
    let text = pipeline.to_yaml();
    put(&folder.join(FOLDER_PIPELINE), text.as_bytes())?;
    // What isolated quanta read is this call's own: another one may go on with the run, and number its
    // quanta anew.
    let own = tempfile::tempdir().map_err(CliError::work)?;
    if pipeline.steps.iter().any(|s| s.limits.isolated) {
        graph.save(&own.path().join(FOLDER_GRAPH)).map_err(CliError::work)?;
        put(&own.path().join(FOLDER_PIPELINE), text.as_bytes())?;
    }
    let timeout = how.timeout.map(Duration::from_secs_f64);
    let mut options = options();
    options.memory_bytes = match how.memory {
        Some(mib) => mib << 20,
        None => clock::free_memory_bytes().map_or(u64::MAX, |b| (b as f64 * MEMORY_PART) as u64),
    };
    options.retries = how.retries;
    options.timeout = timeout;
    options.on_failure = if how.fail_fast { OnFailure::Stop } else { OnFailure::CarryOn };
    options.logs = Some(folder.join(FOLDER_LOGS));
    let root = std::path::absolute(r.root()).map_err(|e| CliError::on(r.root(), e))?;
    let program = std::env::current_exe().map_err(CliError::work)?;
    let launcher = Itself { program, repo: root.clone(), work: own.path().to_path_buf() };
    let datasets = InRepository::new(&root);
    let bar = RunBar::new();
    let report = run_graph(graph, pipeline, &datasets, &options, &bar, Some(&launcher));
    bar.finish();
    let report = report.map_err(CliError::work)?;
    keep_earlier(&folder.join(FOLDER_REPORT))?;
    put(&folder.join(FOLDER_REPORT), report.to_html().as_bytes())?;
    Ok(Finished { report, folder })
}

/// A run has one configuration of each step: who goes on with it must mean the same.
fn same_settings(
    r: &mut Repository,
    pipeline: &Pipeline,
    run: &str,
    earlier: &Path,
) -> Result<(), CliError> {
    if !earlier.is_file() {
        return Ok(());
    }
    let universe = r.registry().universe().clone();
    let earlier = super::load(earlier, &universe, &[], &[])?;
    let other = pipeline.steps.iter().find(|step| {
        let known = earlier.step(&step.label);
        known.is_some_and(|k| k.config() != step.config() || k.info != step.info)
    });
    match other {
        None => Ok(()),
        Some(step) => Err(CliError::work(format!(
            "the run `{run}` has the step `{}` with other settings: use the same, or choose another run",
            step.label
        ))),
    }
}

/// Reports of earlier calls stay, as `report-1.html` and so on.
fn keep_earlier(path: &Path) -> Result<(), CliError> {
    if !path.is_file() {
        return Ok(());
    }
    let free = (1..).map(|n| path.with_file_name(format!("report-{n}.html"))).find(|p| !p.exists());
    free.map_or(Ok(()), |to| std::fs::rename(path, to)).map_err(|e| CliError::on(path, e))
}

/// As this machine runs quanta, unless words say otherwise.
pub fn options() -> RunOptions {
    RunOptions {
        threads: rayon::current_num_threads(),
        host: clock::host(),
        clocks: Clocks { now_ns: clock::now_tai_ns, cpu_s: clock::thread_cpu_s },
        ..RunOptions::default()
    }
}

/// A line a step, what failed, and where to look.
fn tell(done: &Finished) -> Result<(), CliError> {
    let report = &done.report;
    for step in &report.steps {
        let count = |s: Status| step.counts.get(&s).copied().unwrap_or(0);
        let mut line = format!("{:<20} {:>6} done", step.label, count(Status::Done));
        for (status, word) in [
            (Status::Existed, "there before"),
            (Status::Failed, "failed"),
            (Status::Blocked, "blocked"),
            (Status::NotRun, "not run"),
            (Status::Written, "not registered"),
        ] {
            if count(status) > 0 {
                line += &format!(", {} {word}", count(status));
            }
        }
        say(&format!("{line}, {:.2} s each", step.mean_s))?;
    }
    for (name, why) in report.failures.iter().take(20) {
        say(&format!("failed: {name}: {why}"))?;
    }
    let place = done.folder.join(FOLDER_REPORT);
    say(&format!("run {} in {:.1} s; report: {}", report.run, report.wall_s, place.display()))?;
    if report.is_complete() {
        return Ok(());
    }
    let lost = report.statuses.len() - report.count(Status::Done) - report.count(Status::Existed);
    Err(CliError::work(format!(
        "{lost} of {} quanta of {} are not done, as said above; mend what failed, then go on with --resume",
        report.statuses.len(),
        report.run
    )))
}
