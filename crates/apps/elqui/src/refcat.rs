//! Reference catalogues, and positions for forced photometry, from files of any of the usual kinds.

use crate::error::CliError;
use elqui_astrometry::propagate;
use elqui_fits::FitsFile;
use elqui_image::VisitInfo;
use elqui_matching::{ColumnMap, RefCatalog, RefStar};
use elqui_production::{ProcessConfig, ProcessOutput, Reference};
use elqui_schema::{Column, ColumnData, Table};
use std::path::Path;

/// Read a table: CSV, Parquet, FITS (gzip'd or not) or VOTable, known by its name.
pub fn read_any_table(path: &Path) -> Result<Table, CliError> {
    let text = path.to_string_lossy();
    let (file_name, extension) = elqui_fits::split_extension(&text);
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

/// A reference catalogue as read, before a frame's band and epoch are known.
pub struct ReferenceFile {
    path: std::path::PathBuf,
    table: Table,
    columns: ColumnMap,
}

/// The stars for one frame, at its epoch.
pub struct FrameStars {
    stars: Vec<RefStar>,
    photometric: bool,
}

impl FrameStars {
    pub fn view(&self) -> Reference<'_> {
        Reference { stars: &self.stars, photometric: self.photometric }
    }
}

impl ReferenceFile {
    /// - `renames`: `NAME=COLUMN` pairs of the command line
    pub fn read(path: &Path, renames: &[String]) -> Result<Self, CliError> {
        let mut columns = ColumnMap::default();
        for pair in renames {
            let Some((name, column)) = pair.split_once('=') else {
                return Err(CliError::words(format!("--ref-column {pair}: it is NAME=COLUMN")));
            };
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
                        "--ref-column {name}: it is one of ra, dec, mag, mag_err, ra_err, dec_err, pm_ra_cosdec, pm_dec, parallax, epoch"
                    )));
                }
            };
            *slot = column.to_string();
        }
        let table = read_any_table(path)?;
        // A table without positions is refused here, once, and not on every frame.
        RefCatalog::from_table_with(&table, "", &columns).map_err(|e| CliError::on(path, e))?;
        Ok(Self { path: path.to_path_buf(), table, columns })
    }

    /// Stars in the frame's band, moved to the frame's epoch.
    pub fn stars(&self, info: &VisitInfo) -> Result<FrameStars, CliError> {
        let catalog = RefCatalog::from_table_with(&self.table, &info.band, &self.columns)
            .map_err(|e| CliError::on(&self.path, e))?;
        let stars = if info.mid_mjd_tai.0 > 0.0 {
            propagate(&catalog.stars, info.mid_mjd_tai)
        } else {
            catalog.stars
        };
        Ok(FrameStars { stars, photometric: catalog.photometric })
    }
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
    let scale = exposure.photo_calib.as_ref().map_or(1.0, |p| p.njy_per_adu);
    let correction = exposure.ap_corr.0.get("psfFlux");
    let factor = |k: usize| {
        scale * correction.map_or(1.0, |field| field.eval(pixels[k].0, pixels[k].1))
    };
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
    add("psfFlux", unit, forced.iter().enumerate().map(|(k, f)| factor(k) * f.flux).collect());
    add("psfFluxErr", unit, forced.iter().enumerate().map(|(k, f)| factor(k) * f.flux_err).collect());
    table.columns.push(Column::new(
        "psfFlux_flag",
        ColumnData::Bool(forced.iter().map(|f| f.flag || !f.flux.is_finite()).collect()),
    ));
    table
}
