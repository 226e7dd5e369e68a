//! What a processed frame leaves on disk: exposure, sources, summary, timing and a preview.
//!
//! Everything goes to a temporary name and is renamed when whole; when one file of a frame cannot
//! be written, those of this frame that already were are taken away again.

use crate::clock;
use crate::error::CliError;
use elqui_codec::atomic_write_bytes;
use elqui_image::{Header, Image};
use elqui_pipeline::Timing;
use elqui_portal::ImageFacts;
use elqui_production::{FrameSummary, ProcessOutput};
use elqui_wcs::Wcs;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Side of the preview, pixels at most.
const PREVIEW_SIDE: usize = 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TimingFile<'a> {
    version: &'a str,
    threads: usize,
    wall_s: f64,
    cpu_s: f64,
    peak_memory_bytes: Option<u64>,
    steps: &'a [elqui_pipeline::StepCost],
}

/// How exposures are written.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    pub compress: bool,
    pub preview: bool,
}

/// Write all files of one frame as `out/STEM.*`.
pub fn write_frame(
    out: &Path,
    stem: &str,
    result: &ProcessOutput,
    timing: &mut Timing,
    options: WriteOptions,
) -> Result<(), CliError> {
    let path = |suffix: &str| out.join(format!("{stem}.{suffix}"));
    let mut written: Vec<PathBuf> = Vec::new();
    let mut work = || -> Result<(), CliError> {
        let exposure = path("exposure.fits");
        timing.step("write", || {
            elqui_fits::write_exposure_with(&exposure, &result.exposure, options.compress)
                .map_err(|e| CliError::on(&exposure, e))
        })?;
        written.push(exposure);
        let sources = path("sources.parquet");
        timing.step("write", || {
            let mut table = result.sources.to_table();
            describe_run(&mut table, &result.summary);
            elqui_tables::write_parquet(&table, &sources).map_err(|e| CliError::on(&sources, e))
        })?;
        written.push(sources);
        if options.preview {
            timing.step("preview", || write_preview(out, stem, result, &mut written))?;
        }
        let summary = path("summary.json");
        put_json(&summary, &result.summary)?;
        written.push(summary);
        Ok(())
    };
    if let Err(error) = work() {
        for file in written {
            let _ = std::fs::remove_file(file);
        }
        return Err(error);
    }
    let file = TimingFile {
        version: env!("CARGO_PKG_VERSION"),
        threads: rayon::current_num_threads(),
        wall_s: timing.steps.iter().map(|s| s.wall_s).sum(),
        cpu_s: timing.steps.iter().map(|s| s.cpu_s).sum(),
        peak_memory_bytes: clock::peak_memory_bytes(),
        steps: &timing.steps,
    };
    put_json(&path("timing.json"), &file)
}

/// A quick look (PNG), a binned FITS image with a WCS for sky viewers, and what they show.
fn write_preview(
    out: &Path,
    stem: &str,
    result: &ProcessOutput,
    written: &mut Vec<PathBuf>,
) -> Result<(), CliError> {
    let exposure = &result.exposure;
    let picture = elqui_render::preview(&exposure.image, PREVIEW_SIDE);
    let binning = picture.binning;
    let binned = elqui_render::binned(&exposure.image, binning);
    let names =
        ["preview.png", "preview.fits", "preview.json"].map(|suffix| format!("{stem}.{suffix}"));
    let png = picture.png();
    put(&out.join(&names[0]), &png)?;
    written.push(out.join(&names[0]));
    let mut header = Header::default();
    let wcs = exposure.wcs.as_ref().map(|w| binned_wcs(w, &binned, binning));
    if let Some(wcs) = &wcs {
        elqui_fits::add_wcs(&mut header, wcs);
        let path = out.join(&names[1]);
        elqui_fits::write_image(&path, &binned, &header).map_err(|e| CliError::on(&path, e))?;
        written.push(path);
    }
    let facts = ImageFacts {
        visit: exposure.info.visit as i64,
        detector: exposure.info.detector as i32,
        band: exposure.info.band.clone(),
        name: stem.to_string(),
        mid_mjd_tai: exposure.info.mid_mjd_tai.0,
        width: exposure.width() as u32,
        height: exposure.height() as u32,
        preview_width: binned.width() as u32,
        preview_height: binned.height() as u32,
        binning: binning as u32,
        png: names[0].clone(),
        fits: if wcs.is_some() { names[1].clone() } else { String::new() },
    };
    let path = out.join(&names[2]);
    put_json(&path, &facts)?;
    written.push(path);
    Ok(())
}

/// The linear part of a WCS about the middle of the image, for its binned copy.
fn binned_wcs(wcs: &Wcs, binned: &Image<f32>, binning: usize) -> Wcs {
    let b = binning as f64;
    let middle = |n: usize| 0.5 * (n as f64 - 1.0);
    let (bx, by) = (middle(binned.width()), middle(binned.height()));
    let (x, y) = (b * bx + 0.5 * (b - 1.0), b * by + 0.5 * (b - 1.0));
    let (ra, dec) = wcs.pixel_to_sky(x, y);
    let cd = wcs.jacobian(x, y).map(|row| row.map(|v| v * b / 3600.0));
    Wcs::tan([ra, dec], [bx, by], cd)
}

fn describe_run(table: &mut elqui_schema::Table, summary: &FrameSummary) {
    let mut add = |key: &str, value: String| table.metadata.push((key.into(), value));
    add("instrument", summary.instrument.clone());
    add("band", summary.band.clone());
    if let Some(zero) = summary.zero_point_mag {
        add("zeroPointMag", format!("{zero:.6}"));
    }
    if summary.flux_unit != "nJy" {
        add("note", "fluxes are in adu: there was no reference catalogue to calibrate them".into());
    }
}

/// Write bytes whole or not at all.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    atomic_write_bytes(path, bytes).map_err(|e| CliError::on(path, e))
}

pub fn put_json(path: &Path, value: &impl Serialize) -> Result<(), CliError> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| CliError::on(path, e))?;
    text.push('\n');
    put(path, text.as_bytes())
}

/// Make the output folder.
pub fn make_folder(path: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(path)
        .map_err(|e| CliError::on(path, format!("cannot make the output folder: {e}")))
}
