//! The background against skies of known level, and against hostile input.

#[path = "../../psf/tests/scene/mod.rs"]
mod scene;

use elqui_background::*;
use elqui_image::{Image, Mask, MaskPlane};

const REJECT: u32 = MaskPlane::unusable() | MaskPlane::Detected.bit();

fn clear(image: &Image<f32>) -> Mask {
    Image::filled(image.width(), image.height(), 0)
}

fn small_cells() -> BackgroundConfig {
    BackgroundConfig { cell_pixels: 64, ..BackgroundConfig::default() }
}

/// Mean of model minus truth over the image, in units of the sky's sigma.
fn bias(s: &scene::Scene, sky: f64, config: &BackgroundConfig) -> (f64, f64) {
    let model = estimate(&s.image, &s.mask, REJECT, config).unwrap();
    let level = evaluate(&model);
    let mean = level.data().iter().map(|&v| f64::from(v)).sum::<f64>() / level.data().len() as f64;
    ((mean - sky) / sky.sqrt(), mean_rms(&model) / sky.sqrt())
}

#[test]
fn a_sparse_field_is_unbiased() {
    for (seed, config) in [(1, BackgroundConfig::default()), (2, small_cells())] {
        let spec = scene::Spec {
            width: 1024,
            height: 1000,
            seed,
            stars: 60,
            flux_max: 1e5,
            ..Default::default()
        };
        let (level, rms) = bias(&scene::make(&spec), spec.sky, &config);
        assert!(level.abs() < 0.02, "bias of {level} sigma");
        assert!((rms - 1.0).abs() < 0.02, "rms {rms}");
    }
}

#[test]
fn a_dense_field_is_nearly_unbiased() {
    // One object per 560 pixels, as in a frame of 4096^2 with 30,000.
    let spec = scene::Spec {
        width: 1024,
        height: 1024,
        stars: 1870,
        flux_min: 300.0,
        flux_max: 1e5,
        ..Default::default()
    };
    let (level, rms) = bias(&scene::make(&spec), spec.sky, &BackgroundConfig::default());
    println!("dense: bias {level:.4} sigma, rms {rms:.4}");
    assert!(level.abs() < 0.05, "bias of {level} sigma");
    assert!((rms - 1.0).abs() < 0.05, "rms {rms}");
}

#[test]
fn whole_numbers_are_no_worse() {
    // The sky of a photographic survey's frame: sigma of a few units, integers.
    let mut random = scene::Random::new(5);
    let mut values = Vec::new();
    for _ in 0..512 * 512 {
        values.push((100.3 + 2.7 * random.normal()).round() as f32);
    }
    let image = Image::from_vec(512, 512, values);
    let model = estimate(&image, &clear(&image), REJECT, &small_cells()).unwrap();
    assert!((mean_level(&model) - 100.3).abs() < 0.05, "{}", mean_level(&model));
    let expected = (2.7f64 * 2.7 + 1.0 / 12.0).sqrt();
    assert!((mean_rms(&model) / expected - 1.0).abs() < 0.03, "{}", mean_rms(&model));
}

#[test]
fn a_plane_comes_back_to_its_edges() {
    let plane = |x: usize, y: usize| 50.0 + 0.02 * x as f32 - 0.03 * y as f32;
    let image = Image::from_fn(512, 384, plane);
    let model = estimate(&image, &clear(&image), REJECT, &small_cells()).unwrap();
    let level = evaluate(&model);
    for (x, y) in [(0, 0), (511, 0), (0, 383), (511, 383), (250, 200)] {
        assert!((level.at(x, y) - plane(x, y)).abs() < 0.1, "{x} {y}: {}", level.at(x, y));
    }
    let mut flat = image.clone();
    subtract(&mut flat, &model);
    let top = flat.data().iter().fold(0.0f32, |a, v| a.max(v.abs()));
    assert!(top < 0.1, "{top}");
}

#[test]
fn it_shifts_and_scales_with_the_image() {
    let s = scene::make(&scene::Spec { width: 256, height: 256, stars: 30, ..Default::default() });
    let first = estimate(&s.image, &s.mask, REJECT, &small_cells()).unwrap();
    let image = s.image.map(|v| 3.0 * v + 1000.0);
    let second = estimate(&image, &s.mask, REJECT, &small_cells()).unwrap();
    for (a, b) in first.level.data().iter().zip(second.level.data()) {
        assert!((b - (3.0 * a + 1000.0)).abs() < 0.3, "{a} {b}");
    }
    for (a, b) in first.rms.data().iter().zip(second.rms.data()) {
        assert!((b / a - 3.0).abs() < 0.03, "{a} {b}");
    }
}

#[test]
fn masked_and_nan_pixels_say_nothing_and_holes_are_filled() {
    let mut random = scene::Random::new(9);
    let values = (0..512 * 512).map(|_| (200.0 + 5.0 * random.normal()) as f32).collect();
    let mut image = Image::from_vec(512, 512, values);
    let mut mask = clear(&image);
    for y in 100..300 {
        for x in 120..330 {
            image.set(x, y, 1e6);
            mask.set(x, y, MaskPlane::Sat.bit());
        }
    }
    image.set(5, 5, f32::NAN);
    image.set(6, 5, f32::INFINITY);
    let model = estimate(&image, &mask, REJECT, &small_cells()).unwrap();
    for v in evaluate(&model).data() {
        assert!((v - 200.0).abs() < 2.0, "{v}");
    }
    assert!(evaluate_rms(&model).data().iter().all(|v| (4.0..6.0).contains(v)));
}

#[test]
fn hostile_images_give_clear_answers() {
    let config = BackgroundConfig::default();
    let nan = Image::filled(100, 90, f32::NAN);
    assert_eq!(estimate(&nan, &clear(&nan), REJECT, &config), Err(BackgroundError::NothingUsable));
    let fine = Image::filled(100, 90, 7.0f32);
    let bad = Image::filled(100, 90, MaskPlane::Bad.bit());
    assert_eq!(estimate(&fine, &bad, REJECT, &config), Err(BackgroundError::NothingUsable));
    let empty = Image::filled(0, 0, 0.0f32);
    let answer = estimate(&empty, &clear(&empty), REJECT, &config);
    assert_eq!(answer, Err(BackgroundError::Empty { width: 0, height: 0 }));
    let other = Image::filled(3, 3, 0);
    assert!(matches!(estimate(&fine, &other, REJECT, &config), Err(BackgroundError::Shape { .. })));
    // A constant, a pixel, a line, and two values far apart are all fine.
    for image in [
        fine,
        Image::filled(1, 1, -3.0),
        Image::from_fn(500, 1, |x, _| x as f32),
        Image::from_fn(64, 64, |x, _| if x == 9 { 1e30 } else { 0.0 }),
        Image::from_fn(64, 64, |x, y| if (x + y) % 2 == 0 { -1e20 } else { 1e20 }),
    ] {
        let model = estimate(&image, &clear(&image), REJECT, &config).unwrap();
        assert!(evaluate(&model).data().iter().all(|v| v.is_finite()));
        assert!(evaluate_rms(&model).data().iter().all(|v| v.is_finite() && *v >= 0.0));
    }
    let one = Image::filled(1, 1, -3.0f32);
    let model = estimate(&one, &clear(&one), REJECT, &config).unwrap();
    assert_eq!((mean_level(&model), mean_rms(&model)), (-3.0, 0.0));
}

#[test]
fn unknown_choices_are_refused() {
    assert!(serde_json::from_str::<BackgroundConfig>(r#"{"cell_pixels": 64}"#).is_ok());
    assert!(serde_json::from_str::<BackgroundConfig>(r#"{"cells": 64}"#).is_err());
    let degree = |text: &str| serde_json::from_str::<BackgroundConfig>(text).map(|c| c.model);
    assert_eq!(degree(r#"{"model": "spline"}"#).unwrap(), SkyModel::Spline);
    let four = degree(r#"{"model": {"chebyshev": {"degree": 4}}}"#).unwrap();
    assert_eq!(four, SkyModel::Chebyshev { degree: 4 });
    assert!(degree(r#"{"model": "wavelets"}"#).is_err());
    assert!(degree(r#"{"model": {"chebyshev": {"order": 4}}}"#).is_err());
    let yaml: BackgroundConfig =
        serde_yaml_ng::from_str("model: {chebyshev: {degree: 4}}").unwrap();
    assert_eq!(yaml.model, four);
    let text = serde_json::to_string(&yaml).unwrap();
    assert_eq!(serde_json::from_str::<BackgroundConfig>(&text).unwrap(), yaml);
    let image = Image::filled(20, 20, 1.0f32);
    for config in [
        BackgroundConfig { cell_pixels: 0, ..BackgroundConfig::default() },
        BackgroundConfig { block_pixels: 0, ..BackgroundConfig::default() },
        BackgroundConfig { clip_sigma: f64::NAN, ..BackgroundConfig::default() },
        BackgroundConfig { object_sigma: -1.0, ..BackgroundConfig::default() },
        BackgroundConfig { model: SkyModel::Chebyshev { degree: 99 }, ..yaml },
    ] {
        let answer = estimate(&image, &clear(&image), REJECT, &config);
        assert!(matches!(answer, Err(BackgroundError::Config { .. })), "{answer:?}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let s = scene::make(&scene::Spec { width: 600, height: 500, ..Default::default() });
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| estimate(&s.image, &s.mask, REJECT, &BackgroundConfig::default()).unwrap())
    };
    assert_eq!(with(1), with(3));
}
