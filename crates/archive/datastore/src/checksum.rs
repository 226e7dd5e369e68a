//! The sum of an artifact: BLAKE3, as `blake3:` and 64 hexadecimal digits.
//!
//! A cryptographic sum, so that a changed file is found whoever changed it, at some GB/s on one core
//! with any processor; SHA-256 reaches that only with instructions of its own. The name before the
//! colon leaves room for other sums later.

use elqui_butler::{Datastore, StoreError};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const NAME: &str = "blake3:";
/// Bytes read from a file at once.
const BLOCK: usize = 1 << 18;

pub fn checksum(bytes: &[u8]) -> String {
    format!("{NAME}{}", blake3::hash(bytes).to_hex())
}

thread_local! {
    /// Of the thread's reads: small files are many, and a block for each costs more than its bytes.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BLOCK]);
}

/// Checksum and size of a file, read block by block.
pub fn checksum_file(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut sum = Sum::default();
    BUFFER.with_borrow_mut(|block| {
        loop {
            let n = file.read(block)?;
            sum.add(&block[..n]);
            // Less than was asked for, and all that a plain file has: its end, without asking again.
            if n == 0 || (n < block.len() && about.is_file() && sum.size_bytes == about.len()) {
                return Ok((sum.text(), sum.size_bytes));
            }
        }
    })
}

/// Checksum and size of a store's file, never whole in memory.
pub fn checksum_stored(store: &dyn Datastore, path: &str) -> Result<(String, u64), StoreError> {
    let mut sum = Sum::default();
    store.read_blocks(path, &mut |block| sum.add(block))?;
    Ok((sum.text(), sum.size_bytes))
}

/// Whether a kept checksum is one that this program can compute, and if so, whether it is `found`.
pub fn matches(kept: &str, found: &str) -> Option<bool> {
    kept.starts_with(NAME).then_some(kept == found)
}

/// A sum that grows.
#[derive(Default)]
pub(crate) struct Sum {
    hasher: blake3::Hasher,
    pub size_bytes: u64,
}

impl Sum {
    pub fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    pub fn text(&self) -> String {
        format!("{NAME}{}", self.hasher.finalize().to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sum_of_nothing() {
        // Test vector of the BLAKE3 specification, input length 0.
        let empty = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(checksum(b""), empty);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let bytes = vec![7u8; 3 * BLOCK + 5];
        elqui_codec::atomic_write_bytes(&path, &bytes).unwrap();
        assert_eq!(checksum_file(&path).unwrap(), (checksum(&bytes), bytes.len() as u64));
        assert_eq!(matches(empty, &checksum(b"")), Some(true));
        assert_eq!(matches(empty, &checksum(b"a")), Some(false));
        assert_eq!(matches("sha256:00", &checksum(b"a")), None);
    }
}
