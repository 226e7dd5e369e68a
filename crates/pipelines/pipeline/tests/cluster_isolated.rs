//! Isolated steps in cluster parts: each quantum is a process of its own, which finds by itself what other
//! jobs recorded and nobody merged yet.

mod cluster_common;

use cluster_common::*;
use elqui_butler::{DatasetRef, Universe};
use elqui_pipeline::cluster::{
    JobSide, Site, Submission, merge_records, run_part, run_part_quantum,
};
use elqui_pipeline::{Launcher, Repository, RunOptions};
use elqui_registry::DatasetQuery;
use std::path::{Path, PathBuf};
use std::process::Command;

const MEMORY: i64 = 123 << 20;
const FOLDER: &str = "sub";

/// The second step and the one that joins its images run as processes.
fn isolated() -> String {
    text("prefix: x", Path::new("/"))
        .replace("config: {prefix: b}", "config: {prefix: b}, isolated: true")
        .replace("join: {task: sum}", "join: {task: sum, isolated: true}")
}

/// This program again, as [`quantum`].
struct Again<'a> {
    dir: &'a Path,
    /// One that is killed before it has done anything.
    killed: Option<u32>,
}

impl Launcher for Again<'_> {
    fn command(&self, number: u32, folder: &Path) -> Command {
        if self.killed == Some(number) {
            let mut c = Command::new("sh");
            c.args(["-c", "kill -9 $$"]);
            return c;
        }
        let mut c = Command::new(std::env::current_exe().unwrap());
        c.args(["--ignored", "--exact", "quantum", "--nocapture"]).current_dir(self.dir);
        c.env("ELQUI_TEST_QUANTUM", folder).env("ELQUI_TEST_NUMBER", number.to_string());
        c
    }
}

fn side<'a>(tasks: &'a elqui_pipeline::Tasks, launcher: Option<&'a dyn Launcher>) -> JobSide<'a> {
    JobSide {
        tasks,
        universe: Universe::standard(),
        options: RunOptions { host: "node".into(), ..RunOptions::default() },
        job: "1".into(),
        watch: &(),
        launcher,
    }
}

#[test]
#[ignore = "started by the others"]
#[allow(clippy::disallowed_methods)] // A test's child is told by its environment.
fn quantum() {
    let Some(folder) = std::env::var_os("ELQUI_TEST_QUANTUM") else { return };
    let number = std::env::var("ELQUI_TEST_NUMBER").unwrap().parse().unwrap();
    let (tasks, folder) = (tasks(), PathBuf::from(folder));
    run_part_quantum(Path::new(FOLDER), number, &folder, &side(&tasks, None), || MEMORY).unwrap();
}

/// Parts of a group, one job after the other. Returns how many quanta are done and how many failed.
fn job(dir: &Path, submission: &Submission, group: usize, killed: Option<u32>) -> (usize, usize) {
    let (tasks, again) = (tasks(), Again { dir, killed });
    let parts = std::fs::read_to_string(submission.folder.join(format!("group-{group}.parts")));
    let (mut done, mut failed) = (0, 0);
    for part in 0..parts.unwrap().lines().count() {
        let side = side(&tasks, Some(&again));
        let end = run_part(&dir.join(FOLDER), group, part, &side).unwrap();
        let all: Vec<_> = end.ran.iter().filter_map(|r| r.why.as_ref()).collect();
        assert!(all.iter().all(|why| why.contains("signal: 9")), "{all:?}");
        (done, failed) = (done + end.done, failed + end.failed());
    }
    (done, failed)
}

#[test]
fn processes_of_a_part_find_what_is_not_merged() {
    let dir = tempfile::tempdir().unwrap();
    let sky = make(dir.path(), &isolated());
    let site = Site { data_ids: 24, ..Site::default() };
    let submission = sky.submission(&dir.path().join(FOLDER), vec!["/opt/elqui".into()], site);
    let groups = submission.jobs().unwrap().groups.len();
    assert_eq!(groups, 2, "images, then visits");
    // Images: their makers are of the same part, some of its first quanta are processes' inputs.
    let images = (2 * VISITS * DETECTORS) as usize;
    let killed = (VISITS * DETECTORS) as u32 + 3;
    assert_eq!(job(dir.path(), &submission, 0, Some(killed)), (images - 1, 1));
    // Another attempt, by other processes, makes what is missing only.
    assert_eq!(job(dir.path(), &submission, 0, None), (1, 0));
    // Nothing is registered: what the visits read is known from the records of the jobs before them.
    let count = |of: &str| {
        let mut r = Repository::open(&sky.root).unwrap();
        r.registry().datasets(&DatasetQuery::new(of, &[RUN], "")).unwrap().len()
    };
    assert_eq!((count("image"), count("visit_sum")), (0, 0));
    assert_eq!(job(dir.path(), &submission, 1, None), (2 * VISITS as usize, 0));
    assert_eq!((count("image"), count("visit_sum")), (0, 0));
    let merged = merge_records(&submission).unwrap();
    assert_eq!((merged.quanta, merged.refused.len()), (QUANTA, 0), "{merged:?}");
    assert_eq!(sky.check(), (QUANTA, vec!["node".to_string()]));
    assert!(&sky.made() == wanted(), "artifacts differ");
    // Each process told its memory; of those that were none, nothing is known.
    let mut r = Repository::open(&sky.root).unwrap();
    let mut memory = |of: &str, data_id| {
        let name = DatasetRef { dataset_type: of.into(), data_id };
        let found = r.find(&name, &[RUN]).unwrap();
        r.registry().quantum_of(found.id).unwrap().unwrap().peak_memory_bytes
    };
    assert_eq!((memory("first", id(1, 0)), memory("image", id(1, 0))), (None, Some(MEMORY)));
    let visit = id(2, 0).only(&["instrument", "visit"]);
    assert_eq!(memory("visit_sum", visit), Some(MEMORY));
}
