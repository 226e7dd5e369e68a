//! Laws that every measurement keeps: it moves with the image, scales with the flux, respects the
//! mask, and its error is its scatter.

mod common;

use common::{Gaussian, Rng, add, disc, exposure, gaussian_psf, star, with_noise};
use elqui_image::{Exposure, Image, MaskPlane};
use elqui_measurement::{MeasurementConfig, Parent, classify, forced_psf, measure};
use elqui_schema::SourceTable;

const SIGMA: f64 = 1.7;

fn single(x: f64, y: f64) -> Vec<Parent> {
    vec![Parent { footprint: disc(&[(x, y)], 9.0), ..Parent::default() }]
}

fn run(e: &Exposure, parents: &[Parent]) -> SourceTable {
    let mut table = measure(e, parents, &MeasurementConfig::default());
    classify(&mut table);
    table
}

fn fluxes(t: &SourceTable) -> Vec<(&'static str, f64, f64)> {
    vec![
        ("psf", t.psf_flux[0], t.psf_flux_err[0]),
        ("ap03", t.ap03_flux[0], t.ap03_flux_err[0]),
        ("ap06", t.ap06_flux[0], t.ap06_flux_err[0]),
        ("ap09", t.ap09_flux[0], t.ap09_flux_err[0]),
        ("ap12", t.ap12_flux[0], t.ap12_flux_err[0]),
        ("ap17", t.ap17_flux[0], t.ap17_flux_err[0]),
        ("kron", t.kron_flux[0], t.kron_flux_err[0]),
    ]
}

fn galaxy(x: f64, y: f64, flux: f64) -> Gaussian {
    Gaussian { x, y, flux, ixx: 7.0, iyy: 4.5, ixy: 1.0 }
}

fn scene(sources: &[Gaussian], side: usize) -> Exposure {
    let mut image = Image::filled(side, side, 0.0f32);
    sources.iter().for_each(|s| add(&mut image, s));
    exposure(image, 5.0, 2.0, gaussian_psf(SIGMA))
}

#[test]
fn it_moves_with_the_image() {
    for make in [|x, y| star(x, y, 1e5, SIGMA), |x, y| galaxy(x, y, 1e5)] {
        let a = run(&scene(&[make(50.3, 48.8)], 110), &single(50.0, 49.0));
        let b = run(&scene(&[make(57.3, 43.8)], 110), &single(57.0, 44.0));
        assert!((b.x[0] - a.x[0] - 7.0).abs() < 1e-4 && (b.y[0] - a.y[0] + 5.0).abs() < 1e-4);
        for ((name, fa, _), (_, fb, _)) in fluxes(&a).into_iter().zip(fluxes(&b)) {
            assert!((fb / fa - 1.0).abs() < 1e-5, "{name}: {fa} {fb}");
        }
        assert!((a.ixx[0] - b.ixx[0]).abs() < 1e-3 && (a.kron_rad[0] - b.kron_rad[0]).abs() < 1e-3);
    }
}

#[test]
fn it_scales_with_the_flux() {
    let a = run(&scene(&[galaxy(50.3, 48.8, 1e4)], 110), &single(50.0, 49.0));
    let b = run(&scene(&[galaxy(50.3, 48.8, 1e5)], 110), &single(50.0, 49.0));
    for ((name, fa, _), (_, fb, _)) in fluxes(&a).into_iter().zip(fluxes(&b)) {
        assert!((fb / fa / 10.0 - 1.0).abs() < 2e-3, "{name}: {fa} {fb}");
    }
    assert!((a.ixx[0] - b.ixx[0]).abs() < 1e-3 && (a.ixx[0] - 7.0).abs() < 0.02, "{}", a.ixx[0]);
}

#[test]
fn a_point_source_is_itself() {
    let (x, y, flux) = (50.37, 48.81, 1e5);
    let t = run(&scene(&[star(x, y, flux, SIGMA)], 110), &single(50.0, 49.0));
    assert!((t.x[0] - x).abs() < 1e-3 && (t.y[0] - y).abs() < 1e-3, "{} {}", t.x[0], t.y[0]);
    assert!((t.psf_flux[0] / flux - 1.0).abs() < 1e-3, "{}", t.psf_flux[0]);
    // A sum over pixels takes each as flat: where the profile is steep that costs a percent.
    for (r, f, limit) in
        [(3.0f64, t.ap03_flux[0], 2e-2), (6.0, t.ap06_flux[0], 2e-3), (17.0, t.ap17_flux[0], 1e-3)]
    {
        let truth = flux * (1.0 - (-0.5 * r * r / (SIGMA * SIGMA)).exp());
        assert!((f / truth - 1.0).abs() < limit, "{r}: {f} {truth}");
    }
    // 2.5 Kron radii of a Gaussian hold 99.3% of it.
    assert!((t.kron_flux[0] / flux - 0.993).abs() < 4e-3, "{}", t.kron_flux[0]);
    assert!((f64::from(t.ixx_psf[0]) - SIGMA * SIGMA).abs() < 0.01, "{}", t.ixx_psf[0]);
    assert_eq!(t.extendedness[0], 0.0);
    assert!(!t.centroid_flag[0] && !t.psf_flux_flag[0] && !t.ap_flux_flag[0]);
    assert!(!t.kron_flux_flag[0] && !t.shape_flag[0] && t.detect_is_primary[0]);
    let g = run(&scene(&[galaxy(x, y, flux)], 110), &single(50.0, 49.0));
    assert_eq!(g.extendedness[0], 1.0);
}

#[test]
fn it_respects_the_mask() {
    let (x, y, flux) = (50.37, 48.81, 1e5);
    let mut e = scene(&[star(x, y, flux, SIGMA)], 110);
    // A bad column through the wing, with an absurd value.
    for j in 0..110 {
        e.image.set(53, j, 1e7);
        e.mask.set(53, j, MaskPlane::Bad.bit());
    }
    let t = run(&e, &single(50.0, 49.0));
    assert!((t.x[0] - x).abs() < 2e-3 && (t.psf_flux[0] / flux - 1.0).abs() < 2e-3);
    assert!(t.pixel_flags_bad[0] && t.ap_flux_flag[0]);
    assert!(t.ap12_flux[0] < flux);
    let f = forced_psf(&e, &[(x, y), (1e9, f64::NAN), (-50.0, 3.0)], &MeasurementConfig::default());
    assert!((f[0].flux / flux - 1.0).abs() < 2e-3 && f[1].flag && f[2].flag);
}

#[test]
fn filled_cosmic_rays_count_in_apertures_only() {
    let (x, y, flux) = (50.37, 48.81, 1e5);
    let clean = scene(&[star(x, y, flux, SIGMA)], 110);
    let reference = run(&clean, &single(50.0, 49.0));
    for (bits, filled) in [
        (MaskPlane::Cr.bit() | MaskPlane::Intrp.bit(), true),
        (MaskPlane::Cr.bit(), false),
        (MaskPlane::Cr.bit() | MaskPlane::Intrp.bit() | MaskPlane::Sat.bit(), false),
    ] {
        let mut e = clean.clone();
        for (i, j) in [(50, 49), (51, 49), (44, 50)] {
            e.mask.set(i, j, bits);
        }
        let t = run(&e, &single(50.0, 49.0));
        // The position moves a little: its fit leaves the pixels out in any case.
        let same = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-4;
        assert_eq!(same(t.ap12_flux[0], reference.ap12_flux[0]), filled, "{bits}");
        assert_eq!(same(t.kron_flux[0], reference.kron_flux[0]), filled, "{bits}");
        assert_eq!(same(t.ixx[0].into(), reference.ixx[0].into()), filled, "{bits}");
        assert_eq!(!t.ap_flux_flag[0], filled);
        assert!(t.pixel_flags_cr[0] && t.psf_flux_err[0] > reference.psf_flux_err[0]);
        assert!((t.psf_flux[0] / flux - 1.0).abs() < 2e-3);
    }
    // What only the widest aperture loses is no matter of the flag.
    let mut e = clean;
    e.mask.set(65, 49, MaskPlane::Bad.bit());
    let t = run(&e, &single(50.0, 49.0));
    assert!(!t.ap_flux_flag[0] && t.ap17_flux_err[0] < reference.ap17_flux_err[0]);
}

#[test]
fn errors_are_the_scatter_and_fluxes_are_unbiased() {
    // Faint to bright: S/N of about 20, 80 and 300.
    for (flux, seed) in [(1.2e3, 1), (6e3, 2), (6e4, 3)] {
        let mut rng = Rng(seed);
        let runs = 400;
        let mut pulls = [const { Vec::new() }; 9];
        let mut bias = Vec::new();
        for _ in 0..runs {
            let (x, y) = (30.0 + rng.uniform() - 0.5, 30.0 + rng.uniform() - 0.5);
            let e = with_noise(&scene(&[star(x, y, flux, SIGMA)], 61), &mut rng);
            let t = run(&e, &single(30.0, 30.0));
            assert!(!t.centroid_flag[0]);
            pulls[0].push((t.x[0] - x) / f64::from(t.x_err[0]));
            pulls[1].push((t.y[0] - y) / f64::from(t.y_err[0]));
            for (k, (_, f, err)) in fluxes(&t).into_iter().enumerate() {
                let r = [0.0, 3.0, 6.0, 9.0, 12.0, 17.0, 0.0][k];
                let inside = 1.0 - (-0.5f64 * r * r / (SIGMA * SIGMA)).exp();
                let truth = match k {
                    0 => flux,
                    // The Kron aperture's content is not known beforehand; its mean is removed.
                    6 => 0.993 * flux,
                    _ => inside * flux,
                };
                pulls[2 + k].push((f - truth) / err);
            }
            bias.push(t.psf_flux[0] / flux - 1.0);
        }
        for (k, p) in pulls.iter().enumerate() {
            let n = p.len() as f64;
            let mean = p.iter().sum::<f64>() / n;
            let width = (p.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            println!("flux {flux}: pull {k}: mean {mean:.3} width {width:.3}");
            // 400 draws know a width to 0.035; Kron adds the scatter of its radius.
            let (low, high) = if k == 8 { (0.8, 1.3) } else { (0.9, 1.1) };
            assert!(width > low && width < high, "flux {flux} pull {k}: {width}");
        }
        let mean = bias.iter().sum::<f64>() / f64::from(runs);
        println!("flux {flux}: psf bias {:.2} mmag", -1085.7 * mean);
        if flux > 5e3 {
            assert!(mean.abs() < 2e-3 * 0.921, "flux {flux}: {mean}");
        }
    }
}
