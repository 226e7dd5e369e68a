//! Detection against scenes of known truth, and against hostile input.

#[path = "../../psf/tests/scene/mod.rs"]
mod scene;

use elqui_detection::*;
use elqui_image::{Footprint, Image, Mask, MaskPlane, Peak};

const SIGMA: f64 = 3.2 / 2.3548;

fn sky_subtracted(spec: &scene::Spec) -> scene::Scene {
    let mut s = scene::make(spec);
    s.image = s.image.map(|v| v - spec.sky as f32);
    s
}

fn peaks(d: &Detections) -> Vec<Peak> {
    d.footprints.iter().flat_map(|f| f.peaks.iter().copied()).collect()
}

fn near(peaks: &[Peak], x: f64, y: f64, reach: f64) -> Option<Peak> {
    let distance = |p: &Peak| (f64::from(p.x) - x).hypot(f64::from(p.y) - y);
    peaks
        .iter()
        .filter(|p| distance(p) < reach)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .copied()
}

fn run(s: &scene::Scene) -> Detections {
    detect(&s.image, &s.variance, &s.mask, SIGMA, &DetectionConfig::default()).unwrap()
}

#[test]
fn isolated_stars_are_found_where_they_are_and_nothing_else() {
    let spec =
        scene::Spec { width: 1000, height: 900, stars: 150, spacing: 30.0, ..Default::default() };
    let s = sky_subtracted(&spec);
    let found = run(&s);
    let p = peaks(&found);
    let mut offsets = Vec::new();
    for t in &s.truth {
        let peak = near(&p, t.x, t.y, 1.0).unwrap_or_else(|| panic!("missed {t:?}"));
        offsets.push((f64::from(peak.x) - t.x).hypot(f64::from(peak.y) - t.y));
    }
    assert!(p.len() <= s.truth.len() + 2, "{} peaks of {}", p.len(), s.truth.len());
    offsets.sort_by(f64::total_cmp);
    assert!(offsets[75] < 0.15, "median offset {}", offsets[75]);
}

#[test]
fn noise_has_unit_scatter_and_few_false_alarms() {
    let spec = scene::Spec { width: 1024, height: 1024, stars: 0, ..Default::default() };
    let mut s = sky_subtracted(&spec);
    // A border of missing pixels must not change the noise beside it.
    for y in 0..1024 {
        s.mask.set(500, y, MaskPlane::Bad.bit());
        s.image.set(500, y, f32::NAN);
    }
    let snr = signal_to_noise(&s.image, &s.variance, &s.mask, MaskPlane::Bad.bit(), SIGMA);
    let scatter = |x0: usize, x1: usize| {
        let (mut sum, mut n) = (0.0, 0.0);
        for y in 0..1024 {
            for v in &snr.row(y)[x0..x1] {
                sum += f64::from(v * v);
                n += 1.0;
            }
        }
        (sum / n).sqrt()
    };
    assert!((scatter(0, 1024) - 1.0).abs() < 0.01, "{}", scatter(0, 1024));
    assert!((scatter(498, 503) - 1.0).abs() < 0.05, "{}", scatter(498, 503));
    assert!((scatter(0, 2) - 1.0).abs() < 0.07, "{}", scatter(0, 2));
    assert!(run(&s).footprints.len() <= 2);
}

#[test]
fn the_ratio_does_not_depend_on_the_units() {
    let spec = scene::Spec { width: 300, height: 200, stars: 30, ..Default::default() };
    let s = sky_subtracted(&spec);
    let first = run(&s);
    let scaled = scene::Scene {
        image: s.image.map(|v| 0.25 * v),
        variance: s.variance.map(|v| 0.0625 * v),
        mask: s.mask.clone(),
        truth: Vec::new(),
    };
    assert_eq!(first.footprints, run(&scaled).footprints);
}

#[test]
fn detections_move_with_the_image() {
    let spec =
        scene::Spec { width: 300, height: 260, stars: 25, spacing: 25.0, ..Default::default() };
    let s = sky_subtracted(&spec);
    let shift = |image: &Image<f32>, fill: f32| {
        let mut out = Image::filled(310, 267, fill);
        out.paste(image, 10, 7);
        out
    };
    let mut mask: Mask = Image::filled(310, 267, MaskPlane::NoData.bit());
    mask.paste(&s.mask, 10, 7);
    let (a, b) = (run(&s), {
        let (image, variance) = (shift(&s.image, f32::NAN), shift(&s.variance, f32::INFINITY));
        detect(&image, &variance, &mask, SIGMA, &DetectionConfig::default()).unwrap()
    });
    let (a, b) = (peaks(&a), peaks(&b));
    assert_eq!(a.len(), b.len());
    for (p, q) in a.iter().zip(&b) {
        assert!((p.x + 10.0 - q.x).abs() < 1e-3 && (p.y + 7.0 - q.y).abs() < 1e-3, "{p:?} {q:?}");
    }
}

#[test]
fn two_stars_are_two_peaks_and_one_footprint() {
    let mut s =
        sky_subtracted(&scene::Spec { width: 100, height: 80, stars: 0, ..Default::default() });
    let star = scene::star_profile(&scene::Spec::default(), 50.0);
    for y in 0..80 {
        for x in 0..100 {
            let light = 4e4 * star(x as f64 - 45.2, y as f64 - 40.0)
                + 2e4 * star(x as f64 - 52.4, y as f64 - 42.0);
            s.image.set(x, y, s.image.at(x, y) + light as f32);
            s.variance.set(x, y, s.variance.at(x, y) + light as f32);
        }
    }
    let found = run(&s);
    assert_eq!(found.footprints.len(), 1);
    let p = &found.footprints[0].peaks;
    assert_eq!(p.len(), 2, "{p:?}");
    assert!(p[0].snr > p[1].snr && (p[0].x - 45.2).abs() < 0.5 && (p[1].x - 52.4).abs() < 0.6);
    assert!(found.footprints[0].contains(45, 40));
}

#[test]
fn a_saturated_star_is_one_footprint_with_one_peak() {
    let mut s =
        sky_subtracted(&scene::Spec { width: 200, height: 200, stars: 0, ..Default::default() });
    let star = scene::star_profile(&scene::Spec::default(), 100.0);
    for y in 0..200 {
        for x in 0..200 {
            let light = 3e7 * star(x as f64 - 100.3, y as f64 - 90.0);
            let trail = (99..=101).contains(&x) && (40..=150).contains(&y);
            let level = if light > 6e4 || trail { 6e4 } else { light as f32 };
            if level >= 6e4 {
                s.mask.set(x, y, MaskPlane::Sat.bit());
            }
            s.image.set(x, y, s.image.at(x, y) + level);
            s.variance.set(x, y, s.variance.at(x, y) + level);
        }
    }
    let found = run(&s);
    let main: Vec<&Footprint> = found.footprints.iter().filter(|f| f.contains(100, 90)).collect();
    assert_eq!(main.len(), 1);
    let p = &main[0].peaks;
    assert_eq!(p.len(), 1, "{p:?}");
    assert!((p[0].x - 100.0).abs() < 1.5 && (p[0].y - 90.0).abs() < 3.0, "{p:?}");
    // Even when the saturated pixels were set to nothing.
    for (v, m) in s.image.data_mut().iter_mut().zip(s.mask.data()) {
        if *m != 0 {
            *v = 0.0;
        }
    }
    assert!(run(&s).footprints.iter().any(|f| f.contains(100, 90) && !f.peaks.is_empty()));
}

#[test]
fn order_and_marks() {
    let s = sky_subtracted(&scene::Spec { stars: 80, galaxies: 20, ..Default::default() });
    let found = run(&s);
    let firsts: Vec<(i32, i32)> =
        found.footprints.iter().map(|f| (f.spans[0].y, f.spans[0].x0)).collect();
    assert!(firsts.is_sorted());
    let mut mask = s.mask.clone();
    mark(&mut mask, &found.footprints, MaskPlane::Detected);
    let marked = mask.data().iter().filter(|b| **b == MaskPlane::Detected.bit()).count();
    assert_eq!(marked, found.footprints.iter().map(Footprint::area).sum::<usize>());
    for f in &found.footprints {
        assert!(f.spans.is_sorted_by_key(|s| (s.y, s.x0)) && !f.peaks.is_empty());
        assert!(f.peaks.is_sorted_by(|a, b| a.snr >= b.snr));
        assert!(f.peaks.iter().all(|p| f.contains(p.x.round() as i32, p.y.round() as i32)));
    }
    let mut mask: Mask = Image::filled(10, 6, 0);
    mark_edge(&mut mask, 2);
    assert_eq!(mask.data().iter().filter(|b| **b == 0).count(), 12);
    mark_edge(&mut mask, 99);
    assert!(mask.data().iter().all(|b| *b == MaskPlane::Edge.bit()));
}

#[test]
fn hostile_images_give_clear_answers() {
    let config = DetectionConfig::default();
    let image = |v: f32| Image::filled(40, 30, v);
    let clear: Mask = Image::filled(40, 30, 0);
    let nothing = Err(DetectionError::NothingUsable);
    assert_eq!(detect(&image(f32::NAN), &image(1.0), &clear, 1.5, &config), nothing);
    assert_eq!(detect(&image(5.0), &image(0.0), &clear, 1.5, &config), nothing);
    assert_eq!(detect(&image(5.0), &image(f32::INFINITY), &clear, 1.5, &config), nothing);
    let empty = Image::filled(0, 0, 0.0);
    let answer = detect(&empty, &empty, &Image::filled(0, 0, 0), 1.5, &config);
    assert_eq!(answer, Err(DetectionError::Empty { width: 0, height: 0 }));
    for sigma in [0.0, -1.0, f64::NAN, 1e9] {
        let answer = detect(&image(0.0), &image(1.0), &clear, sigma, &config);
        assert!(matches!(answer, Err(DetectionError::Kernel { .. })));
    }
    // No sources, only a level, all saturated, one pixel: answers, not errors.
    assert!(detect(&image(0.0), &image(1.0), &clear, 1.5, &config).unwrap().footprints.is_empty());
    assert!(detect(&image(-9.0), &image(1.0), &clear, 1.5, &config).unwrap().footprints.is_empty());
    let full = detect(&image(100.0), &image(1.0), &clear, 1.5, &config).unwrap();
    assert_eq!(full.footprints.len(), 1);
    let sat: Mask = Image::filled(40, 30, MaskPlane::Sat.bit());
    let all = detect(&image(6e4), &image(1.0), &sat, 1.5, &config).unwrap();
    assert_eq!((all.footprints.len(), all.footprints[0].peaks.len()), (1, 1));
    let one = Image::filled(1, 1, 50.0);
    let found = detect(&one, &Image::filled(1, 1, 1.0), &Image::filled(1, 1, 0), 1.5, &config);
    assert_eq!(found.unwrap().footprints.len(), 1);
}

#[test]
fn unknown_choices_are_refused() {
    assert!(serde_json::from_str::<DetectionConfig>(r#"{"threshold_sigma": 4}"#).is_ok());
    assert!(serde_json::from_str::<DetectionConfig>(r#"{"threshold": 4}"#).is_err());
}

/// Add a star's light to a scene, noise and variance likewise.
fn add_star(s: &mut scene::Scene, (x, y, flux): (f64, f64, f64), random: &mut scene::Random) {
    let star = scene::star_profile(&scene::Spec::default(), x);
    for j in 0..s.image.height() {
        for i in 0..s.image.width() {
            let light = flux * star(i as f64 - x, j as f64 - y);
            let noise = light.abs().sqrt() * random.normal();
            s.image.set(i, j, s.image.at(i, j) + (light + noise) as f32);
            s.variance.set(i, j, s.variance.at(i, j) + light.abs() as f32);
        }
    }
}

#[test]
fn what_is_below_the_sky_is_found_likewise() {
    let blank = scene::Spec { width: 120, height: 90, stars: 0, ..Default::default() };
    let mut s = sky_subtracted(&blank);
    let mut random = scene::Random::new(3);
    add_star(&mut s, (40.3, 30.8, 6e3), &mut random);
    add_star(&mut s, (85.6, 52.1, -6e3), &mut random);
    let found = run(&s);
    assert_eq!((found.footprints.len(), found.negative.len()), (1, 1));
    let p = found.negative[0].peaks[0];
    assert!((p.x - 85.6).abs() < 0.4 && (p.y - 52.1).abs() < 0.4 && p.snr < -5.0, "{p:?}");
    // Turned over, each is the other.
    s.image = s.image.map(|v| -v);
    let turned = run(&s);
    assert_eq!(turned.footprints[0].spans, found.negative[0].spans);
    assert_eq!(turned.negative[0].spans, found.footprints[0].spans);
    let config = DetectionConfig { negative: false, ..Default::default() };
    let without = detect(&s.image, &s.variance, &s.mask, SIGMA, &config).unwrap();
    assert!(without.negative.is_empty() && without.footprints == turned.footprints);
}

#[test]
fn faint_neighbours_of_bright_stars_are_seen_and_bright_stars_alone_stay_alone() {
    let blank = scene::Spec { width: 100, height: 100, stars: 0, ..Default::default() };
    let (mut seen, mut wrong) = (0, 0);
    let trials = 40;
    for k in 0..trials {
        let mut random = scene::Random::new(100 + k);
        let mut s = sky_subtracted(&scene::Spec { seed: 50 + k, ..blank });
        let (x, y) = (50.0 + random.uniform(), 50.0 + random.uniform());
        add_star(&mut s, (x, y, 2e5), &mut random);
        wrong += peaks(&run(&s)).len() - 1;
        // Of S/N about 16 alone, at 2 FWHM, where the bright one's flank hides its maximum.
        let angle = std::f64::consts::TAU * random.uniform();
        let (u, v) = (x + 6.4 * angle.cos(), y + 6.4 * angle.sin());
        add_star(&mut s, (u, v, 2.6e3), &mut random);
        seen += usize::from(near(&peaks(&run(&s)), u, v, 1.6).is_some());
    }
    assert!(wrong <= 1, "{wrong} false neighbours of {trials} stars");
    assert!(seen * 10 >= trials as usize * 9, "{seen} of {trials} neighbours");
}

#[test]
fn the_kernel_follows_the_psf() {
    // A Gaussian PSF's best kernel is itself; a Moffat's is wider than its FWHM says.
    let gaussian = |dx: f64, dy: f64| (-0.5 * (dx * dx + dy * dy) / 2.25).exp();
    let psf = elqui_image::PsfModel::from_profile(61, 0.5, 2.3548 * 1.5, gaussian);
    assert!((kernel_sigma(&psf, (50.0, 50.0)) / 1.5 - 1.0).abs() < 0.02);
    let star = scene::star_profile(&scene::Spec { fwhm: 4.0, ..Default::default() }, 0.0);
    let psf = elqui_image::PsfModel::from_profile(81, 0.5, 4.0, star);
    let ratio = kernel_sigma(&psf, (50.0, 50.0)) / (4.0 / 2.3548);
    assert!((1.05..1.2).contains(&ratio), "{ratio}");
    let empty = Image::filled(0, 0, 0.0);
    let answer =
        detect_with_psf(&empty, &empty, &Image::filled(0, 0, 0), &psf, &Default::default());
    assert_eq!(answer, Err(DetectionError::Empty { width: 0, height: 0 }));
}
