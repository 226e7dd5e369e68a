//! From headers to the butler's records; of real cameras, where ELQUI_REALDATA names their folder.

use elqui_butler::{CollectionKind, DatasetType, Field, Universe, Value as Key};
use elqui_fits::FitsFile;
use elqui_image::{Header, Value};
use elqui_instrument::{Instrument, Observation};
use elqui_registry::{DatasetQuery, Location, NewDataset, Registry};
use elqui_sphere::SkyRegion;
use std::path::{Path, PathBuf};

#[allow(clippy::disallowed_methods)] // Where the data are is told to tests by the environment.
fn realdata() -> Option<PathBuf> {
    let found = std::env::var_os("ELQUI_REALDATA").map(PathBuf::from).filter(|p| p.is_dir());
    if found.is_none() {
        println!("skipped: ELQUI_REALDATA is not set");
    }
    found
}

fn observe(path: &Path) -> Observation {
    let file = FitsFile::open(path).unwrap().ignore_checksums(true);
    let header = file.header(0).unwrap();
    let size = file.first_image().ok().and_then(|k| file.hdu(k).unwrap().size());
    let camera = Instrument::recognise_or_generic(header).unwrap();
    camera.observe(header, size).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

/// All of them ingested as raw frames, as a repository would.
fn registered(all: &[Observation]) -> Registry {
    let dir = tempfile::tempdir().unwrap();
    let mut r = Registry::create(&Location::Sqlite(dir.path().join("r.sqlite3"))).unwrap();
    let records: Vec<_> = all.iter().flat_map(|o| o.records.clone()).collect();
    r.insert_records(&records).unwrap();
    let of = DatasetType::new(Universe::standard(), "raw", &["exposure", "detector"], "Raw");
    r.register_dataset_type(&of.unwrap()).unwrap();
    r.register_collection("raw", CollectionKind::Run, "").unwrap();
    let new = |o: &Observation| NewDataset { data_id: o.data_id.clone(), ..NewDataset::default() };
    r.insert_datasets("raw", "raw", &all.iter().map(new).collect::<Vec<_>>()).unwrap();
    r
}

fn count(r: &mut Registry, condition: &str) -> usize {
    r.datasets(&DatasetQuery::new("raw", &["raw"], condition)).unwrap().len()
}

#[test]
fn sdss_frames_are_found_where_they_are_on_the_sky() {
    let Some(dir) = realdata() else { return };
    let all: Vec<_> = files(&dir.join("sdss_s82/fpC")).iter().map(|p| observe(p)).collect();
    assert!(all.len() >= 4);
    let mut r = registered(&all);
    // The same sky twice in two bands: centre RA 351.64, Dec +0.10 (the set's own description).
    assert_eq!(count(&mut r, ""), all.len());
    assert_eq!(count(&mut r, "visit_detector_region OVERLAPS POINT(351.64, 0.10)"), all.len());
    assert_eq!(count(&mut r, "visit_detector_region OVERLAPS CIRCLE(340, 0.1, 1)"), 0);
    assert_eq!(count(&mut r, "band='g'") + count(&mut r, "band='r'"), all.len());
    // Run 4192 was taken on 2003-10-19, run 6377 on 2006-09-20, both by UTC; nights begin the day before.
    let nights: Vec<_> = [20_031_018, 20_031_019, 20_060_919, 20_060_920]
        .iter()
        .map(|day| count(&mut r, &format!("day_obs={day}")))
        .collect();
    assert_eq!(nights.iter().sum::<usize>(), all.len(), "{nights:?}");
    assert_eq!(
        count(&mut r, "visit.exposure_time_s > 53 AND visit.exposure_time_s < 55"),
        all.len()
    );
    for one in &all {
        let region = one.records.iter().find(|d| d.element == "visit_detector_region").unwrap();
        let Some(SkyRegion::Polygon { vertices }) = &region.region else { panic!("{region:?}") };
        // 2048 x 1489 pixels of 0.396 arcsec.
        let side =
            |a: (f64, f64), b: (f64, f64)| elqui_base::separation(a.0, a.1, b.0, b.1).arcsec();
        let (a, b) = (side(vertices[0], vertices[1]), side(vertices[1], vertices[2]));
        assert!((a - 2048.0 * 0.396).abs() < 2.0 && (b - 1489.0 * 0.396).abs() < 2.0, "{a} {b}");
    }
}

#[test]
fn hat_p_32_is_a_night_of_exposures() {
    let Some(dir) = realdata() else { return };
    let paths = files(&dir.join("hatp32_raw"));
    let paths: Vec<_> = paths.iter().filter(|p| p.to_string_lossy().contains(".FITS")).collect();
    let all: Vec<_> = paths.iter().map(|p| observe(p)).collect();
    assert_eq!(all.len(), 71);
    let mut r = registered(&all);
    // 2017-12-20 01:33 to 08:36 UT: one night, which began on the 19th.
    assert_eq!(count(&mut r, "day_obs=20171219"), 71);
    assert_eq!(
        count(
            &mut r,
            "visit.begin > T'2017-12-20T01:33:00' AND visit.end < T'2017-12-20T08:38:00'"
        ),
        71
    );
    assert_eq!(count(&mut r, "band='clear' AND visit.exposure_time_s=60"), 71);
    // No WCS: the nominal pointing holds the star (RA 31.04, Dec 46.69; 5.2 arcsec pixels).
    assert_eq!(count(&mut r, "visit OVERLAPS CIRCLE(31.04, 46.69, 0.3)"), 71);
}

#[test]
fn a_bias_is_no_visit() {
    let Some(dir) = realdata() else { return };
    let all: Vec<_> = files(&dir.join("wht_isis_raw")).iter().map(|p| observe(p)).collect();
    let of = |o: &Observation, element: &str| o.records.iter().any(|r| r.element == element);
    for one in &all {
        assert!(of(one, "exposure"));
        assert_eq!(of(one, "visit"), one.info.observation_type == "science", "{:?}", one.info);
    }
    let biases = all.iter().filter(|o| o.info.observation_type == "bias").count();
    assert_eq!(biases, 4);
    let mut r = registered(&all);
    assert_eq!(count(&mut r, "exposure.observation_type='bias'"), 4);
}

fn simulated(changes: &[(&str, Value)]) -> Header {
    let text = |s: &str| Value::Str(s.to_string());
    let mut h = Header::default();
    for (key, value) in [
        ("INSTRUME", text("SIMCAM")),
        ("DETECTOR", Value::Int(1)),
        ("VISIT", Value::Int(123)),
        ("BAND", text("g")),
        ("FILTER", text("sim-g")),
        ("IMGTYPE", text("science")),
        ("EXPTIME", Value::Float(30.0)),
        ("DATE-OBS", text("2026-01-01T00:00:00")),
        ("RA", Value::Float(10.0)),
        ("DEC", Value::Float(-30.0)),
    ] {
        h.set(key, value, "");
    }
    changes.iter().for_each(|(key, value)| h.set(key, value.clone(), ""));
    h
}

#[test]
fn detectors_of_one_exposure_agree() {
    let camera = Instrument::load("simcam").unwrap();
    let one = |d| camera.observe(&simulated(&[("DETECTOR", Value::Int(d))]), None).unwrap();
    let (a, b) = (one(0), one(1));
    for element in ["instrument", "exposure", "visit", "physical_filter", "visit_definition"] {
        let of =
            |o: &Observation| o.records.iter().find(|r| r.element == element).cloned().unwrap();
        assert_eq!(of(&a), of(&b));
    }
    // A nominal pointing is the camera's, not a detector's.
    assert!(a.records.iter().all(|r| r.region.is_none()));
    assert_eq!(a.data_id.get("exposure"), Some(&Key::Int(123)));
    registered(&[a, b]);
}

#[test]
fn headers_without_facts() {
    let camera = Instrument::load("simcam").unwrap();
    let e = camera.observe(&simulated(&[("VISIT", Value::Undefined)]), None).unwrap_err();
    assert!(e.to_string().contains("VISIT") && e.to_string().contains("number"), "{e}");
    // Neither time, filter nor pointing: still an exposure.
    let nothing = ["DATE-OBS", "BAND", "FILTER", "RA", "DEC", "EXPTIME", "IMGTYPE"];
    let nothing: Vec<_> = nothing.iter().map(|key| (*key, Value::Undefined)).collect();
    let bare = camera.observe(&simulated(&nothing), None).unwrap();
    let exposure = bare.records.iter().find(|r| r.element == "exposure").unwrap();
    assert!(exposure.timespan.is_none());
    assert_eq!(exposure.fields.get("exposure_time_s"), Some(&Field::Null));
    registered(&[bare]);
    // A WCS of zeros is none; a bias of no length has a time.
    let zeros = ["CD1_1", "CD1_2", "CD2_1", "CD2_2", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"];
    let mut zeros: Vec<_> = zeros.iter().map(|key| (*key, Value::Float(0.0))).collect();
    zeros.push(("CTYPE1", Value::Str("RA---TAN".into())));
    zeros.push(("CTYPE2", Value::Str("DEC--TAN".into())));
    zeros.push(("EXPTIME", Value::Float(0.0)));
    let one = camera.observe(&simulated(&zeros), Some((100, 100))).unwrap();
    assert!(one.records.iter().all(|r| r.region.is_none()));
    assert!(one.records.iter().any(|r| r.timespan.is_some()));
    registered(&[one]);
}

#[test]
fn a_file_with_all_detectors_is_as_many_observations() {
    // The simulated camera, as if it wrote both detectors into one file.
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../instruments/simcam.yaml"),
    );
    let text = text.unwrap().replace("detector: {card: DETECTOR}\n", "");
    let text = text.replace("amplifiers: *four", "amplifiers: [{name: B, hdu: 5, data: \"[1:2048,1:2048]\", place: \"[1:2048,1:2048]\", gain: 1.5, read_noise_e: 9.0, saturation_adu: 62000}]");
    let camera = Instrument::from_yaml(&text, "both.yaml").unwrap();
    let primary = simulated(&[("DETECTOR", Value::Undefined)]);
    let second = simulated(&[("EXTNAME", Value::Str("B".into()))]);
    let hdu = |k: usize| Some(if k == 5 { &second } else { &primary });
    let all = camera.observe_all(&primary, &hdu).unwrap();
    let ids: Vec<_> = all.iter().map(|o| o.data_id.get("detector").cloned()).collect();
    assert_eq!(ids, [Some(Key::Int(0)), Some(Key::Int(1))]);
    let name = |o: &Observation| {
        let one = o.records.iter().find(|r| r.element == "detector").unwrap();
        one.fields.get("full_name").cloned()
    };
    assert_eq!(name(&all[1]), Some(Field::Text("D1".into())));
    let mut r = registered(&all);
    assert_eq!(count(&mut r, "exposure=123"), 2);
    // One whose cards name its detector is one.
    let one = Instrument::load("simcam").unwrap();
    assert_eq!(one.observe_all(&simulated(&[]), &|_| None).unwrap().len(), 1);
}
