//! The table definitions, read from `felis/elqui.yaml` (Rubin's Felis schema language).
//!
//! - input: Felis YAML; of its words we read names, datatypes, lengths, keys, units, UCDs and
//!   descriptions, and pass over the rest (`mysql:*`, `tap:*`, constraints)
//! - source: felis.lsst.io, the schema language of Rubin's data products
//! - differs from Felis: a unit may be given as `fits:tunit` or `ivoa:unit`, never both

use crate::column::{Column, ColumnData};
use crate::table::SchemaError;
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::OnceLock;

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
    Timestamp,
}

/// Definition of one column. Unit is VOUnit, UCD is UCD1+; both empty where there is none.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ColumnDef {
    pub name: String,
    pub datatype: DataType,
    #[serde(default)]
    pub description: String,
    #[serde(rename = "ivoa:ucd", default)]
    pub ucd: String,
    #[serde(rename = "fits:tunit", alias = "ivoa:unit", default)]
    pub unit: String,
    #[serde(default = "yes")]
    pub nullable: bool,
    /// Greatest number of characters of a string.
    #[serde(default)]
    pub length: Option<u32>,
}

fn yes() -> bool {
    true
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

/// A primary key is written as one column's `@id` or a list of them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Definition of one table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TableDef {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(rename = "primaryKey", default)]
    key: Option<OneOrMany>,
    pub columns: Vec<ColumnDef>,
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
        let ids = match &self.key {
            None => &[],
            Some(OneOrMany::One(id)) => std::slice::from_ref(id),
            Some(OneOrMany::Many(ids)) => ids.as_slice(),
        };
        ids.iter().map(|id| id.rsplit(['.', '#']).next().unwrap_or(id)).collect()
    }
}

/// A Felis schema: a set of tables.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Schema {
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub tables: Vec<TableDef>,
}

impl Schema {
    /// Read Felis YAML; tables and columns must have names of their own.
    pub fn parse(yaml: &str) -> Result<Self, SchemaError> {
        let definition = |reason: String| SchemaError::Definition { reason };
        let schema: Self = serde_yaml_ng::from_str(yaml).map_err(|e| definition(e.to_string()))?;
        let mut tables = HashSet::new();
        for table in &schema.tables {
            if !tables.insert(table.name.to_lowercase()) {
                return Err(definition(format!("two tables are named `{}`", table.name)));
            }
            let mut columns = HashSet::new();
            for column in &table.columns {
                if !columns.insert(column.name.to_lowercase()) {
                    return Err(SchemaError::Duplicate {
                        table: table.name.clone(),
                        column: column.name.clone(),
                    });
                }
            }
            if let Some(key) = table.primary_key().iter().find(|k| table.column(k).is_none()) {
                return Err(definition(format!("key `{key}` is no column of `{}`", table.name)));
            }
        }
        Ok(schema)
    }

    /// A table by name, ignoring case.
    pub fn table(&self, name: &str) -> Option<&TableDef> {
        self.tables.iter().find(|t| t.name.eq_ignore_ascii_case(name))
    }
}

/// The house's own schema.
pub fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        Schema::parse(include_str!("../felis/elqui.yaml"))
            .expect("the schema is part of the program, and a test reads it")
    })
}

/// Every table of the house's own schema.
pub fn tables() -> &'static [TableDef] {
    &schema().tables
}

/// One table of the house's own schema, ignoring case.
pub fn table(name: &str) -> Option<&'static TableDef> {
    schema().table(name)
}

/// The definition of a column. A per-band column of a band that the schema does not list
/// (`clear_psfFlux`) has the definition of its sister in g, with the band's name put in.
pub fn column(table_name: &str, name: &str) -> Option<ColumnDef> {
    let table = table(table_name)?;
    if let Some(found) = table.column(name) {
        return Some(found.clone());
    }
    let (band, rest) = name.split_once('_')?;
    let sister = table.column(&format!("g_{rest}"))?;
    Some(ColumnDef {
        name: name.to_string(),
        description: sister
            .description
            .split(' ')
            .map(|word| match word.strip_prefix("g_") {
                Some(tail) => format!("{band}_{tail}"),
                None if word == "g" => band.to_string(),
                None => word.to_string(),
            })
            .collect::<Vec<_>>()
            .join(" "),
        ..sister.clone()
    })
}

/// Fill unit, UCD and description of a column of `table` from the definition; leaves a column
/// that the schema lacks as it is.
pub fn describe(table: &str, target: &mut Column) {
    if let Some(found) = column(table, &target.name) {
        target.unit = found.unit;
        target.ucd = found.ucd;
        target.description = found.description;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units that the schema may use; each is VOUnit 1.1 (known unit, or a product or power of them).
    const UNITS: &[&str] = &[
        "",
        "adu",
        "arcsec",
        "arcsec/pixel",
        "d",
        "deg",
        "mag",
        "mas",
        "nJy",
        "pixel",
        "pixel**2",
        "s",
    ];

    #[test]
    fn every_table_is_there_and_every_column_says_what_it_is() {
        for name in ["Source", "Object", "ForcedSource", "Visit", "CcdVisit"] {
            assert!(table(name).is_some(), "no table {name}");
        }
        for table in tables() {
            assert!(!table.primary_key().is_empty(), "{} has no key", table.name);
            for column in &table.columns {
                let at = format!("{}.{}", table.name, column.name);
                assert!(UNITS.contains(&column.unit.as_str()), "{at}: unit {}", column.unit);
                assert!(column.description.len() > 5, "{at} is not described");
                assert!(!column.description.ends_with('.'), "{at}: a description ends in a dot");
                assert!(!column.ucd.is_empty(), "{at} has no UCD");
                assert!(
                    column.ucd.split(';').all(|w| !w.is_empty()
                        && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')),
                    "{at}: UCD {}",
                    column.ucd
                );
            }
        }
    }

    #[test]
    fn a_band_that_is_not_listed_takes_its_sisters_definition() {
        let mut c = Column::new("clear_psfFluxErr", ColumnData::F64(vec![]));
        describe("Object", &mut c);
        assert_eq!((c.unit.as_str(), c.name.as_str()), ("nJy", "clear_psfFluxErr"));
        assert_eq!(c.description, "Standard error of clear_psfFlux");
        assert!(column("Object", "no_such").is_none());
    }

    #[test]
    fn what_is_wrong_with_a_definition_is_said() {
        let twice = "name: s\ntables:\n- name: T\n  columns:\n  - {name: a, datatype: int}\n  - {name: A, datatype: int}\n";
        assert_eq!(
            Schema::parse(twice).unwrap_err().to_string(),
            "table `T` has two columns named `A`"
        );
        assert!(Schema::parse("name: [").is_err());
        assert!(
            Schema::parse(
                "name: s\ntables:\n- name: T\n  columns:\n  - {name: a, datatype: blob}\n"
            )
            .is_err()
        );
        let key = "name: s\ntables:\n- name: T\n  primaryKey: '#T.b'\n  columns:\n  - {name: a, datatype: int}\n";
        assert!(Schema::parse(key).unwrap_err().to_string().contains("`b`"));
    }
}
