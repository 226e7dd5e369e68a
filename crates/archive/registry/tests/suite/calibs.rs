//! Calibrations and the times for which they hold.

use super::*;

fn span(a: i64, b: i64) -> Timespan {
    Timespan { begin_ns: a, end_ns: b }
}

pub fn validities_never_overlap(r: &mut Registry) {
    fill(r);
    let bias = DatasetType::new(Universe::standard(), "bias", &["detector"], "Exposure").unwrap();
    r.register_dataset_type(&bias.calibration()).unwrap();
    let id = |d: i64| DataId::new().with("instrument", "Sim").with("detector", d);
    let mut born = |run: &str| {
        r.register_collection(run, CollectionKind::Run, "").unwrap();
        r.insert_datasets(run, "bias", &[new(id(0)), new(id(1))]).unwrap()
    };
    let (one, two) = (born("c/run1"), born("c/run2"));
    r.register_collection("c/calib", CollectionKind::Calibration, "").unwrap();
    r.certify("c/calib", &one, span(0, 100)).unwrap();
    refused(
        r.certify("c/calib", &two, span(99, 200)),
        &["bias{detector=0", "c/calib", "decertify"],
    );
    r.certify("c/calib", &two, span(100, i64::MAX)).unwrap();
    let name = DatasetRef { dataset_type: "bias".into(), data_id: id(1) };
    let at = |r: &mut Registry, t: i64| {
        r.find_calibration(&name, &["c/calib"], t).unwrap().map(|d| d.id)
    };
    assert_eq!(at(r, -1), None);
    assert_eq!(at(r, 99), Some(one[1]));
    assert_eq!(at(r, 100), Some(two[1]));
    assert_eq!(r.decertify("c/calib", "bias", span(40, 60), Some(&[id(1)])).unwrap(), 1);
    assert_eq!(at(r, 50), None);
    assert_eq!(at(r, 60), Some(one[1]));
    let held = r.validities(one[1]).unwrap();
    assert_eq!(held, [("c/calib".to_string(), span(0, 40)), ("c/calib".into(), span(60, 100))]);
    r.certify("c/calib", &two[1..], span(40, 60)).unwrap();
    assert_eq!(at(r, 50), Some(two[1]));
    let all = r.certified("bias", &["c/run1", "c/calib"]).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!((all[0].dataset.id, all[0].validity), (one[0], span(0, 100)));
    assert_eq!((all[3].dataset.run.as_str(), all[3].validity), ("c/run2", span(40, 60)));
    assert_eq!(r.decertify("c/calib", "bias", Timespan::ALWAYS, None).unwrap(), 6);
    assert_eq!(at(r, 50), None);
    refused(r.certify("c/calib", &one, span(5, 5)), &["empty"]);
    refused(r.certify("c/run1", &one, span(0, 5)), &["c/run1", "run"]);
    let images = images(r, "u/run");
    refused(r.certify("c/calib", &images[..1], span(0, 5)), &["image", "no calibration"]);
    r.certify("c/calib", &one, span(0, 5)).unwrap();
    // Which calibrations there are, and data ids for which there is one.
    let all = elqui_registry::DatasetQuery::new("bias", &["c/calib"], "detector < 5");
    assert_eq!(r.datasets(&all).unwrap().len(), 2);
    let all = elqui_registry::Select::all();
    assert_eq!(r.data_ids(&["detector"], &[("bias", &["c/calib"])], &all).unwrap().len(), 2);
    r.remove_datasets(&one).unwrap();
    assert_eq!(at(r, 1), None);
}
