//! The records of all jobs into the registry, once.
//!
//! Of a quantum that two jobs finished the first record counts; where the two wrote different bytes, the one
//! whose bytes are there. What is registered already is passed over, so a merge that was killed is run again.

use crate::cluster::records::{files, records};
use crate::error::PipelineError;
use crate::run::record::{Output, Record};
use crate::task::{Datasets, Finished, Session};
use elqui_butler::{Dataset, DatasetId, DatasetRef};
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
}

/// Register what all jobs recorded in a folder.
pub fn merge(datasets: &dyn Datasets, folder: &Path) -> Result<Merged, PipelineError> {
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
    let mut merge = Merge { session: datasets.session()?, merged: Merged::default() };
    let mut seen: HashSet<DatasetId> = HashSet::new();
    for file in &files {
        let mut batch: Vec<Finished> = Vec::new();
        for record in records(file)? {
            let ids: Vec<DatasetId> = record.outputs.iter().filter_map(|o| o.id).collect();
            let again = ids.iter().any(|id| seen.contains(id));
            let doubtful = ids.iter().any(|id| unsure.contains(id));
            if again || (doubtful && !merge.is_there(&record)) {
                merge.merged.repeated += 1;
                continue;
            }
            seen.extend(ids);
            batch.push(record.into_finished());
            if batch.len() == BATCH {
                merge.commit(&std::mem::take(&mut batch));
            }
        }
        merge.commit(&batch);
    }
    Ok(merge.merged)
}

fn sum(output: &Output) -> Option<(DatasetId, String)> {
    Some((output.id?, output.artifact.as_ref()?.checksum.clone()))
}

struct Merge {
    session: Box<dyn Session>,
    merged: Merged,
}

impl Merge {
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

    fn commit(&mut self, batch: &[Finished]) {
        if batch.is_empty() {
            return;
        }
        if self.session.commit(batch).is_ok() {
            self.merged.quanta += batch.len();
            return;
        }
        for one in batch {
            match self.session.commit(std::slice::from_ref(one)) {
                Ok(()) => self.merged.quanta += 1,
                // A job that was thought to be lost, after a merge without it.
                Err(_) if self.session.made_elsewhere(one).unwrap_or(false) => {
                    self.merged.repeated += 1;
                }
                Err(why) => {
                    let name = format!("{}{}", one.0.step, one.0.data_id);
                    self.merged.refused.push(format!("{name}: {why}"));
                }
            }
        }
    }
}
