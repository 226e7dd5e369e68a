//! Files that are there whole or not at all.
//!
//! A file is written under a temporary name in the folder of its target, flushed to the disk and
//! then renamed, so that neither a crash nor a full disk leaves half a file under the final name.

use crate::error::CodecError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes temporary names of one process distinct.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Removes the temporary file unless it was renamed.
struct Temporary {
    path: PathBuf,
    keep: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing better can be done when even the removal fails.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Write `path` by `f`; the file appears under its name only when `f` and the flush succeeded.
///
/// `f`'s own error type only has to take an I/O error of this function as [`CodecError`]. An
/// existing file is replaced; missing folders are not made.
pub fn atomic_write<E: From<CodecError>>(
    path: &Path,
    f: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let fail = |source: io::Error| E::from(CodecError::write(path, source));
    if path.is_dir() {
        return Err(fail(io::ErrorKind::IsADirectory.into()));
    }
    let (temporary_path, file) = create_beside(path).map_err(fail)?;
    let mut temporary = Temporary { path: temporary_path, keep: false };
    let mut writer = BufWriter::with_capacity(1 << 18, file);
    f(&mut writer)?;
    let file = writer.into_inner().map_err(|e| fail(e.into_error()))?;
    file.sync_all().map_err(fail)?;
    drop(file);
    fs::rename(&temporary.path, path).map_err(fail)?;
    temporary.keep = true;
    sync_folder(path);
    Ok(())
}

/// [`atomic_write`] of bytes that are there already.
pub fn atomic_write_bytes(path: &Path, bytes: &[u8]) -> Result<(), CodecError> {
    atomic_write(path, |w| w.write_all(bytes).map_err(|e| CodecError::write(path, e)))
}

fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_string_lossy();
    // A long name is cut, so that the temporary one is not too long for the file system.
    let short: String = name.chars().take(40).collect();
    loop {
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!(".{short}.{}-{n}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// Make the rename itself durable where the system lets a folder be synced.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut v: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        v.sort();
        v
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        atomic_write_bytes(&path, b"old").unwrap();
        let result = atomic_write(&path, |w| {
            w.write_all(b"half").unwrap();
            Err(CodecError::write(&path, io::ErrorKind::StorageFull.into()))
        });
        let text = result.unwrap_err().to_string();
        assert!(text.contains("a.txt") && text.contains("disk is full"), "{text}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
        atomic_write_bytes(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_missing_folder_and_a_folder_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let e = atomic_write_bytes(&folder.path().join("no/such.fits"), b"x").unwrap_err();
        assert!(e.to_string().contains("such.fits`: no such file or folder"), "{e}");
        let e = atomic_write_bytes(folder.path(), b"x").unwrap_err();
        assert!(e.to_string().contains("it is a folder"), "{e}");
        assert!(names(folder.path()).is_empty());
    }
}
