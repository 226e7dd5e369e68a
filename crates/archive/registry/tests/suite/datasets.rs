//! Datasets, records and provenance.

use super::*;
use elqui_butler::{Artifact, IdSource, Quantum};
use elqui_registry::{DatasetQuery, Select};

pub fn born_found_and_removed(r: &mut Registry) {
    fill(r);
    let ids = images(r, "u/run1");
    assert_eq!(ids.len(), 80);
    let found = r.find(&image(3, 1), &["u/run1"]).unwrap().unwrap();
    assert_eq!((found.id, found.run.as_str()), (ids[9], "u/run1"));
    assert_eq!(r.dataset(ids[9]).unwrap().unwrap(), found);
    assert_eq!(r.find(&image(99, 1), &["u/run1"]).unwrap(), None);
    // More than the dimensions in a data id is no harm; less is told.
    let mut more = image(3, 1);
    more.data_id.insert("band", "g");
    assert_eq!(r.find(&more, &["u/run1"]).unwrap().unwrap(), found);
    refused(
        r.find(&DatasetRef::new("image").with("visit", 3), &["u/run1"]),
        &["`image`", "instrument"],
    );

    let artifact = Artifact {
        path: "a/b\tc\\.fits".into(),
        formatter: "fits".into(),
        size_bytes: 12,
        checksum: "sha256:00".into(),
    };
    dataset_type(r, "raw", &["exposure", "detector"]);
    let raw = DataId::new().with("instrument", "Sim").with("exposure", 5).with("detector", 0);
    let name = DatasetRef { dataset_type: "raw".into(), data_id: raw.clone() };
    let id = DatasetId::deterministic("u/run1", &name);
    let one = NewDataset { data_id: raw, id: Some(id), artifact: Some(artifact.clone()) };
    assert_eq!(r.insert_datasets("u/run1", "raw", &[one]).unwrap(), [id]);
    assert_eq!(r.artifacts(&[id, ids[0]]).unwrap(), [(id, artifact.clone())]);
    let mut walked = Vec::new();
    r.each_artifact(|id, artifact| {
        walked.push((id, artifact));
        true
    })
    .unwrap();
    assert_eq!(walked, [(id, artifact.clone())]);
    assert_eq!(r.remove_datasets(&[id, ids[9]]).unwrap(), [(id, artifact)]);
    assert_eq!(r.find(&image(3, 1), &["u/run1"]).unwrap(), None);
    assert_eq!(r.dataset(id).unwrap(), None);
    refused(r.remove_datasets(&[ids[0], ids[9]]), &[&ids[9].to_string()]);
    assert!(r.dataset(ids[0]).unwrap().is_some(), "all or none");
    let all = r.datasets(&DatasetQuery::new("image", &["u/run1"], "")).unwrap();
    assert_eq!(all.len(), 79);
    assert_eq!(r.counts(&["u/run1"]).unwrap(), [("image".to_string(), 79)]);
    assert_eq!(r.run_ids("u/run1").unwrap().len(), 79);
    assert_eq!(r.check().unwrap(), Vec::<String>::new());
}

pub fn refusals_name_the_thing(r: &mut Registry) {
    fill(r);
    let ids = images(r, "u/run1");
    let again = |r: &mut Registry, all: &[NewDataset]| r.insert_datasets("u/run1", "image", all);
    refused(
        again(r, &[new(visit_id(7, 2))]),
        &["image{detector=2,instrument=Sim,visit=7}", "u/run1"],
    );
    refused(
        again(r, &[new(visit_id(777, 2))]),
        &["no record of `visit {instrument=Sim,visit=777}`"],
    );
    refused(again(r, &[new(DataId::new().with("visit", 1))]), &["needs `instrument`"]);
    let typo = visit_id(1, 1).with("instrument", "Smi");
    refused(again(r, &[new(typo)]), &["instrument=Smi"]);
    let text = visit_id(1, 1).with("visit", "one");
    refused(again(r, &[new(text)]), &["`one` as visit", "whole number"]);
    refused(r.insert_datasets("u/none", "image", &[]), &["no collection `u/none`", "u/run1"]);
    refused(r.insert_datasets("u/run1", "imgae", &[]), &["no dataset type `imgae`", "image"]);
    r.register_collection("u/tag", CollectionKind::Tagged, "").unwrap();
    refused(r.insert_datasets("u/tag", "image", &[]), &["tagged", "born into runs"]);
    let twice = DatasetType::new(Universe::standard(), "image", &["visit"], "Exposure").unwrap();
    refused(r.register_dataset_type(&twice), &["image", "instrument, visit, detector"]);
    refused(r.register_collection("u/tag", CollectionKind::Run, ""), &["u/tag", "tagged"]);
    refused(r.register_collection("../x", CollectionKind::Run, ""), &["../x"]);
    let all = r.datasets(&DatasetQuery::new("image", &["u/run1"], "")).unwrap();
    assert_eq!(all.len(), ids.len(), "nothing of a refused batch is kept");
    r.register_collection("u/run2", CollectionKind::Run, "").unwrap();
    let batch = [new(visit_id(1, 1)), new(visit_id(2, 1)), new(visit_id(1, 1))];
    refused(r.insert_datasets("u/run2", "image", &batch), &["visit=1", "u/run2"]);
    assert_eq!(r.find(&image(2, 1), &["u/run2"]).unwrap(), None);
}

pub fn records_are_kept_and_compared(r: &mut Registry) {
    fill(r);
    let visit = DataId::new().with("instrument", "Sim").with("visit", 4);
    let found = r.record("visit", &visit).unwrap().unwrap();
    assert_eq!(found.timespan, Some(exposure_span(4)));
    assert_eq!(found.region, Some(SkyRegion::Circle { ra: 14.0, dec: 0.0, radius: 0.3 }));
    assert_eq!(found.data_id.get("day_obs"), Some(&20_260_100_i64.into()));
    let other = found.clone().field("exposure_time_s", 16.0);
    refused(r.insert_records(&[other]), &["visit {instrument=Sim,visit=4}", "exposure_time_s"]);
    let lonely = DimensionRecord::new("detector").with("instrument", "Other").with("detector", 1);
    refused(r.insert_records(&[lonely]), &["instrument {instrument=Other}"]);
    let odd = DimensionRecord::new("visit").with("instrument", "Sim").with("visit", 99);
    refused(r.insert_records(&[odd.clone().field("colour", 1)]), &["no field `colour`"]);
    refused(
        r.insert_records(&[odd.field("exposure_time_s", "long")]),
        &["exposure_time_s", "type"],
    );
    refused(r.insert_records(&[DimensionRecord::new("visti")]), &["visti"]);
    refused(r.insert_records(&[DimensionRecord::new("healpix").with("healpix", 5)]), &["healpix"]);
    let bad = SkyRegion::Circle { ra: 0.0, dec: 99.0, radius: 1.0 };
    let odd = DimensionRecord::new("visit").with("instrument", "Sim").with("visit", 99).region(bad);
    refused(r.insert_records(&[odd]), &["99"]);
    // Texts of people, whole.
    let text = "d'Arc\\ \"x\"\t\n é";
    let one =
        DimensionRecord::new("instrument").with("instrument", text).field("description", text);
    r.insert_records(std::slice::from_ref(&one)).unwrap();
    assert_eq!(r.record("instrument", &one.data_id).unwrap().unwrap(), one);
    assert_eq!(r.records("detector", &Select::condition("detector > 1")).unwrap().len(), 2);
}

pub fn provenance_is_there_with_the_dataset(r: &mut Registry) {
    fill(r);
    let inputs = images(r, "u/run1");
    dataset_type(r, "sources", &["visit", "detector"]);
    r.register_collection("u/run2", CollectionKind::Run, "").unwrap();
    let mut quantum = Quantum {
        id: IdSource::default().next_id(),
        run: "u/run2".into(),
        step: "measure".into(),
        data_id: visit_id(1, 0),
        config: "sigma: 5".into(),
        software: "elqui 0.1.0".into(),
        host: "h1".into(),
        started_ns: 5,
        wall_s: 1.5,
        cpu_s: 2.0,
        peak_memory_bytes: Some(1 << 40),
        inputs: vec![inputs[0]],
        outputs: Vec::new(),
    };
    let out = [("sources", vec![new(visit_id(1, 0))])];
    quantum.outputs = r.insert_quantum(&quantum, &out).unwrap();
    assert_eq!(r.quantum_of(quantum.outputs[0]).unwrap().unwrap(), quantum);
    assert_eq!(r.used_by(inputs[0]).unwrap(), quantum.outputs);
    assert_eq!(r.quantum_of(inputs[0]).unwrap(), None);
    // Sent again, as after a crash, it is known and changes nothing.
    assert_eq!(r.insert_quantum(&quantum, &out).unwrap(), quantum.outputs);
    // One in a process of many.
    let shared = Quantum {
        id: IdSource::default().next_id(),
        peak_memory_bytes: None,
        outputs: Vec::new(),
        ..quantum.clone()
    };
    let made = r.insert_quantum(&shared, &[("sources", vec![new(visit_id(1, 1))])]).unwrap();
    assert_eq!(r.quantum_of(made[0]).unwrap().unwrap().peak_memory_bytes, None);
    // A quantum whose outputs are refused leaves nothing.
    quantum.id = IdSource::default().next_id();
    refused(
        r.insert_quantum(&quantum, &out),
        &["sources{detector=0,instrument=Sim,visit=1}", "u/run2"],
    );
    assert_eq!(r.used_by(inputs[0]).unwrap().len(), 2);
}
