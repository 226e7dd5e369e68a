//! sciSQL's photometry on columns; the formulas and their domains are in `elqui_base::photometry`.

use super::sky_function::{function, numbers};
use datafusion::arrow::array::{ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use elqui_base::photometry as p;
use std::sync::Arc;

/// A number from numbers; what has none (the magnitude of a negative flux) is NULL, as sciSQL has it.
fn map<const N: usize>(args: &[ArrayRef], f: impl Fn([f64; N]) -> Option<f64>) -> Result<ArrayRef> {
    let columns = args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
    if columns.len() != N {
        return exec_err!("{N} arguments were expected, not {}", columns.len());
    }
    let out: Float64Array = (0..columns.first().map_or(0, Vec::len))
        .map(|r| f(std::array::from_fn(|k| columns[k][r])))
        .collect();
    Ok(Arc::new(out))
}

pub fn all() -> Vec<ScalarUDF> {
    let f = |name, body| function(name, DataType::Float64, body);
    vec![
        f("scisql_nanojanskytoabmag", |a| map(a, |[f]| p::nanojansky_to_ab_mag(f))),
        f("scisql_nanojanskytoabmagsigma", |a| {
            map(a, |[f, s]| p::nanojansky_to_ab_mag_sigma(f, s))
        }),
        f("scisql_abmagtonanojansky", |a| map(a, |[m]| p::ab_mag_to_nanojansky(m))),
        f("scisql_abmagtonanojanskysigma", |a| {
            map(a, |[m, s]| p::ab_mag_to_nanojansky_sigma(m, s))
        }),
        f("scisql_fluxtoabmag", |a| map(a, |[f]| p::flux_to_ab_mag(f))),
        f("scisql_fluxtoabmagsigma", |a| map(a, |[f, s]| p::flux_to_ab_mag_sigma(f, s))),
        f("scisql_abmagtoflux", |a| map(a, |[m]| p::ab_mag_to_flux(m))),
        f("scisql_abmagtofluxsigma", |a| map(a, |[m, s]| p::ab_mag_to_flux_sigma(m, s))),
        f("scisql_dntoabmag", |a| map(a, |[d, z]| p::dn_to_ab_mag(d, z))),
        f("scisql_dntoabmagsigma", |a| map(a, |[d, s, z, t]| p::dn_to_ab_mag_sigma(d, s, z, t))),
        f("scisql_dntoflux", |a| map(a, |[d, z]| p::dn_to_flux(d, z))),
        f("scisql_dntofluxsigma", |a| map(a, |[d, s, z, t]| p::dn_to_flux_sigma(d, s, z, t))),
        f("scisql_fluxtodn", |a| map(a, |[f, z]| p::flux_to_dn(f, z))),
        f("scisql_fluxtodnsigma", |a| map(a, |[f, s, z, t]| p::flux_to_dn_sigma(f, s, z, t))),
        f("scisql_abmagtodn", |a| map(a, |[m, z]| p::ab_mag_to_dn(m, z))),
        f("scisql_abmagtodnsigma", |a| map(a, |[m, s, z, t]| p::ab_mag_to_dn_sigma(m, s, z, t))),
    ]
}
