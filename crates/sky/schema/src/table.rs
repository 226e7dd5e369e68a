//! A table as named columns of equal length.

use crate::column::{Column, ColumnData};
use serde::{Deserialize, Serialize};

/// What can be wrong with a table.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum SchemaError {
    #[error("table `{table}` has no column `{column}`; it has: {known}")]
    NoColumn { table: String, column: String, known: String },
    #[error("column `{column}` of table `{table}` is not a number")]
    NotANumber { table: String, column: String },
    #[error("column `{column}` of table `{table}` has {got} rows where the table has {expected}")]
    Length { table: String, column: String, got: usize, expected: usize },
    #[error("table `{table}` has two columns named `{column}`")]
    Duplicate { table: String, column: String },
    #[error("the table definition cannot be read: {reason}")]
    Definition { reason: String },
}

/// Named columns of equal length, and free-form metadata (key, value).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub metadata: Vec<(String, String)>,
}

impl Table {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), columns: Vec::new(), metadata: Vec::new() }
    }

    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.data.len())
    }

    /// Add a column; its length must be the table's.
    pub fn push(&mut self, column: Column) -> Result<(), SchemaError> {
        if self.index_of(&column.name).is_some() {
            return Err(SchemaError::Duplicate { table: self.name.clone(), column: column.name });
        }
        if !self.columns.is_empty() && column.data.len() != self.rows() {
            return Err(SchemaError::Length {
                table: self.name.clone(),
                got: column.data.len(),
                expected: self.rows(),
                column: column.name,
            });
        }
        self.columns.push(column);
        Ok(())
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.index_of(name).map(|k| &self.columns[k])
    }

    /// A column by name, exact case first, then ignoring case.
    pub fn column_any_case(&self, name: &str) -> Option<&Column> {
        self.column(name)
            .or_else(|| self.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)))
    }

    /// All values of a numeric column (found ignoring case) as f64.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, SchemaError> {
        let column = self.column_any_case(name).ok_or_else(|| SchemaError::NoColumn {
            table: self.name.clone(),
            column: name.to_string(),
            known: self.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        if matches!(column.data, ColumnData::Str(_)) {
            return Err(SchemaError::NotANumber {
                table: self.name.clone(),
                column: name.to_string(),
            });
        }
        Ok((0..column.data.len()).map(|r| column.data.number(r).unwrap_or(f64::NAN)).collect())
    }

    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            columns: self
                .columns
                .iter()
                .map(|c| Column { data: c.data.take(rows), ..c.clone() })
                .collect(),
            metadata: self.metadata.clone(),
        }
    }

    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_must_agree() {
        let mut t = Table::new("t");
        t.push(Column::new("ra", ColumnData::F64(vec![1.0, 2.0]))).unwrap();
        assert!(t.push(Column::new("dec", ColumnData::F64(vec![1.0]))).is_err());
        assert!(t.push(Column::new("ra", ColumnData::F64(vec![1.0, 2.0]))).is_err());
        t.push(Column::new("n", ColumnData::I32(vec![7, 8]))).unwrap();
        assert_eq!(t.numbers("N").unwrap(), vec![7.0, 8.0]);
        assert_eq!(t.take(&[1]).numbers("ra").unwrap(), vec![2.0]);
        assert!(t.numbers("nothing").unwrap_err().to_string().contains("ra, n"));
    }
}
