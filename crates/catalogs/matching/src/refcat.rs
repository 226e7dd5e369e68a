//! Reference stars out of a table, whatever its columns are called.
//!
//! - input: a table; the band wanted; names for columns where the usual ones do not serve
//! - output: stars with degrees (ICRS), mas, mas a year, Julian epochs; NaN where not known
//! - positions: `ra`, `dec` and their like in degrees; `coord_ra`, `coord_dec` in radians when
//!   their unit says so or, without a unit, when no value leaves the range of radians (the
//!   reference catalogues of LSST)
//! - magnitudes: the band's own column first, then one without a band; `*_flux` in nJy last

use crate::error::MatchError;
use elqui_base::njy_to_mag_ab;
use elqui_schema::{Column, Table};
use serde::{Deserialize, Serialize};

/// One reference star. Unknown values are NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefStar {
    /// ICRS, degrees, at `epoch_jyear`.
    pub ra: f64,
    pub dec: f64,
    pub mag: f64,
    pub mag_err: f64,
    pub ra_err_mas: f64,
    pub dec_err_mas: f64,
    /// Proper motion; that in right ascension includes cos(dec).
    pub pm_ra_cosdec_mas_yr: f64,
    pub pm_dec_mas_yr: f64,
    /// Errors of the proper motion.
    pub pm_ra_cosdec_err_mas_yr: f64,
    pub pm_dec_err_mas_yr: f64,
    pub parallax_mas: f64,
    pub epoch_jyear: f64,
    /// A second magnitude minus this one's partner (for example g - r), for colour terms.
    pub color: f64,
}

impl Default for RefStar {
    fn default() -> Self {
        Self {
            ra: f64::NAN,
            dec: f64::NAN,
            mag: f64::NAN,
            mag_err: f64::NAN,
            ra_err_mas: f64::NAN,
            dec_err_mas: f64::NAN,
            pm_ra_cosdec_mas_yr: f64::NAN,
            pm_dec_mas_yr: f64::NAN,
            pm_ra_cosdec_err_mas_yr: f64::NAN,
            pm_dec_err_mas_yr: f64::NAN,
            parallax_mas: f64::NAN,
            epoch_jyear: f64::NAN,
            color: f64::NAN,
        }
    }
}

/// Names of columns that the user gives; empty ones are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnMap {
    pub ra: String,
    pub dec: String,
    pub mag: String,
    pub mag_err: String,
    pub ra_err_mas: String,
    pub dec_err_mas: String,
    pub pm_ra_cosdec_mas_yr: String,
    pub pm_dec_mas_yr: String,
    pub parallax_mas: String,
    pub epoch_jyear: String,
    /// The colour: one column, or two whose difference (first minus second) it is.
    pub color: Vec<String>,
}

/// Reference stars, and where their values came from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RefCatalog {
    pub stars: Vec<RefStar>,
    /// Row of the table of each star (rows without a position are left out).
    pub rows: Vec<usize>,
    /// The column of the magnitudes; `None` when there is none.
    pub mag_column: Option<String>,
    /// The magnitudes are those of the band asked for, not just any.
    pub photometric: bool,
}

const RA: &[&str] =
    &["ra", "ra_deg", "raj2000", "ra_icrs", "raicrs", "_ra", "alpha_j2000", "coord_ra", "ramean"];
const DEC: &[&str] = &[
    "dec",
    "dec_deg",
    "dej2000",
    "de_icrs",
    "deicrs",
    "_de",
    "delta_j2000",
    "coord_dec",
    "decmean",
];
const ANY_MAG: &[&str] =
    &["mag", "phot_g_mean_mag", "gmag", "vtmag", "vmag", "vt", "r", "r_mag", "g", "i"];
const RA_ERR: &[&str] = &["ra_err_mas", "ra_error", "e_ra_icrs", "ra_err", "raerr", "coord_raerr"];
const DEC_ERR: &[&str] =
    &["dec_err_mas", "dec_error", "e_de_icrs", "dec_err", "decerr", "coord_decerr"];
const PM_RA: &[&str] = &["pm_ra_cosdec", "pmra", "pm_ra", "pmra_cosdec"];
const PM_DEC: &[&str] = &["pm_dec", "pmdec", "pmde"];
const PM_RA_ERR: &[&str] =
    &["pm_ra_cosdec_error", "pmra_error", "e_pmra", "pm_ra_error", "pm_ra_err", "pm_error"];
const PM_DEC_ERR: &[&str] = &["pm_dec_error", "pmdec_error", "e_pmde", "pm_dec_err", "pm_error"];
const PARALLAX: &[&str] = &["parallax", "plx", "parallax_mas"];
const EPOCH: &[&str] = &["epoch", "ref_epoch", "epoch_jyear"];

impl RefCatalog {
    /// The usual column names, for magnitudes in `band`.
    pub fn from_table(table: &Table, band: &str) -> Result<Self, MatchError> {
        Self::from_table_with(table, band, &ColumnMap::default())
    }

    pub fn from_table_with(table: &Table, band: &str, map: &ColumnMap) -> Result<Self, MatchError> {
        let ra_column = required(table, &map.ra, RA, "right ascension")?;
        let dec_column = required(table, &map.dec, DEC, "declination")?;
        let to_deg = degrees_per_unit(ra_column, dec_column);
        let ra = table.numbers(&ra_column.name)?;
        let dec = table.numbers(&dec_column.name)?;

        let (mag_name, photometric) = magnitude_column(table, band, &map.mag)?;
        let mag = magnitudes(table, mag_name.as_deref())?;
        let mag_err = magnitude_errors(table, mag_name.as_deref(), &map.mag_err, &mag)?;
        let angle_err = |given: &str, usual: &[&str]| -> Result<Option<Vec<f64>>, MatchError> {
            let Some(column) = optional(table, given, usual)? else { return Ok(None) };
            let factor = mas_per_unit(column, !given.is_empty());
            Ok(Some(table.numbers(&column.name)?.iter().map(|v| v * factor).collect()))
        };
        let ra_err = angle_err(&map.ra_err_mas, RA_ERR)?;
        let dec_err = angle_err(&map.dec_err_mas, DEC_ERR)?;
        let pm_ra = angle_err(&map.pm_ra_cosdec_mas_yr, PM_RA)?;
        let pm_dec = angle_err(&map.pm_dec_mas_yr, PM_DEC)?;
        let pm_ra_err = angle_err("", PM_RA_ERR)?;
        let pm_dec_err = angle_err("", PM_DEC_ERR)?;
        let parallax = angle_err(&map.parallax_mas, PARALLAX)?;
        let epoch = match optional(table, &map.epoch_jyear, EPOCH)? {
            // An epoch past 10000 is a Julian date cut by 2400000.5.
            Some(c) => Some(
                table
                    .numbers(&c.name)?
                    .iter()
                    .map(|&v| if v > 10_000.0 { 2000.0 + (v - 51_544.5) / 365.25 } else { v })
                    .collect::<Vec<f64>>(),
            ),
            None => None,
        };
        let color = match map.color.as_slice() {
            [first, second] => {
                let (a, b) = (table.numbers(first)?, table.numbers(second)?);
                Some(a.iter().zip(&b).map(|(a, b)| a - b).collect::<Vec<f64>>())
            }
            [one] => Some(table.numbers(one)?.to_vec()),
            _ => None,
        };

        let at =
            |column: &Option<Vec<f64>>, row: usize| column.as_ref().map_or(f64::NAN, |c| c[row]);
        let rows: Vec<usize> = (0..table.rows())
            .filter(|&r| ra[r].is_finite() && (dec[r] * to_deg).abs() <= 90.0)
            .collect();
        if rows.is_empty() {
            return Err(MatchError::Empty { table: table.name.clone() });
        }
        let stars = rows
            .iter()
            .map(|&r| RefStar {
                ra: (ra[r] * to_deg).rem_euclid(360.0),
                dec: dec[r] * to_deg,
                mag: at(&mag, r),
                mag_err: at(&mag_err, r),
                ra_err_mas: at(&ra_err, r),
                dec_err_mas: at(&dec_err, r),
                pm_ra_cosdec_mas_yr: at(&pm_ra, r),
                pm_dec_mas_yr: at(&pm_dec, r),
                pm_ra_cosdec_err_mas_yr: at(&pm_ra_err, r),
                pm_dec_err_mas_yr: at(&pm_dec_err, r),
                parallax_mas: at(&parallax, r),
                epoch_jyear: at(&epoch, r),
                color: at(&color, r),
            })
            .collect();
        Ok(Self { stars, rows, mag_column: mag_name, photometric })
    }
}

fn missing(table: &Table, what: &str, tried: &str) -> MatchError {
    MatchError::NoColumn {
        table: table.name.clone(),
        what: what.into(),
        tried: tried.into(),
        known: table.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// A column by the name given (which must then be there) or the first usual one.
fn optional<'t>(
    table: &'t Table,
    given: &str,
    usual: &[&str],
) -> Result<Option<&'t Column>, MatchError> {
    if given.is_empty() {
        return Ok(usual.iter().find_map(|name| table.column_any_case(name)));
    }
    table.column_any_case(given).map(Some).ok_or_else(|| missing(table, "such", given))
}

fn required<'t>(
    table: &'t Table,
    given: &str,
    usual: &[&str],
    what: &str,
) -> Result<&'t Column, MatchError> {
    optional(table, given, usual)?.ok_or_else(|| missing(table, what, &usual.join(", ")))
}

/// Radians only by their unit, or by name and range where no unit is given.
fn degrees_per_unit(ra: &Column, dec: &Column) -> f64 {
    let radians = match ra.unit.as_str() {
        "rad" | "radian" | "radians" => true,
        "" => {
            let within = |c: &Column, limit: f64| {
                (0..c.data.len()).all(|r| !c.data.number(r).is_some_and(|v| v.abs() > limit))
            };
            ra.name.eq_ignore_ascii_case("coord_ra")
                && within(ra, std::f64::consts::TAU + 1e-9)
                && within(dec, std::f64::consts::FRAC_PI_2 + 1e-9)
        }
        _ => false,
    };
    if radians { 1f64.to_degrees() } else { 1.0 }
}

/// Errors and motions are in mas unless the unit says otherwise; errors called as LSST's
/// reference catalogues call them are in radians.
fn mas_per_unit(column: &Column, given: bool) -> f64 {
    let unit = column.unit.split(['/', ' ', '.']).next().unwrap_or("");
    match unit {
        "deg" => 3.6e6,
        "arcsec" => 1e3,
        "rad" | "radian" => 3.6e6 * 1f64.to_degrees(),
        "" if !given
            && ["coord_raerr", "coord_decerr"]
                .contains(&column.name.to_ascii_lowercase().as_str()) =>
        {
            3.6e6 * 1f64.to_degrees()
        }
        _ => 1.0,
    }
}

/// The magnitude's column, and whether it is the band's own.
fn magnitude_column(
    table: &Table,
    band: &str,
    given: &str,
) -> Result<(Option<String>, bool), MatchError> {
    if !given.is_empty() {
        return Ok((optional(table, given, &[])?.map(|c| c.name.clone()), true));
    }
    if !band.is_empty() {
        for name in [
            band.to_string(),
            format!("{band}_mag"),
            format!("mag_{band}"),
            format!("{band}mag"),
            format!("{band}_psfMag"),
            format!("{band}_flux"),
            format!("phot_{band}_mean_mag"),
            // The calibrated flux of the reference catalogues of LSST, any survey's band.
            format!("monster_ComCam_{band}_flux"),
        ] {
            if let Some(column) = table.column_any_case(&name) {
                return Ok((Some(column.name.clone()), true));
            }
        }
    }
    // A column called plainly `mag` is what the user prepared for the band.
    let any = ANY_MAG.iter().find_map(|name| table.column_any_case(name));
    let fallback = any.or_else(|| {
        table.columns.iter().find(|c| {
            let name = c.name.to_ascii_lowercase();
            name.ends_with("_mag") || name.ends_with("_flux")
        })
    });
    let own = fallback.is_some_and(|c| c.name.eq_ignore_ascii_case("mag"));
    Ok((fallback.map(|c| c.name.clone()), own))
}

fn is_flux(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("_flux")
}

fn magnitudes(table: &Table, name: Option<&str>) -> Result<Option<Vec<f64>>, MatchError> {
    let Some(name) = name else { return Ok(None) };
    let mut values = table.numbers(name)?;
    if is_flux(name) {
        values.iter_mut().for_each(|v| *v = njy_to_mag_ab(*v));
    }
    // Catalogues write 99 or -9999 for a magnitude that is not there.
    values.iter_mut().filter(|v| !(-30.0..60.0).contains(*v)).for_each(|v| *v = f64::NAN);
    Ok(Some(values))
}

fn magnitude_errors(
    table: &Table,
    mag: Option<&str>,
    given: &str,
    mags: &Option<Vec<f64>>,
) -> Result<Option<Vec<f64>>, MatchError> {
    if !given.is_empty() {
        return Ok(Some(table.numbers(&required(table, given, &[], "magnitude error")?.name)?));
    }
    let Some(mag) = mag else { return Ok(None) };
    let names = [
        format!("{mag}_err"),
        format!("{mag}_error"),
        format!("{mag}Err"),
        format!("e_{mag}"),
        format!("{}_err", mag.trim_end_matches("_mag")),
    ];
    let Some(column) = names.iter().find_map(|n| table.column_any_case(n)) else { return Ok(None) };
    let mut errors = table.numbers(&column.name)?;
    if is_flux(mag) {
        let (fluxes, mags) = (table.numbers(mag)?, mags.as_ref());
        for (r, e) in errors.iter_mut().enumerate() {
            *e = if mags.is_some_and(|m| m[r].is_finite()) {
                2.5 / std::f64::consts::LN_10 * *e / fluxes[r]
            } else {
                f64::NAN
            };
        }
    }
    Ok(Some(errors))
}
