//! Galaxy models against light that other code drew: photons shot one by one, and the simulator; and the fits of
//! a whole frame.

mod common;
#[path = "common/square.rs"]
mod square;

use common::Rng;
use elqui_image::{Image, PsfModel};
use elqui_measurement::{ModelPsf, ModelScratch, cmodel};
use elqui_simulate::GalaxyShape;
use square::{MIDDLE, Square, alpha, drawn, moffat, trailed};

/// The same averaged over pixels.
fn moffat_of_pixels(fwhm: f64) -> PsfModel {
    let a = alpha(fwhm);
    PsfModel::from_profile(161, 0.5, fwhm, |dx, dy| {
        (0..49)
            .map(|k| {
                let (u, v) = (dx + f64::from(k % 7 - 3) / 7.0, dy + f64::from(k / 7 - 3) / 7.0);
                (1.0 + (u * u + v * v) / (a * a)).powi(-3)
            })
            .sum()
    })
}

/// Photons of a Sersic galaxy seen through the Moffat PSF, counted in pixels.
fn shot(
    n: usize,
    b: f64,
    shape: &GalaxyShape,
    fwhm: f64,
    photons: usize,
    half: usize,
) -> Image<f32> {
    let mut rng = Rng(77);
    let side = 2 * half + 1;
    let mut image = Image::filled(side, side, 0.0f32);
    let (sin, cos) = shape.angle.sin_cos();
    for _ in 0..photons {
        // b r^(1/n) is Gamma-distributed of order 2 n.
        let gamma: f64 = -(0..2 * n).map(|_| rng.uniform().ln()).sum::<f64>();
        let r = shape.radius_px * (gamma / b).powi(n as i32);
        let (s, c) = (std::f64::consts::TAU * rng.uniform()).sin_cos();
        let (u, v) = (r * c, r * s * shape.axis_ratio);
        let seeing = alpha(fwhm) * (rng.uniform().powf(-0.5) - 1.0).sqrt();
        let (s, c) = (std::f64::consts::TAU * rng.uniform()).sin_cos();
        let x = half as f64 + 0.3 + u * cos - v * sin + seeing * c;
        let y = half as f64 - 0.2 + u * sin + v * cos + seeing * s;
        let (i, j) = (x.round() as i32, y.round() as i32);
        if let Some(value) = image.get(i, j) {
            image.set(i as usize, j as usize, value + 1.0);
        }
    }
    image
}

#[test]
fn true_sersic_galaxies_have_their_flux_and_shape() {
    let psf = ModelPsf::new(&moffat_of_pixels(4.0));
    let photons = 1_500_000;
    for (n, b) in [(1, 1.678_347), (4, 7.669_25)] {
        let shape = GalaxyShape { radius_px: 3.5, axis_ratio: 0.6, angle: 0.7, bulge: n == 4 };
        let square = Square::new(100, shot(n, b, &shape, 4.0, photons, 100), 20.0);
        let c =
            cmodel(&square.view(), &psf, &square.start(500.3, 499.8), &mut ModelScratch::default());
        assert!(!c.flag, "{c:?}");
        // The photons' own noise in the fit is about 2 (n = 1) to 4 mmag (n = 4).
        let off = 1085.7 * (c.flux / photons as f64 - 1.0);
        assert!(off.abs() < 10.0, "n {n}: {off} mmag, {c:?}");
        assert!((c.radius / 3.5 - 1.0).abs() < 0.02, "{c:?}");
        assert!(
            (c.axis_ratio - 0.6).abs() < 0.01 && (c.angle_deg - 0.7f64.to_degrees()).abs() < 1.0
        );
        assert!((c.frac_dev - if n == 4 { 1.0 } else { 0.0 }).abs() < 0.1, "{c:?}");
        assert!((c.x - 500.3).abs() < 0.01 && (c.y - 499.8).abs() < 0.01, "{c:?}");
    }
}

#[test]
fn galaxy_errors_are_the_scatter_and_a_star_is_a_point() {
    let psf = ModelPsf::new(&moffat(4.0));
    let mut scratch = ModelScratch::default();
    let mut rng = Rng(5);
    let disc = GalaxyShape { radius_px: 2.5, axis_ratio: 0.6, angle: 0.4, bulge: false };
    for (galaxy, flux) in [(None, 1.6e4), (Some(disc), 2e4)] {
        let (mut pulls, mut off) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            let (x, y) = (MIDDLE + rng.uniform() - 0.5, MIDDLE + rng.uniform() - 0.5);
            let square = Square::new(36, drawn(x, y, flux, galaxy, 36), 20.0);
            let start = square.start(x, y);
            let c = cmodel(&square.noisy(&mut rng).view(), &psf, &start, &mut scratch);
            pulls.push((c.flux - flux) / c.flux_err);
            off.push(1085.7 * (c.flux / flux - 1.0));
        }
        let middle = elqui_base::median(&mut pulls.clone());
        let mut away: Vec<f64> = pulls.iter().map(|p| (p - middle).abs()).collect();
        let width = 1.4826 * elqui_base::median(&mut away);
        let bias = elqui_base::median(&mut off);
        assert!(middle.abs() < 0.25 && (0.85..1.2).contains(&width), "{galaxy:?} {middle} {width}");
        assert!(bias.abs() < 6.0, "{galaxy:?}: {bias} mmag");
    }
    // Without noise a star's model flux is its flux to 1 mmag.
    let square = Square::new(36, drawn(500.3, 499.6, 1e5, None, 36), 20.0);
    let c = cmodel(&square.view(), &psf, &square.start(500.3, 499.6), &mut scratch);
    assert!((c.flux / 1e5 - 1.0).abs() < 1e-3 && c.radius < 0.3, "{c:?}");
}

#[test]
fn what_is_masked_does_not_matter() {
    let psf = ModelPsf::new(&moffat(4.0));
    let mut scratch = ModelScratch::default();
    let disc = GalaxyShape { radius_px: 3.0, axis_ratio: 0.6, angle: 0.4, bulge: false };
    let flux = 1e5;
    let mut square = Square::new(70, drawn(500.2, 500.1, flux, Some(disc), 70), 20.0);
    // A bad column through the wing, a neighbour's disc, and an edge of the image.
    for j in 0..141 {
        for i in 0..141 {
            let far = ((i as f64 - 82.0).powi(2) + (j as f64 - 74.0).powi(2)).sqrt() < 6.0;
            if i == 73 || far || j < 60 {
                square.image.set(i, j, if far { 5e4 } else { f32::NAN });
                square.mask.set(i, j, 1);
            }
        }
    }
    let c = cmodel(&square.view(), &psf, &square.start(500.2, 500.1), &mut scratch);
    assert!(!c.flag && (c.flux / flux - 1.0).abs() < 3e-3, "{c:?}");
    assert!((c.radius / 3.0 - 1.0).abs() < 0.01, "{c:?}");
}

/// A frame of a galaxy, a bright star 22 pixels beside it and a trail, with footprints of their cores only.
fn frame() -> (elqui_image::Exposure, Vec<elqui_measurement::Parent>) {
    let disc = GalaxyShape { radius_px: 2.5, axis_ratio: 0.6, angle: 0.4, bulge: false };
    let mut image = drawn(450.2, 450.1, 2e4, Some(disc), 120);
    let parts = [drawn(472.4, 449.7, 4e5, None, 120), trailed(550.3, 549.7, 20.0, 0.6, 1e5, 120)];
    for part in &parts {
        image.data_mut().iter_mut().zip(part.data()).for_each(|(i, p)| *i += p);
    }
    let e = common::exposure(image, 20.0, 1e9, moffat(4.0));
    // The image's first pixel is (380, 380).
    let places = [(70.0, 70.0, 6.0), (92.0, 70.0, 9.0), (170.0, 170.0, 14.0)];
    let parents = places.map(|(x, y, r)| elqui_measurement::Parent {
        footprint: common::disc(&[(x, y)], r),
        ..Default::default()
    });
    (e, parents.to_vec())
}

#[test]
fn a_frame_has_the_fits_that_are_asked_for_and_no_neighbours_light() {
    use elqui_measurement::{MeasurementConfig, ModelFit, measure};
    let (e, parents) = frame();
    let none = measure(&e, &parents, &MeasurementConfig::default());
    assert!(
        none.cmodel_flux.iter().all(|f| f.is_nan()) && none.cmodel_flux_flag.iter().all(|f| *f)
    );
    assert!(none.gaap1p0_flux.iter().all(|f| f.is_nan()) && none.gaap_flux_flag.iter().all(|f| *f));
    assert!(none.trail_flux.iter().all(|f| f.is_nan()) && none.trail_flag.iter().all(|f| *f));
    assert!(!none.x_win_flag[0] && !none.x_win_flag[1] && none.ixx_err[0] > 0.0);
    assert!((none.x_win[1] - 92.4).abs() < 0.01 && (none.y_win[1] - 69.7).abs() < 0.01);
    let config = MeasurementConfig {
        fits: vec![ModelFit::CModel, ModelFit::Gaap, ModelFit::Trail],
        ..MeasurementConfig::default()
    };
    let t = measure(&e, &parents, &config);
    // The star's wings hold more light in the galaxy's patch than the galaxy has errors.
    assert!(
        !t.cmodel_flux_flag[0] && (t.cmodel_flux[0] / 2e4 - 1.0).abs() < 0.02,
        "{}",
        t.cmodel_flux[0]
    );
    assert!((t.cmodel_flux[1] / 4e5 - 1.0).abs() < 2e-3, "{}", t.cmodel_flux[1]);
    assert!((t.gaap1p5_flux[1] / 4e5 - 1.0).abs() < 2e-3 && !t.gaap_flux_flag[1]);
    assert!(t.trail_flag[1] && t.trail_flux[1].is_nan(), "a star is no trail");
    assert!(!t.trail_flag[2] && (t.trail_flux[2] / 1e5 - 1.0).abs() < 0.01, "{}", t.trail_flux[2]);
    assert!((f64::from(t.trail_length[2]) - 20.0).abs() < 0.2, "{}", t.trail_length[2]);
    // The other columns are what they were.
    assert_eq!((&t.x, &t.psf_flux, &t.kron_flux), (&none.x, &none.psf_flux, &none.kron_flux));
    // Settings are read as they are written in a file.
    let text = r#"{"fits": ["cmodel", "gaap", "trail"], "gaap_sigma_pixels": [3.0, 4.0, 6.0]}"#;
    let read: MeasurementConfig = serde_json::from_str(text).unwrap();
    assert_eq!(read.fits, config.fits);
}
