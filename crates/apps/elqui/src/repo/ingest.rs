//! `elqui repo ingest`: raw frames of known cameras become datasets.

use crate::error::CliError;
use crate::outputs::say;
use elqui_butler::{DatasetType, Transfer, TranslateError};
use elqui_fits::FitsFile;
use elqui_instrument::{Instrument, Observation};
use elqui_pipeline::{Described, Ingest, Repository};
use std::path::{Path, PathBuf};

/// Ingest raw frames: all of them, or none.
///
/// Example: elqui repo ingest night/ --mode link
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct IngestArgs {
    /// FITS files, or folders of them.
    #[arg(value_name = "FILE|DIR", required = true)]
    inputs: Vec<PathBuf>,
    /// The run (default: CAMERA/raw/all).
    #[arg(long)]
    run: Option<String>,
    /// The dataset type; made with exposure and detector when it is missing.
    #[arg(long = "type", value_name = "TYPE", default_value = "raw")]
    dataset_type: String,
    /// What becomes of the files: copy, move, link, symlink, direct (left where they are).
    #[arg(long, default_value = "copy", value_parser = str::parse::<Transfer>)]
    mode: Transfer,
    /// The camera, by name or YAML file (default: recognised by the headers).
    #[arg(long, value_name = "NAME|FILE.yaml")]
    instrument: Option<String>,
    /// Pass over frames that the run has already.
    #[arg(long)]
    skip_existing: bool,
    /// Do not compute checksums of files that are not copied.
    #[arg(long)]
    no_checksum: bool,
}

pub fn run(r: &mut Repository, args: &IngestArgs) -> Result<(), CliError> {
    let files = expanded(&args.inputs)?;
    let named = args.instrument.as_deref().map(Instrument::load).transpose();
    let named = named.map_err(CliError::words)?;
    let first = observe(&files[0], named.as_ref()).map_err(|e| CliError::on(&files[0], e))?;
    let camera = first.info.instrument;
    let standard = format!("{camera}/raw/all");
    let run = args.run.as_ref().unwrap_or(&standard);
    let universe = r.registry().universe().clone();
    let of = DatasetType::new(&universe, &args.dataset_type, &["exposure", "detector"], "RawFrame");
    let of = of.map_err(CliError::words)?;
    r.registry().register_dataset_type(&of).map_err(CliError::work)?;
    let mut how = Ingest::new(run, &args.dataset_type, args.mode);
    how.skip_existing = args.skip_existing;
    how.checksum = !args.no_checksum;
    let describe = |path: &Path| -> Result<Described, TranslateError> {
        let one = observe(path, named.as_ref())?;
        if one.info.instrument != camera {
            let other = one.info.instrument;
            return Err(
                format!("it is of {other}, the first of {camera}: ingest them apart").into()
            );
        }
        Ok(Described { data_id: one.data_id, records: one.records })
    };
    let done = r.ingest(&files, &how, &describe).map_err(CliError::work)?;
    let skipped = match done.skipped {
        0 => String::new(),
        n => format!(", {n} were there"),
    };
    say(&format!("{} frames ingested into {run}{skipped}", done.new))
}

/// What a file is, by its header alone.
pub fn observe(path: &Path, named: Option<&Instrument>) -> Result<Observation, TranslateError> {
    let file = FitsFile::open(path)?;
    let primary = file.header(0)?;
    let camera = match named {
        Some(camera) => camera.clone(),
        None => Instrument::recognise(primary)
            .ok_or("no camera recognises its header; name one with --instrument")?,
    };
    let image = camera.image_hdu().map_or_else(|| file.first_image(), Ok).unwrap_or(0);
    let mut header = file.header(image)?.clone();
    if image != 0 {
        // The image's own cards count first.
        header.cards.extend(primary.cards.iter().cloned());
    }
    Ok(camera.observe(&header, file.hdu(image)?.size())?)
}

/// Files as they are named, and the FITS files of folders by name.
fn expanded(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        let entries = std::fs::read_dir(input)
            .map_err(|e| CliError::on(input, format!("cannot be read: {e}")))?;
        let found = entries.flatten().map(|e| e.path()).filter(|p| is_fits(p));
        let from = files.len();
        files.extend(found);
        files[from..].sort();
        if files.len() == from {
            return Err(CliError::on(input, "there are no FITS files in it"));
        }
    }
    Ok(files)
}

fn is_fits(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".fz");
    !name.starts_with('.') && [".fits", ".fit", ".fts"].iter().any(|e| name.ends_with(e))
}
