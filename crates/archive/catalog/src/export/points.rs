//! Positions (`{ra, dec}`) as two numbers, which text formats and FITS can hold (DALI 1.1, section 3.3.5).

use crate::error::one_line;
use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use std::sync::Arc;

fn is_point(t: &DataType) -> bool {
    let DataType::Struct(fields) = t else { return false };
    fields.len() == 2 && fields.iter().all(|f| f.data_type() == &DataType::Float64)
}

fn item() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Float64, true))
}

/// The schema with two numbers where there were positions.
pub(super) fn schema(given: &SchemaRef) -> SchemaRef {
    let fields = given.fields().iter().map(|f| {
        if !is_point(f.data_type()) {
            return f.as_ref().clone();
        }
        Field::new(f.name(), DataType::FixedSizeList(item(), 2), true)
            .with_metadata(f.metadata().clone())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(super) fn batch(given: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
    let columns = given.columns().iter().map(two_numbers).collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema.clone(), columns).map_err(one_line)
}

fn two_numbers(array: &ArrayRef) -> Result<ArrayRef, String> {
    if !is_point(array.data_type()) {
        return Ok(array.clone());
    }
    let point = array.as_struct();
    let (ra, dec) = (
        point.column(0).as_primitive::<Float64Type>(),
        point.column(1).as_primitive::<Float64Type>(),
    );
    let values: Float64Array = ra.iter().zip(dec.iter()).flat_map(|(r, d)| [r, d]).collect();
    let list = FixedSizeListArray::try_new(item(), 2, Arc::new(values), array.nulls().cloned());
    Ok(Arc::new(list.map_err(one_line)?))
}
