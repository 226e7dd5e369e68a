//! Files and folders of a catalogue under construction.

use crate::error::CatalogError;
use rayon::prelude::*;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// A file of the staging folder: nobody reads it before it is complete.
pub(crate) fn create(path: &Path) -> Result<File, CatalogError> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    options.open(path).map_err(|e| CatalogError::write(path, e))
}

pub(crate) fn make_folder(path: &Path) -> Result<(), CatalogError> {
    fs::create_dir_all(path).map_err(|e| CatalogError::write(path, e))
}

/// Write a file whole or not at all, its folder made.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), CatalogError> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    Ok(elqui_codec::atomic_write_bytes(path, bytes)?)
}

/// The same for a file of the staging folder: whole or not at all for a process that is killed,
/// without waiting for the disk.
pub(crate) fn put_quick(path: &Path, bytes: &[u8]) -> Result<(), CatalogError> {
    let temporary = path.with_extension("tmp");
    create(&temporary)?.write_all(bytes).map_err(|e| CatalogError::write(&temporary, e))?;
    fs::rename(&temporary, path).map_err(|e| CatalogError::write(path, e))
}

/// Have all files below a folder on the disk, and the folders themselves.
pub(crate) fn sync_all(folder: &Path) -> Result<(), CatalogError> {
    let read = |e| CatalogError::read(folder, e);
    let entries = fs::read_dir(folder).map_err(read)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(read)?.path());
    }
    paths.into_par_iter().try_for_each(|path| {
        if path.is_dir() {
            return sync_all(&path);
        }
        let file = File::open(&path).map_err(|e| CatalogError::read(&path, e))?;
        file.sync_all().map_err(|e| CatalogError::write(&path, e))
    })?;
    let own = File::open(folder).map_err(read)?;
    // Not every file system syncs folders.
    let _ = own.sync_all();
    Ok(())
}

/// Remove a file or a folder with all that is in it; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), CatalogError> {
    let done = match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match done {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(CatalogError::write(path, e)),
        _ => Ok(()),
    }
}

/// Give a file a second name, as a copy where the file system knows no hard links.
pub(crate) fn link(from: &Path, to: &Path) -> Result<(), CatalogError> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    remove(to)?;
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map(|_| ()).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => CatalogError::read(from, e),
        _ => CatalogError::write(to, e),
    })
}

pub(crate) fn size(path: &Path) -> Result<u64, CatalogError> {
    fs::metadata(path).map(|m| m.len()).map_err(|e| CatalogError::read(path, e))
}
