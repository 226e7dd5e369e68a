//! A process that is killed at any moment leaves whole batches: those that it was told of, and at
//! most one more.

mod suite;

use elqui_butler::CollectionKind;
use elqui_registry::{DatasetQuery, Location, Registry, Select};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

const KILLS: u64 = 12;
const FILE: &str = "crash.sqlite3";

/// What the child says before each number of a batch that is there.
const DONE: &str = "batch ";

fn in_dir(dir: &std::path::Path) -> Location {
    Location::Sqlite(dir.join(FILE))
}

/// Not a test by itself: the process that is killed. It writes a run a batch into the registry of
/// its working folder, and says so.
#[test]
#[ignore = "started and killed by `killed_at_any_moment`"]
fn child() {
    let here = std::path::PathBuf::from(".");
    let Ok(mut r) = Registry::open(&in_dir(&here)) else { return };
    let first = r.collections("u/*").unwrap().len();
    for batch in first.. {
        let run = format!("u/run{batch}");
        r.register_collection(&run, CollectionKind::Run, "").unwrap();
        let all: Vec<_> = (1..=suite::VISITS)
            .flat_map(|v| (0..suite::DETECTORS).map(move |d| suite::new(suite::visit_id(v, d))))
            .collect();
        r.insert_datasets(&run, "image", &all).unwrap();
        println!("\n{DONE}{batch}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn killed_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = Registry::create(&in_dir(dir.path())).unwrap();
    suite::fill(&mut r);
    suite::dataset_type(&mut r, "image", &["visit", "detector"]);
    drop(r);
    let mut told = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child", "--nocapture"])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment follows from what it has done, since nobody knows how fast this machine is.
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines = out.lines().map_while(Result::ok);
        let mut done = lines.filter_map(|l| l.strip_prefix(DONE)?.parse::<usize>().ok());
        told.extend(done.by_ref().take((kill % 5) as usize));
        std::thread::sleep(Duration::from_micros((kill * 3_700) % 15_000));
        child.kill().unwrap();
        told.extend(done);
        child.wait().unwrap();
        let mut r = Registry::open(&in_dir(dir.path())).unwrap();
        let whole = (suite::VISITS * suite::DETECTORS) as usize;
        for run in r.collections("u/*").unwrap() {
            let n = r.datasets(&DatasetQuery::new("image", &[&run.name], "")).unwrap().len();
            assert!(n == whole || n == 0, "{} has {n} datasets", run.name);
            let batch: usize = run.name.trim_start_matches("u/run").parse().unwrap();
            assert!(n == whole || !told.contains(&batch), "{} was told of and is lost", run.name);
        }
        assert_eq!(r.records("visit", &Select::all()).unwrap().len(), suite::VISITS as usize);
    }
    assert!(told.len() > KILLS as usize, "only {} batches were written", told.len());
}
