//! `elqui demo`: a simulated survey from raw frames to the open page.

use crate::catalog::{self, ProcessedFrame};
use crate::error::CliError;
use crate::outputs;
use crate::pipeline::{self, Job};
use crate::progress::Bar;
use crate::repo::{ingest, put};
use crate::{frames, report, serve, simulate, view};
use elqui_butler::{CollectionKind, DataId, Timespan, Transfer};
use elqui_pipeline::{Ingest, Repository, RepositoryConfig};
use elqui_production::FrameSummary;
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
const FOLDERS: [&str; 6] = ["raw", "truth", "calib", "processed", "catalog", "repo"];
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
    let repo = dir.join("repo");
    let mut r = Repository::create(&repo, &RepositoryConfig::default()).map_err(CliError::work)?;
    let processed = dir.join("processed");
    outputs::make_folder(&processed)?;
    let (done, failed) = process(&mut r, &raw, &dir.join("refcat.parquet"), &processed)?;

    let bar = Bar::new("writing catalogues", 1);
    let frames: Vec<ProcessedFrame> = frames::read_frames(std::slice::from_ref(&processed))?
        .into_iter()
        .filter_map(|f| {
            let summary = done.get(&f.name)?.clone();
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

/// Ingest, build and certify the masters, process: summaries of the frames that are done, by stem, and
/// the number of those that failed.
fn process(
    r: &mut Repository,
    raw: &[PathBuf],
    refcat: &Path,
    processed: &Path,
) -> Result<(BTreeMap<String, FrameSummary>, usize), CliError> {
    // Left where they are, under the names by which their truth is known.
    let (raws, _) = ingest::frames(r, raw, Ingest::new("", "raw", Transfer::Direct), None)?;
    let universe = r.registry().universe().clone();
    let of = put::type_of_tasks(&universe, "reference_catalog")?;
    if let Some(of) = of {
        put::keep(r, &of, DataId::new(), "refcats", refcat)?;
    }
    let job = Job { pipeline: "calibs", run: "demo/masters", inputs: &[&raws] };
    let masters = pipeline::execute(r, &job)?;
    if let Some((name, why)) = masters.report.failures.first() {
        return Err(CliError::work(format!("{name}: {why}")));
    }
    let ids = r.registry().run_ids("demo/masters").map_err(CliError::work)?;
    let registry = r.registry();
    registry
        .register_collection("demo/calib", CollectionKind::Calibration, "")
        .and_then(|_| registry.certify("demo/calib", &ids, Timespan::ALWAYS))
        .map_err(CliError::work)?;
    let inputs = [raws.as_str(), "demo/calib", "refcats"];
    let job = Job { pipeline: "frames", run: "demo/frames", inputs: &inputs };
    let frames = pipeline::execute(r, &job)?;
    for (name, why) in &frames.report.failures {
        outputs::note(&format!("elqui: {name}: {why}"));
    }
    view::write(r, "raw", &raws, "demo/frames", processed)
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
