//! Plain Parquet files as a table, without cells: what a pipeline or a person put into a folder.

use crate::engine::Engine;
use crate::error::{SkyDbError, one_line};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use elqui_schema::felis;
use std::path::PathBuf;
use std::sync::Arc;

/// A table over its files, with the units and descriptions that the first file gives, and its rows.
pub async fn open_plain(
    engine: &Engine,
    name: &str,
    paths: &[PathBuf],
) -> Result<(Arc<dyn TableProvider>, u64), SkyDbError> {
    let fail = |path: &PathBuf, reason: String| SkyDbError::Open {
        path: path.display().to_string(),
        reason,
    };
    let mut urls = Vec::new();
    for path in paths {
        let full = std::fs::canonicalize(path).map_err(|e| fail(path, one_line(e)))?;
        let text = full.to_string_lossy();
        urls.push(ListingTableUrl::parse(&text).map_err(|e| fail(path, one_line(e)))?);
    }
    let state = engine.context.state();
    let format = || Arc::new(ParquetFormat::default().with_skip_metadata(false));
    let listing = |f| ListingOptions::new(f).with_file_extension("");
    // The first file says what the columns mean; the others need only have the same types.
    let described = listing(format())
        .infer_schema(&state, &urls[0])
        .await
        .map_err(|e| fail(&paths[0], one_line(e)))?;
    let plain = listing(Arc::new(ParquetFormat::default()));
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(plain)
        .infer_schema(&state)
        .await
        .map_err(|e| fail(&paths[0], one_line(e)))?;
    let bare = config.file_schema.clone().unwrap_or_else(|| described.clone());
    let fields: Vec<Field> = bare
        .fields()
        .iter()
        .map(|f| {
            let own = described.field_with_name(f.name()).map(|d| d.metadata().clone());
            let field = f.as_ref().clone();
            described_field(name, field.with_metadata(own.unwrap_or_default()))
        })
        .collect();
    let table = ListingTable::try_new(config.with_schema(Arc::new(Schema::new(fields))))
        .map_err(|e| fail(&paths[0], one_line(e)))?;
    let provider: Arc<dyn TableProvider> = Arc::new(table);
    let frame =
        engine.context.read_table(provider.clone()).map_err(|e| fail(&paths[0], one_line(e)))?;
    let rows = frame.count().await.map_err(|e| fail(&paths[0], one_line(e)))?;
    Ok((provider, rows as u64))
}

/// A column without facts of its own has those of the schema's column of its name.
pub fn described_field(table: &str, field: Field) -> Field {
    let silent = ["unit", "ucd", "description"].iter().all(|k| !field.metadata().contains_key(*k));
    let Some(known) = felis::column(table, field.name()).filter(|_| silent) else { return field };
    let mut metadata = field.metadata().clone();
    let facts = [("unit", known.unit), ("ucd", known.ucd), ("description", known.description)];
    metadata
        .extend(facts.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_string(), v)));
    field.with_metadata(metadata)
}
