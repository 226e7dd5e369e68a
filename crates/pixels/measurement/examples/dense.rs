//! CPU of the deblender and the measurement on a dense frame: 4096 x 4096, 30,000 objects.
//! Run: RAYON_NUM_THREADS=1 cargo run --release -p elqui-measurement --example dense

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Rng, add, detect, exposure, gaussian_psf, star, with_noise};
use elqui_deblend::{DeblendConfig, deblend_all};
use elqui_image::Image;
use elqui_measurement::{MeasurementConfig, Parent, classify, measure};

/// Seconds of CPU that the process has had (Linux).
fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = text
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(|f| f.parse().unwrap_or(0.0))
        .collect();
    // User and system ticks of the process, 100 a second.
    fields.get(11..13).map_or(f64::NAN, |t| (t[0] + t[1]) / 100.0)
}

fn main() {
    let (size, objects, sigma) = (4096, 30_000, 1.7);
    let mut rng = Rng(1);
    let mut image = Image::filled(size, size, 0.0f32);
    for _ in 0..objects {
        let (x, y) = (rng.uniform() * size as f64, rng.uniform() * size as f64);
        // Counts that grow like 10^(0.3 m).
        let flux = 600.0 * rng.uniform().powf(-1.0 / 0.75);
        let wide = if rng.uniform() < 0.4 { 1.0 + 1.5 * rng.uniform() } else { 1.0 };
        add(&mut image, &star(x, y, flux.min(3e6), sigma * wide));
    }
    let mut psf = gaussian_psf(sigma);
    // A position-dependent model of second degree, as the PSF room fits.
    let n = psf.components[0].len();
    psf.degree = 2;
    psf.center = [0.5 * size as f64; 2];
    psf.scale = [2.0 / size as f64; 2];
    psf.components.resize(6, vec![0.0; n]);
    let scene = with_noise(&exposure(image, 10.0, 2.0, psf), &mut rng);
    let footprints = detect(&scene, sigma, 5.0);
    let peaks: usize = footprints.iter().map(|f| f.peaks.len()).sum();
    let blended: usize = footprints.iter().map(|f| f.peaks.len()).filter(|&n| n > 1).sum();
    let psf = scene.psf.clone().expect("the scene has a PSF");
    let t0 = cpu_s();
    let split =
        deblend_all(&scene.image, &scene.mask, &footprints, &psf, &DeblendConfig::default());
    let deblend_s = cpu_s() - t0;
    let parents: Vec<Parent> = footprints
        .into_iter()
        .zip(split)
        .map(|(footprint, d)| Parent {
            footprint,
            children: d.children,
            simplified: d.simplified,
            ..Parent::default()
        })
        .collect();
    let t0 = cpu_s();
    let mut table = measure(&scene, &parents, &MeasurementConfig::default());
    classify(&mut table);
    let measure_s = cpu_s() - t0;
    println!(
        "{} parents, {peaks} peaks ({blended} in blends), {} rows: deblend {deblend_s:.3} s, \
         measure {measure_s:.3} s ({:.1} us a row)",
        parents.len(),
        table.len(),
        1e6 * measure_s / table.len() as f64
    );
    let bad = |v: &[bool]| v.iter().filter(|b| **b).count();
    println!(
        "flags: centroid {} shape {} psf {} ap {} kron {}; extended {}",
        bad(&table.centroid_flag),
        bad(&table.shape_flag),
        bad(&table.psf_flux_flag),
        bad(&table.ap_flux_flag),
        bad(&table.kron_flux_flag),
        table.extendedness.iter().filter(|e| **e == 1.0).count()
    );
}
