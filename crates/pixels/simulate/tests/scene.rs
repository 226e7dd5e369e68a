//! Scenes: light, noise and positions against theory.

use elqui_image::Image;
use elqui_simulate::{Effects, GalaxyShape, Scene, SceneSource};

fn small() -> Scene {
    Scene { width: 800, height: 700, stars: 0, galaxies: 0, ..Scene::default() }
}

#[test]
fn a_blank_sky_has_the_noise_of_theory() {
    let scene = small();
    let frame = scene.render().unwrap();
    let n = frame.image.data().len() as f64;
    let mean = frame.image.data().iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let var = frame.image.data().iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    let expected = (scene.sky_e() + scene.read_noise_e.powi(2)) / scene.gain.powi(2);
    assert!((mean / frame.sky_adu - 1.0).abs() < 1e-3);
    assert!((var / expected - 1.0).abs() < 0.01, "{var} for {expected}");
}

#[test]
fn stars_have_their_flux_and_place() {
    let scene = Scene {
        width: 1400,
        height: 1400,
        stars: 60,
        star_mag: [17.0, 18.5],
        galaxies: 0,
        ..Scene::default()
    };
    let frame = scene.render().unwrap();
    let get = |n| frame.truth.numbers(n).unwrap();
    let (x, y, flux) = (get("x"), get("y"), get("flux_adu"));
    let (mut tested, mut ratio_sum) = (0, 0.0);
    for k in 0..x.len() {
        let alone = (0..x.len()).all(|j| j == k || (x[j] - x[k]).hypot(y[j] - y[k]) > 90.0);
        let inside = x[k] > 50.0 && y[k] > 50.0 && x[k] < 1350.0 && y[k] < 1350.0;
        if !alone || !inside {
            continue;
        }
        let (sum, cx, cy) = light(&frame.image, x[k], y[k], frame.sky_adu);
        assert!((sum / flux[k] - 1.0).abs() < 0.02, "{sum} for {}", flux[k]);
        assert!((cx - x[k]).abs() < 0.15 && (cy - y[k]).abs() < 0.15, "{cx} {}", x[k]);
        let (px, py) = frame.wcs.sky_to_pixel(get("ra")[k], get("dec")[k]).unwrap();
        assert!((px - x[k]).abs() < 1e-6 && (py - y[k]).abs() < 1e-6);
        tested += 1;
        ratio_sum += sum / flux[k];
    }
    assert!(tested > 15, "{tested}");
    let mean = ratio_sum / f64::from(tested);
    // Photon and sky noise in the aperture: about 0.3% for one star.
    assert!((mean - 1.0).abs() < 2e-3, "{mean}");
}

/// Sum and centroid within 32 pixels of the place.
fn light(image: &Image<f32>, x0: f64, y0: f64, sky: f64) -> (f64, f64, f64) {
    let (mut s, mut wx, mut wy, mut w) = (0.0, 0.0, 0.0, 0.0);
    for y in (y0 as i32 - 33)..=(y0 as i32 + 33) {
        for x in (x0 as i32 - 33)..=(x0 as i32 + 33) {
            let r = (f64::from(x) - x0).hypot(f64::from(y) - y0);
            let v = f64::from(image.get(x, y).unwrap()) - sky;
            if r <= 32.0 {
                s += v;
            }
            if r <= 4.0 {
                w += v;
                wx += v * f64::from(x);
                wy += v * f64::from(y);
            }
        }
    }
    (s, wx / w, wy / w)
}

#[test]
fn counts_are_those_asked_for() {
    let scene = Scene { stars: 300, galaxies: 500, ..small() };
    let frame = scene.render().unwrap();
    let stars = frame.truth.numbers("is_star").unwrap();
    let n = stars.iter().sum::<f64>();
    assert!((n - 300.0).abs() < 80.0 && (stars.len() as f64 - 800.0).abs() < 130.0);
    assert!(frame.reference.rows() > 20);
}

/// The scenes of the benchmarks. Run by hand: `cargo test --release -p elqui-simulate -- --ignored`.
#[test]
#[ignore = "a measurement of speed"]
#[allow(clippy::disallowed_methods)] // the clock
fn time_of_the_dense_scene() {
    for text in [
        include_str!("../../../../bench/scenes/dense.yaml"),
        include_str!("../../../../bench/scenes/sparse.yaml"),
    ] {
        let scene: Scene = serde_yaml_ng::from_str(text).unwrap();
        let clock = std::time::Instant::now();
        let frame = scene.render().unwrap();
        eprintln!("{} objects: {:.2} s", frame.truth.rows(), clock.elapsed().as_secs_f64());
    }
}

/// What is drawn of a star is its PSF times its flux, in the core and in all, to 0.3 mmag.
#[test]
fn a_drawn_star_is_its_psf_times_its_flux() {
    let scene = Scene { width: 1301, height: 1301, ..Scene::default() };
    let noise = (scene.sky_e() + scene.read_noise_e.powi(2)).sqrt();
    // S/N 5, 50 and 2000 against the sky.
    for flux_e in [40.0 * noise, 400.0 * noise, 2e6] {
        let star = SceneSource { x: 650.3, y: 649.8, flux_e, galaxy: None };
        let drawn = scene.source_stamp_about([650, 650], &star, 650).map(f64::from);
        let sum: f64 = drawn.data().iter().sum();
        assert!((sum / flux_e - 1.0).abs() < 3e-4, "{flux_e}: {sum}");
        let psf = scene.psf_stamp(star.x, star.y, 10);
        let (mut matched, mut squares) = (0.0, 0.0);
        for j in 0..21 {
            for i in 0..21 {
                let p = f64::from(psf.at(i, j));
                matched += p * drawn.at(640 + i, 640 + j);
                squares += p * p;
            }
        }
        let flux = matched / squares;
        assert!((flux / flux_e - 1.0).abs() < 2.8e-4, "{flux_e}: {flux}");
    }
    let whole: f64 = scene.psf_stamp(650.3, 649.8, 600).data().iter().map(|v| f64::from(*v)).sum();
    assert!((whole - 1.0).abs() < 1e-4, "{whole}");
}

/// The light of a galaxy is all there, however faint it is.
#[test]
fn a_drawn_galaxy_has_its_flux() {
    let scene = Scene { width: 1001, height: 1001, ..Scene::default() };
    for (flux_e, bulge) in [(2e3, false), (2e3, true), (1e5, true)] {
        let shape = GalaxyShape { radius_px: 3.0, axis_ratio: 0.6, angle: 0.4, bulge };
        let galaxy = SceneSource { x: 500.2, y: 499.9, flux_e, galaxy: Some(shape) };
        let stamp = scene.source_stamp_about([500, 500], &galaxy, 450);
        let sum: f64 = stamp.data().iter().map(|v| f64::from(*v)).sum();
        assert!((sum / flux_e - 1.0).abs() < 5e-4, "{flux_e} {bulge}: {sum}");
    }
}

#[test]
fn effects_are_seen_and_off_by_default() {
    let plain = Scene { stars: 40, galaxies: 0, star_mag: [16.0, 17.0], ..small() };
    let effects = Effects { brighter_fatter_px: 0.02, tree_rings_px: 0.05, flat_error: 0.005 };
    let (a, b) = (plain.render().unwrap(), Scene { effects, ..plain }.render().unwrap());
    assert_eq!(a.truth.numbers("x").unwrap(), b.truth.numbers("x").unwrap());
    assert!(a.image != b.image);
    let sum = |image: &Image<f32>| image.data().iter().map(|v| f64::from(*v)).sum::<f64>();
    // The rings and the flat's gradient do not quite cancel over the frame.
    assert!((sum(&a.image) / sum(&b.image) - 1.0).abs() < 2e-3);
}
