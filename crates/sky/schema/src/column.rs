//! One column: its name, what it means and its values.

use serde::{Deserialize, Serialize};

/// Values of a column. A missing float is NaN; integers, booleans and strings are never missing
/// inside the house (readers fill a missing integer by 0 and string by "").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ColumnData {
    F64(Vec<f64>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    Bool(Vec<bool>),
    Str(Vec<String>),
}

impl ColumnData {
    pub fn len(&self) -> usize {
        match self {
            Self::F64(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Str(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `row` as a float, where it is a number or a boolean.
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::F64(v) => v.get(row).copied(),
            Self::F32(v) => v.get(row).map(|x| f64::from(*x)),
            Self::I64(v) => v.get(row).map(|x| *x as f64),
            Self::I32(v) => v.get(row).map(|x| f64::from(*x)),
            Self::Bool(v) => v.get(row).map(|x| f64::from(u8::from(*x))),
            Self::Str(_) => None,
        }
    }

    /// The rows of `rows`, in that order.
    pub fn take(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(v: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&r| v[r].clone()).collect()
        }
        match self {
            Self::F64(v) => Self::F64(pick(v, rows)),
            Self::F32(v) => Self::F32(pick(v, rows)),
            Self::I64(v) => Self::I64(pick(v, rows)),
            Self::I32(v) => Self::I32(pick(v, rows)),
            Self::Bool(v) => Self::Bool(pick(v, rows)),
            Self::Str(v) => Self::Str(pick(v, rows)),
        }
    }
}

/// A named column with its unit (VOUnit spelling), UCD and description; empty where unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub unit: String,
    pub ucd: String,
    pub description: String,
    pub data: ColumnData,
}

impl Column {
    pub fn new(name: impl Into<String>, data: ColumnData) -> Self {
        Self {
            name: name.into(),
            unit: String::new(),
            ucd: String::new(),
            description: String::new(),
            data,
        }
    }
}
