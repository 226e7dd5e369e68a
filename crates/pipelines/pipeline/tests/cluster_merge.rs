//! Between the end of the jobs and the last row: what is recorded and not merged is kept, told, and registered
//! or made again, whatever fails.

mod cluster_common;
mod fake_slurm;

use cluster_common::*;
use elqui_butler::{Artifact, DataId, Dataset, DatasetType, Universe};
use elqui_pipeline::cluster::{
    Commands, Said, Site, Slurm, Submission, Submitted, cancel, merge, merge_records, restart,
    status, submit,
};
use elqui_pipeline::{Datasets, Finished, PipelineError, Repository, Session, StepError};
use elqui_registry::{Location, Registry};
use fake_slurm::Fake;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

struct Case {
    fake: Fake,
    slurm: Slurm,
    sky: Sky,
    submission: Submission,
    _dir: tempfile::TempDir,
}

impl Case {
    /// All parts ran, and the merge waits.
    fn new(folder: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sky = make(dir.path(), &text("prefix: x", &dir.path().join("gate")));
        elqui_codec::atomic_write_bytes(&dir.path().join("gate"), b"").unwrap();
        let site = Site { data_ids: 10, ..Site::default() };
        let submission =
            sky.submission(&dir.path().join(folder), vec!["/opt/elqui".into()], site.clone());
        let case =
            Self { fake: Fake::default(), slurm: Slurm { site }, sky, submission, _dir: dir };
        submit(&case.submission, &case.slurm, &case.fake).unwrap();
        for job in 0..2 {
            let parts = case.fake.jobs.borrow()[job].states.len();
            (0..parts).for_each(|part| case.fake.run(job, part));
        }
        assert_eq!(case.sky.made().len(), QUANTA);
        case
    }

    fn restart(&self) -> Result<Submitted, PipelineError> {
        restart(&self.submission, &tasks(), Universe::standard(), &self.slurm, &self.fake)
    }

    fn told(&self) -> elqui_pipeline::cluster::SubmissionStatus {
        status(&self.submission, &self.slurm, &self.fake).unwrap()
    }

    fn repository(&self) -> Repository {
        Repository::open(&self.sky.root).unwrap()
    }

    /// The place of some recorded file of the first part.
    fn a_file(&self) -> PathBuf {
        let text = std::fs::read_to_string(self.record()).unwrap();
        let record: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let path = record["outputs"][0]["artifact"]["path"].as_str().unwrap().to_string();
        self.sky.root.join("store").join(path)
    }

    fn record(&self) -> PathBuf {
        self.submission.folder.join("records/0-0.jsonl")
    }

    /// What is left is made, and all is as a local run makes it.
    fn finish(&self, again: usize) {
        assert_eq!(self.restart().unwrap().quanta, again);
        self.fake.run_all();
        let told = self.told();
        assert!(told.is_complete() && !told.to_string().contains("merge:"), "{told}");
        assert_eq!(self.sky.check().0, QUANTA);
        assert!(&self.sky.made() == wanted(), "artifacts differ");
        assert_eq!(self.restart().unwrap().now, 0);
    }
}

#[test]
fn gc_keeps_what_is_not_merged() {
    for folder in ["sub", "repo/runs/u,run", "far/away/sub"] {
        let case = Case::new(folder);
        let pointers = std::fs::read_dir(case.sky.root.join("runs")).unwrap();
        let pointers = pointers.filter(|e| e.as_ref().unwrap().path().is_file()).count();
        assert_eq!(pointers, usize::from(!folder.starts_with("repo")), "{folder}");
        let orphan = case.sky.root.join("store/u/orphan");
        elqui_codec::atomic_write_bytes(&orphan, b"orphan").unwrap();
        let found = case.repository().gc(0.0, false).unwrap();
        assert_eq!(found.orphans.len(), 1, "{folder}: {:?}", found.orphans.first());
        assert!(!orphan.exists());
        // Records that cannot be read: nothing is removed.
        elqui_codec::atomic_write_bytes(&orphan, b"orphan").unwrap();
        let bad = case.submission.folder.join("records/7-0.jsonl");
        std::fs::create_dir(&bad).unwrap();
        let e = case.repository().gc(0.0, false).unwrap_err().to_string();
        assert!(e.contains("nothing was removed") && e.contains("7-0.jsonl"), "{e}");
        assert!(e.contains(case.submission.folder.to_str().unwrap()) && orphan.exists(), "{e}");
        std::fs::remove_dir(&bad).unwrap();
        case.fake.run(2, 0);
        case.finish(0);
        assert_eq!(case.repository().gc(0.0, false).unwrap().orphans.len(), 1);
        assert_eq!(case.sky.check().0, QUANTA);
    }
    // Without its folder a submission has nothing to lose.
    let case = Case::new("sub");
    std::fs::remove_dir_all(&case.submission.folder).unwrap();
    assert_eq!(case.repository().gc(0.0, true).unwrap().orphans.len(), QUANTA);
}

#[test]
fn no_row_names_a_file_that_is_not_there() {
    for torn in [false, true] {
        let case = Case::new("sub");
        let file = case.a_file();
        if torn {
            elqui_codec::atomic_write_bytes(&file, b"").unwrap();
        } else {
            std::fs::remove_file(&file).unwrap();
        }
        case.fake.run(2, 0);
        let merged = merge_records(&case.submission).unwrap();
        assert_eq!((merged.quanta, merged.lost.len(), merged.refused.len()), (QUANTA - 1, 1, 0));
        assert!(merged.problem().unwrap().contains("lost their files"), "{merged:?}");
        assert!(case.repository().verify(&mut |_| ()).unwrap().bad.is_empty());
        let told = case.told();
        assert!(!told.is_complete() && told.unmerged == 1, "{told}");
        assert!(told.to_string().contains("lost their files"), "{told}");
        case.finish(1);
    }
}

#[test]
fn a_stray_process_of_an_earlier_attempt_wrote_last() {
    let case = Case::new("sub");
    case.fake.run(0, 0);
    // As long as the right one, by a process that nobody fenced, after the records.
    let file = case.a_file();
    let other: Vec<u8> = std::fs::read(&file).unwrap().iter().map(|b| b ^ 1).collect();
    elqui_codec::atomic_write_bytes(&file, &other).unwrap();
    let merged = merge_records(&case.submission).unwrap();
    assert_eq!((merged.quanta, merged.lost.len()), (QUANTA - 1, 1), "{merged:?}");
    assert!(case.repository().verify(&mut |_| ()).unwrap().bad.is_empty());
    case.finish_after_merge();
}

impl Case {
    /// As `finish`, where the job that merges was not run.
    fn finish_after_merge(&self) {
        self.fake.scancel(&["scancel".into(), "102".into()]);
        self.finish(1);
    }
}

#[test]
fn what_the_registry_refuses_is_not_thrown_away() {
    let case = Case::new("sub");
    let good = std::fs::read_to_string(case.record()).unwrap();
    let first = good.lines().next().unwrap();
    let mut record: serde_json::Value = serde_json::from_str(first).unwrap();
    record["outputs"][0]["dataset_type"] = "nobody_knows".into();
    let bad = good.replacen(first, &record.to_string(), 1);
    elqui_codec::atomic_write_bytes(&case.record(), bad.as_bytes()).unwrap();
    case.fake.set(2, 0, "FAILED");
    let stopped = cancel(&case.submission, &case.slurm, &case.fake, Duration::ZERO).unwrap();
    assert_eq!((stopped.merged.refused.len(), stopped.merged.quanta), (1, QUANTA - 1));
    assert!(stopped.merged.problem().unwrap().contains("nobody_knows"), "{stopped:?}");
    for _ in 0..2 {
        let e = case.restart().unwrap_err().to_string();
        assert!(e.contains("1 quanta that are done") && e.contains("nobody_knows"), "{e}");
        assert!(case.record().is_file(), "what is done is kept");
    }
    elqui_codec::atomic_write_bytes(&case.record(), good.as_bytes()).unwrap();
    case.finish(0);
}

#[test]
fn a_merge_that_failed_is_told() {
    let case = Case::new("sub");
    let told = case.told();
    assert!(told.open && told.to_string().contains("merge: waiting; 128 quanta"), "{told}");
    case.fake.set(2, 0, "FAILED");
    for forgets in [false, true] {
        case.fake.forgets.set(forgets);
        let told = case.told();
        assert!(!told.is_complete() && !told.open && told.unmerged == QUANTA, "{told}");
        let text = told.to_string();
        let line = text.lines().find(|l| l.starts_with("merge: failed")).unwrap();
        assert!(line.contains("128 quanta") && line.contains("`elqui pipeline restart` merges"));
    }
    case.finish(0);
}

/// A controller that lost all its jobs, beside an accounting that believes in them.
struct Lost<'a>(&'a Fake);

impl Commands for Lost<'_> {
    fn run(&self, words: &[String]) -> Result<Said, PipelineError> {
        if words[0] == "squeue" {
            let err = "slurm_load_jobs error: Invalid job id specified".to_string();
            return Ok(Said { status: Some(1), out: String::new(), err });
        }
        Commands::run(self.0, words)
    }
}

#[test]
fn a_merge_that_only_the_accounting_believes_in_is_lost() {
    let case = Case::new("sub");
    case.fake.accounting.set(true);
    assert!(case.told().open);
    let told = status(&case.submission, &case.slurm, &Lost(&case.fake)).unwrap();
    assert!(!told.open && told.to_string().contains("merge: failed"), "{told}");
    let tasks = tasks();
    let universe = Universe::standard();
    restart(&case.submission, &tasks, universe, &case.slurm, &Lost(&case.fake)).unwrap();
    assert_eq!(case.sky.check().0, QUANTA);
}

/// A registry that somebody locked.
struct Locked<'a>(&'a dyn Datasets, &'static AtomicUsize);

struct LockedSession(Box<dyn Session>, &'static AtomicUsize);

impl Datasets for Locked<'_> {
    fn session(&self) -> Result<Box<dyn Session>, StepError> {
        Ok(Box::new(LockedSession(self.0.session()?, self.1)))
    }
}

impl Session for LockedSession {
    fn read(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Vec<u8>, StepError> {
        self.0.read(d, made)
    }

    fn write(
        &mut self,
        d: &Dataset,
        of: &DatasetType,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Option<Artifact>, StepError> {
        self.0.write(d, of, ending, bytes)
    }

    fn commit(&mut self, _: &[Finished]) -> Result<(), StepError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Err(StepError::Registry("locked".into()))
    }

    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError> {
        self.0.existing(of, run)
    }
}

#[test]
fn a_merge_breaks_off_where_the_registry_as_a_whole_fails() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let case = Case::new("sub");
    let repository = elqui_pipeline::InRepository::new(&case.sky.root);
    let records = case.submission.folder.join("records");
    let e = merge(&Locked(&repository, &CALLS), &records).unwrap_err().to_string();
    assert_eq!((e.as_str(), CALLS.load(Ordering::Relaxed)), ("locked", 1), "no try a quantum");
    // Which errors are such is known by their type.
    let nowhere = Location::Sqlite(PathBuf::from("/nonexistent/registry.sqlite3"));
    let Err(e) = Registry::open(&nowhere) else { panic!("it opened") };
    assert!(matches!(StepError::from(e), StepError::Registry(_)));
    let e = case.repository().dataset_type("nobody_knows").unwrap_err();
    assert!(matches!(StepError::from(e), StepError::Failed(_)));
    // A registry that is damaged: nothing is retired.
    case.fake.scancel(&["scancel".into(), "102".into()]);
    let file = case.sky.root.join("registry.sqlite3");
    let hidden = case.sky.root.join("hidden");
    std::fs::rename(&file, &hidden).unwrap();
    assert!(case.restart().is_err() && case.record().is_file());
    std::fs::rename(&hidden, &file).unwrap();
    case.finish(0);
}
