//! From the plan to the version that readers see.
//!
//! The last steps, each atomic: the version's folder is moved to its place; `collection.properties`
//! is pointed at it; the list of versions is written; the staging folder is removed. A crash
//! between two of them is made good by the next run.

use super::finish::{Names, collection_properties};
use super::input::Inputs;
use super::plan::Planned;
use super::staging::{COMPLETE, STAGING, Staging};
use crate::config::{ImportConfig, ImportReport, Progress};
use crate::error::CatalogError;
use crate::versions::{add_version, next_version};
use crate::{digests, files};
use arrow::datatypes::Field;
use elqui_hats::{COLLECTION_PROPERTIES, Pixel};
use serde::{Deserialize, Serialize};
use std::path::Path;

pub(super) struct Job<'a> {
    pub dir: &'a Path,
    pub config: &'a ImportConfig,
    pub tell: &'a (dyn Fn(Progress) + Sync),
    pub made_by: &'static str,
}

/// What an append starts from; nothing for a new catalogue.
#[derive(Default)]
pub(super) struct Base {
    /// Partitions that stay as they are.
    pub kept: Vec<Planned>,
    /// Pixels that new partitions are cut from; the whole sky when empty.
    pub roots: Vec<Pixel>,
}

/// What is left to do once all files are written.
#[derive(Serialize, Deserialize)]
struct Complete {
    version: String,
    rows: u64,
    report: ImportReport,
}

impl Job<'_> {
    /// What tells this import from any other.
    pub fn key(&self, inputs: &Inputs, base: Option<&str>) -> Result<String, CatalogError> {
        let parent = match &self.config.parent {
            Some(parent) => std::fs::read_to_string(parent.dir.join(COLLECTION_PROPERTIES))
                .map_err(|e| CatalogError::read(&parent.dir.join(COLLECTION_PROPERTIES), e))?,
            None => String::new(),
        };
        let column = |f: &std::sync::Arc<Field>| {
            format!("{} {} {}", f.name(), f.data_type(), f.is_nullable())
        };
        let columns: Vec<String> = inputs.schema.fields().iter().map(column).collect();
        let key = serde_json::json!({
            "elqui": env!("CARGO_PKG_VERSION"),
            "made_by": self.made_by,
            "config": self.config,
            "base": base,
            "parent": parent,
            "columns": columns,
            "parts": inputs.fingerprints(),
        });
        Ok(key.to_string())
    }

    pub fn pool(&self) -> Result<rayon::ThreadPool, CatalogError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.config.threads.max(1));
        pool.build().map_err(CatalogError::internal)
    }

    /// A run of this import that was stopped between its last steps is brought to its end.
    pub fn finish_commit(&self, key: &str) -> Result<Option<ImportReport>, CatalogError> {
        let folder = self.dir.join(STAGING);
        let known = std::fs::read_to_string(folder.join("key.json")).ok();
        if known.as_deref() != Some(key) {
            return Ok(None);
        }
        let staging = Staging { folder, stale_removed: false };
        let Some(complete) = staging.read::<Complete>(COMPLETE) else { return Ok(None) };
        self.publish(&staging, &complete)?;
        Ok(Some(complete.report))
    }

    /// Show the version to the readers.
    pub fn commit(&self, staging: &Staging, report: &ImportReport) -> Result<(), CatalogError> {
        let complete =
            Complete { version: report.version.clone(), rows: report.rows, report: report.clone() };
        // What a run that was stopped here had moved already, under this number.
        let place = self.dir.join(&complete.version);
        if staging.version().exists() {
            files::remove(&place)?;
        }
        if staging.version().exists() {
            digests::write(&staging.version())?;
            files::sync_all(&staging.version())?;
        }
        staging.write(COMPLETE, &complete)?;
        self.publish(staging, &complete)
    }

    fn publish(&self, staging: &Staging, complete: &Complete) -> Result<(), CatalogError> {
        let place = self.dir.join(&complete.version);
        if staging.version().exists() {
            let from = staging.version();
            std::fs::rename(&from, &place).map_err(|e| CatalogError::write(&place, e))?;
        }
        let names = Names::new(self.config)?;
        let p = collection_properties(&self.config.name, &names, Some(&complete.version));
        let pointer = self.dir.join(COLLECTION_PROPERTIES);
        files::put(&pointer, p.to_text("HATS Collection").as_bytes())?;
        add_version(self.dir, &complete.version, complete.rows, self.made_by)?;
        files::remove(&staging.folder)
    }

    /// The number of the version to be.
    pub fn version(&self) -> Result<String, CatalogError> {
        next_version(self.dir)
    }
}
