//! Ingest: files from outside become datasets of a run, all of them or none.
//!
//! Files are looked at and described in parallel, brought into the store, and then registered with the
//! records of their dimensions in one transaction. What fails before it leaves no row, and the
//! files that were brought in are taken away again; a moved file leaves its old place only after it.

use super::Repository;
use super::artifacts::{ending_of, in_place};
use super::error::{RepositoryError, Result};
use super::look::{Describe, DescribeAll, Looked, look_at_all, parts_of, refuse};
use elqui_butler::{Artifact, DataId, Dataset, DatasetId, DatasetRef, DatasetType, Transfer};
use elqui_registry::{NewDataset, Part};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

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

/// A dataset that is to come: its file's number, its id, and its part of the file if that holds others.
struct New {
    file: usize,
    id: DatasetId,
    data_id: DataId,
    part: String,
}

impl Repository {
    /// Ingest files; the dataset type must be registered, the run is made.
    pub fn ingest(
        &mut self,
        paths: &[PathBuf],
        how: &Ingest,
        describe: &Describe<'_>,
    ) -> Result<Ingested> {
        self.ingest_all(paths, how, &|path: &Path| Ok(vec![describe(path)?]))
    }

    /// As [`ingest`](Self::ingest), of files that may hold several datasets. Each of these has its own
    /// row, and all rows of a file name it; it is removed with the last of them.
    pub fn ingest_all(
        &mut self,
        paths: &[PathBuf],
        how: &Ingest,
        describe: &DescribeAll<'_>,
    ) -> Result<Ingested> {
        let mut seen = HashSet::with_capacity(paths.len());
        if let Some(twice) = paths.iter().find(|p| !seen.insert(p.as_os_str())) {
            return Err(refuse(twice, "it is given twice".into()));
        }
        drop(seen);
        let of = self.dataset_type(&how.dataset_type)?;
        let (files, records) = look_at_all(paths, &of, describe)?;
        self.run(&how.run)?;
        let sizes: Vec<u64> = files.iter().map(|f| f.size_bytes).collect();
        let count: usize = files.iter().map(|f| f.data_ids.len()).sum();
        let todo = self.wanted(paths, files, how)?;
        let skipped = count - todo.len();
        let kept = self.bring_in(paths, &sizes, &todo, &of, how)?;
        let bytes = kept.iter().flatten().map(|a| a.size_bytes).sum();
        let first = todo.first().map(|d| d.id);
        let mut new = Vec::with_capacity(todo.len());
        for one in todo {
            let mut artifact = kept[one.file].clone();
            if let Some(artifact) = artifact.as_mut().filter(|_| !one.part.is_empty()) {
                artifact.formatter += &one.part;
            }
            new.push(NewDataset { data_id: one.data_id, id: Some(one.id), artifact });
        }
        let number = new.len();
        let (run, dataset_type) = (how.run.clone(), of.name.clone());
        let part = Part { run, dataset_type, quantum: None, new };
        let records = match self.registry.insert_batch(&records, &[part]) {
            Ok(records) => records,
            Err(error) => {
                // Where it is not sure that there is no row, `gc` decides.
                if first.is_some_and(|id| matches!(self.registry.dataset(id), Ok(None))) {
                    self.take_back(kept.iter().flatten());
                }
                return Err(error.into());
            }
        };
        if how.mode == Transfer::Move {
            self.are_kept(&kept.iter().flatten().cloned().collect::<Vec<_>>())?;
            for (path, _) in paths.iter().zip(&kept).filter(|(_, a)| a.is_some()) {
                std::fs::remove_file(path).map_err(|e| elqui_codec::CodecError::write(path, e))?;
            }
        }
        Ok(Ingested { new: number, skipped, records, bytes })
    }

    /// The datasets that the run does not have yet, with ids.
    fn wanted(&mut self, paths: &[PathBuf], files: Vec<Looked>, how: &Ingest) -> Result<Vec<New>> {
        let there = self.existing(how, &files)?;
        let mut there = there.into_iter();
        let mut todo = Vec::with_capacity(files.len());
        for (file, looked) in files.into_iter().enumerate() {
            let parts = parts_of(&looked.data_ids);
            for (data_id, part) in looked.data_ids.into_iter().zip(parts) {
                let there = there.next().unwrap_or(false);
                if there && how.skip_existing {
                    continue;
                }
                if there {
                    let (name, run) = (&how.dataset_type, &how.run);
                    let why = format!(
                        "{name}{data_id} is in `{run}` already: use --skip-existing, or another run"
                    );
                    return Err(refuse(&paths[file], why));
                }
                todo.push(New { file, id: self.ids.next_id(), data_id, part });
            }
        }
        Ok(todo)
    }

    /// The artifact of each file that has a dataset to come; named after the first of them.
    fn bring_in(
        &self,
        paths: &[PathBuf],
        sizes: &[u64],
        todo: &[New],
        of: &DatasetType,
        how: &Ingest,
    ) -> Result<Vec<Option<Artifact>>> {
        let mut first: Vec<Option<&New>> = vec![None; paths.len()];
        for one in todo.iter().rev() {
            first[one.file] = Some(one);
        }
        let artifacts = &self.artifacts;
        let bring = |(k, one): (usize, &Option<&New>)| -> Result<Option<Artifact>> {
            let Some(one) = one else { return Ok(None) };
            let path = &paths[k];
            if how.mode == Transfer::Direct {
                return in_place(path, &ending_of(path), how.checksum, Some(sizes[k])).map(Some);
            }
            let name = DatasetRef { dataset_type: of.name.clone(), data_id: one.data_id.clone() };
            let dataset = Dataset { id: one.id, run: how.run.clone(), name };
            let take = |mode| artifacts.take(of, &dataset, path, mode, how.checksum);
            match how.mode {
                // The old name stays until the row is there.
                Transfer::Move => take(Transfer::Link).or_else(|_| take(Transfer::Copy)),
                mode => take(mode),
            }
            .map(Some)
        };
        let taken: Vec<Result<Option<Artifact>>> =
            first.par_iter().enumerate().with_min_len(16).map(bring).collect();
        let (mut kept, mut failed) = (Vec::with_capacity(taken.len()), None);
        for one in taken {
            match one {
                Ok(artifact) => kept.push(artifact),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        match failed {
            None => Ok(kept),
            Some(error) => {
                self.take_back(kept.iter().flatten());
                Err(error)
            }
        }
    }

    /// Which of them the run has, file after file.
    fn existing(&mut self, how: &Ingest, files: &[Looked]) -> Result<Vec<bool>> {
        let held = self.registry.counts(&[&how.run])?;
        if !held.iter().any(|(name, _)| *name == how.dataset_type) {
            return Ok(Vec::new());
        }
        let find = |data_id: &DataId| {
            let data_id = data_id.clone();
            let name = DatasetRef { dataset_type: how.dataset_type.clone(), data_id };
            Ok(self.registry.find(&name, &[&how.run])?.is_some())
        };
        files.iter().flat_map(|f| &f.data_ids).map(find).collect()
    }

    /// Before what they were taken from is removed: whether the store's files are there, whole.
    pub(super) fn are_kept(&self, artifacts: &[Artifact]) -> Result<()> {
        let store = &self.artifacts;
        let gone = |a: &&Artifact| !matches!(store.size_bytes(a), Ok(Some(size)) if size as i64 == a.size_bytes);
        match artifacts.par_iter().filter(gone).find_any(|_| true) {
            None => Ok(()),
            Some(gone) => Err(RepositoryError::Taken { path: gone.path.clone() }),
        }
    }

    /// Take files away again that have no row; what cannot be removed is left to `gc`.
    pub(super) fn take_back<'a>(&self, artifacts: impl IntoIterator<Item = &'a Artifact>) {
        for artifact in artifacts {
            let _ = self.artifacts.remove(artifact);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_moved_away_for_a_file_that_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let config = crate::repository::RepositoryConfig::default();
        let r = Repository::create(dir.path(), &config).unwrap();
        let stored = r.artifacts.store().put("a/b", b"abc").unwrap();
        let artifact = Artifact {
            path: stored.path,
            formatter: String::new(),
            size_bytes: 3,
            checksum: stored.checksum,
        };
        r.are_kept(std::slice::from_ref(&artifact)).unwrap();
        let torn = Artifact { size_bytes: 4, ..artifact.clone() };
        assert!(r.are_kept(&[artifact.clone(), torn]).is_err());
        r.artifacts.remove(&artifact).unwrap();
        let e = r.are_kept(&[artifact]).unwrap_err().to_string();
        assert!(e.contains("a/b") && e.contains("left where they are"), "{e}");
    }
}
