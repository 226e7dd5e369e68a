//! The cluster executor on a real Slurm: arrays over several nodes, failures, cancel and restart, lost
//! machines, submissions that are cut off.

mod cluster_common;
mod slurm_cluster;

use cluster_common::*;
use elqui_butler::Universe;
use elqui_pipeline::Status;
use elqui_pipeline::cluster::{
    Commands, Merged, Said, Site, Slurm, Submission, SubmissionStatus, cancel, report, restart,
    status, submit,
};
use slurm_cluster::SlurmCluster;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Not a test by itself: a job, started by Slurm.
#[test]
#[ignore = "a job of the other tests"]
fn worker_job() {
    worker();
}

fn site() -> Site {
    // Sixteen parts of images, eight of visits.
    let text = "data_ids: 3\nminutes: 5\nmemory_extra_mib: 100\nsteps: {join: {data_ids: 2}}\n";
    Site::parse(text, "site.yaml").unwrap()
}

fn program() -> Vec<String> {
    let mut words = worker_words();
    words.pop();
    words.push("worker_job".into());
    words
}

/// With what it needs to be looked at.
struct Case {
    cluster: SlurmCluster,
    slurm: Slurm,
    sky: Sky,
    submission: Submission,
    dir: tempfile::TempDir,
}

impl Case {
    fn new(clean: &str, site: Site) -> Self {
        let cluster = SlurmCluster::start(3, 2);
        let dir = tempfile::tempdir().unwrap();
        let sky = make(dir.path(), &text(clean, &dir.path().join("gate")));
        let submission = sky.submission(&dir.path().join("sub"), program(), site.clone());
        Self { cluster, slurm: Slurm { site }, sky, submission, dir }
    }

    fn open_gate(&self) {
        elqui_codec::atomic_write_bytes(&self.dir.path().join("gate"), b"").unwrap();
    }

    fn submit(&self) -> elqui_pipeline::cluster::Submitted {
        submit(&self.submission, &self.slurm, &self.cluster.shell).unwrap()
    }

    fn restart(&self) -> elqui_pipeline::cluster::Submitted {
        let universe = Universe::standard();
        restart(&self.submission, &tasks(), universe, &self.slurm, &self.cluster.shell)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    fn status(&self) -> SubmissionStatus {
        status(&self.submission, &self.slurm, &self.cluster.shell).unwrap()
    }

    fn done(&self) -> usize {
        self.status().steps.iter().map(|s| s.done).sum()
    }

    fn wait_until_closed(&self, seconds: u64) -> SubmissionStatus {
        self.cluster.wait("all jobs ended", seconds, |_| !self.status().open);
        self.status()
    }

    fn merged(&self) -> Merged {
        let text = std::fs::read(self.submission.folder.join("merged.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// All is there, once, and as a local run makes it.
    fn check(&self) {
        let status = self.status();
        assert!(status.is_complete(), "{status}");
        assert_eq!(self.sky.check().0, QUANTA);
        assert!(&self.sky.made() == wanted(), "artifacts differ");
        assert_eq!(self.restart().now, 0, "nothing is left to do");
    }
}

#[test]
fn arrays_over_several_nodes() {
    let case = Case::new("prefix: x", site());
    case.open_gate();
    let begin = Instant::now();
    let submitted = case.submit();
    assert_eq!((submitted.now, submitted.parts, submitted.quanta), (3, 24, QUANTA));
    let again = case.submit();
    assert_eq!((again.now, again.before), (0, 3), "nothing is submitted twice");
    let early = case.status();
    assert!(early.open && early.groups.iter().all(|g| g.job.is_some()), "{early}");
    let status = case.wait_until_closed(60);
    println!("{QUANTA} quanta in 24 jobs and a merge: {:.1} s", begin.elapsed().as_secs_f64());
    println!("{status}");
    assert_eq!(case.merged(), Merged { quanta: QUANTA, ..Merged::default() });
    let (_, hosts) = case.sky.check();
    assert!(hosts.len() > 1, "only {hosts:?} worked");
    let report = report(&case.submission, &tasks(), Universe::standard()).unwrap();
    assert_eq!((report.count(Status::Done), report.quanta.len()), (QUANTA, QUANTA));
    assert!(report.threads > 1 && report.wall_s > 0.0 && report.to_html().contains("<svg"));
    case.check();
}

#[test]
fn a_failure_is_told_and_restarted() {
    let case = Case::new("prefix: x", site());
    case.submit();
    let status = case.wait_until_closed(60);
    assert!(!status.is_complete());
    let step = |name: &str| status.steps.iter().find(|s| s.label == name).unwrap();
    assert_eq!((step("join").done, step("shout").failed), (VISITS as usize, VISITS as usize));
    let why = &status.failures[0];
    assert!(why.why.contains("the gate is shut") && why.step == "shout" && !why.lost, "{status}");
    assert_eq!(why.count, VISITS as usize);
    assert!(status.to_string().contains("failed: 16 x shout, such as shout{"), "{status}");
    let told = report(&case.submission, &tasks(), Universe::standard()).unwrap();
    assert_eq!(told.failures.len(), VISITS as usize);
    case.open_gate();
    let submitted = case.restart();
    assert_eq!(submitted.quanta, VISITS as usize, "only what is left");
    case.wait_until_closed(60);
    case.check();
    let told = report(&case.submission, &tasks(), Universe::standard()).unwrap();
    assert!(told.is_complete() && told.failures.is_empty());
}

#[test]
fn cancelled_half_way_and_restarted() {
    let case = Case::new("prefix: x, sleep_ms: 400", site());
    case.open_gate();
    case.submit();
    case.cluster.wait("some are done", 60, |_| case.done() > 8);
    let cancelled =
        cancel(&case.submission, &case.slurm, &case.cluster.shell, Duration::from_secs(30));
    let cancelled = cancelled.unwrap();
    assert!(cancelled.jobs > 0 && cancelled.open == 0, "{cancelled:?}");
    let before = case.sky.check().0;
    assert!(before > 8 && before < QUANTA && before == cancelled.merged.quanta, "{cancelled:?}");
    let status = case.status();
    assert!(status.cancelled && !status.open, "{status}");
    assert!(status.failures.iter().any(|f| f.lost && f.why.contains("cancelled")), "{status}");
    let refused = submit(&case.submission, &case.slurm, &case.cluster.shell).unwrap_err();
    assert!(refused.to_string().contains("elqui pipeline restart"), "{refused}");
    let submitted = case.restart();
    assert_eq!(submitted.quanta, QUANTA - before, "nothing is lost or done twice");
    case.wait_until_closed(90);
    assert_eq!(case.merged().repeated, 0);
    case.check();
}

#[test]
fn a_machine_breaks() {
    let mut case = Case::new("prefix: x, sleep_ms: 300", Site { requeue: false, ..site() });
    case.open_gate();
    case.submit();
    case.cluster.wait("some are done", 60, |_| case.done() > 8);
    case.cluster.break_node(1);
    case.cluster.declare_down(1);
    let status = case.wait_until_closed(90);
    let lost: usize = status.steps.iter().map(|s| s.lost).sum();
    assert!(lost > 0, "{status}");
    assert!(status.failures.iter().any(|f| f.lost && f.why.contains("machine")), "{status}");
    println!("{status}");
    case.restart();
    case.wait_until_closed(90);
    assert_eq!(case.merged().repeated, 0);
    case.check();
}

#[test]
fn a_machine_is_cut_off_and_its_jobs_run_elsewhere() {
    let mut case = Case::new("prefix: x, sleep_ms: 1500", site());
    case.open_gate();
    case.submit();
    case.cluster.wait("some are done", 60, |_| case.done() > 4);
    // Its jobs live on, and Slurm gives them to other nodes.
    case.cluster.cut_node(2);
    case.cluster.declare_down(2);
    case.cluster.wait("jobs are queued again", 30, |c| c.release() > 0);
    let status = case.wait_until_closed(90);
    let twice = std::fs::read_dir(case.submission.folder.join("parts")).unwrap();
    let twice =
        twice.filter(|e| !e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".0.json"));
    assert!(twice.count() > 0, "no part was run again\n{status}");
    assert!(status.is_complete(), "{status}");
    case.check();
}

/// The answers of some commands are lost, as when the process is killed right behind them.
struct Deaf<'a> {
    inner: &'a dyn Commands,
    left: AtomicUsize,
}

impl Commands for Deaf<'_> {
    fn run(&self, words: &[String]) -> Result<Said, elqui_pipeline::PipelineError> {
        let said = self.inner.run(words)?;
        let lost = words[0] == "sbatch"
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_err();
        if lost {
            let why = "the answer is lost".to_string();
            return Err(elqui_pipeline::PipelineError::Cluster { why });
        }
        Ok(said)
    }
}

/// Not a test by itself: the process that submits, and is killed.
#[test]
#[ignore = "started and killed by `submissions_that_are_cut_off`"]
#[allow(clippy::disallowed_methods)] // A program reads its environment.
fn submitter() {
    let Ok(folder) = std::env::var("ELQUI_TEST_SUBMISSION") else { return };
    let submission = Submission::open(Path::new(&folder)).unwrap();
    let slurm = Slurm { site: submission.settings.site.clone() };
    submit(&submission, &slurm, &elqui_pipeline::cluster::Shell::default()).unwrap();
}

#[test]
fn submissions_that_are_cut_off() {
    let case = Case::new("prefix: x", site());
    case.open_gate();
    let names = |submission: &Submission| {
        let all = case.cluster.job_names();
        all.into_iter().filter(|n| n.contains(&submission.settings.token)).count()
    };
    // The answer to the second of three is lost.
    let deaf = Deaf { inner: &case.cluster.shell, left: AtomicUsize::new(1) };
    let e = submit(&case.submission, &case.slurm, &deaf).unwrap_err();
    assert!(e.to_string().contains("the answer is lost"), "{e}");
    let submitted = case.submit();
    assert_eq!((submitted.now, submitted.before, submitted.found), (1, 2, 1));
    assert_eq!(names(&case.submission), 3);
    // Processes that are killed at any moment.
    for round in 0..6_u64 {
        let dir = tempfile::tempdir().unwrap();
        let sky = make(dir.path(), &text("prefix: x", &case.dir.path().join("gate")));
        // Nothing of it is run: the cluster has work enough.
        let held = Site { lines: vec!["--hold".into()], ..site() };
        let submission = sky.submission(&dir.path().join("sub"), program(), held.clone());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "submitter"])
            .env("ELQUI_TEST_SUBMISSION", &submission.folder)
            .env("SLURM_CONF", case.cluster.path("slurm.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(8 + 9 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // A `sbatch` that was under way ends by itself.
        std::thread::sleep(Duration::from_millis(300));
        let slurm = Slurm { site: held };
        let submitted = submit(&submission, &slurm, &case.cluster.shell).unwrap();
        assert_eq!(submitted.now + submitted.before, 3);
        assert_eq!(names(&submission), 3, "round {round}: {submitted:?}");
        let gone = cancel(&submission, &slurm, &case.cluster.shell, Duration::from_secs(20));
        assert_eq!(gone.unwrap().open, 0);
    }
    case.wait_until_closed(90);
    assert_eq!(case.merged().repeated, 0);
    case.check();
}

#[test]
fn errors_name_the_remedy() {
    let mut case = Case::new("prefix: x", site());
    let refused = |slurm: &Slurm, part: &str| {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sub");
        let submission = case.sky.submission(&folder, program(), slurm.site.clone());
        let e = submit(&submission, slurm, &case.cluster.shell);
        let e = e.map(|_| part).unwrap_err().to_string();
        assert!(e.contains(part) && !e.contains('\n'), "{e}");
        // Nothing was submitted, and the remedy helps.
        assert_eq!(submission.jobs().unwrap().ids().len(), 0);
    };
    let with = |change: fn(&mut Site)| {
        let mut site = site();
        change(&mut site);
        Slurm { site }
    };
    refused(&with(|s| s.partition = Some("nope".into())), "set `partition`");
    refused(&with(|s| s.cpus = 64), "no machine is so large");
    refused(&with(|s| s.memory_extra_mib = 99_999), "no machine");
    // The controller is down: an error, and afterwards all goes on.
    case.cluster.stop_controller();
    let quick = elqui_pipeline::cluster::Shell {
        limit: Duration::from_secs(1),
        ..case.cluster.shell.clone()
    };
    let e = submit(&case.submission, &case.slurm, &quick).unwrap_err().to_string();
    assert!(e.contains("controller") && e.contains("submitted twice"), "{e}");
    let e = status(&case.submission, &case.slurm, &case.cluster.shell);
    assert!(e.is_ok(), "nothing is submitted, so nobody is asked");
    case.cluster.start_controller();
    case.open_gate();
    case.cluster
        .wait("the controller is back", 30, |c| c.said(&["sinfo", "--noheader"]).contains("idle"));
    assert_eq!(case.submit().now, 3);
    case.wait_until_closed(60);
    case.check();
}
