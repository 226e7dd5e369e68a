//! Results of cluster jobs as files, merged into the registry once.
//!
//! SQLite does not bear many machines that write over a network file system. So each attempt at a part
//! appends what it finished to a file of its own (`GROUP-PART.ATTEMPT.jsonl`, a line a quantum, fsynced a
//! batch), reads those of the jobs before it to find what they made, and one process merges all of them at
//! the end. A line that a kill tore is passed over: its quantum is not done, and is done again.

use crate::cluster::attempt::numbers;
use crate::error::{PipelineError, StepError};
use crate::run::record::Record;
use crate::task::{Datasets, Finished, Lazy, Session};
use elqui_butler::{Artifact, DataId, Dataset, DatasetId, DatasetType};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// A repository whose registry is only read; what is finished goes to a file.
pub struct Recorded<'a> {
    inner: &'a dyn Datasets,
    file: PathBuf,
    known: Arc<Known>,
}

/// What jobs recorded so far.
#[derive(Default)]
struct Known {
    /// This job's own are added when they are recorded: from then on it finds them here only.
    artifacts: RwLock<HashMap<DatasetId, Artifact>>,
    /// By dataset type and run, before this job.
    existing: HashMap<(String, String), Vec<DataId>>,
}

impl Known {
    fn artifact(&self, id: DatasetId) -> Option<Artifact> {
        self.artifacts.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn add(&self, all: impl Iterator<Item = (DatasetId, Artifact)>) {
        self.artifacts.write().unwrap_or_else(PoisonError::into_inner).extend(all);
    }
}

impl<'a> Recorded<'a> {
    /// For one job: read what all jobs recorded in the folder until now.
    pub fn open(
        inner: &'a dyn Datasets,
        folder: &Path,
        group: usize,
        part: usize,
    ) -> Result<Self, PipelineError> {
        let free = |n: &usize| !folder.join(name(group, part, *n)).exists();
        let attempt = (0..).find(free).unwrap_or_default();
        Self::open_attempt(inner, folder, group, part, attempt)
    }

    /// The same, where the attempt has a number that nobody else has.
    pub fn open_attempt(
        inner: &'a dyn Datasets,
        folder: &Path,
        group: usize,
        part: usize,
        attempt: usize,
    ) -> Result<Self, PipelineError> {
        let mut recorded = Self::reading(inner, folder)?;
        recorded.file = folder.join(name(group, part, attempt));
        Ok(recorded)
    }

    /// Without a file: nothing can be finished.
    pub(crate) fn reading(inner: &'a dyn Datasets, folder: &Path) -> Result<Self, PipelineError> {
        let (mut known, mut artifacts) = (Known::default(), Vec::new());
        let path = || folder.display().to_string();
        std::fs::create_dir_all(folder)
            .map_err(|source| PipelineError::Read { path: path(), source })?;
        for file in files(folder)? {
            for record in records(&file)? {
                for output in record.outputs {
                    let at = (output.dataset_type, record.quantum.run.clone());
                    known.existing.entry(at).or_default().push(output.data_id);
                    artifacts.extend(output.id.zip(output.artifact));
                }
            }
        }
        known.add(artifacts.into_iter());
        Ok(Self { inner, file: PathBuf::new(), known: Arc::new(known) })
    }
}

/// Of an attempt's file.
fn name(group: usize, part: usize, attempt: usize) -> String {
    match attempt {
        0 => format!("{group}-{part}.jsonl"),
        n => format!("{group}-{part}.{n}.jsonl"),
    }
}

/// The files in the order of groups, parts and attempts.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, PipelineError> {
    let fail = |source| PipelineError::Read { path: folder.display().to_string(), source };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let numbers = name.strip_suffix(".jsonl").and_then(numbers);
        all.extend(numbers.map(|n| (n, path.clone())));
    }
    all.sort();
    Ok(all.into_iter().map(|(_, path)| path).collect())
}

/// Whole lines of a file.
pub(super) fn records(file: &Path) -> Result<Vec<Record>, PipelineError> {
    let fail = |source| PipelineError::Read { path: file.display().to_string(), source };
    let mut all = Vec::new();
    for line in BufReader::new(File::open(file).map_err(fail)?).split(b'\n') {
        // A torn line is no quantum.
        all.extend(serde_json::from_slice::<Record>(&line.map_err(fail)?).ok());
    }
    Ok(all)
}

impl Datasets for Recorded<'_> {
    fn session(&self) -> Result<Box<dyn Session>, StepError> {
        let inner = self.inner.session()?;
        let (file, known) = (self.file.clone(), self.known.clone());
        Ok(Box::new(RecordedSession { inner, file, known, open: None }))
    }
}

struct RecordedSession {
    inner: Box<dyn Session>,
    file: PathBuf,
    known: Arc<Known>,
    open: Option<File>,
}

impl RecordedSession {
    /// The job's file; a line that a kill tore is ended first, so that it spoils no other.
    fn open(&mut self) -> std::io::Result<&mut File> {
        if self.open.is_none() {
            let mut options = OpenOptions::new();
            let mut file = options.create(true).append(true).read(true).open(&self.file)?;
            let mut last = [b'\n'];
            if file.seek(SeekFrom::End(0))? > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            if last != [b'\n'] {
                file.write_all(b"\n")?;
            }
            self.open = Some(file);
        }
        self.open.as_mut().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

impl Session for RecordedSession {
    fn read(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Vec<u8>, StepError> {
        let made = made.cloned().or_else(|| self.known.artifact(d.id));
        self.inner.read(d, made.as_ref())
    }

    fn lazy(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Lazy, StepError> {
        let made = made.cloned().or_else(|| self.known.artifact(d.id));
        self.inner.lazy(d, made.as_ref())
    }

    fn write(
        &mut self,
        d: &Dataset,
        of: &DatasetType,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Option<Artifact>, StepError> {
        self.inner.write(d, of, ending, bytes)
    }

    fn local_path(&mut self, d: &Dataset, made: Option<&Artifact>) -> Option<PathBuf> {
        let made = made.cloned().or_else(|| self.known.artifact(d.id));
        self.inner.local_path(d, made.as_ref())
    }

    fn commit(&mut self, quanta: &[Finished]) -> Result<(), StepError> {
        let mut lines = Vec::new();
        for one in quanta {
            serde_json::to_writer(&mut lines, &Record::new(one)).map_err(StepError::failed)?;
            lines.push(b'\n');
        }
        let name = self.file.display().to_string();
        let written = self.open().and_then(|file| {
            file.write_all(&lines)?;
            file.sync_data()
        });
        written.map_err(|e| {
            // Half a batch may be there: the next one begins on a line of its own.
            self.open = None;
            StepError::Failed(format!("the record `{name}` cannot be written: {e}"))
        })?;
        let made = quanta.iter().flat_map(|(_, made)| made).flat_map(|(_, new)| new);
        self.known.add(made.filter_map(|new| new.id.zip(new.artifact.clone())));
        Ok(())
    }

    fn made_elsewhere(&mut self, quantum: &Finished) -> Result<bool, StepError> {
        self.inner.made_elsewhere(quantum)
    }

    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError> {
        let mut all = self.inner.existing(of, run)?;
        let recorded = self.known.existing.get(&(of.name.clone(), run.to_string()));
        all.extend(recorded.into_iter().flatten().cloned());
        Ok(all)
    }
}
