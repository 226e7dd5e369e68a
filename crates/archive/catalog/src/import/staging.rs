//! The staging folder of an import (`.elqui-staging` in the collection's folder).
//!
//! - `key.json`: what is imported and how; a run with another key starts anew
//! - `plan.json`, `dealt.json`: stages that are done; `side/NNNNNN.done`: buckets that are done
//! - `version/`: the version's folder to be, moved to its place at the end

use super::encoding::Encodings;
use super::plan::Plan;
use crate::error::CatalogError;
use crate::files;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

pub(crate) const STAGING: &str = ".elqui-staging";
/// There from when all of the version's files are written.
pub(super) const COMPLETE: &str = "complete.json";

/// Remove the staging folder of an import that came to its end but for this.
pub(crate) fn sweep(collection: &Path) -> Result<(), CatalogError> {
    let folder = collection.join(STAGING);
    let over = folder.join(COMPLETE).exists() && !folder.join("version").exists();
    if over { files::remove(&folder) } else { Ok(()) }
}

pub(super) struct Staging {
    pub folder: PathBuf,
    /// A different import had been left half-way.
    pub stale_removed: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Planned {
    pub plan: Plan,
    pub encodings: Encodings,
}

impl Staging {
    /// Open the staging folder for an import; what a different one left is removed.
    pub fn open(collection: &Path, key: &str) -> Result<Self, CatalogError> {
        let folder = collection.join(STAGING);
        let path = folder.join("key.json");
        let known = std::fs::read_to_string(&path).ok();
        let other = folder.exists() && known.as_deref() != Some(key);
        let stale_removed = other && !folder.join(COMPLETE).exists();
        if other {
            // The key first: files without it are never taken for a finished stage.
            files::remove(&path)?;
            files::remove(&folder)?;
        }
        if known.as_deref() != Some(key) {
            files::make_folder(&folder)?;
            files::put(&path, key.as_bytes())?;
        }
        Ok(Self { folder, stale_removed })
    }

    pub fn side(&self) -> PathBuf {
        self.folder.join("side")
    }

    pub fn version(&self) -> PathBuf {
        self.folder.join("version")
    }

    pub fn dealt(&self) -> PathBuf {
        self.folder.join("dealt")
    }

    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&std::fs::read(self.folder.join(name)).ok()?).ok()
    }

    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), CatalogError> {
        let text = serde_json::to_vec(value).map_err(CatalogError::internal)?;
        files::put_quick(&self.folder.join(name), &text)
    }
}
