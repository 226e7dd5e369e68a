//! Reference catalogues, and positions for forced photometry, from files of any of the usual kinds.

use crate::error::CliError;
use crate::inputs::DetectorInput;
use elqui_astrometry::{BlindIndex, propagate};
use elqui_base::{UnitVector, mag_ab_to_njy};
use elqui_fits::FitsFile;
use elqui_matching::{ColumnMap, RefCatalog, RefStar};
use elqui_production::{ProcessConfig, ProcessOutput, Reference};
use elqui_schema::{Column, ColumnData, Table};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

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

/// A reference catalogue as read, before a frame's band and epoch are known.
pub struct ReferenceFile {
    path: std::path::PathBuf,
    table: Table,
    columns: ColumnMap,
    /// The stars by band: frames of one band share them.
    bands: Mutex<BTreeMap<String, Arc<RefCatalog>>>,
    index: Option<Arc<BlindIndex>>,
}

/// A frame's stars are looked for so much farther out than its pointing, size and search say:
/// detectors lie beside their camera's boresight, and reference points outside of their images.
const MARGIN_DEG: f64 = 3.0;

/// The stars for one frame, at its epoch.
pub struct FrameStars {
    stars: Vec<RefStar>,
    photometric: bool,
    index: Option<Arc<BlindIndex>>,
}

impl FrameStars {
    pub fn view(&self) -> Reference<'_> {
        Reference {
            stars: &self.stars,
            photometric: self.photometric,
            index: self.index.as_deref(),
        }
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
        let table = read_any_table(path)?;
        // A table without positions is refused here, once, and not on every frame.
        RefCatalog::from_table_with(&table, "", &columns).map_err(|e| CliError::on(path, e))?;
        Ok(Self { path: path.to_path_buf(), table, columns, bands: Mutex::default(), index: None })
    }

    /// The same with an index, in which frames without a pointing, or with a wrong one, are found.
    pub fn with_index(mut self, path: &Path) -> Result<Self, CliError> {
        self.index = Some(Arc::new(crate::index::read(path)?));
        Ok(self)
    }

    /// Every star of the catalogue, at the catalogue's epoch.
    pub fn all_stars(&self) -> Result<Vec<RefStar>, CliError> {
        Ok(self.band("")?.stars.clone())
    }

    fn band(&self, band: &str) -> Result<Arc<RefCatalog>, CliError> {
        let mut bands = self.bands.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = bands.get(band) {
            return Ok(known.clone());
        }
        let catalog = RefCatalog::from_table_with(&self.table, band, &self.columns)
            .map_err(|e| CliError::on(&self.path, e))?;
        let catalog = Arc::new(catalog);
        bands.insert(band.to_string(), catalog.clone());
        Ok(catalog)
    }

    /// Stars in the frame's band about the frame, moved to its epoch.
    pub fn stars(&self, frame: &DetectorInput, search_deg: f64) -> Result<FrameStars, CliError> {
        let catalog = self.band(&frame.info.band)?;
        let radius_deg = MARGIN_DEG + search_deg + frame.half_diagonal_deg();
        let mut stars = match self.index {
            // The pointing may be wrong: the frame is where the index finds it.
            Some(_) => catalog.stars.clone(),
            None => near(&catalog.stars, &frame.pointings(), radius_deg),
        };
        let date = frame.info.mid_mjd_tai;
        if date.0 > 0.0 {
            stars = propagate(&stars, date);
        }
        Ok(FrameStars { stars, photometric: catalog.photometric, index: self.index.clone() })
    }
}

/// Stars about any of the centres; all of them when that cannot be said or none is there.
fn near(stars: &[RefStar], centers: &[(f64, f64)], radius_deg: f64) -> Vec<RefStar> {
    let centers: Vec<UnitVector> =
        centers.iter().map(|&(ra, dec)| UnitVector::from_ra_dec_deg(ra, dec)).collect();
    if centers.is_empty() || !(radius_deg < 90.0) {
        return stars.to_vec();
    }
    let limit = radius_deg.to_radians().cos();
    let is_near = |s: &&RefStar| {
        let v = UnitVector::from_ra_dec_deg(s.ra, s.dec);
        centers.iter().any(|c| c.dot(v) >= limit)
    };
    let found: Vec<RefStar> = stars.iter().filter(is_near).copied().collect();
    if found.is_empty() { stars.to_vec() } else { found }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stars_about_the_frame_are_kept_where_it_is_known() {
        let at = |ra: f64, dec: f64| RefStar { ra, dec, ..RefStar::default() };
        let stars = [at(359.5, 0.0), at(1.0, 0.5), at(10.0, 0.0)];
        let count = |centers: &[(f64, f64)], radius| near(&stars, centers, radius).len();
        assert_eq!(count(&[(0.0, 0.0)], 2.0), 2);
        assert_eq!(count(&[(0.0, 0.0), (10.0, 0.0)], 2.0), 3);
        assert_eq!(count(&[], 2.0), 3);
        assert_eq!(count(&[(0.0, 0.0)], f64::NAN), 3);
        assert_eq!(count(&[(180.0, 0.0)], 2.0), 3, "none is near: all are asked");
    }
}
