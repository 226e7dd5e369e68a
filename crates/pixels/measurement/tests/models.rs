//! Gaussian apertures, trails, windowed centroids and errors of moments.

mod common;
#[path = "common/square.rs"]
mod square;

use common::Rng;
use elqui_image::{Image, PsfModel};
use elqui_measurement::{
    ModelPsf, ModelScratch, Planes, Start, cmodel, gaap, moment_errors, trail, windowed_centroid,
};
use square::{MIDDLE, Square, drawn, moffat, trailed};

/// A galaxy of one Gaussian through a PSF of two elliptical Gaussians.
fn gaussian_galaxy(core: [f64; 3]) -> (PsfModel, Image<f32>) {
    let galaxy = [6.0, 2.0, 4.0];
    let parts = [(0.8, core), (0.2, core.map(|v| 4.0 * v))];
    let value = |[xx, xy, yy]: [f64; 3], dx: f64, dy: f64| {
        let det: f64 = xx * yy - xy * xy;
        let q = (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / det;
        (-0.5 * q).exp() / (std::f64::consts::TAU * det.sqrt())
    };
    let sum = |extra: [f64; 3], dx: f64, dy: f64| -> f64 {
        parts.iter().map(|(w, p)| w * value([0, 1, 2].map(|k| p[k] + extra[k]), dx, dy)).sum()
    };
    let fwhm = 2.3548 * (core[0] * core[2] - core[1] * core[1]).powf(0.25);
    let psf = PsfModel::from_profile(161, 0.5, fwhm, |dx, dy| sum([0.0; 3], dx, dy));
    let image = Image::from_fn(141, 141, |i, j| {
        (1e5 * sum(galaxy, i as f64 - 70.27, j as f64 - 69.81)) as f32
    });
    (psf, image)
}

#[test]
fn gaap_is_the_same_through_every_psf() {
    let sigmas = [3.0, 4.0, 6.0];
    // FWHM 0.7" and 1.1" at 0.2" a pixel, e about 0.1 in other directions.
    let cores = [[2.45, 0.2, 2.0], [4.9, -0.3, 6.0]];
    let mut found = Vec::new();
    for core in cores {
        let (model, image) = gaussian_galaxy(core);
        let square = Square::new(70, image, 20.0);
        let g = gaap(
            &square.view(),
            &ModelPsf::new(&model),
            (500.27, 499.81),
            sigmas,
            &mut ModelScratch::default(),
        );
        assert!(g.iter().all(|g| !g.flag), "{g:?}");
        // Light before the PSF under the Gaussian weight.
        for (g, p) in g.iter().zip(sigmas) {
            let truth = 1e5 * p * p / ((p * p + 6.0) * (p * p + 4.0) - 4.0f64).sqrt();
            assert!((g.flux / truth - 1.0).abs() < 2e-3, "{p}: {} {truth}", g.flux);
        }
        found.push(g);
    }
    for (a, b) in found[0].iter().zip(&found[1]) {
        assert!((a.flux / b.flux - 1.0).abs() < 2e-3, "{a:?} {b:?}");
    }
    // A weight that is sharper than the PSF says so.
    let (model, image) = gaussian_galaxy(cores[1]);
    let square = Square::new(70, image, 20.0);
    let psf = ModelPsf::new(&model);
    let g = gaap(&square.view(), &psf, (500.0, 500.0), [1.0], &mut ModelScratch::default());
    assert!(g[0].flag);
}

#[test]
fn gaap_is_a_stars_flux_and_its_error_the_scatter() {
    let psf = ModelPsf::new(&moffat(4.0));
    let (flux, mut rng, mut scratch) = (1e4, Rng(3), ModelScratch::default());
    let square = Square::new(36, drawn(500.3, 499.6, flux, None, 36), 20.0);
    let sigmas = [1.0, 1.5, 2.5].map(|f: f64| psf.sigma * (1.0 + f * f).sqrt());
    let at = (500.3, 499.6);
    let clean = gaap(&square.view(), &psf, at, sigmas, &mut scratch);
    assert!(clean.iter().all(|g| (g.flux / flux - 1.0).abs() < 1e-3 && !g.flag), "{clean:?}");
    let mut pulls = [const { Vec::new() }; 3];
    for _ in 0..300 {
        let g = gaap(&square.noisy(&mut rng).view(), &psf, at, sigmas, &mut scratch);
        (0..3).for_each(|k| pulls[k].push((g[k].flux - flux) / g[k].flux_err));
    }
    for p in &pulls {
        let mean = elqui_base::mean(p);
        let width = (p.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 299.0).sqrt();
        assert!(mean.abs() < 0.2 && (0.88..1.12).contains(&width), "{mean} {width}");
    }
}

#[test]
fn trails_are_measured() {
    let psf = ModelPsf::new(&moffat(4.0));
    let mut scratch = ModelScratch::default();
    for (length, angle, half) in [(8.0, 0.6f64, 40), (25.0, -1.2, 50), (60.0, 1.5, 80)] {
        let flux = 1e5;
        let square = Square::new(half, trailed(500.3, 499.7, length, angle, flux, half), 20.0);
        let t = trail(&square.view(), &psf, &square.start(500.0, 500.0), &mut scratch);
        assert!(!t.flag && (t.flux / flux - 1.0).abs() < 3e-3, "{length}: {t:?}");
        assert!((t.length - length).abs() < 0.03 && (t.x - 500.3).abs() < 0.02, "{length}: {t:?}");
        assert!((t.angle_deg - angle.to_degrees()).abs() < 0.3 && (t.y - 499.7).abs() < 0.02);
    }
    let (flux, length, mut rng) = (4e4, 12.0, Rng(8));
    let square = Square::new(40, trailed(500.3, 499.7, length, 0.6, flux, 40), 20.0);
    let start = square.start(500.0, 500.0);
    let (mut f, mut l) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let t = trail(&square.noisy(&mut rng).view(), &psf, &start, &mut scratch);
        f.push((t.flux - flux) / t.flux_err);
        l.push((t.length - length) / t.length_err);
    }
    for pulls in [f, l] {
        let mean = elqui_base::mean(&pulls);
        let width = (pulls.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
        assert!(mean.abs() < 0.3 && (0.85..1.15).contains(&width), "{mean} {width}");
    }
}

#[test]
fn windowed_centroids_and_moment_errors_are_honest() {
    let mut rng = Rng(4);
    let flux = 2e4;
    let mut pulls = [const { Vec::new() }; 5];
    let clean = |x, y| Square::new(20, drawn(x, y, flux, None, 20), 20.0);
    let planes = |s: &Square| -> (Image<f32>, Image<f32>, Image<u32>) {
        (s.image.clone(), s.variance.clone(), s.mask.clone())
    };
    let moments = |s: &Square| {
        elqui_image::adaptive_moments(&s.image, &s.mask, 1, (20.0, 20.0), 1.7, 3.0, 20.0)
    };
    let truth = moments(&clean(500.0, 500.0));
    for _ in 0..300 {
        let (x, y) = (MIDDLE + rng.uniform() - 0.5, MIDDLE + rng.uniform() - 0.5);
        let s = clean(x, y).noisy(&mut rng);
        let (image, variance, mask) = planes(&s);
        let p = Planes { image: &image, variance: &variance, mask: &mask, reject: 1 };
        let w = windowed_centroid(&p, (20.0, 20.0), 1.7, 2.0);
        assert!(!w.flag);
        pulls[0].push((w.x - (x - 480.0)) / w.x_err);
        pulls[1].push((w.y - (y - 480.0)) / w.y_err);
        let m = moments(&s);
        let e = moment_errors(&p, (m.x, m.y), [m.ixx, m.iyy, m.ixy]);
        pulls[2].push((m.ixx - truth.ixx) / e[0]);
        pulls[3].push((m.iyy - truth.iyy) / e[1]);
        pulls[4].push((m.ixy - truth.ixy) / e[2]);
    }
    for (k, p) in pulls.iter().enumerate() {
        let mean = elqui_base::mean(p);
        let width = (p.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 299.0).sqrt();
        assert!(mean.abs() < 0.3 && (0.85..1.15).contains(&width), "{k}: {mean} {width}");
    }
}

#[test]
fn hostile_input_is_flagged() {
    let psf = ModelPsf::new(&moffat(4.0));
    let mut scratch = ModelScratch::default();
    let one = |value: f32, variance: f32, bits: u32, side: usize| Square {
        half: side / 2,
        image: Image::filled(side, side, value),
        variance: Image::filled(side, side, variance),
        mask: Image::filled(side, side, bits),
    };
    let squares = [
        one(f32::NAN, 1.0, 0, 41),
        one(0.0, 1.0, 0, 41),
        one(-5.0, 1.0, 0, 41),
        one(1.0, 1.0, 1, 41),
        one(1e30, 1.0, 0, 41),
        one(1.0, 0.0, 0, 41),
        one(1.0, f32::INFINITY, 0, 41),
        one(1.0, 1.0, 0, 1),
    ];
    let nan = f64::NAN;
    for (k, s) in squares.iter().enumerate() {
        for start in [
            Start { x: 500.0, y: 500.0, flux: 10.0, moments: [4.0, 0.0, 4.0] },
            Start { x: 500.0, y: 500.0, flux: nan, moments: [nan; 3] },
            Start { x: nan, y: 500.0, flux: 1.0, moments: [1e9, 0.0, 1.0] },
            Start { x: 1e8, y: -1e8, flux: 1.0, moments: [-1.0, 5.0, 0.0] },
        ] {
            let c = cmodel(&s.view(), &psf, &start, &mut scratch);
            let t = trail(&s.view(), &psf, &start, &mut scratch);
            let g = gaap(&s.view(), &psf, (start.x, start.y), [3.0, nan, 9.0], &mut scratch);
            assert!(c.flag || c.flux.is_finite(), "{k} {c:?}");
            assert!(t.flag || t.flux.is_finite(), "{k} {t:?}");
            assert!(g[1].flag && (g[0].flag || g[0].flux.is_finite()), "{k} {g:?}");
        }
        let p = Planes { image: &s.image, variance: &s.variance, mask: &s.mask, reject: 1 };
        for at in [(20.0, 20.0), (nan, 1.0), (-1e9, 1e9)] {
            let w = windowed_centroid(&p, at, 2.0, 2.0);
            assert!(w.flag || w.x.is_finite());
            let _ = moment_errors(&p, at, [4.0, nan, 0.0]);
        }
    }
    // A PSF of nothing.
    let empty = PsfModel { components: vec![vec![0.0; 9]], grid: 3, ..moffat(4.0) };
    let start = Start { x: 500.0, y: 500.0, flux: 10.0, moments: [4.0, 0.0, 4.0] };
    let square = Square::new(36, drawn(500.3, 499.6, 1e5, None, 36), 20.0);
    assert!(cmodel(&square.view(), &ModelPsf::new(&empty), &start, &mut scratch).flag);
}
