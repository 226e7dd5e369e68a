//! `dataset/_common_metadata` (the schema) and `dataset/_metadata` (the footers of all files):
//! Parquet files without rows that readers of whole datasets look for.

use crate::error::{CatalogError, one_line};
use crate::files;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::Path;

/// Column chunks past which `_metadata` would be larger than what it saves a reader.
const CHUNKS_MAX: usize = 250_000;

pub(crate) fn write_common_metadata(root: &Path, schema: SchemaRef) -> Result<(), CatalogError> {
    let path = root.join("dataset/_common_metadata");
    let properties = WriterProperties::builder()
        .set_created_by(concat!("elqui ", env!("CARGO_PKG_VERSION")).into())
        .build();
    let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))
        .map_err(|e| CatalogError::parquet(&path, e))?;
    let bytes = writer.into_inner().map_err(|e| CatalogError::parquet(&path, e))?;
    files::put(&path, &bytes)
}

/// From the files (relative to `dataset`); left out where it would be huge.
pub(crate) fn write_metadata(root: &Path, parts: &[String]) -> Result<(), CatalogError> {
    let dataset = root.join("dataset");
    let mut whole: Option<ParquetMetaData> = None;
    let mut groups: Vec<RowGroupMetaData> = Vec::new();
    let mut chunks = 0;
    for part in parts {
        let path = dataset.join(part);
        let bad = |e| CatalogError::parquet(&path, e);
        let file = File::open(&path).map_err(|e| CatalogError::read(&path, e))?;
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
        let metadata = reader.parse_and_finish(&file).map_err(bad)?;
        for group in metadata.row_groups() {
            chunks += group.num_columns();
            let columns = group
                .columns()
                .iter()
                .cloned()
                .map(|c| c.into_builder().set_file_path(part.clone()).build());
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(bad)?;
            let group = group.clone().into_builder().set_column_metadata(columns);
            groups.push(group.build().map_err(bad)?);
        }
        if chunks > CHUNKS_MAX {
            return Ok(());
        }
        whole.get_or_insert(metadata);
    }
    let Some(first) = whole else { return Ok(()) };
    let path = dataset.join("_metadata");
    let rows = groups.iter().map(RowGroupMetaData::num_rows).sum();
    let of = first.file_metadata();
    let facts = parquet::file::metadata::FileMetaData::new(
        of.version(),
        rows,
        of.created_by().map(str::to_string),
        of.key_value_metadata().cloned(),
        of.schema_descr_ptr(),
        of.column_orders().cloned(),
    );
    let metadata = ParquetMetaData::new(facts, groups);
    let mut bytes = b"PAR1".to_vec();
    ParquetMetaDataWriter::new(&mut bytes, &metadata)
        .finish()
        .map_err(|e| CatalogError::internal(one_line(e)))?;
    files::put(&path, &bytes)
}
