//! Versions of a collection: list, tag, remove.

use crate::clock::now_iso;
use crate::error::CatalogError;
use crate::files;
use crate::import::sweep;
use crate::lock::Lock;
use elqui_hats::{HatsCatalog, VERSIONS_FILE, Version, Versions, version_name, version_number};
use std::path::Path;

/// All versions, oldest first.
pub fn versions(dir: &Path) -> Result<Vec<Version>, CatalogError> {
    Ok(known(dir)?.list)
}

/// The list, with the current version even where a crash kept it from being listed.
fn known(dir: &Path) -> Result<Versions, CatalogError> {
    let mut versions = Versions::read(dir)?;
    if !dir.join(elqui_hats::COLLECTION_PROPERTIES).is_file() {
        return Ok(versions);
    }
    let catalog = HatsCatalog::open(dir)?;
    if let Some(name) = catalog.version()
        && !versions.list.iter().any(|v| v.name == name)
    {
        versions.list.push(Version {
            name: name.into(),
            created: catalog.properties().get("hats_creation_date").unwrap_or_default().into(),
            rows: catalog.rows()?.unwrap_or(0),
            made_by: "import".into(),
            tags: Vec::new(),
        });
    }
    Ok(versions)
}

/// Name a version (a release): by its name, number or another tag. A tag never moves.
pub fn tag(dir: &Path, version: &str, tag: &str) -> Result<Version, CatalogError> {
    let _lock = Lock::take(dir)?;
    sweep(dir)?;
    let mut versions = known(dir)?;
    let bad = tag.is_empty()
        || tag.contains(|c: char| c.is_control() || c.is_whitespace() || c == '/')
        || version_number(tag).is_some()
        || tag.bytes().all(|b| b.is_ascii_digit());
    if bad {
        return Err(CatalogError::refused(format!(
            "`{tag}` cannot be a tag: give a name without blanks or slashes that is no version"
        )));
    }
    let name = versions.resolve(dir, version)?;
    if let Some(old) = versions.list.iter().find(|v| v.tags.iter().any(|t| t == tag)) {
        if old.name == name {
            return Ok(old.clone());
        }
        return Err(CatalogError::refused(format!("`{tag}` is the tag of {} already", old.name)));
    }
    let found = versions.list.iter_mut().find(|v| v.name == name);
    let found = found.ok_or_else(|| CatalogError::internal("a version went missing"))?;
    found.tags.push(tag.into());
    let found = found.clone();
    write(dir, &versions)?;
    Ok(found)
}

/// Remove old versions, keeping the newest `keep`, the current one and all that have a tag.
/// Gives the names of those removed.
pub fn prune(dir: &Path, keep: usize) -> Result<Vec<String>, CatalogError> {
    let _lock = Lock::take(dir)?;
    sweep(dir)?;
    let mut versions = known(dir)?;
    let catalog = HatsCatalog::open(dir)?;
    let newest = versions.list.len().saturating_sub(keep);
    let mut removed = Vec::new();
    let mut k = 0;
    versions.list.retain(|v| {
        let old = k < newest && v.tags.is_empty() && catalog.version() != Some(&v.name);
        k += 1;
        if old {
            removed.push(v.name.clone());
        }
        !old
    });
    // The list first: a version that it names is whole.
    write(dir, &versions)?;
    for name in &removed {
        files::remove(&dir.join(name))?;
    }
    Ok(removed)
}

pub(crate) fn next_version(dir: &Path) -> Result<String, CatalogError> {
    let last = known(dir)?.list.iter().filter_map(|v| version_number(&v.name)).max();
    Ok(version_name(last.unwrap_or(0) + 1))
}

/// List a version that is in its place; one that is listed stays as it is.
pub(crate) fn add_version(
    dir: &Path,
    name: &str,
    rows: u64,
    made_by: &str,
) -> Result<(), CatalogError> {
    let mut versions = Versions::read(dir)?;
    if versions.list.iter().any(|v| v.name == name) {
        return Ok(());
    }
    versions.list.push(Version {
        name: name.into(),
        created: now_iso(),
        rows,
        made_by: made_by.into(),
        tags: Vec::new(),
    });
    write(dir, &versions)
}

fn write(dir: &Path, versions: &Versions) -> Result<(), CatalogError> {
    let text = versions.to_properties().to_text("Elqui: versions of this collection");
    files::put(&dir.join(VERSIONS_FILE), text.as_bytes())
}
