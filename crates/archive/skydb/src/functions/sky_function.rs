//! A function over columns, with what all of them share: numbers of any width, NULL in NULL out,
//! constants computed once.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray, StructArray, make_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::hash::{Hash, Hasher};

/// From columns of equal length to a column.
pub type Body = fn(&[ArrayRef]) -> Result<ArrayRef>;

#[derive(Debug)]
pub struct SkyFunction {
    name: &'static str,
    gives: DataType,
    body: Body,
    /// Whether NULL in any argument gives NULL.
    strict: bool,
    signature: Signature,
}

impl PartialEq for SkyFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SkyFunction {}

impl Hash for SkyFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

pub fn function(name: &'static str, gives: DataType, body: Body) -> ScalarUDF {
    made(name, gives, body, true)
}

/// A function that sees NULL as NaN and decides itself.
pub fn lenient(name: &'static str, gives: DataType, body: Body) -> ScalarUDF {
    made(name, gives, body, false)
}

fn made(name: &'static str, gives: DataType, body: Body, strict: bool) -> ScalarUDF {
    let signature = Signature::user_defined(Volatility::Immutable);
    ScalarUDF::from(SkyFunction { name, gives, body, strict, signature })
}

impl ScalarUDFImpl for SkyFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.gives.clone())
    }

    /// The language has checked numbers and kinds; here only widths are made equal.
    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let wide = |t: &DataType| match t {
            t if t.is_integer() => DataType::Int64,
            t if t.is_numeric() => DataType::Float64,
            DataType::Null => DataType::Float64,
            DataType::Utf8View | DataType::LargeUtf8 | DataType::Dictionary(..) => DataType::Utf8,
            other => other.clone(),
        };
        Ok(given.iter().map(wide).collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> =
            args.args.into_iter().map(|a| a.into_array(rows)).collect::<Result<_>>()?;
        let mut out = (self.body)(&arrays)?;
        let mut nulls = out.logical_nulls();
        for a in arrays.iter().filter(|_| self.strict) {
            nulls = NullBuffer::union(nulls.as_ref(), a.logical_nulls().as_ref());
        }
        if nulls.as_ref().is_some_and(|n| n.null_count() > 0) {
            out = make_array(out.to_data().into_builder().nulls(nulls).build()?);
        }
        if scalar && arrays.first().is_none_or(|a| a.len() == 1) {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&out, 0)?));
        }
        Ok(ColumnarValue::Array(out))
    }
}

/// A column as numbers; what is missing is NaN.
pub fn numbers(array: &ArrayRef) -> Result<Vec<f64>> {
    if let Some(a) = array.as_primitive_opt::<Float64Type>() {
        return Ok(if a.null_count() == 0 {
            a.values().to_vec()
        } else {
            a.iter().map(|v| v.unwrap_or(f64::NAN)).collect()
        });
    }
    match array.as_primitive_opt::<Int64Type>() {
        Some(a) => Ok(a.iter().map(|v| v.map_or(f64::NAN, |v| v as f64)).collect()),
        None => exec_err!("a number was expected, not {}", array.data_type()),
    }
}

pub fn texts(array: &ArrayRef) -> Result<&StringArray> {
    match array.as_string_opt::<i32>() {
        Some(a) => Ok(a),
        None => exec_err!("a text was expected, not {}", array.data_type()),
    }
}

/// Type of a POINT.
pub fn point_type() -> DataType {
    DataType::Struct(point_fields())
}

fn point_fields() -> Fields {
    ["ra", "dec"].iter().map(|n| Field::new(*n, DataType::Float64, true)).collect()
}

pub fn points(ra: Vec<f64>, dec: Vec<f64>) -> Result<ArrayRef> {
    let bad: Vec<bool> = ra.iter().zip(&dec).map(|(r, d)| r.is_finite() && d.is_finite()).collect();
    let columns: Vec<ArrayRef> = vec![
        std::sync::Arc::new(datafusion::arrow::array::Float64Array::from(ra)),
        std::sync::Arc::new(datafusion::arrow::array::Float64Array::from(dec)),
    ];
    let nulls = Some(NullBuffer::from(bad)).filter(|n| n.null_count() > 0);
    Ok(std::sync::Arc::new(StructArray::try_new(point_fields(), columns, nulls)?))
}

/// Right ascensions and declinations of a column of points, or of texts like `POSITION 10 20`.
pub fn coordinates(array: &ArrayRef) -> Result<(Vec<f64>, Vec<f64>)> {
    if let Some(s) = array.as_struct_opt().filter(|s| s.num_columns() == 2) {
        return Ok((numbers(s.column(0))?, numbers(s.column(1))?));
    }
    let Some(written) = array.as_string_opt::<i32>() else {
        return exec_err!("a POINT was expected, not {}", array.data_type());
    };
    let mut out = (Vec::new(), Vec::new());
    for text in written.iter() {
        let read = text.map(|t| elqui_adql::stc_s(t).map_err(|why| (t, why)));
        let (ra, dec) = match read {
            None => (f64::NAN, f64::NAN),
            Some(Ok(elqui_adql::Shape::Point { ra, dec })) => (ra, dec),
            Some(Ok(_)) => return exec_err!("a POINT was expected, not another shape"),
            Some(Err((t, why))) => return exec_err!("`{t}` is no POINT: {why}"),
        };
        out.0.push(ra);
        out.1.push(dec);
    }
    Ok(out)
}
