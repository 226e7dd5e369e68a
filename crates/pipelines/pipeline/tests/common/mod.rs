//! A small sky, a store of files beside a registry, and steps that only count.

#![allow(dead_code)] // Each test's file uses the parts that it needs.

use elqui_butler::{
    Artifact, CollectionKind, DataId, Dataset, DatasetType, DimensionRecord, Timespan, Universe,
};
use elqui_codec::CodecError;
use elqui_pipeline::{
    Context, Datasets, Finished, GraphRequest, One, Pipeline, QuantumGraph, Session, Step,
    StepError, StorageClass, Tasks, inputs, outputs,
};
use elqui_registry::{DatasetQuery, Location, NewDataset, Registry, RegistryError};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

pub const RUN: &str = "u/run";

/// A store of files in a folder.
pub struct Store {
    pub dir: PathBuf,
}

impl Store {
    pub fn registry(&self) -> Registry {
        Registry::open(&location(&self.dir)).unwrap()
    }
}

pub fn location(dir: &Path) -> Location {
    Location::Sqlite(dir.join("registry.sqlite3"))
}

struct Files {
    dir: PathBuf,
    registry: Registry,
}

impl Datasets for Store {
    fn session(&self) -> Result<Box<dyn Session>, StepError> {
        let registry = Registry::open(&location(&self.dir))?;
        Ok(Box::new(Files { dir: self.dir.clone(), registry }))
    }
}

impl Session for Files {
    fn read(&mut self, d: &Dataset, made: Option<&Artifact>) -> Result<Vec<u8>, StepError> {
        let path = match made {
            Some(made) => made.path.clone(),
            None => match self.registry.artifacts(&[d.id])?.pop() {
                Some((_, artifact)) => artifact.path,
                None => return Err(StepError::Failed(format!("{d} has no file"))),
            },
        };
        std::fs::read(self.dir.join(&path)).map_err(|e| StepError::Failed(format!("{path}: {e}")))
    }

    fn write(
        &mut self,
        d: &Dataset,
        of: &DatasetType,
        ending: &str,
        bytes: &[u8],
    ) -> Result<Option<Artifact>, StepError> {
        let values: Vec<String> = of
            .dimensions
            .iter()
            .filter_map(|n| d.name.data_id.get(n))
            .map(|v| v.to_string())
            .collect();
        let path = format!("{}/{}_{}{ending}", d.run, of.name, values.join("_"));
        let whole = self.dir.join(&path);
        std::fs::create_dir_all(whole.parent().unwrap()).unwrap();
        elqui_codec::atomic_write_bytes(&whole, bytes)?;
        Ok(Some(Artifact {
            path,
            formatter: ending.to_string(),
            size_bytes: bytes.len() as i64,
            checksum: String::new(),
        }))
    }

    fn commit(&mut self, quanta: &[Finished]) -> Result<(), StepError> {
        let all: Vec<_> = quanta
            .iter()
            .map(|(q, made)| {
                let made: Vec<_> = made.iter().map(|(n, d)| (n.as_str(), d.clone())).collect();
                (q, made)
            })
            .collect();
        let all: Vec<_> = all.iter().map(|(q, made)| (*q, made.as_slice())).collect();
        self.registry.insert_quanta(&all)?;
        Ok(())
    }

    fn existing(&mut self, of: &DatasetType, run: &str) -> Result<Vec<DataId>, StepError> {
        let query = DatasetQuery::new(&of.name, &[run], "");
        match self.registry.datasets(&query) {
            Err(RegistryError::Unknown { .. }) => Ok(Vec::new()),
            found => Ok(found?.into_iter().map(|d| d.name.data_id).collect()),
        }
    }
}

/// Visits from 1, detectors from 0, a raw each with its numbers as text; half the visits in r.
pub fn sky(dir: &Path, visits: i64, detectors: i64) -> Store {
    let mut r = Registry::create(&location(dir)).unwrap();
    dimensions(&mut r, visits, detectors);
    r.register_collection("u/raw", CollectionKind::Run, "").unwrap();
    std::fs::create_dir_all(dir.join("raw")).unwrap();
    let mut new = Vec::new();
    for v in 1..=visits {
        for d in 0..detectors {
            let path = format!("raw/{v}_{d}.txt");
            if visits * detectors < 1000 {
                let to =
                    std::fs::OpenOptions::new().create(true).append(true).open(dir.join(&path));
                to.unwrap().write_all(format!("{v}.{d}").as_bytes()).unwrap();
            }
            let artifact =
                Artifact { path, formatter: ".txt".into(), size_bytes: 3, checksum: String::new() };
            new.push(NewDataset { data_id: id(v, d), id: None, artifact: Some(artifact) });
        }
    }
    r.insert_datasets("u/raw", "raw", &new).unwrap();
    Store { dir: dir.to_path_buf() }
}

/// Records of visits and detectors, and the type `raw`.
pub fn dimensions(r: &mut Registry, visits: i64, detectors: i64) {
    let rec = DimensionRecord::new;
    let mut all = vec![rec("instrument").with("instrument", "Sim")];
    for (filter, band) in [("Sim-g", "g"), ("Sim-r", "r")] {
        let one = rec("physical_filter").with("instrument", "Sim").with("physical_filter", filter);
        all.push(one.with("band", band));
    }
    all.extend(
        (0..detectors).map(|d| rec("detector").with("instrument", "Sim").with("detector", d)),
    );
    for v in 1..=visits {
        let filter = if v % 2 == 0 { "Sim-r" } else { "Sim-g" };
        let one = rec("visit").with("instrument", "Sim").with("visit", v);
        let one = one.with("physical_filter", filter).with("day_obs", 20_260_101_i64);
        all.push(one.timespan(Timespan { begin_ns: 100 * v, end_ns: 100 * v + 30 }));
    }
    r.insert_records(&all).unwrap();
    let raw =
        DatasetType::new(Universe::standard(), "raw", &["visit", "detector"], "Text").unwrap();
    r.register_dataset_type(&raw).unwrap();
}

pub fn id(visit: i64, detector: i64) -> DataId {
    DataId::new().with("instrument", "Sim").with("visit", visit).with("detector", detector)
}

/// Plain text.
pub struct Text;
impl StorageClass for Text {
    const NAME: &'static str = "Text";
    const EXTENSION: &'static str = ".txt";
    type Value = String;
    fn encode(value: &String) -> Result<Vec<u8>, CodecError> {
        Ok(value.as_bytes().to_vec())
    }
    fn decode(bytes: &[u8]) -> Result<String, CodecError> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CleanConfig {
    /// Put before the text.
    pub prefix: String,
    /// Visits that fail, as `visit.detector`.
    pub fail: Vec<String>,
    pub sleep_ms: u64,
}

inputs! {
    /// What `clean` reads.
    pub struct CleanIn {
        /// A raw image.
        raw: One<Text> = "raw" [visit, detector],
        dark: Maybe<Text> = "dark" [detector] Calibration,
    }
}
outputs! {
    /// What `clean` makes.
    pub struct CleanOut {
        image: One<Text> = "image" [visit, detector],
    }
}

/// Puts a prefix before a text.
pub struct Clean(CleanConfig);
impl Step for Clean {
    const NAME: &'static str = "clean";
    const DOC: &'static str = "Puts a prefix before a text.";
    const DIMENSIONS: &'static [&'static str] = &["visit", "detector"];
    type Config = CleanConfig;
    type Inputs = CleanIn;
    type Outputs = CleanOut;

    fn new(config: CleanConfig) -> Result<Self, String> {
        if config.sleep_ms > 100_000 {
            return Err("`sleep_ms` is at most 100000".into());
        }
        Ok(Self(config))
    }

    fn peak_memory_bytes(&self) -> u64 {
        10 << 20
    }

    fn run(&self, inputs: CleanIn, context: &Context) -> Result<CleanOut, StepError> {
        for _ in 0..self.0.sleep_ms {
            context.check()?;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if self.0.fail.contains(&inputs.raw) {
            context.log("about to fail");
            return Err(StepError::Failed(format!("{} is in the list", *inputs.raw)));
        }
        if *inputs.raw == "panic" {
            panic!("as it was asked to");
        }
        let dark = inputs.dark.0.as_deref().unwrap_or("");
        Ok(CleanOut { image: One(format!("{}{}{dark}", self.0.prefix, *inputs.raw)) })
    }
}

inputs! {
    /// What `sum` reads.
    pub struct SumIn {
        images: Many<Text> = "image" [visit, detector],
    }
}
outputs! {
    /// What `sum` makes.
    pub struct SumOut {
        sum: One<Text> = "visit_sum" [visit],
    }
}

/// Joins the texts of a visit.
pub struct Sum;
impl Step for Sum {
    const NAME: &'static str = "sum";
    const DOC: &'static str = "Joins the texts of a visit.";
    const DIMENSIONS: &'static [&'static str] = &["visit"];
    type Config = NoConfig;
    type Inputs = SumIn;
    type Outputs = SumOut;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn peak_memory_bytes(&self) -> u64 {
        20 << 20
    }

    fn run(&self, inputs: SumIn, _: &Context) -> Result<SumOut, StepError> {
        let all: Vec<&str> = inputs.images.0.iter().map(|(_, text)| text.as_str()).collect();
        Ok(SumOut { sum: One(all.join(" ")) })
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

pub fn tasks() -> Tasks {
    Tasks::new().with::<Clean>().with::<Sum>()
}

pub const TWO_STEPS: &str = "name: two\nsteps:\n  join:\n    task: sum\n  clean:\n    task: clean\n    config:\n      prefix: x\nsubsets:\n  first:\n    steps: [clean]\n";

pub fn pipeline(text: &str) -> Pipeline {
    Pipeline::parse(text, "test.yaml", &tasks(), Universe::standard())
        .unwrap_or_else(|e| panic!("{e}"))
}

pub fn request(condition: &str) -> GraphRequest {
    GraphRequest {
        run: RUN.into(),
        inputs: vec!["u/raw".into()],
        condition: condition.into(),
        skip_existing: false,
    }
}

pub fn graph(store: &Store, text: &str, condition: &str) -> (Pipeline, QuantumGraph) {
    let p = pipeline(text);
    let mut r = store.registry();
    let g = QuantumGraph::build(&p, &mut r, &request(condition)).unwrap_or_else(|e| panic!("{e}"));
    elqui_pipeline::prepare(&g, &mut r).unwrap();
    (p, g)
}

/// Every file below a folder, with its bytes.
pub fn files(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut all = std::collections::BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.to_string_lossy().ends_with(".tmp") {
                all.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    all
}
