//! `verify` rereads every artifact against its checksum; `gc` removes what no row names.

use super::Repository;
use super::artifacts::{outside, wrong};
use super::error::Result;
use elqui_butler::{Artifact, DatasetId, Datastore, Listed, StoreError};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::Path;

/// Files that are read while the registry is not asked for more.
const BATCH: usize = 4096;

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
    /// Reread every artifact, several at once, past any cache. `progress` is told how many are done.
    pub fn verify(&mut self, progress: &mut dyn FnMut(usize)) -> Result<Verified> {
        let mut all: Vec<(DatasetId, Artifact)> = Vec::new();
        self.registry.each_artifact(|id, artifact| {
            all.push((id, artifact));
            true
        })?;
        let mut report = Verified { registry: self.registry.check()?, ..Verified::default() };
        let artifacts = self.artifacts();
        let store = artifacts.store();
        let store = store.origin().unwrap_or(store);
        for batch in all.chunks(BATCH) {
            let mut bad: Vec<BadArtifact> = batch
                .par_iter()
                .filter_map(|(id, artifact)| {
                    let why = examine(store, artifact)?;
                    Some(BadArtifact { dataset: *id, path: artifact.path.clone(), why })
                })
                .collect();
            // One that was removed since the listing is not missed.
            bad.retain(
                |b| matches!(self.registry.artifacts(&[b.dataset]), Ok(found) if !found.is_empty()),
            );
            report.bad.extend(bad);
            report.files += batch.len();
            report.bytes += batch.iter().map(|(_, a)| a.size_bytes).sum::<i64>();
            let known = |a: &Artifact| elqui_datastore::matches(&a.checksum, "").is_some();
            report.without_checksum += batch.iter().filter(|(_, a)| !known(a)).count();
            progress(report.files);
        }
        Ok(report)
    }

    /// Remove files without rows, and what cut-off puts have left, when they are older than
    /// `age_s`: younger ones may belong to a put that is under way. `dry_run` only lists them.
    pub fn gc(&mut self, age_s: f64, dry_run: bool) -> Result<Garbage> {
        let artifacts = self.artifacts();
        let store = artifacts.store();
        // The store first, the registry after it: what is named later was not old when listed.
        let (files, leftovers) = (store.list("")?, store.leftovers()?);
        let mut named = HashSet::new();
        self.registry.each_artifact(|_, artifact| {
            named.insert(artifact.path);
            true
        })?;
        let mut found = Garbage::default();
        for file in files.into_iter().filter(|f| !named.contains(&f.path)) {
            if file.age_s < age_s {
                found.too_young += 1;
            } else {
                found.orphans.push(file);
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
        for file in &found.orphans {
            store.delete(&file.path)?;
        }
        for file in &found.leftovers {
            store.delete_leftover(&file.path)?;
        }
        Ok(found)
    }
}

/// What is wrong with an artifact, if anything is.
fn examine(store: &dyn Datastore, artifact: &Artifact) -> Option<String> {
    let local =
        outside(artifact).map(Path::to_path_buf).or_else(|| store.local_path(&artifact.path));
    let Some(path) = local else {
        return match store.get(&artifact.path) {
            Ok(bytes) => wrong(artifact, &bytes),
            Err(StoreError::Missing { .. }) => Some("it is not there".to_string()),
            Err(e) => Some(e.to_string()),
        };
    };
    if artifact.checksum.is_empty() {
        return match std::fs::metadata(&path) {
            Ok(about) if about.len() as i64 == artifact.size_bytes => None,
            Ok(about) => {
                Some(format!("it has {} bytes instead of {}", about.len(), artifact.size_bytes))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Some("it is not there".to_string())
            }
            Err(e) => Some(e.to_string()),
        };
    }
    match elqui_datastore::checksum_file(&path) {
        Ok((_, size)) if size as i64 != artifact.size_bytes => {
            Some(format!("it has {size} bytes instead of {}", artifact.size_bytes))
        }
        Ok((sum, _)) if elqui_datastore::matches(&artifact.checksum, &sum) == Some(false) => {
            Some("its checksum differs".to_string())
        }
        Ok(_) => None,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Some("it is not there".to_string()),
        Err(e) => Some(e.to_string()),
    }
}
