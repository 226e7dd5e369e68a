//! Two processes that run the same graph into the same run collection; workers that are killed; inputs that are
//! read one by one; what is known of memory.

mod common;

use common::*;
use elqui_butler::DatasetRef;
use elqui_pipeline::{
    Context, InRepository, Launcher, One, Pipeline, QuantumGraph, Repository, RepositoryConfig,
    RunOptions, RunReport, Status, Step, StepError, Tasks, inputs, outputs, prepare, run_graph,
    run_quantum,
};
use elqui_registry::DatasetQuery;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROOT: &str = "repo";
const GRAPH: &str = "graph.elqg";
const VISITS: i64 = 40;
/// Slow enough that the two meet.
const SLOW: &str = "name: two\nsteps:\n  clean: {task: clean, config: {prefix: x, sleep_ms: 3}}\n  join: {task: sum}\n";
const ISOLATED: &str =
    "name: i\nsteps:\n  clean: {task: clean, config: {prefix: x}, isolated: true, retries: 1}\n";

fn filled(dir: &Path, text: &str, visits: i64) -> (Repository, Pipeline, QuantumGraph) {
    let mut r = Repository::create(&dir.join(ROOT), &RepositoryConfig::default()).unwrap();
    dimensions(r.registry(), visits, 2);
    for v in 1..=visits {
        for d in 0..2 {
            let raw = DatasetRef { dataset_type: "raw".into(), data_id: id(v, d) };
            r.put(&raw, "u/raw", ".txt", format!("{v}.{d}").as_bytes()).unwrap();
        }
    }
    let p = pipeline(text);
    let g = QuantumGraph::build(&p, r.registry(), &request("")).unwrap();
    prepare(&g, r.registry()).unwrap();
    g.save(&dir.join(GRAPH)).unwrap();
    (r, p, g)
}

fn threads(threads: usize) -> RunOptions {
    RunOptions { threads, ..RunOptions::default() }
}

/// This program again, for one of the ignored tests.
fn again(dir: &Path, test: &str) -> Command {
    let mut c = Command::new(std::env::current_exe().unwrap());
    c.args(["--ignored", "--exact", test, "--nocapture"]).current_dir(dir);
    c.stdout(Stdio::piped()).stderr(Stdio::piped());
    c
}

#[test]
#[ignore = "started by `two_processes_make_each_dataset_once`"]
fn run_it_all() {
    if !Path::new(GRAPH).exists() {
        return;
    }
    let (p, g) = (pipeline(SLOW), QuantumGraph::load(Path::new(GRAPH)).unwrap());
    let datasets = InRepository::new(Path::new(ROOT));
    let report = run_graph(&g, &p, &datasets, &threads(2), &(), None).unwrap();
    assert!(report.is_complete(), "{:?}", report.failures);
}

#[test]
fn two_processes_make_each_dataset_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut r, ..) = filled(dir.path(), SLOW, VISITS);
    let start = |_| again(dir.path(), "run_it_all").spawn().unwrap();
    let running: Vec<Child> = (0..2).map(start).collect();
    for child in running {
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}");
    }
    for (name, count) in [("image", 2 * VISITS), ("visit_sum", VISITS)] {
        let found = r.registry().datasets(&DatasetQuery::new(name, &[RUN], "")).unwrap();
        assert_eq!(found.len() as i64, count, "{name}");
        for dataset in &found {
            assert!(r.registry().quantum_of(dataset.id).unwrap().is_some());
        }
    }
    let sum = DatasetRef { dataset_type: "visit_sum".into(), data_id: id(7, 0) };
    let sum = r.find(&sum, &[RUN]).unwrap();
    assert_eq!(r.get(sum.id).unwrap(), b"x7.0 x7.1");
    let report = r.verify(&mut |_| ()).unwrap();
    // Raws, images, sums: one file each.
    assert_eq!((report.files as i64, report.bad.len()), (5 * VISITS, 0));
    assert!(report.registry.is_empty() && r.gc(0.0, true).unwrap().orphans.is_empty());
}

#[test]
fn what_another_process_made_is_not_replaced_by_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let (mut r, p, g) = filled(dir.path(), SLOW, 1);
    let options = threads(1);
    run_graph(&g, &p, &InRepository::new(&dir.path().join(ROOT)), &options, &(), None).unwrap();
    let image = r.find(&DatasetRef { dataset_type: "image".into(), data_id: id(1, 0) }, &[RUN]);
    let image = image.unwrap();
    let of = r.dataset_type("image").unwrap();
    let datasets = InRepository::new(&dir.path().join(ROOT));
    let mut session = elqui_pipeline::Datasets::session(&datasets).unwrap();
    let same = session.write(&image, &of, ".txt", b"x1.0").unwrap().unwrap();
    assert_eq!(same, r.artifact(image.id).unwrap());
    let e = session.write(&image, &of, ".txt", b"x1.0 at noon").unwrap_err().to_string();
    assert!(e.contains("image") && e.contains("another process") && e.contains("run"), "{e}");
    assert_eq!(r.get(image.id).unwrap(), b"x1.0");
}

/// A worker that is killed at its first attempt, as the system does when memory is short; with a
/// number, always.
struct Killed<'a>(&'a Path, Option<u32>);
impl Launcher for Killed<'_> {
    fn command(&self, number: u32, folder: &Path) -> Command {
        let mark = self.0.join(format!("mark{number}"));
        if self.1 == Some(number) || (self.1.is_none() && !mark.exists()) {
            elqui_codec::atomic_write_bytes(&mark, b"").unwrap();
            let mut c = Command::new("sh");
            c.args(["-c", "kill -9 $$"]);
            return c;
        }
        let words = format!("{number}\n{}", folder.display());
        elqui_codec::atomic_write_bytes(&folder.join("words"), words.as_bytes()).unwrap();
        let mut c = again(self.0, "worker");
        c.env("ELQUI_TEST_QUANTUM", folder);
        c
    }
}

#[test]
#[ignore = "started by `a_killed_worker_takes_only_its_quantum`"]
#[allow(clippy::disallowed_methods)] // A test's child is told by its environment.
fn worker() {
    let Some(folder) = std::env::var_os("ELQUI_TEST_QUANTUM") else { return };
    let folder = Path::new(&folder);
    let words = std::fs::read_to_string(folder.join("words")).unwrap();
    let number = words.lines().next().unwrap().parse().unwrap();
    let (p, g) = (pipeline(ISOLATED), QuantumGraph::load(Path::new(GRAPH)).unwrap());
    // Long enough to be seen, and it does not measure itself.
    std::thread::sleep(std::time::Duration::from_millis(60));
    let datasets = InRepository::new(Path::new(ROOT));
    run_quantum(&g, &p, &datasets, &threads(1), number, folder, || 0).unwrap();
}

#[test]
fn a_killed_worker_takes_only_its_quantum() {
    let dir = tempfile::tempdir().unwrap();
    let (mut r, p, g) = filled(dir.path(), ISOLATED, 3);
    let datasets = InRepository::new(&dir.path().join(ROOT));
    let run = |always| -> RunReport {
        let launcher = Killed(dir.path(), always);
        run_graph(&g, &p, &datasets, &threads(2), &(), Some(&launcher)).unwrap()
    };
    // One dies at both attempts: it fails with the reason, the others are made.
    let report = run(Some(3));
    assert_eq!((report.count(Status::Done), report.count(Status::Failed)), (5, 1), "{report:?}");
    assert!(report.failures[0].1.contains("signal: 9"), "{:?}", report.failures);
    // Run again, it dies once more, is tried again, and is made.
    std::fs::remove_file(dir.path().join("mark3")).unwrap();
    let report = run(None);
    assert_eq!((report.count(Status::Existed), report.count(Status::Done)), (5, 1), "{report:?}");
    assert!(r.verify(&mut |_| ()).unwrap().bad.is_empty());
    // The parent saw what the worker took.
    let image = r.find(&DatasetRef { dataset_type: "image".into(), data_id: id(1, 0) }, &[RUN]);
    let quantum = r.registry().quantum_of(image.unwrap().id).unwrap().unwrap();
    let mib = quantum.peak_memory_bytes.unwrap() >> 20;
    assert!((1..2000).contains(&mib), "{mib} MiB");
}

inputs! {
    pub struct StackIn {
        images: Each<Text> = "raw" [visit, detector],
    }
}
outputs! {
    pub struct StackOut {
        sum: One<Text> = "stack" [visit],
    }
}

/// Reads its inputs one by one, the last first and the first twice.
pub struct Stack;
impl Step for Stack {
    const NAME: &'static str = "stack";
    const DOC: &'static str = "Joins texts, one at a time.";
    const DIMENSIONS: &'static [&'static str] = &["visit"];
    type Config = NoConfig;
    type Inputs = StackIn;
    type Outputs = StackOut;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn peak_memory_bytes(&self) -> u64 {
        1 << 20
    }

    fn run(&self, inputs: StackIn, _: &Context) -> Result<StackOut, StepError> {
        let images = inputs.images;
        let mut all = vec![images.read(images.len() - 1)?];
        for one in images.iter() {
            let (id, text) = one?;
            all.push(format!("{}:{text}", id.get("detector").unwrap()));
        }
        Ok(StackOut { sum: One(all.join(" ")) })
    }
}

#[test]
fn inputs_are_read_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut r, ..) = filled(dir.path(), SLOW, 2);
    let tasks = Tasks::new().with::<Stack>();
    let text = "name: s\nsteps:\n  stack: {task: stack}\n";
    let p = Pipeline::parse(text, "s.yaml", &tasks, elqui_butler::Universe::standard()).unwrap();
    let g = QuantumGraph::build(&p, r.registry(), &request("")).unwrap();
    prepare(&g, r.registry()).unwrap();
    // One of four is lost: the quantum that reads it says which, the other one does not notice.
    let raw = DatasetRef { dataset_type: "raw".into(), data_id: id(2, 0) };
    let raw = r.find(&raw, &["u/raw"]).unwrap();
    std::fs::remove_file(r.local_path(raw.id).unwrap().unwrap()).unwrap();
    let datasets = InRepository::new(&dir.path().join(ROOT));
    let report = run_graph(&g, &p, &datasets, &threads(1), &(), None).unwrap();
    assert_eq!((report.count(Status::Done), report.count(Status::Failed)), (1, 1));
    let why = &report.failures[0].1;
    assert!(why.contains(&raw.id.to_string()) && why.contains("restore it"), "{why}");
    let stack = DatasetRef { dataset_type: "stack".into(), data_id: id(1, 0) };
    let stack = r.find(&stack, &[RUN]).unwrap();
    assert_eq!(r.get(stack.id).unwrap(), b"1.1 0:1.0 1:1.1");
    let quantum = r.registry().quantum_of(stack.id).unwrap().unwrap();
    // In one process with others nothing is known of its memory.
    assert_eq!((quantum.inputs.len(), quantum.peak_memory_bytes), (2, None));
}
