//! Why a dataset could not be read or written.

use std::io;
use std::path::{Path, PathBuf};

/// Errors of reading and writing datasets. Every text names the file.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("cannot write `{}`: {}", path.display(), explain(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read `{}`: {}", path.display(), explain(source))]
    Read { path: PathBuf, source: io::Error },
    #[error("`{name}` is not a readable {kind}: {reason}")]
    Decode { name: String, kind: &'static str, reason: String },
    #[error("a {kind} cannot be written to `{name}`: {reason}")]
    Encode { name: String, kind: &'static str, reason: String },
}

impl CodecError {
    pub fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }
    pub fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }
}

/// What went wrong and what the user can do about it.
fn explain(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full; free some space or choose another folder",
        io::ErrorKind::QuotaExceeded => "your disk quota is used up; free some space",
        io::ErrorKind::PermissionDenied => "permission denied; check the owner and the mode",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only; choose another folder",
        io::ErrorKind::NotFound => "no such file or folder",
        io::ErrorKind::IsADirectory => "it is a folder, not a file",
        io::ErrorKind::NotADirectory => "a part of its path is not a folder",
        io::ErrorKind::FileTooLarge => "the file would be larger than the file system allows",
        _ => return error.to_string(),
    };
    advice.to_string()
}
