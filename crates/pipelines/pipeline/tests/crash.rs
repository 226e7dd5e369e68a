//! A run that is killed at any moment, again and again, ends with the same artifacts as one that is
//! not: nothing is lost, nothing registered twice. `ELQUI_KILLS=500` for the long one.

mod common;

use common::*;
use elqui_pipeline::{QuantumGraph, RunOptions, Status, run_graph};
use elqui_registry::DatasetQuery;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const KILLS: usize = 20;
const VISITS: i64 = 12;
const DETECTORS: i64 = 3;
const TEXT: &str = "name: k\nsteps:\n  clean: {task: clean, config: {prefix: x, sleep_ms: 6}}\n  join: {task: sum}\n";

#[allow(clippy::disallowed_methods)] // How long a test is, its caller says.
fn kills() -> usize {
    std::env::var("ELQUI_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS)
}

/// Not a test by itself: the process that is killed.
#[test]
#[ignore = "started and killed by `killed_at_any_moment`"]
fn child() {
    let here = Path::new(".");
    let Ok(g) = QuantumGraph::load(&here.join("graph.elqg")) else { return };
    let store = Store { dir: here.to_path_buf() };
    let options = RunOptions { threads: 3, ..RunOptions::default() };
    let report = run_graph(&g, &pipeline(TEXT), &store, &options, &(), None).unwrap();
    assert!(report.is_complete(), "{:?}", report.failures);
}

fn start(dir: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn made(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let run = dir.join(RUN);
    let name = |p: &Path| p.strip_prefix(&run).unwrap().to_string_lossy().into_owned();
    files(&run).iter().map(|(p, b)| (name(p), b.clone())).collect()
}

/// How many files are there while others are written.
fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| if e.path().is_dir() { count(&e.path()) } else { 1 }).sum()
}

/// What is registered is whole, and everything before it is registered too. Returns how many.
fn check(store: &Store) -> usize {
    let mut r = store.registry();
    let mut count = 0;
    for of in ["image", "visit_sum"] {
        for d in r.datasets(&DatasetQuery::new(of, &[RUN], "")).unwrap() {
            let artifact = r.artifacts(&[d.id]).unwrap().pop().unwrap().1;
            let size = std::fs::metadata(store.dir.join(&artifact.path)).unwrap().len();
            assert_eq!(size as i64, artifact.size_bytes, "{d}");
            let quantum = r.quantum_of(d.id).unwrap().unwrap();
            for input in quantum.inputs {
                assert!(r.dataset(input).unwrap().is_some(), "{d} was made of what is lost");
            }
            count += 1;
        }
    }
    count
}

#[test]
fn killed_at_any_moment() {
    let whole = tempfile::tempdir().unwrap();
    let store = sky(whole.path(), VISITS, DETECTORS);
    let (p, g) = graph(&store, TEXT, "");
    let report = run_graph(&g, &p, &store, &RunOptions::default(), &(), None).unwrap();
    assert!(report.is_complete());
    let wanted = made(whole.path());
    assert_eq!(wanted.len(), (VISITS * DETECTORS + VISITS) as usize);
    let (mut left, mut rounds, mut stopped) = (kills(), 0, 0);
    while left > 0 {
        let dir = tempfile::tempdir().unwrap();
        let store = sky(dir.path(), VISITS, DETECTORS);
        let (p, g) = graph(&store, TEXT, "");
        g.save(&dir.path().join("graph.elqg")).unwrap();
        rounds += 1;
        let mut last = 0;
        // Moments all over a run, a different share of it each time.
        for kill in 0..left.min(5) {
            let share = (kill * 37 + rounds * 11) % 23;
            let mut child = start(dir.path());
            // Told by what is there, since nobody knows how fast this machine is.
            let enough = count(&dir.path().join(RUN)) + share * wanted.len() / 90;
            let ended = |child: &mut std::process::Child| child.try_wait().unwrap().is_some();
            while count(&dir.path().join(RUN)) < enough && !ended(&mut child) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis((kill * 7 + rounds) as u64 % 13));
            stopped += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            left -= 1;
            let now = check(&store);
            assert!(now >= last, "{last} were there, {now} are");
            last = now;
        }
        let report = run_graph(&g, &p, &store, &RunOptions::default(), &(), None).unwrap();
        assert!(report.is_complete(), "{:?}", report.failures);
        assert_eq!(report.count(Status::Existed), last, "what was registered is not done again");
        assert_eq!(check(&store), wanted.len());
        let found = made(dir.path());
        assert!(found == wanted, "artifacts differ");
        assert!(store.registry().check().unwrap().is_empty());
    }
    assert!(2 * stopped > kills(), "only {stopped} were killed while they ran");
}
