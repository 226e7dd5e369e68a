//! Import: rows of any order become a version of a catalogue.
//!
//! Count rows by cell, plan the partitions, deal the rows out to buckets of partitions, sort and
//! write each bucket, then margins, index and the small files. Nothing is visible to readers
//! before [`commit`] puts the pointer on the new version; what is finished is kept for a run
//! that goes on after a crash. The files do not depend on threads, memory or interruptions.

mod append;
mod border;
mod bucket;
mod chunks;
mod commit;
mod count;
mod deal;
mod encoding;
mod finish;
mod index;
mod input;
mod margin;
mod parent;
mod partition;
mod place;
mod plan;
mod side;
mod staging;
mod work;

pub use append::{append, config_of};
pub(crate) use staging::sweep;

use crate::config::{ImportConfig, ImportReport, Progress};
use crate::error::CatalogError;
use crate::lock::Lock;
use crate::source::RowSource;
use commit::{Base, Job};
use elqui_hats::COLLECTION_PROPERTIES;
use input::Inputs;
use std::path::Path;

/// Make a catalogue in a new or empty folder.
pub fn import(
    dir: &Path,
    source: &dyn RowSource,
    config: &ImportConfig,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<ImportReport, CatalogError> {
    run(dir, source, config, tell, "import")
}

/// Give a catalogue a new version that holds these rows only.
pub fn replace(
    dir: &Path,
    source: &dyn RowSource,
    config: &ImportConfig,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<ImportReport, CatalogError> {
    run(dir, source, config, tell, "replace")
}

fn run(
    dir: &Path,
    source: &dyn RowSource,
    config: &ImportConfig,
    tell: &(dyn Fn(Progress) + Sync),
    made_by: &'static str,
) -> Result<ImportReport, CatalogError> {
    config.check()?;
    let _lock = Lock::take(dir)?;
    let inputs = Inputs::new(source, config)?;
    let job = Job { dir, config, tell, made_by };
    let key = job.key(&inputs, None)?;
    if let Some(report) = job.finish_commit(&key)? {
        return Ok(report);
    }
    if made_by == "import" {
        check_empty(dir)?;
    }
    // The partitions of a child table are those of its parent, or parts of them.
    let base = Base { roots: inputs.parent_partitions().to_vec(), ..Base::default() };
    job.pool()?.install(|| job.run(&inputs, &key, &base))
}

/// A new catalogue does not mix with what is in its folder.
fn check_empty(dir: &Path) -> Result<(), CatalogError> {
    if dir.join(COLLECTION_PROPERTIES).exists() {
        return Err(CatalogError::refused(format!(
            "`{}` holds a catalogue already; add rows with `elqui catalog append`, or make a new \
             version with `--replace`",
            dir.display()
        )));
    }
    let read = |e| CatalogError::read(dir, e);
    for entry in std::fs::read_dir(dir).map_err(read)? {
        let name = entry.map_err(read)?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(".elqui") && elqui_hats::version_number(&name).is_none() {
            return Err(CatalogError::refused(format!(
                "`{}` is not empty (`{name}`); give a folder of its own",
                dir.display()
            )));
        }
    }
    Ok(())
}
