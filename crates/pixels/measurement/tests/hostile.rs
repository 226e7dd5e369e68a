//! Inputs that no camera should make: nothing panics, failures are NaN with flags.

mod common;

use common::{add, disc, exposure, gaussian_psf, star};
use elqui_image::{Exposure, Footprint, Image, Peak, Span};
use elqui_measurement::{
    ApCorrConfig, MeasurementConfig, Parent, aperture_corrections, apply_aperture_corrections,
    classify, forced_psf, measure,
};

fn scene(value: f32, variance: f32) -> Exposure {
    let mut e = exposure(Image::filled(64, 48, value), 5.0, 2.0, gaussian_psf(1.7));
    e.variance = Image::filled(64, 48, variance);
    e
}

fn parent(footprint: Footprint) -> Parent {
    Parent { footprint, ..Parent::default() }
}

#[test]
fn nothing_usable_is_flagged() {
    let config = MeasurementConfig::default();
    let parents =
        [parent(disc(&[(20.0, 20.0)], 5.0)), parent(Footprint::default()), Parent::default()];
    for e in [
        scene(f32::NAN, 1.0),
        scene(1.0, f32::NAN),
        scene(1.0, f32::INFINITY),
        scene(f32::INFINITY, 1.0),
        scene(1.0, -3.0),
    ] {
        let mut t = measure(&e, &parents, &config);
        classify(&mut t);
        assert_eq!(t.len(), 3);
        assert!(t.psf_flux[0].is_nan() && t.psf_flux_flag[0] && t.centroid_flag[0]);
        assert!(t.ap06_flux[0].is_nan() && t.ap_flux_flag[0] && t.shape_flag[0]);
        assert!(t.pixel_flags_offimage[1] && t.extendedness_flag[1]);
        assert!(forced_psf(&e, &[(20.0, 20.0)], &config)[0].flag);
    }
}

#[test]
fn zero_variance_and_zero_image_do_not_panic() {
    let parents = [parent(disc(&[(20.0, 20.0)], 5.0))];
    let t = measure(&scene(0.0, 0.0), &parents, &MeasurementConfig::default());
    assert!(t.centroid_flag[0]);
    let mut e = scene(0.0, 0.0);
    add(&mut e.image, &star(20.2, 20.1, 1e4, 1.7));
    let t = measure(&e, &parents, &MeasurementConfig::default());
    assert!((t.psf_flux[0] / 1e4 - 1.0).abs() < 1e-3 && t.psf_flux_err[0] == 0.0);
    e.psf = None;
    let t = measure(&e, &parents, &MeasurementConfig::default());
    assert!(t.psf_flux_flag[0] && t.ap06_flux[0] > 9e3);
}

#[test]
fn edges_corners_and_wild_peaks() {
    let mut e = scene(0.0, 25.0);
    let places = [(0.0, 0.0), (63.0, 47.0), (0.2, 20.0), (63.4, 10.0), (30.0, -0.4)];
    for &(x, y) in &places {
        add(&mut e.image, &star(x, y, 1e5, 1.7));
    }
    let mut parents: Vec<Parent> = places.iter().map(|&p| parent(disc(&[p], 6.0))).collect();
    for (x, y) in
        [(f32::NAN, 3.0), (1e30, 1e30), (-1e30, 5.0), (-0.6, 3.0), (f32::INFINITY, f32::INFINITY)]
    {
        let mut f = disc(&[(10.0, 10.0)], 2.0);
        f.peaks = vec![Peak { x, y, snr: f32::NAN }];
        parents.push(parent(f));
    }
    // All of the image, and beyond it; spans turned over.
    let spans = (-5..60).map(|y| Span { y, x0: -9, x1: 90 }).collect();
    parents.push(parent(Footprint { spans, peaks: vec![Peak { x: 30.0, y: 20.0, snr: 5.0 }] }));
    parents.push(parent(Footprint { spans: vec![Span { y: 3, x0: 9, x1: 2 }], peaks: vec![] }));
    let t = measure(&e, &parents, &MeasurementConfig::default());
    for k in 0..places.len() {
        assert!(t.pixel_flags_edge[k] && t.ap_flux_flag[k], "{k}");
    }
    let map = aperture_corrections(&e, &t, &[0, 1, 500], &ApCorrConfig::default());
    assert!(map.is_err());
}

#[test]
fn aperture_corrections_bring_fluxes_to_the_aperture() {
    let mut image = Image::filled(400, 400, 0.0f32);
    let mut parents = Vec::new();
    for k in 0..49 {
        let (x, y) = (30.0 + 56.0 * f64::from(k % 7) + 0.3, 30.0 + 56.0 * f64::from(k / 7) - 0.2);
        // The true PSF is wider than the model, and grows with x.
        add(&mut image, &star(x, y, 2e5, 1.8 + 0.0005 * x));
        parents.push(parent(disc(&[(x, y)], 9.0)));
    }
    let e = exposure(image, 5.0, 2.0, gaussian_psf(1.7));
    let mut t = measure(&e, &parents, &MeasurementConfig::default());
    let rows: Vec<usize> = (0..49).collect();
    assert!((t.psf_flux[0] / 2e5 - 1.0).abs() > 0.02);
    let map = aperture_corrections(&e, &t, &rows, &ApCorrConfig::default()).unwrap();
    let before = t.psf_flux_err[0];
    apply_aperture_corrections(&mut t, &map);
    for k in 0..49 {
        for f in [t.psf_flux[k], t.kron_flux[k], t.ap06_flux[k], t.ap12_flux[k]] {
            assert!((f / t.ap12_flux[k] - 1.0).abs() < 2e-3, "{k}: {f}");
        }
    }
    assert!(t.psf_flux_err[0] > before);
    assert!(map.0.contains_key("psfFlux") && map.0.contains_key("kronFlux"));
    let unknown = ApCorrConfig { reference: "nope".into(), ..ApCorrConfig::default() };
    assert!(aperture_corrections(&e, &t, &rows, &unknown).is_err());
}

#[test]
fn aperture_corrections_take_what_there_is() {
    let mut image = Image::filled(400, 60, 0.0f32);
    let mut parents = Vec::new();
    // All in one line: no polynomial in y is determined.
    for k in 0..40 {
        let (x, y) = (20.0 + 9.0 * f64::from(k), 30.0);
        add(&mut image, &star(x, y, 2e5, 1.8));
        parents.push(parent(disc(&[(x, y)], 4.0)));
    }
    let e = exposure(image, 5.0, 2.0, gaussian_psf(1.7));
    let mut t = measure(&e, &parents, &MeasurementConfig::default());
    t.y.iter_mut().for_each(|y| *y = 30.0);
    t.ap_flux_flag.fill(false);
    t.ap17_flux.fill(f64::NAN);
    let rows: Vec<usize> = (0..40).collect();
    let map = aperture_corrections(&e, &t, &rows, &ApCorrConfig::default()).unwrap();
    assert!(map.0.contains_key("psfFlux") && !map.0.contains_key("ap17Flux"));
    assert!(map.0["psfFlux"].polynomial.eval(200.0, 30.0).is_finite());
    let before = t.psf_flux[5];
    apply_aperture_corrections(&mut t, &map);
    assert!(t.ap17_flux[5].is_nan() && t.psf_flux[5].is_finite() && t.psf_flux[5] != before);
}
