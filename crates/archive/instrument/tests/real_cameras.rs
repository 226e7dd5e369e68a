//! Real frames of real cameras; ELQUI_REALDATA names the folder that holds them.

use elqui_calibration::build_bias;
use elqui_fits::FitsFile;
use elqui_image::{Image, MaskPlane, RawFrame, VisitInfo};
use elqui_instrument::Instrument;
use elqui_isr::{CalibSet, IsrConfig, OverscanConfig, assemble, correct, overscan_levels};
use std::path::PathBuf;

fn realdata() -> Option<PathBuf> {
    let found = std::env::var_os("ELQUI_REALDATA").map(PathBuf::from).filter(|p| p.is_dir());
    if found.is_none() {
        println!("skipped: ELQUI_REALDATA is not set");
    }
    found
}

fn raw_frame(path: PathBuf) -> (Instrument, RawFrame) {
    // The ITL file's pixels were replaced by a test pattern and its checksums left as they were.
    let file = FitsFile::open(&path).unwrap().ignore_checksums(true);
    let header = file.header(0).unwrap().clone();
    let camera = Instrument::recognise(&header).unwrap();
    let find = |k: usize| file.header(k).ok();
    let detector = camera.detector_with(&header, &find).unwrap();
    let info = camera.translate(&header).unwrap();
    let mut hdus: Vec<usize> = detector.amplifiers.iter().map(|a| a.raw_hdu).collect();
    hdus.dedup();
    let images = hdus.into_iter().map(|k| (k, file.read_image(k).unwrap())).collect();
    (camera, RawFrame { header, info, detector, images })
}

fn median(values: impl Iterator<Item = f32>) -> f64 {
    elqui_base::median(&mut values.map(f64::from).collect::<Vec<_>>())
}

#[test]
fn the_itl_raw_assembles_exactly() {
    let Some(dir) = realdata() else { return };
    let dir = dir.join("cameras/lsst/assembly");
    let (camera, raw) = raw_frame(dir.join("itl_spot.fits.gz"));
    assert_eq!(camera.name(), "lsstcam");
    assert_eq!((raw.detector.id, raw.info.detector_name.as_str()), (11, "R02 S02"));
    let parts: Vec<Image<f32>> = raw
        .detector
        .amplifiers
        .iter()
        .zip(&raw.images)
        .map(|(a, (_, i))| i.crop(&a.raw_data))
        .collect();
    let ours = assemble(&raw.detector, parts, f32::NAN).unwrap();
    let expected = FitsFile::open(dir.join("itl_expected_assembled.fits.gz")).unwrap();
    let expected = expected.read_image(0).unwrap();
    assert_eq!((ours.width(), ours.height()), (4072, 4000));
    assert!(ours == expected);
    // The test pattern has signal, so equality says something.
    assert!(expected.data().iter().any(|v| *v != 0.0));
}

#[test]
fn isis_bias_frames_are_flat_and_have_their_read_noise() {
    let Some(dir) = realdata() else { return };
    let frames: Vec<_> = [982, 984, 986, 988]
        .iter()
        .map(|n| {
            let (camera, raw) = raw_frame(dir.join(format!("wht_isis_raw/r2700{n}.fit.gz")));
            assert_eq!((camera.name(), raw.info.observation_type.as_str()), ("isis", "bias"));
            assert_eq!((raw.detector.width, raw.detector.height), (966, 4096));
            correct(&raw, &CalibSet::default(), &IsrConfig::default()).unwrap().image
        })
        .collect();
    for k in 0..4 {
        let others: Vec<_> =
            frames.iter().enumerate().filter(|(i, _)| *i != k).map(|(_, f)| f.clone()).collect();
        let master = build_bias(&others).unwrap();
        let rest: Vec<f32> =
            frames[k].data().iter().zip(master.image.data()).map(|(a, b)| a - b).collect();
        let mean = rest.iter().map(|v| f64::from(*v)).sum::<f64>() / rest.len() as f64;
        let (_, scatter) =
            elqui_base::mad_sigma(&mut rest.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
        println!(
            "bias {k}: mean {mean:.3} adu, scatter {scatter:.3} adu (master of three taken \
             out: {:.3})",
            scatter / (4.0f64 / 3.0).sqrt()
        );
        assert!(mean.abs() < 0.3, "bias {k}: mean {mean}");
        // 4.2 adu is half of the MAD-variance of two frames' difference, whose pixels are whole
        // numbers (4 adu * 1.4826 / sqrt 2). This scatter has the master's noise and is not quantised.
        assert!((scatter / 4.2 - 1.0).abs() < 0.07, "bias {k}: {scatter}");
    }
    for (a, b) in [(0, 1), (1, 2), (2, 3)] {
        let raw = |k: usize| {
            let name = format!("wht_isis_raw/r2700{}.fit.gz", 982 + 2 * k);
            raw_frame(dir.join(name)).1.images.remove(0).1
        };
        let (first, second) = (raw(a), raw(b));
        let pairs = first.data().iter().zip(second.data()).map(|(a, b)| f64::from(a - b));
        let (_, scatter) = elqui_base::mad_sigma(&mut pairs.collect::<Vec<_>>());
        let read_noise = scatter / std::f64::consts::SQRT_2;
        println!("bias {a} - bias {b}: read noise {read_noise:.3} adu");
        assert!((read_noise / 4.2 - 1.0).abs() < 0.05, "{read_noise}");
    }
}

#[test]
fn isis_science_frame_loses_its_cosmic_rays_and_not_its_spectrum() {
    let Some(dir) = realdata() else { return };
    let (_, raw) = raw_frame(dir.join("wht_isis_raw/r2701242.fit.gz"));
    let mut e = correct(&raw, &CalibSet::default(), &IsrConfig::default()).unwrap();
    let sky = Image::filled(e.width(), e.height(), 0.0);
    let before = e.image.clone();
    let n = elqui_isr::find_cosmic_rays(&mut e, &sky, 4.0, &elqui_isr::CosmicRayConfig::default());
    let cr = MaskPlane::Cr.bit();
    // Brightest column: the trace of the source.
    let level = |x: usize| median((1000..3000).map(|y| before.at(x, y)));
    let trace = (50..900).max_by(|a, b| level(*a).total_cmp(&level(*b))).unwrap();
    let on_trace = (1000..3000).filter(|y| e.mask.at(trace, *y) & cr != 0).count();
    println!("{n} pixels of rays; {on_trace} of 2000 on the trace at column {trace}");
    let part = n as f64 / (966.0 * 4096.0);
    assert!((0.001..0.02).contains(&part), "{part}");
    assert!(on_trace < 60, "{on_trace}");
}

#[test]
fn the_overscan_of_a_contaminated_flat_is_removed() {
    let Some(dir) = realdata() else { return };
    let (camera, raw) = raw_frame(dir.join("not_raw/NOT.fits.gz"));
    assert_eq!(camera.name(), "alfosc");
    assert_eq!((raw.info.observation_type.as_str(), raw.info.band.as_str()), ("flat", "g"));
    let truth = 10_030.0;
    // Also with the sides swapped for the bent left overscan and with rows of light in it.
    for (left, dirty) in [(false, false), (false, true), (true, false)] {
        let mut amp = raw.detector.amplifiers[0].clone();
        let mut image = raw.images[0].1.clone();
        if left {
            amp.raw_serial_overscan.x0 = 2;
            amp.raw_serial_overscan.width = 50;
        }
        if dirty {
            for y in (700..720).chain(1500..1503) {
                for x in 2110..2148 {
                    image.set(x, y, image.at(x, y) + 5000.0);
                }
            }
        }
        let levels = overscan_levels(&image, &amp, &OverscanConfig::default()).unwrap();
        let worst = levels.rows.iter().map(|v| (f64::from(*v) - truth).abs()).fold(0.0, f64::max);
        println!(
            "left {left} dirty {dirty}: worst level {worst:.2} adu off, {} rows rejected",
            levels.rejected
        );
        assert!(worst < 8.0, "{worst}");
        assert!(!dirty || levels.rejected >= 23);
    }
    let e = correct(&raw, &CalibSet::default(), &IsrConfig::default()).unwrap();
    assert_eq!((e.width(), e.height()), (2048, 2051));
    let level = median(e.image.data().iter().copied());
    assert!((90_000.0..110_000.0).contains(&level), "{level}");
}

#[test]
fn headers_of_all_cameras_are_translated() {
    let Some(dir) = realdata() else { return };
    let info = |path: &str| -> (Instrument, VisitInfo) {
        let file = FitsFile::open(dir.join(path)).unwrap();
        let header = file.header(0).unwrap();
        let camera = Instrument::recognise(header).unwrap_or_else(|| panic!("{path}"));
        let info = camera.translate(header).unwrap();
        (camera, info)
    };
    // Times: astropy's TAI of the header's own start, end or middle, with half of the exposure.
    let near = |got: &VisitInfo, mjd: f64| {
        assert!((got.mid_mjd_tai.0 - mjd).abs() < 1e-8, "{} {mjd}", got.mid_mjd_tai.0);
    };
    let (sdss, i) = info("sdss_s82/fpC/fpC-004192-g4-0300.fit.gz");
    assert_eq!((sdss.name(), sdss.is_corrected()), ("sdss_fpc", true));
    assert_eq!((i.visit, i.detector, i.band.as_str()), (419_203_081, 54, "g"));
    assert_eq!((i.exposure_s, i.observation_type.as_str()), (53.907_456, "science"));
    assert!((i.boresight_ra - 351.648_396_34).abs() < 1e-9);
    near(&i, 52_931.200_161_530_94);
    let file = FitsFile::open(dir.join("sdss_s82/fpC/fpC-006377-r4-0399.fit.gz")).unwrap();
    let facts = sdss.corrected_facts(file.header(0).unwrap());
    assert_eq!((facts.gain, facts.soft_bias_adu), (4.76, 1000.0));

    let (mo, i) = info("hatp32_raw/HATP-32171220013343.FITS.gz");
    assert_eq!((mo.name(), mo.is_corrected()), ("microobservatory", false));
    assert_eq!((i.boresight_ra, i.boresight_dec), (31.312_099, 46.769_087));
    assert_eq!((i.exposure_s, i.pixel_scale_arcsec), (60.0, 5.21));
    near(&i, 58_107.065_860_150_46);
    assert!(i.visit > 500_000_000);

    let (_, i) = info("wht_isis_raw/r2701242.fit.gz");
    assert_eq!((i.visit, i.observation_type.as_str()), (2_701_242, "science"));
    assert!((i.airmass - 1.498_53).abs() < 1e-6 && (i.exposure_s - 1800.01).abs() < 1e-9);
    near(&i, 58_332.087_178_587_964);

    let (_, i) = info("not_raw/NOT.fits.gz");
    assert!((i.boresight_ra - 200.250_000_227_75).abs() < 1e-9);
    near(&i, 55_743.857_828_692_13);

    let (_, i) = info("cameras/lsst/raw_headers/30211212000310-R22-S22-det098.fits");
    assert_eq!((i.visit, i.detector, i.band.as_str()), (2_021_121_200_310, 98, "i"));
    near(&i, 59_561.207_980_117_36);
    let (_, i) = info("cameras/lsst/raw_headers/3019032200002-R10-S22-det035.fits");
    assert_eq!((i.detector, i.observation_type.as_str()), (35, "flat"));
}
