//! `elqui process`: frames in, calibrated catalogues out.

use crate::clock;
use crate::error::CliError;
use crate::inputs::{self, CorrectedOptions, DetectorInput, InputSpec, Opened};
use crate::outputs::{self, WriteOptions};
use crate::progress::Bar;
use crate::refcat::{self, ReferenceFile};
use elqui_image::VisitInfo;
use elqui_instrument::Instrument;
use elqui_isr::CalibSet;
use elqui_pipeline::{Outcome, Timing, run_all};
use elqui_production::{FrameInput, FrameSummary, ProcessConfig, ProcessOutput, process_frame};
use std::path::{Path, PathBuf};

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
    /// Write exposures tile-compressed (Rice).
    #[arg(long)]
    pub compress: bool,
    /// Leave out the preview image.
    #[arg(long)]
    pub no_preview: bool,
    #[command(flatten)]
    pub corrected: CorrectedOptions,
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
    let shared = Shared {
        out: args.out.clone(),
        instrument,
        reference: match &args.refcat {
            Some(path) => Some(ReferenceFile::read(path, &args.ref_columns)?),
            None => None,
        },
        calib: args.calib.clone(),
        config: read_config(args.config.as_deref())?,
        positions: match &args.positions {
            Some(path) => Some(refcat::read_positions(path)?),
            None => None,
        },
        corrected: args.corrected.clone(),
        write: WriteOptions { compress: args.compress, preview: !args.no_preview },
    };
    outputs::make_folder(&shared.out)?;
    let bar = Bar::new("processing", specs.len());
    let (done, failed) = process_all(&specs, &shared, &bar);
    bar.finish();
    for (stem, summary) in &done {
        println!("{}", one_line(stem, summary));
    }
    if failed == 0 {
        return Ok(());
    }
    Err(CliError::work(format!("{failed} of {} inputs failed, as said above", specs.len())))
}

/// Process every input; failures are said as they happen. The results' summaries, in the order of
/// the inputs, and the number of failed inputs.
pub fn process_all(
    specs: &[InputSpec],
    shared: &Shared,
    bar: &Bar,
) -> (Vec<(String, FrameSummary)>, usize) {
    let limit = rayon::current_num_threads().min(4);
    let outcomes = run_all(
        specs,
        limit,
        |spec| spec.stem.clone(),
        bar,
        |spec| {
            process_input(spec, shared).inspect_err(|e| bar.line(&format!("elqui: {e}")))
        },
    );
    let mut done = Vec::new();
    let mut failed = 0;
    for (spec, outcome) in specs.iter().zip(outcomes) {
        match outcome {
            Outcome::Done(frames) => done.extend(frames),
            Outcome::Failed(_) => failed += 1,
            Outcome::Panicked(reason) => {
                failed += 1;
                bar.line(&format!("elqui: {}: internal error, please report it: {reason}", spec.path.display()));
            }
        }
    }
    (done, failed)
}

/// All detectors of one input file.
fn process_input(
    spec: &InputSpec,
    shared: &Shared,
) -> Result<Vec<(String, FrameSummary)>, CliError> {
    let mut timing = Timing::new(clock::wall_s, clock::cpu_s);
    let opened = timing.step("read", || {
        inputs::open(spec, shared.instrument.as_ref(), &shared.corrected)
    })?;
    let mut out = Vec::new();
    for detector in opened {
        let stem = detector.stem.clone();
        let result = process_detector(spec, detector, shared, &mut timing)?;
        if let Some(positions) = &shared.positions {
            let path = shared.out.join(format!("{stem}.forced.parquet"));
            let table = refcat::forced_table(&result, positions, &shared.config);
            elqui_tables::write_parquet(&table, &path).map_err(|e| CliError::on(&path, e))?;
        }
        outputs::write_frame(&shared.out, &stem, &result, &mut timing, shared.write)?;
        out.push((stem, result.summary));
    }
    Ok(out)
}

fn process_detector(
    spec: &InputSpec,
    detector: DetectorInput,
    shared: &Shared,
    timing: &mut Timing,
) -> Result<ProcessOutput, CliError> {
    let (info, input) = match detector.opened {
        Opened::Corrected(input) => (input.info.clone(), FrameInput::Corrected(input)),
        Opened::Raw(raw) => {
            let calib = match &shared.calib {
                Some(folder) => timing.step("read", || read_calib(folder, &raw.info))?,
                None => CalibSet::default(),
            };
            (raw.info.clone(), FrameInput::Raw(raw, Box::new(calib)))
        }
    };
    let stars = match &shared.reference {
        Some(file) => Some(timing.step("reference", || file.stars(&info))?),
        None => None,
    };
    let reference = stars.as_ref().map(|s| s.view());
    process_frame(input, reference, &shared.config, timing).map_err(|e| CliError::on(&spec.path, e))
}

/// Names of the master frames of a detector (and band).
pub fn calib_names(info: &VisitInfo) -> [String; 3] {
    let d = info.detector;
    [format!("bias-{d}.fits"), format!("dark-{d}.fits"), format!("flat-{}-{d}.fits", info.band)]
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
fn one_line(stem: &str, s: &FrameSummary) -> String {
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
    for warning in &s.warnings {
        line += &format!("\n  warning: {warning}");
    }
    line
}
