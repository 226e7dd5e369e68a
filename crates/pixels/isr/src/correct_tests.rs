//! A small two-amplifier detector through [`correct`].

use super::*;
use elqui_image::{Amplifier, Bbox, Header, VisitInfo};

const N: usize = 40;

fn amp(name: &str, hdu: usize, x0: i32, gain: f64) -> Amplifier {
    Amplifier {
        name: name.into(),
        raw_hdu: hdu,
        raw_data: Bbox::new(2, 0, N, N),
        raw_serial_overscan: Bbox::new(N as i32 + 2, 0, 10, N),
        raw_parallel_overscan: Bbox::default(),
        bbox: Bbox::new(x0, 0, N, N),
        flip_x: x0 > 0,
        flip_y: false,
        gain,
        read_noise: 6.0,
        saturation_adu: 5000.0,
    }
}

/// 600 electrons everywhere over levels of 1000 and 1100 adu; pixel (5, 7) of the first amplifier
/// is saturated.
fn raw() -> RawFrame {
    let amplifiers = vec![amp("A", 1, 0, 1.5), amp("B", 2, N as i32, 2.5)];
    let image = |level: f32, gain: f32| {
        Image::from_fn(N + 12, N, |x, _| {
            level + if (2..N + 2).contains(&x) { 600.0 / gain } else { 0.0 }
        })
    };
    let mut first = image(1000.0, 1.5);
    first.set(7, 7, 6000.0);
    RawFrame {
        header: Header::default(),
        info: VisitInfo { exposure_s: 10.0, ..VisitInfo::default() },
        detector: Detector {
            id: 3,
            name: "D".into(),
            width: 2 * N,
            height: N,
            amplifiers,
            pixel_scale_arcsec: 0.2,
            crosstalk: vec![],
        },
        images: vec![(1, first), (2, image(1100.0, 2.5))],
    }
}

#[test]
fn amplifiers_come_to_one_gain_and_the_noise_is_right() {
    let e = correct(&raw(), &CalibSet::default(), &IsrConfig::default()).unwrap();
    assert_eq!(e.gain, 2.0);
    assert!((e.image.at(0, 0) - 300.0).abs() < 1e-3 && (e.image.at(70, 20) - 300.0).abs() < 1e-3);
    assert!((e.variance.at(0, 0) - (150.0 + 9.0)).abs() < 1e-3);
    let sat = MaskPlane::Sat.bit();
    let saturated = e.mask.data().iter().filter(|m| *m & sat != 0).count();
    assert_eq!(saturated, 9);
    assert_eq!(e.mask.at(6, 8), sat);
}

#[test]
fn calibrations_are_applied_when_present() {
    let calib = CalibSet {
        bias: Some(Image::filled(2 * N, N, 20.0)),
        dark: Some(Image::filled(2 * N, N, 3.0)),
        flat: Some(Image::from_fn(2 * N, N, |x, _| if x == 3 { 0.0 } else { 0.5 })),
        defects: Some(Image::from_fn(2 * N, N, |x, y| u32::from((x, y) == (9, 9)))),
    };
    let e = correct(&raw(), &calib, &IsrConfig::default()).unwrap();
    assert!((e.image.at(20, 20) - 500.0).abs() < 1e-3);
    assert!((e.variance.at(20, 20) - 4.0 * (140.0 + 9.0)).abs() < 1e-2);
    let bad = MaskPlane::Bad.bit();
    assert!(e.mask.at(3, 0) & bad != 0 && e.mask.at(9, 9) & bad != 0 && e.mask.at(10, 9) == 0);
}

#[test]
fn crosstalk_comes_off() {
    let mut raw = raw();
    raw.detector.crosstalk = vec![0.0, 0.0, 0.01, 0.0];
    let e = correct(&raw, &CalibSet::default(), &IsrConfig::default()).unwrap();
    // Pixel (5, 7) of A is (2 N - 1 - 5, 7) of the flipped B: 5000 adu of A, 1% of it, at B's gain.
    let expected = (240.0 - 50.0) * 1.25;
    assert!((e.image.at(2 * N - 6, 7) - expected).abs() < 1e-2, "{}", e.image.at(2 * N - 6, 7));
    raw.detector.crosstalk = vec![0.0; 3];
    assert!(correct(&raw, &CalibSet::default(), &IsrConfig::default()).is_err());
}

#[test]
fn what_does_not_fit_is_said() {
    let config = IsrConfig::default();
    let mut no_hdu = raw();
    no_hdu.images.pop();
    let text = correct(&no_hdu, &CalibSet::default(), &config).unwrap_err().to_string();
    assert_eq!(text, "the raw frame has no image in HDU 2, which amplifier `B` names");
    let calib = CalibSet { bias: Some(Image::filled(3, 3, 0.0)), ..CalibSet::default() };
    let text = correct(&raw(), &calib, &config).unwrap_err().to_string();
    assert_eq!(text, "the master bias is (3, 3) pixels where the image is (80, 40)");
    let mut timeless = raw();
    timeless.info.exposure_s = f64::NAN;
    let calib = CalibSet { dark: Some(Image::filled(2 * N, N, 0.0)), ..CalibSet::default() };
    assert!(correct(&timeless, &calib, &config).is_err());
}

#[test]
fn a_pedestal_without_overscan_is_no_signal() {
    let mut raw = raw();
    for amp in &mut raw.detector.amplifiers {
        (amp.raw_serial_overscan, amp.gain) = (Bbox::default(), 2.0);
    }
    for (_, image) in &mut raw.images {
        // A checkered 3 adu about the level: neighbours differ by 6.
        *image =
            Image::from_fn(N + 12, N, |x, y| 1000.0 + if (x + y) % 2 == 0 { 3.0 } else { -3.0 });
    }
    raw.images[0].1.set(12, 10, 1203.0);
    let e = correct(&raw, &CalibSet::default(), &IsrConfig::default()).unwrap();
    assert!(e.variance.at(30, 30) < 30.0, "{}", e.variance.at(30, 30));
    assert!((e.variance.at(10, 10) - e.variance.at(30, 31) - 100.0).abs() < 4.0);
}

#[test]
fn pixels_without_data_hold_the_median() {
    let mut raw = raw();
    raw.images[0].1.set(22, 20, f32::NAN);
    raw.detector.amplifiers.pop();
    let e = correct(&raw, &CalibSet::default(), &IsrConfig::default()).unwrap();
    let no_data = MaskPlane::NoData.bit();
    for (x, y) in [(20, 20), (60, 20)] {
        assert_eq!(e.mask.at(x, y), no_data);
        assert!(
            (e.image.at(x, y) - e.image.at(0, 0)).abs() < 1e-3 && e.variance.at(x, y).is_infinite()
        );
    }
}
