//! Raw-like datasets of a camera of 100 detectors: ingest, queries, verification.

use crate::{Anything, timed};
use elqui_butler::{DataId, DatasetType, DimensionRecord, Transfer, TranslateError, Universe};
use elqui_pipeline::{
    Described, Ingest, PostgresAt, RegistryAt, Repository, RepositoryConfig, RepositoryError,
};
use elqui_registry::{DatasetQuery, NewDataset, Select};
use std::path::{Path, PathBuf};

pub const DETECTORS: i64 = 100;
pub const RUN: &str = "Sim/raw/all";

fn sim(element: &str) -> DimensionRecord {
    DimensionRecord::new(element).with("instrument", "Sim")
}

fn filter() -> DimensionRecord {
    sim("physical_filter").with("physical_filter", "r1").with("band", "r")
}

fn exposure(e: i64) -> DimensionRecord {
    let one = sim("exposure").with("exposure", e).with("physical_filter", "r1");
    one.with("day_obs", 20_260_101_i64).field("exposure_time_s", 30.0)
}

/// The visit of an exposure.
pub fn visit(e: i64) -> [DimensionRecord; 2] {
    let one = sim("visit").with("visit", e).with("physical_filter", "r1");
    let of = sim("visit_definition").with("exposure", e).with("visit", e);
    [one.with("day_obs", 20_260_101_i64), of]
}

pub fn data_id(e: i64, d: i64) -> DataId {
    DataId::new().with("instrument", "Sim").with("exposure", e).with("detector", d)
}

/// A new repository with the type `raw`; with all records where `exposures` says how many.
/// - `at`: nothing for SQLite, or the connection string and the schema
pub fn made(dir: &Path, exposures: Option<i64>, at: &[&str]) -> Anything<Repository> {
    let mut config = RepositoryConfig::default();
    if let [url, schema] = at {
        let postgres = PostgresAt { url: (*url).into(), schema: (*schema).into() };
        config.registry = RegistryAt { sqlite: None, postgres: Some(postgres) };
    }
    let mut r = Repository::create(dir, &config)?;
    let of = DatasetType::new(Universe::standard(), "raw", &["exposure", "detector"], "Nothing")?;
    r.registry().register_dataset_type(&of)?;
    if let Some(exposures) = exposures {
        let mut all = vec![sim("instrument"), filter()];
        all.extend((0..DETECTORS).map(|d| sim("detector").with("detector", d)));
        all.extend((0..exposures).map(exposure));
        r.registry().insert_records(&all)?;
    }
    Ok(r)
}

/// What a file is by its number, as a translator would tell by its header.
fn describe(path: &Path, with_records: bool) -> Result<Described, TranslateError> {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let k: i64 = stem.trim_start_matches("raw_").parse()?;
    let (e, d) = (k / DETECTORS, k % DETECTORS);
    let records = match with_records {
        true => vec![sim("instrument"), filter(), sim("detector").with("detector", d), exposure(e)],
        false => Vec::new(),
    };
    Ok(Described { data_id: data_id(e, d), records })
}

pub fn ingest(dir: &Path, files: &Path, count: usize, how: &str, at: &[&str]) -> Anything<()> {
    let given = how.ends_with("+given");
    let exposures = (!given).then_some(count as i64 / DETECTORS);
    let mut r = made(dir, exposures, at)?;
    let mode = if how.starts_with("copy") { Transfer::Copy } else { Transfer::Direct };
    let mut options = Ingest::new(RUN, "raw", mode);
    options.checksum = !how.starts_with("in_place");
    let paths: Vec<PathBuf> = (0..count).map(|k| files.join(format!("raw_{k}.fits"))).collect();
    let name = match how {
        "in_place" => "ingest",
        "checksums" => "ingest with checksums",
        "checksums+given" => "ingest with checksums, records given with each file",
        "copy" => "ingest, copied and flushed",
        _ => return Err("choose in_place, checksums, checksums+given or copy".into()),
    };
    let done =
        timed(name, count, 1, || r.ingest(&paths, &options, &|path: &Path| describe(path, given)))?;
    assert_eq!(done.new, count);
    Ok(())
}

pub fn verify(dir: &Path) -> Anything<()> {
    let mut r = Repository::open(dir)?;
    let report = timed("verify", 0, 1, || r.verify(&mut |_| ()))?;
    assert!(report.bad.is_empty() && report.registry.is_empty());
    Ok(())
}

pub fn fill(dir: &Path, at: &[&str]) -> Anything<()> {
    let mut r = made(dir, Some(10_000), at)?;
    r.registry().register_collection(RUN, elqui_butler::CollectionKind::Run, "")?;
    for first in (0..10_000).step_by(1000) {
        let all = (first..first + 1000).flat_map(|e| (0..DETECTORS).map(move |d| (e, d)));
        let new: Vec<_> = all
            .map(|(e, d)| NewDataset { data_id: data_id(e, d), ..NewDataset::default() })
            .collect();
        r.registry().insert_datasets(RUN, "raw", &new)?;
    }
    Ok(())
}

pub fn query(dir: &Path, _at: &[&str]) -> Anything<()> {
    let mut r = Repository::open(dir)?;
    let shapes = [
        (
            "10 exposures x 100 detectors",
            "instrument='Sim' AND exposure IN (5000..5009) AND detector IN (0..99)",
        ),
        (
            "100 exposures x 10 detectors",
            "instrument='Sim' AND exposure IN (700..799) AND detector IN (40..49)",
        ),
    ];
    for (shape, condition) in shapes {
        let query = DatasetQuery::new("raw", &[RUN], condition);
        assert_eq!(r.registry().datasets(&query)?.len(), 1000);
        timed(&format!("query datasets, {shape}"), 1000, 200, || {
            r.registry().datasets(&query).map_err(RepositoryError::from)
        })?;
        let select = Select::condition(condition);
        let held = [("raw", &[RUN][..])];
        let dimensions = ["exposure", "detector"];
        assert_eq!(r.registry().data_ids(&dimensions, &held, &select)?.len(), 1000);
        timed(&format!("query data ids, {shape}"), 1000, 200, || {
            r.registry().data_ids(&dimensions, &held, &select).map_err(RepositoryError::from)
        })?;
    }
    Ok(())
}
