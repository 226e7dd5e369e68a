//! Laws of zero points: honest errors, colour terms, maps and visits, on made-up data.

use elqui_photometry::*;

struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// How the stars are made up.
#[derive(Clone, Copy)]
struct Sky {
    stars: usize,
    slope: f64,
    /// Parts that vary, and that are blends or galaxies (one-sided).
    variable: f64,
    galaxies: f64,
    intrinsic: f64,
    /// Amplitude of the cloud, magnitudes.
    cloud: f64,
}

const PLAIN: Sky =
    Sky { stars: 80, slope: 0.0, variable: 0.0, galaxies: 0.0, intrinsic: 0.0, cloud: 0.0 };
const SIZE: f64 = 2000.0;
const ZERO: f64 = 27.0;

#[derive(Default)]
struct Stars {
    flux: Vec<f64>,
    flux_err: Vec<f64>,
    mag: Vec<f64>,
    mag_err: Vec<f64>,
    color: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Stars {
    fn view(&self) -> CalibrationStars<'_> {
        CalibrationStars {
            flux: &self.flux,
            flux_err: &self.flux_err,
            mag: &self.mag,
            mag_err: &self.mag_err,
            color: Some(&self.color),
            place: Some(Places { x: &self.x, y: &self.y, width: SIZE, height: SIZE }),
        }
    }
}

/// The cloud's zero point at a place, relative to no cloud.
fn cloud_at(x: f64, y: f64) -> f64 {
    let (u, v) = (2.0 * x / SIZE - 1.0, 2.0 * y / SIZE - 1.0);
    -0.5 + 0.5 * (1.7 * u + 0.8 * v + 0.4).sin() * (1.1 * v - 0.5 * u).cos()
}

fn make(rng: &mut Random, sky: Sky) -> Stars {
    let mut s = Stars::default();
    for _ in 0..sky.stars {
        let mag = 21.0 - 6.0 * rng.uniform().powi(2);
        let color = 0.3 + 1.1 * rng.uniform();
        let (x, y) = (SIZE * rng.uniform(), SIZE * rng.uniform());
        let own = sky.intrinsic * rng.normal();
        let kind = rng.uniform();
        let wrong = if kind < sky.variable {
            0.3 * rng.normal()
        } else if kind < sky.variable + sky.galaxies {
            0.1 + 0.8 * rng.uniform()
        } else {
            0.0
        };
        let shift = sky.slope * (color - 0.8) + own + wrong + sky.cloud * cloud_at(x, y);
        let flux = 10f64.powf(0.4 * (ZERO + shift - mag));
        let flux_err = (flux + 400.0).sqrt();
        let mag_err = 0.003f64.hypot(0.02 * 10f64.powf(0.3 * (mag - 20.0)));
        s.flux.push(flux + flux_err * rng.normal());
        s.flux_err.push(flux_err);
        s.mag.push(mag + mag_err * rng.normal());
        s.mag_err.push(mag_err);
        s.color.push(color);
        s.x.push(x);
        s.y.push(y);
    }
    s
}

/// Root mean square and mean of numbers that should be standard normal.
fn moments(pulls: &[f64]) -> (f64, f64) {
    let n = pulls.len() as f64;
    let mean = pulls.iter().sum::<f64>() / n;
    ((pulls.iter().map(|p| p * p).sum::<f64>() / n).sqrt(), mean)
}

fn pulls(sky: Sky, config: &ZeroPointConfig, trials: usize, seed: u64) -> (f64, f64, f64) {
    let mut rng = Random(seed);
    let (mut pulls, mut errors) = (Vec::new(), 0.0);
    for _ in 0..trials {
        let s = make(&mut rng, sky);
        let z = calibrate(&s.view(), config).unwrap();
        let truth = z.color_term.map_or(0.0, |t| sky.slope * (t.reference_color - 0.8));
        pulls.push((z.mag - ZERO - truth) / z.err_mag);
        errors += z.err_mag / trials as f64;
    }
    let (rms, mean) = moments(&pulls);
    (rms, mean, errors)
}

#[test]
fn the_error_is_honest() {
    let none = ZeroPointConfig { color: ColorMode::None, ..Default::default() };
    let dirty = Sky { variable: 0.1, galaxies: 0.1, intrinsic: 0.01, ..PLAIN };
    let cases = [
        ("clean", PLAIN, 300),
        ("intrinsic scatter", Sky { intrinsic: 0.02, ..PLAIN }, 300),
        ("variables", Sky { variable: 0.2, intrinsic: 0.01, ..PLAIN }, 300),
        ("all of it", dirty, 300),
        ("many", Sky { stars: 400, ..dirty }, 100),
    ];
    for (name, sky, trials) in cases {
        let (rms, mean, error) = pulls(sky, &none, trials, 11);
        println!("{name}: pull rms {rms:.3} mean {mean:.3}, error {:.3} mmag", 1e3 * error);
        assert!((0.85..1.2).contains(&rms), "{name}: {rms}");
        assert!(mean.abs() < 0.45, "{name}: {mean}");
    }
    // Few stars: the error may be generous, never small.
    let (rms, _, _) = pulls(Sky { stars: 6, intrinsic: 0.02, ..PLAIN }, &none, 300, 12);
    assert!((0.6..1.3).contains(&rms), "six stars: {rms}");
}

#[test]
fn a_fitted_color_term_has_an_honest_error() {
    let sky = Sky { slope: 0.08, intrinsic: 0.01, variable: 0.05, ..PLAIN };
    let (rms, mean, _) = pulls(sky, &Default::default(), 200, 21);
    assert!((0.85..1.2).contains(&rms) && mean.abs() < 0.3, "{rms} {mean}");
    let mut rng = Random(22);
    let slopes: Vec<f64> = (0..200)
        .map(|_| {
            let z = calibrate(&make(&mut rng, sky).view(), &Default::default()).unwrap();
            assert_eq!(z.color_use, ColorUse::Fitted);
            let t = z.color_term.unwrap();
            (t.slope - 0.08) / t.slope_err
        })
        .collect();
    let (rms, mean) = moments(&slopes);
    assert!((0.85..1.2).contains(&rms) && mean.abs() < 0.3, "{rms} {mean}");
}

#[test]
fn a_fixed_color_term_is_applied_with_its_error() {
    let sky = Sky { slope: 0.08, stars: 200, ..PLAIN };
    let s = make(&mut Random(31), sky);
    let term = ColorTerm { slope: 0.08, slope_err: 0.01, reference_color: 0.0 };
    let fixed = ZeroPointConfig { color: ColorMode::Fixed(term), ..Default::default() };
    let z = calibrate(&s.view(), &fixed).unwrap();
    assert_eq!((z.color_use, z.color_term), (ColorUse::Fixed, Some(term)));
    assert!((z.mag - (ZERO - 0.08 * 0.8)).abs() < 3e-3, "{}", z.mag);
    // Mean colour 0.85 from the reference colour, times the slope's error.
    assert!((0.007..0.010).contains(&z.err_mag), "{}", z.err_mag);
}

#[test]
fn colors_that_are_missing_or_few_are_reported() {
    let mut s = make(&mut Random(41), PLAIN);
    let without = CalibrationStars { color: None, ..s.view() };
    let z = calibrate(&without, &Default::default()).unwrap();
    assert_eq!((z.color_use, z.color_term), (ColorUse::NoColors, None));
    s.color.iter_mut().skip(10).for_each(|c| *c = f64::NAN);
    let z = calibrate(&s.view(), &Default::default()).unwrap();
    assert_eq!((z.color_use, z.color_term), (ColorUse::TooFewColors, None));
    assert!(z.candidates > 40, "stars without a colour were left out: {}", z.candidates);
    s.color.iter_mut().for_each(|c| *c = 0.5);
    let z = calibrate(&s.view(), &Default::default()).unwrap();
    assert_eq!(z.color_use, ColorUse::TooFewColors);
    let off = ZeroPointConfig { color: ColorMode::None, ..Default::default() };
    assert_eq!(calibrate(&s.view(), &off).unwrap().color_use, ColorUse::NotAsked);
}

#[test]
fn a_cloud_is_mapped_with_honest_errors() {
    let sky = Sky { stars: 250, cloud: 0.6, intrinsic: 0.01, variable: 0.05, ..PLAIN };
    let asked = ZeroPointConfig { spatial: Some(SpatialConfig::default()), ..Default::default() };
    let mut rng = Random(51);
    let (mut pulls, mut misses) = (Vec::new(), Vec::new());
    for _ in 0..25 {
        let s = make(&mut rng, sky);
        let z = calibrate(&s.view(), &asked).unwrap();
        let map = z.map.as_ref().expect("structure");
        assert!(map.rms_mag > 0.05, "{}", map.rms_mag);
        for k in 0..25 {
            let (x, y) = (SIZE * (k % 5) as f64 / 4.5 + 100.0, SIZE * (k / 5) as f64 / 4.5 + 100.0);
            let (value, error) = z.at(x, y);
            let miss = value - ZERO - 0.6 * cloud_at(x, y);
            pulls.push(miss / error);
            misses.push(miss);
        }
    }
    let ((rms, mean), (miss, _)) = (moments(&pulls), moments(&misses));
    println!("map: pull rms {rms:.3} mean {mean:.3}, error rms {:.2} mmag", 1e3 * miss);
    assert!(miss < 0.012, "{miss}");
    assert!((0.7..1.4).contains(&rms), "{rms}");
}

#[test]
fn no_map_is_made_of_noise() {
    let asked = ZeroPointConfig { spatial: Some(SpatialConfig::default()), ..Default::default() };
    let mut rng = Random(61);
    let made = (0..40)
        .filter(|_| {
            let s = make(&mut rng, Sky { variable: 0.05, intrinsic: 0.01, ..PLAIN });
            calibrate(&s.view(), &asked).unwrap().map.is_some()
        })
        .count();
    assert!(made <= 3, "{made} maps of noise out of 40");
    // Too few stars for the lowest degree: a constant.
    let s = make(&mut rng, Sky { stars: 8, cloud: 1.0, ..PLAIN });
    assert!(calibrate(&s.view(), &asked).unwrap().map.is_none());
}

#[test]
fn the_mean_of_a_map_is_the_zero_point() {
    let asked = ZeroPointConfig { spatial: Some(SpatialConfig::default()), ..Default::default() };
    let s = make(&mut Random(71), Sky { stars: 300, cloud: 0.8, ..PLAIN });
    let z = calibrate(&s.view(), &asked).unwrap();
    let n = 60;
    let mean = (0..n * n)
        .map(|k| z.at(SIZE * (k % n) as f64 / 59.0, SIZE * (k / n) as f64 / 59.0).0)
        .sum::<f64>()
        / (n * n) as f64;
    assert!((mean - z.mag).abs() < 3e-3, "{mean} {}", z.mag);
    assert!(z.err_mag > 0.0 && z.err_mag < 0.01);
    let text = serde_json::to_string(&z.map).unwrap();
    let back: ZeroPointMap = serde_json::from_str(&text).unwrap();
    let ((a, ea), (b, eb)) = (back.at(300.0, 1700.0), z.at(300.0, 1700.0));
    assert!((a - b).abs() < 1e-12 && (ea - eb).abs() < 1e-12);
}

#[test]
fn a_visit_finds_its_scatter_and_the_odd_detector() {
    let mut rng = Random(81);
    let (mut pulls, mut scatter) = (Vec::new(), 0.0);
    for _ in 0..200 {
        let mut detectors: Vec<DetectorZeroPoint> = (0..20)
            .map(|k| {
                let nominal_offset_mag = 0.02 * f64::from(k % 3);
                let mag = 27.0 + nominal_offset_mag + 0.004 * rng.normal() + 0.002 * rng.normal();
                DetectorZeroPoint {
                    detector: k,
                    mag,
                    err_mag: 0.002,
                    scatter_mag: 0.01,
                    stars: 50,
                    nominal_offset_mag,
                }
            })
            .collect();
        detectors[4].mag += 0.5;
        detectors[5].mag = f64::NAN;
        let v = visit_zero_point(&detectors, 4.0).unwrap();
        assert!(v.offsets[4].outlier && (v.offsets[4].offset_mag - 0.5).abs() < 0.03);
        assert!(v.offsets[5].offset_mag.is_nan() && !v.offsets[5].outlier);
        pulls.push((v.mag - 27.0) / v.err_mag);
        scatter += v.detector_scatter_mag / 200.0;
    }
    let (rms, mean) = moments(&pulls);
    assert!((0.8..1.2).contains(&rms) && mean.abs() < 0.3, "{rms} {mean}");
    assert!((0.0032..0.0048).contains(&scatter), "{scatter}");
}

#[test]
fn one_detector_is_a_visit_and_none_is_an_error() {
    let one = DetectorZeroPoint {
        detector: 7,
        mag: 26.5,
        err_mag: 0.003,
        scatter_mag: 0.02,
        stars: 40,
        nominal_offset_mag: 0.0,
    };
    let v = visit_zero_point(&[one], 4.0).unwrap();
    assert!((v.mag - 26.5).abs() < 1e-9 && v.err_mag >= 0.003);
    assert!(v.offsets[0].offset_mag.abs() < 1e-9 && !v.offsets[0].outlier);
    assert!(visit_zero_point(&[], 4.0).is_err());
    let bad = DetectorZeroPoint { err_mag: f64::NAN, ..one };
    assert!(matches!(
        visit_zero_point(&[bad], 4.0),
        Err(PhotometryError::NoDetectors { given: 1 })
    ));
}

#[test]
fn hostile_columns_do_no_harm() {
    let nan = [f64::NAN; 4];
    let huge = [1e300, 1e-300, 1e300, 1e10];
    let z =
        |f: &[f64], e: &[f64], m: &[f64], me: &[f64]| zero_point(f, e, m, me, &Default::default());
    assert!(z(&nan, &nan, &nan, &nan).is_err());
    assert!(z(&[], &[], &[], &[]).is_err());
    assert!(z(&[0.0; 4], &[1.0; 4], &[15.0; 4], &[0.1; 4]).is_err());
    if let Ok(found) = z(&huge, &nan, &[15.0, 16.0, 17.0, 18.0], &nan) {
        assert!(found.mag.is_finite() && found.err_mag > 1.0, "{found:?}");
    }
    // Every star the same, without errors: no division by zero.
    let same = z(&[100.0; 5], &[0.0; 5], &[20.0; 5], &[0.0; 5]).unwrap();
    assert!((same.mag - 25.0).abs() < 1e-9 && same.err_mag > 0.0);
}
