//! Import: an export's datasets with their ids, all of them or none, and the collections that hold them.
//!
//! A dataset that is there already with the same name, run and checksum is passed over, so importing twice
//! changes nothing; one whose id means something else here is refused before anything is written.

use super::Repository;
use super::artifacts::{Artifacts, is_shared};
use super::error::{RepositoryError, Result};
use super::manifest::{self, ExportedDataset, Line};
use super::membership::Membership;
use elqui_butler::{
    Artifact, CollectionKind, Dataset, DatasetId, DatasetType, Datastore, Quantum, Transfer,
    check_store_path,
};
use elqui_datastore::FolderStore;
use elqui_registry::{NewDataset, Part};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    pub new: usize,
    pub known: usize,
    pub records: usize,
    pub bytes: i64,
}

impl Repository {
    /// Import what [`export`](Self::export) wrote.
    /// - `mode`: of the files: copy, move, link or symlink; their sums are compared first
    pub fn import(&mut self, folder: &Path, mode: Transfer) -> Result<Imported> {
        let file = folder.join(manifest::FILE);
        let refuse = |why: String| RepositoryError::Import { file: file.clone(), why };
        if mode == Transfer::Direct {
            let why = "files cannot stay in place: choose copy, move, link or symlink".to_string();
            return Err(refuse(why));
        }
        let (mut records, mut types, mut datasets) = (Vec::new(), Vec::new(), Vec::new());
        let mut quanta: HashMap<DatasetId, Quantum> = HashMap::new();
        let mut membership = Membership::default();
        for line in manifest::read(folder)? {
            match line {
                Line::Record(record) => records.push(record),
                Line::DatasetType(of) => types.push(of),
                Line::Dataset(dataset) => datasets.push(dataset),
                Line::Quantum(quantum) => {
                    quanta.insert(quantum.id, quantum);
                }
                Line::Validity { collection, dataset, validity } => {
                    membership.validities.push((collection, dataset, validity));
                }
                Line::Collection(one) => membership.collections.push(one),
                Line::Tag { collection, dataset } => {
                    membership.tags.entry(collection).or_default().push(dataset);
                }
                Line::Export { .. } | Line::End { .. } => {}
            }
        }
        let mut ids = HashSet::new();
        if let Some(twice) = datasets.iter().find(|d| !ids.insert(d.dataset.id)) {
            return Err(refuse(format!("the dataset {} is in it twice", twice.dataset.id)));
        }
        let mut todo = Vec::new();
        for one in &datasets {
            match self.registry.dataset(one.dataset.id)? {
                None => todo.push(one),
                Some(found) => self.same(&found, one).map_err(refuse)?,
            }
        }
        for one in &todo {
            if one.quantum.is_some_and(|q| !quanta.contains_key(&q)) {
                let why = format!("the quantum of dataset {} is missing", one.dataset.id);
                return Err(refuse(why));
            }
        }
        let names = datasets.iter().map(|d| (d.dataset.id, &d.dataset.name)).collect();
        if let Some(why) = self.no_room(&membership, &names)? {
            return Err(refuse(why));
        }
        for of in &types {
            self.registry.register_dataset_type(of)?;
        }
        for run in membership.collections.iter().filter(|c| c.kind == CollectionKind::Run) {
            self.registry.register_collection(&run.name, run.kind, &run.doc)?;
        }
        let runs: HashSet<&str> = todo.iter().map(|d| d.dataset.run.as_str()).collect();
        for run in runs.into_iter().chain(quanta.values().map(|q| q.run.as_str())) {
            self.run(run)?;
        }
        let mut from = Vec::with_capacity(todo.len());
        for one in &todo {
            let of = self.dataset_type(&one.dataset.name.dataset_type)?;
            of.values(&one.dataset.name.data_id)?;
            from.push((*one, of));
        }
        let source = FolderStore::open(&folder.join(manifest::FILES))?;
        // A file of several datasets is taken once; where some of them are here already, so is it.
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (k, (one, _)) in from.iter().enumerate() {
            if let Some(artifact) = &one.artifact {
                first.entry(&artifact.path).or_insert(k);
            }
        }
        let here = self.files_here(&datasets, &first)?;
        let artifacts = self.artifacts();
        let is_first = |k: usize, a: &Artifact| first.get(a.path.as_str()) == Some(&k);
        let taken: Vec<Result<Option<Artifact>>> = from
            .par_iter()
            .enumerate()
            .map(|(k, (one, of))| match &one.artifact {
                Some(a) if is_first(k, a) && !here.contains_key(a.path.as_str()) => {
                    let path = intact(&source, &file, a)?;
                    take_in(&artifacts, of, &one.dataset, &path, mode).map(Some)
                }
                _ => Ok(None),
            })
            .collect();
        let (mut kept, mut failed) = (Vec::new(), None);
        for one in taken {
            match one {
                Ok(artifact) => kept.push(artifact),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        let files: Vec<Artifact> = kept.iter().flatten().cloned().collect();
        if let Some(error) = failed {
            self.take_back(&files);
            return Err(error);
        }
        let place = |artifact: &Artifact| -> Option<Artifact> {
            let path = artifact.path.as_str();
            let taken = first.get(path).and_then(|k| kept[*k].as_ref());
            let path = here.get(path).cloned().or_else(|| taken.map(|a| a.path.clone()))?;
            Some(Artifact { path, ..artifact.clone() })
        };
        let kept = todo.iter().map(|one| one.artifact.as_ref().and_then(place)).collect();
        let parts = parts(&todo, kept, &quanta);
        let mut done = Imported {
            new: todo.len(),
            known: datasets.len() - todo.len(),
            records: 0,
            bytes: files.iter().map(|a| a.size_bytes).sum(),
        };
        match self.registry.insert_batch(&records, &parts) {
            Ok(n) => done.records = n,
            Err(error) => {
                let first = todo.first().map(|d| d.dataset.id);
                if first.is_some_and(|id| matches!(self.registry.dataset(id), Ok(None))) {
                    self.take_back(&files);
                }
                return Err(error.into());
            }
        }
        self.set_membership(&membership)?;
        if mode == Transfer::Move {
            self.are_kept(&files)?;
            for artifact in todo.iter().filter_map(|d| d.artifact.as_ref()) {
                source.delete(&artifact.path)?;
            }
        }
        Ok(done)
    }

    /// Of the export's files that are to come, those that are here as files of other datasets: theirs to ours.
    fn files_here<'a>(
        &mut self,
        datasets: &'a [ExportedDataset],
        wanted: &HashMap<&str, usize>,
    ) -> Result<HashMap<&'a str, String>> {
        let mut found = HashMap::new();
        for one in datasets {
            let Some(artifact) = one.artifact.as_ref().filter(|a| is_shared(a)) else { continue };
            if wanted.contains_key(artifact.path.as_str()) {
                let here = self.registry.artifacts(&[one.dataset.id])?.pop();
                found.extend(here.map(|(_, a)| (artifact.path.as_str(), a.path)));
            }
        }
        Ok(found)
    }

    /// Whether a dataset that is here is the one that is to come.
    fn same(&mut self, here: &Dataset, one: &ExportedDataset) -> std::result::Result<(), String> {
        let id = one.dataset.id;
        if *here != one.dataset {
            return Err(format!(
                "the id {id} is {} in {} there, and {} in {} here",
                one.dataset.name, one.dataset.run, here.name, here.run
            ));
        }
        let artifacts = self.registry.artifacts(&[id]).map_err(|e| e.to_string())?;
        let ours = artifacts.first().map(|(_, a)| (a.size_bytes, a.checksum.as_str()));
        let theirs = one.artifact.as_ref().map(|a| (a.size_bytes, a.checksum.as_str()));
        let differ = match (ours, theirs) {
            (Some((size, sum)), Some((other_size, other))) => {
                // Where one of them has no checksum, the size must do.
                size != other_size || (!sum.is_empty() && !other.is_empty() && sum != other)
            }
            (a, b) => a.is_some() != b.is_some(),
        };
        if differ {
            return Err(format!(
                "the dataset {id} has another content here: one of them is damaged"
            ));
        }
        Ok(())
    }
}

fn take_in(
    artifacts: &Artifacts,
    of: &DatasetType,
    dataset: &Dataset,
    path: &Path,
    mode: Transfer,
) -> Result<Artifact> {
    let take = |mode| artifacts.take(of, dataset, path, mode, false);
    match mode {
        // The old name stays until the row is there.
        Transfer::Move => take(Transfer::Link).or_else(|_| take(Transfer::Copy)),
        mode => take(mode),
    }
}

/// The place of a file of the export, whose content is as the manifest says.
fn intact(source: &FolderStore, manifest: &Path, artifact: &Artifact) -> Result<PathBuf> {
    let refuse = |why: String| RepositoryError::Import { file: manifest.to_path_buf(), why };
    check_store_path(&artifact.path)?;
    let Some(path) = source.local_path(&artifact.path) else {
        return Err(refuse(format!("its file `{}` is not there", artifact.path)));
    };
    let (sum, size) = elqui_datastore::checksum_file(&path)
        .map_err(|e| elqui_codec::CodecError::read(&path, e))?;
    let differs = !artifact.checksum.is_empty()
        && elqui_datastore::matches(&artifact.checksum, &sum) == Some(false);
    if size as i64 != artifact.size_bytes || differs {
        return Err(refuse(format!("its file `{}` is damaged: copy it again", artifact.path)));
    }
    // A link may lead to anything of this machine: only the checksum tells that it is what was exported.
    let real = path.canonicalize().map_err(|e| elqui_codec::CodecError::read(&path, e))?;
    let sure = elqui_datastore::matches(&artifact.checksum, &sum) == Some(true);
    if !real.starts_with(source.root()) && !sure {
        return Err(refuse(format!(
            "its file `{}` is a link out of the export, without a checksum that could tell what it is: put the file \
             itself there",
            artifact.path
        )));
    }
    Ok(path)
}

/// By run, type and quantum, as the registry inserts them.
fn parts(
    todo: &[&ExportedDataset],
    kept: Vec<Option<Artifact>>,
    quanta: &HashMap<DatasetId, Quantum>,
) -> Vec<Part> {
    let mut parts: BTreeMap<(Option<DatasetId>, &str, &str), Part> = BTreeMap::new();
    for (one, artifact) in todo.iter().zip(kept) {
        let Dataset { id, run, name } = &one.dataset;
        let part = parts.entry((one.quantum, run, &name.dataset_type)).or_insert_with(|| Part {
            run: run.clone(),
            dataset_type: name.dataset_type.clone(),
            quantum: one.quantum.and_then(|q| quanta.get(&q).cloned()),
            new: Vec::new(),
        });
        part.new.push(NewDataset { data_id: name.data_id.clone(), id: Some(*id), artifact });
    }
    parts.into_values().collect()
}
