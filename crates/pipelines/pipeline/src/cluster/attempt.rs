//! Attempts at a part: who ran it, what came of it, and which one counts.
//!
//! A machine that is lost may be alive all the same, and its job be run again elsewhere. So each attempt
//! takes the next free number by making `parts/K-P.N.json`, which only one process can, and one
//! that finds a later number (or a later round) writes nothing more.

use crate::cluster::folder::{read_json, write_json};
use crate::error::{PipelineError, StepError};
use crate::run::{QuantumReport, RunReport, Status};
use crate::task::{Cancel, Datasets, Finished, Lazy, Session};
use elqui_butler::{Artifact, DataId, Dataset, DatasetType};
use elqui_codec::CodecError;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Nothing is tried so often.
const ATTEMPTS_MAX: usize = 10_000;

/// A quantum that a job tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    pub number: u32,
    pub attempts: u32,
    pub thread: usize,
    pub start_s: f64,
    pub wall_s: f64,
    /// Of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An attempt at a part; at its begin most of it is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartEnd {
    pub group: usize,
    pub part: usize,
    pub attempt: usize,
    pub host: String,
    /// The batch system's id of the job, where the job knows it.
    pub job: String,
    pub threads: usize,
    /// Nanoseconds of TAI since 1970.
    pub started_ns: i64,
    pub ended: bool,
    pub wall_s: f64,
    pub done: usize,
    pub existed: usize,
    /// Numbers of quanta that could not run, since what they read was not made.
    pub blocked: Vec<u32>,
    pub ran: Vec<Ran>,
    /// Why the whole attempt broke off.
    pub error: Option<String>,
}

impl PartEnd {
    /// Whether all of the part is there now.
    pub fn is_complete(&self) -> bool {
        self.ended && self.error.is_none() && self.blocked.is_empty() && self.failed() == 0
    }

    pub fn failed(&self) -> usize {
        self.ran.iter().filter(|r| r.why.is_some()).count()
    }

    pub(crate) fn take(&mut self, report: &RunReport) {
        self.wall_s = report.wall_s;
        self.done = report.count(Status::Done);
        self.existed = report.count(Status::Existed);
        let blocked = report.statuses.iter().enumerate().filter(|(_, s)| **s == Status::Blocked);
        self.blocked.extend(blocked.map(|(number, _)| number as u32));
        self.blocked.sort_unstable();
        self.ran = report.quanta.iter().map(Ran::new).collect();
    }
}

impl Ran {
    fn new(of: &QuantumReport) -> Self {
        Self {
            number: of.number,
            attempts: of.attempts,
            thread: of.thread,
            start_s: of.start_s,
            wall_s: of.wall_s,
            why: of.why.clone(),
        }
    }
}

fn path(folder: &Path, group: usize, part: usize, attempt: usize) -> PathBuf {
    folder.join("parts").join(format!("{group}-{part}.{attempt}.json"))
}

/// Take the next free number, and say who has it.
pub(crate) fn begin(folder: &Path, mut end: PartEnd) -> Result<PartEnd, PipelineError> {
    for attempt in 0..ATTEMPTS_MAX {
        end.attempt = attempt;
        let path = path(folder, end.group, end.part, attempt);
        let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = match made {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
            made => made.map_err(|e| CodecError::write(&path, e))?,
        };
        let text = serde_json::to_vec(&end).unwrap_or_default();
        file.write_all(&text).map_err(|e| CodecError::write(&path, e))?;
        return Ok(end);
    }
    Err(PipelineError::Cluster {
        why: format!("part {} of group {} was tried too often", end.part, end.group),
    })
}

pub(crate) fn finish(folder: &Path, end: &PartEnd) -> Result<(), PipelineError> {
    write_json(&path(folder, end.group, end.part, end.attempt), end)
}

/// All attempts in the order of groups, parts and numbers. One whose file is torn is known by its name.
pub(crate) fn all(folder: &Path) -> Result<Vec<PartEnd>, PipelineError> {
    let at = folder.join("parts");
    let fail = |source| PipelineError::Read { path: at.display().to_string(), source };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&at).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let Some((group, part, attempt)) = numbers(name.strip_suffix(".json").unwrap_or_default())
        else {
            continue;
        };
        let read = read_json::<PartEnd>(&path).unwrap_or_default();
        all.push(PartEnd { group, part, attempt, ..read });
    }
    all.sort_by_key(|p| (p.group, p.part, p.attempt));
    Ok(all)
}

/// `K-P` or `K-P.N`.
pub(crate) fn numbers(name: &str) -> Option<(usize, usize, usize)> {
    let (group, rest) = name.split_once('-')?;
    let (part, attempt) = rest.split_once('.').unwrap_or((rest, "0"));
    Some((group.parse().ok()?, part.parse().ok()?, attempt.parse().ok()?))
}

/// A repository that an attempt writes to while it is the one that counts.
pub(crate) struct Fenced<'a> {
    inner: &'a dyn Datasets,
    fence: Fence,
}

#[derive(Clone)]
struct Fence {
    /// What is there when somebody else took over.
    marks: [PathBuf; 2],
    cancel: Cancel,
}

impl Fence {
    fn check(&self) -> Result<(), StepError> {
        if self.marks.iter().any(|m| m.exists()) {
            self.cancel.cancel();
            return Err(StepError::Cancelled);
        }
        Ok(())
    }
}

impl<'a> Fenced<'a> {
    pub fn new(
        inner: &'a dyn Datasets,
        folder: &Path,
        mine: &PartEnd,
        round: usize,
        cancel: &Cancel,
    ) -> Self {
        let later = path(folder, mine.group, mine.part, mine.attempt + 1);
        let marks = [later, round_mark(folder, round + 1)];
        Self { inner, fence: Fence { marks, cancel: cancel.clone() } }
    }

    pub fn is_overtaken(&self) -> bool {
        self.fence.check().is_err()
    }
}

/// Rounds before it must end.
pub(crate) fn round_mark(folder: &Path, round: usize) -> PathBuf {
    folder.join(format!("round-{round}"))
}

impl Datasets for Fenced<'_> {
    fn session(&self) -> Result<Box<dyn Session>, StepError> {
        Ok(Box::new(FencedSession { inner: self.inner.session()?, fence: self.fence.clone() }))
    }
}

struct FencedSession {
    inner: Box<dyn Session>,
    fence: Fence,
}

impl Session for FencedSession {
    fn read(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Vec<u8>, StepError> {
        self.inner.read(d, made)
    }

    fn lazy(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Lazy, StepError> {
        self.inner.lazy(d, made)
    }

    fn write(
        &mut self,
        d: &Dataset,
        of: &DatasetType,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Option<Artifact>, StepError> {
        self.fence.check()?;
        self.inner.write(d, of, ending, bytes)
    }

    fn local_path(&mut self, d: &Dataset, made: Option<&Artifact>) -> Option<PathBuf> {
        self.inner.local_path(d, made)
    }

    fn commit(&mut self, quanta: &[Finished]) -> Result<(), StepError> {
        self.fence.check()?;
        self.inner.commit(quanta)
    }

    fn made_elsewhere(&mut self, quantum: &Finished) -> Result<bool, StepError> {
        self.inner.made_elsewhere(quantum)
    }

    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError> {
        self.inner.existing(of, run)
    }
}
