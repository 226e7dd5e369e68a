//! The result of a frame does not depend on how many threads made it.

mod common;

use common::{Rng, add, detect, exposure, gaussian_psf, star, with_noise};
use elqui_deblend::{DeblendConfig, deblend_all};
use elqui_image::Image;
use elqui_measurement::{MeasurementConfig, ModelFit, Parent, forced_psf, measure};

#[test]
fn any_number_of_threads_gives_the_same() {
    let (size, sigma) = (700usize, 1.7);
    let mut rng = Rng(11);
    let mut image = Image::filled(size, size, 0.0f32);
    let mut places = Vec::new();
    for _ in 0..900 {
        let (x, y) = (rng.uniform() * size as f64, rng.uniform() * size as f64);
        add(&mut image, &star(x, y, 1e3 * rng.uniform().powf(-1.2).min(1e3), sigma));
        places.push((x, y));
    }
    // Many in the same part of one pixel, one after the other: none may inherit another's PSF.
    places.extend((0..1000).map(|_| (350.01 + 0.1 * rng.uniform(), 351.01 + 0.1 * rng.uniform())));
    // A PSF that changes steeply over the detector: where it is evaluated matters.
    let mut psf = gaussian_psf(sigma);
    let wide = gaussian_psf(1.3 * sigma);
    psf.degree = 1;
    psf.scale = [1.0 / size as f64; 2];
    let change: Vec<f32> =
        wide.components[0].iter().zip(&psf.components[0]).map(|(a, b)| a - b).collect();
    psf.components.extend([change.clone(), change]);
    let scene = with_noise(&exposure(image, 10.0, 2.0, psf.clone()), &mut rng);
    let footprints = detect(&scene, sigma, 5.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let config = DeblendConfig::default();
            let split = deblend_all(&scene.image, &scene.mask, &footprints, &psf, &config);
            let parents: Vec<Parent> = footprints
                .iter()
                .zip(split)
                .map(|(f, d)| Parent {
                    footprint: f.clone(),
                    children: d.children,
                    simplified: d.simplified,
                    ..Default::default()
                })
                .collect();
            let config = MeasurementConfig {
                fits: vec![ModelFit::CModel, ModelFit::Gaap, ModelFit::Trail],
                ..MeasurementConfig::default()
            };
            let forced = forced_psf(&scene, &places, &config);
            (measure(&scene, &parents, &config), forced)
        })
    };
    let (one, forced_one) = run(1);
    let (three, forced_three) = run(3);
    assert!(one.len() > 500, "{}", one.len());
    // As text: a NaN equals a NaN.
    assert_eq!(format!("{one:?}"), format!("{three:?}"));
    assert_eq!(format!("{forced_one:?}"), format!("{forced_three:?}"));
}
