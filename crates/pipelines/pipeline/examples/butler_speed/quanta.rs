//! Graphs of two steps on COUNT / 2 data ids, and their runs.

use crate::{Anything, sky, steps, timed};
use elqui_butler::{Artifact, CollectionKind, DataId, Dataset, DatasetType};
use elqui_pipeline::{
    Datasets, Finished, GraphRequest, InRepository, Launcher, QuantumGraph, Repository, RunOptions,
    RunReport, Session, Status, StepError, prepare, run_graph, run_quantum,
};
use elqui_registry::{Location, NewDataset, Registry};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository with COUNT / 2 raws that have no files, or small ones.
fn filled(dir: &Path, count: usize, files: bool) -> Anything<Repository> {
    let exposures = (count as i64).div_euclid(2 * sky::DETECTORS);
    let mut r = sky::made(dir, Some(exposures), &[])?;
    r.registry().register_collection(sky::RUN, CollectionKind::Run, "")?;
    let of = r.dataset_type("raw")?;
    for first in (0..exposures).step_by(1000) {
        let mut new = Vec::new();
        for e in first..exposures.min(first + 1000) {
            for d in 0..sky::DETECTORS {
                let data_id = sky::data_id(e, d);
                let mut one = NewDataset { data_id, ..NewDataset::default() };
                if files {
                    let name = elqui_butler::DatasetRef {
                        dataset_type: "raw".into(),
                        data_id: one.data_id.clone(),
                    };
                    let (_, dataset) = r.new_dataset(&name, sky::RUN)?;
                    one.id = Some(dataset.id);
                    one.artifact = Some(r.artifacts().write(&of, &dataset, "", b"")?);
                }
                new.push(one);
            }
        }
        r.registry().insert_datasets(sky::RUN, "raw", &new)?;
    }
    Ok(r)
}

fn request() -> GraphRequest {
    GraphRequest {
        run: "u/run".into(),
        inputs: vec![sky::RUN.into()],
        condition: "instrument = 'Sim'".into(),
        skip_existing: false,
    }
}

fn built(r: &mut Repository, count: usize, isolated: bool) -> Anything<QuantumGraph> {
    let request = request();
    let pipeline = steps::pipeline(isolated)?;
    let graph =
        timed("graph", count, 1, || QuantumGraph::build(&pipeline, r.registry(), &request))?;
    assert_eq!(graph.len(), count);
    Ok(graph)
}

pub fn graph(dir: &Path, count: usize) -> Anything<()> {
    let mut r = filled(dir, count, false)?;
    let graph = built(&mut r, count, false)?;
    let file = dir.join("graph.elqg");
    timed("graph saved", count, 1, || graph.save(&file))?;
    drop(graph);
    let loaded = timed("graph loaded", count, 1, || QuantumGraph::load(&file))?;
    assert_eq!(loaded.len(), count);
    Ok(())
}

/// A graph in which the second step's data ids are visits, each with an exposure of its own.
pub fn visits(dir: &Path, count: usize) -> Anything<()> {
    let mut r = filled(dir, count, false)?;
    let exposures = (count as i64).div_euclid(2 * sky::DETECTORS);
    let records: Vec<_> = (0..exposures).flat_map(sky::visit).collect();
    r.registry().insert_records(&records)?;
    let (pipeline, request) = (steps::of_visits()?, request());
    let graph = timed("graph of exposures and visits", count, 1, || {
        QuantumGraph::build(&pipeline, r.registry(), &request)
    })?;
    assert_eq!(graph.len(), count);
    Ok(())
}

/// A registry on disk, and a store that keeps nothing.
struct Rows(PathBuf);

impl Datasets for Rows {
    fn session(&self) -> Result<Box<dyn Session>, StepError> {
        let at = Location::Sqlite(self.0.join("registry.sqlite3"));
        Ok(Box::new(RowsSession(Registry::open(&at)?)))
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

    fn existing(&mut self, _: &DatasetType, _: &str) -> Result<Vec<DataId>, StepError> {
        Ok(Vec::new())
    }
}

fn done(report: &RunReport, count: usize) {
    assert_eq!(report.count(Status::Done), count, "{report:?}");
}

pub fn run(dir: &Path, count: usize) -> Anything<()> {
    let mut r = filled(dir, count, false)?;
    let graph = built(&mut r, count, false)?;
    prepare(&graph, r.registry())?;
    let (pipeline, rows) = (steps::pipeline(false)?, Rows(dir.to_path_buf()));
    let report = timed("run, no files", count, 1, || {
        run_graph(&graph, &pipeline, &rows, &RunOptions::default(), &(), None)
    })?;
    done(&report, count);
    Ok(())
}

/// This program again.
struct Again {
    program: PathBuf,
    dir: PathBuf,
}

impl Launcher for Again {
    fn command(&self, number: u32, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("quantum").arg(&self.dir).arg(number.to_string()).arg(folder);
        command
    }
}

#[allow(clippy::disallowed_methods)] // An example is a program: it knows its own file.
pub fn run_files(dir: &Path, count: usize, isolated: bool) -> Anything<()> {
    let mut r = filled(dir, count, true)?;
    let graph = built(&mut r, count, isolated)?;
    graph.save(&dir.join("graph.elqg"))?;
    prepare(&graph, r.registry())?;
    let (pipeline, datasets) = (steps::pipeline(isolated)?, InRepository::new(dir));
    let again = Again { program: std::env::current_exe()?, dir: dir.to_path_buf() };
    let launcher: Option<&dyn Launcher> = if isolated { Some(&again) } else { None };
    let name = if isolated { "run in processes" } else { "run" };
    let report = timed(name, count, 1, || {
        run_graph(&graph, &pipeline, &datasets, &RunOptions::default(), &(), launcher)
    })?;
    done(&report, count);
    Ok(())
}

/// The child's part of an isolated quantum.
pub fn one(dir: &Path, number: u32, folder: &Path) -> Anything<()> {
    let graph = QuantumGraph::load(&dir.join("graph.elqg"))?;
    let (pipeline, datasets) = (steps::pipeline(true)?, InRepository::new(dir));
    run_quantum(&graph, &pipeline, &datasets, &RunOptions::default(), number, folder, || 0)?;
    Ok(())
}
