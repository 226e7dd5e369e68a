//! Functions of the IVOA's catalogue of user-defined functions, and GAVO's that users rely on.

use super::sky_function::{coordinates, function, numbers, point_type, points, texts};
use datafusion::arrow::array::{Array, ArrayRef, Int32Array, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use elqui_sphere::{healpix_center, healpix_index};
use std::sync::Arc;

pub fn all() -> Vec<ScalarUDF> {
    use DataType::{Int32, Int64};
    vec![
        function("ivo_healpix_index", Int64, index),
        function("ivo_healpix_center", point_type(), center),
        function("ivo_hasword", Int32, has_word),
        function("ivo_hashlist_has", Int32, hashlist_has),
        function("ivo_interval_overlaps", Int32, intervals),
    ]
}

/// `(order, ra, dec)`, `(order, point)`, and the older `(ra, dec, order)`, `(point, order)`.
fn index(args: &[ArrayRef]) -> Result<ArrayRef> {
    let whole = |a: &ArrayRef| a.data_type().is_integer();
    let (order, (ra, dec)) = match args {
        [order, point] if whole(order) => (numbers(order)?, coordinates(point)?),
        [point, order] => (numbers(order)?, coordinates(point)?),
        [order, ra, dec] if whole(order) => (numbers(order)?, (numbers(ra)?, numbers(dec)?)),
        [ra, dec, order] => (numbers(order)?, (numbers(ra)?, numbers(dec)?)),
        _ => return exec_err!("ivo_healpix_index takes an order and a position"),
    };
    let mut out = Vec::with_capacity(ra.len());
    for k in 0..ra.len() {
        if !(0.0..=29.0).contains(&order[k]) {
            return exec_err!("a HEALPix order of 0 to 29 was expected, not {}", order[k]);
        }
        let cell = healpix_index(order[k] as u8, ra[k], dec[k]);
        out.push(i64::try_from(cell).ok().filter(|c| *c < i64::MAX));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

fn center(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [order, cell] = args else { return exec_err!("ivo_healpix_center takes order and index") };
    let (order, cell) = (numbers(order)?, datafusion::arrow::compute::cast(cell, &DataType::Int64)?);
    let cell = datafusion::arrow::array::AsArray::as_primitive::<datafusion::arrow::datatypes::Int64Type>(&cell);
    let (ra, dec) = order
        .iter()
        .zip(cell.values())
        .map(|(o, c)| match u64::try_from(*c) {
            Ok(c) if (0.0..=29.0).contains(o) => healpix_center(*o as u8, c),
            _ => (f64::NAN, f64::NAN),
        })
        .unzip();
    points(ra, dec)
}

fn pairs(args: &[ArrayRef], holds: impl Fn(&str, &str) -> bool) -> Result<ArrayRef> {
    let [a, b] = args else { return exec_err!("two texts were expected") };
    let (a, b) = (texts(a)?, texts(b)?);
    let out: Int32Array =
        a.iter().zip(b.iter()).map(|(a, b)| Some(i32::from(holds(a?, b?)))).collect();
    Ok(Arc::new(out))
}

/// 1 when the text has the words of the second one, capitals aside.
fn has_word(args: &[ArrayRef]) -> Result<ArrayRef> {
    let words = |t: &str| -> Vec<String> {
        t.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
    };
    pairs(args, |text, wanted| {
        let (text, wanted) = (words(text), words(wanted));
        !wanted.is_empty() && text.windows(wanted.len()).any(|w| w == wanted)
    })
}

/// 1 when a list with `#` between its items has the item, capitals aside.
fn hashlist_has(args: &[ArrayRef]) -> Result<ArrayRef> {
    pairs(args, |list, item| list.split('#').any(|i| i.eq_ignore_ascii_case(item)))
}

/// 1 when two closed intervals (low, high, low, high) have something in common.
fn intervals(args: &[ArrayRef]) -> Result<ArrayRef> {
    let n = args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    let [a, b, c, d] = n.as_slice() else { return exec_err!("two intervals were expected") };
    let out: Vec<i32> =
        (0..a.len()).map(|k| i32::from(a[k] <= d[k] && c[k] <= b[k])).collect();
    Ok(Arc::new(Int32Array::from(out)))
}
