//! Table definitions in Felis YAML (Rubin's schema language), and the house's own.
//!
//! - both dialects: ids as `"@id"` with columns in place, and `resources` with `columnRefs` to
//!   tables of other files
//! - source: felis.lsst.io, the schema language of Rubin's data products
//! - units: `ivoa:unit`, else `fits:tunit`; what is for one database only (`mysql:*`) is passed over

mod house;
mod raw;
mod read;

pub use house::{column, describe, schema, table, tables};

use crate::column::{Column, ColumnData};
use serde::Deserialize;

/// Type of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    Boolean,
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    Char,
    String,
    Unicode,
    Text,
    Binary,
    Timestamp,
}

impl DataType {
    /// The name that Felis has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Byte => "byte",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Char => "char",
            Self::String => "string",
            Self::Unicode => "unicode",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Timestamp => "timestamp",
        }
    }
}

/// Definition of one column. Unit is VOUnit, UCD is UCD1+; both empty where there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    pub name: String,
    pub datatype: DataType,
    pub description: String,
    pub ucd: String,
    pub unit: String,
    pub nullable: bool,
    /// Greatest number of characters of a string.
    pub length: Option<u32>,
    /// Digits after the point of a timestamp's seconds.
    pub precision: Option<u32>,
    /// `votable:arraysize`, where it is not what the length says.
    pub arraysize: Option<String>,
    pub xtype: String,
    pub utype: String,
    /// `tap:principal`: one of the columns to show first.
    pub principal: bool,
    /// `tap:std`: defined by a standard.
    pub std: bool,
    /// `tap:column_index`: the place in a list of columns.
    pub column_index: Option<i64>,
}

impl ColumnDef {
    /// A described column without rows.
    pub fn empty_column(&self) -> Column {
        let data = match self.datatype {
            DataType::Boolean => ColumnData::Bool(Vec::new()),
            DataType::Byte | DataType::Short | DataType::Int => ColumnData::I32(Vec::new()),
            DataType::Long => ColumnData::I64(Vec::new()),
            DataType::Float => ColumnData::F32(Vec::new()),
            DataType::Double => ColumnData::F64(Vec::new()),
            DataType::Char
            | DataType::String
            | DataType::Unicode
            | DataType::Text
            | DataType::Binary
            | DataType::Timestamp => ColumnData::Str(Vec::new()),
        };
        Column {
            name: self.name.clone(),
            unit: self.unit.clone(),
            ucd: self.ucd.clone(),
            description: self.description.clone(),
            data,
        }
    }
}

/// A rule on a table's rows; columns by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    ForeignKey {
        name: String,
        columns: Vec<String>,
        /// The table that the columns point to.
        table: String,
        referenced: Vec<String>,
    },
    Unique {
        name: String,
        columns: Vec<String>,
    },
    Check {
        name: String,
        expression: String,
    },
}

/// An index that a database should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDef {
    pub name: String,
    pub columns: Vec<String>,
    pub expressions: Vec<String>,
}

/// Definition of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDef {
    pub name: String,
    pub description: String,
    pub columns: Vec<ColumnDef>,
    pub constraints: Vec<Constraint>,
    pub indexes: Vec<IndexDef>,
    /// `tap:table_index`: the place in a list of tables.
    pub table_index: Option<i64>,
    pub utype: String,
    key: Vec<String>,
}

impl TableDef {
    /// The definition of a column, ignoring case.
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns
            .iter()
            .find(|c| c.name == name)
            .or_else(|| self.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)))
    }

    /// Names of the columns of the primary key.
    pub fn primary_key(&self) -> Vec<&str> {
        self.key.iter().map(String::as_str).collect()
    }
}

/// A Felis schema: a set of tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub name: String,
    pub description: String,
    pub version: String,
    pub tables: Vec<TableDef>,
}

impl Schema {
    /// A table by name, ignoring case.
    pub fn table(&self, name: &str) -> Option<&TableDef> {
        self.tables.iter().find(|t| t.name.eq_ignore_ascii_case(name))
    }
}
