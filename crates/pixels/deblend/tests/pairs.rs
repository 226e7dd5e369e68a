//! Fluxes of blended stars, detected, split and measured, against the joint Fisher bound.

// `Parent` may gain fields that do not matter here.
#![allow(clippy::needless_update)]

#[path = "../../psf/tests/scene/mod.rs"]
mod scene;

use elqui_base::{invert_spd, mad_sigma};
use elqui_deblend::{DeblendConfig, deblend_all};
use elqui_detection::{DetectionConfig, detect_with_psf};
use elqui_image::{Exposure, Header, Image, PsfModel, VisitInfo};
use elqui_measurement::{MeasurementConfig, Parent, measure};

const FWHM: f64 = 4.0;
/// Electrons of sky and read noise in a pixel; gain 1.
const SKY: f64 = 958.0;

fn alpha2() -> f64 {
    (0.5 * FWHM).powi(2) / (2f64.cbrt() - 1.0)
}

fn moffat(dx: f64, dy: f64) -> f64 {
    2.0 / (std::f64::consts::PI * alpha2()) * (1.0 + (dx * dx + dy * dy) / alpha2()).powi(-3)
}

/// Derivative by the star's x of its light at (dx, dy) from it.
fn slope(dx: f64, dy: f64) -> f64 {
    6.0 * dx / alpha2() * moffat(dx, dy) / (1.0 + (dx * dx + dy * dy) / alpha2())
}

#[derive(Clone, Copy)]
struct Star {
    x: f64,
    y: f64,
    flux: f64,
}

/// Cramer-Rao errors of the fluxes of two stars whose positions are free, too.
fn bound(stars: [Star; 2]) -> [f64; 2] {
    let mut information = vec![0.0; 36];
    let (cx, cy) = (0.5 * (stars[0].x + stars[1].x), 0.5 * (stars[0].y + stars[1].y));
    for j in -20..=20 {
        for i in -20..=20 {
            let (x, y) = (cx.round() + f64::from(i), cy.round() + f64::from(j));
            let mut d = [0.0; 6];
            let mut light = 0.0;
            for (k, s) in stars.iter().enumerate() {
                let (dx, dy) = (x - s.x, y - s.y);
                light += s.flux * moffat(dx, dy);
                d[3 * k] = moffat(dx, dy);
                // In units of the flux, so that the matrix is well scaled.
                d[3 * k + 1] = slope(dx, dy);
                d[3 * k + 2] = slope(dy, dx);
            }
            for a in 0..6 {
                for b in 0..6 {
                    information[6 * a + b] += d[a] * d[b] / (SKY + light);
                }
            }
        }
    }
    let covariance = invert_spd(&information, 6).unwrap();
    [covariance[0].sqrt(), covariance[21].sqrt()]
}

struct Outcome {
    /// (measured - true) / bound
    pulls: [f64; 2],
    ratio: [f64; 2],
}

/// Pairs on a loose grid; those whose stars both have a row of their own.
fn trial(seed: u64, separations: (f64, f64), snr: (f64, f64)) -> (Vec<Outcome>, usize) {
    let (side, cell) = (960usize, 60usize);
    let mut random = scene::Random::new(seed);
    let mut light = vec![0.0f64; side * side];
    let mut pairs = Vec::new();
    for row in 0..side / cell {
        for column in 0..side / cell {
            let place = |k: usize, r: f64| (k * cell) as f64 + 0.5 * cell as f64 + r;
            let (x, y) = (place(column, random.uniform()), place(row, random.uniform()));
            let d = FWHM * (separations.0 + (separations.1 - separations.0) * random.uniform());
            let angle = std::f64::consts::TAU * random.uniform();
            let mut flux = || 245.0 * snr.0 * (snr.1 / snr.0).powf(random.uniform());
            let (dx, dy) = (0.5 * d * angle.cos(), 0.5 * d * angle.sin());
            let stars = [
                Star { x: x - dx, y: y - dy, flux: flux() },
                Star { x: x + dx, y: y + dy, flux: flux() },
            ];
            for j in row * cell..(row + 1) * cell {
                for i in column * cell..(column + 1) * cell {
                    for s in &stars {
                        light[j * side + i] += s.flux * moffat(i as f64 - s.x, j as f64 - s.y);
                    }
                }
            }
            pairs.push((d / FWHM, stars));
        }
    }
    let pixels: Vec<f32> =
        light.iter().map(|l| (l + (SKY + l).sqrt() * random.normal()) as f32).collect();
    let variance = pixels.iter().map(|v| (v + SKY as f32).max(1.0)).collect();
    let mut exposure = Exposure::new(
        Image::from_vec(side, side, pixels),
        Image::filled(side, side, 0),
        Image::from_vec(side, side, variance),
        Header::default(),
        VisitInfo::default(),
    )
    .unwrap();
    exposure.gain = 1.0;
    let psf = PsfModel::from_profile(121, 0.5, FWHM, moffat);
    exposure.psf = Some(psf.clone());
    let config = DetectionConfig::default();
    let found = detect_with_psf(&exposure.image, &exposure.variance, &exposure.mask, &psf, &config)
        .unwrap();
    let split = deblend_all(
        &exposure.image,
        &exposure.mask,
        &found.footprints,
        &psf,
        &DeblendConfig::default(),
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
    let table = measure(&exposure, &parents, &MeasurementConfig::default());
    let mut out = Vec::new();
    let mut lost = 0;
    for (separation, stars) in pairs {
        let nearest = stars.map(|s| {
            (0..table.len())
                .filter(|&k| table.detect_is_primary[k])
                .map(|k| ((table.x[k] - s.x).hypot(table.y[k] - s.y), k))
                .filter(|(d, _)| *d < 0.5 * separation * FWHM)
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, k)| k)
        });
        let [Some(a), Some(b)] = nearest else {
            lost += 1;
            continue;
        };
        let errors = bound(stars);
        let flux = [table.psf_flux[a], table.psf_flux[b]];
        out.push(Outcome {
            pulls: [0, 1].map(|k| (flux[k] - stars[k].flux) / errors[k]),
            ratio: [0, 1].map(|k| flux[k] / stars[k].flux),
        });
    }
    (out, lost)
}

#[test]
fn pairs_reach_the_joint_bound() {
    for separations in [(1.0, 1.33), (1.33, 1.66), (1.66, 2.0)] {
        for snr in [(20.0, 60.0), (60.0, 300.0)] {
            let (found, lost) = trial(7, separations, snr);
            let mut pulls: Vec<f64> = found.iter().flat_map(|o| o.pulls).collect();
            let mut ratio: Vec<f64> = found.iter().flat_map(|o| o.ratio).collect();
            let (median, width) = mad_sigma(&mut pulls);
            let (bias, _) = mad_sigma(&mut ratio);
            let n = found.len();
            println!(
                "{separations:?} FWHM, S/N {snr:?}: {n} pairs, {lost} unresolved; median \
                 {median:+.2}, scatter {width:.2} bounds; flux ratio {bias:.4}"
            );
            assert!(width < 1.2 && median.abs() < 0.3, "{separations:?} {snr:?}: {median} {width}");
            assert!(lost * 5 <= n, "{separations:?} {snr:?}: {lost} unresolved of {n}");
        }
    }
}
