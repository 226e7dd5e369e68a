//! sciSQL's photometry: AB magnitudes of fluxes in nJy, in erg/s/cm2/Hz, and of counts.

use super::sky_function::{function, numbers};
use datafusion::arrow::array::{ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use std::f64::consts::LN_10;
use std::sync::Arc;

/// AB magnitude of 1 nJy, and of 1 erg/s/cm2/Hz.
const NANOJANSKY: f64 = 31.4;
const CGS: f64 = -48.6;

/// A number from numbers; NaN (a flux that has no magnitude) is NULL, as sciSQL has it.
fn map(args: &[ArrayRef], f: impl Fn(&[f64]) -> f64) -> Result<ArrayRef> {
    let columns = args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    let Some(first) = columns.first() else { return exec_err!("arguments are missing") };
    let mut row = vec![0.0; columns.len()];
    let out: Float64Array = (0..first.len())
        .map(|r| {
            row.iter_mut().zip(&columns).for_each(|(v, c)| *v = c[r]);
            Some(f(&row)).filter(|v| !v.is_nan())
        })
        .collect();
    Ok(Arc::new(out))
}

fn mag(flux: f64, zero: f64) -> f64 {
    if flux > 0.0 { zero - 2.5 * flux.log10() } else { f64::NAN }
}

fn mag_sigma(flux: f64, sigma: f64) -> f64 {
    if flux > 0.0 { 2.5 / LN_10 * sigma / flux } else { f64::NAN }
}

fn flux(mag: f64, zero: f64) -> f64 {
    10f64.powf(0.4 * (zero - mag))
}

pub fn all() -> Vec<ScalarUDF> {
    let f = |name, body| function(name, DataType::Float64, body);
    vec![
        f("scisql_nanojanskytoabmag", |a| map(a, |v| mag(v[0], NANOJANSKY))),
        f("scisql_nanojanskytoabmagsigma", |a| map(a, |v| mag_sigma(v[0], v[1]))),
        f("scisql_abmagtonanojansky", |a| map(a, |v| flux(v[0], NANOJANSKY))),
        f("scisql_abmagtonanojanskysigma", |a| {
            map(a, |v| v[1] * flux(v[0], NANOJANSKY) * LN_10 / 2.5)
        }),
        f("scisql_fluxtoabmag", |a| map(a, |v| mag(v[0], CGS))),
        f("scisql_fluxtoabmagsigma", |a| map(a, |v| mag_sigma(v[0], v[1]))),
        f("scisql_abmagtoflux", |a| map(a, |v| flux(v[0], CGS))),
        f("scisql_abmagtofluxsigma", |a| map(a, |v| v[1] * flux(v[0], CGS) * LN_10 / 2.5)),
        // Counts and the counts of a star of magnitude 0.
        f("scisql_dntoabmag", |a| map(a, |v| mag(v[0] / v[1], 0.0))),
    ]
}
