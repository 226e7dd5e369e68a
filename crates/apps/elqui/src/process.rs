//! `elqui process`: frames in, calibrated catalogues out.

use crate::clock;
use crate::error::{CliError, one_line};
use crate::inputs::{self, CorrectedWords, InputSpec};
use crate::outputs::{self, WriteOptions};
use crate::progress::Bar;
use crate::refcat;
use elqui_codec::safe_name;
use elqui_image::VisitInfo;
use elqui_instrument::Instrument;
use elqui_isr::CalibSet;
use elqui_measurement::ModelFit;
use elqui_pipeline::{Outcome, Timing, run_all};
use elqui_production::files::missing_masters;
use elqui_production::{
    CorrectedOptions, DetectorInput, FrameInput, FrameSummary, OpenInput, ProcessConfig,
    ProcessError, ReferenceFile, process_frame,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Process frames: instrument signature, detection, measurement, astrometry, photometry.
///
/// Example: elqui process frame.fits.gz --refcat stars.csv --out results/
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// FITS images, raw or corrected; FILE[EXT] takes one extension.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Reference catalogue: CSV, Parquet, FITS table or VOTable with ra, dec (deg) and a magnitude.
    #[arg(long, value_name = "FILE")]
    pub refcat: Option<PathBuf>,
    /// Index of the reference catalogue (`elqui index build`): frames with no or a wrong pointing are
    /// found in it. Small catalogues need none.
    #[arg(long, value_name = "FILE.idx", requires = "refcat")]
    pub index: Option<PathBuf>,
    /// Another name for a column of the reference catalogue (ra, dec, mag, mag_err, pm_ra_cosdec, ...).
    #[arg(long = "ref-column", value_name = "NAME=COLUMN")]
    pub ref_columns: Vec<String>,
    /// Instrument: a name that ships with elqui or a description of your own (default: by the header).
    #[arg(long, value_name = "NAME|FILE.yaml")]
    pub instrument: Option<String>,
    /// Folder of master calibrations, as `elqui calib` writes it.
    #[arg(long, value_name = "DIR")]
    pub calib: Option<PathBuf>,
    /// Configuration of the steps (YAML); names only what it changes.
    #[arg(long, value_name = "FILE.yaml")]
    pub config: Option<PathBuf>,
    /// Forced photometry at the positions of a table (ra, dec) besides.
    #[arg(long, value_name = "FILE")]
    pub positions: Option<PathBuf>,
    /// Model fits of every source besides: cmodel (galaxies), gaap (Gaussian apertures), trail; or all.
    #[arg(long, value_name = "FIT", value_delimiter = ',', value_enum)]
    pub fits: Vec<Fit>,
    /// Write exposures tile-compressed (Rice).
    #[arg(long)]
    pub compress: bool,
    /// Leave out the preview image.
    #[arg(long)]
    pub no_preview: bool,
    #[command(flatten)]
    pub corrected: CorrectedWords,
}

/// A model fit that costs more than all else together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Fit {
    Cmodel,
    Gaap,
    Trail,
    All,
}

impl Fit {
    fn models(self) -> &'static [ModelFit] {
        match self {
            Self::Cmodel => &[ModelFit::CModel],
            Self::Gaap => &[ModelFit::Gaap],
            Self::Trail => &[ModelFit::Trail],
            Self::All => &[ModelFit::CModel, ModelFit::Gaap, ModelFit::Trail],
        }
    }
}

/// What every frame of a call shares.
pub struct Shared {
    pub out: PathBuf,
    pub instrument: Option<Instrument>,
    pub reference: Option<ReferenceFile>,
    pub calib: Option<PathBuf>,
    pub config: ProcessConfig,
    pub positions: Option<Vec<(f64, f64)>>,
    pub corrected: CorrectedOptions,
    pub write: WriteOptions,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let specs = inputs::parse_all(&args.images)?;
    let instrument = match &args.instrument {
        Some(name) => Some(Instrument::load(name).map_err(CliError::words)?),
        None => None,
    };
    let mut config = read_config(args.config.as_deref())?;
    for model in args.fits.iter().flat_map(|f| f.models()) {
        if !config.measurement.fits.contains(model) {
            config.measurement.fits.push(*model);
        }
    }
    let reference = match (&args.refcat, &args.index) {
        (Some(path), Some(index)) => {
            let index = Arc::new(crate::index::read(index)?);
            Some(refcat::read_reference(path, &args.ref_columns)?.with_index(index))
        }
        (Some(path), None) => Some(refcat::read_reference(path, &args.ref_columns)?),
        (None, _) => None,
    };
    let shared = Shared {
        out: args.out.clone(),
        instrument,
        reference,
        calib: args.calib.clone(),
        config,
        positions: match &args.positions {
            Some(path) => Some(refcat::read_positions(path)?),
            None => None,
        },
        corrected: args.corrected.options(),
        write: WriteOptions { compress: args.compress, preview: !args.no_preview, concurrent: 1 },
    };
    outputs::make_folder(&shared.out)?;
    let bar = Bar::new("processing", specs.len());
    let (done, failed) = process_all(&specs, &shared, &bar);
    bar.finish();
    for (stem, summary) in &done {
        outputs::say(&described(stem, summary))?;
    }
    if failed == 0 {
        return Ok(());
    }
    Err(CliError::work(format!("{failed} of {} inputs failed, as said above", specs.len())))
}

/// Stems and summaries of detectors' frames.
type Frames = Vec<(String, FrameSummary)>;

/// Process every input; failures are said as they happen. The results' summaries, in the order of
/// the inputs, and the number of inputs that failed, in whole or in part.
pub fn process_all(specs: &[InputSpec], shared: &Shared, bar: &Bar) -> (Frames, usize) {
    let limit = frames_at_once(specs);
    let outcomes = run_all(
        specs,
        limit,
        |spec| spec.stem.clone(),
        bar,
        |spec| process_input(spec, shared, limit, bar),
    );
    let mut done = Vec::new();
    let mut failed = 0;
    for (spec, outcome) in specs.iter().zip(outcomes) {
        match outcome {
            Outcome::Done(frames) => done.extend(frames),
            Outcome::Failed(frames) => {
                failed += 1;
                done.extend(frames);
            }
            Outcome::Panicked(reason) => {
                failed += 1;
                bar.line(&internal_error(spec, &reason));
            }
        }
    }
    (done, failed)
}

fn internal_error(spec: &InputSpec, reason: &str) -> String {
    let path = spec.path.display().to_string();
    one_line(&format!("elqui: {path}: internal error, please report it: {reason}"))
}

/// How many frames may be in memory at once, by the size of the largest file: a frame takes about
/// 50 bytes a pixel, and a pixel two bytes of a plain file or one of a packed one.
fn frames_at_once(specs: &[InputSpec]) -> usize {
    const BUDGET_BYTES: u64 = 1 << 30;
    const FRAMES_MAX: usize = 4;
    let frame_bytes = |spec: &InputSpec| {
        let packed = spec.path.extension().is_some_and(|e| e == "gz" || e == "fz");
        let file = std::fs::metadata(&spec.path).map_or(0, |m| m.len());
        file.saturating_mul(if packed { 50 } else { 25 })
    };
    let largest = specs.iter().map(frame_bytes).max().unwrap_or(0).max(1);
    let fitting = usize::try_from(BUDGET_BYTES.div_ceil(largest)).unwrap_or(FRAMES_MAX);
    fitting.min(rayon::current_num_threads()).min(FRAMES_MAX).min(specs.len()).max(1)
}

/// All detectors of one input file, one after the other; `Err` has those that were done although
/// others failed.
fn process_input(
    spec: &InputSpec,
    shared: &Shared,
    concurrent: usize,
    bar: &Bar,
) -> Result<Frames, Frames> {
    let mut timing = Timing::new(clock::wall_s, clock::cpu_s);
    let opened = timing.step("read", || {
        inputs::open(spec, shared.instrument.as_ref(), shared.corrected.ignore_checksums)
    });
    let opened = opened.map_err(|e| {
        bar.line(&format!("elqui: {e}"));
        Frames::new()
    })?;
    let several = opened.detectors.len() > 1;
    // Opening the file counts for each of its detectors.
    let outcomes = run_all(
        &opened.detectors,
        1,
        |input| input.stem.clone(),
        &(),
        |input| process_detector(spec, &opened, input, shared, concurrent, timing.clone()),
    );
    let mut done = Frames::new();
    let mut failed = false;
    for (input, outcome) in opened.detectors.iter().zip(outcomes) {
        let line = match outcome {
            Outcome::Done(summary) => {
                done.push((input.stem.clone(), summary));
                continue;
            }
            Outcome::Failed(error) => format!("elqui: {error}"),
            Outcome::Panicked(reason) => internal_error(spec, &reason),
        };
        failed = true;
        let detector = &input.info.detector_name;
        bar.line(&if several { format!("{line} (detector {detector})") } else { line });
    }
    if failed { Err(done) } else { Ok(done) }
}

/// Process one detector and write its files.
fn process_detector(
    spec: &InputSpec,
    opened: &OpenInput,
    input: &DetectorInput,
    shared: &Shared,
    concurrent: usize,
    mut timing: Timing,
) -> Result<FrameSummary, CliError> {
    let mut warnings = Vec::new();
    let frame = timing.step("read", || -> Result<FrameInput, CliError> {
        let calib = || match &shared.calib {
            Some(folder) => {
                let calib = read_calib(folder, &input.info);
                let calib = calib.map_err(|e| ProcessError::File(e.to_string()))?;
                warnings = missing_masters(&calib);
                Ok(calib)
            }
            None => Ok(CalibSet::default()),
        };
        let frame = opened.frame(input, &shared.corrected, calib);
        frame.map_err(|e| match shared.calib {
            // It may be of a calibration, which is named.
            Some(_) => CliError::work(e),
            None => CliError::on(&spec.path, e),
        })
    })?;
    let origin = opened.origin(input);
    let search_deg = shared.config.astrometry.search_radius_deg;
    let stars = match &shared.reference {
        Some(file) => {
            let stars = timing.step("reference", || file.stars(&input.info, &origin, search_deg));
            Some(stars.map_err(CliError::work)?)
        }
        None => None,
    };
    let reference = stars.as_ref().map(|s| s.view());
    let mut config = shared.config.clone();
    config.astrometry.fit.parity = config.astrometry.fit.parity.or(origin.parity);
    let mut result = process_frame(frame, reference, &config, &mut timing)
        .map_err(|e| CliError::on(&spec.path, e))?;
    result.summary.warnings.append(&mut warnings);
    let forced = shared.positions.as_ref().map(|positions| {
        timing.step("forced", || refcat::forced_table(&result, positions, &shared.config))
    });
    let options = WriteOptions { concurrent, ..shared.write };
    let (out, stem) = (&shared.out, &input.stem);
    outputs::write_frame(out, stem, &result, forced.as_ref(), &mut timing, options)?;
    Ok(result.summary)
}

/// Names of the master frames of a detector (and band).
pub fn calib_names(info: &VisitInfo) -> [String; 3] {
    let (d, band) = (info.detector, safe_name(&info.band));
    [format!("bias-{d}.fits"), format!("dark-{d}.fits"), format!("flat-{band}-{d}.fits")]
}

/// The master frames of a folder that fit this frame. A folder that holds none is an error.
fn read_calib(folder: &Path, info: &VisitInfo) -> Result<CalibSet, CliError> {
    let read = |name: &str| -> Result<Option<elqui_image::Image<f32>>, CliError> {
        let path = folder.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        let file = elqui_fits::FitsFile::open(&path).map_err(|e| CliError::on(&path, e))?;
        let hdu = file.first_image().map_err(|e| CliError::on(&path, e))?;
        file.read_image(hdu).map(Some).map_err(|e| CliError::on(&path, e))
    };
    let names = calib_names(info);
    let calib = CalibSet {
        bias: read(&names[0])?,
        dark: read(&names[1])?,
        flat: read(&names[2])?,
        ..CalibSet::default()
    };
    if calib.bias.is_none() && calib.dark.is_none() && calib.flat.is_none() {
        return Err(CliError::on(
            folder,
            format!("none of {} is there; make them with `elqui calib`", names.join(", ")),
        ));
    }
    Ok(calib)
}

/// Read the configuration of the steps.
pub fn read_config(path: Option<&Path>) -> Result<ProcessConfig, CliError> {
    let Some(path) = path else { return Ok(ProcessConfig::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|e| CliError::on(path, format!("cannot be read: {e}")))?;
    serde_yaml_ng::from_str(&text).map_err(|e| CliError::on(path, e))
}

/// What a frame came to, in one line for a person.
fn described(stem: &str, s: &FrameSummary) -> String {
    let optional = |v: Option<f64>, digits: usize| {
        v.map_or_else(|| "-".to_string(), |v| format!("{v:.digits$}"))
    };
    let mut line = format!(
        "{stem}: {} sources, PSF {} px, sky {:.1} +- {:.2} adu, zero point {} +- {} mag, astrometry {} mas ({} stars)",
        s.n_sources,
        optional(s.psf_fwhm_pixels, 2),
        s.sky_level,
        s.sky_noise,
        optional(s.zero_point_mag, 3),
        optional(s.zero_point_err_mag, 3),
        optional(s.astrometry_rms_mas, 1),
        s.n_astrometry_matches,
    );
    for reason in &s.quality.reasons {
        let severity = format!("{:?}", reason.severity).to_lowercase();
        line += &format!("\n  {severity}: {}", reason.text);
    }
    for warning in &s.warnings {
        line += &format!("\n  warning: {warning}");
    }
    line
}
