//! Blended pairs through the deblender and the measurement: fluxes come back.

mod common;

use common::{Gaussian, Rng, add, disc, exposure, gaussian_psf, star, with_noise};
use elqui_deblend::{DeblendConfig, deblend, deblend_all};
use elqui_image::{Exposure, Image};
use elqui_measurement::{MeasurementConfig, Parent, classify, measure};
use elqui_schema::SourceTable;

const SIGMA: f64 = 1.7;
const FWHM: f64 = 2.3548 * SIGMA;

fn scene(sources: &[Gaussian]) -> Exposure {
    let mut image = Image::filled(100, 100, 0.0f32);
    sources.iter().for_each(|s| add(&mut image, s));
    exposure(image, 5.0, 2.0, gaussian_psf(SIGMA))
}

fn split_and_measure(e: &Exposure, peaks: &[(f64, f64)]) -> (SourceTable, Parent) {
    let footprint = disc(peaks, 12.0);
    let psf = e.psf.as_ref().unwrap();
    let d = deblend(&e.image, &e.mask, &footprint, psf, &DeblendConfig::default());
    let parent =
        Parent { footprint, children: d.children, simplified: d.simplified, ..Parent::default() };
    let mut table = measure(e, std::slice::from_ref(&parent), &MeasurementConfig::default());
    classify(&mut table);
    (table, parent)
}

#[test]
fn pairs_of_stars_come_back() {
    for separation in [1.0, 1.5, 2.0] {
        for ratio in [1.0, 0.3] {
            let mut rng = Rng(7);
            let (mut ratios_a, mut ratios_b) = (Vec::new(), Vec::new());
            for _ in 0..60 {
                let (x, y) = (50.0 + rng.uniform() - 0.5, 50.0 + rng.uniform() - 0.5);
                let angle = rng.uniform() * std::f64::consts::TAU;
                let d = separation * FWHM;
                let (x2, y2) = (x + d * angle.cos(), y + d * angle.sin());
                let (fa, fb) = (5e4, ratio * 5e4);
                let e = scene(&[star(x, y, fa, SIGMA), star(x2, y2, fb, SIGMA)]);
                let e = with_noise(&e, &mut rng);
                let (t, _) = split_and_measure(&e, &[(x, y), (x2, y2)]);
                assert_eq!((t.len(), t.deblend_n_child[0]), (3, 2));
                assert!(!t.detect_is_primary[0] && t.detect_is_primary[1]);
                assert_eq!(t.parent_source_id, vec![0, 1, 1]);
                ratios_a.push(t.psf_flux[1] / fa);
                ratios_b.push(t.psf_flux[2] / fb);
            }
            let (a, sa) = elqui_base::mad_sigma(&mut ratios_a);
            let (b, sb) = elqui_base::mad_sigma(&mut ratios_b);
            println!("{separation} FWHM, {ratio}: {a:.4} +- {sa:.4}, {b:.4} +- {sb:.4}");
            assert!((a - 1.0).abs() < 0.01 && (b - 1.0).abs() < 0.02, "{separation} {ratio}");
        }
    }
}

#[test]
fn children_sum_to_the_parent() {
    let mut rng = Rng(3);
    let wide = Gaussian { x: 45.0, y: 50.0, flux: 2e5, ixx: 12.0, iyy: 6.0, ixy: 2.0 };
    let e = scene(&[wide, star(54.0, 50.0, 4e4, SIGMA), star(49.0, 56.0, 1e4, SIGMA)]);
    let mut e = with_noise(&e, &mut rng);
    e.image.set(47, 47, f32::NAN);
    let (t, parent) = split_and_measure(&e, &[(45.0, 50.0), (54.0, 50.0), (49.0, 56.0)]);
    let mut worst = 0.0f32;
    for s in &parent.footprint.spans {
        for x in s.x0..=s.x1 {
            let value = e.image.at(x as usize, s.y as usize);
            let sum: f32 = parent.children.iter().map(|c| c.at(x, s.y)).sum();
            if value.is_finite() {
                worst = worst.max((sum - value).abs() / value.abs().max(1.0));
            } else {
                assert_eq!(sum, 0.0);
            }
        }
    }
    assert!(worst < 1e-4, "{worst}");
    assert_eq!(t.extendedness[1], 1.0);
    println!("galaxy {:.4}, star {:.4}", t.kron_flux[1] / 2e5, t.psf_flux[2] / 4e4);
    assert!((t.kron_flux[1] / 2e5 - 1.0).abs() < 0.15, "{}", t.kron_flux[1]);
    assert!((t.psf_flux[2] / 4e4 - 1.0).abs() < 0.15, "{}", t.psf_flux[2]);
}

#[test]
fn great_blends_are_split_more_simply_and_order_is_kept() {
    let mut rng = Rng(5);
    let mut image = Image::filled(300, 300, 0.0f32);
    let peaks: Vec<(f64, f64)> = (0..100)
        .map(|k| (20.0 + 28.0 * f64::from(k % 10), 20.0 + 28.0 * f64::from(k / 10)))
        .collect();
    for &(x, y) in &peaks {
        add(&mut image, &star(x, y, 2e4, SIGMA));
    }
    let e = with_noise(&exposure(image, 5.0, 2.0, gaussian_psf(SIGMA)), &mut rng);
    let mut footprint = disc(&peaks, 10.0);
    footprint.spans = (0..300).map(|y| elqui_image::Span { y, x0: 0, x1: 299 }).collect();
    let psf = e.psf.as_ref().unwrap();
    let config = DeblendConfig::default();
    let all = deblend_all(&e.image, &e.mask, &[footprint.clone()], psf, &config);
    assert!(all[0].simplified);
    assert_eq!(all[0], deblend(&e.image, &e.mask, &footprint, psf, &config));
    assert_eq!(all[0].children.len(), 100);
    let total: f64 = all[0].children.iter().map(|c| c.total()).sum();
    let truth: f64 = e.image.data().iter().map(|&v| f64::from(v)).sum();
    assert!((total / truth - 1.0).abs() < 1e-4, "{total} {truth}");
    let parent = Parent {
        footprint,
        children: all[0].children.clone(),
        simplified: true,
        ..Parent::default()
    };
    let t = measure(&e, &[parent], &MeasurementConfig::default());
    for k in 1..=100 {
        assert!((t.psf_flux[k] / 2e4 - 1.0).abs() < 0.05, "{k} {}", t.psf_flux[k]);
        assert!(t.deblend_flag[k]);
    }
}

#[test]
fn hostile_blends_do_not_panic() {
    let psf = gaussian_psf(SIGMA);
    let config = DeblendConfig::default();
    for value in [f32::NAN, 0.0, -5.0, f32::INFINITY] {
        let image = Image::filled(30, 30, value);
        let mask = Image::filled(30, 30, 0u32);
        for mut f in
            [disc(&[(5.0, 5.0), (8.0, 5.0)], 6.0), disc(&[(-90.0, 5.0), (-92.0, 5.0)], 3.0)]
        {
            assert_eq!(deblend(&image, &mask, &f, &psf, &config).children.len(), 2);
            f.peaks[0].x = f32::NAN;
            f.peaks[1].y = 1e30;
            assert_eq!(deblend(&image, &mask, &f, &psf, &config).children.len(), 2);
            f.spans.clear();
            assert_eq!(deblend(&image, &mask, &f, &psf, &config).children.len(), 2);
        }
    }
}
