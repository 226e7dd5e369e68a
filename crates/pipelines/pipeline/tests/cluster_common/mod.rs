//! A repository, a pipeline of four steps in two groups, and what a local run makes of it.

#![allow(dead_code)] // Each test's file uses the parts that it needs.

#[path = "../common/mod.rs"]
mod common;

pub use common::*;
use elqui_butler::{DatasetRef, Universe};
use elqui_pipeline::cluster::{JobSide, NewSubmission, Site, Submission, run_part};
use elqui_pipeline::{
    Clocks, InRepository, Pipeline, QuantumGraph, Repository, RepositoryConfig, RunOptions,
    prepare, run_graph,
};
use elqui_registry::DatasetQuery;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const VISITS: i64 = 16;
pub const DETECTORS: i64 = 3;
/// Two of each image, two of each visit.
pub const QUANTA: usize = (2 * VISITS * DETECTORS + 2 * VISITS) as usize;
pub const TYPES: [&str; 4] = ["first", "image", "visit_sum", "loud"];

/// - `clean`: the first step's configuration
/// - `gate`: the last step fails without this file
pub fn text(clean: &str, gate: &Path) -> String {
    format!(
        "name: four\nsteps:\n  a: {{task: clean, outputs: {{image: first}}, config: {{{clean}}}}}\n  \
         b: {{task: clean, inputs: {{raw: first}}, config: {{prefix: b}}}}\n  join: {{task: sum}}\n  \
         shout:\n    command:\n      argv: [sh, -c, 'if ! test -e \"$2\"; then echo \"the gate is shut\" >&2; exit 3; fi; tr b B <\"$0\" >\"$1\"', '{{input.sum}}', '{{output.loud}}', '{}']\n      \
         dimensions: [visit]\n      inputs: [{{name: sum, type: visit_sum, dimensions: [visit], storage_class: Text, extension: txt}}]\n      \
         outputs: [{{name: loud, type: loud, dimensions: [visit], storage_class: Text, extension: txt}}]\n      peak_memory_mib: 8\n",
        gate.display()
    )
}

/// A repository with raws, its pipeline and its graph.
pub struct Sky {
    pub root: PathBuf,
    pub pipeline: Pipeline,
    pub graph: QuantumGraph,
}

pub fn make(dir: &Path, text: &str) -> Sky {
    make_with(dir, text, &RepositoryConfig::default())
}

pub fn make_with(dir: &Path, text: &str, config: &RepositoryConfig) -> Sky {
    let root = dir.join("repo");
    let mut r = Repository::create(&root, config).unwrap();
    dimensions(r.registry(), VISITS, DETECTORS);
    for v in 1..=VISITS {
        for d in 0..DETECTORS {
            let raw = DatasetRef { dataset_type: "raw".into(), data_id: id(v, d) };
            r.put(&raw, "u/raw", ".txt", format!("{v}.{d}").as_bytes()).unwrap();
        }
    }
    let pipeline = pipeline(text);
    let graph = QuantumGraph::build(&pipeline, r.registry(), &request("")).unwrap();
    assert_eq!(graph.len(), QUANTA);
    prepare(&graph, r.registry()).unwrap();
    Sky { root, pipeline, graph }
}

impl Sky {
    pub fn submission(&self, folder: &Path, program: Vec<String>, site: Site) -> Submission {
        let new = NewSubmission {
            graph: &self.graph,
            pipeline: &self.pipeline,
            tasks: &tasks(),
            universe: Universe::standard(),
            repository: &self.root,
            program,
            site,
            retries: 0,
            timeout_s: None,
        };
        Submission::create(folder, &new).unwrap_or_else(|e| panic!("{e}"))
    }

    /// What the local executor makes.
    pub fn run_here(&self) -> BTreeMap<String, Vec<u8>> {
        let options = RunOptions { threads: 2, ..RunOptions::default() };
        let datasets = InRepository::new(&self.root);
        let report =
            run_graph(&self.graph, &self.pipeline, &datasets, &options, &(), None).unwrap();
        assert!(report.is_complete(), "{:?}", report.failures);
        self.made()
    }

    /// Artifacts of the run by name.
    pub fn made(&self) -> BTreeMap<String, Vec<u8>> {
        let run = self.root.join("store").join(RUN);
        let name = |p: &Path| p.strip_prefix(&run).unwrap().to_string_lossy().into_owned();
        files(&run).iter().map(|(p, b)| (name(p), b.clone())).collect()
    }

    /// Every dataset is registered once, by a quantum of its own, and its file is whole. Returns how many there
    /// are, and the hosts that made them.
    pub fn check(&self) -> (usize, Vec<String>) {
        let mut r = Repository::open(&self.root).unwrap();
        let (mut count, mut hosts, mut quanta) = (0, Vec::new(), Vec::new());
        for of in TYPES {
            for d in r.registry().datasets(&DatasetQuery::new(of, &[RUN], "")).unwrap() {
                r.get(d.id).unwrap();
                let quantum = r.registry().quantum_of(d.id).unwrap().unwrap();
                for input in &quantum.inputs {
                    assert!(r.registry().dataset(*input).unwrap().is_some(), "{d} has lost inputs");
                }
                hosts.push(quantum.host);
                quanta.push(quantum.id);
                count += 1;
            }
        }
        assert!(r.registry().check().unwrap().is_empty());
        quanta.sort();
        quanta.dedup();
        assert_eq!(quanta.len(), count, "each quantum makes one dataset here");
        hosts.sort();
        hosts.dedup();
        (count, hosts)
    }
}

/// What the local executor makes of it, with the first step's prefix `x` and the gate open. Made once.
pub fn wanted() -> &'static BTreeMap<String, Vec<u8>> {
    static WANTED: std::sync::OnceLock<BTreeMap<String, Vec<u8>>> = std::sync::OnceLock::new();
    WANTED.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &text("prefix: x", dir.path())).run_here()
    })
}

/// Nanoseconds since 1970; nobody compares them with TAI here.
#[allow(clippy::disallowed_methods)] // The clock is an argument, and somebody has to read it.
fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_nanos() as i64)
}

/// What the app does for `run-part`.
pub fn part(folder: &Path, group: usize, part: usize, host: &str, job: &str) -> Result<(), String> {
    let options = RunOptions {
        host: host.to_string(),
        clocks: Clocks { now_ns, cpu_s: || 0.0 },
        ..RunOptions::default()
    };
    let side = JobSide {
        tasks: &tasks(),
        universe: Universe::standard(),
        options,
        job: job.to_string(),
        watch: &(),
        launcher: None,
    };
    let end = run_part(folder, group, part, &side).map_err(|e| e.to_string())?;
    if end.is_complete() { Ok(()) } else { Err(format!("{} failed", end.failed())) }
}

/// A job that this test's executable is: `run-part FOLDER GROUP PART` or `merge FOLDER` among the arguments.
#[allow(clippy::disallowed_methods)] // A program reads its arguments and environment.
pub fn worker() {
    let words: Vec<String> = std::env::args().collect();
    let at = |name: &str| words.iter().position(|w| w == name);
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    if let Some(k) = at("run-part") {
        let folder = Path::new(&words[k + 1]);
        let (group, number) = (words[k + 2].parse().unwrap(), words[k + 3].parse().unwrap());
        let (host, job) = (env("SLURMD_NODENAME"), env("SLURM_ARRAY_JOB_ID"));
        part(folder, group, number, &host, &job).unwrap();
    } else if let Some(k) = at("merge") {
        let submission = Submission::open(Path::new(&words[k + 1])).unwrap();
        let merged = elqui_pipeline::cluster::merge_records(&submission).unwrap();
        assert!(merged.refused.is_empty(), "{merged:?}");
    }
}

/// The words that start this test's executable as [`worker`].
pub fn worker_words() -> Vec<String> {
    let exe = std::env::current_exe().unwrap();
    let words = [exe.to_str().unwrap(), "--ignored", "--exact", "--nocapture", "worker"];
    words.map(String::from).to_vec()
}
