//! Footers that were read are kept, up to a number of bytes.
//!
//! A catalogue may have fifty thousand files: each is opened when it is first needed, and the ones
//! not used for longest are closed when the footers grow past the bound.

use super::open_file::OpenFile;
use crate::error::SkyDbError;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of footers that a table keeps.
const BYTES_MAX: usize = 256 << 20;
/// Files that a table keeps open.
const FILES_MAX: usize = 2_000;

#[derive(Debug, Default)]
pub struct Footers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<usize, (Arc<OpenFile>, usize, u64)>,
    bytes: usize,
    clock: u64,
}

impl Footers {
    /// File number `index`, opened now or before.
    pub fn open(&self, index: usize, path: &Path) -> Result<Arc<OpenFile>, SkyDbError> {
        if let Some(found) = self.find(index) {
            return Ok(found);
        }
        // Not under the lock: others go on. Two that open the same file both succeed.
        let file = Arc::new(OpenFile::open(path)?);
        self.keep(index, file.clone());
        Ok(file)
    }

    fn find(&self, index: usize) -> Option<Arc<OpenFile>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let now = kept.clock;
        let (file, _, used) = kept.files.get_mut(&index)?;
        *used = now;
        Some(file.clone())
    }

    fn keep(&self, index: usize, file: Arc<OpenFile>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = file.metadata().memory_size();
        let now = kept.clock;
        if let Some((_, before, _)) = kept.files.insert(index, (file, bytes, now)) {
            kept.bytes -= before;
        }
        kept.bytes += bytes;
        if kept.bytes > BYTES_MAX || kept.files.len() > FILES_MAX {
            // The older half goes at once, so that a scan past the bound does not sort each time.
            let mut ages: Vec<u64> = kept.files.values().map(|f| f.2).collect();
            ages.sort_unstable();
            let middle = ages[ages.len() / 2];
            kept.files.retain(|k, f| f.2 >= middle || *k == index);
            kept.bytes = kept.files.values().map(|f| f.1).sum();
        }
    }
}
