//! Opening an input: packed or not, and what it is by its first bytes.

use crate::error::CatalogError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of a text that are looked at to know what it is.
const HEAD: usize = 16 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputFormat {
    Parquet,
    Fits,
    Votable,
    Csv,
    Ecsv,
}

/// A file's bytes, unpacked where they are gzip'd (whatever the file's name).
pub(super) fn unpacked(path: &Path) -> Result<Box<dyn BufRead + Send>, CatalogError> {
    let read = |e| CatalogError::read(path, e);
    let file = File::open(path).map_err(read)?;
    if file.metadata().map_err(read)?.is_dir() {
        return Err(read(std::io::ErrorKind::IsADirectory.into()));
    }
    let mut file = BufReader::with_capacity(1 << 18, file);
    let head = file.fill_buf().map_err(read)?;
    if is_gzip(head) {
        return Ok(Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}

pub(super) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// Whether a file begins as a gzip stream does.
pub(super) fn file_is_gzip(path: &Path) -> Result<bool, CatalogError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(|e| CatalogError::read(path, e))?;
    file.take(2).read_to_end(&mut head).map_err(|e| CatalogError::read(path, e))?;
    Ok(is_gzip(&head))
}

/// What a file is, by its content.
pub fn input_format(path: &Path) -> Result<InputFormat, CatalogError> {
    let mut head = Vec::new();
    unpacked(path)?
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .map_err(|e| damaged(path, "gzip", e))?;
    let refuse = |reason: &str| CatalogError::Input {
        path: path.display().to_string(),
        format: "a table",
        reason: reason.into(),
    };
    if head.is_empty() {
        return Err(refuse("it is empty"));
    }
    if head.starts_with(b"PAR1") {
        return match file_is_gzip(path)? {
            true => Err(refuse("a Parquet file inside gzip; unpack it with `gunzip`")),
            false => Ok(InputFormat::Parquet),
        };
    }
    if head.starts_with(b"SIMPLE") {
        return Ok(InputFormat::Fits);
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    if text.starts_with(b"<") {
        return Ok(InputFormat::Votable);
    }
    if text.starts_with(b"# %ECSV") {
        return Ok(InputFormat::Ecsv);
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(refuse("it is UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`"));
    }
    if head.contains(&0) {
        return Err(refuse("it is none of Parquet, FITS, VOTable, ECSV and CSV"));
    }
    Ok(InputFormat::Csv)
}

/// A fault of the stream itself: a packed file that is cut off or damaged.
pub(super) fn damaged(
    path: &Path,
    format: &'static str,
    error: impl std::fmt::Display,
) -> CatalogError {
    CatalogError::Input {
        path: path.display().to_string(),
        format,
        reason: format!("{error}; fetch it again"),
    }
}
