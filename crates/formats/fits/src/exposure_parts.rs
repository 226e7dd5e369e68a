//! What travels with an exposure's pixels, each as an HDU that any FITS reader can show.

use crate::error::{FitsError, Result};
use crate::file::{FitsFile, Hdu};
use crate::shape::integer;
use crate::write::Writer;
use elqui_base::{BoundedField, Polynomial2d};
use elqui_image::{ApCorrMap, BackgroundModel, Header, Image, PhotoCalib, PsfModel, Value};
use elqui_schema::{Column, ColumnData, Table};
use elqui_wcs::Wcs;
use std::collections::BTreeMap;

fn cards(values: &[(&str, Value, &str)]) -> Header {
    let mut header = Header::default();
    for (key, value, comment) in values {
        header.set(key, value.clone(), comment);
    }
    header
}

fn int(v: usize) -> Value {
    Value::Int(v as i64)
}

fn optional<'a>(file: &'a FitsFile, name: &str) -> Option<&'a Hdu> {
    file.hdus().iter().find(|h| h.name == name)
}

fn wrong(file: &FitsFile, hdu: &Hdu, why: impl Into<String>) -> FitsError {
    let why = format!("{}: {}", hdu.label(), why.into());
    FitsError::NotAnExposure { file: file.name().into(), why }
}

fn number(file: &FitsFile, hdu: &Hdu, key: &str) -> Result<f64> {
    hdu.header.number(key).ok_or_else(|| wrong(file, hdu, format!("card {key} is missing")))
}

fn count(file: &FitsFile, hdu: &Hdu, key: &str) -> Result<usize> {
    integer(&hdu.header, key)
        .and_then(|v| usize::try_from(v).ok())
        .ok_or_else(|| wrong(file, hdu, format!("card {key} is missing or no count")))
}

/// The WCS's parts as JSON: reading its cards gives the same map but for rounding. Cards that someone
/// changed later count, not the JSON.
pub(crate) fn write_wcs(writer: &mut Writer, wcs: &Wcs) -> Result<()> {
    let fail = |why: String| FitsError::CannotWrite { what: "the WCS".into(), why };
    let text = serde_json::to_string(wcs).map_err(|e| fail(e.to_string()))?;
    let mut table = Table::new("WCS");
    let mut json = Column::new("json", ColumnData::Str(vec![text]));
    json.description = "parts of the WCS".into();
    table.columns.push(json);
    writer.table(&table, &Header::default())
}

pub(crate) fn read_wcs(file: &FitsFile) -> Result<Option<Wcs>> {
    let Some(hdu) = optional(file, "WCS") else { return Ok(None) };
    let table = file.read_table(hdu.index)?;
    let text = |name: &str| match table.column(name).map(|c| &c.data) {
        Some(ColumnData::Str(v)) => v.first().cloned().unwrap_or_default(),
        _ => String::new(),
    };
    let wcs: Wcs = serde_json::from_str(&text("json"))
        .map_err(|e| wrong(file, hdu, format!("its JSON cannot be read ({e})")))?;
    let image = file.header(file.find_name("IMAGE")?)?;
    let mut expected = Header::default();
    crate::exposure::add_wcs(&mut expected, &wcs);
    let unchanged = expected.cards.iter().all(|c| match (&c.value, image.get(&c.key)) {
        (Value::Float(a), _) => {
            image.number(&c.key).is_some_and(|b| (a - b).abs() <= 1e-12 * a.abs().max(1e-300))
        }
        (value, found) => found == Some(value),
    });
    Ok(unchanged.then_some(wcs))
}

pub(crate) fn write_psf(writer: &mut Writer, psf: &PsfModel) -> Result<()> {
    let grid = psf.grid;
    if psf.components.is_empty() || psf.components.iter().any(|c| c.len() != grid * grid) {
        return Err(FitsError::CannotWrite {
            what: "the PSF".into(),
            why: format!("its components are not {grid} x {grid} samples"),
        });
    }
    let planes: Vec<_> = psf
        .components
        .iter()
        .map(|c| elqui_image::Image::from_vec(grid, grid, c.clone()))
        .collect();
    let header = cards(&[
        ("PSFSTEP", Value::Float(psf.step), "spacing of the samples, pixels"),
        ("PSFDEG", int(psf.degree), "total degree of the polynomial"),
        ("PSFX0", Value::Float(psf.center[0]), "u = (x - PSFX0) * PSFXS"),
        ("PSFY0", Value::Float(psf.center[1]), "v = (y - PSFY0) * PSFYS"),
        ("PSFXS", Value::Float(psf.scale[0]), "planes: 1, u, v, u^2, u v, v^2, ..."),
        ("PSFYS", Value::Float(psf.scale[1]), "x, y from 0"),
        ("PSFFWHM", Value::Float(psf.fwhm_pixels), "pixels"),
    ]);
    writer.cube("PSF", &planes, &header);
    Ok(())
}

pub(crate) fn read_psf(file: &FitsFile) -> Result<Option<PsfModel>> {
    let Some(hdu) = optional(file, "PSF") else { return Ok(None) };
    let planes = file.read_planes(hdu.index)?;
    let grid = planes.first().map_or(0, elqui_image::Image::width);
    let degree = count(file, hdu, "PSFDEG")?;
    let terms = (degree < 100).then(|| elqui_base::term_count(degree));
    if grid == 0 || planes[0].height() != grid || terms != Some(planes.len()) {
        return Err(wrong(file, hdu, "its axes and PSFDEG do not agree"));
    }
    let n = |key| number(file, hdu, key);
    Ok(Some(PsfModel {
        grid,
        step: n("PSFSTEP")?,
        degree,
        center: [n("PSFX0")?, n("PSFY0")?],
        scale: [n("PSFXS")?, n("PSFYS")?],
        components: planes.into_iter().map(elqui_image::Image::into_vec).collect(),
        fwhm_pixels: hdu.header.number("PSFFWHM").unwrap_or(f64::NAN),
    }))
}

pub(crate) fn write_photo_calib(writer: &mut Writer, calib: &PhotoCalib) -> Result<()> {
    let mut table = Table::new("PHOTOCALIB");
    for (name, unit, value) in [
        ("njy_per_adu", "nJy/adu", calib.njy_per_adu),
        ("njy_per_adu_err", "nJy/adu", calib.njy_per_adu_err),
        ("zero_point_mag", "mag", calib.zero_point_mag),
        ("zero_point_err_mag", "mag", calib.zero_point_err_mag),
    ] {
        let mut column = Column::new(name, ColumnData::F64(vec![value]));
        column.unit = unit.into();
        table.columns.push(column);
    }
    writer.table(&table, &Header::default())?;
    let map = calib.zero_point_map.iter().map(|f| (ZERO_POINT.to_string(), f.clone())).collect();
    write_fields(writer, "PHOTOCALIB_MAP", &map)
}

/// Name of the zero point's field in its table.
const ZERO_POINT: &str = "zero_point_mag";

pub(crate) fn read_photo_calib(file: &FitsFile) -> Result<Option<PhotoCalib>> {
    let Some(hdu) = optional(file, "PHOTOCALIB") else { return Ok(None) };
    let table = file.read_table(hdu.index)?;
    let value = |name: &str| {
        let values = table.numbers(name).map_err(|e| wrong(file, hdu, e.to_string()))?;
        values.first().copied().ok_or_else(|| wrong(file, hdu, "it has no row"))
    };
    Ok(Some(PhotoCalib {
        njy_per_adu: value("njy_per_adu")?,
        njy_per_adu_err: value("njy_per_adu_err")?,
        zero_point_mag: value("zero_point_mag")?,
        zero_point_err_mag: value("zero_point_err_mag")?,
        zero_point_map: read_fields(file, "PHOTOCALIB_MAP")?.remove(ZERO_POINT),
    }))
}

pub(crate) fn write_ap_corr(writer: &mut Writer, map: &ApCorrMap) -> Result<()> {
    write_fields(writer, "APCORR", &map.0)
}

/// One row a number: polynomials of any degree in one plain table; none where there is nothing.
fn write_fields(
    writer: &mut Writer,
    extension: &str,
    fields: &BTreeMap<String, BoundedField>,
) -> Result<()> {
    if fields.is_empty() {
        return Ok(());
    }
    let (mut name, mut part, mut index) = (Vec::new(), Vec::new(), Vec::new());
    let (mut degree, mut value) = (Vec::new(), Vec::new());
    let mut frame: [Vec<f64>; 4] = Default::default();
    for (flux, field) in fields {
        let p = &field.polynomial;
        for (kind, values) in [("coefficient", &p.coefficients), ("covariance", &field.covariance)]
        {
            for (k, v) in values.iter().enumerate() {
                name.push(flux.clone());
                part.push(kind.to_string());
                index.push(k as i32);
                degree.push(p.degree as i32);
                value.push(*v);
                for (column, v) in
                    frame.iter_mut().zip([p.center[0], p.center[1], p.scale[0], p.scale[1]])
                {
                    column.push(v);
                }
            }
        }
    }
    let [x0, y0, xs, ys] = frame;
    let mut table = Table::new(extension);
    for (column, data) in [
        ("flux", ColumnData::Str(name)),
        ("part", ColumnData::Str(part)),
        ("index", ColumnData::I32(index)),
        ("value", ColumnData::F64(value)),
        ("degree", ColumnData::I32(degree)),
        ("x_center", ColumnData::F64(x0)),
        ("y_center", ColumnData::F64(y0)),
        ("x_scale", ColumnData::F64(xs)),
        ("y_scale", ColumnData::F64(ys)),
    ] {
        table.columns.push(Column::new(column, data));
    }
    writer.table(&table, &Header::default())
}

pub(crate) fn read_ap_corr(file: &FitsFile) -> Result<ApCorrMap> {
    read_fields(file, "APCORR").map(ApCorrMap)
}

fn read_fields(file: &FitsFile, extension: &str) -> Result<BTreeMap<String, BoundedField>> {
    let mut map = BTreeMap::new();
    let Some(hdu) = optional(file, extension) else { return Ok(map) };
    let table = file.read_table(hdu.index)?;
    let text = |name: &str| match table.column(name).map(|c| &c.data) {
        Some(ColumnData::Str(v)) => Ok(v.clone()),
        _ => Err(wrong(file, hdu, format!("text column `{name}` is missing"))),
    };
    let numbers = |name: &str| table.numbers(name).map_err(|e| wrong(file, hdu, e.to_string()));
    let (flux, part, value) = (text("flux")?, text("part")?, numbers("value")?);
    let degree = numbers("degree")?;
    let frame =
        [numbers("x_center")?, numbers("y_center")?, numbers("x_scale")?, numbers("y_scale")?];
    for row in 0..table.rows() {
        let field = map.entry(flux[row].clone()).or_insert_with(|| BoundedField {
            polynomial: Polynomial2d {
                degree: degree[row] as usize,
                coefficients: Vec::new(),
                center: [frame[0][row], frame[1][row]],
                scale: [frame[2][row], frame[3][row]],
            },
            covariance: Vec::new(),
        });
        match part[row].as_str() {
            "coefficient" => field.polynomial.coefficients.push(value[row]),
            _ => field.covariance.push(value[row]),
        }
    }
    Ok(map)
}

pub(crate) fn write_background(writer: &mut Writer, background: &BackgroundModel) -> Result<()> {
    let header = cards(&[
        ("IMWIDTH", int(background.width), "size of the image it belongs to, pixels"),
        ("IMHEIGHT", int(background.height), ""),
        ("CELLW", int(background.cell_width), "side of a mesh cell, pixels"),
        ("CELLH", int(background.cell_height), ""),
        ("BUNIT", Value::Str("adu".into()), ""),
    ]);
    writer.image("BACKGROUND_LEVEL", &background.level, &header);
    writer.image("BACKGROUND_RMS", &background.rms, &header);
    if let Some(error) = &background.error {
        writer.image("BACKGROUND_ERROR", error, &header);
    }
    background.chebyshev.as_ref().map_or(Ok(()), |c| write_chebyshev(writer, c))
}

/// One row a coefficient of T_i(u) T_j(v).
fn write_chebyshev(writer: &mut Writer, coefficients: &Image<f64>) -> Result<()> {
    let width = coefficients.width().max(1);
    let order = |k: fn(usize, usize) -> usize| {
        ColumnData::I32((0..coefficients.data().len()).map(|n| k(n, width) as i32).collect())
    };
    let mut table = Table::new("BACKGROUND_CHEBYSHEV");
    table.columns.push(Column::new("i", order(|n, width| n % width)));
    table.columns.push(Column::new("j", order(|n, width| n / width)));
    let mut column = Column::new("coefficient", ColumnData::F64(coefficients.data().to_vec()));
    column.unit = "adu".into();
    column.description = "of T_i(u) T_j(v), u and v from -1 to 1 between the outer edges".into();
    table.columns.push(column);
    writer.table(&table, &Header::default())
}

fn read_chebyshev(file: &FitsFile) -> Result<Option<Image<f64>>> {
    let Some(hdu) = optional(file, "BACKGROUND_CHEBYSHEV") else { return Ok(None) };
    let table = file.read_table(hdu.index)?;
    let numbers = |name: &str| table.numbers(name).map_err(|e| wrong(file, hdu, e.to_string()));
    let (i, j, values) = (numbers("i")?, numbers("j")?, numbers("coefficient")?);
    let side = (values.len() as f64).sqrt() as usize;
    let in_order =
        (0..values.len()).all(|k| i[k] == (k % side) as f64 && j[k] == (k / side) as f64);
    if side == 0 || side * side != values.len() || !in_order {
        return Err(wrong(file, hdu, "its rows are not a square of coefficients in order"));
    }
    Ok(Some(Image::from_vec(side, side, values)))
}

pub(crate) fn read_background(file: &FitsFile) -> Result<Option<BackgroundModel>> {
    let Some(hdu) = optional(file, "BACKGROUND_LEVEL") else { return Ok(None) };
    let error = optional(file, "BACKGROUND_ERROR").map(|e| file.read_image(e.index)).transpose()?;
    Ok(Some(BackgroundModel {
        width: count(file, hdu, "IMWIDTH")?,
        height: count(file, hdu, "IMHEIGHT")?,
        cell_width: count(file, hdu, "CELLW")?,
        cell_height: count(file, hdu, "CELLH")?,
        level: file.read_image(hdu.index)?,
        rms: file.read_image(file.find_name("BACKGROUND_RMS")?)?,
        error,
        chebyshev: read_chebyshev(file)?,
    }))
}
