//! The executor's laws: order, failures, retries, times, memory, resumption.

mod common;

use common::*;
use elqui_butler::{DataId, DatasetRef};
use elqui_pipeline::{
    Cancel, Context, Inputs, Launcher, OnFailure, Outputs, Pipeline, QuantumGraph, RunOptions,
    RunReport, Status, Step, StepError, Watch, prepare, run_graph, run_quantum,
};
use elqui_registry::DatasetQuery;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn run(store: &Store, text: &str, options: &RunOptions) -> (RunReport, QuantumGraph) {
    let (p, g) = graph(store, text, "");
    let report = run_graph(&g, &p, store, options, &(), None).unwrap_or_else(|e| panic!("{e}"));
    (report, g)
}

fn options(threads: usize) -> RunOptions {
    RunOptions { threads, ..RunOptions::default() }
}

fn text_of(store: &Store, of: &str, id: &DataId) -> Option<String> {
    let name = DatasetRef { dataset_type: of.into(), data_id: id.clone() };
    let mut r = store.registry();
    let found = r.find(&name, &[RUN]).unwrap()?;
    let artifact = r.artifacts(&[found.id]).unwrap().pop().unwrap().1;
    Some(std::fs::read_to_string(store.dir.join(artifact.path)).unwrap())
}

#[test]
fn the_same_results_for_any_number_of_threads() {
    let mut all = Vec::new();
    for threads in [1, 2, 7] {
        let dir = tempfile::tempdir().unwrap();
        let store = sky(dir.path(), 5, 4);
        let (report, g) = run(&store, TWO_STEPS, &options(threads));
        assert!(report.is_complete() && report.count(Status::Done) == 25);
        assert_eq!(text_of(&store, "visit_sum", &id(3, 0)).unwrap(), "x3.0 x3.1 x3.2 x3.3");
        let made = files(&dir.path().join(RUN));
        let made: Vec<_> =
            made.into_iter().map(|(p, b)| (p.file_name().unwrap().to_owned(), b)).collect();
        all.push((made, g.to_text(true).lines().count()));
        // Provenance: what made it, of what, with which configuration.
        let mut r = store.registry();
        let name = DatasetRef { dataset_type: "visit_sum".into(), data_id: id(3, 0) };
        let sum = r.find(&name, &[RUN]).unwrap().unwrap();
        let quantum = r.quantum_of(sum.id).unwrap().unwrap();
        assert_eq!((quantum.step.as_str(), quantum.inputs.len()), ("join", 4));
        let image = r.dataset(quantum.inputs[0]).unwrap().unwrap();
        assert!(r.quantum_of(image.id).unwrap().unwrap().config.contains("prefix: x"));
        assert!(r.check().unwrap().is_empty());
    }
    assert!(all.iter().all(|one| *one == all[0]));
}

const FAILING: &str = "name: two\nsteps:\n  clean:\n    task: clean\n    config:\n      fail: ['2.1', '4.0']\n  join:\n    task: sum\n";

#[test]
fn carry_on_and_fail_fast() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 5, 4);
    let carry = RunOptions { logs: Some(dir.path().join("logs")), ..options(3) };
    let (report, _) = run(&store, FAILING, &carry);
    let count = |s| report.count(s);
    assert_eq!((count(Status::Done), count(Status::Failed), count(Status::Blocked)), (21, 2, 2));
    assert_eq!(report.failures.len(), 2);
    assert!(
        report.failures[0].0.starts_with("clean{") && report.failures[0].1.contains("in the list")
    );
    let log = dir.path().join("logs/clean/5.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("about to fail") && log.contains("attempt 1 failed"), "{log}");
    assert_eq!(files(&dir.path().join("logs")).len(), 2, "who says nothing has no log");
    let html = report.to_html();
    for part in ["<svg", "2.1 is in the list", "Slowest quanta", "21 of 25"] {
        assert!(html.contains(part), "{part}");
    }
    // Again: only what was not done is tried.
    let p = pipeline(FAILING);
    let (_, g) = {
        let mut skip = request("");
        skip.skip_existing = true;
        let g = QuantumGraph::build(&p, &mut store.registry(), &skip).unwrap();
        (p.name.clone(), g)
    };
    assert_eq!(g.len(), 4);

    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 5, 4);
    let stop = RunOptions { on_failure: OnFailure::Stop, ..options(1) };
    let (report, _) = run(&store, FAILING, &stop);
    assert_eq!((report.count(Status::Done), report.count(Status::Failed)), (6, 1), "{report:?}");
    assert_eq!(report.count(Status::NotRun), 17);
}

#[test]
fn retries_panics_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 1, 2);
    let text = "name: r\nsteps:\n  clean:\n    task: clean\n    retries: 2\n    config:\n      fail: ['1.1']\n";
    let (report, _) = run(&store, text, &options(2));
    let failed = report.quanta.iter().find(|q| q.why.is_some()).unwrap();
    assert_eq!((failed.attempts, report.count(Status::Done)), (3, 1));

    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 1, 2);
    elqui_codec::atomic_write_bytes(&dir.path().join("raw/1_0.txt"), b"panic").unwrap();
    let (report, _) = run(&store, "name: r\nsteps:\n  clean: {task: clean}\n", &options(2));
    assert!(report.failures[0].1.contains("panicked") && report.failures[0].1.contains("asked to"));
    assert_eq!(report.count(Status::Done), 1, "the other one still ran");

    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 1, 2);
    let slow = "name: r\nsteps:\n  clean:\n    task: clean\n    timeout_s: 0.05\n    config: {sleep_ms: 9000}\n";
    let start = Instant::now();
    let (report, _) = run(&store, slow, &options(2));
    assert!(report.failures[0].1.contains("took longer"), "{:?}", report.failures);
    assert!(start.elapsed() < Duration::from_secs(8), "it did not wait for the end");
    // Cancelled from outside.
    let cancel = Cancel::default();
    let long = slow.replace("    timeout_s: 0.05\n", "");
    let one = RunOptions { cancel: cancel.clone(), ..options(2) };
    let report = std::thread::scope(|s| {
        s.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            cancel.cancel();
        });
        run(&store, &long, &one).0
    });
    assert_eq!(report.count(Status::NotRun), 2);
}

/// Adds up the declared peaks of what runs.
struct Memory {
    now: AtomicU64,
    most: AtomicU64,
    order: Mutex<Vec<String>>,
    finished: AtomicUsize,
}

impl Watch for Memory {
    fn started(&self, _: u32, label: &str) {
        let peak = if label == "join" { 20 } else { 10 };
        let now = self.now.fetch_add(peak, Ordering::SeqCst) + peak;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.order.lock().unwrap().push(label.to_string());
    }
    fn finished(&self, _: u32, _: &str, status: Status) {
        assert_eq!(status, Status::Done);
        self.finished.fetch_add(1, Ordering::SeqCst);
    }
}

/// A step that says when it ends; the watch only hears of the registration.
static RUNNING_MIB: AtomicU64 = AtomicU64::new(0);
static MOST_MIB: AtomicU64 = AtomicU64::new(0);

struct Heavy;
impl Step for Heavy {
    const NAME: &'static str = "heavy";
    const DOC: &'static str = "Says what it takes.";
    const DIMENSIONS: &'static [&'static str] = &["visit", "detector"];
    type Config = CleanConfig;
    type Inputs = CleanIn;
    type Outputs = CleanOut;
    fn new(_: CleanConfig) -> Result<Self, String> {
        Ok(Self)
    }
    fn peak_memory_bytes(&self) -> u64 {
        10 << 20
    }
    fn run(&self, inputs: CleanIn, _: &Context) -> Result<CleanOut, StepError> {
        let now = RUNNING_MIB.fetch_add(10, Ordering::SeqCst) + 10;
        MOST_MIB.fetch_max(now, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(3));
        RUNNING_MIB.fetch_sub(10, Ordering::SeqCst);
        let _ = CleanIn::SLOTS.len() + CleanOut::SLOTS.len();
        Ok(CleanOut { image: elqui_pipeline::One(inputs.raw.0) })
    }
}

#[test]
fn memory_is_never_above_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 10, 4);
    let text = "name: m\nsteps:\n  heavy: {task: heavy}\n  join: {task: sum}\n";
    let tasks = tasks().with::<Heavy>();
    let p = Pipeline::parse(text, "m", &tasks, elqui_butler::Universe::standard()).unwrap();
    let mut r = store.registry();
    let g = QuantumGraph::build(&p, &mut r, &request("")).unwrap();
    prepare(&g, &mut r).unwrap();
    let small = RunOptions { memory_bytes: 15 << 20, ..options(8) };
    let e = run_graph(&g, &p, &store, &small, &(), None).unwrap_err().to_string();
    assert!(e.contains("`join` needs 20 MiB, 15 MiB"), "{e}");
    let watch = Memory {
        now: AtomicU64::new(0),
        most: AtomicU64::new(0),
        order: Mutex::default(),
        finished: AtomicUsize::new(0),
    };
    let budget = RunOptions { memory_bytes: 35 << 20, ..options(8) };
    let report = run_graph(&g, &p, &store, &budget, &watch, None).unwrap();
    assert!(report.is_complete());
    assert_eq!(watch.finished.load(Ordering::SeqCst), 50);
    let most = MOST_MIB.load(Ordering::SeqCst);
    assert!((20..=30).contains(&most), "{most} MiB at once");
}

const COMMAND: &str = "name: c\nsteps:\n  shout:\n    config: {loud: true}\n    command:\n      argv: [sh, -c, 'tr a-z0-9 A-Zn-w < \"$1\" > \"$2\"; echo visit {visit}; cat \"$3\" >> \"$2\"', sh, '{input.raw}', '{output.image}', '{config}']\n      dimensions: [visit, detector]\n      inputs: [{name: raw, type: raw, dimensions: [visit, detector], storage_class: Text, extension: txt}]\n      outputs: [{name: image, type: image, dimensions: [visit, detector], storage_class: Text, extension: txt}]\n  join: {task: sum}\n";

#[test]
fn commands() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 1, 2);
    let logged = RunOptions { logs: Some(dir.path().join("logs")), ..options(2) };
    let (report, _) = run(&store, COMMAND, &logged);
    assert!(report.is_complete(), "{:?}", report.failures);
    assert_eq!(text_of(&store, "image", &id(1, 0)).unwrap(), "o.nloud: true\n");
    let log = std::fs::read_to_string(dir.path().join("logs/shout/0.log")).unwrap();
    assert!(log.contains("visit 1"), "{log}");

    // Bad ends of programs; each takes its own run's folder.
    let argv = "argv: [sh, -c, 'tr a-z0-9";
    for (script, why) in [
        ("echo no such star; exit 3; : ", "no such star"),
        ("exit 0; : ", "did not write the output `image`"),
        ("kill -9 $$; : ", "signal: 9"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = sky(dir.path(), 1, 1);
        let (report, _) = run(
            &store,
            &COMMAND.replace(argv, &format!("argv: [sh, -c, '{script} tr a-z0-9")),
            &options(1),
        );
        assert!(report.failures[0].1.contains(why), "{:?}", report.failures);
    }
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 1, 1);
    let (report, _) =
        run(&store, &COMMAND.replace("argv: [sh", "argv: [no-such-program"), &options(1));
    assert!(report.failures[0].1.contains("is it installed"), "{:?}", report.failures);

    // Killed with all that it started.
    let other = dir.path().join("other");
    let script =
        format!("argv: [sh, -c, 'sleep 600 & echo $! >{}; sleep 600; tr a-z0-9", other.display());
    let slow = COMMAND.replace(argv, &script).replace("  shout:\n", "  shout:\n    timeout_s: 1\n");
    let start = Instant::now();
    let (report, _) = run(&store, &slow, &options(1));
    assert!(report.failures[0].1.contains("took longer"), "{:?}", report.failures);
    let other = std::fs::read_to_string(other).unwrap();
    let stat = format!("/proc/{}/stat", other.trim());
    // Gone, or dead and not yet buried by its new parent.
    let alive = || std::fs::read_to_string(&stat).is_ok_and(|s| !s.contains(") Z "));
    while alive() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!alive(), "what it started was left alive");
}

const ISOLATED: &str = "name: i\nsteps:\n  clean: {task: clean, config: {prefix: x}}\n  join: {task: sum, isolated: true, timeout_s: 20}\n";

/// This test's program again.
struct Again<'a>(&'a Path);
impl Launcher for Again<'_> {
    fn command(&self, number: u32, folder: &Path) -> Command {
        let mut c = Command::new(std::env::current_exe().unwrap());
        c.args(["--ignored", "--exact", "isolated_child", "--nocapture"]).current_dir(self.0);
        let words = format!("{number}\n{}", folder.display());
        elqui_codec::atomic_write_bytes(&folder.join("words"), words.as_bytes()).unwrap();
        c.env("ELQUI_TEST_QUANTUM", folder);
        c
    }
}

#[test]
#[ignore = "started by `isolated_quanta`"]
#[allow(clippy::disallowed_methods)] // A test's child is told by its environment.
fn isolated_child() {
    let Some(folder) = std::env::var_os("ELQUI_TEST_QUANTUM") else { return };
    let folder = Path::new(&folder);
    let words = std::fs::read_to_string(folder.join("words")).unwrap();
    let number = words.lines().next().unwrap().parse().unwrap();
    let here = Path::new(".");
    let g = QuantumGraph::load(&here.join("graph.elqg")).unwrap();
    let p = pipeline(ISOLATED);
    let store = Store { dir: here.to_path_buf() };
    run_quantum(&g, &p, &store, &options(1), number, folder, || 7).unwrap();
}

#[test]
fn isolated_quanta() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 3, 2);
    let (p, g) = graph(&store, ISOLATED, "");
    g.save(&dir.path().join("graph.elqg")).unwrap();
    let e = run_graph(&g, &p, &store, &options(2), &(), None).unwrap_err().to_string();
    assert!(e.contains("`join` is isolated"), "{e}");
    let report = run_graph(&g, &p, &store, &options(2), &(), Some(&Again(dir.path()))).unwrap();
    assert!(report.is_complete(), "{:?}", report.failures);
    assert_eq!(text_of(&store, "visit_sum", &id(2, 0)).unwrap(), "x2.0 x2.1");
    let mut r = store.registry();
    let sum = r.datasets(&DatasetQuery::new("visit_sum", &[RUN], "visit = 2")).unwrap();
    assert_eq!(r.quantum_of(sum[0].id).unwrap().unwrap().peak_memory_bytes, Some(7));
}

#[test]
fn a_part_of_a_graph() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 2, 2);
    let (p, g) = graph(&store, TWO_STEPS, "");
    let part = |numbers: &[u32]| RunOptions { part: Some(numbers.to_vec()), ..options(2) };
    let report = run_graph(&g, &p, &store, &part(&[0, 1]), &(), None).unwrap();
    assert!(report.is_complete() && report.count(Status::Elsewhere) == 4);
    let report = run_graph(&g, &p, &store, &part(&[4, 5]), &(), None).unwrap();
    assert_eq!((report.count(Status::Done), report.count(Status::Failed)), (1, 1), "{report:?}");
    let report = run_graph(&g, &p, &store, &part(&[0, 1, 2, 3]), &(), None).unwrap();
    assert_eq!((report.count(Status::Done), report.count(Status::Existed)), (2, 3));
    assert!(run_graph(&g, &p, &store, &options(2), &(), None).unwrap().is_complete());
    let e = run_graph(&g, &p, &store, &part(&[9]), &(), None).unwrap_err().to_string();
    assert!(e.contains("no quantum 9"), "{e}");
}
