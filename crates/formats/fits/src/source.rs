//! Where the bytes come from: an open file, read piece by piece, or bytes in memory.
//!
//! A gzip stream is known by its first bytes, whatever the file's name, and is unpacked at once.

use crate::error::{FitsError, Result};
use elqui_codec::CodecError;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Pieces in which a file is read: small enough to stay in the processor's cache.
const PIECE: usize = 1 << 18;

/// A gzip stream is unpacked up to this size.
const UNPACKED_MAX: u64 = 1 << 33;

#[derive(Debug)]
pub(crate) enum Source {
    File { file: Mutex<File>, len: u64 },
    Bytes(Vec<u8>),
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let fail = |e| FitsError::from(CodecError::read(path, e));
        let mut file = File::open(path).map_err(fail)?;
        let facts = file.metadata().map_err(fail)?;
        if facts.is_dir() {
            return Err(fail(std::io::ErrorKind::IsADirectory.into()));
        }
        let mut magic = [0u8; 2];
        let got = read_up_to(&mut file, &mut magic).map_err(fail)?;
        if got == 2 && is_gzip(&magic) {
            file.seek(SeekFrom::Start(0)).map_err(fail)?;
            return Ok(Self::Bytes(gunzip(file, &path.display().to_string())?));
        }
        if !facts.is_file() {
            // A pipe cannot be read again: take it all.
            let mut bytes = magic[..got].to_vec();
            file.read_to_end(&mut bytes).map_err(fail)?;
            return Ok(Self::Bytes(bytes));
        }
        Ok(Self::File { file: Mutex::new(file), len: facts.len() })
    }

    pub(crate) fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Self> {
        if is_gzip(&bytes) {
            return Ok(Self::Bytes(gunzip(&bytes[..], name)?));
        }
        Ok(Self::Bytes(bytes))
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Bytes(b) => b.len() as u64,
        }
    }

    /// Give the bytes `[from, from + len)` to `f` in pieces of a multiple of 8 bytes (but the last).
    /// The caller has checked that they are there.
    pub(crate) fn pieces(
        &self,
        from: u64,
        len: u64,
        mut f: impl FnMut(&[u8]),
    ) -> std::io::Result<()> {
        match self {
            Self::Bytes(bytes) => {
                let end = from.saturating_add(len).min(bytes.len() as u64);
                if from < end {
                    bytes[from as usize..end as usize].chunks(PIECE).for_each(f);
                }
                Ok(())
            }
            Self::File { file, .. } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(from))?;
                let mut buffer = vec![0; PIECE.min(len as usize)];
                let mut left = len;
                while left > 0 {
                    let piece = &mut buffer[..PIECE.min(left as usize)];
                    file.read_exact(piece)?;
                    f(piece);
                    left -= piece.len() as u64;
                }
                Ok(())
            }
        }
    }

    /// A copy of the bytes `[from, from + len)`, or of as many as there are.
    pub(crate) fn copy(&self, from: u64, len: u64) -> std::io::Result<Vec<u8>> {
        let len = len.min(self.len().saturating_sub(from));
        let mut out = Vec::with_capacity(len as usize);
        self.pieces(from, len, |piece| out.extend_from_slice(piece))?;
        Ok(out)
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

fn gunzip(packed: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let fail = |why: String| FitsError::Gzip { file: name.into(), why };
    flate2::read::MultiGzDecoder::new(packed)
        .take(UNPACKED_MAX)
        .read_to_end(&mut out)
        .map_err(|e| fail(e.to_string()))?;
    if out.len() as u64 == UNPACKED_MAX {
        return Err(fail("it unpacks to more than 8 GiB".into()));
    }
    Ok(out)
}
