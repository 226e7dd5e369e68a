//! Felis YAML as it is written, before names are resolved.

use super::DataType;
use serde::Deserialize;
use serde_yaml_ng::{Mapping, Value};

#[derive(Deserialize)]
pub(super) struct RawSchema {
    pub name: String,
    pub description: Option<String>,
    /// A text, or a mapping with `current`.
    pub version: Option<Value>,
    #[serde(default)]
    pub resources: Mapping,
    #[serde(default)]
    pub tables: Vec<RawTable>,
}

#[derive(Deserialize)]
pub(super) struct RawTable {
    pub name: String,
    pub description: Option<String>,
    #[serde(rename = "primaryKey")]
    pub primary_key: Option<OneOrMany>,
    #[serde(default)]
    pub columns: Vec<RawColumn>,
    /// Resource, table, column, and what is other with it.
    #[serde(rename = "columnRefs", default)]
    pub column_refs: Mapping,
    #[serde(default)]
    pub constraints: Vec<RawConstraint>,
    #[serde(default)]
    pub indexes: Vec<RawIndex>,
    #[serde(rename = "tap:table_index")]
    pub table_index: Option<i64>,
    #[serde(rename = "votable:utype")]
    pub utype: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawColumn {
    pub name: String,
    #[serde(rename = "@id")]
    pub id: Option<String>,
    pub datatype: DataType,
    pub description: Option<String>,
    #[serde(rename = "ivoa:ucd")]
    pub ucd: Option<String>,
    #[serde(rename = "ivoa:unit")]
    pub unit: Option<String>,
    #[serde(rename = "fits:tunit")]
    pub tunit: Option<String>,
    pub nullable: Option<bool>,
    pub length: Option<u32>,
    pub precision: Option<u32>,
    #[serde(rename = "votable:arraysize")]
    pub arraysize: Option<Value>,
    #[serde(rename = "votable:xtype")]
    pub xtype: Option<String>,
    #[serde(rename = "votable:utype")]
    pub utype: Option<String>,
    #[serde(rename = "tap:principal")]
    pub principal: Option<i64>,
    #[serde(rename = "tap:std")]
    pub std: Option<i64>,
    #[serde(rename = "tap:column_index")]
    pub column_index: Option<i64>,
}

/// What a reference makes other of the column that it means.
#[derive(Deserialize, Default)]
pub(super) struct RawReference {
    pub ref_name: Option<String>,
    #[serde(default)]
    pub overrides: Option<Mapping>,
}

/// A primary key is written as one column's id or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
pub(super) struct RawConstraint {
    pub name: Option<String>,
    #[serde(rename = "@type")]
    pub kind: String,
    #[serde(default)]
    pub columns: Vec<String>,
    #[serde(rename = "referencedColumns", default)]
    pub referenced: Vec<String>,
    pub expression: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawIndex {
    pub name: String,
    #[serde(default)]
    pub columns: Vec<String>,
    #[serde(default)]
    pub expressions: Vec<String>,
}
