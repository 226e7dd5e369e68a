//! Record batches in a file, found again by their place: what an import keeps on disk between
//! its stages.
//!
//! - each chunk is an Arrow IPC stream of one batch, uncompressed, aligned to 64 bytes

use crate::error::{CatalogError, one_line};
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Where a chunk is in its file, bytes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Place {
    pub offset: u64,
    pub length: u64,
}

/// A batch as the bytes of a chunk, padded.
pub(crate) fn encode(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<Place, CatalogError> {
    let failed = |e| CatalogError::refused(one_line(e));
    let offset = out.len() as u64;
    let mut writer = StreamWriter::try_new(&mut *out, &batch.schema()).map_err(failed)?;
    writer.write(batch).map_err(failed)?;
    writer.finish().map_err(failed)?;
    drop(writer);
    let length = out.len() as u64 - offset;
    out.resize(out.len().next_multiple_of(64), 0);
    Ok(Place { offset, length })
}

/// The batches of a buffer that holds chunks.
pub(crate) fn decode(buffer: &Buffer, places: &[Place]) -> Result<Vec<RecordBatch>, CatalogError> {
    let lost =
        || CatalogError::refused("the staging files are damaged; remove them and import anew");
    let number = |v: u64| usize::try_from(v).map_err(|_| lost());
    let mut batches = Vec::with_capacity(places.len());
    for place in places {
        let (offset, length) = (number(place.offset)?, number(place.length)?);
        if offset.saturating_add(length) > buffer.len() {
            return Err(lost());
        }
        let mut part = buffer.slice_with_length(offset, length);
        let mut decoder = StreamDecoder::new();
        while !part.is_empty() {
            match decoder.decode(&mut part) {
                Ok(Some(batch)) => batches.push(batch),
                Ok(None) => {}
                Err(_) => return Err(lost()),
            }
        }
    }
    Ok(batches)
}

/// A whole file.
pub(crate) fn read_file(path: &Path) -> Result<Buffer, CatalogError> {
    std::fs::read(path).map(Buffer::from_vec).map_err(|e| CatalogError::read(path, e))
}

/// Some chunks of a file.
pub(crate) fn read_some(path: &Path, places: &[Place]) -> Result<Vec<RecordBatch>, CatalogError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let read = |e| CatalogError::read(path, e);
    let mut file = File::open(path).map_err(read)?;
    let mut batches = Vec::new();
    for place in places {
        let mut bytes = vec![0u8; usize::try_from(place.length).unwrap_or(0)];
        file.seek(SeekFrom::Start(place.offset)).map_err(read)?;
        file.read_exact(&mut bytes).map_err(read)?;
        let whole = Place { offset: 0, length: place.length };
        batches.extend(decode(&Buffer::from_vec(bytes), &[whole])?);
    }
    Ok(batches)
}
