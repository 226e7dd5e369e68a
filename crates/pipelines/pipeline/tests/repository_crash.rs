//! A process that is killed at any moment leaves each dataset whole or not at all.
//!
//! `ELQUI_SOAK_KILLS` sets how often it is killed (`make soak` says 500).

mod repository_common;

use elqui_butler::DatasetId;
use elqui_pipeline::Repository;
use elqui_registry::DatasetQuery;
use repository_common::{VISITS, fresh, image};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const KILLS: u64 = 20;
/// What the child says before the id of a dataset that is there, and of one that it is to remove.
const DONE: &str = "put ";
const REMOVES: &str = "removes ";
const WHERE: &str = "repo";

/// What the dataset of a visit must hold: of many sizes, so that kills fall into writes.
fn content(round: usize, visit: i64) -> Vec<u8> {
    let seed = round * 31 + visit as usize * 7;
    (0..(seed % 13) * 40_000 + 10).map(|k| (k * 31 + seed) as u8).collect()
}

/// Not a test by itself: the process that is killed. It puts a run of datasets after the other.
#[test]
#[ignore = "started and killed by `killed_at_any_moment`"]
fn child() {
    let Ok(mut r) = Repository::open(Path::new(WHERE)) else { return };
    let first = r.registry().collections("u/*").unwrap().len();
    for round in first.. {
        for visit in 1..=VISITS {
            let run = format!("u/run{round}");
            let one = r.put(&image(visit, 0), &run, ".bin", &content(round, visit)).unwrap();
            println!("\n{DONE}{}", one.id);
            std::io::stdout().flush().unwrap();
            if visit % 5 == 0 {
                println!("\n{REMOVES}{}", one.id);
                std::io::stdout().flush().unwrap();
                r.remove(&[one.id]).unwrap();
            }
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // How long to soak is told to tests by the environment.
fn killed_at_any_moment() {
    let kills =
        std::env::var("ELQUI_SOAK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(WHERE);
    drop(fresh(&root));
    let (mut told, mut count, mut orphans) = (HashSet::new(), 0, 0);
    let mut seed = 12_345_u64;
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child", "--nocapture"])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The moment follows from what it has done, since nobody knows how fast this machine is: after some
        // datasets, and a little later; one in twelve before the first, while it starts.
        let after = (seed >> 33) % 12;
        let later = (seed >> 40) % if after == 0 { 60_000 } else { 6_000 };
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut out = out.lines().map_while(Result::ok);
        let mut lines = Vec::new();
        let is_done = |l: &String| l.starts_with(DONE);
        while (lines.iter().filter(|l| is_done(l)).count() as u64) < after {
            lines.push(out.next().expect("it puts datasets until it is killed"));
        }
        std::thread::sleep(Duration::from_micros(later));
        child.kill().unwrap();
        lines.extend(out);
        for line in lines {
            if let Some(id) = line.strip_prefix(DONE).and_then(|id| DatasetId::parse(id).ok()) {
                told.insert(id);
                count += 1;
            }
            if let Some(id) = line.strip_prefix(REMOVES).and_then(|id| DatasetId::parse(id).ok()) {
                told.remove(&id);
            }
        }
        child.wait().unwrap();

        let mut r = Repository::open(&root).unwrap();
        let mut there = HashSet::new();
        for run in r.registry().collections("u/*").unwrap() {
            let round: usize = run.name.trim_start_matches("u/run").parse().unwrap();
            let query = DatasetQuery::new("image", &[&run.name], "");
            for dataset in r.registry().datasets(&query).unwrap() {
                there.insert(dataset.id);
                let Some(elqui_butler::Value::Int(v)) = dataset.name.data_id.get("visit") else {
                    panic!("{dataset}")
                };
                assert!(r.get(dataset.id).unwrap() == content(round, *v), "{dataset}");
            }
        }
        let report = r.verify(&mut |_| ()).unwrap();
        assert!(report.bad.is_empty() && report.registry.is_empty(), "kill {kill}: {report:?}");
        assert_eq!(report.files, there.len(), "a dataset without a file, or the reverse");
        let found = r.gc(0.0, false).unwrap();
        orphans += found.orphans.len() + found.leftovers.len();
        assert_eq!(r.gc(0.0, true).unwrap(), elqui_pipeline::Garbage::default());
        // A dataset that was told of is there, unless its removal was begun.
        let lost: Vec<_> = told.difference(&there).collect();
        assert!(lost.is_empty(), "kill {kill}: {lost:?} are lost");
        // Room for the next: what two kills ago was written has been compared.
        let mut runs = r.registry().collections("u/*").unwrap();
        runs.sort_by_key(|run| run.name.trim_start_matches("u/run").parse::<usize>().unwrap());
        for run in runs.iter().rev().skip(4) {
            let ids = r.registry().run_ids(&run.name).unwrap();
            r.remove(&ids).unwrap();
            told.retain(|id| !ids.contains(id));
        }
    }
    println!("{count} datasets, {kills} kills, {orphans} orphans collected");
    assert!(count > kills, "only {count} datasets were written");
}
