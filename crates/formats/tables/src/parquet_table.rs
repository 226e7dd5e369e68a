//! Parquet: zstd-compressed, columns described.
//!
//! - field metadata: `unit`, `ucd`, `description`
//! - file metadata: `table` (the name) and the table's own pairs, in their order
//! - the bytes depend on the table alone: no time and no host is written

use crate::arrow_table::{arrow_schema, from_batches, to_batch};
use crate::error::{TableError, one_line};
use bytes::Bytes;
use elqui_codec::atomic_write_bytes;
use elqui_schema::Table;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use std::path::Path;

const NAME_KEY: &str = "table";
/// Arrow keeps its own schema under this key.
const ARROW_KEY: &str = "ARROW:schema";

/// The bytes of a Parquet file.
pub fn parquet_bytes(table: &Table) -> Result<Vec<u8>, TableError> {
    let fail = |e: parquet::errors::ParquetError| TableError::Parquet {
        path: table.name.clone(),
        reason: one_line(e),
    };
    let mut pairs = vec![KeyValue::new(NAME_KEY.to_string(), table.name.clone())];
    pairs.extend(
        table
            .metadata
            .iter()
            .filter(|(k, _)| k != NAME_KEY && k != ARROW_KEY)
            .map(|(k, v)| KeyValue::new(k.clone(), v.clone())),
    );
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(fail)?))
        .set_key_value_metadata(Some(pairs))
        .build();
    let mut out = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut out, arrow_schema(table), Some(properties)).map_err(fail)?;
    writer.write(&to_batch(table)?).map_err(fail)?;
    writer.close().map_err(fail)?;
    Ok(out)
}

/// Write a Parquet file; it appears whole or not at all.
pub fn write_parquet(table: &Table, path: &Path) -> Result<(), TableError> {
    Ok(atomic_write_bytes(path, &parquet_bytes(table)?)?)
}

/// Read the bytes of a Parquet file; `name` is for messages, and the table's own where the file
/// gives none.
///
/// The library panics on some damaged pages; that is an error like any other here.
pub fn parse_parquet(bytes: Vec<u8>, name: &str) -> Result<Table, TableError> {
    std::panic::catch_unwind(|| decode(bytes, name)).unwrap_or_else(|_| {
        let reason = "a page of it is damaged".into();
        Err(TableError::Parquet { path: name.to_string(), reason })
    })
}

fn decode(bytes: Vec<u8>, name: &str) -> Result<Table, TableError> {
    let fail = |reason: String| TableError::Parquet { path: name.to_string(), reason };
    if bytes.len() < 12 || !bytes.starts_with(b"PAR1") {
        return Err(fail("it does not begin with PAR1".into()));
    }
    if !bytes.ends_with(b"PAR1") {
        return Err(fail("it does not end with PAR1 (the file is cut off)".into()));
    }
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))
        .map_err(|e| fail(one_line(e)))?;
    let schema = builder.schema().clone();
    let pairs: Vec<(String, String)> = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .into_iter()
        .flatten()
        .filter_map(|kv| kv.value.as_ref().map(|v| (kv.key.clone(), v.clone())))
        .collect();
    let reader = builder.with_batch_size(65536).build().map_err(|e| fail(one_line(e)))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| fail(one_line(e)))?;
    let mut table = from_batches(name, &schema, &batches)?;
    for (key, value) in pairs {
        match key.as_str() {
            NAME_KEY => table.name = value,
            ARROW_KEY => {}
            _ => table.metadata.push((key, value)),
        }
    }
    Ok(table)
}

/// Read a Parquet file.
pub fn read_parquet(path: &Path) -> Result<Table, TableError> {
    let bytes = std::fs::read(path).map_err(|e| TableError::read(path, e))?;
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    parse_parquet(bytes, &path.display().to_string()).map(|mut table| {
        // A file that does not name its table takes the name of the file.
        if table.name == path.display().to_string() {
            table.name = stem;
        }
        table
    })
}
