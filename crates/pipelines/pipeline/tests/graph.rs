//! Laws of graphs: what is in them, that they are the same again, pruning, extension, files.

mod common;

use common::*;
use elqui_butler::{CollectionKind, DatasetType, Timespan, Universe};
use elqui_pipeline::{Node, PipelineError, QuantumGraph, RunOptions, run_graph};
use elqui_registry::NewDataset;

fn refused<T: std::fmt::Debug>(result: Result<T, PipelineError>, parts: &[&str]) {
    let text = result.unwrap_err().to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn quanta_and_edges() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 6, 3);
    let (_, g) = graph(&store, TWO_STEPS, "visit > 2 AND band = 'r'");
    assert_eq!((g.len(), g.count(0), g.count(1)), (8, 6, 2));
    let sum = g.node(6).unwrap();
    assert_eq!((sum.task, g.number(sum)), (1, 6));
    let (inputs, outputs) = g.datasets(sum);
    let names: Vec<String> =
        inputs.iter().map(|d| d.name.data_id.only(&["visit", "detector"]).to_string()).collect();
    assert_eq!(names, ["{detector=0,visit=4}", "{detector=1,visit=4}", "{detector=2,visit=4}"]);
    assert_eq!(outputs[0].to_string().split(' ').next(), Some("visit_sum{instrument=Sim,visit=4}"));
    assert_eq!(
        g.data_id(sum).to_string(),
        "{band=r,day_obs=20260101,instrument=Sim,physical_filter=Sim-r,visit=4}"
    );
    assert_eq!(g.node(8), None);
    // Only one detector is selected: the sum has it alone.
    let (_, g) = graph(&store, TWO_STEPS, "visit = 4 AND detector = 1");
    assert_eq!((g.len(), g.datasets(Node { task: 1, row: 0 }).0.len()), (2, 1));
    let (_, g) = graph(&store, TWO_STEPS, "visit > 100");
    assert!(g.is_empty());
    let p = pipeline(TWO_STEPS);
    let build = |c: &str| QuantumGraph::build(&p, &mut store.registry(), &request(c));
    refused(build("vist = 1"), &["column 1", "`vist`"]);
    let mut other = request("");
    other.run = "a b".into();
    refused(QuantumGraph::build(&p, &mut store.registry(), &other), &["`a b`", "collection"]);
    other.run = "u/x".into();
    other.inputs = vec!["u/nothing".into()];
    refused(QuantumGraph::build(&p, &mut store.registry(), &other), &["u/nothing"]);
}

#[test]
fn the_same_whoever_builds_it_and_after_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 5, 4);
    let (_, first) = graph(&store, TWO_STEPS, "");
    let texts: Vec<String> = std::thread::scope(|s| {
        let all: Vec<_> =
            (0..4).map(|_| s.spawn(|| graph(&store, TWO_STEPS, "").1.to_text(true))).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(texts.iter().all(|t| *t == first.to_text(true)));
    let (a, b) = (dir.path().join("a.graph"), dir.path().join("b.graph"));
    first.save(&a).unwrap();
    let again = QuantumGraph::load(&a).unwrap();
    assert_eq!(again.to_text(true), first.to_text(true));
    assert_eq!(again.header, first.header);
    again.save(&b).unwrap();
    let bytes = std::fs::read(&a).unwrap();
    assert_eq!(bytes, std::fs::read(&b).unwrap());
    assert!(
        first.to_dot(true).contains("-> q0;") && first.to_dot(false).contains("t0 -> \"image\"")
    );
    assert!(
        first.to_html().contains("<code>")
            || first.to_html().contains("24 quanta")
            || first.to_html().contains("25 quanta")
    );
    // Damaged, cut, foreign.
    let damaged = dir.path().join("damaged.graph");
    for k in (0..bytes.len()).step_by(7) {
        let mut wrong = bytes.clone();
        wrong[k] ^= 0x55;
        elqui_codec::atomic_write_bytes(&damaged, &wrong).unwrap();
        // The bytes of gzip's own header (time, system) mean nothing.
        if QuantumGraph::load(&damaged).is_ok() {
            assert!(k < 10, "byte {k}");
        }
        elqui_codec::atomic_write_bytes(&damaged, &bytes[..k]).unwrap();
        refused(QuantumGraph::load(&damaged), &["damaged.graph", "elqui pipeline plan"]);
    }
    refused(QuantumGraph::load(&dir.path().join("none")), &["cannot read", "none"]);
}

#[test]
fn what_exists_is_skipped_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 4, 2);
    let (p, g) = graph(&store, TWO_STEPS, "visit < 3");
    let report = run_graph(&g, &p, &store, &RunOptions::default(), &(), None).unwrap();
    assert!(report.is_complete());
    let p = pipeline(TWO_STEPS);
    refused(
        QuantumGraph::build(&p, &mut store.registry(), &request("")),
        &["outputs of 4 quanta of `clean`", RUN, "--skip-existing"],
    );
    let mut skip = request("");
    skip.skip_existing = true;
    let g = QuantumGraph::build(&p, &mut store.registry(), &skip).unwrap();
    assert_eq!((g.count(0), g.count(1)), (4, 2));
    // A step that is new reads what exists.
    let only = p.only(&["join"]).unwrap();
    let mut other = request("visit = 1");
    other.run = "u/other".into();
    other.inputs = vec![RUN.into()];
    let g = QuantumGraph::build(&only, &mut store.registry(), &other).unwrap();
    assert_eq!((g.len(), g.datasets(Node { task: 0, row: 0 }).0.len()), (1, 2));
    assert!(p.only(&["nobody"]).unwrap_err().to_string().contains("first"));
}

#[test]
fn a_graph_grows() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 6, 3);
    let (p, mut g) = graph(&store, TWO_STEPS, "visit < 3 AND detector < 2");
    assert_eq!(g.len(), 4 + 2);
    let mut r = store.registry();
    assert_eq!(g.extend(&p, &mut r, &request("visit IN (2, 3)")).unwrap(), 4 + 1);
    assert_eq!(g.extend(&p, &mut r, &request("visit IN (2, 3)")).unwrap(), 0);
    let reads = |g: &QuantumGraph, row| g.datasets(Node { task: 1, row }).0.len();
    assert_eq!((reads(&g, 0), reads(&g, 1), reads(&g, 2)), (2, 3, 3));
    // All of it in two parts is all of it at once, but for the order.
    g.extend(&p, &mut r, &request("")).unwrap();
    let lines = |g: &QuantumGraph| {
        let text = g.to_text(true);
        let rows = text
            .lines()
            .filter_map(|l| l.split_once(' ').filter(|(n, _)| n.parse::<u32>().is_ok()));
        let mut rows: Vec<String> = rows.map(|(_, l)| l.to_string()).collect();
        rows.sort();
        rows
    };
    assert_eq!(lines(&g).len(), 24);
    let whole = graph(&store, TWO_STEPS, "").1;
    assert_eq!(lines(&whole).len(), 24);
    let other = pipeline(&TWO_STEPS.replace("prefix: x", "prefix: y"));
    refused(g.extend(&other, &mut r, &request("")), &["configuration", "new graph"]);
}

#[test]
fn calibrations_by_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 4, 2);
    let mut r = store.registry();
    let dark = DatasetType::new(Universe::standard(), "dark", &["detector"], "Text").unwrap();
    r.register_dataset_type(&dark.calibration()).unwrap();
    r.register_collection("u/calib", CollectionKind::Calibration, "").unwrap();
    let detector = id(0, 1).only(&["instrument", "detector"]);
    let mut darks = Vec::new();
    for (run, begin, end) in [("u/d1", 0, 200), ("u/d2", 200, 350)] {
        r.register_collection(run, CollectionKind::Run, "").unwrap();
        let new = NewDataset { data_id: detector.clone(), ..NewDataset::default() };
        let ids = r.insert_datasets(run, "dark", &[new]).unwrap();
        r.certify("u/calib", &ids, Timespan { begin_ns: begin, end_ns: end }).unwrap();
        darks.push(ids[0]);
    }
    let mut with = request("");
    with.inputs.push("u/calib".into());
    let g = QuantumGraph::build(&pipeline(TWO_STEPS), &mut r, &with).unwrap();
    let dark_of = |row| g.datasets(Node { task: 0, row }).0.get(1).map(|d| d.id);
    // Visits begin at 100, 200, 300, 400 ns; detector 0 has none.
    let found: Vec<_> = (0..8).map(dark_of).collect();
    let (a, b) = (Some(darks[0]), Some(darks[1]));
    assert_eq!(found, [None, a, None, b, None, b, None, None]);
    let file = dir.path().join("g");
    g.save(&file).unwrap();
    assert_eq!(QuantumGraph::load(&file).unwrap().to_text(true), g.to_text(true));
}
