//! Frames of a small camera: the same bytes on any number of threads, and the noise that theory asks.

use elqui_image::{Amplifier, Bbox, Detector, Image};
use elqui_simulate::{SimulateError, Survey, SurveyConfig};

const SIDE: usize = 512;

fn detector(id: u32) -> Detector {
    let half = SIDE / 2;
    let amp = |k: usize| Amplifier {
        name: format!("A{k}"),
        raw_hdu: k + 1,
        raw_data: Bbox::new(0, 0, half, half),
        raw_serial_overscan: Bbox::new(half as i32, 0, 32, half),
        raw_parallel_overscan: Bbox::default(),
        bbox: Bbox::new((half * (k % 2)) as i32, (half * (k / 2)) as i32, half, half),
        flip_x: k % 2 == 1,
        flip_y: k / 2 == 1,
        gain: 1.5,
        read_noise: 8.0,
        saturation_adu: 60_000.0,
    };
    Detector {
        id,
        name: format!("D{id}"),
        width: SIDE,
        height: SIDE,
        amplifiers: (0..4).map(amp).collect(),
        pixel_scale_arcsec: 0.2,
        crosstalk: Vec::new(),
    }
}

fn survey(config: SurveyConfig) -> Survey {
    Survey::new(config, vec![detector(0), detector(1)], 42).unwrap()
}

fn on_threads<T: Send>(n: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(f)
}

/// The data of the amplifiers, put together, with the mean level of each one's overscan taken off.
fn assembled(detector: &Detector, amps: &[(usize, Image<f32>)]) -> Image<f32> {
    let mut out = Image::filled(detector.width, detector.height, 0.0f32);
    for (amp, (hdu, raw)) in detector.amplifiers.iter().zip(amps) {
        assert_eq!(*hdu, amp.raw_hdu);
        let mut data = raw.crop(&amp.raw_data);
        for y in 0..data.height() {
            let row = raw.crop(&Bbox { y0: y as i32, height: 1, ..amp.raw_serial_overscan });
            let level = row.data().iter().sum::<f32>() / row.data().len() as f32;
            data.row_mut(y).iter_mut().for_each(|v| *v -= level);
        }
        data = if amp.flip_x { data.flipped_x() } else { data };
        data = if amp.flip_y { data.flipped_y() } else { data };
        out.paste(&data, amp.bbox.x0, amp.bbox.y0);
    }
    out
}

#[test]
fn the_same_frames_on_any_number_of_threads() {
    let make = || {
        let s = survey(SurveyConfig::default());
        let tables = (s.truth_objects().unwrap(), s.reference_catalog().unwrap());
        let frames = [
            s.science(0, 0).unwrap(),
            s.science(3, 1).unwrap(),
            s.flat(1, 2, 0).unwrap(),
            s.dark(0, 1).unwrap(),
            s.bias(4, 0).unwrap(),
        ];
        // Text, because empty magnitudes are NaN and NaN is not itself.
        (format!("{tables:?}"), frames)
    };
    let (one, four) = (on_threads(1, make), on_threads(4, make));
    assert_eq!(one.0, four.0);
    for (a, b) in one.1.iter().zip(&four.1) {
        assert_eq!(a.header, b.header);
        assert!(a.amps == b.amps, "{} differs", a.stem());
        assert_eq!(format!("{:?}", a.truth), format!("{:?}", b.truth));
    }
    let other = Survey::new(SurveyConfig::default(), vec![detector(0)], 43).unwrap();
    assert!(other.bias(4, 0).unwrap().amps != one.1[4].amps);
}

#[test]
fn raw_pixels_are_sixteen_bit_numbers() {
    let s = survey(SurveyConfig::default());
    let frame = s.science(1, 0).unwrap();
    for (_, image) in &frame.amps {
        assert!(image.data().iter().all(|v| v.fract() == 0.0 && (0.0..=60_000.0).contains(v)));
    }
    assert_eq!(frame.header.text("BAND").unwrap(), "r");
    assert_eq!(frame.header.text("IMGTYPE").unwrap(), "science");
    assert!(frame.header.get("CRVAL1").is_none());
}

#[test]
fn flats_obey_the_photon_transfer_law() {
    let mut config = SurveyConfig::default();
    config.camera.cosmic_rays_s = 0.0;
    config.camera.gain_scatter = 0.0;
    let s = survey(config);
    let d = detector(0);
    let level = |frame: usize| assembled(&d, &s.flat(0, frame, 0).unwrap().amps);
    let (a, b) = (level(0), level(1));
    let mean = |i: &Image<f32>| {
        i.data().iter().map(|v| f64::from(*v)).sum::<f64>() / i.data().len() as f64
    };
    let (ma, mb) = (mean(&a), mean(&b));
    // b scaled to a: what is left is noise of a and of the scaled b.
    let k = ma / mb;
    let residual: f64 = a
        .data()
        .iter()
        .zip(b.data())
        .map(|(x, y)| (f64::from(*x) - k * f64::from(*y)).powi(2))
        .sum::<f64>()
        / a.data().len() as f64;
    // Read noise of the pixel, of its row's overscan level, and rounding.
    let read = (8.0f64 / 1.5).powi(2) + 1.0 / 12.0;
    let expected = (ma + k * k * mb) / 1.5 + (1.0 + k * k) * read * (1.0 + 1.0 / 32.0);
    assert!((residual / expected - 1.0).abs() < 0.01, "{residual} for {expected}");
}

#[test]
fn truth_positions_follow_the_true_map() {
    let s = survey(SurveyConfig::default());
    for (visit, det) in [(0, 0), (5, 1)] {
        let wcs = s.true_wcs(visit, det).unwrap();
        let truth = s.science(visit, det).unwrap().truth;
        let get = |n| truth.numbers(n).unwrap();
        let (x, y, ra, dec) = (get("x"), get("y"), get("ra"), get("dec"));
        assert!(x.len() > 50);
        for k in 0..x.len() {
            let (r, d) = wcs.pixel_to_sky(x[k], y[k]);
            assert!(elqui_base::separation(r, d, ra[k], dec[k]).mas() < 0.01);
        }
    }
}

#[test]
fn a_header_is_only_roughly_right() {
    let s = survey(SurveyConfig::default());
    for (visit, plan) in s.visits().iter().enumerate() {
        let h = s.science(visit, 0).unwrap().header;
        let off = elqui_base::separation(
            h.number("TELRA").unwrap(),
            h.number("TELDEC").unwrap(),
            plan.ra,
            plan.dec,
        );
        assert!(off.arcsec() > 0.01 && off.arcsec() < 30.1, "{}", off.arcsec());
        let turn = h.number("ROTANG").unwrap() - plan.rotation_deg;
        assert!(turn.abs() <= 0.3);
    }
}

#[test]
fn bright_stars_saturate_and_say_so() {
    let mut config = SurveyConfig::default();
    config.sky.star_bright_mag = 12.0;
    config.sky.star_faint_mag = 15.0;
    let s = survey(config);
    let frame = s.science(1, 0).unwrap();
    let saturated = frame.truth.numbers("saturated").unwrap();
    assert!(saturated.iter().sum::<f64>() > 3.0);
    let full: usize =
        frame.amps.iter().map(|(_, i)| i.data().iter().filter(|v| **v >= 60_000.0).count()).sum();
    assert!(full > 30, "{full} saturated pixels");
}

#[test]
fn bad_descriptions_are_refused() {
    let mut config = SurveyConfig::default();
    config.pointing.exposure_s = -1.0;
    let error = Survey::new(config, vec![detector(0)], 1).err().unwrap();
    assert!(error.to_string().contains("pointing.exposure_s"), "{error}");
    let mut d = detector(0);
    d.amplifiers[0].saturation_adu = 70_000.0;
    let error = Survey::new(SurveyConfig::default(), vec![d], 1).err().unwrap();
    assert!(matches!(error, SimulateError::Detector { detector: 0, .. }));
    assert!(Survey::new(SurveyConfig::default(), vec![], 1).is_err());
    let s = survey(SurveyConfig::default());
    assert!(s.science(99, 0).is_err() && s.bias(0, 9).is_err() && s.flat(9, 0, 0).is_err());
    assert!(serde_yaml_ng::from_str::<SurveyConfig>("{no_such_field: 1}").is_err());
    let text = serde_yaml_ng::to_string(&SurveyConfig::default()).unwrap();
    let back: SurveyConfig = serde_yaml_ng::from_str(&text).unwrap();
    assert_eq!(back, SurveyConfig::default());
}

/// The demo's camera at its real size. Run by hand: `cargo test --release -p elqui-simulate -- --ignored`.
#[test]
#[ignore = "a measurement of speed"]
#[allow(clippy::disallowed_methods)] // the clock
fn time_of_a_frame() {
    let mut big = detector(0);
    (big.width, big.height) = (2048, 2048);
    for (k, a) in big.amplifiers.iter_mut().enumerate() {
        a.raw_data = Bbox::new(0, 0, 1024, 1024);
        a.raw_serial_overscan = Bbox::new(1024, 0, 64, 1024);
        a.bbox = Bbox::new(1024 * (k as i32 % 2), 1024 * (k as i32 / 2), 1024, 1024);
    }
    let clock = std::time::Instant::now();
    let mut lap = clock.elapsed();
    let mut tell = |what: &str| {
        eprintln!("{what}: {:.2} s", (clock.elapsed() - lap).as_secs_f64());
        lap = clock.elapsed();
    };
    let s = Survey::new(SurveyConfig::default(), vec![big.clone(), big], 1).unwrap();
    tell("survey");
    s.bias(0, 0).unwrap();
    tell("bias");
    s.dark(0, 0).unwrap();
    tell("dark");
    s.flat(0, 0, 0).unwrap();
    tell("flat");
    let n = s.science(1, 0).unwrap().truth.rows();
    tell(&format!("science with {n} objects"));
}
