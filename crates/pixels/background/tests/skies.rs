//! The background under what would pull it: a halo, a big galaxy, gradients, steps, patterns, holes.

#[path = "../../psf/tests/scene/mod.rs"]
mod scene;

use elqui_background::*;
use elqui_image::{BackgroundModel, Footprint, Image, Mask, MaskPlane, Span};

const SKY: f64 = 600.0;
const SIGMA: f64 = 20.0;
const REJECT: u32 = MaskPlane::unusable();

/// Noise on a sky.
fn noisy(size: usize, seed: u64, sky: impl Fn(f64, f64) -> f64) -> Image<f32> {
    let mut random = scene::Random::new(seed);
    let mut image = Image::filled(size, size, 0.0f32);
    for y in 0..size {
        for x in 0..size {
            image.set(x, y, (sky(x as f64, y as f64) + SIGMA * random.normal()) as f32);
        }
    }
    image
}

fn clear(image: &Image<f32>) -> Mask {
    Image::filled(image.width(), image.height(), 0)
}

fn model_of(image: &Image<f32>) -> BackgroundModel {
    estimate(image, &clear(image), REJECT, &BackgroundConfig::default()).unwrap()
}

/// Model minus truth in units of the noise where `asked`: mean, and the value farthest from zero.
fn off_where(
    model: &BackgroundModel,
    truth: impl Fn(f64, f64) -> f64,
    asked: impl Fn(f64, f64) -> bool,
) -> (f64, f64) {
    let level = evaluate(model);
    let (mut sum, mut count, mut worst) = (0.0, 0.0, 0.0f64);
    for y in 0..level.height() {
        for x in 0..level.width() {
            let at = (x as f64, y as f64);
            if asked(at.0, at.1) {
                let d = (f64::from(level.at(x, y)) - truth(at.0, at.1)) / SIGMA;
                sum += d;
                count += 1.0;
                worst = if d.abs() > worst.abs() { d } else { worst };
            }
        }
    }
    (sum / count, worst)
}

fn off(model: &BackgroundModel, truth: impl Fn(f64, f64) -> f64) -> (f64, f64) {
    off_where(model, truth, |_, _| true)
}

#[test]
fn the_error_is_that_of_the_level() {
    for (seed, masked) in [(11, 0), (12, 2), (13, 1)] {
        let image = noisy(1024, seed, |_, _| SKY);
        // `masked` rows of every three are bad.
        let mask =
            Image::from_fn(
                1024,
                1024,
                |_, y| {
                    if y % 3 < masked { MaskPlane::Bad.bit() } else { 0 }
                },
            );
        let model = estimate(&image, &mask, REJECT, &BackgroundConfig::default()).unwrap();
        let error = model.error.as_ref().unwrap();
        let cells = model.level.data().iter().zip(error.data());
        let pull = cells.map(|(l, e)| ((f64::from(*l) - SKY) / f64::from(*e)).powi(2)).sum::<f64>();
        let pull = (pull / error.data().len() as f64).sqrt();
        println!("pull {pull:.3}, error {:.4}", mean_error(&model) / SIGMA);
        // 64 cells know the width to 9 %.
        assert!((0.75..1.3).contains(&pull), "{pull}");
        assert!((mean_rms(&model) / SIGMA - 1.0).abs() < 0.01, "{}", mean_rms(&model));
        let everywhere = evaluate_error(&model).unwrap();
        assert!(everywhere.data().iter().all(|e| *e > 0.0 && f64::from(*e) < 0.1 * SIGMA));
    }
}

#[test]
fn a_big_galaxy_keeps_its_wings() {
    // Exponential, r_e = 60 pixels, cells of 128: how much of its light the sky takes.
    let h = 60.0 / 1.678;
    for (peak, seed, most) in [(10.0, 2, 0.08), (40.0, 3, 0.02)] {
        let light = |x: f64, y: f64| peak * SIGMA * (-(x - 500.0).hypot(y - 540.0) / h).exp();
        let image = noisy(1024, seed, |x, y| SKY + light(x, y));
        let sky = Sky::new(&image, &clear(&image), REJECT, &BackgroundConfig::default()).unwrap();
        let first = sky.estimate().unwrap();
        let second = sky.refine(&first, &[disc(500.0, 540.0, 100.0)]).unwrap();
        for model in [first, second] {
            let near = |x: f64, y: f64| (x - 500.0).hypot(y - 540.0) < 6.0 * h;
            let (taken, worst) = off_where(&model, |_, _| SKY, near);
            // 1.7 % of an exponential lies beyond six scale lengths.
            let fraction = taken * (6.0 * h).powi(2) / (2.0 * peak * h * h * 0.983);
            println!("peak {peak}: taken {fraction:.4}, worst {worst:.3} sigma");
            assert!(fraction.abs() < most, "{fraction} of the galaxy is taken");
            assert!(worst.abs() < 0.15, "{worst}");
        }
    }
}

fn disc(x: f64, y: f64, radius: f64) -> Footprint {
    let spans = (-radius as i32..=radius as i32)
        .map(|dy| {
            let half = (radius * radius - f64::from(dy * dy)).sqrt() as i32;
            Span { y: y as i32 + dy, x0: x as i32 - half, x1: x as i32 + half }
        })
        .collect();
    Footprint { spans, peaks: Vec::new() }
}

#[test]
fn a_bright_stars_halo_does_not_lift_the_sky() {
    // A saturated core, and an aureole that falls as r^-3 from half a sigma at 80 pixels.
    let light = |x: f64, y: f64| {
        let r2 = (x - 480.0).powi(2) + (y - 500.0).powi(2);
        SIGMA * (3e5 * (1.0 + r2 / 16.0).powi(-3) + 2.6e5 / (100.0 + r2).powf(1.5))
    };
    let image = noisy(1024, 4, |x, y| SKY + light(x, y));
    let mask = image.map(|v| if v > 60_000.0 { MaskPlane::Sat.bit() } else { 0 });
    let model = estimate(&image, &mask, REJECT, &BackgroundConfig::default()).unwrap();
    let (mean, worst) = off(&model, |_, _| SKY);
    println!("halo: mean {mean:.4} worst {worst:.4}");
    assert!(mean.abs() < 0.02 && worst.abs() < 0.15, "{mean} {worst}");
}

#[test]
fn a_steep_gradient_is_followed() {
    // Moonlight: the sky doubles over the frame, 30 sigma from corner to corner.
    let sky = |x: f64, y: f64| SKY * (1.0 + 0.7 * x / 1024.0 + 0.3 * (y / 1024.0).powi(2));
    let model = model_of(&noisy(1024, 5, sky));
    let (mean, worst) = off(&model, sky);
    println!("gradient: mean {mean:.4} worst {worst:.4}");
    assert!(mean.abs() < 0.01 && worst.abs() < 0.2, "{mean} {worst}");
}

#[test]
fn steps_of_amplifiers_do_harm_near_them_only() {
    for (edge, step) in [(512.0, 1.0), (500.0, 10.0)] {
        let sky = |x: f64, _: f64| SKY + if x < edge { 0.0 } else { step * SIGMA };
        let model = model_of(&noisy(1024, 6, sky));
        let (mean, worst) = off_where(&model, sky, |x, _| (x - edge).abs() > 350.0);
        println!("step of {step}: mean {mean:.4} worst {worst:.4} farther than 350 pixels");
        assert!(mean.abs() < 0.02 && worst.abs() < 0.05 + 0.03 * step, "{mean} {worst}");
    }
}

#[test]
fn patterns_wider_than_eight_cells_are_followed() {
    for (period, most) in [(4096.0, 0.1), (2048.0, 0.1), (1024.0, 0.3)] {
        let k = std::f64::consts::TAU / period;
        let wave = |x: f64, y: f64| (k * x + 0.3).sin() * (k * y + 1.1).cos();
        let sky = |x: f64, y: f64| SKY * (1.0 + 0.05 * wave(x, y));
        let model = model_of(&noisy(1024, 7, sky));
        let (mean, worst) = off(&model, sky);
        println!("pattern of {period} pixels: mean {mean:.4} worst {worst:.4}");
        assert!(mean.abs() < 0.01 && worst.abs() < most, "{mean} {worst}");
    }
}

#[test]
fn half_a_frame_and_nans_are_no_matter() {
    let mut image = noisy(768, 8, |_, _| SKY);
    let mut mask = clear(&image);
    for y in 0..768 {
        for x in 0..390 {
            image.set(x, y, 65_000.0);
            mask.set(x, y, MaskPlane::Sat.bit());
        }
        image.set(700, y, f32::NAN);
        image.set(701, y, f32::NEG_INFINITY);
    }
    let model = estimate(&image, &mask, REJECT, &BackgroundConfig::default()).unwrap();
    let (_, worst) = off_where(&model, |_, _| SKY, |x, _| x > 500.0);
    assert!(worst.abs() < 0.1, "{worst}");
    // Where nothing is known the level is the neighbours', and says how little that is worth.
    let (_, guess) = off(&model, |_, _| SKY);
    assert!(guess.abs() < 0.5, "{guess}");
    let constant = Image::filled(600, 300, 41.7f32);
    let model = model_of(&constant);
    assert!(evaluate(&model).data().iter().all(|v| (v - 41.7).abs() < 1e-4));
    assert_eq!(mean_rms(&model), 0.0);
    assert!(model.error.as_ref().unwrap().data().iter().all(|e| *e < 1e-4));
}

#[test]
fn a_chebyshev_sum_is_what_it_says() {
    let sky = |x: f64, y: f64| {
        let (u, v) = ((x + 0.5) / 384.0 - 1.0, (y + 0.5) / 384.0 - 1.0);
        SKY + SIGMA * (3.0 * u + 2.0 * v * v - u * u * v + 0.5 * (4.0 * v * v * v - 3.0 * v))
    };
    let image = noisy(768, 9, sky);
    let config =
        BackgroundConfig { model: SkyModel::Chebyshev { degree: 3 }, ..Default::default() };
    let work = Sky::new(&image, &clear(&image), REJECT, &config).unwrap();
    let first = work.estimate().unwrap();
    let second = work.refine(&first, &[disc(300.0, 200.0, 20.0)]).unwrap();
    for model in [&first, &second] {
        let (mean, worst) = off(model, sky);
        println!("chebyshev: mean {mean:.4} worst {worst:.4}");
        assert!(mean.abs() < 0.01 && worst.abs() < 0.08, "{mean} {worst}");
        assert_eq!(model.chebyshev.as_ref().map(Image::width), Some(4));
        // Its mesh says the same.
        let level = evaluate(model);
        let middle = (model.cell_width / 2, model.cell_height / 2);
        assert!((level.at(middle.0, middle.1) - model.level.at(0, 0)).abs() < 0.2);
        assert!(mean_error(model) < 0.01 * SIGMA);
    }
    // A degree that the cells cannot fix becomes one that they can.
    let small = noisy(100, 10, |_, _| SKY);
    let config =
        BackgroundConfig { model: SkyModel::Chebyshev { degree: 5 }, ..Default::default() };
    let model = estimate(&small, &clear(&small), REJECT, &config).unwrap();
    assert!(off(&model, |_, _| SKY).1.abs() < 0.2);
}

#[test]
fn models_are_exchanged_and_restored() {
    let sky = |x: f64, _: f64| SKY + 0.02 * x;
    let image = noisy(400, 13, sky);
    let spline = model_of(&image);
    let config =
        BackgroundConfig { model: SkyModel::Chebyshev { degree: 1 }, ..Default::default() };
    let sum = estimate(&image, &clear(&image), REJECT, &config).unwrap();
    let mut other = spline.clone();
    other.level.data_mut().iter_mut().for_each(|v| *v += 7.0);
    for (old, new) in [(&spline, &other), (&spline, &sum), (&sum, &spline)] {
        let mut there = image.clone();
        subtract(&mut there, old);
        exchange(&mut there, old, new);
        let mut straight = image.clone();
        subtract(&mut straight, new);
        let pairs = || there.data().iter().zip(straight.data());
        assert!(pairs().all(|(a, b)| (a - b).abs() < 1e-3));
        restore(&mut there, new);
        assert!(there.data().iter().zip(image.data()).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
