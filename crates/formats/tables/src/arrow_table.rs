//! Between `Table` and Arrow's record batches.
//!
//! - to Arrow: one non-null field a column (a NaN stays a NaN); unit, UCD and description as the
//!   field's metadata, empty ones left out
//! - from Arrow: integers up to 32 bits become I32, wider ones I64, decimals F64, dictionaries
//!   and views their values, dates, times and lists the text that Arrow prints; a missing number
//!   is NaN or 0, a missing boolean false, a missing text ""

use crate::error::{TableError, one_line};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, RecordBatchOptions, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, Int32Type, Int64Type, Schema, SchemaRef,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use elqui_schema::{Column, ColumnData, Table};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The Arrow schema of a table, with the columns' metadata.
pub fn arrow_schema(table: &Table) -> SchemaRef {
    let fields: Vec<Field> = table
        .columns
        .iter()
        .map(|c| {
            let data_type = match c.data {
                ColumnData::F64(_) => DataType::Float64,
                ColumnData::F32(_) => DataType::Float32,
                ColumnData::I64(_) => DataType::Int64,
                ColumnData::I32(_) => DataType::Int32,
                ColumnData::Bool(_) => DataType::Boolean,
                ColumnData::Str(_) => DataType::Utf8,
            };
            let facts = [("unit", &c.unit), ("ucd", &c.ucd), ("description", &c.description)];
            let metadata: HashMap<String, String> = facts
                .into_iter()
                .filter(|(_, v)| !v.is_empty())
                .map(|(k, v)| (k.to_string(), v.clone()))
                .collect();
            Field::new(&c.name, data_type, false).with_metadata(metadata)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// A table as one record batch.
pub fn to_batch(table: &Table) -> Result<RecordBatch, TableError> {
    for c in &table.columns {
        if c.data.len() != table.rows() {
            return Err(TableError::Column {
                table: table.name.clone(),
                column: c.name.clone(),
                reason: format!("it has {} rows, the first column {}", c.data.len(), table.rows()),
            });
        }
    }
    let arrays: Vec<ArrayRef> = table
        .columns
        .iter()
        .map(|c| match &c.data {
            ColumnData::F64(v) => Arc::new(Float64Array::from(v.clone())) as ArrayRef,
            ColumnData::F32(v) => Arc::new(Float32Array::from(v.clone())),
            ColumnData::I64(v) => Arc::new(Int64Array::from(v.clone())),
            ColumnData::I32(v) => Arc::new(Int32Array::from(v.clone())),
            ColumnData::Bool(v) => Arc::new(BooleanArray::from(v.clone())),
            ColumnData::Str(v) => Arc::new(StringArray::from_iter_values(v)),
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(table.rows()));
    RecordBatch::try_new_with_options(arrow_schema(table), arrays, &options).map_err(|e| {
        TableError::Column { table: table.name.clone(), column: String::new(), reason: one_line(e) }
    })
}

/// Batches of one schema as a table named `name`. Columns of equal names (a join has them) are
/// told apart by `_2`, `_3`.
pub fn from_batches(
    name: &str,
    schema: &Schema,
    batches: &[RecordBatch],
) -> Result<Table, TableError> {
    let mut table = Table::new(name);
    let mut taken: HashSet<String> = HashSet::new();
    for (k, field) in schema.fields().iter().enumerate() {
        let parts: Vec<&ArrayRef> = batches.iter().map(|b| b.column(k)).collect();
        let data = column_data(field.data_type(), &parts).map_err(|reason| TableError::Column {
            table: name.into(),
            column: field.name().clone(),
            reason,
        })?;
        let mut unique = field.name().clone();
        let mut n = 1;
        while !taken.insert(unique.clone()) {
            n += 1;
            unique = format!("{}_{n}", field.name());
        }
        let fact = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        table.columns.push(Column {
            unit: fact("unit"),
            ucd: fact("ucd"),
            description: fact("description"),
            ..Column::new(unique, data)
        });
    }
    Ok(table)
}

fn column_data(data_type: &DataType, parts: &[&ArrayRef]) -> Result<ColumnData, String> {
    use DataType as T;
    let as_type = |to: &DataType| -> Result<Vec<ArrayRef>, String> {
        parts.iter().map(|a| cast(a, to).map_err(one_line)).collect()
    };
    let value_type = match data_type {
        T::Dictionary(_, v) => v.as_ref(),
        other => other,
    };
    macro_rules! numbers {
        ($to:expr, $kind:ident, $arrow:ty, $missing:expr) => {{
            let mut out = Vec::new();
            for a in as_type(&$to)? {
                out.extend(a.as_primitive::<$arrow>().iter().map(|v| v.unwrap_or($missing)));
            }
            ColumnData::$kind(out)
        }};
    }
    Ok(match value_type {
        T::Float64
        | T::Decimal32(..)
        | T::Decimal64(..)
        | T::Decimal128(..)
        | T::Decimal256(..) => numbers!(T::Float64, F64, Float64Type, f64::NAN),
        T::Float32 | T::Float16 => numbers!(T::Float32, F32, Float32Type, f32::NAN),
        T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 => {
            numbers!(T::Int32, I32, Int32Type, 0)
        }
        // A number past i64 cannot be kept as a whole one; Arrow's cast makes it missing.
        T::UInt64 if beyond_i64(&as_type(&T::UInt64)?) => {
            numbers!(T::Float64, F64, Float64Type, f64::NAN)
        }
        T::Int64 | T::UInt32 | T::UInt64 => numbers!(T::Int64, I64, Int64Type, 0),
        T::Boolean => {
            let mut out = Vec::new();
            for a in as_type(&T::Boolean)? {
                out.extend(a.as_boolean().iter().map(|v| v.unwrap_or(false)));
            }
            ColumnData::Bool(out)
        }
        T::Utf8 | T::LargeUtf8 | T::Utf8View => {
            let mut out = Vec::new();
            for a in as_type(&T::Utf8)? {
                out.extend(a.as_string::<i32>().iter().map(|v| v.unwrap_or("").to_string()));
            }
            ColumnData::Str(out)
        }
        T::Null => ColumnData::Str(vec![String::new(); parts.iter().map(|a| a.len()).sum()]),
        _ => {
            let options = FormatOptions::default();
            let mut out = Vec::new();
            for a in parts {
                let format = ArrayFormatter::try_new(a, &options).map_err(one_line)?;
                for row in 0..a.len() {
                    out.push(format.value(row).try_to_string().map_err(one_line)?);
                }
            }
            ColumnData::Str(out)
        }
    })
}

fn beyond_i64(parts: &[ArrayRef]) -> bool {
    parts.iter().any(|a| {
        a.as_primitive::<arrow::datatypes::UInt64Type>()
            .iter()
            .flatten()
            .any(|v| v > i64::MAX as u64)
    })
}
