//! An open Parquet file: its descriptor and its footer, read once.
//!
//! Reads are at offsets, so that any number of threads share the descriptor.

use crate::error::{SkyDbError, one_line};
use bytes::{Buf, Bytes};
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use datafusion::parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is read at offsets.
#[derive(Debug, Clone)]
pub struct PlacedReader {
    file: Arc<File>,
    bytes: u64,
}

impl Length for PlacedReader {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for PlacedReader {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        // Page headers are read this way where a file has no offset index.
        let length = (self.bytes.saturating_sub(start)).min(64 << 10) as usize;
        Ok(self.get_bytes(start, length)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} lie behind the end ({} bytes)",
                self.bytes
            )));
        }
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        Ok(buffer.into())
    }
}

/// A file and what its footer says, page indexes included.
#[derive(Debug)]
pub struct OpenFile {
    pub path: PathBuf,
    pub reader: PlacedReader,
    pub arrow: ArrowReaderMetadata,
}

impl OpenFile {
    pub fn open(path: &Path) -> std::result::Result<Self, SkyDbError> {
        let fail =
            |reason: String| SkyDbError::Damaged { path: path.display().to_string(), reason };
        let file = File::open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => fail("the file is missing".into()),
            _ => fail(one_line(e)),
        })?;
        let bytes = file.metadata().map_err(|e| fail(one_line(e)))?.len();
        let reader = PlacedReader { file: Arc::new(file), bytes };
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let arrow = ArrowReaderMetadata::load(&reader, options).map_err(|e| fail(one_line(e)))?;
        Ok(Self { path: path.to_path_buf(), reader, arrow })
    }

    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.arrow.metadata()
    }

    pub fn damaged(&self, reason: impl ToString) -> SkyDbError {
        SkyDbError::Damaged { path: self.path.display().to_string(), reason: one_line(reason) }
    }

    /// Number of the leaf column of a plain (not nested) column.
    pub fn leaf(&self, column: &str) -> Option<usize> {
        let schema = self.metadata().file_metadata().schema_descr();
        (0..schema.num_columns()).find(|k| {
            let parts = schema.column(*k).path().parts().to_vec();
            parts.len() == 1 && parts[0] == column
        })
    }
}
