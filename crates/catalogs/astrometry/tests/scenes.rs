//! Made-up fields: any rotation, either parity, offsets, distortion, missing and extra stars.

mod common;

use common::{Random, wcs};
use elqui_astrometry::*;
use elqui_base::{UnitVector, separation};
use elqui_wcs::Wcs;

struct Scene {
    truth: Wcs,
    detected: Vec<Detected>,
    /// Index of the star that each detection is; `None` for a spurious one.
    star_of: Vec<Option<usize>>,
    refs: Vec<RefStar>,
    size: (usize, usize),
}

struct Recipe {
    center: (f64, f64),
    scale: f64,
    rotation_deg: f64,
    mirrored: bool,
    /// Relative size of the distortion at the corner.
    distortion: f64,
    size: (usize, usize),
    /// Reference stars in a square this many image diagonals wide.
    spread: f64,
    stars: usize,
    detected_fraction: f64,
    spurious: usize,
    noise_px: f64,
    color_scatter_mag: f64,
}

fn scene(r: &Recipe, seed: u64) -> Scene {
    let mut rng = Random(seed);
    let mut truth = wcs(r.center, r.scale, r.rotation_deg, r.mirrored, r.size);
    let (w, h) = (r.size.0 as f64, r.size.1 as f64);
    let half = 0.5 * w.hypot(h);
    if r.distortion > 0.0 {
        let k = r.distortion / (half * half);
        let (a, b) = (vec![((3, 0), k), ((1, 2), k)], vec![((2, 1), k), ((0, 3), k)]);
        truth = truth.with_sip(3, a, b);
    }
    let center = UnitVector::from_ra_dec_deg(r.center.0, r.center.1);
    let reach = r.spread * half * r.scale / 206_264.8;
    let (mut refs, mut detected, mut star_of) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..r.stars {
        let (xi, eta) = ((2.0 * rng.uniform() - 1.0) * reach, (2.0 * rng.uniform() - 1.0) * reach);
        let (ra, dec) = UnitVector::from_tangent(center, xi, eta).to_ra_dec_deg();
        let mag = 20.0 + 2.5 * rng.uniform().ln() / 0.9;
        refs.push(RefStar { ra, dec, mag, mag_err: 0.02, ..RefStar::default() });
        let Some((x, y)) = truth.sky_to_pixel(ra, dec) else { continue };
        if !(x > 0.0 && y > 0.0 && x < w && y < h) || rng.uniform() > r.detected_fraction {
            continue;
        }
        let seen = mag + r.color_scatter_mag * rng.normal();
        detected.push(Detected {
            x: x + r.noise_px * rng.normal(),
            y: y + r.noise_px * rng.normal(),
            flux: 10f64.powf(0.4 * (25.0 - seen)),
            x_err: r.noise_px,
            y_err: r.noise_px,
        });
        star_of.push(Some(k));
    }
    for _ in 0..r.spurious {
        let mag = 20.0 + 2.5 * rng.uniform().ln() / 0.9;
        detected.push(Detected {
            x: w * rng.uniform(),
            y: h * rng.uniform(),
            flux: 10f64.powf(0.4 * (25.0 - mag)),
            x_err: r.noise_px,
            y_err: r.noise_px,
        });
        star_of.push(None);
    }
    Scene { truth, detected, star_of, refs, size: r.size }
}

fn recipe() -> Recipe {
    Recipe {
        center: (120.0, 20.0),
        scale: 1.0,
        rotation_deg: 0.0,
        mirrored: false,
        distortion: 0.0,
        size: (1200, 900),
        spread: 2.0,
        stars: 600,
        detected_fraction: 0.7,
        spurious: 40,
        noise_px: 0.1,
        color_scatter_mag: 0.4,
    }
}

/// Largest distance (pixels) of the solution from the truth over the image.
fn worst_px(s: &Scene, found: &Wcs) -> f64 {
    let mut worst = 0.0f64;
    for j in 0..=4 {
        for i in 0..=4 {
            let (x, y) =
                (s.size.0 as f64 * f64::from(i) / 4.0, s.size.1 as f64 * f64::from(j) / 4.0);
            let (a, b) = (s.truth.pixel_to_sky(x, y), found.pixel_to_sky(x, y));
            let off = separation(a.0, a.1, b.0, b.1).arcsec();
            worst = worst.max(off / s.truth.pixel_scale_arcsec(x, y));
        }
    }
    worst
}

fn run(s: &Scene, hint: &SolveHint) -> Result<Solution, AstrometryError> {
    solve(&s.detected, &s.refs, s.size.0, s.size.1, hint, &AstrometryConfig::default())
}

fn check(s: &Scene, hint: &SolveHint, what: &str) {
    let solution = run(s, hint).unwrap_or_else(|e| panic!("{what}: {e}"));
    let worst = worst_px(s, &solution.wcs);
    // Few stars do not fix the distortion in the corners.
    let limit = if solution.matches.len() < 60 { 3.0 } else { 0.5 };
    assert!(worst < limit, "{what}: {worst} px off, {} matches", solution.matches.len());
    let wrong = solution.matches.iter().filter(|(d, k)| s.star_of[*d] != Some(*k)).count();
    assert!(wrong * 20 <= solution.matches.len(), "{what}: {wrong} wrong matches");
}

#[test]
fn a_wrong_first_wcs_is_corrected() {
    for mirrored in [false, true] {
        for rotation in [-1.5, 0.0, 0.3, 1.0, 33.0, 180.0] {
            for (dx, dy) in [(0.0, 0.0), (75.0, -60.0), (-20.0, 90.0)] {
                let s = scene(&recipe(), 1);
                let off = (120.0 + dx / 3600.0 / 20f64.to_radians().cos(), 20.0 + dy / 3600.0);
                let first = wcs(off, 1.004, rotation, mirrored, s.size);
                let hint = SolveHint { wcs: Some(first), ..SolveHint::default() };
                check(&s, &hint, &format!("mirrored {mirrored}, {rotation} deg, {dx} {dy}"));
            }
        }
    }
}

#[test]
fn two_hundred_blind_trials_are_all_solved() {
    let mut rng = Random(77);
    for trial in 0..200 {
        let dec = [0.0, 46.7, -89.9, 89.99, -30.0][trial % 5];
        let r = Recipe {
            center: (360.0 * rng.uniform(), dec),
            rotation_deg: 360.0 * rng.uniform(),
            mirrored: trial % 2 == 1,
            distortion: if trial % 3 == 0 { 0.002 } else { 0.0 },
            stars: 150 + (450.0 * rng.uniform()) as usize,
            ..recipe()
        };
        let s = scene(&r, 1000 + trial as u64);
        // The hint is off by up to 0.15 deg, and by up to 3 % in scale.
        let c = UnitVector::from_ra_dec_deg(r.center.0, r.center.1);
        let (ra, dec) =
            UnitVector::from_tangent(c, 0.0018 * rng.uniform(), -0.0018 * rng.uniform())
                .to_ra_dec_deg();
        let hint = SolveHint {
            ra,
            dec,
            radius_deg: 0.2,
            scale_arcsec: Some(1.0 + 0.05 * (rng.uniform() - 0.5)),
            ..SolveHint::default()
        };
        check(&s, &hint, &format!("trial {trial}"));
    }
}

#[test]
fn fields_that_do_not_overlap_are_never_solved() {
    for trial in 0..40u64 {
        let few = [40, 150, 600, 3000][trial as usize % 4];
        let a = scene(&Recipe { stars: few, ..recipe() }, 5000 + trial);
        let b = scene(&Recipe { stars: few, ..recipe() }, 9000 + trial);
        let hint = if trial % 2 == 0 {
            SolveHint { wcs: Some(a.truth.clone()), ..SolveHint::default() }
        } else {
            SolveHint {
                ra: 120.0,
                dec: 20.0,
                radius_deg: 0.2,
                scale_arcsec: Some(1.0),
                ..SolveHint::default()
            }
        };
        let swapped = Scene { refs: b.refs, ..a };
        let result = run(&swapped, &hint);
        assert!(result.is_err(), "trial {trial}: {:?}", result.map(|r| r.matches.len()));
    }
    let s = scene(&recipe(), 3);
    let away = SolveHint { ra: 200.0, dec: -40.0, scale_arcsec: Some(1.0), ..SolveHint::default() };
    let error = run(&s, &away).unwrap_err();
    assert!(matches!(error, AstrometryError::FewReferences { count: 0, .. }), "{error}");
    assert_eq!(run(&s, &SolveHint::default()).unwrap_err(), AstrometryError::NoPosition);
}

#[test]
fn a_catalogue_of_the_field_alone_makes_no_false_solution() {
    // It covers little of the region that is searched: where it has stars at all they are crowded. The bright ones are
    // saturated and not among the detections.
    for seed in 0..2 {
        let r = Recipe {
            size: (2048, 2048),
            scale: 0.2,
            spread: 0.8,
            stars: 6000,
            spurious: 3000,
            noise_px: 0.03,
            rotation_deg: 1.0,
            ..recipe()
        };
        let mut s = scene(&r, 70 + seed);
        s.refs.retain(|star| star.mag < 19.0);
        let bright = 10f64.powf(0.4 * (25.0 - 15.5));
        let keep: Vec<bool> = s.detected.iter().map(|d| d.flux < bright).collect();
        let mut k = keep.iter();
        s.detected.retain(|_| *k.next().unwrap());
        let mut k = keep.iter();
        s.star_of.retain(|_| *k.next().unwrap());
        let hint = SolveHint {
            ra: 120.004,
            dec: 20.003,
            radius_deg: 0.5,
            scale_arcsec: Some(0.2),
            ..SolveHint::default()
        };
        match run(&s, &hint) {
            Ok(found) => assert!(worst_px(&s, &found.wcs) < 1.0, "seed {seed}: false"),
            Err(e) => println!("seed {seed}: {e}"),
        }
    }
}

#[test]
fn few_stars_of_a_wide_catalogue() {
    // As a small wide-field camera against Tycho-2: 40 stars in the image, 190 in the catalogue.
    for seed in 0..20 {
        let r = Recipe {
            center: (31.04, 46.69),
            scale: 5.2,
            rotation_deg: 37.0 * seed as f64,
            mirrored: seed % 2 == 0,
            size: (650, 500),
            spread: 1.7,
            stars: 190,
            detected_fraction: 0.8,
            spurious: 60,
            noise_px: 0.2,
            ..recipe()
        };
        let s = scene(&r, 40 + seed);
        let hint = SolveHint {
            ra: 31.3,
            dec: 46.5,
            radius_deg: 0.6,
            scale_arcsec: Some(5.1),
            ..SolveHint::default()
        };
        check(&s, &hint, &format!("seed {seed}"));
    }
}

#[test]
fn a_dense_field_is_solved_fast_and_well() {
    let r = Recipe {
        size: (4096, 4096),
        scale: 0.2,
        rotation_deg: 12.0,
        distortion: 0.002,
        spread: 1.0,
        stars: 42_000,
        detected_fraction: 0.8,
        spurious: 8000,
        noise_px: 0.05,
        ..recipe()
    };
    let s = scene(&r, 8);
    let first = wcs((120.01, 20.012), 0.2, 13.2, false, s.size);
    let hint = SolveHint { wcs: Some(first), ..SolveHint::default() };
    let solution = run(&s, &hint).unwrap();
    println!(
        "{} detections, {} references: {} matches, rms {:?} mas, order {}",
        s.detected.len(),
        s.refs.len(),
        solution.matches.len(),
        solution.rms_mas,
        solution.sip_order
    );
    assert!(worst_px(&s, &solution.wcs) < 0.01, "{}", worst_px(&s, &solution.wcs));
    // 0.05 px of 0.2 arcsec: 10 mas an axis.
    assert!(solution.rms_mas.iter().all(|r| (9.0..11.0).contains(r)), "{:?}", solution.rms_mas);
    assert_eq!(solution.sip_order, 3);
}

#[test]
fn the_same_input_gives_the_same_answer_and_nan_is_passed_over() {
    let mut s = scene(&recipe(), 4);
    let hint = SolveHint { wcs: Some(s.truth.clone()), ..SolveHint::default() };
    let a = run(&s, &hint).unwrap();
    assert_eq!(a, run(&s, &hint).unwrap());
    s.detected.push(Detected { x: f64::NAN, y: 3.0, flux: 1e9, x_err: 0.1, y_err: 0.1 });
    s.refs.push(RefStar::default());
    assert_eq!(run(&s, &hint).unwrap().matches, a.matches);
}
