//! A checked query: what a text means against a catalogue.

use crate::catalog::{Catalog, ColumnInfo};
use crate::error::AdqlError;
use crate::render::{self, Engine};
use crate::resolve::Resolver;
use crate::spatial::{self, SpatialTerm};
use crate::tree::Query;

/// A query whose names are resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub query: Query,
    /// The columns of the result.
    pub columns: Vec<ColumnInfo>,
    /// Tables that it reads, as the catalogue names them.
    pub tables: Vec<(Option<String>, String)>,
    pub terms: Vec<SpatialTerm>,
}

/// Parse a text and resolve its names.
pub fn check(text: &str, catalog: &dyn Catalog) -> Result<Checked, AdqlError> {
    let mut query = crate::parse(text)?;
    let mut resolver = Resolver::new(catalog);
    let columns = resolver.query(&mut query).map_err(AdqlError::one_line)?;
    let tables = resolver.tables;
    let terms = spatial::find(&mut query);
    Ok(Checked { query, columns, tables, terms })
}

impl Checked {
    /// The query in an engine's language.
    pub fn render(&self, engine: &dyn Engine) -> Result<String, AdqlError> {
        render::query(self, engine).map_err(AdqlError::one_line)
    }
}
