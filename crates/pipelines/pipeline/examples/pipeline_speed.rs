//! How fast graphs are built and run: `cargo run -p elqui-pipeline --example pipeline_speed -- DIR [VISITS]`.
//!
//! Two steps (raw -> image -> catalogue) on visits of 100 detectors, SQLite on disk.
//! - 50 visits: the graph of 10,000 quanta, and its run with steps that do nothing
//! - VISITS (5,000): the graph of 1,000,000 quanta, saved and loaded
//!
//! The run registers every output with its quantum. Its store keeps nothing: what is measured is the
//! executor and the registry, not the disk's fsync a file.

use elqui_butler::{
    Artifact, CollectionKind, DataId, Dataset, DatasetType, DimensionRecord, Universe,
};
use elqui_pipeline::{
    Datasets, Finished, GraphRequest, Pipeline, QuantumGraph, RunOptions, Session, Status,
    StepError, Tasks, prepare, run_graph,
};
use elqui_registry::{DatasetQuery, Location, NewDataset, Registry, RegistryError};
use std::path::{Path, PathBuf};
use std::time::Instant;

const DETECTORS: i64 = 100;

mod empty {
    //! Steps that do nothing.
    use elqui_codec::CodecError;
    use elqui_pipeline::{Context, One, Step, StepError, StorageClass, inputs, outputs};
    use serde::{Deserialize, Serialize};

    pub struct Nothing;
    impl StorageClass for Nothing {
        const NAME: &'static str = "Nothing";
        const EXTENSION: &'static str = "";
        type Value = ();
        fn encode((): &()) -> Result<Vec<u8>, CodecError> {
            Ok(Vec::new())
        }
        fn decode(_: &[u8]) -> Result<(), CodecError> {
            Ok(())
        }
    }

    #[derive(Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Config {}

    macro_rules! step {
        ($step:ident, $name:literal, $read:ident $in:literal, $make:ident $out:literal) => {
            inputs! { pub struct $read { input: One<Nothing> = $in [visit, detector] } }
            outputs! { pub struct $make { output: One<Nothing> = $out [visit, detector] } }
            pub struct $step;
            impl Step for $step {
                const NAME: &'static str = $name;
                const DOC: &'static str = "Nothing.";
                const DIMENSIONS: &'static [&'static str] = &["visit", "detector"];
                type Config = Config;
                type Inputs = $read;
                type Outputs = $make;
                fn new(_: Config) -> Result<Self, String> {
                    Ok(Self)
                }
                fn peak_memory_bytes(&self) -> u64 {
                    1 << 20
                }
                fn run(&self, _: $read, _: &Context) -> Result<$make, StepError> {
                    Ok($make { output: One(()) })
                }
            }
        };
    }
    step!(Isr, "isr", IsrIn "raw", IsrOut "image");
    step!(Find, "find", FindIn "image", FindOut "catalogue");
}

fn at(dir: &Path) -> Location {
    Location::Sqlite(dir.join("registry.sqlite3"))
}

fn filled(dir: &Path, visits: i64) -> Result<Registry, RegistryError> {
    let mut r = Registry::create(&at(dir))?;
    let rec = DimensionRecord::new;
    let mut all = vec![rec("instrument").with("instrument", "Sim")];
    let filter = rec("physical_filter").with("instrument", "Sim").with("physical_filter", "r1");
    all.push(filter.with("band", "r"));
    all.extend(
        (0..DETECTORS).map(|d| rec("detector").with("instrument", "Sim").with("detector", d)),
    );
    all.extend((0..visits).map(|v| {
        let one = rec("visit").with("instrument", "Sim").with("visit", v);
        one.with("physical_filter", "r1").with("day_obs", 20_260_101_i64)
    }));
    r.insert_records(&all)?;
    let raw = DatasetType::new(Universe::standard(), "raw", &["visit", "detector"], "Nothing")?;
    r.register_dataset_type(&raw)?;
    r.register_collection("Sim/raw", CollectionKind::Run, "")?;
    let id = |v: i64, d: i64| {
        DataId::new().with("instrument", "Sim").with("visit", v).with("detector", d)
    };
    for first in (0..visits).step_by(1000) {
        let new: Vec<NewDataset> = (first..visits.min(first + 1000))
            .flat_map(|v| (0..DETECTORS).map(move |d| (v, d)))
            .map(|(v, d)| NewDataset { data_id: id(v, d), ..NewDataset::default() })
            .collect();
        r.insert_datasets("Sim/raw", "raw", &new)?;
    }
    Ok(r)
}

/// A registry on disk, and a store that keeps nothing.
struct Rows(PathBuf);

impl Datasets for Rows {
    fn session(&self) -> Result<Box<dyn Session>, StepError> {
        Ok(Box::new(RowsSession(Registry::open(&at(&self.0))?)))
    }
}

struct RowsSession(Registry);

impl Session for RowsSession {
    fn read(&mut self, _: &Dataset, _: Option<&Artifact>) -> Result<Vec<u8>, StepError> {
        Ok(Vec::new())
    }

    fn write(
        &mut self,
        _: &Dataset,
        _: &DatasetType,
        _: &str,
        _: &[u8],
    ) -> Result<Option<Artifact>, StepError> {
        Ok(None)
    }

    fn commit(&mut self, quanta: &[Finished]) -> Result<(), StepError> {
        let made: Vec<Vec<(&str, Vec<NewDataset>)>> = quanta
            .iter()
            .map(|(_, all)| all.iter().map(|(n, new)| (n.as_str(), new.clone())).collect())
            .collect();
        let all: Vec<_> = quanta.iter().zip(&made).map(|((q, _), m)| (q, m.as_slice())).collect();
        self.0.insert_quanta(&all)?;
        Ok(())
    }

    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError> {
        let found = self.0.datasets(&DatasetQuery::new(&of.name, &[run], ""))?;
        Ok(found.into_iter().map(|d| d.name.data_id).collect())
    }
}

/// A line of /proc/self/status, MiB.
fn memory_mib(line: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = text.lines().find(|l| l.starts_with(line));
    let kib = found.and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

#[allow(clippy::disallowed_methods)] // An example is a program: it has arguments.
fn arguments() -> Vec<String> {
    std::env::args().skip(1).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments();
    let dir = arguments.first().ok_or("usage: pipeline_speed DIR [VISITS]")?;
    let visits: i64 = arguments.get(1).map_or(Ok(5000), |v| v.parse())?;
    let tasks = Tasks::new().with::<empty::Isr>().with::<empty::Find>();
    let text = "name: speed\nsteps:\n  isr: {task: isr}\n  find: {task: find}\n";
    let pipeline = Pipeline::parse(text, "speed.yaml", &tasks, Universe::standard())?;
    let request = GraphRequest {
        run: "u/speed".into(),
        inputs: vec!["Sim/raw".into()],
        condition: "instrument = 'Sim'".into(),
        skip_existing: false,
    };
    for (name, visits) in [("small", 50), ("large", visits)] {
        let dir = Path::new(dir).join(name);
        std::fs::create_dir_all(&dir)?;
        let mut registry = filled(&dir, visits)?;
        let start = Instant::now();
        let graph = QuantumGraph::build(&pipeline, &mut registry, &request)?;
        println!(
            "graph of {} quanta: {:.3} s; memory {:.0} MiB, at most {:.0} MiB",
            graph.len(),
            start.elapsed().as_secs_f64(),
            memory_mib("VmRSS"),
            memory_mib("VmHWM")
        );
        let file = dir.join("graph.elqg");
        let start = Instant::now();
        graph.save(&file)?;
        let saved = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let graph = QuantumGraph::load(&file)?;
        println!(
            "saved in {saved:.3} s, loaded in {:.3} s, {:.2} MB",
            start.elapsed().as_secs_f64(),
            std::fs::metadata(&file)?.len() as f64 / 1e6
        );
        if name == "large" {
            break;
        }
        prepare(&graph, &mut registry)?;
        let options = RunOptions::default();
        let start = Instant::now();
        let report = run_graph(&graph, &pipeline, &Rows(dir), &options, &(), None)?;
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "run of {} empty quanta on {} threads, registered: {seconds:.3} s, {:.3} ms each",
            report.count(Status::Done),
            options.threads,
            1e3 * seconds / report.count(Status::Done) as f64
        );
    }
    Ok(())
}
