//! One writer at a time: a lock on the collection's folder.
//!
//! The operating system's lock on `.elqui.lock` decides, so a process that died holds nothing;
//! the file's text (process, host, time) is for the message. The file stays: removing it would
//! let two writers lock two different files of one name.

use crate::clock::now_iso;
use crate::error::CatalogError;
use crate::files::make_folder;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

pub(crate) struct Lock {
    file: File,
}

impl Lock {
    pub fn take(folder: &Path) -> Result<Self, CatalogError> {
        make_folder(folder)?;
        let path = folder.join(".elqui.lock");
        let failed = |e| CatalogError::write(&path, e);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(folder, &mut file)),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() { "this host" } else { host.trim() };
        let text = format!("{}\n{host}\n{}\n", std::process::id(), now_iso());
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would release it as well.
        let _ = self.file.unlock();
    }
}

fn busy(folder: &Path, file: &mut File) -> CatalogError {
    let mut text = String::new();
    // The other process may just be writing it.
    let _ = file.read_to_string(&mut text);
    let mut lines = text.lines();
    CatalogError::Busy {
        path: folder.display().to_string(),
        pid: lines.next().and_then(|l| l.parse().ok()).unwrap_or(0),
        host: lines.next().unwrap_or("unknown host").into(),
        since: lines.next().unwrap_or("just now").into(),
    }
}
