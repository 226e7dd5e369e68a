//! What a query can name: the trait that an engine implements, and the one over Felis schemas.

use crate::tree::Name;
use crate::types::Type;
use elqui_schema::felis::{Schema, TableDef};

/// A column of a table or of a result. Unit is VOUnit, UCD is UCD1+; both empty where there is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnInfo {
    pub name: String,
    pub ty: Type,
    pub unit: String,
    pub ucd: String,
    pub description: String,
}

/// A table, named as the engine has it.
#[derive(Debug, Clone, PartialEq)]
pub struct TableInfo {
    pub schema: Option<String>,
    pub name: String,
    pub columns: Vec<ColumnInfo>,
}

/// The tables that may be asked.
pub trait Catalog {
    /// The tables that a name may mean; more than one is ambiguous.
    fn tables(&self, schema: Option<&Name>, table: &Name) -> Vec<TableInfo>;

    /// Names of all tables as a user writes them, for the hint in errors.
    fn table_names(&self) -> Vec<String>;

    /// Type of the result of a function that is not the language's own; `None` when there is none.
    fn function(&self, _name: &str) -> Option<Type> {
        None
    }
}

/// Felis schemas as a catalogue. A schema may have other names that mean the same
/// (`dp1` for the latest release).
#[derive(Debug, Clone, Default)]
pub struct FelisCatalog {
    schemas: Vec<(Vec<String>, Schema)>,
}

impl FelisCatalog {
    pub fn new() -> Self {
        Self::default()
    }

    /// Add a schema, with other names for it. Its tables are found without a schema's name too.
    #[must_use]
    pub fn with(mut self, schema: Schema, aliases: &[&str]) -> Self {
        let mut names = vec![schema.name.clone()];
        names.extend(aliases.iter().map(ToString::to_string));
        self.schemas.push((names, schema));
        self
    }
}

fn info(schema: &str, table: &TableDef) -> TableInfo {
    let columns = table
        .columns
        .iter()
        .map(|c| ColumnInfo {
            name: c.name.clone(),
            ty: c.datatype.into(),
            unit: c.unit.clone(),
            ucd: c.ucd.clone(),
            description: c.description.clone(),
        })
        .collect();
    TableInfo { schema: Some(schema.to_string()), name: table.name.clone(), columns }
}

impl Catalog for FelisCatalog {
    fn tables(&self, schema: Option<&Name>, table: &Name) -> Vec<TableInfo> {
        self.schemas
            .iter()
            .filter(|(names, _)| schema.is_none_or(|s| names.iter().any(|n| s.means(n))))
            .flat_map(|(_, s)| {
                s.tables.iter().filter(|t| table.means(&t.name)).map(|t| info(&s.name, t))
            })
            .collect()
    }

    fn table_names(&self) -> Vec<String> {
        let all = self.schemas.iter().flat_map(|(_, s)| &s.tables);
        all.map(|t| t.name.clone()).collect()
    }
}
