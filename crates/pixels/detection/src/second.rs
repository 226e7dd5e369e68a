//! A second look about bright sources: faint ones on their flanks make no maximum of their own.
//!
//! The S/N image is compared with itself turned by half a turn about the bright peak: stars and galaxies
//! alike are the same there, a neighbour is not. What is left over stands out when it is
//! `threshold_sigma` times its own noise (two pixels' worth), and more than a part of the flank itself.
//! - input: footprints with peaks, the S/N image; output: peaks added to them, their S/N what is left
//! - source: the symmetry is that of Lupton et al. 2001, ASP Conf. 238, 269
//! - differs from the LSST pipelines, which subtract a temporary local background: flanks that fall steeply
//!   are followed, too

use crate::config::DetectionConfig;
use elqui_image::{Footprint, Image, Mask, MaskPlane, Peak};

/// From here to there about the bright peak, FWHM. Nearer ones shift the peak itself; the deblender
/// looks for them.
const NEAR: f64 = 1.6;
const FAR: f64 = 3.0;
/// Places this near to a known peak are that peak, FWHM.
const KNOWN: f64 = 0.9;
/// Part of the flank that a lopsided PSF may leave.
const LOPSIDED: f32 = 0.24;
/// A point's S/N falls to a quarter of its peak one FWHM away; what stays above this part of it on average
/// is a galaxy's arm or a lopsided halo.
const COMPACT: f32 = 0.45;

pub(crate) fn look(
    footprints: &mut [Footprint],
    snr: &Image<f32>,
    mask: &Mask,
    fwhm: f64,
    config: &DetectionConfig,
) {
    if !(config.second_look_snr > 0.0 && config.second_look_snr.is_finite()) {
        return;
    }
    let mut left = Vec::new();
    for footprint in footprints {
        let bright = |p: &Peak| f64::from(p.snr) >= config.second_look_snr;
        let count = footprint.peaks.len();
        for k in 0..count {
            let peak = footprint.peaks[k];
            if !bright(&peak) {
                break;
            }
            for found in about(&peak, &footprint.peaks, (snr, mask), fwhm, config, &mut left) {
                if footprint.contains(found.x.round() as i32, found.y.round() as i32) {
                    footprint.peaks.push(found);
                }
            }
        }
        if footprint.peaks.len() > count {
            footprint.peaks.sort_by(|a, b| b.snr.total_cmp(&a.snr));
        }
    }
}

/// Eight pixels one FWHM away.
fn ring(fwhm: f64) -> [(i32, i32); 8] {
    std::array::from_fn(|k| {
        let (s, c) = (k as f64 * std::f64::consts::FRAC_PI_4).sin_cos();
        ((fwhm * c).round() as i32, (fwhm * s).round() as i32)
    })
}

/// Peaks about one bright peak; `left` is memory.
fn about(
    bright: &Peak,
    known: &[Peak],
    (snr, mask): (&Image<f32>, &Mask),
    fwhm: f64,
    config: &DetectionConfig,
    left: &mut Vec<f32>,
) -> Vec<Peak> {
    let half = (FAR * fwhm).ceil() as i32 + 2;
    let (cx, cy) = (bright.x.round() as i32, bright.y.round() as i32);
    let mut found: Vec<Peak> = Vec::new();
    // The middle of a saturated star is not known well enough.
    let sat =
        |dx: i32, dy: i32| mask.get(cx + dx, cy + dy).is_none_or(|m| m & MaskPlane::Sat.bit() != 0);
    if half > 200 || (-2..=2).any(|dy| (-2..=2).any(|dx| sat(dx, dy))) {
        return found;
    }
    let side = (2 * half + 1) as usize;
    left.clear();
    // Opposite of (x, y) is (2 bright.x - x, ...): between the same two columns and rows for all.
    let (ox, oy) = (2.0 * bright.x, 2.0 * bright.y);
    let (u, v) = (ox - ox.floor(), oy - oy.floor());
    let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
    for y in cy - half..=cy + half {
        let j = oy.floor() as i32 - y;
        let rows = [y, j, j + 1].map(|r| {
            let inside = r >= 0 && (r as usize) < snr.height();
            if inside { snr.row(r as usize) } else { &[] }
        });
        let get = |row: &[f32], x: i32| usize::try_from(x).ok().and_then(|x| row.get(x).copied());
        for x in cx - half..=cx + half {
            let i = ox.floor() as i32 - x;
            let here = get(rows[0], x).unwrap_or(f32::NEG_INFINITY);
            let four = [(1, i), (1, i + 1), (2, i), (2, i + 1)].map(|(r, x)| get(rows[r], x));
            // A hole opposite says nothing of what is here.
            let there = match four {
                [Some(a), Some(b), Some(c), Some(d)] => {
                    weights[0] * a + weights[1] * b + weights[2] * c + weights[3] * d
                }
                _ => f32::INFINITY,
            };
            left.push(here - there.max(0.0) * (1.0 + LOPSIDED));
        }
    }
    let least = (config.threshold_sigma * std::f64::consts::SQRT_2) as f32;
    let at = |i: i32, j: i32| left[j as usize * side + i as usize];
    for j in 2..side as i32 - 2 {
        for i in 2..side as i32 - 2 {
            let value = at(i, j);
            if value < least {
                continue;
            }
            let (dx, dy) = (f64::from(i - half), f64::from(j - half));
            let r = dx.hypot(dy) / fwhm;
            let top = (-2..=2).all(|b| (-2..=2).all(|a| at(i + a, j + b) <= value));
            if !(top && (NEAR..=FAR).contains(&r)) {
                continue;
            }
            let rim = ring(fwhm).map(|(a, b)| {
                let inside = |k: i32| (0..side as i32).contains(&k);
                let there = inside(i + a) && inside(j + b);
                if there { at(i + a, j + b).max(0.0) } else { 0.0 }
            });
            if rim.iter().sum::<f32>() > COMPACT * rim.len() as f32 * value {
                continue;
            }
            let shift = |a: f32, b: f32| {
                let curvature = a - 2.0 * value + b;
                if curvature < 0.0 { (0.5 * (a - b) / curvature).clamp(-0.5, 0.5) } else { 0.0 }
            };
            let x = (cx - half + i) as f32 + shift(at(i - 1, j), at(i + 1, j));
            let y = (cy - half + j) as f32 + shift(at(i, j - 1), at(i, j + 1));
            let apart = |p: &Peak| f64::from((p.x - x).hypot(p.y - y)) > KNOWN * fwhm;
            if known.iter().all(apart) && found.iter().all(apart) {
                found.push(Peak { x, y, snr: value });
            }
        }
    }
    found
}
