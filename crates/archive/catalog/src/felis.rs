//! Tables described by a Felis schema: `--schema FILE.yaml` of an import.
//!
//! - the schema gives the names' case, types, units, UCDs and descriptions
//! - columns that only the file has are kept as they are, and told; those that only the schema has
//!   are told

use crate::error::{CatalogError, one_line};
use crate::source::{Batches, RowSource, cast_batch};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use elqui_schema::felis::{ColumnDef, DataType as FelisType, Schema, TableDef};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Read a Felis file and those that it refers to (beside it).
pub fn read_felis(path: &Path) -> Result<Schema, CatalogError> {
    let text = std::fs::read_to_string(path).map_err(|e| CatalogError::read(path, e))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut read = |uri: &str| {
        let local = uri.strip_prefix("file://").unwrap_or(uri);
        if local.contains("://") {
            return Err(format!("`{uri}` is not on this machine; fetch it and name the copy"));
        }
        let path = folder.join(local);
        std::fs::read_to_string(&path).map_err(|e| format!("`{}`: {e}", path.display()))
    };
    Schema::parse_with(&text, &mut read).map_err(|e| CatalogError::Input {
        path: path.display().to_string(),
        format: "a Felis schema",
        reason: one_line(e),
    })
}

/// The table of a schema that a catalogue `SCHEMA.TABLE` is about; the only one where it has one.
pub fn felis_table<'a>(schema: &'a Schema, name: &str) -> Result<&'a TableDef, CatalogError> {
    let bare = name.rsplit('.').next().unwrap_or(name);
    if let Some(found) = schema.table(bare) {
        return Ok(found);
    }
    if let [only] = schema.tables.as_slice() {
        return Ok(only);
    }
    let known: Vec<&str> = schema.tables.iter().map(|t| t.name.as_str()).collect();
    Err(CatalogError::refused(format!(
        "the schema `{}` has no table `{bare}`; it has: {}",
        schema.name,
        known.join(", ")
    )))
}

fn arrow_type(def: &ColumnDef) -> DataType {
    match def.datatype {
        FelisType::Boolean => DataType::Boolean,
        FelisType::Byte | FelisType::Short => DataType::Int16,
        FelisType::Int => DataType::Int32,
        FelisType::Long => DataType::Int64,
        FelisType::Float => DataType::Float32,
        FelisType::Double => DataType::Float64,
        FelisType::Char | FelisType::String | FelisType::Unicode | FelisType::Text => {
            DataType::Utf8
        }
        FelisType::Binary => DataType::Binary,
        FelisType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

/// Types for the reader of texts, by lower-case name: what has no type of text is read as text.
pub fn text_types(table: &TableDef) -> HashMap<String, DataType> {
    let plain = |def: &ColumnDef| match arrow_type(def) {
        DataType::Timestamp(..) | DataType::Binary => DataType::Utf8,
        other => other,
    };
    table.columns.iter().map(|c| (c.name.to_lowercase(), plain(c))).collect()
}

/// A source with the names, types and words of a definition.
pub struct Described<S> {
    source: S,
    schema: SchemaRef,
    missing: Vec<String>,
    extra: Vec<String>,
}

impl<S: RowSource> Described<S> {
    pub fn new(source: S, table: &TableDef) -> Self {
        let mut extra = Vec::new();
        let mut fields = Vec::new();
        for field in source.schema().fields() {
            let Some(def) = table.column(field.name()) else {
                extra.push(field.name().clone());
                fields.push(field.as_ref().clone());
                continue;
            };
            let mut metadata = field.metadata().clone();
            let facts = [("unit", &def.unit), ("ucd", &def.ucd), ("description", &def.description)];
            for (key, value) in facts.into_iter().filter(|(_, v)| !v.is_empty()) {
                metadata.insert(key.into(), value.clone());
            }
            // A list stays one: Felis says its length by `votable:arraysize`.
            let data_type = match field.data_type() {
                list @ DataType::FixedSizeList(..) => list.clone(),
                _ => arrow_type(def),
            };
            fields.push(Field::new(&def.name, data_type, def.nullable).with_metadata(metadata));
        }
        let there = |c: &&ColumnDef| {
            source.schema().fields().iter().any(|f| f.name().eq_ignore_ascii_case(&c.name))
        };
        let missing = table.columns.iter().filter(|c| !there(c)).map(|c| c.name.clone()).collect();
        Self { schema: Arc::new(ArrowSchema::new(fields)), source, missing, extra }
    }

    /// Columns of the definition that the source lacks.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Columns of the source that the definition lacks.
    pub fn extra(&self) -> &[String] {
        &self.extra
    }
}

impl<S: RowSource> RowSource for Described<S> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        self.source.parts()
    }

    fn part(&self, k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError> {
        let label = self.label(k);
        let schema =
            match columns {
                Some(c) => Arc::new(self.schema.project(c).map_err(|e| CatalogError::Parquet {
                    path: label.clone(),
                    reason: one_line(e),
                })?),
                None => self.schema.clone(),
            };
        let batches = self.source.part(k, columns)?;
        Ok(Box::new(batches.map(move |batch| cast_batch(&batch?, &schema, &label))))
    }

    fn label(&self, k: usize) -> String {
        self.source.label(k)
    }

    fn fingerprint(&self, k: usize) -> Result<String, CatalogError> {
        // Another schema gives other rows.
        self.source.fingerprint(k).map(|f| format!("{f} {:?}", self.schema.fields()))
    }

    fn part_rows(&self, k: usize) -> Option<u64> {
        self.source.part_rows(k)
    }
}
