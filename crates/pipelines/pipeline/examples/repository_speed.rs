//! How fast an ingest is: `cargo run --release -p elqui-pipeline --example repository_speed -- DIR`.
//!
//! 100,000 raw-like files (1,000 exposures, 100 detectors) into a new SQLite repository with
//! `Repository::ingest`, left in place, in one transaction; first as `Butler.ingest` does it (empty files, looked at,
//! no checksums; records are there), then with a checksum of each file and the records given with every file,
//! then copied into the store. Then `verify`. `daf_butler_speed.py DIR ingest` of the registry is the same
//! as the first with lsst-daf-butler.

use elqui_butler::{DataId, DatasetType, DimensionRecord, Transfer, TranslateError, Universe};
use elqui_pipeline::{Described, Ingest, Repository, RepositoryConfig};
use std::path::{Path, PathBuf};
use std::time::Instant;

const DETECTORS: i64 = 100;
const EXPOSURES: i64 = 1000;

fn records(exposures: std::ops::Range<i64>) -> Vec<DimensionRecord> {
    let rec = DimensionRecord::new;
    let mut all = vec![rec("instrument").with("instrument", "Sim")];
    let filter = rec("physical_filter").with("instrument", "Sim").with("physical_filter", "r1");
    all.push(filter.with("band", "r"));
    all.extend(
        (0..DETECTORS).map(|d| rec("detector").with("instrument", "Sim").with("detector", d)),
    );
    all.extend(exposures.map(|e| {
        let one = rec("exposure").with("instrument", "Sim").with("exposure", e);
        one.with("physical_filter", "r1")
            .with("day_obs", 20_260_101_i64)
            .field("exposure_time_s", 30.0)
    }));
    all
}

/// What a translator gives with each file.
fn of_file(e: i64, d: i64) -> Vec<DimensionRecord> {
    let rec = |element: &str| DimensionRecord::new(element).with("instrument", "Sim");
    let one = rec("exposure").with("exposure", e).with("physical_filter", "r1");
    vec![
        rec("instrument"),
        rec("physical_filter").with("physical_filter", "r1").with("band", "r"),
        rec("detector").with("detector", d),
        one.with("day_obs", 20_260_101_i64).field("exposure_time_s", 30.0),
    ]
}

/// By its number, as a translator would by its header.
fn describe(path: &Path, with_records: bool) -> Result<Described, TranslateError> {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let k: i64 = stem.trim_start_matches("raw_").parse()?;
    let (e, d) = (k / DETECTORS, k % DETECTORS);
    let data_id = DataId::new().with("instrument", "Sim").with("exposure", e).with("detector", d);
    let records = if with_records { of_file(e, d) } else { Vec::new() };
    Ok(Described { data_id, records })
}

#[allow(clippy::disallowed_methods)] // An example is a program: it has arguments.
fn folder() -> Option<PathBuf> {
    std::env::args().nth(1).map(PathBuf::from)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = folder().ok_or("usage: repository_speed DIR")?;
    let files = dir.join("files");
    std::fs::create_dir_all(&files)?;
    let paths: Vec<PathBuf> =
        (0..EXPOSURES * DETECTORS).map(|k| files.join(format!("raw_{k}.fits"))).collect();
    for path in &paths {
        drop(std::fs::OpenOptions::new().create(true).append(true).open(path)?);
    }
    let mut last = None;
    for (name, sum, with_records) in
        [("records there, no checksums", false, false), ("records given, checksums", true, true)]
    {
        let mut r = Repository::create(
            &dir.join(name.replace([' ', ','], "_")),
            &RepositoryConfig::default(),
        )?;
        let of = DatasetType::new(Universe::standard(), "raw", &["exposure", "detector"], "Raw")?;
        r.registry().register_dataset_type(&of)?;
        if !with_records {
            r.registry().insert_records(&records(0..EXPOSURES))?;
        }
        let mut how = Ingest::new("Sim/raw/all", "raw", Transfer::Direct);
        how.checksum = sum;
        let start = Instant::now();
        let done = r.ingest(&paths, &how, &|path: &Path| describe(path, with_records))?;
        let seconds = start.elapsed().as_secs_f64();
        println!("ingest of {} files in place, {name}: {seconds:.2} s", done.new);
        last = Some(r);
    }
    let Some(mut r) = last else { return Ok(()) };
    let start = Instant::now();
    let report = r.verify(&mut |_| ())?;
    let seconds = start.elapsed().as_secs_f64();
    println!("verify of {} files, {} bad: {seconds:.2} s", report.files, report.bad.len());
    let part = &paths[..2000];
    let how = Ingest::new("Sim/raw/copied", "raw", Transfer::Copy);
    let start = Instant::now();
    r.ingest(part, &how, &|path: &Path| describe(path, true))?;
    let seconds = start.elapsed().as_secs_f64();
    println!("ingest of {} files copied, each flushed to the disk: {seconds:.2} s", part.len());
    Ok(())
}
