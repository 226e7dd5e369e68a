//! `elqui simulate`: raw frames of a simulated survey, or one scene, with their truth.

use crate::error::CliError;
use crate::outputs::{self, write_table};
use crate::progress::Bar;
use elqui_fits::Writer;
use elqui_image::{Header, Value};
use elqui_instrument::Instrument;
use elqui_simulate::{Scene, SimFrame, SimulateError, Survey, SurveyConfig};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Simulate a survey (raw and calibration frames) or a single scene, and the truth as Parquet.
///
/// Example: elqui simulate bench/scenes/dense.yaml --out scene/
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Description of a survey, or of a scene (a file that begins with `scene:`).
    #[arg(value_name = "SURVEY.yaml")]
    pub description: PathBuf,
    /// Folder for the frames and the truth.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of a survey; the same seed gives the same bytes. (A scene's is in its file.)
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Keys that only a survey has; a description without them (and not empty) is a scene's.
const SURVEY_KEYS: [&str; 9] = [
    "instrument",
    "bands",
    "pointing",
    "psf",
    "sky",
    "camera",
    "bias_frames",
    "dark_frames",
    "flat_frames",
];

pub fn run(args: &Args) -> Result<(), CliError> {
    let path = &args.description;
    let text = std::fs::read_to_string(path)
        .map_err(|e| CliError::on(path, format!("cannot be read: {e}")))?;
    let keys: serde_yaml_ng::Mapping =
        serde_yaml_ng::from_str(&text).map_err(|e| CliError::on(path, e))?;
    outputs::make_folder(&args.out)?;
    if !keys.is_empty() && !SURVEY_KEYS.iter().any(|k| keys.contains_key(*k)) {
        let scene: Scene = serde_yaml_ng::from_str(&text).map_err(|e| CliError::on(path, e))?;
        return write_scene(&scene, &args.out);
    }
    let config: SurveyConfig = serde_yaml_ng::from_str(&text).map_err(|e| CliError::on(path, e))?;
    let survey = new_survey(config, args.seed)?;
    let frames = write_survey(&survey, &args.out)?;
    outputs::say(&format!("{}: {} raw frames", args.out.display(), frames.len()))
}

fn write_scene(scene: &Scene, out: &Path) -> Result<(), CliError> {
    let frame = scene.render().map_err(CliError::work)?;
    let path = out.join("scene.fits");
    elqui_fits::write_image(&path, &frame.image, &frame.header)
        .map_err(|e| CliError::on(&path, e))?;
    write_table(&frame.truth, &out.join("truth.parquet"))?;
    write_table(&frame.reference, &out.join("refcat.parquet"))?;
    outputs::say(&format!("{}: {} objects", path.display(), frame.truth.rows()))
}

/// A survey with the simulated camera that ships with elqui.
pub fn new_survey(config: SurveyConfig, seed: u64) -> Result<Survey, CliError> {
    let camera = Instrument::load("simcam").map_err(CliError::work)?;
    let detectors = camera.detectors().map_err(CliError::work)?;
    Survey::new(config, detectors, seed).map_err(CliError::words)
}

/// A frame that the survey can make.
#[derive(Debug, Clone, Copy)]
enum Job {
    Bias(usize, usize),
    Dark(usize, usize),
    Flat(usize, usize, usize),
    Science(usize, usize),
}

/// Write all raw frames to `out/raw`, the truth to `out/truth` and the reference catalogue to
/// `out/refcat.parquet`. The paths of the raw frames, calibrations first.
pub fn write_survey(survey: &Survey, out: &Path) -> Result<Vec<PathBuf>, CliError> {
    let (raw, truth) = (out.join("raw"), out.join("truth"));
    outputs::make_folder(&raw)?;
    outputs::make_folder(&truth)?;
    let config = survey.config();
    let mut jobs = Vec::new();
    for det in 0..survey.detector_count() {
        jobs.extend((0..config.bias_frames).map(|i| Job::Bias(i, det)));
        jobs.extend((0..config.dark_frames).map(|i| Job::Dark(i, det)));
        for band in 0..config.bands.len() {
            jobs.extend((0..config.flat_frames).map(|i| Job::Flat(band, i, det)));
        }
    }
    for visit in 0..survey.visits().len() {
        jobs.extend((0..survey.detector_count()).map(|det| Job::Science(visit, det)));
    }
    let bar = Bar::new("simulating raw frames", jobs.len());
    let paths = jobs
        .par_iter()
        .map(|job| {
            let frame = make(survey, *job).map_err(CliError::work)?;
            let stem = elqui_codec::safe_name(&frame.stem());
            let path = raw.join(format!("{stem}.fits"));
            write_raw(&frame, &path)?;
            if frame.truth.rows() > 0 {
                write_table(&frame.truth, &truth.join(format!("{stem}.parquet")))?;
            }
            bar.tick(&stem);
            Ok(path)
        })
        .collect::<Result<Vec<_>, CliError>>()?;
    bar.finish();
    let objects = survey.truth_objects().map_err(CliError::work)?;
    write_table(&objects, &truth.join("objects.parquet"))?;
    let reference = survey.reference_catalog().map_err(CliError::work)?;
    write_table(&reference, &out.join("refcat.parquet"))?;
    Ok(paths)
}

fn make(survey: &Survey, job: Job) -> Result<SimFrame, SimulateError> {
    match job {
        Job::Bias(i, det) => survey.bias(i, det),
        Job::Dark(i, det) => survey.dark(i, det),
        Job::Flat(band, i, det) => survey.flat(band, i, det),
        Job::Science(visit, det) => survey.science(visit, det),
    }
}

/// A raw frame as the camera writes it: cards in the primary HDU, then one u16 image an amplifier.
fn write_raw(frame: &SimFrame, path: &Path) -> Result<(), CliError> {
    let mut writer = Writer::new();
    writer.header(&frame.header);
    for (hdu, image) in &frame.amps {
        let mut cards = Header::default();
        cards.set("HDUINDEX", Value::Int(*hdu as i64), "place in the file");
        let pixels = image.map(|v| v.clamp(0.0, 65_535.0) as u16);
        writer.image(&format!("AMP{hdu}"), &pixels, &cards);
    }
    writer.save(path).map_err(|e| CliError::on(path, e))
}
