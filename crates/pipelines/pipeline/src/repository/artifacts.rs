//! Files of datasets: written by templates, read back and checked. Knows no registry.
//!
//! A clone shares the store, and threads may write at the same time: what an executor's workers hold, while
//! one thread talks to the registry.

use super::error::{RepositoryError, Result};
use elqui_butler::{
    Artifact, Dataset, DatasetId, DatasetType, Datastore, StoreError, Stored, Template, Transfer,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Before the absolute path of a file that was ingested where it is.
const IN_PLACE: &str = "file://";
/// Parts of paths may have 255 bytes in all file systems; temporary names need some.
const PART_MAX: usize = 200;

#[derive(Clone)]
pub struct Artifacts {
    store: Arc<dyn Datastore>,
    templates: Arc<BTreeMap<String, String>>,
}

impl Artifacts {
    pub fn new(store: Arc<dyn Datastore>, templates: BTreeMap<String, String>) -> Self {
        Self { store, templates: Arc::new(templates) }
    }

    pub fn store(&self) -> &dyn Datastore {
        self.store.as_ref()
    }

    /// Where a dataset's file is to be.
    /// - `ending`: of the formatter, with or without its dot
    pub fn path(&self, of: &DatasetType, dataset: &Dataset, ending: &str) -> Result<String> {
        let template = match self.templates.get(&of.name) {
            Some(text) => Template::new(text, of)?,
            None => Template::new(&standard(of), of)?,
        };
        let mut path = template.path(dataset)?;
        if path.len() > 900 || path.split('/').any(|part| part.len() > PART_MAX) {
            // Long texts in the data id: the id alone is unique.
            path = format!("{}/{}/{}", dataset.run, of.name, dataset.id);
        }
        let ending = ending.trim_start_matches('.');
        Ok(if ending.is_empty() { path } else { format!("{path}.{ending}") })
    }

    /// Write a dataset's file, durably. It is nobody's until its row is registered.
    pub fn write(
        &self,
        of: &DatasetType,
        dataset: &Dataset,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Artifact> {
        let path = self.path(of, dataset, ending)?;
        Ok(artifact(self.store.put(&path, bytes)?, ending))
    }

    /// Bring a file in as a dataset's.
    pub fn take(
        &self,
        of: &DatasetType,
        dataset: &Dataset,
        from: &Path,
        mode: Transfer,
        sum: bool,
    ) -> Result<Artifact> {
        let ending = ending_of(from);
        if mode == Transfer::Direct {
            return in_place(from, &ending, sum, None);
        }
        let path = self.path(of, dataset, &ending)?;
        Ok(artifact(self.store.put_file(&path, from, mode, sum)?, &ending))
    }

    /// The bytes, compared with size and checksum. What a cache had damaged is fetched again.
    pub fn read(&self, id: DatasetId, artifact: &Artifact) -> Result<Vec<u8>> {
        let bytes = self.read_unchecked(id, artifact)?;
        let Some(why) = wrong(artifact, &bytes) else { return Ok(bytes) };
        if self.store.origin().is_some() {
            self.store.evict(&artifact.path);
            let bytes = self.read_unchecked(id, artifact)?;
            if wrong(artifact, &bytes).is_none() {
                return Ok(bytes);
            }
        }
        Err(RepositoryError::Damaged { dataset: id.to_string(), path: artifact.path.clone(), why })
    }

    fn read_unchecked(&self, id: DatasetId, artifact: &Artifact) -> Result<Vec<u8>> {
        let dangling = |place: String| RepositoryError::Dangling {
            dataset: id.to_string(),
            path: artifact.path.clone(),
            place,
        };
        match outside(artifact) {
            Some(path) => std::fs::read(path).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => dangling("where it was ingested from".into()),
                _ => elqui_codec::CodecError::read(path, e).into(),
            }),
            None => self.store.get(&artifact.path).map_err(|e| match e {
                StoreError::Missing { store, .. } => dangling(format!("in the store {store}")),
                other => other.into(),
            }),
        }
    }

    /// Where the file is on this machine, for readers that want a path.
    pub fn local_path(&self, artifact: &Artifact) -> Option<PathBuf> {
        match outside(artifact) {
            Some(path) => Some(path.to_path_buf()),
            None => self.store.local_path(&artifact.path),
        }
    }

    /// Size of the file where it is kept, past any cache; `None` where there is none.
    pub fn size_bytes(&self, artifact: &Artifact) -> Result<Option<u64>> {
        let Some(path) = outside(artifact) else {
            return Ok(self.store.size_bytes(&artifact.path)?);
        };
        match std::fs::metadata(path) {
            Ok(about) => Ok(Some(about.len())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(elqui_codec::CodecError::read(path, e).into()),
        }
    }

    /// Checksum of the file where it is kept, past any cache.
    pub fn checksum(&self, artifact: &Artifact) -> Result<String> {
        if let Some(path) = outside(artifact) {
            let fail = |e| elqui_codec::CodecError::read(path, e);
            return Ok(elqui_datastore::checksum_file(path).map_err(fail)?.0);
        }
        let store = self.store.origin().unwrap_or(self.store.as_ref());
        Ok(elqui_datastore::checksum_stored(store, &artifact.path)?.0)
    }

    /// The kept file itself, where that is on this machine: never a cache's copy, which may be damaged or go.
    pub fn own_path(&self, artifact: &Artifact) -> Option<PathBuf> {
        match outside(artifact) {
            Some(path) => Some(path.to_path_buf()),
            None => self.store.origin().unwrap_or(self.store.as_ref()).local_path(&artifact.path),
        }
    }

    /// Remove a file that has no row any more; one that was ingested in place is left alone.
    pub fn remove(&self, artifact: &Artifact) -> Result<()> {
        if outside(artifact).is_none() {
            self.store.delete(&artifact.path)?;
        }
        Ok(())
    }
}

/// Whether other datasets may be in the same file. The formatter then ends with this one's part of it,
/// `fits[detector=5]`.
pub(super) fn is_shared(artifact: &Artifact) -> bool {
    artifact.formatter.ends_with(']')
}

/// The ending of an artifact's file.
pub(super) fn file_ending(artifact: &Artifact) -> &str {
    artifact.formatter.split('[').next().unwrap_or_default()
}

/// `{run}/{datasetType}/.../{datasetType}_{dimensions}_{id}`.
fn standard(of: &DatasetType) -> String {
    let mut text = "{run}/{datasetType}".to_string();
    for dimension in of.dimensions.iter().take(of.dimensions.len().saturating_sub(1)) {
        text += &format!("/{{{dimension}}}");
    }
    text += "/{datasetType}";
    for dimension in &of.dimensions {
        text += &format!("_{{{dimension}}}");
    }
    text + "_{id}"
}

fn artifact(stored: Stored, ending: &str) -> Artifact {
    Artifact {
        path: stored.path,
        formatter: ending.trim_start_matches('.').to_string(),
        size_bytes: stored.size_bytes as i64,
        checksum: stored.checksum,
    }
}

/// What is wrong with the bytes of an artifact.
fn wrong(artifact: &Artifact, bytes: &[u8]) -> Option<String> {
    if bytes.len() as i64 != artifact.size_bytes {
        return Some(format!("it has {} bytes instead of {}", bytes.len(), artifact.size_bytes));
    }
    (!artifact.checksum.is_empty()
        && elqui_datastore::matches(&artifact.checksum, &elqui_datastore::checksum(bytes))
            == Some(false))
    .then(|| "its checksum differs".to_string())
}

/// The path of a file that was ingested where it is.
pub(super) fn outside(artifact: &Artifact) -> Option<&Path> {
    artifact.path.strip_prefix(IN_PLACE).map(Path::new)
}

/// - `size`: of the file, where it is known
pub(super) fn in_place(
    from: &Path,
    ending: &str,
    sum: bool,
    size: Option<u64>,
) -> Result<Artifact> {
    let fail = |e| elqui_codec::CodecError::read(from, e);
    let full = std::path::absolute(from).map_err(fail)?;
    let Some(text) = full.to_str() else {
        let why = "its path is not Unicode: use copy or link".to_string();
        return Err(RepositoryError::Ingest { file: from.to_path_buf(), why });
    };
    let (checksum, size) = match size {
        _ if sum => elqui_datastore::checksum_file(from).map_err(fail)?,
        Some(size) => (String::new(), size),
        None => (String::new(), std::fs::metadata(from).map_err(fail)?.len()),
    };
    Ok(Artifact {
        path: format!("{IN_PLACE}{text}"),
        formatter: ending.to_string(),
        size_bytes: size as i64,
        checksum,
    })
}

/// `fits`, `fits.gz`; what is no ordinary ending is left out.
pub(super) fn ending_of(path: &Path) -> String {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let plain =
        |e: &&str| (1..=8).contains(&e.len()) && e.chars().all(|c| c.is_ascii_alphanumeric());
    let mut parts = name.rsplit('.');
    let last = parts.next().filter(plain).filter(|l| l.len() < name.len());
    let Some(last) = last else { return String::new() };
    let packed = ["gz", "fz", "bz2", "zst"].contains(&last);
    match parts.next().filter(plain) {
        Some(kind) if packed && kind.len() + last.len() + 1 < name.len() => {
            format!("{kind}.{last}")
        }
        _ => last.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        for (name, ending) in [
            ("a.fits", "fits"),
            ("a.b.fits.gz", "fits.gz"),
            ("fits.gz", "gz"),
            ("a", ""),
            (".hidden", "hidden"),
            ("a.x/y", ""),
            ("a.really_long_thing", ""),
        ] {
            assert_eq!(ending_of(Path::new(name)), ending, "{name}");
        }
    }
}
