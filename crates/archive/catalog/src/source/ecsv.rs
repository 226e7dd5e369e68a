//! The header of ECSV 1.0: YAML in comment lines.
//!
//! - source: Astropy APE 6 (Enhanced Character-Separated Values)
//! - read: delimiter, and of each column name, datatype, unit, description, `meta.ucd`
//! - differs: a column with a `subtype` (arrays, times as objects) is kept as its text

use super::open::{damaged, unpacked};
use crate::error::{CatalogError, one_line};
use arrow::datatypes::{DataType, Field};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::path::Path;

pub(super) struct EcsvHeader {
    pub delimiter: u8,
    pub fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    delimiter: Option<String>,
    datatype: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    datatype: String,
    subtype: Option<String>,
    unit: Option<String>,
    description: Option<String>,
    ucd: Option<String>,
}

/// Longest header.
const HEADER_MAX: u64 = 16 << 20;

pub(super) fn read_header(path: &Path) -> Result<EcsvHeader, CatalogError> {
    let bad = |reason: String| CatalogError::Input {
        path: path.display().to_string(),
        format: "ECSV",
        reason,
    };
    let mut yaml = String::new();
    for line in unpacked(path)?.take(HEADER_MAX).lines() {
        let line = line.map_err(|e| damaged(path, "ECSV", e))?;
        let Some(text) = line.trim_start_matches('\u{feff}').strip_prefix('#') else { break };
        let text = text.strip_prefix(' ').unwrap_or(text);
        if !text.starts_with("%ECSV") && !text.starts_with('#') {
            yaml.push_str(text);
            yaml.push('\n');
        }
    }
    // `meta` may hold tags of Python's own (`!!omap`): only what comes before it is asked for.
    let end = yaml.find("\nmeta:").map_or(yaml.len(), |k| k + 1);
    let rest = yaml[end..].find("\ndatatype:").map_or("", |k| &yaml[end + k + 1..]);
    let header: Header = serde_yaml_ng::from_str(&format!("{}{rest}", &yaml[..end]))
        .map_err(|e| bad(one_line(e)))?;
    let delimiter = match header.delimiter.as_deref() {
        None | Some(" ") => b' ',
        Some(",") => b',',
        Some(other) => return Err(bad(format!("its delimiter `{other}` is no space or comma"))),
    };
    let mut fields = Vec::new();
    for column in header.datatype {
        let data_type = match column.datatype.as_str() {
            _ if column.subtype.is_some() => DataType::Utf8,
            "bool" => DataType::Boolean,
            "int8" | "uint8" | "int16" => DataType::Int16,
            "uint16" | "int32" => DataType::Int32,
            "uint32" | "int64" | "uint64" => DataType::Int64,
            "float16" | "float32" => DataType::Float32,
            "float64" | "float128" => DataType::Float64,
            "string" => DataType::Utf8,
            other => {
                return Err(bad(format!("column `{}` has the type `{other}`", column.name)));
            }
        };
        let facts =
            [("unit", column.unit), ("ucd", column.ucd), ("description", column.description)];
        let metadata: HashMap<String, String> =
            facts.into_iter().filter_map(|(k, v)| Some((k.to_string(), v?))).collect();
        fields.push(Field::new(column.name, data_type, true).with_metadata(metadata));
    }
    Ok(EcsvHeader { delimiter, fields })
}
