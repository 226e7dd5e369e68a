//! Ingest: files from outside become datasets of a run, all of them or none.
//!
//! Files are looked at and described in parallel, brought into the store, and then registered with the
//! records of their dimensions in one transaction. What fails before it leaves no row, and the
//! files that were brought in are taken away again; a moved file leaves its old place only after it.

use super::Repository;
use super::artifacts::{ending_of, in_place};
use super::error::{RepositoryError, Result};
use elqui_butler::{
    Artifact, DataId, Dataset, DatasetRef, DimensionRecord, Transfer, TranslateError,
};
use elqui_registry::{NewDataset, Part};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a file is.
#[derive(Debug, Clone, Default)]
pub struct Described {
    pub data_id: DataId,
    /// Of its dimensions, those that others refer to included.
    pub records: Vec<DimensionRecord>,
}

/// Says what a file is; called by many threads.
pub type Describe<'a> = dyn Fn(&Path) -> std::result::Result<Described, TranslateError> + Sync + 'a;

#[derive(Debug, Clone)]
pub struct Ingest {
    pub run: String,
    pub dataset_type: String,
    pub mode: Transfer,
    /// Compute checksums also where files are not read anyway (link, symlink, direct).
    pub checksum: bool,
    /// Pass over files whose data ids the run has already, instead of refusing all.
    pub skip_existing: bool,
}

impl Ingest {
    pub fn new(run: &str, dataset_type: &str, mode: Transfer) -> Self {
        Self {
            run: run.to_string(),
            dataset_type: dataset_type.to_string(),
            mode,
            checksum: true,
            skip_existing: false,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ingested {
    pub new: usize,
    pub skipped: usize,
    pub records: usize,
    pub bytes: i64,
}

impl Repository {
    /// Ingest files; the dataset type must be registered, the run is made.
    pub fn ingest(
        &mut self,
        paths: &[PathBuf],
        how: &Ingest,
        describe: &Describe<'_>,
    ) -> Result<Ingested> {
        let mut seen = HashSet::with_capacity(paths.len());
        if let Some(twice) = paths.iter().find(|p| !seen.insert(p.as_path())) {
            return Err(refuse(twice, "it is given twice".into()));
        }
        let looked = all_or_first(paths.par_iter().map(|p| look(p, describe)).collect())?;
        let (described, sizes): (Vec<Described>, Vec<u64>) = looked.into_iter().unzip();
        let of = self.dataset_type(&how.dataset_type)?;
        let mut names = Vec::with_capacity(paths.len());
        for one in &described {
            of.values(&one.data_id)?;
            names.push(one.data_id.only(&of.dimensions));
        }
        let mut files: HashMap<&DataId, &Path> = HashMap::with_capacity(paths.len());
        for (path, id) in paths.iter().zip(&names) {
            if let Some(other) = files.insert(id, path) {
                let why = format!("it is {} {id}, and so is `{}`", of.name, other.display());
                return Err(refuse(path, why));
            }
        }
        drop(files);
        self.run(&how.run)?;
        let there = self.existing(how, &names)?;
        let mut todo: Vec<(&PathBuf, &Described, Dataset, u64)> = Vec::with_capacity(paths.len());
        let all = paths.iter().zip(&described).zip(sizes).zip(names).zip(there);
        for ((((path, one), size), data_id), there) in all {
            if there && how.skip_existing {
                continue;
            }
            if there {
                let (name, run) = (&of.name, &how.run);
                let why = format!(
                    "{name}{data_id} is in `{run}` already: use --skip-existing, or another run"
                );
                return Err(refuse(path, why));
            }
            let name = DatasetRef { dataset_type: of.name.clone(), data_id };
            let id = self.ids.next_id();
            todo.push((path, one, Dataset { id, run: how.run.clone(), name }, size));
        }
        let taken: Vec<Result<Artifact>> = todo
            .par_iter()
            .map(|(path, _, dataset, size)| {
                let take = |mode| self.artifacts.take(&of, dataset, path, mode, how.checksum);
                match how.mode {
                    // The old name stays until the row is there.
                    Transfer::Move => take(Transfer::Link).or_else(|_| take(Transfer::Copy)),
                    Transfer::Direct => in_place(path, &ending_of(path), how.checksum, Some(*size)),
                    mode => take(mode),
                }
            })
            .collect();
        let mut kept = Vec::with_capacity(taken.len());
        let mut failed = None;
        for one in taken {
            match one {
                Ok(artifact) => kept.push(artifact),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        if let Some(error) = failed {
            self.take_back(&kept);
            return Err(error);
        }
        let records = distinct(todo.iter().flat_map(|(_, one, ..)| &one.records));
        let bytes = kept.iter().map(|a| a.size_bytes).sum();
        let new = todo.iter().zip(&kept).map(|((_, _, dataset, _), artifact)| NewDataset {
            data_id: dataset.name.data_id.clone(),
            id: Some(dataset.id),
            artifact: Some(artifact.clone()),
        });
        let part = Part {
            run: how.run.clone(),
            dataset_type: of.name.clone(),
            quantum: None,
            new: new.collect(),
        };
        let records = match self.registry.insert_batch(&records, &[part]) {
            Ok(records) => records,
            Err(error) => {
                // Where it is not sure that there is no row, `gc` decides.
                let first = todo.first().map(|(_, _, dataset, _)| dataset.id);
                if first.is_some_and(|id| matches!(self.registry.dataset(id), Ok(None))) {
                    self.take_back(&kept);
                }
                return Err(error.into());
            }
        };
        if how.mode == Transfer::Move {
            for (path, ..) in &todo {
                std::fs::remove_file(path).map_err(|e| elqui_codec::CodecError::write(path, e))?;
            }
        }
        let skipped = paths.len() - todo.len();
        Ok(Ingested { new: todo.len(), skipped, records, bytes })
    }

    /// Which of them the run has.
    fn existing(&mut self, how: &Ingest, names: &[DataId]) -> Result<Vec<bool>> {
        let held = self.registry.counts(&[&how.run])?;
        if !held.iter().any(|(name, _)| *name == how.dataset_type) {
            return Ok(vec![false; names.len()]);
        }
        let find = |data_id: &DataId| {
            let data_id = data_id.clone();
            let name = DatasetRef { dataset_type: how.dataset_type.clone(), data_id };
            Ok(self.registry.find(&name, &[&how.run])?.is_some())
        };
        names.iter().map(find).collect()
    }

    /// Take files away again that have no row; what cannot be removed is left to `gc`.
    pub(super) fn take_back(&self, artifacts: &[Artifact]) {
        for artifact in artifacts {
            let _ = self.artifacts.remove(artifact);
        }
    }
}

fn refuse(path: &Path, why: String) -> RepositoryError {
    RepositoryError::Ingest { file: path.to_path_buf(), why }
}

/// What a file is, and its size.
fn look(path: &Path, describe: &Describe<'_>) -> Result<(Described, u64)> {
    let about = std::fs::metadata(path).map_err(|e| {
        let why = match e.kind() {
            ErrorKind::NotFound if path.is_symlink() => {
                "it is a link to a file that is not there".to_string()
            }
            ErrorKind::NotFound => "there is no such file".to_string(),
            ErrorKind::PermissionDenied => "permission denied".to_string(),
            _ => e.to_string(),
        };
        refuse(path, why)
    })?;
    if !about.is_file() {
        return Err(refuse(path, "it is not a file".into()));
    }
    let described = describe(path).map_err(|e| {
        // One line, whatever a translator says.
        let why = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        refuse(path, why)
    })?;
    Ok((described, about.len()))
}

/// All values, or the first error, with the number of the others.
fn all_or_first<T>(all: Vec<Result<T>>) -> Result<Vec<T>> {
    let failed = all.iter().filter(|r| r.is_err()).count();
    match all.into_iter().collect() {
        Err(RepositoryError::Ingest { file, why }) if failed > 1 => Err(RepositoryError::Ingest {
            file,
            why: format!("{why} (and {} other files cannot; none was ingested)", failed - 1),
        }),
        done => done,
    }
}

/// Equal records once; unequal ones stay, for the registry to refuse by name.
fn distinct<'a>(all: impl Iterator<Item = &'a DimensionRecord>) -> Vec<DimensionRecord> {
    let mut seen: HashMap<(&str, &DataId), Vec<&DimensionRecord>> = HashMap::new();
    let mut found = Vec::new();
    for record in all {
        let same = seen.entry((&record.element, &record.data_id)).or_default();
        if !same.contains(&record) {
            same.push(record);
            found.push(record.clone());
        }
    }
    found
}
