//! What the language of conditions selects.

use super::*;
use elqui_registry::{DatasetQuery, Select};

fn count(r: &mut Registry, condition: &str) -> usize {
    let query = DatasetQuery::new("image", &["u/run1"], condition);
    r.datasets(&query).unwrap_or_else(|e| panic!("{condition}: {e}")).len()
}

pub fn the_language(r: &mut Registry) {
    fill(r);
    images(r, "u/run1");
    for (condition, n) in [
        ("", 80),
        ("instrument='Sim' AND visit IN (1..5) AND detector = 2", 5),
        ("instrument='Sim' AND visit IN (1..200) AND band='r' AND visit.exposure_time_s > 20", 20),
        ("'r' = band", 40),
        ("band != 'r' OR visit = 2", 44),
        ("NOT (visit < 19)", 8),
        ("visit IN (1..9:4, 20)", 16),
        ("visit NOT IN (1..18)", 8),
        ("physical_filter GLOB 'Sim-?' AND detector=0", 20),
        ("physical_filter NOT GLOB '*-g' AND detector=0", 10),
        ("detector.full_name GLOB 'D0[0-1]'", 0),
        ("detector.full_name GLOB 'D0?'", 80),
        ("detector.full_name = 'D01'", 20),
        ("detector.full_name < 'D02'", 40),
        ("band > 'g'", 40),
        ("instrument = 'Nobody'", 0),
        ("instrument = 'x'' OR 1=1 --'", 0),
        ("visit % 5 = 0 AND visit / 5 > 1", 12),
        ("visit.exposure_time_s / 0 > 1", 0),
        ("visit.airmass IS NULL", 80),
        ("visit.exposure_time_s IS NOT NULL AND day_obs = 20260102", 4),
        ("visit.day_obs = 20260102", 4),
        ("visit.begin > T'mjd:61000.155'", 20),
        ("visit.begin > 61000.155", 20),
        ("visit.timespan OVERLAPS (T'mjd:61000.05', T'mjd:61000.08')", 12),
        ("visit OVERLAPS (61000.05, 61000.08) AND detector IN (0, 1)", 6),
        ("visit_detector_region OVERLAPS CIRCLE(14.0, 0, 0.05)", 2),
        ("visit_detector_region.region OVERLAPS POINT(13.7, 0)", 1),
        ("NOT visit_detector_region OVERLAPS CIRCLE(14.0, 0, 0.05)", 78),
        ("visit OVERLAPS BOX(14.5, 0, 1.0, 1.0) OR visit = 1", 12),
        ("ingest_date > T'2020-01-01'", 80),
        ("exposure = 3", 4),
        ("exposure.observation_type IS NULL AND exposure IN (3, 4)", 8),
    ] {
        assert_eq!(count(r, condition), n, "{condition}");
    }
    for (condition, parts) in [
        ("vist = 1", &["column 1", "no dimension `vist`", "visit"][..]),
        ("visit = 1 AND visit.exposure_time > 3", &["column 15", "exposure_time_s"]),
        ("visit = 'one'", &["column 7", "a whole number is compared with a text"]),
        ("band = 5", &["column 6", "text"]),
        ("visit", &["condition is expected"]),
        ("visit IN ('a')", &["column 11", "sought among"]),
        ("band IN (1..5)", &["whole numbers"]),
        ("detector OVERLAPS CIRCLE(1,1,1)", &["column 1", "no region"]),
        ("visit.begin > 5000000000", &["no MJD"]),
        ("visit + 'x' > 1", &["number is expected"]),
        ("visit GLOB '1*'", &["GLOB is of texts"]),
        ("skymap = 'x' AND tract = 1 AND healpix = 4", &["healpix"]),
    ] {
        refused(r.datasets(&DatasetQuery::new("image", &["u/run1"], condition)), parts);
    }
    // Long ones, as programs write them.
    let many: Vec<String> = (1..5000).map(|k| format!("visit = {k}")).collect();
    assert_eq!(count(r, &many.join(" OR ")), 80);
    let many: Vec<String> = (0..5000).map(|k| format!("{}..{}", 3 * k, 3 * k + 1)).collect();
    assert_eq!(count(r, &format!("visit IN ({})", many.join(","))), 13 * 4);
    let sum = "1+".repeat(400);
    assert_eq!(count(r, &format!("visit + {sum}1 > 20")), 80);
    let mut query = DatasetQuery::new("image", &["u/run1"], "detector < 2");
    query.select.order_by = "-band, visit, detector DESC".into();
    query.select.limit = Some(3);
    query.select.offset = 1;
    let page: Vec<String> = r
        .datasets(&query)
        .unwrap()
        .iter()
        .map(|d| d.name.data_id.only(&["visit", "detector"]).to_string())
        .collect();
    assert_eq!(page, ["{detector=0,visit=2}", "{detector=1,visit=4}", "{detector=0,visit=4}"]);
    query.select.order_by = "visit_detector_region".into();
    refused(r.datasets(&query), &["cannot be ordered"]);

    let select = Select::condition("band = 'r' AND visit < 6");
    let ids = r.data_ids(&["visit"], &[], &select).unwrap();
    assert_eq!(ids.len(), 2);
    assert_eq!(
        ids[0].to_string(),
        "{band=r,day_obs=20260100,instrument=Sim,physical_filter=Sim-r,visit=2}"
    );
    let ids = r.data_ids(&["visit", "detector"], &[("image", &["u/run1"])], &select).unwrap();
    assert_eq!(ids.len(), 8);
    r.register_collection("u/none", CollectionKind::Run, "").unwrap();
    let ids = r.data_ids(&["visit", "detector"], &[("image", &["u/none"])], &select).unwrap();
    assert!(ids.is_empty());
    assert_eq!(r.data_ids(&["exposure"], &[], &Select::condition("visit = 3")).unwrap().len(), 1);
    assert_eq!(r.data_ids(&["instrument"], &[], &Select::all()).unwrap().len(), 1);
    assert_eq!(r.records("visit", &Select::condition("band='g'")).unwrap().len(), 10);
}

/// Two tracts: one over visits 10 to 12, one beside a detector's corner without touching it.
pub fn the_sky_joins(r: &mut Registry) {
    fill(r);
    images(r, "u/run1");
    let rec = |e: &str| DimensionRecord::new(e).with("skymap", "rings");
    let square = |ra, dec, width, height| SkyRegion::Box { ra, dec, width, height };
    r.insert_records(&[
        rec("skymap"),
        rec("tract").with("tract", 1).region(square(21.0, 0.0, 2.0, 2.0)),
        rec("tract").with("tract", 2).region(square(10.5, 0.0, 0.2, 0.2)),
        rec("patch").with("tract", 1).with("patch", 0).region(square(20.5, 0.0, 1.0, 2.0)),
        rec("patch").with("tract", 1).with("patch", 1).region(square(21.4, 0.0, 1.2, 2.0)),
    ])
    .unwrap();
    // Detectors are 0.18 wide: of visit 10 at 19.7, 19.9, 20.1, 20.3, of 11 at 20.7 and so on.
    for (condition, n) in [
        ("skymap = 'rings' AND tract = 1", 2 + 4 + 2),
        ("tract = 1 AND band = 'g'", 4),
        ("tract = 1 AND patch = 0", 2 + 2),
        ("tract = 1 AND patch IN (0, 1)", 2 + 4 + 2),
        ("tract = 2", 0),
        ("tract OVERLAPS POINT(21.0, 0.5) AND skymap = 'rings'", 8),
        ("tract != 1 OR visit = 11", 4),
    ] {
        assert_eq!(count(r, condition), n, "{condition}");
    }
    let mut query = DatasetQuery::new("image", &["u/run1"], "tract = 1 AND patch IN (0, 1)");
    query.select.order_by = "-visit".into();
    query.select.limit = Some(2);
    query.select.offset = 2;
    let page = r.datasets(&query).unwrap();
    assert_eq!(
        page.iter().filter(|d| d.name.data_id.get("visit") == Some(&11_i64.into())).count(),
        2
    );
    let select = Select::condition("skymap = 'rings' AND tract = 1");
    assert_eq!(r.data_ids(&["visit", "detector", "tract"], &[], &select).unwrap().len(), 8);
    assert_eq!(r.data_ids(&["tract", "visit"], &[], &select).unwrap().len(), 3);
    let warps = [("image", &["u/run1"][..])];
    let ids = r.data_ids(&["visit", "detector", "tract", "patch"], &warps, &select).unwrap();
    assert_eq!(ids.len(), 9, "one detector lies in both patches");
    // Raw frames know no visit: by the exposure's region, or by the visit that it belongs to.
    dataset_type(r, "raw", &["exposure", "detector"]);
    let raw = |e: i64, d: i64| {
        new(DataId::new().with("instrument", "Sim").with("exposure", e).with("detector", d))
    };
    let all: Vec<_> = (9..=13).flat_map(|e| (0..DETECTORS).map(move |d| raw(e, d))).collect();
    r.insert_datasets("u/run1", "raw", &all).unwrap();
    for (condition, n) in [("tract = 1", 12), ("tract = 1 AND visit > 0", 8), ("visit = 11", 4)] {
        let query = DatasetQuery::new("raw", &["u/run1"], condition);
        assert_eq!(r.datasets(&query).unwrap().len(), n, "{condition}");
    }
    dataset_type(r, "coadd", &["patch", "band"]);
    let coadd =
        DataId::new().with("skymap", "rings").with("tract", 1).with("patch", 0).with("band", "r");
    r.insert_datasets("u/run1", "coadd", &[new(coadd)]).unwrap();
    let coadds =
        |r: &mut Registry, c: &str| r.datasets(&DatasetQuery::new("coadd", &["u/run1"], c));
    assert_eq!(coadds(r, "instrument = 'Sim' AND visit = 11").unwrap().len(), 1);
    assert_eq!(coadds(r, "instrument = 'Sim' AND visit = 12").unwrap().len(), 0);
}
