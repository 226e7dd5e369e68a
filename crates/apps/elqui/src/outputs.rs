//! What a processed frame leaves on disk: exposure, sources, summary, timing and a preview.
//!
//! Everything goes to a temporary name and is renamed when whole; when one file of a frame cannot
//! be written, those that this call added are taken away again, and files of an earlier run stay.

use crate::clock;
use crate::error::CliError;
use elqui_codec::atomic_write_bytes;
use elqui_pipeline::Timing;
use elqui_portal::ImageFacts;
use elqui_production::ProcessOutput;
use elqui_production::files::{FramePreview, PreviewFacts, json_bytes, source_table};
use elqui_schema::Table;
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

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
        let table = source_table(&result.sources, &result.summary);
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
    let preview = FramePreview::of(&result.exposure);
    files.write("preview.png", |path| put(path, &preview.png))?;
    let fits = preview.fits();
    if let Some(bytes) = &fits {
        files.write("preview.fits", |path| put(path, bytes))?;
    }
    let facts = image_facts(files.stem, &preview.facts, fits.is_some());
    files.write("preview.json", |path| put_json(path, &facts))
}

/// What the page says of a preview that lies beside the frame's other files.
pub fn image_facts(stem: &str, facts: &PreviewFacts, has_fits: bool) -> ImageFacts {
    ImageFacts {
        visit: facts.visit,
        detector: facts.detector,
        band: facts.band.clone(),
        name: stem.to_string(),
        mid_mjd_tai: facts.mid_mjd_tai,
        width: facts.width,
        height: facts.height,
        preview_width: facts.preview_width,
        preview_height: facts.preview_height,
        binning: facts.binning,
        png: format!("{stem}.preview.png"),
        fits: if has_fits { format!("{stem}.preview.fits") } else { String::new() },
    }
}

/// Write bytes whole or not at all.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    atomic_write_bytes(path, bytes).map_err(|e| CliError::on(path, e))
}

pub fn put_json(path: &Path, value: &impl Serialize) -> Result<(), CliError> {
    put(path, &json_bytes(value).map_err(|e| CliError::on(path, e))?)
}

/// Make the output folder.
pub fn make_folder(path: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(path)
        .map_err(|e| CliError::on(path, format!("cannot make the output folder: {e}")))
}

pub fn write_table(table: &Table, path: &Path) -> Result<(), CliError> {
    elqui_tables::write_parquet(table, path).map_err(|e| CliError::on(path, e))
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
