//! A folder of copies before a remote store.
//!
//! Paths are written once (templates name the dataset's id), so a copy is never out of date; one that was
//! damaged is found by its checksum, forgotten (`evict`) and fetched again. When the copies need more
//! than `bytes_max`, those used longest ago are removed.

use crate::folder::FolderStore;
use elqui_butler::{Datastore, Listed, StoreError, Stored, Transfer};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub struct CachedStore {
    behind: Arc<dyn Datastore>,
    copies: FolderStore,
    bytes_max: u64,
    /// What the copies need, as far as this process knows.
    bytes: Mutex<u64>,
}

impl CachedStore {
    /// - `folder`: for the copies; several processes may share it
    pub fn new(
        behind: Arc<dyn Datastore>,
        folder: &Path,
        bytes_max: u64,
    ) -> Result<Self, StoreError> {
        let copies = FolderStore::open(folder)?;
        let bytes = copies.list("")?.iter().map(|f| f.size_bytes).sum();
        Ok(Self { behind, copies, bytes_max, bytes: Mutex::new(bytes) })
    }

    fn remember(&self, path: &str, bytes: &[u8]) {
        let size = bytes.len() as u64;
        // A cache that cannot be written is slow, not wrong.
        if size > self.bytes_max || self.copies.put(path, bytes).is_err() {
            return;
        }
        let mut total = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *total += size;
        if *total <= self.bytes_max {
            return;
        }
        let Ok(mut all) = self.copies.list("") else { return };
        all.sort_by(|a, b| b.age_s.total_cmp(&a.age_s));
        *total = all.iter().map(|f| f.size_bytes).sum();
        for old in all {
            // Some room at once, or every further put would sweep.
            if *total <= self.bytes_max / 10 * 9 {
                return;
            }
            if old.path != path && self.copies.delete(&old.path).is_ok() {
                *total -= old.size_bytes;
            }
        }
    }
}

impl Datastore for CachedStore {
    fn name(&self) -> String {
        self.behind.name()
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
        self.copies.delete(path)?;
        let stored = self.behind.put(path, bytes)?;
        self.remember(path, bytes);
        Ok(stored)
    }

    fn put_file(
        &self,
        path: &str,
        from: &Path,
        mode: Transfer,
        sum: bool,
    ) -> Result<Stored, StoreError> {
        self.copies.delete(path)?;
        self.behind.put_file(path, from, mode, sum)
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        if let Ok(bytes) = self.copies.get(path) {
            if let Some(Ok(file)) = self.copies.local_path(path).map(File::open) {
                // The time of the last use decides who leaves first; not to know it does no harm.
                let _ = file.set_modified(SystemTime::now());
            }
            return Ok(bytes);
        }
        let bytes = self.behind.get(path)?;
        self.remember(path, &bytes);
        Ok(bytes)
    }

    fn read_blocks(&self, path: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        match self.copies.local_path(path) {
            Some(_) => self.copies.read_blocks(path, each),
            None => self.behind.read_blocks(path, each),
        }
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        self.copies.local_path(path).or_else(|| {
            self.get(path).ok()?;
            self.copies.local_path(path)
        })
    }

    fn size_bytes(&self, path: &str) -> Result<Option<u64>, StoreError> {
        self.behind.size_bytes(path)
    }

    fn delete(&self, path: &str) -> Result<bool, StoreError> {
        self.evict(path);
        self.behind.delete(path)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.behind.list(prefix)
    }

    fn leftovers(&self) -> Result<Vec<Listed>, StoreError> {
        self.behind.leftovers()
    }

    fn delete_leftover(&self, path: &str) -> Result<bool, StoreError> {
        self.behind.delete_leftover(path)
    }

    fn origin(&self) -> Option<&dyn Datastore> {
        Some(self.behind.as_ref())
    }

    fn evict(&self, path: &str) {
        // One that stays is found by its checksum again.
        let _ = self.copies.delete(path);
    }
}
