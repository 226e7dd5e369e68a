//! Where bytes are: the trait of datastores, implemented in `archive/datastore`.
//!
//! A store keeps whole files by relative paths with `/` between their parts. It knows neither datasets
//! nor formats. What is put is there whole or not at all, also after a power cut; a path is
//! written once (a put of the same path replaces it whole).

use std::io;
use std::path::{Path, PathBuf};

/// What a put has kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub path: String,
    pub size_bytes: u64,
    /// `blake3:` and 64 hexadecimal digits; empty when it was not asked for.
    pub checksum: String,
}

/// One file of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub path: String,
    pub size_bytes: u64,
    /// Seconds since it was written, by the clock of who lists.
    pub age_s: f64,
}

/// How a file comes into a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transfer {
    #[default]
    Copy,
    /// Taken away from where it was.
    Move,
    /// A second name of the same file; on the same file system only.
    Link,
    /// A name that points to where it is.
    Symlink,
    /// Left where it is; the store keeps nothing.
    Direct,
}

impl Transfer {
    pub const ALL: [(&'static str, Self); 5] = [
        ("copy", Self::Copy),
        ("move", Self::Move),
        ("link", Self::Link),
        ("symlink", Self::Symlink),
        ("direct", Self::Direct),
    ];
}

impl std::str::FromStr for Transfer {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode);
        found.ok_or_else(|| "choose copy, move, link, symlink or direct".to_string())
    }
}

/// Keeps files by their paths. Many threads share one.
pub trait Datastore: Send + Sync {
    /// What errors call it: a folder, `s3://bucket/prefix`.
    fn name(&self) -> String;

    /// Keep bytes. They are there, durably, when this returns.
    fn put(&self, path: &str, bytes: &[u8]) -> Result<Stored, StoreError>;

    /// Keep a file of the local file system. With `sum`, its checksum is computed on the way.
    fn put_file(
        &self,
        path: &str,
        from: &Path,
        mode: Transfer,
        sum: bool,
    ) -> Result<Stored, StoreError>;

    fn get(&self, path: &str) -> Result<Vec<u8>, StoreError>;

    /// Its bytes, block after block, for who need not have all of them at once.
    fn read_blocks(&self, path: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        each(&self.get(path)?);
        Ok(())
    }

    /// Where the file is on this machine, for readers that want a path; `None` when it is not here.
    fn local_path(&self, path: &str) -> Option<PathBuf>;

    /// Its size, or `None` when there is none.
    fn size_bytes(&self, path: &str) -> Result<Option<u64>, StoreError>;

    /// Remove it; `false` when it was not there.
    fn delete(&self, path: &str) -> Result<bool, StoreError>;

    /// All files whose paths begin with a text, by path; without what puts have not finished.
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError>;

    /// What puts that were cut off have left behind. `delete_leftover` takes these paths.
    fn leftovers(&self) -> Result<Vec<Listed>, StoreError> {
        Ok(Vec::new())
    }

    fn delete_leftover(&self, path: &str) -> Result<bool, StoreError> {
        self.delete(path)
    }

    /// Of a cache, the store behind it: what `verify` reads.
    fn origin(&self) -> Option<&dyn Datastore> {
        None
    }

    /// Of a cache, forget its copy.
    fn evict(&self, _path: &str) {}

    fn exists(&self, path: &str) -> Result<bool, StoreError> {
        Ok(self.size_bytes(path)?.is_some())
    }
}

/// What a store could not do. The texts name the path, the store and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no `{path}` in the store {store}")]
    Missing { path: String, store: String },
    #[error("`{path}` cannot be a path in a store: {why}")]
    BadPath { path: String, why: &'static str },
    #[error("cannot {what} `{path}` in the store {store}: {why}")]
    Failed { what: &'static str, path: String, store: String, why: String },
    #[error(
        "the store {store} is full: free some space, then run the same again; `{path}` was not kept"
    )]
    Full { path: String, store: String },
    #[error(
        "the store {store} does not answer: {why}; check the network and the endpoint, then run the same again"
    )]
    Unreachable { store: String, why: String },
    #[error("the store {store} cannot {what}: {why}")]
    Unsupported { store: String, what: &'static str, why: &'static str },
    #[error("the store {store} cannot be opened: {why}")]
    Open { store: String, why: String },
}

impl StoreError {
    /// For programs; never changed.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::BadPath { .. } => "bad_path",
            Self::Failed { .. } => "failed",
            Self::Full { .. } => "full",
            Self::Unreachable { .. } => "unreachable",
            Self::Unsupported { .. } => "unsupported",
            Self::Open { .. } => "open",
        }
    }

    /// An error of the file system, sorted by what its remedy is.
    pub fn io(what: &'static str, path: &str, store: &str, e: &io::Error) -> Self {
        let (path, store) = (path.to_string(), store.to_string());
        match e.kind() {
            io::ErrorKind::NotFound => Self::Missing { path, store },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, store },
            io::ErrorKind::PermissionDenied => {
                let why = "permission denied; check the owner and the mode".to_string();
                Self::Failed { what, path, store, why }
            }
            _ => Self::Failed { what, path, store, why: e.to_string() },
        }
    }
}

/// A path that every kind of store can keep: relative, without `.`, `..`, empty or hidden parts.
pub fn check_store_path(path: &str) -> Result<(), StoreError> {
    let bad = |why| {
        let path = path.chars().take(80).collect();
        Err(StoreError::BadPath { path, why })
    };
    if path.is_empty() || path.len() > 1024 {
        return bad("1 to 1024 bytes are allowed");
    }
    if path.contains(['\\', '\0', '\n', '\r', ':', '#', '?']) {
        return bad("it holds a character that some stores do not keep");
    }
    for part in path.split('/') {
        if part.is_empty() || part.starts_with('.') {
            return bad("a part of it is empty or begins with a `.`");
        }
        if part.len() > 255 {
            return bad("a part of it is longer than 255 bytes");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_store_are_refused() {
        for good in ["a", "u/run/raw/raw_Sim_7.fits", "u/a%20b/x+y.fits", "ü/x"] {
            assert!(check_store_path(good).is_ok(), "{good}");
        }
        let long = "x".repeat(256);
        for bad in ["", "/a", "a/../b", "..", "a//b", "a/", ".a", "a/.b.tmp", "a\\b", "a\0", &long]
        {
            assert_eq!(check_store_path(bad).unwrap_err().code(), "bad_path", "{bad}");
        }
    }
}
