//! Model fits on simulated scenes: microseconds of CPU a source, and what they say of galaxies against truth.
//! Run: RAYON_NUM_THREADS=1 cargo run --release -p elqui-measurement --example fits [scenes]
//!
//! Scenes of 1024 x 1024 pixels with the bench scene's sky and a constant Moffat PSF, which is given; the sky
//! is subtracted exactly. Galaxies within 4" of another source are left out of the comparison.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{detect, exposure};
use elqui_deblend::{DeblendConfig, deblend_all};
use elqui_image::{Exposure, PsfModel};
use elqui_measurement::{MeasurementConfig, ModelFit, Parent, measure};
use elqui_schema::SourceTable;
use elqui_simulate::{Scene, SceneFrame};

fn cpu_s() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + 1e-9 * t.tv_nsec as f64
}

fn scene(seed: u64) -> Scene {
    Scene {
        width: 1024,
        height: 1024,
        fwhm_growth: 0.0,
        ellipticity: 0.0,
        distortion_px: 0.0,
        stars: 80,
        star_mag: [17.0, 24.0],
        galaxies: 220,
        galaxy_mag: [17.5, 23.5],
        seed,
        ..Scene::default()
    }
}

fn prepare(scene: &Scene) -> (SceneFrame, Exposure, Vec<Parent>) {
    let frame = scene.render().expect("the scene is sound");
    let sky = frame.sky_adu as f32;
    let fwhm = scene.fwhm_arcsec / scene.pixel_scale_arcsec;
    let alpha = fwhm / (2.0 * (2f64.powf(1.0 / 3.0) - 1.0).sqrt());
    let psf = PsfModel::from_profile(121, 0.5, fwhm, |dx, dy| {
        (1.0 + (dx * dx + dy * dy) / (alpha * alpha)).powi(-3)
    });
    let sky_sigma = (scene.sky_e() + scene.read_noise_e.powi(2)).sqrt() / scene.gain;
    let e = exposure(frame.image.map(|v| v - sky), sky_sigma, scene.gain, psf.clone());
    let footprints = detect(&e, fwhm / 2.3548, 5.0);
    let split = deblend_all(&e.image, &e.mask, &footprints, &psf, &DeblendConfig::default());
    let parents = footprints
        .into_iter()
        .zip(split)
        .map(|(footprint, d)| Parent {
            footprint,
            children: d.children,
            simplified: d.simplified,
            ..Parent::default()
        })
        .collect();
    (frame, e, parents)
}

fn timed(e: &Exposure, parents: &[Parent], fits: Vec<ModelFit>) -> (SourceTable, f64) {
    let config = MeasurementConfig { fits, trail_elongation_min: 1.0, ..Default::default() };
    let t0 = cpu_s();
    let table = measure(e, parents, &config);
    (table, cpu_s() - t0)
}

/// One galaxy: S/N, and (flux / truth - 1, pull) of each flux.
struct Compared {
    snr: f64,
    bulge: bool,
    cmodel: (f64, f64),
    kron: (f64, f64),
}

fn compare(frame: &SceneFrame, t: &SourceTable, out: &mut Vec<Compared>) -> usize {
    let number = |name| frame.truth.numbers(name).expect("a column of the truth");
    let (x, y, flux, snr) = (number("x"), number("y"), number("flux_adu"), number("snr"));
    let index = number("sersic_n");
    let mut flagged = 0;
    for k in (0..x.len()).filter(|&k| index[k].is_finite() && snr[k] > 20.0) {
        let distance = |j: usize| (x[j] - x[k]).hypot(y[j] - y[k]);
        let alone = (0..x.len()).all(|j| j == k || distance(j) > 20.0 || flux[j] < 0.02 * flux[k]);
        let border = x[k].min(y[k]).min(1023.0 - x[k]).min(1023.0 - y[k]) < 30.0;
        let near = (0..t.len()).filter(|&j| t.detect_is_primary[j]).min_by(|&a, &b| {
            let d = |j: usize| (t.x[j] - x[k]).hypot(t.y[j] - y[k]);
            d(a).total_cmp(&d(b))
        });
        let Some(j) =
            near.filter(|&j| alone && !border && (t.x[j] - x[k]).hypot(t.y[j] - y[k]) < 2.0)
        else {
            continue;
        };
        if t.cmodel_flux_flag[j] {
            flagged += 1;
            continue;
        }
        let of = |f: f64, e: f64| (f / flux[k] - 1.0, (f - flux[k]) / e);
        out.push(Compared {
            snr: snr[k],
            bulge: index[k] > 2.0,
            cmodel: of(t.cmodel_flux[j], t.cmodel_flux_err[j]),
            kron: of(t.kron_flux[j], t.kron_flux_err[j]),
        });
    }
    flagged
}

fn line(name: &str, values: &[(f64, f64)]) {
    let pick = |f: fn(&(f64, f64)) -> f64| values.iter().map(f).collect::<Vec<f64>>();
    let bias = -1085.7 * (elqui_base::median(&mut pick(|v| v.0)) + 1.0).ln();
    let mut pulls = pick(|v| v.1);
    let (middle, width) = elqui_base::mad_sigma(&mut pulls);
    print!("  {name}: bias {bias:7.1} mmag, pull {middle:5.2} width {width:4.2}");
}

fn main() {
    let scenes = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(4);
    let mut compared = Vec::new();
    let mut flagged = 0;
    for seed in 1..=scenes {
        let (frame, e, parents) = prepare(&scene(seed));
        if seed == 1 {
            let few = &parents[..parents.len() / 4];
            // What a frame costs once is left out: two numbers of sources, and the slope.
            let slope = |fits: Vec<ModelFit>| {
                let least = |p: &[Parent]| {
                    let runs = (0..5).map(|_| timed(&e, p, fits.clone()).1);
                    runs.fold(f64::INFINITY, f64::min)
                };
                let primary =
                    |p: &[Parent]| p.iter().map(|p| p.children.len().max(1)).sum::<usize>() as f64;
                (least(&parents) - least(few)) / (primary(&parents) - primary(few))
            };
            let plain = slope(vec![]);
            println!("all but the fits: {:.1} us of CPU a primary source", 1e6 * plain);
            for fit in [ModelFit::CModel, ModelFit::Gaap, ModelFit::Trail] {
                println!("{fit:?}: {:.1} us", 1e6 * (slope(vec![fit]) - plain));
            }
        }
        let (table, _) = timed(&e, &parents, vec![ModelFit::CModel]);
        flagged += compare(&frame, &table, &mut compared);
    }
    println!(
        "{} galaxies compared, {flagged} more flagged; bias is model - truth in mmag",
        compared.len()
    );
    for (low, high) in [(20.0, 40.0), (40.0, 80.0), (80.0, 200.0), (200.0, 1e9), (20.0, 1e9)] {
        for kind in ["disc", "bulge", "all"] {
            let part: Vec<&Compared> = compared
                .iter()
                .filter(|c| c.snr >= low && c.snr < high)
                .filter(|c| kind == "all" || (kind == "bulge") == c.bulge)
                .collect();
            if part.len() < 3 {
                continue;
            }
            print!("S/N {low:3.0}-{high:<10.0} {kind:5} {:4}", part.len());
            line("cModel", &part.iter().map(|c| c.cmodel).collect::<Vec<_>>());
            line("kron", &part.iter().map(|c| c.kron).collect::<Vec<_>>());
            println!();
        }
    }
}
