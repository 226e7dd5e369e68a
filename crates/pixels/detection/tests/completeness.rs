//! Where half of the stars are found: their flux in units of its Cramer-Rao error.

#[path = "../../psf/tests/scene/mod.rs"]
mod scene;

use elqui_detection::{DetectionConfig, detect_with_psf};
use elqui_image::{Image, PsfModel};

const FWHM: f64 = 4.0;
const SKY: f64 = 958.0;

fn moffat(dx: f64, dy: f64) -> f64 {
    let alpha2 = (0.5 * FWHM).powi(2) / (2f64.cbrt() - 1.0);
    2.0 / (std::f64::consts::PI * alpha2) * (1.0 + (dx * dx + dy * dy) / alpha2).powi(-3)
}

/// Cramer-Rao error of the flux of an isolated star; position (and so shape) does not covary with it.
fn flux_error(flux: f64) -> f64 {
    let mut information = 0.0;
    for j in -25..=25 {
        for i in -25..=25 {
            let p = moffat(f64::from(i), f64::from(j));
            information += p * p / (SKY + flux * p);
        }
    }
    1.0 / f64::sqrt(information)
}

/// Stars on a loose grid at random places within a pixel: (S/N, found) of each, and false alarms.
fn trial(seed: u64) -> (Vec<(f64, bool)>, usize) {
    let (side, spacing) = (1000usize, 27usize);
    let mut random = scene::Random::new(seed);
    let mut light = vec![0.0f64; side * side];
    let mut stars = Vec::new();
    for row in 1..side / spacing {
        for column in 1..side / spacing {
            let (x, y) = (
                (column * spacing) as f64 + random.uniform() - 0.5,
                (row * spacing) as f64 + random.uniform() - 0.5,
            );
            let wanted = 3.6 + 2.8 * random.uniform();
            let mut flux = wanted * flux_error(0.0);
            for _ in 0..4 {
                flux = wanted * flux_error(flux);
            }
            let (cx, cy) = (column * spacing, row * spacing);
            for j in cy - 13..=cy + 13 {
                for i in cx - 13..=cx + 13 {
                    light[j * side + i] += flux * moffat(i as f64 - x, j as f64 - y);
                }
            }
            stars.push((x, y, wanted));
        }
    }
    let pixels: Vec<f32> =
        light.iter().map(|l| (l + (SKY + l).sqrt() * random.normal()) as f32).collect();
    // As a camera knows it: from the counts themselves, noise and all.
    let variance = pixels.iter().map(|v| (v + SKY as f32).max(1.0)).collect();
    let image = Image::from_vec(side, side, pixels);
    let variance = Image::from_vec(side, side, variance);
    let mask = Image::filled(side, side, 0);
    let psf = PsfModel::from_profile(101, 0.5, FWHM, moffat);
    let found =
        detect_with_psf(&image, &variance, &mask, &psf, &DetectionConfig::default()).unwrap();
    let mut peaks: Vec<_> = found.footprints.iter().flat_map(|f| f.peaks.clone()).collect();
    let near = |p: &elqui_image::Peak, x: f64, y: f64| {
        (f64::from(p.x) - x).hypot(f64::from(p.y) - y) < 5.0
    };
    let out = stars.iter().map(|&(x, y, s)| (s, peaks.iter().any(|p| near(p, x, y)))).collect();
    peaks.retain(|p| !stars.iter().any(|&(x, y, _)| near(p, x, y)));
    (out, peaks.len())
}

#[test]
fn half_of_the_stars_of_signal_to_noise_five_are_found() {
    let (mut stars, mut spurious) = (Vec::new(), 0);
    for seed in [11, 12, 13] {
        let (found, wrong) = trial(seed);
        stars.extend(found);
        spurious += wrong;
    }
    // The place of a step of unit width (the noise of a flux) that fits best.
    let likelihood = |half: f64| -> f64 {
        stars
            .iter()
            .map(|&(s, found)| {
                let p = 1.0 / (1.0 + (-1.702 * (s - half)).exp());
                if found { p.ln() } else { (1.0 - p).ln() }
            })
            .sum()
    };
    let half = (0..200)
        .map(|k| 4.0 + 0.01 * f64::from(k))
        .max_by(|a, b| likelihood(*a).total_cmp(&likelihood(*b)))
        .unwrap();
    println!("half complete at S/N {half:.3} of {} stars; {spurious} spurious", stars.len());
    assert!((half - 5.0).abs() < 0.15, "half complete at S/N {half}");
    assert!(spurious * 200 <= stars.len(), "{spurious} spurious of {}", stars.len());
}
