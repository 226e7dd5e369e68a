//! A store in memory, for tests and for steps that keep nothing.

use crate::checksum::checksum;
use elqui_butler::{Datastore, Listed, StoreError, Stored, Transfer, check_store_path};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

const NAME: &str = "memory";

type Files = BTreeMap<String, (Arc<[u8]>, Instant)>;

/// A clone shares its files.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    files: Arc<Mutex<Files>>,
}

impl MemoryStore {
    fn files(&self) -> MutexGuard<'_, Files> {
        // The map is whole at every moment, also after a panic elsewhere.
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Datastore for MemoryStore {
    fn name(&self) -> String {
        NAME.to_string()
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
        check_store_path(path)?;
        self.files().insert(path.to_string(), (bytes.into(), Instant::now()));
        Ok(Stored {
            path: path.to_string(),
            size_bytes: bytes.len() as u64,
            checksum: checksum(bytes),
        })
    }

    fn put_file(
        &self,
        path: &str,
        from: &Path,
        mode: Transfer,
        _sum: bool,
    ) -> Result<Stored, StoreError> {
        if !matches!(mode, Transfer::Copy | Transfer::Move) {
            let why = "files can only be copied or moved into it";
            return Err(StoreError::Unsupported { store: self.name(), what: "link files", why });
        }
        check_store_path(path)?;
        let name = from.display().to_string();
        let fail = |e: std::io::Error| StoreError::io("read", &name, "of local files", &e);
        let stored = self.put(path, &std::fs::read(from).map_err(fail)?)?;
        if mode == Transfer::Move {
            std::fs::remove_file(from).map_err(fail)?;
        }
        Ok(stored)
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let found = self.files().get(path).map(|(bytes, _)| bytes.to_vec());
        found.ok_or_else(|| StoreError::Missing { path: path.to_string(), store: self.name() })
    }

    fn local_path(&self, _path: &str) -> Option<PathBuf> {
        None
    }

    fn size_bytes(&self, path: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.files().get(path).map(|(bytes, _)| bytes.len() as u64))
    }

    fn delete(&self, path: &str) -> Result<bool, StoreError> {
        Ok(self.files().remove(path).is_some())
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let files = self.files();
        let from = files.range(prefix.to_string()..).take_while(|(p, _)| p.starts_with(prefix));
        let one = |(path, (bytes, at)): (&String, &(Arc<[u8]>, Instant))| Listed {
            path: path.clone(),
            size_bytes: bytes.len() as u64,
            age_s: at.elapsed().as_secs_f64(),
        };
        Ok(from.map(one).collect())
    }
}
