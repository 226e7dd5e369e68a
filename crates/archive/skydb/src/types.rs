//! What goes into a query and comes out of it.

use elqui_schema::Table;

/// How much a query may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryLimits {
    /// More rows than this are cut off, and the result says so.
    pub rows_max: usize,
    pub time_max_s: f64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { rows_max: 1_000_000, time_max_s: 300.0 }
    }
}

/// The rows, and whether there were more than the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryResult {
    pub table: Table,
    pub truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    pub name: String,
    /// `double`, `long`, ... as in Felis.
    pub datatype: String,
    pub unit: String,
    pub ucd: String,
    pub description: String,
}

/// A table that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    pub name: String,
    pub description: String,
    pub rows: Option<u64>,
    pub columns: Vec<ColumnInfo>,
}
