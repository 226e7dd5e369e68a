//! Size and shape of the model against the truth, for profiles of many kinds and each kind of model:
//! `cargo run --release --example accuracy -p elqui-psf -- [scene SIDE STARS GALAXIES SEED]`.
//!
//! Without arguments: small fields of stars of each profile. With them: a scene of the simulator.
//! Adaptive moments of the model and of the noiseless star at the same places.

#[path = "../tests/scene/mod.rs"]
mod scene;

use elqui_base::{FWHM_PER_SIGMA, median};
use elqui_detection::{DetectionConfig, detect, mark};
use elqui_image::{Image, Mask, MaskPlane, PsfModel, adaptive_moments};
use elqui_psf::{PsfConfig, PsfKind, fit_psf, guess_fwhm, select_stars};
use elqui_simulate::Scene;
use std::time::Instant;

/// dT/T mean and rms, rms of a distortion's component, worst sample over the peak, flux bias.
fn compare(
    model: &PsfModel,
    places: &[[f64; 2]],
    truth: impl Fn(f64, f64, usize) -> Image<f32>,
) -> [f64; 5] {
    let (mut size, mut shape, mut worst, mut fluxes) = (vec![], vec![], 0.0f64, vec![]);
    let half = model.half_width();
    for &[x, y] in places {
        let (drawn, exact) = (model.render(x, y), truth(x, y, half));
        let clear = Image::filled(drawn.width(), drawn.height(), 0);
        let at = (half as f64 + x - x.round(), half as f64 + y - y.round());
        let m = |i: &Image<f32>| {
            let m = adaptive_moments(i, &clear, 0, at, model.fwhm_pixels / 2.2, 3.0, half as f64);
            let t = m.ixx + m.iyy;
            (t, (m.ixx - m.iyy) / t, 2.0 * m.ixy / t)
        };
        let (a, b) = (m(&drawn), m(&exact));
        size.push(a.0 / b.0 - 1.0);
        shape.push(a.1 - b.1);
        shape.push(a.2 - b.2);
        let peak = exact.data().iter().copied().fold(0.0f32, f32::max);
        let (mut top, mut bottom) = (0.0, 0.0);
        for (a, b) in drawn.data().iter().zip(exact.data()) {
            worst = worst.max(f64::from((a - b).abs() / peak));
            top += f64::from(a * b);
            bottom += f64::from(a * a);
        }
        fluxes.push(top / bottom - 1.0);
    }
    let rms = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() / v.len() as f64).sqrt();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    [mean(&size), rms(&size), rms(&shape), worst, mean(&fluxes)]
}

fn places(width: usize, height: usize) -> Vec<[f64; 2]> {
    let (w, h) = (width as f64 - 1.0, height as f64 - 1.0);
    (0..144)
        .map(|k| {
            let (i, j) = (f64::from(k % 12) + 0.5, f64::from(k / 12) + 0.5);
            [i / 12.0 * w + 0.13 * i, j / 12.0 * h - 0.17 * j]
        })
        .collect()
}

fn report(
    name: &str,
    (image, variance, mask): (&Image<f32>, &Image<f32>, &Mask),
    sigma: f64,
    truth: impl Fn(f64, f64, usize) -> Image<f32> + Copy,
) {
    let config = DetectionConfig { threshold_sigma: 20.0, ..Default::default() };
    let found = detect(image, variance, mask, sigma, &config).expect("sources").footprints;
    let _ = guess_fwhm(image, variance, mask, &found);
    let clock = Instant::now();
    let stars = select_stars(image, variance, mask, &found, &Default::default());
    let selection = clock.elapsed().as_secs_f64();
    if std::env::var_os("VERBOSE").is_some() {
        let mut bright: Vec<_> =
            stars.iter().map(|s| (s.flux as i64, s.x as i64, s.y as i64)).collect();
        bright.sort_by_key(|b| -b.0);
        println!("{} stars, brightest {:?}", stars.len(), &bright[..bright.len().min(30)]);
    }
    let kinds = match std::env::var("KIND").as_deref() {
        Ok("hybrid") => vec![PsfKind::Hybrid],
        _ => vec![PsfKind::Pixels, PsfKind::Analytic, PsfKind::Hybrid],
    };
    for kind in kinds {
        let mut config = PsfConfig { kind, ..Default::default() };
        if let Some(n) = std::env::var("ITER").ok().and_then(|v| v.parse().ok()) {
            config.iterations = n;
        }
        if let Some(n) = std::env::var("DEGREE").ok().and_then(|v| v.parse().ok()) {
            config.degree_max = n;
        }
        let clock = Instant::now();
        let fit = match fit_psf(image, variance, mask, &stars, &config) {
            Ok(fit) => fit,
            Err(reason) => {
                println!("{name:16} {kind:?}: {reason}");
                continue;
            }
        };
        let took = clock.elapsed().as_secs_f64();
        let [mean, rms, shape, worst, flux] =
            compare(&fit.model, &places(image.width(), image.height()), truth);
        let v = fit.validation;
        println!(
            "{name:16} {:9} dT/T {:+6.1} rms {:5.1}  e {:5.1} (1e-4)  worst {:7.5} flux {:+6.2} mmag | used {:3}/{:3} degree {} beta {:5.2} eps {:.4} | \
             reserved {:2} dT/T {:+.4}+-{:.4} rms {:.4} e {:.4} | {selection:.2} + {took:.2} s",
            format!("{kind:?}"),
            1e4 * mean,
            1e4 * rms,
            1e4 * shape,
            worst,
            1085.7 * flux,
            fit.used.len(),
            stars.len() - fit.reserved.len(),
            fit.model.degree,
            fit.beta,
            fit.model_error,
            v.stars,
            v.size,
            v.size_err,
            v.size_rms,
            v.e_rms,
        );
    }
}

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(2).filter_map(|a| a.parse().ok()).collect();
    if let [side, stars, galaxies, seed] = arguments[..] {
        simulated(side, stars, galaxies, seed as u64);
        return;
    }
    use scene::Profile::*;
    let cases = [
        ("moffat 3", Moffat(3.0), 4.0, 0.1, 0.03),
        ("moffat 2.5", Moffat(2.5), 3.2, 0.05, 0.0),
        ("moffat narrow", Moffat(3.0), 2.2, 0.05, 0.03),
        ("kolmogorov", Kolmogorov, 4.0, 0.1, 0.05),
        ("double gaussian", DoubleGaussian, 4.0, 0.1, 0.0),
        ("airy jitter", AiryJitter, 3.0, 0.05, 0.05),
        ("coma", Coma, 3.6, 0.1, 0.05),
    ];
    for (name, profile, fwhm, fwhm_growth, ellipticity) in cases {
        let spec = scene::Spec {
            profile,
            fwhm,
            fwhm_growth,
            ellipticity,
            width: 1500,
            height: 1500,
            stars: 250,
            flux_min: 2e4,
            flux_max: 3e6,
            spacing: 45.0,
            seed: 5,
            ..Default::default()
        };
        let mut s = scene::make(&spec);
        s.image = s.image.map(|v| v - spec.sky as f32);
        let spec = &spec;
        let truth = |x: f64, _y: f64, half: usize| {
            let f = scene::star_profile(spec, x);
            let (dx, dy, h) = (x - x.round(), y_offset(_y), half as f64);
            Image::from_fn(2 * half + 1, 2 * half + 1, |i, j| {
                f(i as f64 - h - dx, j as f64 - h - dy) as f32
            })
        };
        report(name, (&s.image, &s.variance, &s.mask), fwhm / FWHM_PER_SIGMA, truth);
    }
}

fn y_offset(y: f64) -> f64 {
    y - y.round()
}

fn simulated(side: usize, stars: usize, galaxies: usize, seed: u64) {
    let scene = Scene { width: side, height: side, stars, galaxies, seed, ..Scene::default() };
    let frame = scene.render().expect("scene");
    let saturated = MaskPlane::Sat.bit();
    let limit = scene.saturation_adu as f32 - 1.0;
    let mut mask: Mask = frame.image.map(|v| if v >= limit { saturated } else { 0 });
    let noise = (scene.read_noise_e / scene.gain).powi(2);
    let variance = frame.image.map(|v| (f64::from(v.max(0.0)) / scene.gain + noise) as f32);
    let mut image = frame.image.clone();
    let sigma = scene.fwhm_arcsec / scene.pixel_scale_arcsec / FWHM_PER_SIGMA;
    let reject = MaskPlane::unusable() | MaskPlane::Detected.bit();
    for _ in 0..2 {
        let sky =
            elqui_background::estimate(&image, &mask, reject, &Default::default()).expect("sky");
        elqui_background::subtract(&mut image, &sky);
        let found = detect(&image, &variance, &mask, sigma, &Default::default()).expect("sources");
        mark(&mut mask, &found.footprints, MaskPlane::Detected);
    }
    if std::env::var_os("VERBOSE").is_some() {
        let column = |n: &str| frame.truth.numbers(n).expect("column");
        let (x, y, flux) = (column("x"), column("y"), column("flux_adu"));
        let (star, sat) = (column("is_star"), column("saturated"));
        let mut bright: Vec<_> = (0..x.len())
            .filter(|&k| star[k] > 0.0 && sat[k] == 0.0)
            .map(|k| (flux[k] as i64, x[k] as i64, y[k] as i64))
            .collect();
        bright.sort_by_key(|b| -b.0);
        println!("truth {:?}", &bright[..30]);
    }
    println!(
        "sky left {:+.3} adu",
        median(&mut image.data().iter().map(|v| f64::from(*v)).collect::<Vec<_>>())
    );
    let truth = |x: f64, y: f64, half: usize| scene.psf_stamp(x, y, half);
    report(&format!("scene {side} #{seed}"), (&image, &variance, &mask), sigma, truth);
}
