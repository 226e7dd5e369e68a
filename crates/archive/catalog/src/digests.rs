//! Digests of a version's files: bytes that changed on the disk are found, whatever they mean.
//!
//! - `elqui.digests` in the version's folder: BLAKE3 and path of each file, as b3sum writes and checks them
//! - HATS knows no such file and readers pass over it; pages that are not compressed have no other guard

use crate::error::CatalogError;
use crate::files;
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const DIGESTS: &str = "elqui.digests";

/// Write the digests of all files below a version's folder.
pub(crate) fn write(version: &Path) -> Result<(), CatalogError> {
    let mut paths = Vec::new();
    below(version, &mut paths)?;
    paths.retain(|p| p != &version.join(DIGESTS));
    paths.sort();
    let lines = paths
        .par_iter()
        .map(|path| {
            let name = path.strip_prefix(version).unwrap_or(path).to_string_lossy();
            Ok(format!("{}  {name}\n", digest(path)?))
        })
        .collect::<Result<String, CatalogError>>()?;
    files::put_quick(&version.join(DIGESTS), lines.as_bytes())
}

/// Files whose bytes are not those that were written, and what is wrong with each. Nothing where the
/// version has no digests (it is another program's).
pub(crate) fn check(version: &Path) -> Result<Vec<(PathBuf, String)>, CatalogError> {
    let file = version.join(DIGESTS);
    let Ok(text) = fs::read_to_string(&file) else { return Ok(Vec::new()) };
    let wrong = text.par_lines().filter_map(|line| {
        let (wanted, name) = line.split_once("  ")?;
        let path = version.join(name);
        match digest(&path) {
            Ok(found) if found == wanted => None,
            Ok(_) => Some((path, "its bytes are not those that were written".to_string())),
            Err(_) if !path.exists() => Some((path, "it is missing".to_string())),
            Err(e) => Some((path, e.to_string())),
        }
    });
    Ok(wrong.collect())
}

fn digest(path: &Path) -> Result<String, CatalogError> {
    let file = fs::File::open(path).map_err(|e| CatalogError::read(path, e))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(|e| CatalogError::read(path, e))?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn below(folder: &Path, out: &mut Vec<PathBuf>) -> Result<(), CatalogError> {
    for entry in fs::read_dir(folder).map_err(|e| CatalogError::read(folder, e))? {
        let path = entry.map_err(|e| CatalogError::read(folder, e))?.path();
        if path.is_dir() { below(&path, out)? } else { out.push(path) }
    }
    Ok(())
}
