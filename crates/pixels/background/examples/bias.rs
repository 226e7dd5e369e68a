//! Bias of the sky on a bench scene, as a fraction of the sky's noise in a pixel, and its cost.
//! Run: RAYON_NUM_THREADS=1 cargo run --release -p elqui-background --example bias -- \
//!   bench/scenes/dense.yaml [side in pixels, 4096] [seed] [amplitude of a pattern, part of the sky, 0]
//!   [its period in pixels, 2048] [degree of a Chebyshev sum instead of the spline]
//!
//! A smaller side keeps the scene's densities. The pattern is added to the sky's mean only.

// A tool may read files and arguments.
#![allow(clippy::disallowed_methods)]

use elqui_background::*;
use elqui_detection::{DetectionConfig, detect};
use elqui_image::{BackgroundModel, Image, MaskPlane};
use elqui_schema::{ColumnData, Table};
use elqui_simulate::Scene;

/// Seconds of CPU that all threads of the process have had (Linux).
fn cpu_s() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    tasks
        .flatten()
        .filter_map(|t| std::fs::read_to_string(t.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum::<f64>()
        * 1e-9
}

fn numbers<'a>(table: &'a Table, name: &str) -> &'a [f64] {
    match table.column(name).map(|c| &c.data) {
        Some(ColumnData::F64(v)) => v,
        _ => &[],
    }
}

/// Where the galaxies are.
fn galaxies(truth: &Table) -> Vec<(usize, usize, f64)> {
    let Some(ColumnData::Bool(star)) = truth.column("is_star").map(|c| &c.data) else {
        return Vec::new();
    };
    let (x, y, mag) = (numbers(truth, "x"), numbers(truth, "y"), numbers(truth, "mag"));
    (0..star.len())
        .filter(|k| !star[*k])
        .map(|k| (x[k].round().max(0.0) as usize, y[k].round().max(0.0) as usize, mag[k]))
        .collect()
}

fn report(
    name: &str,
    model: &BackgroundModel,
    sky: &Image<f32>,
    galaxies: &[(usize, usize, f64)],
    sigma: f64,
) {
    let level = evaluate(model);
    let error = evaluate_error(model).expect("the model has errors");
    let off = |x: usize, y: usize| f64::from(level.at(x, y) - sky.at(x, y)) / sigma;
    let n = level.data().len() as f64;
    let (mut sum, mut square, mut pull) = (0.0, 0.0, 0.0);
    for y in 0..level.height() {
        for x in 0..level.width() {
            let d = off(x, y);
            sum += d;
            square += d * d;
            pull += (d * sigma / f64::from(error.at(x, y))).powi(2);
        }
    }
    let under = |bright: f64, faint: f64| {
        let picked: Vec<f64> = galaxies
            .iter()
            .filter(|g| g.2 >= bright && g.2 < faint)
            .map(|g| off(g.0.min(level.width() - 1), g.1.min(level.height() - 1)))
            .collect();
        100.0 * picked.iter().sum::<f64>() / picked.len() as f64
    };
    println!(
        "{name}: bias {:+.2}% of sigma, rms {:.2}%, rms pull {:.2}; under galaxies {:+.2}% (< 20 mag \
         {:+.2}%, 20-22 {:+.2}%, > 22 {:+.2}%); noise {:.4} of the true",
        100.0 * sum / n,
        100.0 * (square / n).sqrt(),
        (pull / n).sqrt(),
        under(0.0, 99.0),
        under(0.0, 20.0),
        under(20.0, 22.0),
        under(22.0, 99.0),
        mean_rms(model) / sigma,
    );
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |k: usize, default: f64| {
        args.get(k).map_or(default, |a| a.parse().expect("arguments after the scene are numbers"))
    };
    let path = args.get(1).expect("name a scene");
    let text = std::fs::read_to_string(path).expect("the scene can be read");
    let mut scene: Scene = serde_yaml_ng::from_str(&text).expect("the scene is a scene");
    let side = number(2, 4096.0);
    let part = side * side / (scene.width * scene.height) as f64;
    (scene.width, scene.height) = (side as usize, side as usize);
    scene.stars = (scene.stars as f64 * part) as usize;
    scene.galaxies = (scene.galaxies as f64 * part) as usize;
    scene.seed = number(3, scene.seed as f64) as u64;
    let (amplitude, period) = (number(4, 0.0), number(5, 2048.0));
    let frame = scene.render().expect("the scene can be drawn");
    let sigma = (scene.sky_e() + scene.read_noise_e.powi(2)).sqrt() / scene.gain;
    let k = std::f64::consts::TAU / period;
    let pattern = |x: usize, y: usize| {
        frame.sky_adu * amplitude * (k * x as f64 + 0.3).sin() * (k * y as f64 + 1.1).cos()
    };
    let sky =
        Image::from_fn(scene.width, scene.height, |x, y| (frame.sky_adu + pattern(x, y)) as f32);
    let saturation = scene.saturation_adu as f32;
    let mask = frame.image.map(|v| if v >= saturation { MaskPlane::Sat.bit() } else { 0 });
    let mut image = frame.image;
    for (v, s) in image.data_mut().iter_mut().zip(sky.data()) {
        *v += s - frame.sky_adu as f32;
    }
    let galaxies = galaxies(&frame.truth);
    let mut config = BackgroundConfig::default();
    if args.len() > 6 {
        config.model = SkyModel::Chebyshev { degree: number(6, 6.0) as usize };
    }

    let start = cpu_s();
    let first_of = Sky::new(&image, &mask, MaskPlane::unusable(), &config).expect("pixels");
    let gathered = cpu_s();
    let first = first_of.estimate().expect("a first background");
    let estimated = cpu_s();
    subtract(&mut image, &first);
    let subtracted = cpu_s();
    report("first pass", &first, &sky, &galaxies, sigma);
    let variance = image.map(|_| (sigma * sigma) as f32);
    let bright = DetectionConfig { threshold_sigma: 20.0, ..DetectionConfig::default() };
    let found = detect(&image, &variance, &mask, 1.7, &bright).expect("a detection");
    let again = cpu_s();
    let second = first_of.refine(&first, &found.footprints).expect("a second background");
    let refined = cpu_s();
    exchange(&mut image, &first, &second);
    let end = cpu_s();
    report("second pass", &second, &sky, &galaxies, sigma);
    println!(
        "CPU s: blocks {:.3}, first {:.3}, subtract {:.3}; second {:.3}, exchange {:.3}; all {:.3}",
        gathered - start,
        estimated - gathered,
        subtracted - estimated,
        refined - again,
        end - refined,
        subtracted - start + end - again
    );
}
