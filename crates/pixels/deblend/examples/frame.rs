//! A simulated frame through background, PSF, trails, detection, deblending and measurement: CPU seconds
//! of each, what was found of the truth, and what was found without one.
//! Run: RAYON_NUM_THREADS=1 cargo run --release -p elqui-deblend --example frame -- SIDE STARS GALAXIES SEED

// `Parent` may gain fields that do not matter here.
#![allow(clippy::needless_update)]

use elqui_deblend::{DeblendConfig, deblend_all};
use elqui_detection::{self as detection, DetectionConfig, StreakConfig, find_streaks};
use elqui_image::{Exposure, Header, Image, MaskPlane, VisitInfo};
use elqui_measurement::{MeasurementConfig, Parent, measure};
use elqui_schema::{Column, ColumnData};
use elqui_simulate::Scene;

/// Seconds of CPU that the process has had (Linux).
#[allow(clippy::disallowed_methods)]
fn cpu_s() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = text
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(|f| f.parse().unwrap_or(0.0))
        .collect();
    fields.get(11..13).map_or(f64::NAN, |t| (t[0] + t[1]) / 100.0)
}

fn timed<T>(name: &str, f: impl FnOnce() -> T) -> T {
    let t0 = cpu_s();
    let out = f();
    println!("{name:<24} {:.2} CPU s", cpu_s() - t0);
    out
}

fn numbers(columns: &[Column], name: &str) -> Vec<f64> {
    match columns.iter().find(|c| c.name == name).map(|c| &c.data) {
        Some(ColumnData::F64(v)) => v.clone(),
        Some(ColumnData::Bool(v)) => v.iter().map(|b| f64::from(u8::from(*b))).collect(),
        _ => Vec::new(),
    }
}

#[allow(clippy::disallowed_methods)]
fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let side = arguments.first().copied().unwrap_or(2048);
    let scene = Scene {
        width: side,
        height: side,
        stars: arguments.get(1).copied().unwrap_or(3000),
        galaxies: arguments.get(2).copied().unwrap_or(4500),
        seed: arguments.get(3).copied().unwrap_or(1) as u64,
        ..Scene::default()
    };
    let frame = scene.render().expect("the scene");
    let gain = scene.gain as f32;
    let read = (scene.read_noise_e / scene.gain) as f32;
    let variance = frame.image.map(|v| v.max(0.0) / gain + read * read);
    let sat = scene.saturation_adu as f32;
    let mask = frame.image.map(|v| if v >= sat { MaskPlane::Sat.bit() } else { 0 });
    let mut e = Exposure::new(frame.image, mask, variance, Header::default(), VisitInfo::default())
        .expect("planes");
    e.gain = scene.gain;
    let unusable = MaskPlane::unusable();
    let raw = e.image.clone();
    let estimate = |image: &Image<f32>, mask: &Image<u32>, bits: u32| {
        elqui_background::estimate(image, mask, bits, &Default::default()).expect("sky")
    };
    let first = estimate(&e.image, &e.mask, unusable);
    elqui_background::subtract(&mut e.image, &first);
    let bright = DetectionConfig { threshold_sigma: 10.0, ..Default::default() };
    let found = detection::detect(&e.image, &e.variance, &e.mask, 1.5, &bright).expect("bright");
    let stars = elqui_psf::select_stars(
        &e.image,
        &e.variance,
        &e.mask,
        &found.footprints,
        &Default::default(),
    );
    let psf = elqui_psf::fit_psf(&e.image, &e.variance, &e.mask, &stars, &Default::default())
        .expect("psf")
        .model;
    let mut masked = e.mask.clone();
    detection::mark(&mut masked, &found.footprints, MaskPlane::Detected);
    let second = estimate(&raw, &masked, unusable | MaskPlane::Detected.bit());
    e.image = raw;
    elqui_background::subtract(&mut e.image, &second);
    e.psf = Some(psf.clone());

    let streaks =
        timed("streaks", || find_streaks(&e.image, &e.variance, &e.mask, &StreakConfig::default()));
    let found = timed("detection", || {
        detection::detect_with_psf(&e.image, &e.variance, &e.mask, &psf, &Default::default())
            .expect("detection")
    });
    let twins_snr_min = arguments.get(4).map_or(15.0, |&v| v as f64);
    let config = DeblendConfig { twins_snr_min, ..DeblendConfig::default() };
    let split =
        timed("deblending", || deblend_all(&e.image, &e.mask, &found.footprints, &psf, &config));
    let twins: usize =
        split.iter().zip(&found.footprints).map(|(d, f)| d.n_peaks - f.peaks.len()).sum();
    let simplified = split.iter().filter(|d| d.simplified).count();
    let peaks: usize = found.footprints.iter().map(|f| f.peaks.len()).sum();
    println!(
        "{} streaks, {} negative, {} parents, {peaks} peaks, {twins} twins, {simplified} simplified",
        streaks.len(),
        found.negative.len(),
        found.footprints.len()
    );
    let parents: Vec<Parent> = found
        .footprints
        .into_iter()
        .zip(split)
        .map(|(footprint, d)| Parent {
            footprint,
            children: d.children,
            simplified: d.simplified,
            ..Parent::default()
        })
        .collect();
    let table = timed("measurement", || measure(&e, &parents, &MeasurementConfig::default()));

    let columns = &frame.truth.columns;
    let (x, y) = (numbers(columns, "x"), numbers(columns, "y"));
    let flux = numbers(columns, "fluxAdu");
    let flux = if flux.is_empty() { numbers(columns, "flux_adu") } else { flux };
    let snr = numbers(columns, "snr");
    let star = {
        let s = numbers(columns, "isStar");
        if s.is_empty() { numbers(columns, "is_star") } else { s }
    };
    // Truth by cells of 16 pixels.
    let cells = side / 16 + 1;
    let mut index = vec![Vec::new(); cells * cells];
    for k in 0..x.len() {
        let (i, j) = ((x[k].max(0.0) / 16.0) as usize, (y[k].max(0.0) / 16.0) as usize);
        index[j.min(cells - 1) * cells + i.min(cells - 1)].push(k);
    }
    let near = |px: f64, py: f64, reach: f64| -> Vec<usize> {
        let (i, j) = ((px.max(0.0) / 16.0) as usize, (py.max(0.0) / 16.0) as usize);
        let mut out = Vec::new();
        for b in j.saturating_sub(1)..=(j + 1).min(cells - 1) {
            for a in i.saturating_sub(1)..=(i + 1).min(cells - 1) {
                out.extend(
                    index[b * cells + a]
                        .iter()
                        .copied()
                        .filter(|&k| (x[k] - px).hypot(y[k] - py) < reach),
                );
            }
        }
        out
    };
    let rows: Vec<usize> = (0..table.len()).filter(|&k| table.detect_is_primary[k]).collect();
    let (mut alone, mut unfit, mut doubled) = (0, 0, 0);
    let mut taken = vec![0u32; x.len()];
    let mut examples = Vec::new();
    for &r in &rows {
        let list: Vec<usize> =
            near(table.x[r], table.y[r], 5.0).into_iter().filter(|&k| snr[k] > 2.0).collect();
        if list.is_empty() {
            alone += 1;
            if examples.len() < 15 {
                examples.push((
                    table.x[r],
                    table.y[r],
                    table.detect_snr[r],
                    table.parent_source_id[r],
                ));
            }
            continue;
        }
        let (f, error) = (table.psf_flux[r], table.psf_flux_err[r]);
        let best = list
            .iter()
            .copied()
            .min_by(|&a, &b| {
                (x[a] - table.x[r])
                    .hypot(y[a] - table.y[r])
                    .total_cmp(&(x[b] - table.x[r]).hypot(y[b] - table.y[r]))
            })
            .unwrap();
        let fits = list.iter().any(|&k| {
            // A galaxy's PSF flux is part of its flux.
            let low = if star[k] > 0.5 { 0.6 } else { 0.1 };
            (f > low * flux[k] && f < 1.7 * flux[k]) || (f - flux[k]).abs() < 5.0 * error
        });
        taken[best] += 1;
        unfit += usize::from(!fits);
        doubled += usize::from(taken[best] > 1);
    }
    println!(
        "{} primary rows: without a true source {alone} ({:.2}%), flux unfit {unfit}, second on one truth {doubled}",
        rows.len(),
        100.0 * alone as f64 / rows.len() as f64
    );
    println!("{examples:.1?}");
    for kind in [1.0, 0.0] {
        print!("{}: ", if kind > 0.5 { "stars" } else { "galaxies" });
        for range in [
            (3.0, 4.0),
            (4.5, 5.5),
            (6.0, 8.0),
            (8.0, 12.0),
            (12.0, 20.0),
            (20.0, 50.0),
            (50.0, 1e9),
        ] {
            let all: Vec<usize> = (0..x.len())
                .filter(|&k| star[k] == kind && snr[k] >= range.0 && snr[k] < range.1)
                .collect();
            let got = all.iter().filter(|&&k| taken[k] > 0).count();
            let many: usize = all.iter().filter(|&&k| taken[k] > 1).count();
            print!("S/N {}: {got}/{} ({many} twice); ", range.0, all.len());
        }
        println!();
    }
}
