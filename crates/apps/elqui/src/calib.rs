//! `elqui calib`: master bias, dark and flat from raw calibration frames.

use crate::error::CliError;
use crate::inputs::{self, InputSpec};
use crate::outputs;
use crate::process::{calib_names, read_config};
use crate::progress::Bar;
use elqui_calibration::{MasterFrame, build_bias, build_dark, build_flat};
use elqui_image::{Image, RawFrame, VisitInfo};
use elqui_instrument::Instrument;
use elqui_isr::{CalibSet, IsrConfig, correct};
use elqui_production::{CorrectedOptions, FrameInput};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Build master calibration frames from raw bias, dark and flat frames.
///
/// Example: elqui calib raw/*.fits --out calib/
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Raw frames; their headers say which kind each is. Science frames are left out.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Folder for the master frames.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Instrument: a name that ships with elqui or a description of your own (default: by the header).
    #[arg(long, value_name = "NAME|FILE.yaml")]
    pub instrument: Option<String>,
    /// Configuration of the steps (YAML), as `elqui process` takes it; only `isr` counts here.
    #[arg(long, value_name = "FILE.yaml")]
    pub config: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let specs = inputs::parse_all(&args.images)?;
    let instrument = match &args.instrument {
        Some(name) => Some(Instrument::load(name).map_err(CliError::words)?),
        None => None,
    };
    let config = read_config(args.config.as_deref())?;
    outputs::make_folder(&args.out)?;
    for line in build(&specs, instrument.as_ref(), &args.out, &config.isr)? {
        outputs::say(&line)?;
    }
    Ok(())
}

/// Frames of one kind, detector and (for flats) band.
type Group = Vec<(InputSpec, VisitInfo)>;

/// Build every master that the frames allow, in the order that each needs the one before. One line
/// for each that was written.
pub fn build(
    specs: &[InputSpec],
    instrument: Option<&Instrument>,
    out: &Path,
    config: &IsrConfig,
) -> Result<Vec<String>, CliError> {
    let mut biases: BTreeMap<u32, Group> = BTreeMap::new();
    let mut darks: BTreeMap<u32, Group> = BTreeMap::new();
    let mut flats: BTreeMap<(u32, String), Group> = BTreeMap::new();
    let infos: Vec<Vec<(InputSpec, VisitInfo)>> = specs
        .par_iter()
        .map(|spec| {
            let opened = inputs::open(spec, instrument, false)?;
            Ok(opened.detectors.into_iter().map(|d| (spec.clone(), d.info)).collect())
        })
        .collect::<Result<_, CliError>>()?;
    for (spec, info) in infos.into_iter().flatten() {
        let d = info.detector;
        match info.observation_type.to_ascii_lowercase().as_str() {
            "bias" | "zero" => biases.entry(d).or_default().push((spec, info)),
            "dark" => darks.entry(d).or_default().push((spec, info)),
            "flat" => {
                flats.entry((d, info.band.clone())).or_default().push((spec, info));
            }
            _ => {}
        }
    }
    let total = biases.len() + darks.len() + flats.len();
    if total == 0 {
        return Err(CliError::work(
            "none of the frames is a bias, dark or flat by its header; check the instrument's observation_type",
        ));
    }
    let bar = Bar::new("master calibrations", total);
    let mut lines = Vec::new();
    let mut calib: BTreeMap<u32, CalibSet> = BTreeMap::new();
    for (detector, group) in &biases {
        let images = corrected(group, instrument, &CalibSet::default(), config)?;
        let master = build_bias(&images)
            .map_err(|e| CliError::work(format!("bias of detector {detector}: {e}")))?;
        lines.push(keep(out, &group[0].1, 0, &master)?);
        calib.entry(*detector).or_default().bias = Some(master.image);
        bar.tick(&format!("bias {detector}"));
    }
    for (detector, group) in &darks {
        let set = calib.entry(*detector).or_default();
        let images = corrected(group, instrument, set, config)?;
        let timed: Vec<(Image<f32>, f64)> =
            images.into_iter().zip(group).map(|(i, (_, info))| (i, info.exposure_s)).collect();
        let master = build_dark(&timed)
            .map_err(|e| CliError::work(format!("dark of detector {detector}: {e}")))?;
        lines.push(keep(out, &group[0].1, 1, &master)?);
        set.dark = Some(master.image);
        bar.tick(&format!("dark {detector}"));
    }
    for ((detector, band), group) in &flats {
        let set = calib.entry(*detector).or_default();
        let images = corrected(group, instrument, set, config)?;
        let master = build_flat(&images).map_err(|e| {
            CliError::work(format!("flat of detector {detector}, band {band}: {e}"))
        })?;
        lines.push(keep(out, &group[0].1, 2, &master)?);
        bar.tick(&format!("flat {detector} {band}"));
    }
    bar.finish();
    Ok(lines)
}

/// The frames of a group, corrected with what is there so far.
fn corrected(
    group: &Group,
    instrument: Option<&Instrument>,
    calib: &CalibSet,
    config: &IsrConfig,
) -> Result<Vec<Image<f32>>, CliError> {
    group
        .par_iter()
        .map(|(spec, info)| {
            let raw = raw_of(spec, info, instrument)?;
            correct(&raw, calib, config).map(|e| e.image).map_err(|e| CliError::on(&spec.path, e))
        })
        .collect()
}

fn raw_of(
    spec: &InputSpec,
    info: &VisitInfo,
    instrument: Option<&Instrument>,
) -> Result<RawFrame, CliError> {
    let opened = inputs::open(spec, instrument, false)?;
    let input = opened.detectors.iter().find(|d| d.info.detector == info.detector);
    let none = || Ok(CalibSet::default());
    let frame = input.map(|d| opened.frame(d, &CorrectedOptions::default(), none)).transpose();
    match frame.map_err(|e| CliError::on(&spec.path, e))? {
        Some(FrameInput::Raw(raw, _)) => Ok(*raw),
        _ => Err(CliError::on(&spec.path, "is no raw frame")),
    }
}

/// Write a master; what was written, in one line.
fn keep(
    out: &Path,
    info: &VisitInfo,
    kind: usize,
    master: &MasterFrame,
) -> Result<String, CliError> {
    let name = &calib_names(info)[kind];
    let path = out.join(name);
    elqui_fits::write_image(&path, &master.image, &Default::default())
        .map_err(|e| CliError::on(&path, e))?;
    Ok(format!("{}: {} frames", path.display(), master.count))
}
