//! The `Object` table and the `ForcedSource` rows.
//!
//! - fluxes: those whose flag is not set and whose error is positive; weighted mean, its error, the
//!   scatter of single visits, chi squared about the mean
//! - variability: `{band}_psfFluxChi2` with `{band}_psfFluxNdata`, and `{band}_varIndex`, the
//!   scatter beyond the errors over the mean (0 for a star that does not vary)
//! - the rows of `ForcedSource` are the visits' own detections, not flux measured anew

use crate::associate::{Objects, VisitSources};
use elqui_base::{njy_to_mag_ab, weighted_mean};
use elqui_schema::{Column, ColumnData, Table, felis};

const ORDER: [&str; 6] = ["u", "g", "r", "i", "z", "y"];

/// The bands that occur: Rubin's in their order, then the others by name.
fn bands<'a>(visits: &[VisitSources<'a>]) -> Vec<&'a str> {
    let mut out: Vec<&str> = visits.iter().map(|v| v.band).collect();
    let place = |b: &str| ORDER.iter().position(|o| *o == b).unwrap_or(ORDER.len());
    out.sort_by(|a, b| place(a).cmp(&place(b)).then(a.cmp(b)));
    out.dedup();
    out
}

fn add(table: &mut Table, name: impl Into<String>, data: ColumnData) {
    let mut column = Column::new(name, data);
    let definition = felis::column(&table.name, &column.name);
    if let Some(d) = definition {
        (column.unit, column.ucd, column.description) = (d.unit, d.ucd, d.description);
    }
    table.columns.push(column);
}

#[derive(Clone, Copy)]
struct Photometry {
    flux: f64,
    err: f64,
    sigma: f64,
    chi2: f64,
    n: i32,
    visits: i32,
    extendedness: f64,
    var_index: f64,
}

fn photometry(visits: &[VisitSources<'_>], members: &[(usize, usize)], band: &str) -> Photometry {
    let (mut flux, mut err, mut extended, mut ids) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for &(v, r) in members.iter().filter(|m| visits[m.0].band == band) {
        let s = visits[v].sources;
        ids.push((s.visit[r], if s.visit[r] == 0 { v } else { 0 }));
        let e = f64::from(s.extendedness[r]);
        if e.is_finite() {
            extended.push(e);
        }
        if !s.psf_flux_flag[r] && s.psf_flux[r].is_finite() && s.psf_flux_err[r] > 0.0 {
            flux.push(s.psf_flux[r]);
            err.push(s.psf_flux_err[r]);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    let (mean, mean_err) = weighted_mean(&flux, &err);
    let n = flux.len();
    let plain = elqui_base::mean(&flux);
    let variance = if n > 1 {
        flux.iter().map(|f| (f - plain) * (f - plain)).sum::<f64>() / (n - 1) as f64
    } else {
        f64::NAN
    };
    let noise = err.iter().map(|e| e * e).sum::<f64>() / n as f64;
    Photometry {
        flux: mean,
        err: mean_err,
        sigma: variance.sqrt(),
        chi2: if n > 0 {
            flux.iter().zip(&err).map(|(f, e)| ((f - mean) / e).powi(2)).sum()
        } else {
            f64::NAN
        },
        n: n as i32,
        visits: ids.len() as i32,
        extendedness: if extended.is_empty() {
            f64::NAN
        } else {
            elqui_base::median(&mut extended)
        },
        var_index: if n > 1 { (variance - noise).max(0.0).sqrt() / mean.abs() } else { f64::NAN },
    }
}

/// One row an object.
pub fn object_table(visits: &[VisitSources<'_>], objects: &Objects) -> Table {
    let mut table = Table::new("Object");
    let bands = bands(visits);
    let all: Vec<Vec<Photometry>> = bands
        .iter()
        .map(|b| objects.members.iter().map(|m| photometry(visits, m, b)).collect())
        .collect();
    // The reference band is the one with the best flux.
    let best: Vec<usize> = (0..objects.len())
        .map(|o| {
            let snr = |b: usize| {
                let p = &all[b][o];
                let snr = p.flux / p.err;
                if snr.is_finite() { snr } else { f64::NEG_INFINITY }
            };
            (0..bands.len()).fold(0, |best, b| if snr(b) > snr(best) { b } else { best })
        })
        .collect();
    let errors = |pick: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        objects
            .members
            .iter()
            .map(|m| {
                let w: f64 =
                    m.iter().map(|&(v, r)| pick(v, r).powi(-2)).filter(|w| w.is_finite()).sum();
                if w > 0.0 { w.sqrt().recip() } else { f64::NAN }
            })
            .collect()
    };
    let times = |start: f64, f: fn(f64, f64) -> f64| -> Vec<f64> {
        let of = |m: &Vec<(usize, usize)>| {
            m.iter().map(|&(v, r)| visits[v].sources.mid_mjd_tai[r]).fold(start, f)
        };
        objects.members.iter().map(of).collect()
    };
    add(&mut table, "objectId", ColumnData::I64(objects.object_id.clone()));
    add(&mut table, "coord_ra", ColumnData::F64(objects.ra.clone()));
    add(&mut table, "coord_dec", ColumnData::F64(objects.dec.clone()));
    let ra_err = errors(&|v, r| f64::from(visits[v].sources.ra_err[r]));
    let dec_err = errors(&|v, r| f64::from(visits[v].sources.dec_err[r]));
    add(&mut table, "coord_raErr", ColumnData::F64(ra_err));
    add(&mut table, "coord_decErr", ColumnData::F64(dec_err));
    let name = |o: usize| bands.get(best[o]).map_or(String::new(), |b| b.to_string());
    add(&mut table, "refBand", ColumnData::Str((0..objects.len()).map(name).collect()));
    let extended =
        (0..objects.len()).map(|o| all.get(best[o]).map_or(f32::NAN, |p| p[o].extendedness as f32));
    add(&mut table, "refExtendedness", ColumnData::F32(extended.collect()));
    let counts = objects.members.iter().map(|m| m.len() as i32).collect();
    add(&mut table, "nSources", ColumnData::I32(counts));
    add(&mut table, "firstMjdTai", ColumnData::F64(times(f64::NAN, f64::min)));
    add(&mut table, "lastMjdTai", ColumnData::F64(times(f64::NAN, f64::max)));
    for (band, rows) in bands.iter().zip(&all) {
        band_columns(&mut table, band, rows);
    }
    table
}

fn band_columns(table: &mut Table, band: &str, rows: &[Photometry]) {
    let f64s = |f: &dyn Fn(&Photometry) -> f64| ColumnData::F64(rows.iter().map(f).collect());
    let f32s = |f: &dyn Fn(&Photometry) -> f64| {
        ColumnData::F32(rows.iter().map(|p| f(p) as f32).collect())
    };
    let i32s = |f: &dyn Fn(&Photometry) -> i32| ColumnData::I32(rows.iter().map(f).collect());
    add(table, format!("{band}_psfFlux"), f64s(&|p| p.flux));
    add(table, format!("{band}_psfFluxErr"), f64s(&|p| p.err));
    add(table, format!("{band}_psfMag"), f32s(&|p| njy_to_mag_ab(p.flux)));
    add(table, format!("{band}_psfMagErr"), f32s(&|p| mag_err(p.flux, p.err)));
    add(table, format!("{band}_psfFluxSigma"), f64s(&|p| p.sigma));
    add(table, format!("{band}_psfFluxChi2"), f32s(&|p| p.chi2));
    add(table, format!("{band}_psfFluxNdata"), i32s(&|p| p.n));
    add(table, format!("{band}_nVisits"), i32s(&|p| p.visits));
    add(table, format!("{band}_extendedness"), f32s(&|p| p.extendedness));
    let mut index = Column::new(format!("{band}_varIndex"), f32s(&|p| p.var_index));
    index.description =
        format!("Scatter of the PSF fluxes in {band} beyond their errors, over their mean");
    table.columns.push(index);
}

fn mag_err(flux: f64, err: f64) -> f64 {
    if flux > 0.0 { 2.5 / std::f64::consts::LN_10 * err / flux } else { f64::NAN }
}

/// One row an object and detection: the light curves, by object, in the order of time.
pub fn forced_source_table(visits: &[VisitSources<'_>], objects: &Objects) -> Table {
    let mut table = Table::new("ForcedSource");
    let rows: Vec<(usize, usize, usize)> = objects
        .members
        .iter()
        .enumerate()
        .flat_map(|(o, m)| m.iter().map(move |&(v, r)| (o, v, r)))
        .collect();
    let i64s = |f: &dyn Fn(usize, usize) -> i64| {
        ColumnData::I64(rows.iter().map(|&(_, v, r)| f(v, r)).collect())
    };
    let f64s = |f: &dyn Fn(usize, usize) -> f64| {
        ColumnData::F64(rows.iter().map(|&(_, v, r)| f(v, r)).collect())
    };
    let f32s = |f: &dyn Fn(usize, usize) -> f64| {
        ColumnData::F32(rows.iter().map(|&(_, v, r)| f(v, r) as f32).collect())
    };
    let bools = |f: &dyn Fn(usize, usize) -> bool| {
        ColumnData::Bool(rows.iter().map(|&(_, v, r)| f(v, r)).collect())
    };
    let s = |v: usize| visits[v].sources;
    add(&mut table, "forcedSourceId", ColumnData::I64((1..=rows.len() as i64).collect()));
    let ids = rows.iter().map(|m| objects.object_id[m.0]).collect();
    add(&mut table, "objectId", ColumnData::I64(ids));
    add(&mut table, "sourceId", i64s(&|v, r| s(v).source_id[r]));
    add(&mut table, "visit", i64s(&|v, r| s(v).visit[r]));
    let detectors = rows.iter().map(|&(_, v, r)| s(v).detector[r]).collect();
    add(&mut table, "detector", ColumnData::I32(detectors));
    let names = rows.iter().map(|m| visits[m.1].band.to_string()).collect();
    add(&mut table, "band", ColumnData::Str(names));
    add(&mut table, "midpointMjdTai", f64s(&|v, r| s(v).mid_mjd_tai[r]));
    add(&mut table, "coord_ra", f64s(&|v, r| s(v).ra[r]));
    add(&mut table, "coord_dec", f64s(&|v, r| s(v).dec[r]));
    add(&mut table, "x", f64s(&|v, r| s(v).x[r]));
    add(&mut table, "y", f64s(&|v, r| s(v).y[r]));
    add(&mut table, "psfFlux", f64s(&|v, r| s(v).psf_flux[r]));
    add(&mut table, "psfFluxErr", f64s(&|v, r| s(v).psf_flux_err[r]));
    add(&mut table, "psfMag", f32s(&|v, r| njy_to_mag_ab(s(v).psf_flux[r])));
    add(&mut table, "psfMagErr", f32s(&|v, r| mag_err(s(v).psf_flux[r], s(v).psf_flux_err[r])));
    add(&mut table, "psfFlux_flag", bools(&|v, r| s(v).psf_flux_flag[r]));
    add(&mut table, "pixelFlags_bad", bools(&|v, r| s(v).pixel_flags_bad[r]));
    add(&mut table, "pixelFlags_cr", bools(&|v, r| s(v).pixel_flags_cr[r]));
    add(&mut table, "pixelFlags_crCenter", bools(&|v, r| s(v).pixel_flags_cr_center[r]));
    add(&mut table, "pixelFlags_edge", bools(&|v, r| s(v).pixel_flags_edge[r]));
    add(&mut table, "pixelFlags_saturated", bools(&|v, r| s(v).pixel_flags_saturated[r]));
    add(
        &mut table,
        "pixelFlags_saturatedCenter",
        bools(&|v, r| s(v).pixel_flags_saturated_center[r]),
    );
    table
}
