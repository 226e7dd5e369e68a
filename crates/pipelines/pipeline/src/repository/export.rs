//! Export: datasets, what they refer to and their files into a folder that another repository imports.
//!
//! Files first, the manifest last and atomically: a folder with a manifest is a whole export.
//! The collections that hold the datasets come along: runs, tags, validities, and the part of each chain
//! that leads to them.

use super::Repository;
use super::artifacts::{Artifacts, file_ending, outside};
use super::error::{RepositoryError, Result};
use super::manifest::{self, ExportedDataset, Line};
use elqui_butler::{
    Artifact, DataId, Dataset, DatasetId, Datastore, DimensionRecord, Transfer, Value,
    check_store_path,
};
use elqui_codec::{CodecError, atomic_write};
use elqui_datastore::FolderStore;
use elqui_registry::Select;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::path::Path;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    pub datasets: usize,
    pub records: usize,
    pub quanta: usize,
    pub bytes: i64,
}

impl Repository {
    /// Export datasets with their records, types, provenance and validities.
    /// - `mode`: of the files: copy, move, link or symlink. After a move the datasets are removed here.
    pub fn export(&mut self, ids: &[DatasetId], folder: &Path, mode: Transfer) -> Result<Exported> {
        let refuse = |why: &str| RepositoryError::Export {
            folder: folder.to_path_buf(),
            why: why.to_string(),
        };
        if mode == Transfer::Direct {
            return Err(refuse("files cannot stay in place: choose copy, move, link or symlink"));
        }
        if folder.join(manifest::FILE).exists() {
            return Err(refuse("it holds an export already; choose an empty folder"));
        }
        let mut seen = HashSet::new();
        let mut all: Vec<(Dataset, Option<Artifact>)> = Vec::with_capacity(ids.len());
        for id in ids.iter().filter(|id| seen.insert(**id)) {
            let dataset =
                self.registry.dataset(*id)?.ok_or_else(|| RepositoryError::NoDataset {
                    dataset: id.to_string(),
                    collections: self.root.display().to_string(),
                })?;
            all.push((dataset, self.registry.artifacts(&[*id])?.pop().map(|(_, a)| a)));
        }
        let mut lines = vec![Line::Export { version: manifest::VERSION }];
        let types: BTreeSet<&str> = all.iter().map(|(d, _)| d.name.dataset_type.as_str()).collect();
        for name in types {
            lines.push(Line::DatasetType(self.dataset_type(name)?));
        }
        let records = self.records_of(all.iter().map(|(d, _)| &d.name.data_id))?;
        let mut done = Exported { records: records.len(), ..Exported::default() };
        lines.extend(records.into_iter().map(Line::Record));
        let mut quanta = BTreeMap::new();
        let mut made = Vec::with_capacity(all.len());
        for (dataset, _) in &all {
            let quantum = self.registry.quantum_of(dataset.id)?;
            made.push(quantum.as_ref().map(|q| q.id));
            quanta.extend(quantum.map(|q| (q.id, q)));
        }
        done.quanta = quanta.len();
        lines.extend(quanta.into_values().map(Line::Quantum));

        let store = FolderStore::open(&folder.join(manifest::FILES))?;
        let files_here = self.artifacts();
        // A file of several datasets is handed over once.
        let mut first: HashMap<&str, usize> = HashMap::new();
        let paths = all.iter().map(|(_, a)| a.as_ref().map(|a| a.path.as_str())).enumerate();
        let of: Vec<usize> =
            paths.map(|(k, path)| path.map_or(k, |p| *first.entry(p).or_insert(k))).collect();
        let files = all.par_iter().enumerate().map(|(k, (d, a))| match (a, of[k] == k) {
            (Some(artifact), true) => hand_over(&files_here, &store, d, artifact, mode).map(Some),
            _ => Ok(None),
        });
        let files = files.collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>>>()?;
        done.bytes = files.iter().flatten().map(|a| a.size_bytes).sum();
        for (k, ((dataset, artifact), quantum)) in all.iter().zip(made).enumerate() {
            let handed = files[of[k]].clone();
            let artifact = handed
                .zip(artifact.as_ref())
                .map(|(file, own)| Artifact { formatter: own.formatter.clone(), ..file });
            done.datasets += 1;
            let dataset = dataset.clone();
            lines.push(Line::Dataset(ExportedDataset { dataset, quantum, artifact }));
        }
        let datasets: Vec<&Dataset> = all.iter().map(|(d, _)| d).collect();
        lines.extend(self.held_by(&datasets)?);
        lines.push(Line::End { lines: lines.len() });
        let file = folder.join(manifest::FILE);
        atomic_write(&file, |to: &mut dyn Write| {
            for line in &lines {
                serde_json::to_writer(&mut *to, line)
                    .map_err(|e| CodecError::write(&file, e.into()))?;
                to.write_all(b"\n").map_err(|e| CodecError::write(&file, e))?;
            }
            Ok::<(), CodecError>(())
        })?;
        if mode == Transfer::Move {
            let ids: Vec<DatasetId> = all.iter().map(|(d, _)| d.id).collect();
            self.remove(&ids)?;
        }
        Ok(done)
    }

    fn visits_of(&mut self, exposure: &DataId) -> Result<Vec<DataId>> {
        let terms = exposure.iter().map(|(d, v)| match v {
            Value::Int(v) => format!("{d} = {v}"),
            Value::Text(v) => format!("{d} = '{}'", v.replace('\'', "''")),
        });
        let condition = terms.collect::<Vec<_>>().join(" AND ");
        let found = self.registry.records("visit_definition", &Select::condition(&condition))?;
        Ok(found.into_iter().map(|r| r.data_id).collect())
    }

    /// The records that data ids name, those that they refer to, and the relations between them.
    fn records_of<'a>(
        &mut self,
        data_ids: impl Iterator<Item = &'a DataId>,
    ) -> Result<Vec<DimensionRecord>> {
        let universe = self.registry.universe().clone();
        let elements: Vec<_> = universe.elements().iter().filter(|e| e.stored).cloned().collect();
        let mut found: BTreeMap<(usize, DataId), DimensionRecord> = BTreeMap::new();
        let mut known: HashSet<(usize, DataId)> = HashSet::new();
        let mut visits: HashMap<DataId, Vec<DataId>> = HashMap::new();
        let mut all = Vec::new();
        for data_id in data_ids {
            all.push(data_id.clone());
            // A raw frame's visit is not in its data id, and where it looked hangs on the visit.
            let exposure = data_id.only(&["instrument", "exposure"]);
            if exposure.len() < 2 || data_id.get("visit").is_some() {
                continue;
            }
            if !visits.contains_key(&exposure) {
                let found = self.visits_of(&exposure)?;
                visits.insert(exposure.clone(), found);
            }
            for visit in &visits[&exposure] {
                let mut both = data_id.clone();
                extend(&mut both, visit);
                all.push(both);
            }
        }
        for mut data_id in all {
            // Backwards, for what a record implies comes before it in the universe.
            for (k, element) in elements.iter().enumerate().rev() {
                let key = data_id.only(&element.required);
                if element.required.iter().any(|d| key.get(d).is_none()) {
                    continue;
                }
                if let Some(record) = found.get(&(k, key.clone())) {
                    extend(&mut data_id, &record.data_id);
                    continue;
                }
                if !known.insert((k, key.clone())) {
                    continue;
                }
                if let Some(record) = self.registry.record(&element.name, &key)? {
                    extend(&mut data_id, &record.data_id);
                    found.insert((k, key), record);
                }
            }
        }
        Ok(found.into_values().collect())
    }
}

/// A dataset's file into the export, under its path in the store.
fn hand_over(
    here: &Artifacts,
    to: &FolderStore,
    dataset: &Dataset,
    artifact: &Artifact,
    mode: Transfer,
) -> Result<Artifact> {
    let ending = file_ending(artifact);
    let dot = if ending.is_empty() { "" } else { "." };
    let path = match outside(artifact) {
        Some(_) => format!("in_place/{}{dot}{ending}", dataset.id),
        None => artifact.path.clone(),
    };
    check_store_path(&path)?;
    // Rows go before files, so a move leaves the file until its row is gone.
    let mode = if mode == Transfer::Move { Transfer::Link } else { mode };
    if mode != Transfer::Copy
        && let Some(local) = here.own_path(artifact)
        && to.put_file(&path, &local, mode, false).is_ok()
    {
        return Ok(Artifact { path, ..artifact.clone() });
    }
    let stored = to.put(&path, &here.read(dataset.id, artifact)?)?;
    Ok(Artifact { path, checksum: stored.checksum, ..artifact.clone() })
}

/// With what a record implies.
fn extend(data_id: &mut DataId, more: &DataId) {
    for (dimension, value) in more {
        if data_id.get(dimension).is_none() {
            data_id.insert(dimension, value);
        }
    }
}
