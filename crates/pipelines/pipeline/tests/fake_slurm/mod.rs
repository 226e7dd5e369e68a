//! A Slurm that only pretends: it keeps jobs, runs parts when it is told to, and loses what it is told to.

use crate::cluster_common::part;
use elqui_pipeline::PipelineError;
use elqui_pipeline::cluster::{Commands, Said, Submission};
use std::cell::{Cell, RefCell};
use std::path::Path;

#[derive(Debug, Clone)]
pub struct FakeJob {
    pub id: usize,
    pub name: String,
    pub after: Vec<usize>,
    /// `run-part FOLDER GROUP` or `merge FOLDER`.
    pub words: Vec<String>,
    /// A state a part; one for a job that is no array.
    pub states: Vec<&'static str>,
    pub array: bool,
}

/// What the commands do that a site has.
#[derive(Default)]
pub struct Fake {
    pub jobs: RefCell<Vec<FakeJob>>,
    pub calls: Cell<usize>,
    /// Names of the commands that were run.
    pub names: RefCell<Vec<String>>,
    /// Number of a command that is not run, or whose answer is lost.
    pub lost: Cell<Option<(usize, bool)>>,
    /// Whether the queue knows jobs that ended.
    pub forgets: Cell<bool>,
    pub accounting: Cell<bool>,
    /// What all commands say instead.
    pub broken: RefCell<Option<String>>,
}

fn ok(out: String) -> Said {
    Said { status: Some(0), out, err: String::new() }
}

fn failed(err: &str) -> Said {
    Said { status: Some(1), out: String::new(), err: err.to_string() }
}

impl Fake {
    fn sbatch(&self, words: &[String]) -> Said {
        let text = std::fs::read_to_string(words.last().unwrap()).unwrap();
        let option = |name: &str| {
            text.lines()
                .find_map(|l| l.strip_prefix(&format!("#SBATCH --{name}=")))
                .map(str::to_string)
        };
        let array = option("array").map(|a| a.split('-').nth(1).unwrap().parse::<usize>().unwrap());
        let exec = text.lines().last().unwrap();
        let words_of = exec.split('\'').skip(1).step_by(2).map(String::from);
        let mut program: Vec<String> = words_of.collect();
        assert_eq!(program.remove(0), "/opt/elqui", "{exec}");
        let after = words.iter().find_map(|w| w.strip_prefix("--dependency=afterany:"));
        let after = after.map(|a| a.split(':').map(|id| id.parse().unwrap()).collect());
        let mut jobs = self.jobs.borrow_mut();
        let id = 100 + jobs.len();
        jobs.push(FakeJob {
            id,
            name: option("job-name").unwrap(),
            after: after.unwrap_or_default(),
            words: program,
            states: vec!["PENDING"; array.map_or(1, |last| last + 1)],
            array: array.is_some(),
        });
        ok(format!("{id}\n"))
    }

    fn squeue(&self, words: &[String]) -> Said {
        let value = |name: &str| words.iter().find_map(|w| w.strip_prefix(name));
        let jobs = self.jobs.borrow();
        let open = |s: &&str| ["PENDING", "RUNNING"].contains(s);
        if let Some(name) = value("--name=") {
            let named = jobs.iter().filter(|j| j.name == name);
            let seen = named.filter(|j| !self.forgets.get() || j.states.iter().any(open));
            return ok(seen.map(|j| format!("{}\n", j.id)).collect());
        }
        let wanted: Vec<usize> =
            value("--jobs=").unwrap().split(',').map(|id| id.parse().unwrap()).collect();
        let mut out = String::new();
        for job in jobs.iter().filter(|j| wanted.contains(&j.id)) {
            for (part, state) in job.states.iter().enumerate() {
                if self.forgets.get() && !open(state) {
                    continue;
                }
                let part = if job.array { format!("_{part}") } else { String::new() };
                out += &format!("{}{part}|{state}|None\n", job.id);
            }
        }
        if out.is_empty() && wanted.len() == 1 {
            return failed("slurm_load_jobs error: Invalid job id specified");
        }
        ok(out)
    }

    fn sacct(&self, words: &[String]) -> Said {
        if !self.accounting.get() {
            return failed("Slurm accounting storage is disabled");
        }
        let forgets = self.forgets.replace(false);
        let mut said = self.squeue(words);
        self.forgets.set(forgets);
        said.out = said.out.replace("CANCELLED", "CANCELLED by 1000").replace("|None", "");
        said
    }

    pub fn scancel(&self, words: &[String]) -> Said {
        for job in self.jobs.borrow_mut().iter_mut() {
            if words.contains(&job.id.to_string()) {
                for state in job.states.iter_mut().filter(|s| ["PENDING", "RUNNING"].contains(*s)) {
                    *state = "CANCELLED";
                }
            }
        }
        ok(String::new())
    }

    pub fn set(&self, job: usize, part: usize, state: &'static str) {
        self.jobs.borrow_mut()[job].states[part] = state;
    }

    /// Run a part as Slurm would.
    pub fn run(&self, job: usize, number: usize) {
        let words = self.jobs.borrow()[job].words.clone();
        let id = self.jobs.borrow()[job].id.to_string();
        self.set(job, number, "RUNNING");
        let result = if words[0] == "merge" {
            let submission = Submission::open(Path::new(&words[1])).unwrap();
            elqui_pipeline::cluster::merge_records(&submission)
                .map(|_| ())
                .map_err(|e| e.to_string())
        } else {
            assert_eq!(words[0], "run-part");
            part(Path::new(&words[1]), words[2].parse().unwrap(), number, "node", &id)
        };
        self.set(job, number, if result.is_ok() { "COMPLETED" } else { "FAILED" });
    }

    /// Everything that waits, in the order of its dependencies.
    pub fn run_all(&self) {
        let count = self.jobs.borrow().len();
        for job in 0..count {
            let ended = |id: &usize| {
                let jobs = self.jobs.borrow();
                let before = jobs.iter().find(|j| j.id == *id).unwrap();
                before.states.iter().all(|s| !["PENDING", "RUNNING"].contains(s))
            };
            let after = self.jobs.borrow()[job].after.clone();
            assert!(after.iter().all(ended), "jobs are submitted in an order that can run");
            let states = self.jobs.borrow()[job].states.clone();
            for number in (0..states.len()).filter(|n| states[*n] == "PENDING") {
                self.run(job, number);
            }
        }
    }
}

impl Commands for Fake {
    fn run(&self, words: &[String]) -> Result<Said, PipelineError> {
        let call = self.calls.replace(self.calls.get() + 1);
        self.names.borrow_mut().push(words[0].clone());
        let cut = || PipelineError::Cluster { why: format!("cut off at {words:?}") };
        if self.lost.get() == Some((call, false)) {
            return Err(cut());
        }
        if let Some(broken) = self.broken.borrow().as_ref() {
            return Ok(failed(broken));
        }
        let said = match words[0].as_str() {
            "sbatch" => self.sbatch(words),
            "squeue" => self.squeue(words),
            "sacct" => self.sacct(words),
            "scancel" => self.scancel(words),
            other => panic!("{other}"),
        };
        if self.lost.get() == Some((call, true)) { Err(cut()) } else { Ok(said) }
    }
}
