//! The PSF against scenes of known truth, and against hostile input.

mod scene;

use elqui_detection::{DetectionConfig, detect};
use elqui_image::{Footprint, Image, Mask, MaskPlane, PsfModel, adaptive_moments};
use elqui_psf::*;

fn prepared(spec: &scene::Spec) -> (scene::Scene, Vec<Footprint>) {
    let mut s = scene::make(spec);
    s.image = s.image.map(|v| v - spec.sky as f32);
    let config = DetectionConfig::default();
    let found = detect(&s.image, &s.variance, &s.mask, spec.fwhm / 2.3548, &config).unwrap();
    (s, found.footprints)
}

fn model_of(s: &scene::Scene, footprints: &[Footprint]) -> (Vec<StarCandidate>, PsfFit) {
    let (image, variance, mask) = (&s.image, &s.variance, &s.mask);
    let stars = select_stars(image, variance, mask, footprints, &SelectionConfig::default());
    let fit = fit_psf(image, variance, mask, &stars, &PsfConfig::default()).unwrap();
    (stars, fit)
}

/// Flux and centroid by the model, from noiseless weights, at a known start.
fn psf_flux(s: &scene::Scene, model: &PsfModel, x: f64, y: f64) -> (f64, f64) {
    let stamp = model.render(x, y);
    let half = model.half_width() as i32;
    let (mut top, mut bottom) = (0.0, 0.0);
    for j in 0..stamp.height() as i32 {
        for i in 0..stamp.width() as i32 {
            let (px, py) = (x.round() as i32 + i - half, y.round() as i32 + j - half);
            let (Some(d), Some(v)) = (s.image.get(px, py), s.variance.get(px, py)) else {
                continue;
            };
            let m = f64::from(stamp.at(i as usize, j as usize));
            top += m * f64::from(d / v);
            bottom += m * m / f64::from(v);
        }
    }
    (top / bottom, bottom.sqrt().recip())
}

fn check_scene(name: &str, spec: &scene::Spec, shape_limit: f64, flux_limit: f64) {
    let (s, footprints) = prepared(spec);
    let (stars, fit) = model_of(&s, &footprints);
    let mut worst = 0.0f64;
    for (fx, fy) in [(0.1, 0.1), (0.9, 0.1), (0.5, 0.5), (0.1, 0.9), (0.9, 0.9)] {
        let (x, y) = (spec.width as f64 * fx + 0.3, spec.height as f64 * fy - 0.2);
        let truth = scene::star_profile(spec, x);
        let stamp = fit.model.render(x, y);
        let half = fit.model.half_width() as f64;
        let (dx, dy) = (x - x.round(), y - y.round());
        let mut total = 0.0;
        for j in 0..stamp.height() {
            for i in 0..stamp.width() {
                total += truth(i as f64 - half - dx, j as f64 - half - dy);
            }
        }
        let peak = truth(0.0, 0.0) / total;
        for j in 0..stamp.height() {
            for i in 0..stamp.width() {
                let t = truth(i as f64 - half - dx, j as f64 - half - dy) / total;
                worst = worst.max((f64::from(stamp.at(i, j)) - t).abs() / peak);
            }
        }
    }
    // Stars of the same kind: bias of the flux, and the scatter against its error.
    let (mut ratios, mut pulls) = (Vec::new(), Vec::new());
    for t in s.truth.iter().filter(|t| !t.galaxy && t.flux > 1e4) {
        let half = fit.model.half_width() as f64;
        if t.x < half
            || t.y < half
            || t.x + half > spec.width as f64
            || t.y + half > spec.height as f64
        {
            continue;
        }
        let alone =
            s.truth.iter().all(|o| (o.x - t.x).hypot(o.y - t.y) > 12.0 || (o.x, o.y) == (t.x, t.y));
        if alone {
            let (flux, error) = psf_flux(&s, &fit.model, t.x, t.y);
            ratios.push(flux / t.flux);
            pulls.push((flux - t.flux * 1.0) / error);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!(
        "{name}: {} candidates, {} used, degree {}, fwhm {:.4}, worst sample {worst:.5} of the peak, \
         flux ratio {median:.5} ({} stars), size residual {:.4} +- {:.4}",
        stars.len(),
        fit.used.len(),
        fit.model.degree,
        fit.model.fwhm_pixels,
        ratios.len(),
        fit.size_residual,
        fit.size_scatter
    );
    assert!(worst < shape_limit, "{name}: worst sample {worst}");
    // The stamp holds a little less than all of a Moffat's light; a constant factor is no bias of ours.
    assert!((median - 1.0).abs() < flux_limit, "{name}: flux {median}");
    let mean_fwhm = spec.fwhm;
    assert!((fit.model.fwhm_pixels / mean_fwhm - 1.0).abs() < 0.02, "{}", fit.model.fwhm_pixels);
    assert!(fit.size_residual.abs() < 0.01 && fit.reserved.len() >= 2);
}

#[test]
fn a_constant_psf_comes_back() {
    let spec = scene::Spec {
        width: 900,
        height: 800,
        stars: 150,
        spacing: 40.0,
        flux_min: 2e4,
        ..Default::default()
    };
    check_scene("constant", &spec, 0.02, 0.006);
}

#[test]
fn a_varying_elongated_psf_comes_back() {
    let spec = scene::Spec {
        width: 1200,
        height: 1000,
        stars: 300,
        spacing: 35.0,
        flux_min: 2e4,
        fwhm: 4.2,
        fwhm_growth: 0.15,
        ellipticity: 0.08,
        ..Default::default()
    };
    // At the corners 240 stars of S/N 100 leave half a percent of noise in each sample.
    check_scene("varying", &spec, 0.03, 0.006);
}

#[test]
fn a_narrow_psf_is_sampled_finely() {
    let spec = scene::Spec {
        width: 900,
        height: 800,
        stars: 250,
        spacing: 30.0,
        flux_min: 2e4,
        fwhm: 2.4,
        ..Default::default()
    };
    check_scene("narrow", &spec, 0.03, 0.008);
}

#[test]
fn a_crowded_field_with_galaxies_still_gives_its_stars() {
    let spec = scene::Spec {
        width: 1200,
        height: 1200,
        stars: 1500,
        galaxies: 800,
        flux_min: 1e3,
        flux_max: 3e5,
        ..Default::default()
    };
    check_scene("crowded", &spec, 0.04, 0.03);
}

#[test]
fn masks_are_respected() {
    let spec = scene::Spec {
        width: 700,
        height: 700,
        stars: 80,
        spacing: 45.0,
        flux_min: 2e4,
        ..Default::default()
    };
    let (mut s, footprints) = prepared(&spec);
    let (_, clean) = model_of(&s, &footprints);
    // Spoil the left third and some columns, and mask them.
    for y in 0..700 {
        for x in (0..230).chain((230..700).step_by(90)) {
            s.image.set(x, y, if x % 2 == 0 { f32::NAN } else { 1e7 });
            s.mask.set(x, y, MaskPlane::Bad.bit());
        }
    }
    let (stars, fit) = model_of(&s, &footprints);
    assert!(stars.iter().all(|c| c.x > 230.0));
    let (a, b) = (clean.model.render(450.0, 350.0), fit.model.render(450.0, 350.0));
    let peak = a.data().iter().copied().fold(0.0f32, f32::max);
    for (a, b) in a.data().iter().zip(b.data()) {
        assert!((a - b).abs() < 0.03 * peak, "{a} {b} of {peak}");
    }
}

#[test]
fn the_width_is_guessed_before_anything_is_known() {
    let spec = scene::Spec {
        width: 800,
        height: 800,
        stars: 120,
        galaxies: 60,
        fwhm: 4.5,
        flux_min: 5e3,
        ..Default::default()
    };
    let mut s = scene::make(&spec);
    s.image = s.image.map(|v| v - spec.sky as f32);
    for start in [1.2, 1.9, 3.0] {
        let found =
            detect(&s.image, &s.variance, &s.mask, start, &DetectionConfig::default()).unwrap();
        let fwhm = guess_fwhm(&s.image, &s.variance, &s.mask, &found.footprints).unwrap();
        // A Moffat's moments are those of a somewhat wider Gaussian.
        assert!((0.97..1.2).contains(&(fwhm / spec.fwhm)), "from {start}: {fwhm}");
    }
}

#[test]
fn the_fall_back_is_a_gaussian_of_unit_sum() {
    for fwhm in [0.9, 2.0, 3.4, 6.0, f64::NAN, -1.0] {
        let psf = gaussian(fwhm);
        let sum: f32 = psf.render(10.3, 20.4).data().iter().sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
    assert!((half_maximum_width(&gaussian(4.0), 0.0, 0.0) - 4.0).abs() < 0.01);
    assert!((effective_fwhm(&gaussian(4.0), 0.0, 0.0) - 4.0).abs() < 0.01);
}

#[test]
fn hostile_input_gives_clear_answers() {
    let clear: Mask = Image::filled(60, 60, 0);
    let ones = Image::filled(60, 60, 1.0f32);
    let config = PsfConfig::default();
    let none = fit_psf(&ones, &ones, &clear, &[], &config);
    assert_eq!(none, Err(PsfError::TooFewStars { found: 0, needed: 3 }));
    let other = Image::filled(5, 5, 1.0f32);
    assert!(matches!(fit_psf(&ones, &other, &clear, &[], &config), Err(PsfError::Shape { .. })));
    // Footprints that point at nothing, at NaN, or outside.
    let peak = |x, y| elqui_image::Peak { x, y, snr: 900.0 };
    let peaks = vec![peak(30.0, 30.0), peak(-50.0, 1e9), peak(f32::NAN, 3.0), peak(59.0, 0.0)];
    let footprints = [Footprint { spans: Vec::new(), peaks }];
    for value in [0.0, 1.0, -1.0, f32::NAN, f32::INFINITY] {
        let image = Image::filled(60, 60, value);
        let stars = select_stars(&image, &ones, &clear, &footprints, &SelectionConfig::default());
        assert!(fit_psf(&image, &ones, &clear, &stars, &config).is_err());
        let _ = guess_fwhm(&image, &ones, &clear, &footprints);
    }
    let empty = Image::filled(0, 0, 0.0f32);
    let nothing =
        select_stars(&empty, &empty, &Image::filled(0, 0, 0), &[], &SelectionConfig::default());
    assert!(nothing.is_empty());
    assert!(serde_json::from_str::<PsfConfig>(r#"{"order": 3}"#).is_err());
    assert!(serde_json::from_str::<SelectionConfig>(r#"{"order": 3}"#).is_err());
}

/// T of the model over T of the truth, less one, mean over the detector.
fn size_error(spec: &scene::Spec, model: &PsfModel) -> f64 {
    let places = [(0.2, 0.2), (0.5, 0.3), (0.8, 0.2), (0.3, 0.8), (0.7, 0.7)];
    let half = model.half_width();
    let errors: Vec<f64> = places
        .iter()
        .map(|(fx, fy)| {
            let (x, y) = (spec.width as f64 * fx + 0.3, spec.height as f64 * fy - 0.2);
            let (dx, dy, h) = (x - x.round(), y - y.round(), half as f64);
            let truth = scene::star_profile(spec, x);
            let exact = Image::from_fn(2 * half + 1, 2 * half + 1, |i, j| {
                truth(i as f64 - h - dx, j as f64 - h - dy) as f32
            });
            let clear: Mask = Image::filled(2 * half + 1, 2 * half + 1, 0);
            let t = |image: &Image<f32>| {
                let m = adaptive_moments(image, &clear, 0, (h + dx, h + dy), 1.5, 3.0, 12.0);
                assert!(!m.failed);
                m.ixx + m.iyy
            };
            t(&model.render(x, y)) / t(&exact) - 1.0
        })
        .collect();
    errors.iter().sum::<f64>() / errors.len() as f64
}

#[test]
fn profiles_that_are_no_moffat_come_back_too() {
    use scene::Profile::*;
    for profile in [Moffat(2.5), Kolmogorov, DoubleGaussian, AiryJitter, Coma] {
        let spec = scene::Spec {
            profile,
            width: 900,
            height: 900,
            stars: 150,
            spacing: 45.0,
            flux_min: 3e4,
            fwhm_growth: 0.08,
            ..Default::default()
        };
        let (s, footprints) = prepared(&spec);
        let stars = select_stars(&s.image, &s.variance, &s.mask, &footprints, &Default::default());
        let of = |kind| {
            let config = PsfConfig { kind, ..Default::default() };
            fit_psf(&s.image, &s.variance, &s.mask, &stars, &config).unwrap()
        };
        let fit = of(PsfKind::Hybrid);
        let (hybrid, analytic) =
            (size_error(&spec, &fit.model), size_error(&spec, &of(PsfKind::Analytic).model));
        println!(
            "{profile:?}: dT/T hybrid {hybrid:.4}, analytic {analytic:.4}, {:?}",
            fit.validation
        );
        assert!(hybrid.abs() < 6e-3, "{profile:?}: {hybrid}");
        // Nine in ten of the stars that were not reserved take part.
        assert!(10 * fit.used.len() > 9 * (stars.len() - fit.reserved.len()), "{profile:?}");
        let v = fit.validation;
        assert!(v.size.abs() < 5.0 * v.size_err + 2e-3 && v.e1.abs() < 5.0 * v.e_err + 2e-3);
    }
}

#[test]
fn the_same_bytes_on_any_number_of_threads() {
    let spec = scene::Spec { stars: 60, spacing: 45.0, flux_min: 2e4, ..Default::default() };
    let (s, footprints) = prepared(&spec);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| model_of(&s, &footprints).1.model)
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn the_older_name_of_the_degree_is_read() {
    let config: PsfConfig = serde_json::from_str(r#"{"degree": 1, "kind": "analytic"}"#).unwrap();
    assert_eq!((config.degree_max, config.kind), (1, PsfKind::Analytic));
}
