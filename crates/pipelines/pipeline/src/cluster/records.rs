//! Results of cluster jobs as files, merged into the registry once.
//!
//! SQLite does not bear many machines that write over a network file system. So a job appends what it
//! finished to a file of its own (`GROUP-PART.jsonl`, a line a quantum, fsynced a batch), reads those
//! of the jobs before it to find what they made, and one process merges all of them at the end. A line
//! that a kill tore is passed over: its quantum is not done, and is done again.

use crate::error::{PipelineError, StepError};
use crate::run::record::Record;
use crate::task::{Datasets, Finished, Session};
use elqui_butler::{Artifact, DataId, Dataset, DatasetId, DatasetType};
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Quanta a transaction.
const BATCH: usize = 250;

/// A repository whose registry is only read; what is finished goes to a file.
pub struct Recorded<'a> {
    inner: &'a dyn Datasets,
    file: PathBuf,
    known: Arc<Known>,
}

/// What jobs recorded so far.
#[derive(Default)]
struct Known {
    artifacts: HashMap<DatasetId, Artifact>,
    /// By dataset type and run.
    existing: HashMap<(String, String), Vec<DataId>>,
}

impl<'a> Recorded<'a> {
    /// For one job: read what all jobs recorded in the folder until now.
    pub fn open(
        inner: &'a dyn Datasets,
        folder: &Path,
        group: usize,
        part: usize,
    ) -> Result<Self, PipelineError> {
        let mut known = Known::default();
        let path = || folder.display().to_string();
        std::fs::create_dir_all(folder)
            .map_err(|source| PipelineError::Read { path: path(), source })?;
        for file in files(folder)? {
            for record in records(&file)? {
                for output in record.outputs {
                    let at = (output.dataset_type, record.quantum.run.clone());
                    known.existing.entry(at).or_default().push(output.data_id);
                    if let (Some(id), Some(artifact)) = (output.id, output.artifact) {
                        known.artifacts.insert(id, artifact);
                    }
                }
            }
        }
        let file = folder.join(format!("{group}-{part}.jsonl"));
        Ok(Self { inner, file, known: Arc::new(known) })
    }
}

/// The files in the order of groups and parts.
fn files(folder: &Path) -> Result<Vec<PathBuf>, PipelineError> {
    let fail = |source| PipelineError::Read { path: folder.display().to_string(), source };
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let numbers = name.strip_suffix(".jsonl").and_then(|n| n.split_once('-'));
        let numbers =
            numbers.and_then(|(g, p)| Some((g.parse::<u32>().ok()?, p.parse::<u32>().ok()?)));
        all.extend(numbers.map(|n| (n, path.clone())));
    }
    all.sort();
    Ok(all.into_iter().map(|(_, path)| path).collect())
}

/// Whole lines of a file.
fn records(file: &Path) -> Result<Vec<Record>, PipelineError> {
    let fail = |source| PipelineError::Read { path: file.display().to_string(), source };
    let mut all = Vec::new();
    for line in BufReader::new(File::open(file).map_err(fail)?).split(b'\n') {
        // A torn line is no quantum.
        all.extend(serde_json::from_slice::<Record>(&line.map_err(fail)?).ok());
    }
    Ok(all)
}

/// What a merge did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Registered now, or by a merge before.
    pub quanta: usize,
    /// Recorded by two jobs: the first one counts.
    pub repeated: usize,
    /// What the registry refused, and why.
    pub refused: Vec<String>,
}

/// Register what all jobs recorded. A merge that was killed is run again: what is registered is
/// passed over.
pub fn merge(datasets: &dyn Datasets, folder: &Path) -> Result<Merged, PipelineError> {
    let mut session = datasets.session()?;
    let (mut merged, mut seen) = (Merged::default(), HashSet::new());
    for file in files(folder)? {
        let mut batch: Vec<Finished> = Vec::new();
        for record in records(&file)? {
            let ids: Vec<DatasetId> = record.outputs.iter().filter_map(|o| o.id).collect();
            if ids.iter().any(|id| seen.contains(id)) {
                merged.repeated += 1;
                continue;
            }
            seen.extend(ids);
            batch.push(record.into_finished());
            if batch.len() == BATCH {
                commit(session.as_mut(), &std::mem::take(&mut batch), &mut merged);
            }
        }
        commit(session.as_mut(), &batch, &mut merged);
    }
    Ok(merged)
}

fn commit(session: &mut dyn Session, batch: &[Finished], merged: &mut Merged) {
    if session.commit(batch).is_ok() {
        merged.quanta += batch.len();
        return;
    }
    for one in batch {
        match session.commit(std::slice::from_ref(one)) {
            Ok(()) => merged.quanta += 1,
            Err(why) => merged.refused.push(format!("{}{}: {why}", one.0.step, one.0.data_id)),
        }
    }
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
        let made = made.or_else(|| self.known.artifacts.get(&d.id));
        self.inner.read(d, made)
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
        let made = made.or_else(|| self.known.artifacts.get(&d.id));
        self.inner.local_path(d, made)
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
        })
    }

    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError> {
        let mut all = self.inner.existing(of, run)?;
        let recorded = self.known.existing.get(&(of.name.clone(), run.to_string()));
        all.extend(recorded.into_iter().flatten().cloned());
        Ok(all)
    }
}
