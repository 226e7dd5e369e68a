//! Processed frames read back: the sources of each.

use crate::error::CliError;
use elqui_measurement::whole_apertures;
use elqui_schema::SourceTable;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The sources of one frame.
pub struct FrameSources {
    pub folder: PathBuf,
    pub name: String,
    /// nJy of one adu; 1 where fluxes are in adu.
    pub flux_scale: f64,
    pub band: String,
    pub sources: SourceTable,
}

/// Read processed frames from folders or files, in the order of their names.
pub fn read_frames(inputs: &[PathBuf]) -> Result<Vec<FrameSources>, CliError> {
    let mut paths = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let entries = std::fs::read_dir(input)
                .map_err(|e| CliError::on(input, format!("cannot be read: {e}")))?;
            paths.extend(
                entries
                    .flatten()
                    .map(|e| e.path())
                    .filter(|p| p.to_string_lossy().ends_with(".sources.parquet")),
            );
        } else {
            paths.push(input.clone());
        }
    }
    paths.sort();
    // A file that is named twice (itself and its folder) counts once.
    let mut seen = BTreeSet::new();
    paths.retain(|p| seen.insert(p.canonicalize().unwrap_or_else(|_| p.clone())));
    if paths.is_empty() {
        return Err(CliError::work(
            "no *.sources.parquet in the inputs; run `elqui process` first",
        ));
    }
    paths
        .par_iter()
        .map(|path| {
            let table = elqui_tables::read_parquet(path).map_err(|e| CliError::on(path, e))?;
            let sources = SourceTable::from_table(&table).map_err(|e| CliError::on(path, e))?;
            let name =
                path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let zero = table.metadata("zeroPointMag").and_then(|z| z.parse::<f64>().ok());
            Ok(FrameSources {
                folder: path.parent().map(PathBuf::from).unwrap_or_default(),
                flux_scale: zero.map_or(1.0, elqui_base::mag_ab_to_njy),
                name: name.trim_end_matches(".sources.parquet").to_string(),
                band: table.metadata("band").unwrap_or_default().to_string(),
                sources,
            })
        })
        .collect()
}

/// Pixel scale of the frames from the sources themselves, arcsec: sky distance over pixel distance.
pub fn typical_scale(frames: &[FrameSources]) -> f64 {
    let mut scales: Vec<f64> = frames
        .iter()
        .filter_map(|f| {
            let s = &f.sources;
            let good: Vec<usize> = (0..s.len()).filter(|&r| s.ra[r].is_finite()).collect();
            let (&a, &b) = (good.first()?, good.last()?);
            let pixels = (s.x[a] - s.x[b]).hypot(s.y[a] - s.y[b]);
            let sky = elqui_base::separation(s.ra[a], s.dec[a], s.ra[b], s.dec[b]).arcsec();
            (pixels > 10.0).then(|| sky / pixels)
        })
        .collect();
    let scale = elqui_base::median(&mut scales);
    if scale > 0.0 { scale } else { 0.5 }
}

/// Sources with another flux in the place of psfFlux: `psf` itself, or an aperture's radius, pixels.
pub fn with_flux(sources: &SourceTable, flux: &str) -> SourceTable {
    let mut out = sources.clone();
    let (values, errors) = match flux {
        "3" => (&sources.ap03_flux, &sources.ap03_flux_err),
        "6" => (&sources.ap06_flux, &sources.ap06_flux_err),
        "9" => (&sources.ap09_flux, &sources.ap09_flux_err),
        "12" => (&sources.ap12_flux, &sources.ap12_flux_err),
        "17" => (&sources.ap17_flux, &sources.ap17_flux_err),
        _ => return out,
    };
    out.psf_flux.clone_from(values);
    out.psf_flux_err.clone_from(errors);
    out.psf_flux_flag.clone_from(&sources.ap_flux_flag);
    out
}

/// Aperture fluxes of all the light there is, from the frames' own images (where they are beside the
/// sources): however a blend was split in one frame or another, a light curve wants the same light.
pub fn take_whole_apertures(frames: &mut [FrameSources]) -> Result<(), CliError> {
    for frame in frames {
        let path = frame.folder.join(format!("{}.exposure.fits", frame.name));
        if !path.is_file() {
            continue;
        }
        let read = || -> Result<_, elqui_fits::FitsError> {
            let file = elqui_fits::FitsFile::open(&path)?;
            let image = file.read_image(file.find_name("IMAGE")?)?;
            let variance = file.read_image(file.find_name("VARIANCE")?)?;
            let mask = file.read_image_u32(file.find_name("MASK")?)?;
            Ok((image, variance, mask))
        };
        let (image, variance, mask) = read().map_err(|e| CliError::on(&path, e))?;
        whole_apertures(&image, &variance, &mask, frame.flux_scale, &mut frame.sources);
    }
    Ok(())
}
