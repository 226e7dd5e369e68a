//! What a processed frame leaves on disk: exposure, sources, summary, timing and a preview.
//!
//! Everything goes to a temporary name and is renamed when whole; when one file of a frame cannot
//! be written, those that this call added are taken away again, and files of an earlier run stay.

use crate::clock;
use crate::error::CliError;
use elqui_codec::atomic_write_bytes;
use elqui_image::{Header, Image};
use elqui_pipeline::Timing;
use elqui_portal::ImageFacts;
use elqui_production::{FrameSummary, ProcessOutput};
use elqui_schema::Table;
use elqui_wcs::Wcs;
use serde::Serialize;
use std::io::{ErrorKind, Write};
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
    /// Frames that ran at once: their CPU seconds and their memory are in each other's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrent_frames: Option<usize>,
    steps: &'a [elqui_pipeline::StepCost],
}

/// How exposures are written.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    pub compress: bool,
    pub preview: bool,
    /// Frames that run at once.
    pub concurrent: usize,
}

/// The files of one frame.
struct Files<'a> {
    out: &'a Path,
    stem: &'a str,
    /// Suffixes written, and whether the file is new.
    written: Vec<(&'static str, bool)>,
}

impl Files<'_> {
    /// Suffixes of files that not every run writes.
    const OPTIONAL: [&'static str; 4] =
        ["forced.parquet", "preview.png", "preview.fits", "preview.json"];

    fn path(&self, suffix: &str) -> PathBuf {
        self.out.join(format!("{}.{suffix}", self.stem))
    }

    fn write(
        &mut self,
        suffix: &'static str,
        write: impl FnOnce(&Path) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let path = self.path(suffix);
        let new = !path.exists();
        write(&path)?;
        self.written.push((suffix, new));
        Ok(())
    }

    fn take_back(&self) {
        for (suffix, _) in self.written.iter().filter(|(_, new)| *new) {
            let _ = std::fs::remove_file(self.path(suffix));
        }
    }

    /// Remove what an earlier run wrote besides and this one did not.
    fn remove_stale(&self) {
        let written = |s: &str| self.written.iter().any(|(w, _)| *w == s);
        for suffix in Self::OPTIONAL.iter().filter(|s| !written(s)) {
            let _ = std::fs::remove_file(self.path(suffix));
        }
    }
}

/// Write all files of one frame as `out/STEM.*`.
///
/// - `forced`: fluxes at given positions, where they were asked for
pub fn write_frame(
    out: &Path,
    stem: &str,
    result: &ProcessOutput,
    forced: Option<&Table>,
    timing: &mut Timing,
    options: WriteOptions,
) -> Result<(), CliError> {
    let mut files = Files { out, stem, written: Vec::new() };
    let outcome = write_all(&mut files, result, forced, timing, options);
    match outcome {
        Ok(()) => files.remove_stale(),
        Err(_) => files.take_back(),
    }
    outcome
}

fn write_all(
    files: &mut Files<'_>,
    result: &ProcessOutput,
    forced: Option<&Table>,
    timing: &mut Timing,
    options: WriteOptions,
) -> Result<(), CliError> {
    timing.step("write", || {
        files.write("exposure.fits", |path| {
            elqui_fits::write_exposure_with(path, &result.exposure, options.compress)
                .map_err(|e| CliError::on(path, e))
        })?;
        let mut table = result.sources.to_table();
        describe_run(&mut table, &result.summary);
        files.write("sources.parquet", |path| write_table(&table, path))?;
        match forced {
            Some(table) => files.write("forced.parquet", |path| write_table(table, path)),
            None => Ok(()),
        }
    })?;
    if options.preview {
        timing.step("preview", || write_preview(files, result))?;
    }
    files.write("summary.json", |path| put_json(path, &result.summary))?;
    let file = TimingFile {
        version: env!("CARGO_PKG_VERSION"),
        threads: rayon::current_num_threads(),
        wall_s: timing.steps.iter().map(|s| s.wall_s).sum(),
        cpu_s: timing.steps.iter().map(|s| s.cpu_s).sum(),
        peak_memory_bytes: clock::peak_memory_bytes(),
        concurrent_frames: Some(options.concurrent).filter(|n| *n > 1),
        steps: &timing.steps,
    };
    files.write("timing.json", |path| put_json(path, &file))
}

/// A quick look (PNG), a binned FITS image with a WCS for sky viewers, and what they show.
fn write_preview(files: &mut Files<'_>, result: &ProcessOutput) -> Result<(), CliError> {
    let exposure = &result.exposure;
    let picture = elqui_render::preview(&exposure.image, PREVIEW_SIDE);
    let binning = picture.binning;
    let binned = elqui_render::binned(&exposure.image, binning);
    let png = picture.png();
    files.write("preview.png", |path| put(path, &png))?;
    let wcs = exposure.wcs.as_ref().map(|w| binned_wcs(w, &binned, binning));
    if let Some(wcs) = &wcs {
        let mut header = Header::default();
        elqui_fits::add_wcs(&mut header, wcs);
        files.write("preview.fits", |path| {
            elqui_fits::write_image(path, &binned, &header).map_err(|e| CliError::on(path, e))
        })?;
    }
    let stem = files.stem;
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
        png: format!("{stem}.preview.png"),
        fits: wcs.map(|_| format!("{stem}.preview.fits")).unwrap_or_default(),
    };
    files.write("preview.json", |path| put_json(path, &facts))
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

pub fn write_table(table: &Table, path: &Path) -> Result<(), CliError> {
    elqui_tables::write_parquet(table, path).map_err(|e| CliError::on(path, e))
}

/// A name from a header or a description as a part of a file's name.
pub fn safe_name(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
    name.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}

/// Print a line of results.
pub fn say(text: &str) -> Result<(), CliError> {
    say_bytes(format!("{text}\n").as_bytes())
}

/// Print results. A reader that has seen enough (`| head`) is no failure.
pub fn say_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| CliError::work(format!("cannot write to stdout: {e}"))),
    }
}

/// Print a line of progress or an error; when nobody reads stderr there is no one to tell.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
