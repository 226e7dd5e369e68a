//! A frame that another program drew, with its truth.
//!
//! A folder with image.fits (adu, sky included), truth.csv, reference.csv, psf.csv and psf.fits (the
//! noiseless PSF on a grid), wcs.fits and scene.yaml. The PSF is that of the stamps; the bounds of
//! galaxies and the light of neighbours are drawn by the simulator with a PSF of about that width.

use crate::cube::CubePsf;
use crate::scene_truth::Frame;
use elqui_fits::FitsFile;
use elqui_image::Image;
use elqui_schema::{Column, ColumnData, Table};
use elqui_simulate::{GalaxyShape, Scene, SceneSource};
use elqui_wcs::Wcs;
use std::collections::HashMap;
use std::path::Path;

/// Variance of a pixel's own width, as FWHM^2, pixels^2.
const PIXEL_FWHM2: f64 = 5.545 / 12.0;

pub fn read(folder: &str) -> Result<Frame, String> {
    let path = |name: &str| Path::new(folder).join(name).to_string_lossy().into_owned();
    let open = |name: &str| FitsFile::open(Path::new(&path(name))).map_err(|e| e.to_string());
    let mut facts: serde_yaml_ng::Mapping =
        serde_yaml_ng::from_str(&crate::read(&path("scene.yaml"))?).map_err(|e| e.to_string())?;
    // How the PSF was made; its stamps say all.
    facts.remove("psf");
    let mut scene: Scene = serde_yaml_ng::from_value(serde_yaml_ng::Value::Mapping(facts))
        .map_err(|e| format!("{}: {e}", path("scene.yaml")))?;
    let file = open("image.fits")?;
    let hdu = file.first_image().map_err(|e| e.to_string())?;
    let image = file.read_image(hdu).map_err(|e| e.to_string())?;
    let header = file.header(hdu).map_err(|e| e.to_string())?.clone();
    let wcs_file = open("wcs.fits")?;
    let wcs = Wcs::from_cards(&wcs_file.header(0).map_err(|e| e.to_string())?.clone())
        .map_err(|e| e.to_string())?;
    let truth = columns(&path("truth.csv"))?;
    let get = |name: &str| -> Result<&Vec<f64>, String> {
        truth.get(name).ok_or_else(|| format!("{}: no column {name}", path("truth.csv")))
    };
    let (x, y, flux, star) = (get("x")?, get("y")?, get("flux_e")?, get("is_star")?);
    let (radius, ratio) = (get("radius_px")?, get("axis_ratio")?);
    let (angle, n) = (get("angle_deg")?, get("sersic_n")?);
    let shape = |k: usize| GalaxyShape {
        // The simulator's radius is along the major axis, the file's that of the circle.
        radius_px: radius[k] / ratio[k].sqrt(),
        axis_ratio: ratio[k],
        angle: angle[k].to_radians(),
        bulge: n[k] > 2.5,
    };
    let sources: Vec<SceneSource> = (0..x.len())
        .map(|k| SceneSource {
            x: x[k],
            y: y[k],
            flux_e: flux[k],
            galaxy: (star[k] == 0.0).then(|| shape(k)),
        })
        .collect();
    let (ra, dec) = (get("ra")?, get("dec")?);
    let worst = (0..x.len())
        .filter_map(|k| {
            let (px, py) = wcs.sky_to_pixel(ra[k], dec[k])?;
            Some((px - x[k]).hypot(py - y[k]))
        })
        .fold(0.0, f64::max);
    if !(worst < 1e-3) {
        return Err(format!("{folder}: wcs.fits and truth.csv differ by {worst} pixels"));
    }
    let places = columns(&path("psf.csv"))?;
    let at = |name: &str| places.get(name).cloned().unwrap_or_default();
    let places: Vec<[f64; 2]> = at("x").into_iter().zip(at("y")).map(|(x, y)| [x, y]).collect();
    let stamps = cube(&open("psf.fits")?)?;
    let psf = CubePsf::new(&places, &stamps, [scene.width as f64, scene.height as f64])?;
    let fwhm_px = scene.fwhm_arcsec / scene.pixel_scale_arcsec;
    scene.fwhm_arcsec = (fwhm_px * fwhm_px + PIXEL_FWHM2).sqrt() * scene.pixel_scale_arcsec;
    Ok(Frame {
        scene,
        image,
        header,
        wcs,
        ids: get("id")?.iter().map(|v| *v as i64).collect(),
        positions_deg: ra.iter().copied().zip(dec.iter().copied()).collect(),
        sources,
        reference: table(columns(&path("reference.csv"))?)?,
        can_be_redrawn: false,
        psf: Some(psf),
    })
}

/// The planes of a cube.
fn cube(file: &FitsFile) -> Result<Vec<Image<f32>>, String> {
    file.read_planes(0).map_err(|e| e.to_string())
}

/// Columns of numbers by their names.
fn columns(path: &str) -> Result<HashMap<String, Vec<f64>>, String> {
    let text = crate::read(path)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split(',').collect();
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for (number, line) in lines.enumerate() {
        let mut cells = line.split(',');
        for column in &mut values {
            let cell =
                cells.next().ok_or_else(|| format!("{path}: line {} is short", number + 2))?;
            column.push(cell.parse().map_err(|_| format!("{path}: `{cell}` is no number"))?);
        }
    }
    Ok(names.into_iter().map(String::from).zip(values).collect())
}

fn table(columns: HashMap<String, Vec<f64>>) -> Result<Table, String> {
    let mut out = Table::new("Reference");
    let mut names: Vec<String> = columns.keys().cloned().collect();
    names.sort();
    for name in names {
        let data = ColumnData::F64(columns[&name].clone());
        out.push(Column::new(name, data)).map_err(|e| e.to_string())?;
    }
    Ok(out)
}
