//! The descriptions that come with the program, and what is said of wrong ones.

use elqui_image::{Bbox, Header, Value};
use elqui_instrument::{Instrument, InstrumentError, Parity};

fn header(cards: &[(&str, Value)]) -> Header {
    let mut h = Header::default();
    cards.iter().for_each(|(k, v)| h.set(k, v.clone(), ""));
    h
}

fn text(s: &str) -> Value {
    Value::Str(s.to_string())
}

#[test]
fn all_builtin_cameras_load_and_bear_their_names() {
    for name in Instrument::builtin_names() {
        let camera = Instrument::load(name).unwrap();
        assert_eq!(camera.name(), name);
        assert!(!camera.description().is_empty());
    }
    let Err(InstrumentError::Unknown { known, .. }) = Instrument::load("nocam") else { panic!() };
    assert!(known.contains(&"simcam"));
    assert!(matches!(Instrument::load("nowhere/nocam.yaml"), Err(InstrumentError::Read { .. })));
}

#[test]
fn the_simulated_camera_covers_its_detectors() {
    let detectors = Instrument::load("simcam").unwrap().detectors().unwrap();
    assert_eq!(detectors.len(), 2);
    for d in &detectors {
        let mut covered = vec![0u8; d.width * d.height];
        for a in &d.amplifiers {
            for y in a.bbox.y0..a.bbox.y1() {
                for x in a.bbox.x0..a.bbox.x1() {
                    covered[y as usize * d.width + x as usize] += 1;
                }
            }
        }
        assert!(covered.iter().all(|c| *c == 1));
    }
    assert_eq!(detectors[1].amplifiers[3].raw_serial_overscan, Bbox::new(1024, 0, 64, 1024));
    assert_eq!(detectors[1].amplifiers[3].raw_parallel_overscan, Bbox::new(0, 1024, 1024, 16));
}

#[test]
fn a_simulated_header_is_translated() {
    let h = header(&[
        ("INSTRUME", text("SIMCAM")),
        ("DETECTOR", Value::Int(1)),
        ("VISIT", Value::Int(123)),
        ("BAND", text("g")),
        ("FILTER", text("sim-g")),
        ("IMGTYPE", text("FLAT")),
        ("EXPTIME", Value::Float(30.0)),
        ("DATE-OBS", text("2026-01-01T00:00:00")),
        ("RA", Value::Float(-10.0)),
        ("DEC", Value::Float(-30.0)),
    ]);
    let camera = Instrument::recognise(&h).unwrap();
    let info = camera.translate(&h).unwrap();
    assert_eq!((info.visit, info.detector, info.detector_name.as_str()), (123, 1, "D1"));
    assert_eq!((info.band.as_str(), info.observation_type.as_str()), ("g", "flat"));
    assert_eq!((info.boresight_ra, info.boresight_dec), (350.0, -30.0));
    let truth = 61_041.0 + (37.0 + 15.0) / 86_400.0;
    assert!((info.mid_mjd_tai.0 - truth).abs() < 1e-9);
    assert!(info.airmass.is_nan() && info.object.is_empty());
    assert_eq!(camera.detector_for(&h).unwrap().id, 1);
    let mut other = h.clone();
    other.set("DETECTOR", Value::Int(7), "");
    let said = camera.translate(&other).unwrap_err().to_string();
    assert_eq!(said, "simcam: the camera has no detector `7`");
    other.remove("DETECTOR");
    let said = camera.detector_for(&other).unwrap_err().to_string();
    assert_eq!(said, "simcam: the header has no `DETECTOR`, which gives the detector");
    let mut timeless = h;
    timeless.set("DATE-OBS", text("soon"), "");
    let said = camera.translate(&timeless).unwrap_err().to_string();
    assert_eq!(said, "simcam: `DATE-OBS` = `soon` is not a time as the description says");
}

#[test]
fn the_generic_camera_takes_what_there_is() {
    let empty = Header::default();
    let generic = Instrument::recognise_or_generic(&empty).unwrap();
    assert_eq!(generic.name(), "generic");
    let info = generic.translate(&empty).unwrap();
    assert_eq!((info.visit, info.mid_mjd_tai.0), (0, 0.0));
    assert!(info.exposure_s.is_nan() && info.boresight_ra.is_nan());
    let facts = generic.corrected_facts(&empty);
    assert!(facts.gain.is_nan() && facts.soft_bias_adu == 0.0);
    let h = header(&[
        ("GAIN", Value::Float(2.5)),
        ("RDNOISE", text("4.5")),
        ("SATURATE", Value::Int(60_000)),
        ("EXPTIME", Value::Float(10.0)),
        ("FILTER", text("g DECam SDSS c0001 4720.0 1520.0")),
        ("MJD-OBS", Value::Float(58_331.0)),
        ("RA", text("01:00:00")),
        ("DEC", text("-01:30:00")),
    ]);
    let info = generic.translate(&h).unwrap();
    assert_eq!((info.band.as_str(), info.observation_type.as_str()), ("g", "science"));
    assert_eq!((info.boresight_ra, info.boresight_dec), (15.0, -1.5));
    assert!((info.mid_mjd_tai.0 - 58_331.0 - 42.0 / 86_400.0).abs() < 1e-9);
    assert_eq!(info.visit, 586_396_842);
    let facts = generic.corrected_facts(&h);
    assert_eq!((facts.gain, facts.read_noise_e, facts.saturation_adu), (2.5, 4.5, 60_000.0));
}

#[test]
fn rubin_detectors_have_their_numbers_and_sizes() {
    let camera = Instrument::load("lsstcam").unwrap();
    let detectors = camera.detectors().unwrap();
    assert_eq!(detectors.len(), 189);
    let find = |raft: &str, slot: &str| {
        let h = header(&[("RAFTBAY", text(raft)), ("CCDSLOT", text(slot))]);
        camera.detector_for(&h).unwrap()
    };
    let (itl, e2v) = (find("R10", "S22"), find("R22", "S22"));
    assert_eq!((itl.id, itl.width, itl.height), (35, 4072, 4000));
    assert_eq!((e2v.id, e2v.width, e2v.height), (98, 4096, 4004));
    assert_eq!(itl.amplifiers[0].raw_data, Bbox::new(3, 0, 509, 2000));
    assert_eq!(e2v.amplifiers[0].raw_data, Bbox::new(10, 0, 512, 2002));
    assert!(!e2v.amplifiers[15].flip_x && itl.amplifiers[15].flip_x);
}

const ONE: &str = "
name: mycam
pixel_scale_arcsec: 0.5
pixel_parity: mirrored
detectors:
  - id: 4
    name: only
    amplifiers:
      - {name: A, data: DATASEC, serial_overscan: BIASSEC, gain: GAIN, read_noise_e: 5, saturation_adu: 60000}
";

#[test]
fn sections_and_gains_come_from_the_header() {
    let camera = Instrument::from_yaml(ONE, "mycam.yaml").unwrap();
    assert_eq!(camera.parity(), Parity::Mirrored);
    let mut h = header(&[
        ("DATASEC", text("[1:100,1:50]")),
        ("BIASSEC", text("[101:120,1:50]")),
        ("GAIN", Value::Float(1.7)),
    ]);
    let d = camera.detector_for(&h).unwrap();
    assert_eq!((d.id, d.width, d.height, d.amplifiers[0].gain), (4, 100, 50, 1.7));
    assert_eq!(d.amplifiers[0].raw_serial_overscan, Bbox::new(100, 0, 20, 50));
    h.set("DATASEC", text("[0:0,0:0"), "");
    let said = camera.detector_for(&h).unwrap_err().to_string();
    assert_eq!(
        said,
        "mycam: data of amplifier `A` is not usable: `[0:0,0:0` is not a section [x1:x2,y1:y2]"
    );
    h.remove("DATASEC");
    let said = camera.detector_for(&h).unwrap_err().to_string();
    assert!(said.ends_with("the header has no `DATASEC`"), "{said}");
}

#[test]
fn wrong_descriptions_are_named() {
    let said = |yaml: &str| Instrument::from_yaml(yaml, "mycam.yaml").unwrap_err().to_string();
    let unknown = said(&ONE.replace("pixel_parity", "parity"));
    assert!(
        unknown.contains("mycam.yaml") && unknown.contains("unknown field `parity`"),
        "{unknown}"
    );
    let deep = said(&ONE.replace("gain: GAIN", "gian: GAIN"));
    assert!(deep.contains("gian"), "{deep}");
    assert!(said("name: x").contains("`detectors` is missing"));
    assert!(said("name: x\ncorrected: true\nrecognise: [[{card: A}]]").contains("recognise"));
    assert!(said("{").contains("mycam.yaml"));
}

#[test]
fn a_compressed_image_is_full_by_its_own_axes() {
    let yaml = "{name: t, detectors: [{id: 0, name: a, amplifiers: [{name: A, hdu: 1, data: full, gain: 1, read_noise_e: 1, saturation_adu: 1}]}]}";
    let camera = Instrument::from_yaml(yaml, "t.yaml").unwrap();
    let own = header(&[
        ("NAXIS1", Value::Int(8)),
        ("NAXIS2", Value::Int(30)),
        ("ZNAXIS1", Value::Int(40)),
        ("ZNAXIS2", Value::Int(30)),
    ]);
    let detector = camera.detector_with(&Header::default(), &|_| Some(&own)).unwrap();
    assert_eq!((detector.width, detector.height), (40, 30));
}

#[test]
fn the_generic_camera_passes_over_what_makes_no_sense() {
    let h = header(&[
        ("MJD-OBS", Value::Float(0.0)),
        ("DATE-OBS", text("soon")),
        ("EXPTIME", text("long")),
        ("VISIT", text("first")),
        ("RA", text("up")),
    ]);
    let info = Instrument::recognise_or_generic(&h).unwrap().translate(&h).unwrap();
    assert_eq!((info.visit, info.mid_mjd_tai.0), (0, 0.0));
    assert!(info.exposure_s.is_nan() && info.boresight_ra.is_nan());
}
