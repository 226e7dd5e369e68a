//! Trails are found where they are, and nothing else is called one.

#[path = "../../psf/tests/scene/mod.rs"]
mod scene;

use elqui_detection::*;
use elqui_image::{Image, Mask, MaskPlane};
use scene::{Random, Spec};

fn sky_subtracted(spec: &Spec) -> scene::Scene {
    let mut s = scene::make(spec);
    s.image = s.image.map(|v| v - spec.sky as f32);
    s
}

/// Light of a trail from `a` to `b` with a Gaussian profile.
fn add_trail(s: &mut scene::Scene, a: (f64, f64), b: (f64, f64), peak: f64, sigma: f64) {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy);
    let (ux, uy) = (dx / length, dy / length);
    let mut random = Random::new(77);
    for y in 0..s.image.height() {
        for x in 0..s.image.width() {
            let (px, py) = (x as f64 - a.0, y as f64 - a.1);
            let (along, across) = (px * ux + py * uy, py * ux - px * uy);
            if along < 0.0 || along > length || across.abs() > 6.0 * sigma {
                continue;
            }
            let v = peak * (-0.5 * (across / sigma).powi(2)).exp();
            let noise = v.sqrt() * random.normal();
            s.image.set(x, y, s.image.at(x, y) + (v + noise) as f32);
            s.variance.set(x, y, s.variance.at(x, y) + v as f32);
        }
    }
}

fn find(s: &scene::Scene) -> Vec<Streak> {
    find_streaks(&s.image, &s.variance, &s.mask, &StreakConfig::default())
}

/// Largest distance of the trail's ends from the line through `a` and `b`.
fn off_line(t: &Streak, a: (f64, f64), b: (f64, f64)) -> f64 {
    let length = (b.0 - a.0).hypot(b.1 - a.1);
    let across =
        |x: f64, y: f64| ((y - a.1) * (b.0 - a.0) - (x - a.0) * (b.1 - a.1)).abs() / length;
    across(t.x0, t.y0).max(across(t.x1, t.y1))
}

#[test]
fn fields_without_trails_have_none() {
    for seed in 1..=3 {
        for (stars, galaxies) in [(0, 0), (150, 60), (1200, 800)] {
            let spec = Spec { width: 1024, height: 900, stars, galaxies, seed, ..Spec::default() };
            let found = find(&sky_subtracted(&spec));
            assert!(found.is_empty(), "{stars} stars, seed {seed}: {found:?}");
        }
    }
}

#[test]
fn a_faint_trail_is_found_with_its_ends_and_width() {
    let (a, b) = ((60.0, 150.0), (930.0, 790.0));
    for (stars, galaxies) in [(20, 10), (700, 500)] {
        let spec = Spec { width: 1100, height: 1000, stars, galaxies, ..Spec::default() };
        let mut s = sky_subtracted(&spec);
        // One sigma of the sky on its ridge.
        add_trail(&mut s, a, b, 20.0, 1.6);
        let found = find(&s);
        assert_eq!(found.len(), 1, "{found:?}");
        let t = &found[0];
        assert!(off_line(t, a, b) < 2.5, "{t:?}");
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        assert!((t.length_pixels / length - 1.0).abs() < 0.1, "{t:?} {length}");
        let angle = (b.1 - a.1).atan2(b.0 - a.0).to_degrees();
        assert!((t.angle_deg - angle).abs() < 0.3, "{t:?} {angle}");
        assert!((2.5..7.0).contains(&t.fwhm_pixels), "{t:?}");
        assert!((12.0..30.0).contains(&t.surface_brightness), "{t:?}");
    }
}

#[test]
fn trails_of_all_directions_are_found_and_masked() {
    let spec = Spec { width: 800, height: 800, stars: 200, galaxies: 60, ..Spec::default() };
    for (k, degrees) in
        [0.0f64, 3.0, 40.0, 45.0, 50.0, 90.0, 93.0, 120.0, 135.0, 171.0].into_iter().enumerate()
    {
        let mut s = sky_subtracted(&Spec { seed: 40 + k as u64, ..spec });
        let (sine, cosine) = degrees.to_radians().sin_cos();
        let (x, y) = (400.0 + 7.0 * k as f64, 380.0);
        let (a, b) =
            ((x - 1500.0 * cosine, y - 1500.0 * sine), (x + 1500.0 * cosine, y + 1500.0 * sine));
        add_trail(&mut s, a, b, 200.0, 2.0);
        let found = find(&s);
        assert_eq!(found.len(), 1, "{degrees}: {found:?}");
        assert!(off_line(&found[0], a, b) < 1.0, "{degrees}: {found:?}");
        mask_streaks(&mut s.mask, &found);
        let bit = MaskPlane::Streak.bit();
        let masked = s.mask.data().iter().filter(|m| **m == bit).count() as f64;
        let (length, width) = (found[0].length_pixels, found[0].width_pixels);
        assert!((masked / (length * width) - 1.0).abs() < 0.1, "{degrees}: {masked}");
        // With it masked, what is detected on the line is only the stars beside it.
        let config = DetectionConfig::default();
        let peaks = detect(&s.image, &s.variance, &s.mask, 1.4, &config).unwrap();
        let near = peaks.footprints.iter().flat_map(|f| &f.peaks).filter(|p| {
            let across = (f64::from(p.y) - y) * cosine - (f64::from(p.x) - x) * sine;
            across.abs() < width
                && !s.truth.iter().any(|t| (t.x - f64::from(p.x)).hypot(t.y - f64::from(p.y)) < 4.0)
        });
        let near = near.count();
        assert!(near <= 2, "{degrees}: {near} sources along the trail");
    }
}

#[test]
fn a_train_of_trails_is_found_whole() {
    let spec = Spec { width: 900, height: 900, stars: 100, galaxies: 30, ..Spec::default() };
    let mut s = sky_subtracted(&spec);
    let lines: Vec<_> = (0..4)
        .map(|k| ((-50.0, 60.0 + 170.0 * f64::from(k)), (950.0, 250.0 + 172.0 * f64::from(k))))
        .collect();
    for (k, &(a, b)) in lines.iter().enumerate() {
        add_trail(&mut s, a, b, 40.0 * (k + 1) as f64, 1.7);
    }
    let found = find(&s);
    assert_eq!(found.len(), 4, "{found:?}");
    for &(a, b) in &lines {
        assert!(found.iter().any(|t| off_line(t, a, b) < 1.5), "{found:?}");
    }
}

#[test]
fn bleeding_columns_spikes_steps_and_galaxies_are_no_trails() {
    let clean = sky_subtracted(&Spec { width: 800, height: 800, stars: 60, ..Spec::default() });
    // A bleeding star.
    let mut s = clean_copy(&clean);
    for y in 100..700 {
        for x in 399..=402 {
            s.image.set(x, y, 6e4);
            s.mask.set(x, y, MaskPlane::Sat.bit());
        }
        s.image.set(398, y, 900.0);
        s.image.set(403, y, 700.0);
    }
    assert!(find(&s).is_empty(), "bleeding: {:?}", find(&s));
    // A very bright star with four spikes that fade as 1 / r^2.
    let mut s = clean_copy(&clean);
    for y in 0..800 {
        for x in 0..800 {
            let (u, v) = (x as f64 - 380.0, y as f64 - 420.0);
            let (along, across) = ((u + v) / 2f64.sqrt(), (u - v) / 2f64.sqrt());
            let r = u.hypot(v).max(3.0);
            let spike = |a: f64| (-0.5 * (a / 1.5).powi(2)).exp();
            let light = 3e8 / r.powi(4) + 3e6 / (r * r) * (spike(along) + spike(across));
            s.image.set(x, y, (s.image.at(x, y) + light as f32).min(6e4));
            if s.image.at(x, y) >= 6e4 {
                s.mask.set(x, y, MaskPlane::Sat.bit());
            }
        }
    }
    assert!(find(&s).is_empty(), "spikes: {:?}", find(&s));
    // A step between two amplifiers.
    let mut s = clean_copy(&clean);
    for y in 0..800 {
        for x in 400..800 {
            s.image.set(x, y, s.image.at(x, y) + 15.0);
        }
    }
    assert!(find(&s).is_empty(), "step: {:?}", find(&s));
    // A large galaxy seen from its edge.
    let mut s = clean_copy(&clean);
    for y in 0..800 {
        for x in 0..800 {
            let (u, v) = (x as f64 - 400.0, y as f64 - 400.0);
            let (along, across) = (0.8 * u + 0.6 * v, 0.8 * v - 0.6 * u);
            let light = 2000.0 * (-along.abs() / 60.0 - across.abs() / 6.0).exp();
            s.image.set(x, y, s.image.at(x, y) + light as f32);
        }
    }
    assert!(find(&s).is_empty(), "galaxy: {:?}", find(&s));
}

fn clean_copy(s: &scene::Scene) -> scene::Scene {
    scene::Scene {
        image: s.image.clone(),
        variance: s.variance.clone(),
        mask: s.mask.clone(),
        truth: Vec::new(),
    }
}

#[test]
fn brightness_scales_and_the_place_moves_with_the_image() {
    let spec = Spec { width: 700, height: 600, stars: 50, ..Spec::default() };
    let mut s = sky_subtracted(&spec);
    add_trail(&mut s, (-10.0, 100.0), (720.0, 480.0), 60.0, 1.7);
    let a = find(&s);
    let scaled = scene::Scene {
        image: s.image.map(|v| 0.5 * v),
        variance: s.variance.map(|v| 0.25 * v),
        mask: s.mask.clone(),
        truth: Vec::new(),
    };
    let b = find(&scaled);
    assert_eq!((a.len(), b.len()), (1, 1));
    assert!((a[0].surface_brightness * 0.5 - b[0].surface_brightness).abs() < 1e-3);
    assert_eq!((a[0].x0, a[0].y1), (b[0].x0, b[0].y1));
    // Eight pixels more on the left and sixteen below: the line moves with them.
    let wide = |image: &Image<f32>, fill: f32| {
        let mut out = Image::filled(708, 616, fill);
        out.paste(image, 8, 16);
        out
    };
    let mut mask: Mask = Image::filled(708, 616, MaskPlane::NoData.bit());
    mask.paste(&s.mask, 8, 16);
    let c = find_streaks(
        &wide(&s.image, f32::NAN),
        &wide(&s.variance, f32::INFINITY),
        &mask,
        &StreakConfig::default(),
    );
    assert_eq!(c.len(), 1);
    let line = ((-10.0 + 8.0, 116.0), (728.0, 496.0));
    assert!(off_line(&c[0], line.0, line.1) < 1.0, "{c:?}");
}

#[test]
fn hostile_images_have_no_trails() {
    let config = StreakConfig::default();
    let run = |w: usize, h: usize, value: f32, variance: f32, bits: u32| {
        let image = Image::filled(w, h, value);
        let variance = Image::filled(w, h, variance);
        find_streaks(&image, &variance, &Image::filled(w, h, bits), &config)
    };
    for (w, h) in [(0, 0), (1, 1), (1, 4000), (64, 64), (400, 333)] {
        for value in [0.0, f32::NAN, f32::INFINITY, 1e30, -1e30, f32::MAX] {
            for variance in [1.0, 0.0, f32::NAN, f32::INFINITY] {
                assert!(run(w, h, value, variance, 0).is_empty());
            }
        }
        assert!(run(w, h, 1.0, 1.0, MaskPlane::NoData.bit()).is_empty());
        assert!(run(w, h, 6e4, 1.0, MaskPlane::Sat.bit()).is_empty());
    }
    let none = StreakConfig { bin_pixels: 0, ..config.clone() };
    let image = Image::filled(500, 500, 1.0);
    assert!(find_streaks(&image, &image, &Image::filled(500, 500, 0), &none).is_empty());
    let mut mask: Mask = Image::filled(9, 9, 0);
    let odd = Streak {
        x0: f64::NAN,
        y0: 1e300,
        x1: -1e300,
        y1: 3.0,
        width_pixels: 1e9,
        fwhm_pixels: 1.0,
        angle_deg: 0.0,
        surface_brightness: 1.0,
        length_pixels: 1.0,
        snr: 1.0,
    };
    mask_streaks(&mut mask, &[odd, Streak { x0: 0.0, width_pixels: -1.0, ..odd }]);
    assert!(serde_json::from_str::<StreakConfig>(r#"{"snr_min": 12}"#).is_ok());
    assert!(serde_json::from_str::<StreakConfig>(r#"{"snr": 12}"#).is_err());
}
