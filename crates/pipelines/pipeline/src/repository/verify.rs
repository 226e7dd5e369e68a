//! `verify` rereads every artifact against its checksum; `gc` removes what no row names.

use super::Repository;
use super::artifacts::{is_shared, outside};
use super::error::{RepositoryError, Result};
use elqui_butler::{Artifact, DatasetId, Datastore, Listed, StoreError};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Files that are read while the registry is not asked for more.
const BATCH: usize = 1024;
/// Between two tellings of how far it is.
const TELL: Duration = Duration::from_secs(1);

/// An artifact that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadArtifact {
    pub dataset: DatasetId,
    pub path: String,
    pub why: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    pub files: usize,
    pub bytes: i64,
    /// Compared by size alone: ingested without a checksum, or with one of another program.
    pub without_checksum: usize,
    pub bad: Vec<BadArtifact>,
    /// What is wrong with the registry itself, a line each.
    pub registry: Vec<String>,
}

/// What `gc` removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Garbage {
    /// Files of the store that no row names.
    pub orphans: Vec<Listed>,
    /// What puts that were cut off have left.
    pub leftovers: Vec<Listed>,
    /// Files that are younger than the age that was asked for.
    pub too_young: usize,
}

impl Repository {
    /// Reread every artifact, several at once, block by block, past any cache. `progress` is told how
    /// many files are done, once a second and at the end. A file of several datasets is read once.
    pub fn verify(&mut self, progress: &mut dyn FnMut(usize)) -> Result<Verified> {
        let mut report = Verified { registry: self.registry.check()?, ..Verified::default() };
        let artifacts = self.artifacts();
        let store = artifacts.store();
        let mut walk = Walk {
            store: store.origin().unwrap_or(store),
            shared: HashSet::new(),
            wrong: HashMap::new(),
            told: Instant::now(),
        };
        let mut batch: Vec<(DatasetId, Artifact)> = Vec::with_capacity(BATCH);
        self.registry.each_artifact(|id, artifact| {
            batch.push((id, artifact));
            if batch.len() == BATCH {
                walk.examine(&mut batch, &mut report, progress);
            }
            true
        })?;
        walk.examine(&mut batch, &mut report, progress);
        progress(report.files);
        // One that was removed since the listing is not missed.
        report.bad.retain(
            |b| matches!(self.registry.artifacts(&[b.dataset]), Ok(found) if !found.is_empty()),
        );
        Ok(report)
    }

    /// Remove files without rows, and what cut-off puts have left, when they are older than
    /// `age_s`: younger ones may belong to a put that is under way. `dry_run` only lists them. What cluster
    /// jobs recorded and nobody merged yet is kept.
    pub fn gc(&mut self, age_s: f64, dry_run: bool) -> Result<Garbage> {
        let artifacts = self.artifacts();
        let store = artifacts.store();
        // The store first, then what jobs recorded, the registry last: what is named later was not old when
        // listed, and what a merge moves meanwhile is seen in one of them.
        let (files, leftovers) = (store.list("")?, store.leftovers()?);
        let mut unnamed: HashMap<&str, &Listed> = files.iter().map(|f| (&*f.path, f)).collect();
        let recorded = crate::cluster::each_recorded(&self.root, &mut |path| {
            unnamed.remove(path);
        });
        recorded.map_err(|(folder, why)| RepositoryError::Unmerged { folder, why })?;
        self.registry.each_artifact(|_, artifact| {
            unnamed.remove(artifact.path.as_str());
            true
        })?;
        let mut found = Garbage::default();
        for file in files.iter().filter(|f| unnamed.contains_key(&*f.path)) {
            if file.age_s < age_s {
                found.too_young += 1;
            } else {
                found.orphans.push(file.clone());
            }
        }
        for file in leftovers {
            if file.age_s < age_s {
                found.too_young += 1;
            } else {
                found.leftovers.push(file);
            }
        }
        if dry_run {
            return Ok(found);
        }
        // A bucket answers many at once.
        found.orphans.par_iter().try_for_each(|file| store.delete(&file.path).map(|_| ()))?;
        for file in &found.leftovers {
            store.delete_leftover(&file.path)?;
        }
        Ok(found)
    }
}

/// A walk through all artifacts.
struct Walk<'a> {
    store: &'a dyn Datastore,
    /// Paths of files with several datasets that were read, and what was wrong with them.
    shared: HashSet<String>,
    wrong: HashMap<String, String>,
    told: Instant,
}

impl Walk<'_> {
    /// Read what is in the batch, and empty it.
    fn examine(
        &mut self,
        batch: &mut Vec<(DatasetId, Artifact)>,
        report: &mut Verified,
        progress: &mut dyn FnMut(usize),
    ) {
        let fresh = |a: &Artifact| !is_shared(a) || self.shared.insert(a.path.clone());
        let wanted: Vec<bool> = batch.iter().map(|(_, a)| a).map(fresh).collect();
        let store = self.store;
        let found: Vec<Option<String>> = batch
            .par_iter()
            .zip(&wanted)
            .map(|((_, artifact), wanted)| wanted.then(|| examine(store, artifact)).flatten())
            .collect();
        for (((id, artifact), why), wanted) in batch.drain(..).zip(found).zip(wanted) {
            let known = elqui_datastore::matches(&artifact.checksum, "").is_some();
            if wanted {
                report.files += 1;
                report.bytes += artifact.size_bytes;
                report.without_checksum += usize::from(!known);
            }
            let shared = is_shared(&artifact);
            if let Some(why) = why.as_ref().filter(|_| shared) {
                self.wrong.insert(artifact.path.clone(), why.clone());
            }
            let why = why.or_else(|| self.wrong.get(&artifact.path).filter(|_| shared).cloned());
            if let Some(why) = why {
                report.bad.push(BadArtifact { dataset: id, path: artifact.path, why });
            }
        }
        if self.told.elapsed() > TELL {
            self.told = Instant::now();
            progress(report.files);
        }
    }
}

/// What is wrong with an artifact, if anything is.
fn examine(store: &dyn Datastore, artifact: &Artifact) -> Option<String> {
    let local =
        outside(artifact).map(Path::to_path_buf).or_else(|| store.local_path(&artifact.path));
    let summed = !artifact.checksum.is_empty();
    let failed = |e: StoreError| match e {
        StoreError::Missing { .. } => "it is not there".to_string(),
        e => e.to_string(),
    };
    let failed_here = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => "it is not there".to_string(),
        _ => e.to_string(),
    };
    let found = match (local, summed) {
        (Some(path), true) => elqui_datastore::checksum_file(&path).map_err(failed_here),
        (Some(path), false) => {
            std::fs::metadata(&path).map(|m| (String::new(), m.len())).map_err(failed_here)
        }
        (None, true) => elqui_datastore::checksum_stored(store, &artifact.path).map_err(failed),
        (None, false) => match store.size_bytes(&artifact.path) {
            Ok(Some(size)) => Ok((String::new(), size)),
            Ok(None) => Err("it is not there".to_string()),
            Err(e) => Err(failed(e)),
        },
    };
    match found {
        Err(why) => Some(why),
        Ok((_, size)) if size as i64 != artifact.size_bytes => {
            Some(format!("it has {size} bytes instead of {}", artifact.size_bytes))
        }
        Ok((sum, _)) if elqui_datastore::matches(&artifact.checksum, &sum) == Some(false) => {
            Some("its checksum differs".to_string())
        }
        Ok(_) => None,
    }
}
