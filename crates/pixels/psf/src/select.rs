//! Selection of stars for the PSF.
//!
//! The brightest unsaturated peaks get adaptive moments; those on the locus of the stars are kept,
//! the least contaminated by neighbours first, spread over the detector.
//! - input: sky-subtracted image (adu), its mask, footprints with peaks
//! - output: candidates, the most useful first

use crate::config::SelectionConfig;
use crate::locus::{on_locus, typical_size};
use crate::stamp::half_width_for;
use crate::star::{Neighbour, StarCandidate};
use elqui_base::FWHM_PER_SIGMA;
use elqui_image::{Footprint, Image, Mask, MaskPlane, Peak, adaptive_moments};
use rayon::prelude::*;

/// A star may not have one of these within its core.
const CORE_REJECT: u32 = MaskPlane::unusable()
    | MaskPlane::Intrp.bit()
    | MaskPlane::Suspect.bit()
    | MaskPlane::Edge.bit()
    | MaskPlane::Streak.bit();
/// Peaks farther apart than this never share a stamp, pixels.
const HASH_CELL: f32 = 32.0;
/// Stars for the first guess of the width.
const GUESS_STARS: usize = 300;

/// Stars that may serve for the PSF.
pub fn select_stars(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    footprints: &[Footprint],
    config: &SelectionConfig,
) -> Vec<StarCandidate> {
    let all = all_peaks(footprints);
    let mut stars = Vec::new();
    for min_snr in [config.min_snr, config.min_snr_few] {
        let bright = brightest(&all, min_snr, config.max_measured);
        let measured = measure(image, variance, mask, &bright);
        let Some(size) = typical_size(measured.iter().map(|c| c.sigma_pixels)) else { continue };
        let mut measured = measured;
        let hash = PeakHash::new(&all, image.width(), image.height());
        measured.par_iter_mut().for_each(|c| hash.surround(c, FWHM_PER_SIGMA * size));
        let extent = (image.width() as f64, image.height() as f64);
        let clean: Vec<StarCandidate> = measured
            .iter()
            .filter(|c| c.contamination < 5.0 * config.max_contamination)
            .cloned()
            .collect();
        // In a field without isolated stars the crowded ones have to do.
        let pool =
            if clean.len() >= config.few_stars.min(measured.len() / 2) { clean } else { measured };
        let kept = on_locus(&pool, extent, config.locus_sigma);
        stars = kept.into_iter().map(|k| pool[k].clone()).collect();
        if stars.len() >= config.few_stars {
            break;
        }
    }
    spread(stars, (image.width(), image.height()), config)
}

/// First guess of the PSF's full width at half maximum, pixels.
pub fn guess_fwhm(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    footprints: &[Footprint],
) -> Option<f64> {
    let all = all_peaks(footprints);
    let bright: Vec<(Peak, usize)> = brightest(&all, 20.0, GUESS_STARS * 2);
    let measured = measure(image, variance, mask, &bright);
    typical_size(measured.iter().take(GUESS_STARS).map(|c| c.sigma_pixels))
        .map(|s| FWHM_PER_SIGMA * s)
}

/// Every peak with the area of its footprint.
fn all_peaks(footprints: &[Footprint]) -> Vec<(Peak, usize)> {
    footprints
        .iter()
        .flat_map(|f| {
            let area = f.area();
            f.peaks.iter().map(move |p| (*p, area))
        })
        .filter(|(p, _)| p.x.is_finite() && p.y.is_finite())
        .collect()
}

fn brightest(all: &[(Peak, usize)], min_snr: f64, count: usize) -> Vec<(Peak, usize)> {
    let mut out: Vec<(Peak, usize)> =
        all.iter().filter(|(p, _)| f64::from(p.snr) >= min_snr).copied().collect();
    out.sort_by(|(a, _), (b, _)| {
        b.snr.total_cmp(&a.snr).then((a.y, a.x).partial_cmp(&(b.y, b.x)).expect("finite"))
    });
    // Saturated peaks lead the list, so take some more than asked for.
    out.truncate(count);
    out
}

fn measure(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    peaks: &[(Peak, usize)],
) -> Vec<StarCandidate> {
    let size = (image.width(), image.height());
    if (variance.width(), variance.height()) != size || (mask.width(), mask.height()) != size {
        return Vec::new();
    }
    peaks.par_iter().filter_map(|(p, area)| shape(image, mask, p, *area)).collect()
}

fn shape(image: &Image<f32>, mask: &Mask, peak: &Peak, area: usize) -> Option<StarCandidate> {
    let (x, y) = (f64::from(peak.x), f64::from(peak.y));
    if !core_is_clean(image, mask, (x, y), 2) {
        return None;
    }
    let m = adaptive_moments(image, mask, MaskPlane::unusable(), (x, y), 1.6, 2.0, 12.0);
    let det = m.ixx * m.iyy - m.ixy * m.ixy;
    if m.failed || !(det > 0.0) || !(m.flux > 0.0) {
        return None;
    }
    let sigma_pixels = det.powf(0.25);
    let reach = (2.0 * sigma_pixels).ceil() as i32;
    if sigma_pixels < 0.35 || !core_is_clean(image, mask, (m.x, m.y), reach) {
        return None;
    }
    let trace = m.ixx + m.iyy;
    Some(StarCandidate {
        x: m.x,
        y: m.y,
        snr: peak.snr,
        flux: m.flux,
        sigma_pixels,
        e1: (m.ixx - m.iyy) / trace,
        e2: 2.0 * m.ixy / trace,
        contamination: 0.0,
        footprint_area: area,
        neighbours: Vec::new(),
    })
}

/// No doubtful pixel within `reach` of the position, all of it inside the image.
fn core_is_clean(image: &Image<f32>, mask: &Mask, (x, y): (f64, f64), reach: i32) -> bool {
    let (cx, cy) = (x.round() as i32, y.round() as i32);
    (cy - reach..=cy + reach).all(|j| {
        (cx - reach..=cx + reach).all(|i| {
            mask.get(i, j).is_some_and(|b| b & CORE_REJECT == 0)
                && image.get(i, j).is_some_and(f32::is_finite)
        })
    })
}

/// Peaks in square cells, to find neighbours.
struct PeakHash {
    nx: usize,
    ny: usize,
    cells: Vec<Vec<Peak>>,
}

impl PeakHash {
    fn new(all: &[(Peak, usize)], width: usize, height: usize) -> Self {
        let n = |length: usize| (length as f32 / HASH_CELL).ceil().max(1.0) as usize;
        let (nx, ny) = (n(width), n(height));
        let mut cells = vec![Vec::new(); nx * ny];
        for (p, _) in all {
            let (i, j) = Self::cell(p.x, p.y, nx, ny);
            cells[j * nx + i].push(*p);
        }
        Self { nx, ny, cells }
    }

    fn cell(x: f32, y: f32, nx: usize, ny: usize) -> (usize, usize) {
        let at = |v: f32, n: usize| ((v / HASH_CELL).max(0.0) as usize).min(n - 1);
        (at(x, nx), at(y, ny))
    }

    /// Note the neighbours of a star, and how much of their light falls into its core.
    fn surround(&self, star: &mut StarCandidate, fwhm: f64) {
        let reach = half_width_for(fwhm) as f64 * std::f64::consts::SQRT_2 + 2.0 * fwhm;
        let (ci, cj) = Self::cell(star.x as f32, star.y as f32, self.nx, self.ny);
        let rings = (reach as f32 / HASH_CELL).ceil() as usize;
        for j in cj.saturating_sub(rings)..=(cj + rings).min(self.ny - 1) {
            for i in ci.saturating_sub(rings)..=(ci + rings).min(self.nx - 1) {
                for p in &self.cells[j * self.nx + i] {
                    let d = (f64::from(p.x) - star.x).hypot(f64::from(p.y) - star.y);
                    // Within a pixel it is the star itself.
                    if d < 1.5 || d > reach {
                        continue;
                    }
                    let relative = f64::from(p.snr / star.snr.max(1e-3));
                    // A Moffat-like fall-off stands for the neighbour's wings.
                    let fall = (1.0 + (d / fwhm).powi(2) * 1.7).powi(-3);
                    star.contamination += relative * fall;
                    star.neighbours.push(Neighbour {
                        x: p.x,
                        y: p.y,
                        relative_flux: relative as f32,
                    });
                }
            }
        }
    }
}

/// At most `max_stars`, from each part of the detector in turn the best first.
fn spread(
    stars: Vec<StarCandidate>,
    (width, height): (usize, usize),
    config: &SelectionConfig,
) -> Vec<StarCandidate> {
    const PARTS: usize = 6;
    // Clean before contaminated, then by brightness.
    let quality = |s: &StarCandidate| {
        let clean = s.contamination < config.max_contamination;
        let snr = f64::from(s.snr);
        if clean { snr } else { snr.min(1e4) * 1e-4 / (1.0 + s.contamination) }
    };
    let mut parts: Vec<Vec<StarCandidate>> = vec![Vec::new(); PARTS * PARTS];
    for s in stars {
        let at =
            |v: f64, n: usize| ((v / n as f64 * PARTS as f64).max(0.0) as usize).min(PARTS - 1);
        parts[at(s.y, height) * PARTS + at(s.x, width)].push(s);
    }
    for part in &mut parts {
        part.sort_by(|a, b| quality(b).total_cmp(&quality(a)).then(a.y.total_cmp(&b.y)));
    }
    let mut out = Vec::new();
    for rank in 0..parts.iter().map(Vec::len).max().unwrap_or(0) {
        for part in &parts {
            if let Some(s) = part.get(rank)
                && out.len() < config.max_stars
            {
                out.push(s.clone());
            }
        }
    }
    out
}
