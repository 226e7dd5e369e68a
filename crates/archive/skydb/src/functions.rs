//! Functions that the sky adds to SQL. Angles in degrees, fluxes in nJy, magnitudes AB.
//!
//! - `scisql_nanojanskyToAbMag(flux)`, `scisql_nanojanskyToAbMagSigma(flux, err)`,
//!   `scisql_abMagToNanojansky(mag)`, `scisql_angSep(ra1, dec1, ra2, dec2)`: names of Rubin's archive
//! - ADQL 2.1: `POINT`, `CIRCLE`, `CONTAINS(point, circle)` (1 or 0), `DISTANCE(point, point)` and
//!   `DISTANCE(ra1, dec1, ra2, dec2)`
//! - the distance is the haversine's: exact for small angles, within 1e-7 deg at the antipode
//! - a flux that is not positive has the magnitude NaN

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, StructArray};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, create_udf,
};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// AB magnitude of 1 nJy.
const ZERO_POINT_NJY: f64 = 31.4;

/// Great-circle distance of two directions, degrees in and out.
pub fn distance_deg(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> f64 {
    let sin2 = |x: f64| (x.to_radians() / 2.0).sin().powi(2);
    let h = sin2(dec2 - dec1) + dec1.to_radians().cos() * dec2.to_radians().cos() * sin2(ra2 - ra1);
    2.0 * h.sqrt().min(1.0).asin().to_degrees()
}

/// Rows of numbers; a missing one is NaN.
fn numbers(array: &ArrayRef) -> Result<Vec<f64>> {
    match array.as_primitive_opt::<Float64Type>() {
        Some(a) => Ok(a.iter().map(|v| v.unwrap_or(f64::NAN)).collect()),
        None => exec_err!("a number was expected, not {}", array.data_type()),
    }
}

fn floats(n: usize, f: fn(&[f64]) -> f64, args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(args)?;
    let columns = arrays.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    if columns.len() != n {
        return exec_err!("{n} arguments were expected, not {}", columns.len());
    }
    let mut row = vec![0.0; n];
    let out: Float64Array = (0..columns[0].len())
        .map(|r| {
            row.iter_mut().zip(&columns).for_each(|(v, c)| *v = c[r]);
            Some(f(&row))
        })
        .collect();
    let scalar = args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
    result(Arc::new(out), scalar)
}

/// Constants stay constants, so that they are computed once.
fn result(array: ArrayRef, scalar: bool) -> Result<ColumnarValue> {
    if scalar {
        let value = datafusion::common::ScalarValue::try_from_array(&array, 0)?;
        return Ok(ColumnarValue::Scalar(value));
    }
    Ok(ColumnarValue::Array(array))
}

fn float_function(name: &str, n: usize, f: fn(&[f64]) -> f64) -> ScalarUDF {
    let body = move |args: &[ColumnarValue]| floats(n, f, args);
    create_udf(
        name,
        vec![DataType::Float64; n],
        DataType::Float64,
        Volatility::Immutable,
        Arc::new(body),
    )
}

fn ab_mag(flux_njy: f64) -> f64 {
    if flux_njy > 0.0 { ZERO_POINT_NJY - 2.5 * flux_njy.log10() } else { f64::NAN }
}

/// A point is `{ra, dec}`, a circle `{ra, dec, radius}`.
fn shape_type(names: &[&str]) -> DataType {
    DataType::Struct(names.iter().map(|n| Field::new(*n, DataType::Float64, true)).collect())
}

fn shape_function(name: &str, names: &'static [&'static str]) -> ScalarUDF {
    let body = move |args: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        let DataType::Struct(fields) = shape_type(names) else {
            return exec_err!("a shape is a struct");
        };
        let scalar = args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        result(Arc::new(StructArray::try_new(fields, arrays, None)?), scalar)
    };
    create_udf(
        name,
        vec![DataType::Float64; names.len()],
        shape_type(names),
        Volatility::Immutable,
        Arc::new(body),
    )
}

fn shape_columns(array: &ArrayRef, n: usize) -> Result<Vec<Vec<f64>>> {
    match array.as_struct_opt() {
        Some(s) if s.num_columns() == n => s.columns().iter().map(numbers).collect(),
        _ => exec_err!("a {} was expected", if n == 2 { "POINT" } else { "CIRCLE" }),
    }
}

fn contains(args: &[ColumnarValue]) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(args)?;
    let p = shape_columns(&arrays[0], 2)?;
    let c = shape_columns(&arrays[1], 3)?;
    let out: Int32Array = (0..p[0].len())
        .map(|r| {
            let d = distance_deg(p[0][r], p[1][r], c[0][r], c[1][r]);
            Some(i32::from(d <= c[2][r]))
        })
        .collect();
    Ok(ColumnarValue::Array(Arc::new(out)))
}

/// `DISTANCE` takes two points or four numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Distance {
    signature: Signature,
}

impl ScalarUDFImpl for Distance {
    fn name(&self) -> &str {
        "adql_distance"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [DataType::Struct(_), DataType::Struct(_)] => Ok(given.to_vec()),
            [_, _, _, _] => Ok(vec![DataType::Float64; 4]),
            _ => {
                datafusion::common::plan_err!("DISTANCE takes two POINTs, or ra1, dec1, ra2, dec2")
            }
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let c: Vec<Vec<f64>> = if let [a, b] = arrays.as_slice() {
            let mut c = shape_columns(a, 2)?;
            c.extend(shape_columns(b, 2)?);
            c
        } else {
            arrays.iter().map(numbers).collect::<Result<_>>()?
        };
        let out: Float64Array = (0..c[0].len())
            .map(|r| Some(distance_deg(c[0][r], c[1][r], c[2][r], c[3][r])))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(out)))
    }
}

/// Teach a session all of them.
pub fn register(context: &SessionContext) {
    for f in [
        float_function("scisql_nanojanskytoabmag", 1, |v| ab_mag(v[0])),
        float_function("scisql_nanojanskytoabmagsigma", 2, |v| {
            if v[0] > 0.0 { 2.5 / std::f64::consts::LN_10 * v[1] / v[0] } else { f64::NAN }
        }),
        float_function("scisql_abmagtonanojansky", 1, |v| {
            10f64.powf(0.4 * (ZERO_POINT_NJY - v[0]))
        }),
        float_function("scisql_angsep", 4, |v| distance_deg(v[0], v[1], v[2], v[3])),
        shape_function("adql_point", &["ra", "dec"]),
        shape_function("adql_circle", &["ra", "dec", "radius"]),
        create_udf(
            "adql_contains",
            vec![shape_type(&["ra", "dec"]), shape_type(&["ra", "dec", "radius"])],
            DataType::Int32,
            Volatility::Immutable,
            Arc::new(contains),
        ),
        ScalarUDF::from(Distance { signature: Signature::user_defined(Volatility::Immutable) }),
    ] {
        context.register_udf(f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_right_at_every_scale() {
        assert!((distance_deg(0.0, 0.0, 180.0, 0.0) - 180.0).abs() < 1e-9);
        assert!((distance_deg(359.9999, 0.0, 0.0001, 0.0) - 2e-4).abs() < 1e-12);
        assert!((distance_deg(10.0, 60.0, 10.0 + 2e-6, 60.0) - 1e-6).abs() < 1e-13);
        assert!((ab_mag(1000.0) - 23.9).abs() < 1e-12);
        assert!(ab_mag(-1.0).is_nan());
    }
}
