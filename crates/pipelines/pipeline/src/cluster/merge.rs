//! The records of all jobs into the registry, once.
//!
//! Of a quantum that two jobs finished the first record counts; where the two wrote different bytes, the one
//! whose bytes are there. What is registered already is passed over, so a merge that was killed is run again.
//! No row ever names a file that is not there: a record of one counts as lost.

use crate::cluster::records::{files, records};
use crate::error::{PipelineError, StepError};
use crate::repository::Artifacts;
use crate::run::record::{Output, Record};
use crate::task::{Datasets, Finished, Session};
use elqui_butler::{Artifact, Dataset, DatasetId, DatasetRef};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Quanta a transaction.
const BATCH: usize = 250;

/// What a merge did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// Registered now, or by a merge before.
    pub quanta: usize,
    /// Recorded by two jobs: one of them counts.
    pub repeated: usize,
    /// What the registry refused, and why.
    pub refused: Vec<String>,
    /// Recorded, but a file is not there or is not the one that was recorded: to be made again.
    #[serde(default)]
    pub lost: Vec<String>,
}

impl Merged {
    /// What is not as it should be, in one line.
    pub fn problem(&self) -> Option<String> {
        let mut all = Vec::new();
        for (what, list) in [("were refused", &self.refused), ("lost their files", &self.lost)] {
            let first = list.first().map(|f| format!("{} records {what}, such as {f}", list.len()));
            all.extend(first);
        }
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Register what all jobs recorded in a folder.
pub fn merge(datasets: &dyn Datasets, folder: &Path) -> Result<Merged, PipelineError> {
    merge_files(datasets, folder, None, &|_| false)
}

/// The same, where each file is looked at before its row is made.
/// - `doubt`: whether records of such a file are believed only with their checksums
pub(super) fn merge_files(
    datasets: &dyn Datasets,
    folder: &Path,
    store: Option<&Artifacts>,
    doubt: &dyn Fn(&Path) -> bool,
) -> Result<Merged, PipelineError> {
    let files = files(folder)?;
    // Checksums that differ between two records of one dataset.
    let (mut sums, mut unsure) = (HashMap::new(), HashSet::new());
    for file in &files {
        for (id, sum) in records(file)?.iter().flat_map(|r| &r.outputs).filter_map(sum) {
            if *sums.entry(id).or_insert_with(|| sum.clone()) != sum {
                unsure.insert(id);
            }
        }
    }
    drop(sums);
    let mut merge = Merge {
        session: datasets.session()?,
        merged: Merged::default(),
        seen: HashSet::new(),
        refused: Vec::new(),
        lost: Vec::new(),
    };
    for file in &files {
        let all_doubtful = doubt(file);
        let (mut batch, mut in_batch) = (Vec::new(), HashSet::new());
        let mut left = records(file)?.into_iter().peekable();
        while left.peek().is_some() {
            let some: Vec<Record> = left.by_ref().take(BATCH).collect();
            let doubtful: Vec<bool> = some
                .iter()
                .map(|r| all_doubtful || ids(r).iter().any(|id| unsure.contains(id)))
                .collect();
            let why = merge.look(&some, &doubtful, store)?;
            for (record, why) in some.into_iter().zip(why) {
                let ids = ids(&record);
                if ids.iter().any(|id| in_batch.contains(id)) {
                    // Whether the one before it counts must be known first.
                    merge.commit(&std::mem::take(&mut batch))?;
                    in_batch.clear();
                }
                if ids.iter().any(|id| merge.seen.contains(id)) {
                    merge.merged.repeated += 1;
                } else if let Some(why) = why {
                    let name = format!("{}{}", record.quantum.step, record.quantum.data_id);
                    merge.lost.push((ids, format!("{name}: {why}")));
                } else {
                    in_batch.extend(ids);
                    batch.push(record.into_finished());
                }
            }
            merge.commit(&std::mem::take(&mut batch))?;
            in_batch.clear();
        }
    }
    Ok(merge.end())
}

fn ids(record: &Record) -> Vec<DatasetId> {
    record.outputs.iter().filter_map(|o| o.id).collect()
}

fn sum(output: &Output) -> Option<(DatasetId, String)> {
    Some((output.id?, output.artifact.as_ref()?.checksum.clone()))
}

struct Merge {
    session: Box<dyn Session>,
    merged: Merged,
    /// What is registered.
    seen: HashSet<DatasetId>,
    /// Another record of the same may count yet.
    refused: Vec<(Vec<DatasetId>, String)>,
    lost: Vec<(Vec<DatasetId>, String)>,
}

impl Merge {
    /// For each record what is wrong with its files, if anything is.
    fn look(
        &mut self,
        some: &[Record],
        doubtful: &[bool],
        store: Option<&Artifacts>,
    ) -> Result<Vec<Option<String>>, PipelineError> {
        let Some(store) = store else {
            let all = some.iter().zip(doubtful);
            let why = |(record, doubt): (&Record, &bool)| {
                (*doubt && !self.is_there(record)).then(|| "other bytes are there".to_string())
            };
            return Ok(all.map(why).collect());
        };
        let look = |(record, doubt): (&Record, &bool)| -> Result<Option<String>, PipelineError> {
            for artifact in record.outputs.iter().filter_map(|o| o.artifact.as_ref()) {
                if let Some(why) = wrong_file(store, artifact, *doubt)? {
                    return Ok(Some(format!("`{}` {why}", artifact.path)));
                }
            }
            Ok(None)
        };
        some.par_iter().zip(doubtful).map(look).collect()
    }

    /// Whether the bytes that the record tells of are those that are there.
    fn is_there(&mut self, record: &Record) -> bool {
        record.outputs.iter().all(|o| {
            let Some(id) = o.id else { return true };
            let name =
                DatasetRef { dataset_type: o.dataset_type.clone(), data_id: o.data_id.clone() };
            let dataset = Dataset { id, run: record.quantum.run.clone(), name };
            self.session.read(&dataset, o.artifact.as_ref()).is_ok()
        })
    }

    /// An error is of the registry as a whole: the rest of the records would fail as well.
    fn commit(&mut self, batch: &[Finished]) -> Result<(), PipelineError> {
        if batch.is_empty() {
            return Ok(());
        }
        match self.session.commit(batch) {
            Ok(()) => {
                self.merged.quanta += batch.len();
                batch.iter().for_each(|one| self.seen.extend(made(one)));
                return Ok(());
            }
            Err(why @ (StepError::Registry(_) | StepError::Cancelled)) => return Err(why.into()),
            Err(_) => {}
        }
        for one in batch {
            match self.session.commit(std::slice::from_ref(one)) {
                Ok(()) => self.merged.quanta += 1,
                Err(why @ (StepError::Registry(_) | StepError::Cancelled)) => {
                    return Err(why.into());
                }
                // A job that was thought to be lost, after a merge without it.
                Err(_) if self.session.made_elsewhere(one).unwrap_or(false) => {
                    self.merged.repeated += 1;
                }
                Err(why) => {
                    let name = format!("{}{}", one.0.step, one.0.data_id);
                    self.refused.push((made(one).collect(), format!("{name}: {why}")));
                    continue;
                }
            }
            self.seen.extend(made(one));
        }
        Ok(())
    }

    fn end(mut self) -> Merged {
        let mut told = HashSet::new();
        let mut open = |all: Vec<(Vec<DatasetId>, String)>| -> Vec<String> {
            let all = all.into_iter().filter_map(|(ids, why)| {
                let counts = ids.iter().any(|id| self.seen.contains(id) || !told.insert(*id));
                self.merged.repeated += usize::from(counts);
                (!counts).then_some(why)
            });
            all.collect()
        };
        let (refused, lost) = (open(self.refused), open(self.lost));
        Merged { refused, lost, ..self.merged }
    }
}

fn made(one: &Finished) -> impl Iterator<Item = DatasetId> {
    one.1.iter().flat_map(|(_, all)| all).filter_map(|new| new.id)
}

/// What is wrong with a recorded file; that the store cannot be asked is an error.
fn wrong_file(
    store: &Artifacts,
    artifact: &Artifact,
    doubtful: bool,
) -> Result<Option<String>, PipelineError> {
    let fail = |e: crate::repository::RepositoryError| StepError::failed(e);
    match store.size_bytes(artifact).map_err(fail)? {
        None => return Ok(Some("is not there".into())),
        Some(size) if size as i64 != artifact.size_bytes => {
            return Ok(Some(format!("has {size} bytes instead of {}", artifact.size_bytes)));
        }
        Some(_) => {}
    }
    if !doubtful || artifact.checksum.is_empty() {
        return Ok(None);
    }
    let sum = store.checksum(artifact).map_err(fail)?;
    let differs = elqui_datastore::matches(&artifact.checksum, &sum) == Some(false);
    Ok(differs.then(|| "has other bytes than were recorded".to_string()))
}
