//! Datasets as files in a folder.
//!
//! A template says where a dataset type's files are, relative to the root:
//! `exposure/{visit}/{detector}.fits`. A type without a template is kept as
//! `TYPE/KEY=VALUE/.../TYPE.bin`, and templates must name every dimension of the data id, so that two
//! datasets are never one file. Beside each file lies its name as JSON (`.FILE.ref.json`), from
//! which `list` reads; a file without one (half a put) does not exist for the store.

use crate::dataset::DatasetRef;
use crate::error::ButlerError;
use crate::store::Datastore;
use elqui_codec::{CodecError, atomic_write_bytes};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A [`Datastore`] in a folder of the local file system.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
    templates: BTreeMap<String, String>,
}

impl FolderStore {
    /// A store in `root`, which is made when it is missing.
    pub fn open(root: &Path) -> Result<Self, ButlerError> {
        fs::create_dir_all(root).map_err(|e| CodecError::write(root, e))?;
        Ok(Self { root: root.to_path_buf(), templates: BTreeMap::new() })
    }

    /// With a template for one dataset type.
    pub fn with_template(
        mut self,
        dataset_type: &str,
        template: &str,
    ) -> Result<Self, ButlerError> {
        let bad = |why| ButlerError::BadTemplate { template: template.to_string(), why };
        let path = Path::new(template);
        if !path.components().all(|c| matches!(c, Component::Normal(_))) {
            return Err(bad("it must be a relative path without `.` and `..`"));
        }
        let ends_in_brace = template.matches('{').count() != template.matches('}').count();
        if ends_in_brace || template.is_empty() || template.ends_with('/') {
            return Err(bad("braces must be closed, and it must end in a file's name"));
        }
        self.templates.insert(dataset_type.to_string(), template.to_string());
        Ok(self)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the dataset's file is or would be.
    pub fn path(&self, dataset: &DatasetRef) -> Result<PathBuf, ButlerError> {
        check_name(&dataset.dataset_type)?;
        for (key, value) in &dataset.data_id {
            check_name(key)?;
            check_name(&value.to_string())?;
        }
        let Some(template) = self.templates.get(&dataset.dataset_type) else {
            let mut path = self.root.join(&dataset.dataset_type);
            for (key, value) in &dataset.data_id {
                path.push(format!("{key}={value}"));
            }
            return Ok(path.join(format!("{}.bin", dataset.dataset_type)));
        };
        let mut text = template.clone();
        for (key, value) in &dataset.data_id {
            let place = format!("{{{key}}}");
            if !text.contains(&place) {
                return Err(ButlerError::BadTemplate {
                    template: template.clone(),
                    why: "it does not name every dimension of the data id",
                });
            }
            text = text.replace(&place, &value.to_string());
        }
        if let Some((_, rest)) = text.split_once('{') {
            let key = rest.split('}').next().unwrap_or_default().to_string();
            return Err(ButlerError::TemplateKey {
                dataset: dataset.to_string(),
                template: template.clone(),
                key,
            });
        }
        Ok(self.root.join(text))
    }

    fn missing(&self, dataset: &DatasetRef) -> ButlerError {
        ButlerError::Missing { dataset: dataset.to_string(), root: self.root.clone() }
    }
}

impl Datastore for FolderStore {
    fn put(&self, dataset: &DatasetRef, bytes: &[u8]) -> Result<(), ButlerError> {
        let path = self.path(dataset)?;
        let index = index_of(&path);
        if let Ok(found) = read_index(&index)
            && found != *dataset
        {
            let (a, b) = (found.to_string(), dataset.to_string());
            return Err(ButlerError::Collision { a, b, path });
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| CodecError::write(folder, e))?;
        }
        atomic_write_bytes(&path, bytes)?;
        let name = serde_json::to_vec(dataset)
            .map_err(|e| ButlerError::BadIndex { path: index.clone(), why: e.to_string() })?;
        atomic_write_bytes(&index, &name)?;
        Ok(())
    }

    fn get(&self, dataset: &DatasetRef) -> Result<Vec<u8>, ButlerError> {
        if !self.exists(dataset) {
            return Err(self.missing(dataset));
        }
        let path = self.path(dataset)?;
        Ok(fs::read(&path).map_err(|e| CodecError::read(&path, e))?)
    }

    fn exists(&self, dataset: &DatasetRef) -> bool {
        self.path(dataset).is_ok_and(|path| path.is_file() && index_of(&path).is_file())
    }

    fn list(&self, dataset_type: &str) -> Result<Vec<DatasetRef>, ButlerError> {
        let mut found = Vec::new();
        collect(&self.root, &mut found)?;
        found.retain(|d| d.dataset_type == dataset_type);
        found.sort();
        Ok(found)
    }

    fn remove(&self, dataset: &DatasetRef) -> Result<(), ButlerError> {
        if !self.exists(dataset) {
            return Err(self.missing(dataset));
        }
        let path = self.path(dataset)?;
        // The index first: when the second removal fails, the dataset is gone for the store.
        for path in [index_of(&path), path] {
            fs::remove_file(&path).map_err(|e| CodecError::write(&path, e))?;
        }
        Ok(())
    }
}

const INDEX_SUFFIX: &str = ".ref.json";

fn index_of(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}{INDEX_SUFFIX}"))
}

fn read_index(path: &Path) -> Result<DatasetRef, ButlerError> {
    let bytes = fs::read(path).map_err(|e| CodecError::read(path, e))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| ButlerError::BadIndex { path: path.to_path_buf(), why: e.to_string() })
}

fn collect(folder: &Path, found: &mut Vec<DatasetRef>) -> Result<(), ButlerError> {
    for entry in fs::read_dir(folder).map_err(|e| CodecError::read(folder, e))? {
        let entry = entry.map_err(|e| CodecError::read(folder, e))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|e| CodecError::read(&path, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() {
            collect(&path, found)?;
        } else if let Some(file) = name.strip_prefix('.').and_then(|n| n.strip_suffix(INDEX_SUFFIX))
            && path.with_file_name(file).is_file()
        {
            found.push(read_index(&path)?);
        }
    }
    Ok(())
}

/// A name that is safe as part of a path everywhere.
fn check_name(text: &str) -> Result<(), ButlerError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if text.is_empty() || text.starts_with('.') || !text.chars().all(allowed) {
        return Err(ButlerError::BadName { text: text.to_string() });
    }
    Ok(())
}
