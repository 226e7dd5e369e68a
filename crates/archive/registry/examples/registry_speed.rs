//! How fast the registry is: `cargo run --release -p elqui-registry --example registry_speed -- DIR`.
//!
//! - ingest: 100,000 raw-like datasets (1,000 exposures, 100 detectors), each with an empty file that
//!   is looked at first, into a new SQLite file, in one transaction; records of the dimensions are there
//! - query: 1,000 datasets of 1,000,000 by visit and detector, through the expression language
//!
//! - pages: 1,000 datasets deep in the order, by offset and by cursor
//!
//! With a connection string as second argument, into PostgreSQL. `bench/butler.py` has the same beside
//! lsst-daf-butler.

use elqui_butler::{
    Artifact, CollectionKind, DataId, DatasetType, DimensionRecord, IdSource, Quantum, Universe,
};
use elqui_registry::{DatasetQuery, Location, NewDataset, Registry, RegistryError, Select};
use std::time::Instant;

const DETECTORS: i64 = 100;

fn records(element: &str, count: i64) -> Vec<DimensionRecord> {
    let rec = DimensionRecord::new;
    let mut all = vec![rec("instrument").with("instrument", "Sim")];
    let filter = rec("physical_filter").with("instrument", "Sim").with("physical_filter", "r1");
    all.push(filter.with("band", "r"));
    all.extend((0..DETECTORS).map(|d| {
        rec("detector")
            .with("instrument", "Sim")
            .with("detector", d)
            .field("full_name", format!("D{d}"))
    }));
    all.extend((0..count).map(|e| {
        let one =
            rec(element).with("instrument", "Sim").with(element, e).with("physical_filter", "r1");
        one.with("day_obs", 20_260_101_i64).field("exposure_time_s", 30.0)
    }));
    all
}

fn datasets(element: &str, from: i64, to: i64) -> Vec<NewDataset> {
    let one = |e: i64, d: i64| NewDataset {
        data_id: DataId::new().with("instrument", "Sim").with(element, e).with("detector", d),
        id: None,
        artifact: Some(Artifact {
            path: format!("raw/{e}/raw_{e}_{d}.fits"),
            formatter: "fits".into(),
            size_bytes: 8_640_000,
            checksum: format!("sha256:{:064x}", e * DETECTORS + d),
        }),
    };
    (from..to).flat_map(|e| (0..DETECTORS).map(move |d| one(e, d))).collect()
}

fn prepared(at: &Location, element: &str, count: i64) -> Result<Registry, RegistryError> {
    let mut r = Registry::create(at)?;
    r.insert_records(&records(element, count))?;
    let of = DatasetType::new(Universe::standard(), "raw", &[element, "detector"], "Raw")?;
    r.register_dataset_type(&of)?;
    r.register_collection("Sim/raw/all", CollectionKind::Run, "")?;
    Ok(r)
}

/// 10,000 quanta of one input and one output each, 100 a transaction.
fn quanta(r: &mut Registry) -> Result<(), RegistryError> {
    let of = DatasetType::new(Universe::standard(), "image", &["visit", "detector"], "Exposure")?;
    r.register_dataset_type(&of)?;
    r.register_collection("u/run", CollectionKind::Run, "")?;
    let mut ids = IdSource::default();
    let inputs = r.insert_datasets("u/run", "raw", &datasets("visit", 0, 1))?;
    let outputs: Vec<_> =
        datasets("visit", 0, 100).into_iter().map(|d| [("image", vec![d])]).collect();
    let quantum = |id| Quantum {
        id,
        run: "u/run".into(),
        step: "isr".into(),
        data_id: DataId::new().with("instrument", "Sim"),
        config: "overscan: median".into(),
        software: "elqui".into(),
        host: "here".into(),
        started_ns: 0,
        wall_s: 1.0,
        cpu_s: 1.0,
        peak_memory_bytes: None,
        inputs: vec![inputs[0]],
        outputs: Vec::new(),
    };
    let all: Vec<Quantum> = outputs.iter().map(|_| quantum(ids.next_id())).collect();
    let start = Instant::now();
    let batch: Vec<_> = all.iter().zip(&outputs).map(|(q, o)| (q, o.as_slice())).collect();
    for part in batch.chunks(100) {
        r.insert_quanta(part)?;
    }
    let each = start.elapsed().as_secs_f64() / all.len() as f64;
    println!("quantum with its output, 100 a transaction: {:.3} ms each", 1e3 * each);
    Ok(())
}

fn best(times: usize, mut work: impl FnMut()) -> f64 {
    let one = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..times).map(one).fold(f64::INFINITY, f64::min)
}

#[allow(clippy::disallowed_methods)] // An example is a program: it has arguments.
fn arguments() -> Vec<String> {
    std::env::args().skip(1).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments();
    let dir = arguments.first().ok_or("usage: registry_speed DIR [POSTGRES_URL]")?;
    let dir = std::path::Path::new(dir);
    std::fs::create_dir_all(dir)?;
    let at = |name: &str| match arguments.get(1).cloned() {
        Some(url) => Location::Postgres { url, schema: name.to_string() },
        None => Location::Sqlite(dir.join(format!("{name}.sqlite3"))),
    };

    let mut r = prepared(&at("ingest"), "exposure", 1000)?;
    let mut new = datasets("exposure", 0, 1000);
    let files = dir.join("files");
    std::fs::create_dir_all(&files)?;
    for (k, dataset) in new.iter_mut().enumerate() {
        let path = files.join(format!("raw_{k}.fits"));
        drop(std::fs::OpenOptions::new().create(true).append(true).open(&path)?);
        if let Some(artifact) = &mut dataset.artifact {
            artifact.path = path.display().to_string();
        }
    }
    let start = Instant::now();
    for artifact in new.iter_mut().filter_map(|d| d.artifact.as_mut()) {
        artifact.size_bytes = i64::try_from(std::fs::metadata(&artifact.path)?.len())?;
    }
    r.insert_datasets("Sim/raw/all", "raw", &new)?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "ingest of {} datasets: {seconds:.3} s, {:.0} a second",
        new.len(),
        new.len() as f64 / seconds
    );
    drop(r);

    let mut r = prepared(&at("query"), "visit", 10_000)?;
    let start = Instant::now();
    for block in 0..10 {
        r.insert_datasets(
            "Sim/raw/all",
            "raw",
            &datasets("visit", block * 1000, (block + 1) * 1000),
        )?;
    }
    println!("ingest of 1,000,000 datasets in 10 batches: {:.3} s", start.elapsed().as_secs_f64());
    for (what, condition) in [
        (
            "10 visits x 100 detectors",
            "instrument='Sim' AND visit IN (5000..5009) AND detector IN (0..99)",
        ),
        (
            "100 visits x 10 detectors",
            "instrument='Sim' AND visit IN (700..799) AND detector IN (40..49)",
        ),
        (
            "the same, with band and exposure time",
            "instrument='Sim' AND visit IN (700..799) AND detector IN (40..49) AND band='r' AND visit.exposure_time_s > 20",
        ),
    ] {
        let query = DatasetQuery::new("raw", &["Sim/raw/all"], condition);
        assert_eq!(r.datasets(&query)?.len(), 1000);
        let seconds = best(5, || {
            let _ = r.datasets(&query);
        });
        println!("query of 1,000 of 1,000,000, {what}: {:.2} ms", 1e3 * seconds);
    }
    let name = r.datasets(&DatasetQuery::new(
        "raw",
        &["Sim/raw/all"],
        "instrument='Sim' AND visit=77 AND detector=5",
    ))?;
    let seconds = best(5, || {
        let _ = r.find(&name[0].name, &["Sim/raw/all"]);
    });
    println!("find of one: {:.3} ms", 1e3 * seconds);
    let mut query = DatasetQuery::new("raw", &["Sim/raw/all"], "instrument='Sim'");
    query.select.limit = Some(1000);
    query.select.offset = 900_000;
    let seconds = best(3, || {
        let _ = r.datasets(&query);
    });
    println!("1,000 at the offset 900,000: {:.1} ms", 1e3 * seconds);
    query.select.offset = 0;
    let (mut pages, mut slowest, start) = (0, 0.0_f64, Instant::now());
    loop {
        let begin = Instant::now();
        let page = r.datasets_page(&query)?;
        slowest = slowest.max(begin.elapsed().as_secs_f64());
        pages += usize::from(!page.items.is_empty());
        query.select.after = page.next;
        if query.select.after.is_none() {
            break;
        }
    }
    let mean = start.elapsed().as_secs_f64() / f64::from(u32::try_from(pages)?);
    println!(
        "{pages} pages of 1,000 by cursor: {:.2} ms each, the slowest {:.1} ms",
        1e3 * mean,
        1e3 * slowest
    );
    let start = Instant::now();
    let ids = r.data_ids(&["visit", "detector"], &[("raw", &["Sim/raw/all"])], &Select::all())?;
    let seconds = start.elapsed().as_secs_f64();
    println!("the {} data ids for which a dataset exists: {seconds:.2} s", ids.len());
    quanta(&mut r)?;
    Ok(())
}
