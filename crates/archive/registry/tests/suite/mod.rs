//! The contract that a registry keeps on every engine.

#![allow(dead_code)] // Each engine's file uses the parts that it needs.

mod calibs;
pub mod collections;
mod datasets;
mod joins;
mod paging;
mod queries;

use elqui_base::MjdTai;
use elqui_butler::{
    CollectionKind, DataId, DatasetId, DatasetRef, DatasetType, DimensionRecord, Timespan, Universe,
};
use elqui_registry::{NewDataset, Registry, RegistryError};
use elqui_sphere::SkyRegion;

/// Run every part, each on an empty registry of its own.
pub fn contract(fresh: &mut dyn FnMut(&str) -> Registry) {
    type Part = fn(&mut Registry);
    let parts: [(&str, Part); 12] = [
        ("datasets", datasets::born_found_and_removed),
        ("refusals", datasets::refusals_name_the_thing),
        ("records", datasets::records_are_kept_and_compared),
        ("provenance", datasets::provenance_is_there_with_the_dataset),
        ("collections", collections::chains_tags_and_removal),
        ("chains", collections::runs_come_first_in_chains),
        ("calibs", calibs::validities_never_overlap),
        ("queries", queries::the_language),
        ("sky", queries::the_sky_joins),
        ("paging", paging::pages_fit_together),
        ("joins", joins::relations_and_roots),
        ("cells", joins::healpix_cells_of_any_order),
    ];
    for (name, part) in parts {
        part(&mut fresh(name));
    }
}

pub const VISITS: i64 = 20;
pub const DETECTORS: i64 = 4;

pub fn exposure_span(visit: i64) -> Timespan {
    let begin = MjdTai(61_000.0 + visit as f64 / 100.0);
    Timespan::new(begin, begin.plus_seconds(30.0)).unwrap()
}

/// One camera with 4 detectors, 20 visits in two bands one degree apart, each an exposure too.
pub fn fill(r: &mut Registry) {
    let rec = DimensionRecord::new;
    let mut all =
        vec![rec("instrument").with("instrument", "Sim").field("detector_count", DETECTORS)];
    for (filter, band) in [("Sim-g", "g"), ("Sim-r", "r")] {
        let one = rec("physical_filter").with("instrument", "Sim").with("physical_filter", filter);
        all.push(one.with("band", band));
    }
    for d in 0..DETECTORS {
        let one = rec("detector").with("instrument", "Sim").with("detector", d);
        all.push(one.field("full_name", format!("D{d:02}")).field("purpose", "SCIENCE"));
    }
    for v in 1..=VISITS {
        let filter = if v % 2 == 0 { "Sim-r" } else { "Sim-g" };
        let center = 10.0 + v as f64;
        for (element, seconds) in [("exposure", 15.0), ("visit", if v > 10 { 30.0 } else { 15.0 })]
        {
            let one = rec(element).with("instrument", "Sim").with(element, v);
            let one = one.with("physical_filter", filter).with("day_obs", 20_260_100 + v / 10);
            let one = one.field("exposure_time_s", seconds).timespan(exposure_span(v));
            all.push(one.region(SkyRegion::Circle { ra: center, dec: 0.0, radius: 0.3 }));
        }
        let one = rec("visit_definition").with("instrument", "Sim").with("exposure", v);
        all.push(one.with("visit", v));
        for d in 0..DETECTORS {
            let one = rec("visit_detector_region").with("instrument", "Sim").with("visit", v);
            let ra = center - 0.3 + 0.2 * d as f64;
            let region = SkyRegion::Box { ra, dec: 0.0, width: 0.18, height: 0.2 };
            all.push(one.with("detector", d).region(region));
        }
    }
    assert!(r.insert_records(&all).unwrap() > 100);
    assert_eq!(r.insert_records(&all).unwrap(), 0, "the same again changes nothing");
}

pub fn dataset_type(r: &mut Registry, name: &str, dimensions: &[&str]) {
    let of = DatasetType::new(Universe::standard(), name, dimensions, "Exposure").unwrap();
    r.register_dataset_type(&of).unwrap();
}

pub fn visit_id(visit: i64, detector: i64) -> DataId {
    DataId::new().with("instrument", "Sim").with("visit", visit).with("detector", detector)
}

pub fn new(data_id: DataId) -> NewDataset {
    NewDataset { data_id, ..NewDataset::default() }
}

/// An image of every visit and detector in a run.
pub fn images(r: &mut Registry, run: &str) -> Vec<DatasetId> {
    dataset_type(r, "image", &["visit", "detector"]);
    r.register_collection(run, CollectionKind::Run, "").unwrap();
    let mut all = Vec::new();
    for v in 1..=VISITS {
        all.extend((0..DETECTORS).map(|d| new(visit_id(v, d))));
    }
    r.insert_datasets(run, "image", &all).unwrap()
}

pub fn image(visit: i64, detector: i64) -> DatasetRef {
    DatasetRef { dataset_type: "image".into(), data_id: visit_id(visit, detector) }
}

pub fn refused<T: std::fmt::Debug>(result: Result<T, RegistryError>, parts: &[&str]) {
    let text = result.unwrap_err().to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// Writers at the same time: into one run each his own data ids, into one run all the same data
/// id (one wins), certifying and retagging the same things. Nothing is lost, nothing twice.
pub fn writers(open: &(dyn Fn() -> Registry + Sync), threads: i64) {
    let mut r = open();
    images(&mut r, "u/images");
    let bias = DatasetType::new(Universe::standard(), "bias", &["detector"], "Exposure").unwrap();
    r.register_dataset_type(&bias.calibration()).unwrap();
    for (name, kind) in [
        ("w/run", CollectionKind::Run),
        ("w/race", CollectionKind::Run),
        ("w/calib", CollectionKind::Calibration),
        ("w/tag", CollectionKind::Tagged),
    ] {
        r.register_collection(name, kind, "").unwrap();
    }
    let detector = |d: i64| DataId::new().with("instrument", "Sim").with("detector", d);
    r.register_collection("w/bias", CollectionKind::Run, "").unwrap();
    let bias = r.insert_datasets("w/bias", "bias", &[new(detector(0))]).unwrap();
    let won: Vec<usize> = std::thread::scope(|scope| {
        let work = |t: i64| {
            move || {
                let mut r = open();
                let mut won = 0;
                dataset_type(&mut r, "shared", &["visit", "band"]);
                for v in (1..=VISITS).filter(|v| v % threads == t) {
                    let all: Vec<_> = (0..DETECTORS).map(|d| new(visit_id(v, d))).collect();
                    r.insert_datasets("w/run", "image", &all).unwrap();
                }
                for v in 1..=VISITS {
                    // Rows in opposite orders are what deadlocks are made of.
                    let mut all: Vec<_> = (0..DETECTORS).map(|d| new(visit_id(v, d))).collect();
                    if t % 2 == 0 {
                        all.reverse();
                    }
                    match r.insert_datasets("w/race", "image", &all) {
                        Ok(_) => won += 1,
                        Err(e) => assert!(e.to_string().contains("already"), "{e}"),
                    }
                    let ids = r.find(&image(v, 0), &["u/images"]).unwrap().unwrap();
                    r.tag("w/tag", &[ids.id]).unwrap();
                    let span = Timespan { begin_ns: v * 10, end_ns: v * 10 + 10 };
                    let bias = bias_of(&mut r);
                    match r.certify("w/calib", &bias, span) {
                        Ok(()) => won += 1000,
                        Err(e) => assert!(e.to_string().contains("holds for"), "{e}"),
                    }
                }
                won
            }
        };
        let all: Vec<_> = (0..threads).map(|t| scope.spawn(work(t))).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let total: usize = won.iter().sum();
    assert_eq!(total, 1001 * VISITS as usize, "each race has one winner");
    let count = |r: &mut Registry, run: &str| {
        r.datasets(&elqui_registry::DatasetQuery::new("image", &[run], "")).unwrap().len()
    };
    let all = (VISITS * DETECTORS) as usize;
    assert_eq!((count(&mut r, "w/run"), count(&mut r, "w/race")), (all, all));
    assert_eq!(count(&mut r, "w/tag"), VISITS as usize);
    assert_eq!(r.validities(bias[0]).unwrap().len(), VISITS as usize);
}

fn bias_of(r: &mut Registry) -> Vec<DatasetId> {
    let name = DatasetRef::new("bias").with("instrument", "Sim").with("detector", 0);
    vec![r.find(&name, &["w/bias"]).unwrap().unwrap().id]
}
