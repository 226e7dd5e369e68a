//! Submissions against a Slurm that only pretends, where each moment can be chosen: cut off before and after
//! every command, without accounting, jobs forgotten, attempts that overlap, hostile files.

mod cluster_common;
mod fake_slurm;

use cluster_common::*;
use elqui_butler::Universe;
use elqui_pipeline::PipelineError;
use elqui_pipeline::cluster::{
    Commands, Said, Site, Slurm, Submission, SubmissionStatus, cancel, report, restart, status,
    submit,
};
use fake_slurm::Fake;
use std::path::PathBuf;
use std::time::Duration;

struct Case {
    fake: Fake,
    slurm: Slurm,
    sky: Sky,
    submission: Submission,
    dir: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sky = make(dir.path(), &text("prefix: x", &dir.path().join("gate")));
        elqui_codec::atomic_write_bytes(&dir.path().join("gate"), b"").unwrap();
        let site = Site { data_ids: 10, ..Site::default() };
        let submission =
            sky.submission(&dir.path().join("sub"), vec!["/opt/elqui".into()], site.clone());
        Self { fake: Fake::default(), slurm: Slurm { site }, sky, submission, dir }
    }

    fn submit(&self) -> Result<elqui_pipeline::cluster::Submitted, PipelineError> {
        submit(&self.submission, &self.slurm, &self.fake)
    }

    fn restart(&self) -> Result<elqui_pipeline::cluster::Submitted, PipelineError> {
        restart(&self.submission, &tasks(), Universe::standard(), &self.slurm, &self.fake)
    }

    fn status(&self) -> SubmissionStatus {
        status(&self.submission, &self.slurm, &self.fake).unwrap()
    }

    fn check(&self) {
        let status = self.status();
        assert!(status.is_complete() && !status.open, "{status}");
        assert_eq!(self.sky.check().0, QUANTA);
        assert!(&self.sky.made() == wanted(), "artifacts differ");
    }
}

#[test]
fn cut_off_at_every_command() {
    for after in [false, true] {
        let mut at = 0;
        loop {
            let case = Case::new();
            case.fake.lost.set(Some((at, after)));
            let cut = case.submit();
            // Everything that was cut off has been seen.
            let Err(e) = cut else { break };
            assert!(e.to_string().contains("cut off"), "{e}");
            let submitted = case.submit().unwrap();
            assert_eq!(submitted.now + submitted.before, 3, "at {at}, {after}");
            assert_eq!(case.fake.jobs.borrow().len(), 3, "at {at}, {after}: submitted twice");
            if at == 1 {
                case.fake.run_all();
                case.check();
            }
            at += 1;
        }
        assert_eq!(at, 3, "three commands, one a job");
    }
}

/// What cancel and restart ask, all of it.
fn commands() -> Vec<String> {
    let all = cut_off_at(1000, false);
    assert!(all.len() > 9 && all.len() < 40, "{all:?}");
    all
}

#[test]
fn cancel_and_restart_are_cut_off_before_every_command() {
    // Without an answer of the accounting nothing is cut off.
    for (at, _) in commands().iter().enumerate().filter(|(_, name)| *name != "sacct") {
        cut_off_at(at, false);
    }
}

#[test]
fn cancel_and_restart_lose_the_answers_of_what_changes_something() {
    let changes = |name: &String| ["sbatch", "scancel"].contains(&name.as_str());
    for (at, _) in commands().iter().enumerate().filter(|(_, name)| changes(name)) {
        cut_off_at(at, true);
    }
}

/// Returns the commands of the cancel and the restart, as far as they came.
fn cut_off_at(at: usize, after: bool) -> Vec<String> {
    let case = Case::new();
    case.submit().unwrap();
    for number in 0..3 {
        case.fake.run(0, number);
    }
    let begin = case.fake.calls.get();
    case.fake.lost.set(Some((begin + at, after)));
    let stop = || cancel(&case.submission, &case.slurm, &case.fake, Duration::ZERO);
    let first = stop().map(|_| ()).and_then(|()| case.restart().map(|_| ()));
    let commands = case.fake.names.borrow()[begin..].to_vec();
    if case.submission.jobs().unwrap().merges.len() == 1 {
        stop().unwrap();
    }
    if let Err(e) = first {
        assert!(e.to_string().contains("cut off"), "{e}");
        // A restart that was cut off is gone on with as any submission.
        if case.submission.jobs().unwrap().merges.len() == 1 {
            case.restart().unwrap();
        } else {
            case.submit().unwrap();
        }
    }
    assert_eq!(case.fake.jobs.borrow().len(), 6, "at {at}, {after}");
    case.fake.run_all();
    case.check();
    assert_eq!(case.restart().unwrap().now, 0, "nothing is left");
    commands
}

#[test]
fn states_with_and_without_accounting() {
    let case = Case::new();
    let early = case.status();
    assert!(early.steps.iter().all(|s| s.not_submitted > 0) && !early.open, "{early}");
    case.submit().unwrap();
    let waiting = case.status();
    assert!(waiting.open && waiting.groups[0].waiting == 5, "{waiting}");
    assert_eq!(waiting.steps[0].waiting, 48);
    // One part each: done, running, out of memory, cancelled, forgotten.
    case.fake.run(0, 0);
    case.fake.set(0, 1, "RUNNING");
    case.fake.set(0, 2, "OUT_OF_MEMORY");
    case.fake.set(0, 3, "CANCELLED");
    case.fake.set(0, 4, "NODE_FAIL");
    let lost = |status: &SubmissionStatus| -> Vec<String> {
        let all = status.failures.iter().filter(|f| f.lost && f.step == "a");
        all.map(|f| format!("{} {}", f.count, f.why)).collect()
    };
    for accounting in [false, true] {
        case.fake.accounting.set(accounting);
        let status = case.status();
        let a = &status.steps[0];
        assert_eq!((a.done, a.running, a.lost, a.waiting), (10, 10, 28, 0), "{status}");
        let g = &status.groups[0];
        assert_eq!((g.ended, g.running, g.lost), (1, 1, 3));
        let lost = lost(&status).join("\n");
        for part in
            ["10 the job took more memory", "10 the job was cancelled", "8 the machine was lost"]
        {
            assert!(lost.contains(part), "{part}: {lost}");
        }
    }
    // Later the queue forgets; without accounting nobody knows why.
    case.fake.forgets.set(true);
    assert_eq!(lost(&case.status()).len(), 3, "the accounting knows");
    case.fake.accounting.set(false);
    assert_eq!(lost(&case.status()), ["28 the job is gone and left no record"]);
    assert!(case.restart().unwrap_err().to_string().contains("wait or run"));
    // The machine with the part that ran is gone, and so are the jobs that waited.
    case.fake.scancel(&["scancel".into(), "100".into(), "101".into(), "102".into()]);
    let status = case.status();
    assert_eq!((status.steps[0].done, status.steps[0].lost), (10, 38), "{status}");
    assert!(!status.open && status.merge.is_none());
    let submitted = case.restart().unwrap();
    assert_eq!(submitted.quanta, QUANTA - 20);
    case.fake.run_all();
    case.check();
}

#[test]
fn attempts_that_overlap_and_machines_that_come_back() {
    let case = Case::new();
    case.submit().unwrap();
    case.fake.run_all();
    case.check();
    let made = case.sky.made();
    // Parts that are run again do nothing.
    case.fake.run(0, 0);
    case.fake.run(1, 0);
    case.fake.run(2, 0);
    assert_eq!(case.sky.check().0, QUANTA);
    assert!(case.sky.made() == made);
    let told = report(&case.submission, &tasks(), Universe::standard()).unwrap();
    assert_eq!((told.quanta.len(), told.is_complete()), (QUANTA, true));
    // A part of an earlier round that comes late stops.
    let other = Case::new();
    other.submit().unwrap();
    other.fake.scancel(&["scancel".into(), "100".into(), "101".into(), "102".into()]);
    other.restart().unwrap();
    let e = part(&other.submission.folder, 0, 0, "late", "100").unwrap_err();
    assert!(e.contains("took this part over"), "{e}");
    assert_eq!(other.sky.made().len(), 0, "it wrote nothing");
    other.fake.run_all();
    other.check();
}

#[test]
fn a_record_that_two_made_differently() {
    let case = Case::new();
    case.submit().unwrap();
    case.fake.run(0, 0);
    // The second attempt wrote other bytes over the first one's, and recorded them.
    let records = case.submission.folder.join("records");
    let first = std::fs::read_to_string(records.join("0-0.jsonl")).unwrap();
    let line = first.lines().find(|l| l.contains("\"image\"")).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
    let artifact = record["outputs"][0]["artifact"].clone();
    let file = case.sky.root.join("store").join(artifact["path"].as_str().unwrap());
    std::fs::remove_file(&file).unwrap();
    elqui_codec::atomic_write_bytes(&file, b"other").unwrap();
    let sum = elqui_datastore::checksum(b"other");
    record["outputs"][0]["artifact"]["checksum"] = sum.into();
    record["outputs"][0]["artifact"]["size_bytes"] = 5.into();
    let id = record["quantum"]["id"].as_str().unwrap().to_string();
    let other = format!("{}{}", &id[..id.len() - 4], "ffff");
    record["quantum"]["id"] = other.clone().into();
    let second = format!("{record}\n{{\"torn\": ");
    elqui_codec::atomic_write_bytes(&records.join("0-0.1.jsonl"), second.as_bytes()).unwrap();
    let merged = elqui_pipeline::cluster::merge_records(&case.submission).unwrap();
    assert_eq!((merged.quanta, merged.repeated), (20, 1), "{merged:?}");
    let mut r = elqui_pipeline::Repository::open(&case.sky.root).unwrap();
    let report = r.verify(&mut |_| ()).unwrap();
    assert!(report.bad.is_empty(), "the record of the bytes that are there counts: {report:?}");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let case = Case::new();
    let says = |e: PipelineError, part: &str| {
        let e = e.to_string();
        assert!(e.contains(part) && !e.contains('\n'), "{e}");
    };
    let words = "sbatch: error: Batch job submission failed: ";
    for (broken, remedy) in [
        ("Unable to contact slurm controller (connect failure)", "scontrol ping"),
        ("Invalid account or account/partition combination specified", "set `account`"),
        ("Invalid job array specification", "set `array_max`"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "set `minutes`"),
        ("Job violates accounting/QOS policy (job submit limit)", "limits are reached"),
        ("More processors requested than permitted", "lower `cpus`"),
        ("nobody ever heard of this", "nobody ever heard of this"),
    ] {
        *case.fake.broken.borrow_mut() = Some(format!("{words}{broken}"));
        says(case.submit().unwrap_err(), remedy);
    }
    // It went on failing after its first try, and nothing was submitted.
    *case.fake.broken.borrow_mut() = None;
    assert_eq!(case.submit().unwrap().now, 3);
    // Commands that are not there, or take for ever.
    let shell = elqui_pipeline::cluster::Shell {
        limit: Duration::from_millis(50),
        ..elqui_pipeline::cluster::Shell::default()
    };
    says(
        shell.run(&["elqui-no-such-program".into()]).unwrap_err(),
        "not installed on this machine",
    );
    says(shell.run(&["sleep".into(), "9".into()]).unwrap_err(), "took longer than");
    assert!(shell.run(&[]).is_err());
    let said = shell.run(&["sh".into(), "-c".into(), "echo a; echo b >&2; exit 3".into()]).unwrap();
    assert_eq!(said, Said { status: Some(3), out: "a\n".into(), err: "b\n".into() });
    // Folders.
    let nowhere = PathBuf::from("/nonexistent/sub");
    says(Submission::open(&nowhere).unwrap_err(), "run --engine slurm");
    says(Submission::open(case.dir.path()).unwrap_err(), "no submission's folder");
    let jobs = case.submission.folder.join("jobs.json");
    let good = std::fs::read(&jobs).unwrap();
    for bad in [&b""[..], b"{", b"[]", b"{\"groups\":1}", &good[..good.len() / 2], b"\xff\xfe"] {
        elqui_codec::atomic_write_bytes(&jobs, bad).unwrap();
        says(case.submit().unwrap_err(), "is damaged");
    }
    elqui_codec::atomic_write_bytes(&jobs, &good).unwrap();
    let lines = case.submission.folder.join("group-0.parts");
    elqui_codec::atomic_write_bytes(&lines, b"0-99999999\n").unwrap();
    says(status(&case.submission, &case.slurm, &case.fake).unwrap_err(), "no list of quanta");
    let e = part(&case.submission.folder, 0, 0, "node", "1").unwrap_err();
    assert!(e.contains("no list of quanta"), "{e}");
    for (group, number, why) in [(7, 0, "no group 7"), (1, 99, "no part 99")] {
        let e = part(&case.submission.folder, group, number, "node", "1").unwrap_err();
        assert!(e.contains(why), "{e}");
    }
}

#[test]
fn sites() {
    let text =
        "account: survey\nsetup: [\"module load gcc\"]\nsteps:\n  coadd: {data_ids: 1, cpus: 16}\n";
    let site = Site::parse(text, "site.yaml").unwrap();
    assert_eq!((site.steps["coadd"].cpus, site.cpus, site.requeue), (Some(16), 1, true));
    assert_eq!(Site::parse("\n", "site.yaml").unwrap(), Site::default());
    for (bad, part) in [
        ("cpus: 0", "`cpus` is 0"),
        ("cpu: 1", "unknown field"),
        ("steps: {a: {minutes: 0}}", "`minutes` is 0"),
        ("memory_extra_mib: 99999999999", "at most"),
        ("lines: 3", "lines"),
    ] {
        let e = Site::parse(bad, "site.yaml").unwrap_err().to_string();
        assert!(e.starts_with("site.yaml:1: ") && e.contains(part), "{e}");
    }
    // A step that is not there, and a program without its place.
    let case = Case::new();
    let new = |site: Site, program: &str| {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("s");
        let new = elqui_pipeline::cluster::NewSubmission {
            graph: &case.sky.graph,
            pipeline: &case.sky.pipeline,
            tasks: &tasks(),
            universe: Universe::standard(),
            repository: &case.sky.root,
            program: vec![program.into()],
            site,
            retries: 0,
            timeout_s: None,
        };
        Submission::create(&folder, &new).map(|_| ()).unwrap_err().to_string()
    };
    let e = new(site, "/opt/elqui");
    assert!(e.contains("the step `coadd`; the graph has a, b"), "{e}");
    assert!(new(Site::default(), "elqui").contains("absolute path"));
}
