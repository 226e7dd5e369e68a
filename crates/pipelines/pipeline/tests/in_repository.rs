//! The executor on a real repository: run, resume, provenance, verification.

mod common;

use common::*;
use elqui_butler::DatasetRef;
use elqui_pipeline::{
    InRepository, QuantumGraph, Repository, RepositoryConfig, RunOptions, Status, prepare,
    run_graph,
};

#[test]
fn a_pipeline_in_a_repository() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("repo");
    let mut r = Repository::create(&root, &RepositoryConfig::default()).unwrap();
    dimensions(r.registry(), 2, 3);
    for v in 1..=2 {
        for d in 0..3 {
            let raw = DatasetRef { dataset_type: "raw".into(), data_id: id(v, d) };
            r.put(&raw, "u/raw", ".txt", format!("{v}.{d}").as_bytes()).unwrap();
        }
    }
    let p = pipeline(TWO_STEPS);
    let g = QuantumGraph::build(&p, r.registry(), &request("band = 'r'")).unwrap();
    prepare(&g, r.registry()).unwrap();
    let datasets = InRepository::new(&root);
    let options = RunOptions { threads: 2, ..RunOptions::default() };
    let report = run_graph(&g, &p, &datasets, &options, &(), None).unwrap();
    assert_eq!((report.count(Status::Done), report.is_complete()), (4, true), "{report:?}");
    let name = DatasetRef { dataset_type: "visit_sum".into(), data_id: id(2, 0) };
    let sum = r.find(&name, &[RUN]).unwrap();
    assert_eq!(r.get(sum.id).unwrap(), b"x2.0 x2.1 x2.2");
    let report = run_graph(&g, &p, &datasets, &options, &(), None).unwrap();
    assert_eq!(report.count(Status::Existed), 4);
    // What was removed is made again, under the same id.
    r.remove(&[sum.id]).unwrap();
    let report = run_graph(&g, &p, &datasets, &options, &(), None).unwrap();
    assert_eq!((report.count(Status::Existed), report.count(Status::Done)), (3, 1));
    assert_eq!(r.find(&name, &[RUN]).unwrap().id, sum.id);
    assert_eq!(r.get(sum.id).unwrap(), b"x2.0 x2.1 x2.2");
}
