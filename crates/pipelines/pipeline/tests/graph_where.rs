//! A step's own expression, steps of visits behind steps of exposures, and inputs without dimensions.

mod common;

use common::*;
use elqui_butler::{CollectionKind, DataId, DatasetType, DimensionRecord, Universe};
use elqui_pipeline::{Node, Pipeline, QuantumGraph, Tasks};
use elqui_registry::{NewDataset, Registry};
use std::path::Path;

const TWO: &str = "name: two
steps:
  bias:
    where: exposure.observation_type = 'bias'
    command:
      argv: [cat, '{input.raws}', '{output.bias}']
      dimensions: [detector]
      inputs: [{name: raws, type: frame, dimensions: [exposure, detector], storage_class: Text, number: many}]
      outputs: [{name: bias, type: bias, dimensions: [detector], storage_class: Text}]
  flat:
    where: exposure.observation_type = 'flat'
    command:
      argv: [cat, '{input.raws}', '{output.flat}']
      dimensions: [detector, physical_filter]
      inputs: [{name: raws, type: frame, dimensions: [exposure, detector], storage_class: Text, number: many}]
      outputs: [{name: flat, type: flat, dimensions: [detector, physical_filter], storage_class: Text}]
  isr:
    where: exposure.observation_type = 'science' OR exposure.observation_type IS NULL
    command:
      argv: [cp, '{input.raw}', '{output.image}']
      dimensions: [exposure, detector]
      inputs:
        - {name: raw, type: frame, dimensions: [exposure, detector], storage_class: Text}
        - {name: stars, type: stars, dimensions: [], storage_class: Text, role: prerequisite}
      outputs: [{name: image, type: image, dimensions: [exposure, detector], storage_class: Text}]
  calibrate:
    command:
      argv: [cat, '{input.images}', '{output.visit}']
      dimensions: [visit, detector]
      inputs: [{name: images, type: image, dimensions: [exposure, detector], storage_class: Text, number: many}]
      outputs: [{name: visit, type: visit_image, dimensions: [visit, detector], storage_class: Text}]
";

/// Exposures 1, 2: bias; 3, 4: flats in r and i; 5 to 7: of the sky, one without a kind. Two detectors.
fn observed(dir: &Path) -> Registry {
    let mut r = Registry::create(&location(dir)).unwrap();
    let sim = |e: &str| DimensionRecord::new(e).with("instrument", "Sim");
    let mut all = vec![sim("instrument")];
    for band in ["r", "i"] {
        let filter = format!("Sim-{band}");
        all.push(
            sim("physical_filter").with("physical_filter", filter.as_str()).with("band", band),
        );
    }
    all.extend((0..2_i64).map(|d| sim("detector").with("detector", d)));
    let kinds = ["bias", "bias", "flat", "flat", "science", "", "science"];
    for (e, kind) in (1_i64..).zip(kinds) {
        let filter = if e == 4 { "Sim-i" } else { "Sim-r" };
        let mut one = sim("exposure").with("exposure", e).with("physical_filter", filter);
        if !kind.is_empty() {
            one = one.field("observation_type", kind);
        }
        all.push(one);
        if e >= 5 {
            all.push(sim("visit").with("visit", e).with("physical_filter", filter));
            all.push(sim("visit_definition").with("exposure", e).with("visit", e));
        }
    }
    r.insert_records(&all).unwrap();
    let of = |name, dims: &[&str]| DatasetType::new(Universe::standard(), name, dims, "Text");
    r.register_dataset_type(&of("frame", &["exposure", "detector"]).unwrap()).unwrap();
    r.register_dataset_type(&of("stars", &[]).unwrap()).unwrap();
    r.register_collection("u/frames", CollectionKind::Run, "").unwrap();
    let id = |e: i64, d: i64| {
        DataId::new().with("instrument", "Sim").with("exposure", e).with("detector", d)
    };
    let new: Vec<_> = (1..=7)
        .flat_map(|e| (0..2).map(move |d| (e, d)))
        .map(|(e, d)| NewDataset { data_id: id(e, d), ..NewDataset::default() })
        .collect();
    r.insert_datasets("u/frames", "frame", &new).unwrap();
    r.insert_datasets("u/frames", "stars", &[NewDataset::default()]).unwrap();
    r
}

#[test]
fn each_step_has_the_data_that_its_expression_chooses() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = observed(dir.path());
    let mut wanted = request("detector = 1 AND exposure != 7");
    wanted.inputs = vec!["u/frames".into()];
    let p = pipeline(TWO);
    let g = QuantumGraph::build(&p, &mut r, &wanted).unwrap_or_else(|e| panic!("{e}"));
    let rows = |label: &str| {
        let task = g.header.tasks.iter().position(|t| t.label == label).unwrap();
        let row = |row| {
            let node = Node { task, row };
            let id = g.data_id(node).only(&["exposure", "visit", "detector", "physical_filter"]);
            let inputs = g.datasets(node).0.iter().map(|d| d.name.to_string()).collect::<Vec<_>>();
            (id.to_string(), inputs.len())
        };
        let mut all = (0..g.count(task) as u32).map(row).collect::<Vec<_>>();
        all.sort();
        all
    };
    let some = |text: &str, n: usize| (text.to_string(), n);
    assert_eq!(rows("bias"), [some("{detector=1}", 2)]);
    assert_eq!(
        rows("flat"),
        [
            some("{detector=1,physical_filter=Sim-i}", 1),
            some("{detector=1,physical_filter=Sim-r}", 1)
        ]
    );
    let isr: Vec<usize> = rows("isr").into_iter().map(|r| r.1).collect();
    assert_eq!(isr, [2, 2], "a frame and the stars");
    let visit = |v: i64| some(&format!("{{detector=1,physical_filter=Sim-r,visit={v}}}"), 1);
    assert_eq!(rows("calibrate"), [visit(5), visit(6)]);
    let file = dir.path().join("g");
    g.save(&file).unwrap();
    assert_eq!(QuantumGraph::load(&file).unwrap().header, g.header);
}

#[test]
fn a_wrong_expression_names_its_step() {
    let text = TWO.replace("exposure.observation_type = 'bias'", "exposure.observation_type =");
    let error =
        Pipeline::parse(&text, "two.yaml", &Tasks::new(), Universe::standard()).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("two.yaml:3: step `bias`: its `where`: "), "{error}");
}
