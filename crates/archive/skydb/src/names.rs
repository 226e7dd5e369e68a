//! The names that a query can use: tables of the opened catalogues, for the language's resolver.

use crate::types::TableInfo;
use elqui_adql::tree::Name;
use elqui_adql::{Catalog, ColumnInfo, TableInfo as Known, Type};

/// Names under which the tables of our own release are found besides their own schema: those of Rubin's
/// releases, so that a query written there runs here.
pub const RELEASE: &str = "elqui";
const RELEASE_ALIASES: &[&str] = &["dp1", "dp2", "dp02_dc2_catalogs", "public"];

/// Tables by schema and name.
#[derive(Debug, Default)]
pub struct Names {
    tables: Vec<Known>,
}

impl Names {
    pub fn new(tables: &[TableInfo]) -> Self {
        Self { tables: tables.iter().map(known).collect() }
    }
}

fn known(t: &TableInfo) -> Known {
    let columns = t
        .columns
        .iter()
        .map(|c| ColumnInfo {
            name: c.name.clone(),
            ty: column_type(&c.datatype),
            unit: c.unit.clone(),
            ucd: c.ucd.clone(),
            description: c.description.clone(),
        })
        .collect();
    Known { schema: Some(t.schema.clone()), name: t.name.clone(), columns }
}

fn column_type(datatype: &str) -> Type {
    match datatype {
        "double" => Type::Double,
        "float" => Type::Real,
        "long" => Type::Bigint,
        "int" => Type::Integer,
        "short" | "byte" => Type::Smallint,
        "boolean" => Type::Boolean,
        "string" => Type::Varchar,
        "timestamp" => Type::Timestamp,
        "point" => Type::Point,
        "region" => Type::Region,
        _ => Type::Any,
    }
}

impl Catalog for Names {
    fn tables(&self, schema: Option<&Name>, table: &Name) -> Vec<Known> {
        let of = |t: &&Known| {
            let own = t.schema.as_deref().unwrap_or_default();
            table.means(&t.name)
                && schema.is_none_or(|s| {
                    s.means(own) || own == RELEASE && RELEASE_ALIASES.iter().any(|a| s.means(a))
                })
        };
        self.tables.iter().filter(of).cloned().collect()
    }

    fn table_names(&self) -> Vec<String> {
        self.tables.iter().map(|t| t.name.clone()).collect()
    }
}
