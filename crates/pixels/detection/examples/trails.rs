//! Trails put into simulated fields: which are found, what is found without one, and CPU seconds.
//! Run: RAYON_NUM_THREADS=1 cargo run --release -p elqui-detection --example trails -- SIDE STARS GALAXIES SEEDS

use elqui_detection::{Streak, StreakConfig, find_streaks};
use elqui_image::{Image, MaskPlane};
use elqui_simulate::Scene;

/// Seconds of CPU that the process has had (Linux).
#[allow(clippy::disallowed_methods)]
fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = text
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(|f| f.parse().unwrap_or(0.0))
        .collect();
    fields.get(11..13).map_or(f64::NAN, |t| (t[0] + t[1]) / 100.0)
}

type Ends = ((f64, f64), (f64, f64));

fn add_trail(image: &mut Image<f32>, (a, b): Ends, peak: f64, sigma: f64) {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy);
    let (ux, uy) = (dx / length, dy / length);
    for y in 0..image.height() {
        for x in 0..image.width() {
            let (px, py) = (x as f64 - a.0, y as f64 - a.1);
            let (along, across) = (px * ux + py * uy, py * ux - px * uy);
            if along >= 0.0 && along <= length && across.abs() < 5.0 * sigma {
                let v = peak * (-0.5 * (across / sigma).powi(2)).exp();
                image.set(x, y, image.at(x, y) + v as f32);
            }
        }
    }
}

fn on_line(t: &Streak, (a, b): Ends) -> bool {
    let length = (b.0 - a.0).hypot(b.1 - a.1);
    let across =
        |x: f64, y: f64| ((y - a.1) * (b.0 - a.0) - (x - a.0) * (b.1 - a.1)).abs() / length;
    across(t.x0, t.y0).max(across(t.x1, t.y1)) < 5.0
}

#[allow(clippy::disallowed_methods)]
fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let get = |k: usize, default: usize| arguments.get(k).copied().unwrap_or(default);
    let side = get(0, 2048);
    let mut state = 12345u64;
    let mut uniform = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    for seed in 1..=get(3, 3) {
        let scene = Scene {
            width: side,
            height: side,
            stars: get(1, 3000),
            galaxies: get(2, 4500),
            seed: seed as u64,
            ..Scene::default()
        };
        let frame = scene.render().expect("the scene");
        let (gain, read) = (scene.gain as f32, (scene.read_noise_e / scene.gain) as f32);
        let variance = frame.image.map(|v| v.max(0.0) / gain + read * read);
        let limit = scene.saturation_adu as f32;
        let mask = frame.image.map(|v| if v >= limit { MaskPlane::Sat.bit() } else { 0 });
        let mut image = frame.image.clone();
        let sky =
            elqui_background::estimate(&image, &mask, MaskPlane::unusable(), &Default::default())
                .expect("sky");
        elqui_background::subtract(&mut image, &sky);
        let noise = elqui_background::mean_rms(&sky);
        let config = StreakConfig::default();
        let t0 = cpu_s();
        let clean = find_streaks(&image, &variance, &mask, &config);
        println!(
            "seed {seed}: clean: {:.2} CPU s, {} false {clean:.0?}",
            cpu_s() - t0,
            clean.len()
        );
        for brightness in [0.5, 1.0, 10.0] {
            let mut with = image.clone();
            let n = side as f64;
            let mut trails = Vec::new();
            for _ in 0..3 {
                let angle = std::f64::consts::PI * uniform();
                let (x, y) = (n * (0.3 + 0.4 * uniform()), n * (0.3 + 0.4 * uniform()));
                let half = 500.0 + 0.5 * n * uniform();
                let (s, c) = angle.sin_cos();
                let ends = ((x - half * c, y - half * s), (x + half * c, y + half * s));
                add_trail(&mut with, ends, brightness * noise, 1.8);
                trails.push(ends);
            }
            let t0 = cpu_s();
            let found = find_streaks(&with, &variance, &mask, &config);
            let got = trails.iter().filter(|t| found.iter().any(|f| on_line(f, **t))).count();
            let wrong: Vec<_> =
                found.iter().filter(|f| !trails.iter().any(|t| on_line(f, *t))).collect();
            println!(
                "  {brightness} sigma: {got} of {} found, {} wrong, {:.2} CPU s {wrong:.0?}",
                trails.len(),
                wrong.len(),
                cpu_s() - t0
            );
        }
    }
}
