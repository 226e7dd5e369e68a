//! The bars on the bench's scenes, in small: the sky's bias overall and under galaxies, in units of the
//! noise of a pixel, and what the second pass makes of it.

use elqui_background::*;
use elqui_detection::{DetectionConfig, detect};
use elqui_image::{BackgroundModel, MaskPlane};
use elqui_schema::{ColumnData, Table};
use elqui_simulate::{Scene, SceneFrame};

fn galaxies(truth: &Table) -> Vec<(usize, usize)> {
    let numbers = |name: &str| match truth.column(name).map(|c| &c.data) {
        Some(ColumnData::F64(v)) => v.clone(),
        _ => Vec::new(),
    };
    let Some(ColumnData::Bool(star)) = truth.column("is_star").map(|c| &c.data) else {
        return Vec::new();
    };
    let (x, y) = (numbers("x"), numbers("y"));
    (0..star.len())
        .filter(|k| !star[*k])
        .map(|k| (x[k].max(0.0) as usize, y[k].max(0.0) as usize))
        .collect()
}

/// Overall and under galaxies.
fn bias(model: &BackgroundModel, frame: &SceneFrame, sigma: f64) -> [f64; 2] {
    let level = evaluate(model);
    let off = |v: f32| (f64::from(v) - frame.sky_adu) / sigma;
    let all = level.data().iter().map(|v| off(*v)).sum::<f64>() / level.data().len() as f64;
    let places = galaxies(&frame.truth);
    let under = places
        .iter()
        .map(|g| off(level.at(g.0.min(level.width() - 1), g.1.min(level.height() - 1))));
    [all, under.sum::<f64>() / places.len() as f64]
}

fn check(stars: usize, galaxies: usize, seed: u64, most: f64) {
    let side = 1024;
    let part = (side * side) as f64 / (4096.0 * 4096.0);
    let count = |n: usize| (n as f64 * part) as usize;
    let scene = Scene {
        width: side,
        height: side,
        stars: count(stars),
        galaxies: count(galaxies),
        seed,
        ..Scene::default()
    };
    let frame = scene.render().unwrap();
    let sigma = (scene.sky_e() + scene.read_noise_e.powi(2)).sqrt() / scene.gain;
    let saturation = scene.saturation_adu as f32;
    let mask = frame.image.map(|v| if v >= saturation { MaskPlane::Sat.bit() } else { 0 });
    let sky = Sky::new(&frame.image, &mask, MaskPlane::unusable(), &BackgroundConfig::default());
    let sky = sky.unwrap();
    let first = sky.estimate().unwrap();
    let mut image = frame.image.clone();
    subtract(&mut image, &first);
    let variance = image.map(|_| (sigma * sigma) as f32);
    let bright = DetectionConfig { threshold_sigma: 20.0, ..DetectionConfig::default() };
    let found = detect(&image, &variance, &mask, 1.7, &bright).unwrap();
    let second = sky.refine(&first, &found.footprints).unwrap();
    for model in [first, second] {
        let [all, under] = bias(&model, &frame, sigma);
        let noise = mean_rms(&model) / sigma;
        println!("seed {seed}: bias {all:+.4}, under galaxies {under:+.4} sigma; noise {noise:.4}");
        assert!(all.abs() < most && under.abs() < most, "{all} {under}");
        assert!((noise - 1.0).abs() < 0.02, "{noise}");
    }
}

#[test]
fn a_sparse_scene_is_unbiased_to_two_per_cent() {
    for seed in [2, 31] {
        check(1200, 3000, seed, 0.02);
    }
}

#[test]
fn a_dense_scene_is_unbiased_to_five_per_cent() {
    for seed in [1, 32] {
        check(12_000, 18_000, seed, 0.05);
    }
}
