//! Reference catalogues, and positions for forced photometry, from files of any of the usual kinds.

use crate::error::CliError;
use elqui_base::mag_ab_to_njy;
use elqui_fits::FitsFile;
use elqui_matching::{ColumnMap, RefCatalog};
use elqui_production::{ProcessConfig, ProcessOutput, ReferenceFile};
use elqui_schema::{Column, ColumnData, Table};
use std::path::Path;
use std::sync::Arc;

/// Read a table: CSV, Parquet, FITS (gzip'd or not) or VOTable, known by its name.
pub fn read_any_table(path: &Path) -> Result<Table, CliError> {
    let text = path.to_string_lossy();
    // A file whose own name ends in brackets wins.
    let (file_name, extension) =
        if path.exists() { (&*text, None) } else { elqui_fits::split_extension(&text) };
    let lower = file_name.to_ascii_lowercase();
    let bare = lower.strip_suffix(".gz").unwrap_or(&lower);
    if [".fits", ".fit", ".fts", ".fz"].iter().any(|e| bare.ends_with(e)) {
        let file = FitsFile::open(file_name).map_err(|e| CliError::on(path, e))?;
        let hdu = match &extension {
            Some(e) => file.find(e),
            None => file.first_table(),
        }
        .map_err(|e| CliError::on(path, e))?;
        return file.read_table(hdu).map_err(|e| CliError::on(path, e));
    }
    if [".vot", ".xml", ".votable"].iter().any(|e| bare.ends_with(e)) {
        return elqui_votable::read_votable(path).map_err(|e| CliError::on(path, e));
    }
    elqui_tables::read_table_file(path).map_err(|e| CliError::on(path, e))
}

/// Names of columns from `NAME=COLUMN` pairs of the command line.
pub fn column_map(renames: &[String]) -> Result<ColumnMap, CliError> {
    let mut columns = ColumnMap::default();
    for pair in renames {
        let Some((name, column)) = pair.split_once('=') else {
            return Err(CliError::words(format!("--ref-column {pair}: it is NAME=COLUMN")));
        };
        if name == "color" {
            columns.color = column.split('-').map(|c| c.trim().to_string()).collect();
            continue;
        }
        let slot = match name {
            "ra" => &mut columns.ra,
            "dec" => &mut columns.dec,
            "mag" => &mut columns.mag,
            "mag_err" => &mut columns.mag_err,
            "ra_err" => &mut columns.ra_err_mas,
            "dec_err" => &mut columns.dec_err_mas,
            "pm_ra_cosdec" => &mut columns.pm_ra_cosdec_mas_yr,
            "pm_dec" => &mut columns.pm_dec_mas_yr,
            "parallax" => &mut columns.parallax_mas,
            "epoch" => &mut columns.epoch_jyear,
            _ => {
                return Err(CliError::words(format!(
                    "--ref-column {name}: it is one of ra, dec, mag, mag_err, ra_err, dec_err, pm_ra_cosdec, pm_dec, parallax, epoch, color (one column, or BLUE-RED)"
                )));
            }
        };
        *slot = column.to_string();
    }
    Ok(columns)
}

/// Read a reference catalogue.
///
/// - `renames`: `NAME=COLUMN` pairs of the command line
pub fn read_reference(path: &Path, renames: &[String]) -> Result<ReferenceFile, CliError> {
    let columns = column_map(renames)?;
    let table = Arc::new(read_any_table(path)?);
    let name = path.display().to_string();
    ReferenceFile::new(&name, table, columns).map_err(|e| CliError::on(path, e))
}

/// Positions for forced photometry: `ra` and `dec` of a table, degrees.
pub fn read_positions(path: &Path) -> Result<Vec<(f64, f64)>, CliError> {
    let table = read_any_table(path)?;
    let catalog = RefCatalog::from_table(&table, "").map_err(|e| CliError::on(path, e))?;
    Ok(catalog.stars.iter().map(|s| (s.ra, s.dec)).collect())
}

/// Forced PSF fluxes of a frame at sky positions; NaN outside of the image.
pub fn forced_table(
    result: &ProcessOutput,
    positions: &[(f64, f64)],
    config: &ProcessConfig,
) -> Table {
    let exposure = &result.exposure;
    let outside = (f64::NAN, f64::NAN);
    let pixels: Vec<(f64, f64)> = positions
        .iter()
        .map(|&(ra, dec)| {
            exposure.wcs.as_ref().and_then(|w| w.sky_to_pixel(ra, dec)).unwrap_or(outside)
        })
        .collect();
    let forced = elqui_measurement::forced_psf(exposure, &pixels, &config.measurement);
    let calib = exposure.photo_calib.as_ref();
    let scale = |x: f64, y: f64| match calib.and_then(|c| c.zero_point_map.as_ref()) {
        Some(map) if x.is_finite() && y.is_finite() => mag_ab_to_njy(map.eval(x, y)),
        _ => calib.map_or(1.0, |c| c.njy_per_adu),
    };
    let correction = exposure.ap_corr.0.get("psfFlux");
    let (flux, flux_err): (Vec<f64>, Vec<f64>) = forced
        .iter()
        .zip(&pixels)
        .map(|(f, &(x, y))| {
            let (c, c_err) = correction.map_or((1.0, 0.0), |a| (a.eval(x, y), a.error(x, y)));
            let scale = scale(x, y);
            (scale * c * f.flux, scale * (c * f.flux_err).hypot(f.flux * c_err))
        })
        .unzip();
    let unit = &result.sources.flux_unit;
    let mut table = Table::new("ForcedSource");
    let mut add = |name: &str, unit: &str, values: Vec<f64>| {
        let mut column = Column::new(name, ColumnData::F64(values));
        column.unit = unit.into();
        table.columns.push(column);
    };
    add("ra", "deg", positions.iter().map(|p| p.0).collect());
    add("dec", "deg", positions.iter().map(|p| p.1).collect());
    add("x", "pixel", pixels.iter().map(|p| p.0).collect());
    add("y", "pixel", pixels.iter().map(|p| p.1).collect());
    add("psfFlux", unit, flux);
    add("psfFluxErr", unit, flux_err);
    table.columns.push(Column::new(
        "psfFlux_flag",
        ColumnData::Bool(forced.iter().map(|f| f.flag || !f.flux.is_finite()).collect()),
    ));
    table
}
