//! `elqui demo`: a simulated survey from raw frames to the open page.

use crate::calib;
use crate::catalog::{self, ProcessedFrame};
use crate::error::CliError;
use crate::inputs::{CorrectedOptions, InputSpec};
use crate::outputs::{self, WriteOptions};
use crate::process::{Shared, process_all};
use crate::progress::Bar;
use crate::refcat::ReferenceFile;
use crate::{frames, report, serve, simulate};
use elqui_isr::IsrConfig;
use elqui_production::{FrameSummary, ProcessConfig};
use elqui_simulate::SurveyConfig;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A simulated survey, from raw frames to the open page.
///
/// Example: elqui demo --dir elqui-demo
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder for everything (what an earlier demo left there is replaced).
    #[arg(long, value_name = "DIR", default_value = "elqui-demo")]
    pub dir: PathBuf,
    /// End after the report.
    #[arg(long)]
    pub no_serve: bool,
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: String,
    #[arg(long, default_value_t = 20261123)]
    pub seed: u64,
    /// Visits in each of the two bands.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(2..=100))]
    pub visits: u16,
}

/// What the demo leaves in its folder; nothing else there is touched.
const FOLDERS: [&str; 5] = ["raw", "truth", "calib", "processed", "catalog"];
const FILES: [&str; 2] = ["refcat.parquet", "report.md"];
/// Says that a folder is the demo's own.
const MARKER: &str = ".elqui-demo";

pub fn run(args: &Args) -> Result<(), CliError> {
    let start = Instant::now();
    let dir = &args.dir;
    clear(dir)?;
    let mut config = SurveyConfig::default();
    config.pointing.visits_per_band = usize::from(args.visits);
    let survey = simulate::new_survey(config, args.seed)?;
    let raw = simulate::write_survey(&survey, dir)?;
    let specs: Vec<InputSpec> =
        raw.iter().map(|p| InputSpec::parse(&p.to_string_lossy())).collect();
    let (science, calibration): (Vec<InputSpec>, Vec<InputSpec>) =
        specs.into_iter().partition(|s| s.stem.contains("_science_"));

    let calib_dir = dir.join("calib");
    outputs::make_folder(&calib_dir)?;
    calib::build(&calibration, None, &calib_dir, &IsrConfig::default())?;

    let processed = dir.join("processed");
    outputs::make_folder(&processed)?;
    let shared = Shared {
        out: processed.clone(),
        instrument: None,
        reference: Some(ReferenceFile::read(&dir.join("refcat.parquet"), &[])?),
        calib: Some(calib_dir),
        config: ProcessConfig::default(),
        positions: None,
        corrected: CorrectedOptions::default(),
        write: WriteOptions { compress: false, preview: true, concurrent: 1 },
    };
    let bar = Bar::new("processing science frames", science.len());
    let (done, failed) = process_all(&science, &shared, &bar);
    bar.finish();

    let bar = Bar::new("writing catalogues", 1);
    let summaries: BTreeMap<String, FrameSummary> = done.into_iter().collect();
    let frames: Vec<ProcessedFrame> = frames::read_frames(std::slice::from_ref(&processed))?
        .into_iter()
        .filter_map(|f| {
            let summary = summaries.get(&f.name)?.clone();
            Some(ProcessedFrame { name: f.name, summary, sources: f.sources })
        })
        .collect();
    let catalog_dir = dir.join("catalog");
    outputs::make_folder(&catalog_dir)?;
    let objects = catalog::write(&frames, &catalog_dir)?;
    bar.tick("done");
    bar.finish();

    let text = report::against_truth(dir, &survey, &frames, &objects, failed, start.elapsed())?;
    outputs::put(&dir.join("report.md"), text.as_bytes())?;
    outputs::say(&text)?;
    if args.no_serve {
        return if failed == 0 {
            Ok(())
        } else {
            Err(CliError::work(format!("{failed} frames failed, as said above")))
        };
    }
    serve::serve("Elqui demo", &[catalog_dir], Some(&processed), &args.listen)
}

/// Take away what an earlier demo left; a folder that holds such names without being a demo's is
/// left alone.
fn clear(dir: &Path) -> Result<(), CliError> {
    let marker = dir.join(MARKER);
    let there = FOLDERS.iter().chain(&FILES).find(|part| dir.join(part).exists());
    if let (Some(part), false) = (there, marker.exists()) {
        return Err(CliError::on(
            dir,
            format!(
                "holds `{part}`, which no demo made (there is no {MARKER}); choose another --dir"
            ),
        ));
    }
    outputs::make_folder(dir)?;
    outputs::put(&marker, b"This folder is made, and cleared, by `elqui demo`.\n")?;
    for part in FOLDERS {
        let path = dir.join(part);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).map_err(|e| CliError::on(&path, e))?;
        }
    }
    Ok(())
}
