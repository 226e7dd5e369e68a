//! Ids as sortable numbers.
//!
//! - integers of any width, signed or not, as u64 in the same order; `None` for a missing one

use crate::error::{CatalogError, one_line};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use std::sync::Arc;

const SIGN: u64 = 1 << 63;

/// Whether a column of a type can be an id.
pub(crate) fn is_key(data_type: &DataType) -> bool {
    data_type.is_integer()
}

/// The sortable numbers of an id column.
pub(crate) fn keys(array: &ArrayRef) -> Result<Vec<Option<u64>>, CatalogError> {
    let failed = |e| CatalogError::refused(one_line(e));
    if array.data_type().is_unsigned_integer() {
        let wide = cast(array, &DataType::UInt64).map_err(failed)?;
        return Ok(wide.as_primitive::<UInt64Type>().iter().collect());
    }
    let wide = cast(array, &DataType::Int64).map_err(failed)?;
    let wide = wide.as_primitive::<Int64Type>();
    Ok(wide.iter().map(|v| v.map(|v| v.cast_unsigned() ^ SIGN)).collect())
}

/// Back from sortable numbers to the column's own type.
pub(crate) fn from_keys(keys: &[u64], data_type: &DataType) -> Result<ArrayRef, CatalogError> {
    let wide: ArrayRef = if data_type.is_unsigned_integer() {
        Arc::new(UInt64Array::from(keys.to_vec()))
    } else {
        let values = keys.iter().map(|k| (k ^ SIGN).cast_signed());
        Arc::new(Int64Array::from_iter_values(values))
    };
    cast(&wide, data_type).map_err(|e| CatalogError::refused(one_line(e)))
}

/// A key as its id is written.
pub(crate) fn key_text(key: u64, data_type: &DataType) -> String {
    if data_type.is_unsigned_integer() {
        key.to_string()
    } else {
        (key ^ SIGN).cast_signed().to_string()
    }
}
