//! A repository with one camera of four detectors, twenty visits, and three dataset types.

#![allow(dead_code)] // Each test file uses the parts that it needs.

use elqui_butler::{DataId, DatasetRef, DatasetType, DimensionRecord, Universe};
use elqui_pipeline::{Repository, RepositoryConfig};
use std::path::Path;

pub const VISITS: i64 = 20;

pub fn fresh(root: &Path) -> Repository {
    let mut r = Repository::create(root, &RepositoryConfig::default()).unwrap();
    fill(&mut r);
    r
}

pub fn fill(r: &mut Repository) {
    let rec = DimensionRecord::new;
    let mut all = vec![rec("instrument").with("instrument", "Sim")];
    all.extend((0..4).map(|d| rec("detector").with("instrument", "Sim").with("detector", d)));
    all.extend((0..=VISITS).flat_map(records));
    for v in 0..=VISITS {
        let one = rec("visit").with("instrument", "Sim").with("visit", v);
        all.push(one.with("physical_filter", "r1").with("day_obs", 20_260_101));
        let one = rec("visit_definition").with("instrument", "Sim").with("exposure", v);
        all.push(one.with("visit", v));
    }
    let registry = r.registry();
    registry.insert_records(&all).unwrap();
    for (name, dimensions) in
        [("raw", &["exposure", "detector"][..]), ("image", &["visit", "detector"])]
    {
        let of = DatasetType::new(Universe::standard(), name, dimensions, "Exposure").unwrap();
        registry.register_dataset_type(&of).unwrap();
    }
    let bias = DatasetType::new(Universe::standard(), "bias", &["detector"], "Exposure").unwrap();
    registry.register_dataset_type(&bias.calibration()).unwrap();
}

/// Of one exposure.
pub fn records(exposure: i64) -> Vec<DimensionRecord> {
    let rec = DimensionRecord::new;
    let filter = rec("physical_filter").with("instrument", "Sim").with("physical_filter", "r1");
    let one = rec("exposure").with("instrument", "Sim").with("exposure", exposure);
    vec![filter.with("band", "r"), one.with("physical_filter", "r1").with("day_obs", 20_260_101)]
}

pub fn data_id(element: &str, number: i64, detector: i64) -> DataId {
    DataId::new().with("instrument", "Sim").with(element, number).with("detector", detector)
}

pub fn image(visit: i64, detector: i64) -> DatasetRef {
    DatasetRef { dataset_type: "image".into(), data_id: data_id("visit", visit, detector) }
}
