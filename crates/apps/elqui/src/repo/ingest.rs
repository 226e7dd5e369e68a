//! `elqui repo ingest`: raw frames of known cameras become datasets.

use super::put;
use crate::error::CliError;
use crate::outputs::say;
use elqui_butler::{DataId, DatasetRef, DatasetType, Transfer, TranslateError};
use elqui_fits::FitsFile;
use elqui_image::Header;
use elqui_instrument::{Instrument, Observation};
use elqui_pipeline::{Described, Ingest, Ingested, Repository};
use elqui_production::steps::{CAMERA, RAW_FRAME};
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
    let mut how = Ingest::new("", &args.dataset_type, args.mode);
    how.run = args.run.clone().unwrap_or_default();
    how.skip_existing = args.skip_existing;
    how.checksum = !args.no_checksum;
    // Steps must know the camera too, where the program itself does not.
    let own = args.instrument.as_ref().map(Path::new).filter(|p| p.is_file()).zip(named.as_ref());
    if let Some((file, camera)) = own {
        let run = run_of(&how.run, camera.name());
        check_camera(r, camera, file, &run)?;
    }
    let (run, done) = frames(r, &files, how, named.as_ref())?;
    let skipped = match done.skipped {
        0 => String::new(),
        n => format!(", {n} were there"),
    };
    if let Some((file, camera)) = own
        && !check_camera(r, camera, file, &run)?
    {
        let of = camera_type(r)?;
        put::keep(r, &of, DataId::new().with("instrument", camera.name()), &run, file)?;
    }
    say(&format!("{} frames ingested into {run}{skipped}", done.new))
}

/// Ingest raw frames of one camera. Without a name the run is CAMERA/raw/all.
pub fn frames(
    r: &mut Repository,
    files: &[PathBuf],
    mut how: Ingest,
    named: Option<&Instrument>,
) -> Result<(String, Ingested), CliError> {
    let first = files.first().ok_or_else(|| CliError::words("there are no frames to ingest"))?;
    let observed = observe_all(first, named).map_err(|e| CliError::on(first, e))?;
    let camera = observed.into_iter().next().map(|o| o.info.instrument);
    let camera = camera.ok_or_else(|| CliError::on(first, "it holds no detector of its camera"))?;
    how.run = run_of(&how.run, &camera);
    let universe = r.registry().universe().clone();
    let dimensions = ["exposure", "detector"];
    let of = DatasetType::new(&universe, &how.dataset_type, &dimensions, RAW_FRAME);
    r.registry().register_dataset_type(&of.map_err(CliError::words)?).map_err(CliError::work)?;
    let describe = |path: &Path| -> Result<Vec<Described>, TranslateError> {
        let all = observe_all(path, named)?;
        if let Some(other) = all.iter().map(|o| &o.info.instrument).find(|i| **i != camera) {
            return Err(
                format!("it is of {other}, the first of {camera}: ingest them apart").into()
            );
        }
        let known = |o: Observation| Described { data_id: o.data_id, records: o.records };
        Ok(all.into_iter().map(known).collect())
    };
    let done = r.ingest_all(files, &how, &describe).map_err(CliError::work)?;
    Ok((how.run, done))
}

/// The run that is asked for, or the standard one.
fn run_of(asked: &str, camera: &str) -> String {
    if asked.is_empty() { format!("{camera}/raw/all") } else { asked.to_string() }
}

fn camera_type(r: &mut Repository) -> Result<DatasetType, CliError> {
    let universe = r.registry().universe().clone();
    let of = DatasetType::new(&universe, "camera", &["instrument"], CAMERA);
    let of = of.map_err(CliError::words)?;
    r.registry().register_dataset_type(&of).map_err(CliError::work)?;
    Ok(of)
}

/// Whether the run has the camera's description already; another text under its name is refused.
fn check_camera(
    r: &mut Repository,
    camera: &Instrument,
    file: &Path,
    run: &str,
) -> Result<bool, CliError> {
    let of = camera_type(r)?;
    let known = r.registry().collections(run).map_err(CliError::work)?;
    if !known.iter().any(|c| c.name == run) {
        return Ok(false);
    }
    let data_id = DataId::new().with("instrument", camera.name());
    let name = DatasetRef { dataset_type: of.name, data_id };
    let Some(known) = r.registry().find(&name, &[run]).map_err(CliError::work)? else {
        return Ok(false);
    };
    let text = std::fs::read(file).map_err(|e| CliError::on(file, e))?;
    if r.get(known.id).map_err(CliError::work)? == text {
        return Ok(true);
    }
    let name = camera.name();
    Err(CliError::on(
        file,
        format!("`{run}` has another description of {name}: give new frames a --run of their own"),
    ))
}

/// What a file is, by its headers alone: one detector, or all that a multi-extension file holds.
fn observe_all(
    path: &Path,
    named: Option<&Instrument>,
) -> Result<Vec<Observation>, TranslateError> {
    let file = FitsFile::open(path)?;
    let primary = file.header(0)?;
    let camera = match named {
        Some(camera) => camera.clone(),
        None => Instrument::recognise(primary)
            .ok_or("no camera recognises its header; name one with --instrument")?,
    };
    // An HDU's own cards count first.
    let merged = |hdu: usize| -> Result<Header, elqui_fits::FitsError> {
        let mut header = file.header(hdu)?.clone();
        if hdu != 0 {
            header.cards.extend(primary.cards.iter().cloned());
        }
        Ok(header)
    };
    if !camera.is_corrected() && camera.detector_count() > 1 {
        let headers = (0..file.hdus().len()).map(merged).collect::<Result<Vec<_>, _>>()?;
        return Ok(camera.observe_all(primary, &|hdu| headers.get(hdu))?);
    }
    let image = camera.image_hdu().map_or_else(|| file.first_image(), Ok).unwrap_or(0);
    Ok(vec![camera.observe(&merged(image)?, file.hdu(image)?.size())?])
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
        let from = files.len();
        for entry in entries {
            let path = entry.map_err(|e| CliError::on(input, e))?.path();
            if is_fits(&path) {
                files.push(path);
            }
        }
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
