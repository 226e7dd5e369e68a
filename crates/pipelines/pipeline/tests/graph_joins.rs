//! Sources that only the registry can tell: exposures of a visit, images that lie over a patch.

mod common;

use common::*;
use elqui_butler::{CollectionKind, DataId, DatasetType, DimensionRecord, Universe};
use elqui_pipeline::{Node, QuantumGraph};
use elqui_registry::NewDataset;
use elqui_sphere::SkyRegion;

const JOINS: &str = "name: j
steps:
  visits:
    command:
      argv: [cat, '{input.raws}', '{output.image}']
      dimensions: [visit, detector]
      inputs: [{name: raws, type: frame, dimensions: [exposure, detector], storage_class: Text, number: many}]
      outputs: [{name: image, type: image, dimensions: [visit, detector], storage_class: Text}]
  coadd:
    command:
      argv: [cat, '{input.images}', '{output.coadd}']
      dimensions: [patch, band]
      inputs: [{name: images, type: image, dimensions: [visit, detector], storage_class: Text, number: many}]
      outputs: [{name: coadd, type: coadd, dimensions: [patch, band], storage_class: Text}]
  whole:
    command:
      argv: [cat, '{input.coadds}', '{output.map}']
      dimensions: [tract]
      inputs: [{name: coadds, type: coadd, dimensions: [patch, band], storage_class: Text, number: many}]
      outputs: [{name: map, type: map, dimensions: [tract], storage_class: Text}]
";

#[test]
fn relations_and_the_sky() {
    let dir = tempfile::tempdir().unwrap();
    let store = sky(dir.path(), 4, 2);
    let mut r = store.registry();
    let sim = |e: &str| DimensionRecord::new(e).with("instrument", "Sim");
    let filter = |v: i64| if v % 2 == 0 { "Sim-r" } else { "Sim-g" };
    let mut all = Vec::new();
    // Two exposures a visit; visit v looks at 10 + v degrees, its detectors 0.2 degrees apart.
    for v in 1..=4_i64 {
        for e in [10 * v, 10 * v + 1] {
            let one = sim("exposure").with("exposure", e).with("physical_filter", filter(v));
            let one = one.with("day_obs", 20_260_101_i64);
            let circle = SkyRegion::Circle { ra: 10.1 + v as f64, dec: 0.0, radius: 0.4 };
            all.push(one.region(circle));
            all.push(sim("visit_definition").with("exposure", e).with("visit", v));
        }
        for d in 0..2_i64 {
            let ra = 10.0 + v as f64 + 0.2 * d as f64;
            let region = SkyRegion::Box { ra, dec: 0.0, width: 0.18, height: 0.2 };
            let one = sim("visit_detector_region").with("visit", v).with("detector", d);
            all.push(one.region(region));
        }
    }
    let rings = |e: &str| DimensionRecord::new(e).with("skymap", "rings");
    let square = |ra, width| SkyRegion::Box { ra, dec: 0.0, width, height: 2.0 };
    all.push(rings("skymap"));
    all.push(rings("tract").with("tract", 1).region(square(13.0, 3.0)));
    // Over visit 2's first detector; over both of visit 4 and none else; over nothing.
    for (patch, ra, width) in [(0, 12.0, 0.05), (1, 14.1, 0.6), (2, 13.6, 0.1)] {
        let one = rings("patch").with("tract", 1).with("patch", patch);
        all.push(one.region(square(ra, width)));
    }
    r.insert_records(&all).unwrap();
    let of = DatasetType::new(Universe::standard(), "frame", &["exposure", "detector"], "Text");
    r.register_dataset_type(&of.unwrap()).unwrap();
    r.register_collection("u/frames", CollectionKind::Run, "").unwrap();
    let frame = |e: i64, d: i64| NewDataset {
        data_id: DataId::new().with("instrument", "Sim").with("exposure", e).with("detector", d),
        ..NewDataset::default()
    };
    // Visit 3 has lost one exposure, visit 4's second detector both.
    let new: Vec<_> = [(10, 0), (11, 0), (20, 0), (21, 0), (20, 1), (30, 0), (40, 0), (41, 0)]
        .map(|(e, d)| frame(e, d))
        .into();
    r.insert_datasets("u/frames", "frame", &new).unwrap();
    let mut wanted = request("skymap = 'rings' AND tract = 1 AND instrument = 'Sim'");
    wanted.inputs = vec!["u/frames".into()];
    let p = pipeline(JOINS);
    let g = QuantumGraph::build(&p, &mut r, &wanted).unwrap_or_else(|e| panic!("{e}"));
    let row = |task, row| {
        let node = Node { task, row };
        let short = g.data_id(node).only(&["visit", "detector", "patch", "band", "tract"]);
        (short.to_string(), g.datasets(node).0.len())
    };
    let rows = |task| (0..g.count(task) as u32).map(|k| row(task, k)).collect::<Vec<_>>();
    // Only what lies in the tract: visits 2, 3 and 4.
    let image = |v: i64, d: i64, n: usize| {
        (format!("{{band={},detector={d},visit={v}}}", if v % 2 == 0 { "r" } else { "g" }), n)
    };
    assert_eq!(rows(0), [image(2, 0, 2), image(2, 1, 1), image(3, 0, 1), image(4, 0, 2)]);
    let coadd = |p: i64, n: usize| (format!("{{band=r,patch={p},tract=1}}"), n);
    assert_eq!(rows(1), [coadd(0, 1), coadd(1, 1)]);
    assert_eq!(rows(2), [("{tract=1}".to_string(), 2)]);
    let file = dir.path().join("g");
    g.save(&file).unwrap();
    assert_eq!(QuantumGraph::load(&file).unwrap().to_text(true), g.to_text(true));
}
