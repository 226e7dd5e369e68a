//! Whether what was followed is a trail, and its description.
//!
//! Refused: what is too short, too faint or broken; steps (an amplifier's border); bleeding columns
//! (along an axis and saturated); sharp lines along an axis (columns of the detector); diffraction spikes
//! (from a very bright source, fading with the distance from it), galaxies (fading to both ends), sources
//! that happen to lie on a line (dark gaps).
//! - input: the followed line; output: ends, width, brightness

use super::trace::{HALF, PIECE, Piece, Pixels, Trail, parts, stack, width_at_half};
use super::{Streak, StreakConfig};

/// A piece is lit when its ridge has this part of the typical one.
const LIT: f32 = 0.4;
/// Part of the pieces of a trail that have to be lit.
const LIT_MIN: f64 = 0.75;
/// Length of the parts of a piece that have to be lit, pixels.
const PART: usize = 8;
/// A part is dark below this part of the typical ridge.
const DARK: f32 = 0.3;
/// Dark parts of a trail at most, beyond what noise makes.
const DARK_MAX: f64 = 0.17;
/// Directions this near to an axis are along it, degrees.
const AXIS_DEG: f64 = 1.5;

pub fn judge(trail: &Trail, pixels: &Pixels<'_>, config: &StreakConfig) -> Option<Streak> {
    let half = trail.ridge_half;
    let pieces = &trail.pieces;
    let (first, last) = lit_run(trail)?;
    let run = &pieces[first..=last];
    let seen: Vec<&Piece> = run.iter().filter(|p| !p.blind).collect();
    let length = (run.len() * PIECE) as f64;
    if length < config.length_pixels_min || seen.len() * 2 < run.len() {
        return None;
    }
    let typical = typical_ridge(&seen, half);
    let lit = seen.iter().filter(|p| p.ridge(0, half) > LIT * typical).count();
    if (lit as f64) < LIT_MIN * seen.len() as f64 {
        return None;
    }
    if dark_parts(trail, &seen, pixels) > DARK_MAX {
        return None;
    }
    let (mut light, mut noise) = (0.0f64, 0.0f64);
    for p in &seen {
        // One piece, a star's or a galaxy's, does not make a trail.
        light += f64::from(p.ridge(0, half).min(3.0 * typical));
        noise += f64::from(p.ridge_sigma(half)).powi(2);
    }
    let snr = light / noise.sqrt();
    if !(snr >= config.snr_min) {
        return None;
    }
    let profile = stack(run, |_| true);
    let fwhm = width_at_half(&profile);
    let peak = profile[HALF - 1..=HALF + 1].iter().copied().fold(0.0f32, f32::max);
    if !(fwhm > 0.0 && fwhm <= config.width_pixels_max && peak > 0.0) || is_step(&profile, fwhm) {
        return None;
    }
    let line = &trail.line;
    let angle = line.uy.atan2(line.ux).to_degrees().rem_euclid(180.0);
    let off_axis = (angle % 90.0).min(90.0 - angle % 90.0);
    if off_axis < AXIS_DEG {
        let saturated = run.iter().filter(|p| p.saturated).count();
        if 4 * saturated > run.len() || fwhm < 1.8 {
            return None;
        }
    }
    if is_spike(run, half, typical) || fades(&seen, half) {
        return None;
    }
    // Where the light ends is known to a piece.
    let margin = 0.5 * PIECE as f64;
    let (w, h) = (pixels.image.width(), pixels.image.height());
    let whole = line.over(w, h);
    let end = |t: f64, bound: f64| if (t - bound).abs() < 1.5 * PIECE as f64 { bound } else { t };
    let from = end((run[0].t - margin).max(whole.from), whole.from);
    let to = end((run[run.len() - 1].t + margin).min(whole.to), whole.to);
    let inside = |(x, y): (f64, f64)| (x.clamp(0.0, w as f64 - 1.0), y.clamp(0.0, h as f64 - 1.0));
    let ((x0, y0), (x1, y1)) = (inside(line.at(from)), inside(line.at(to)));
    Some(Streak {
        x0,
        y0,
        x1,
        y1,
        width_pixels: band(&profile, &seen, peak).max(2.0 * fwhm),
        fwhm_pixels: fwhm,
        angle_deg: angle,
        surface_brightness: f64::from(peak),
        length_pixels: to - from,
        snr,
    })
}

/// Part of the short parts of the pieces that show nearly nothing, beyond what noise explains: there are
/// dark gaps between sources that happen to lie on a line.
fn dark_parts(trail: &Trail, seen: &[&Piece], pixels: &Pixels<'_>) -> f64 {
    let half = trail.ridge_half;
    // A low one: many have light of sources in them.
    let mut ridges: Vec<f64> = seen.iter().map(|p| f64::from(p.ridge(0, half))).collect();
    let typical = elqui_base::percentile(&mut ridges, 0.3) as f32;
    let (mut dark, mut count, mut expected) = (0.0f64, 0.0f64, 0.0f64);
    for piece in seen {
        // One part's noise: a mean over fewer pixels than the piece's median.
        let sigma = piece.ridge_sigma(half) / 1.2533 * ((PIECE / PART) as f32).sqrt();
        let below = f64::from((1.0 - DARK) * typical / sigma);
        // The normal distribution's tail, well enough.
        let tail = 0.5 * (-0.717 * below - 0.416 * below * below).exp();
        for light in parts(pixels, &trail.line, piece, (half, PART)) {
            if light.is_finite() {
                count += 1.0;
                expected += tail;
                dark += f64::from(u8::from(light < DARK * typical));
            }
        }
    }
    if count > 0.0 { (dark - expected) / count } else { 1.0 }
}

/// Upper median of the ridges.
fn typical_ridge(seen: &[&Piece], half: usize) -> f32 {
    let mut ridges: Vec<f32> = seen.iter().map(|p| p.ridge(0, half)).collect();
    elqui_base::median_f32(&mut ridges)
}

/// First and last of the pieces whose light, less half of the typical one each, adds up to most.
fn lit_run(trail: &Trail) -> Option<(usize, usize)> {
    let (pieces, half) = (&trail.pieces, trail.ridge_half);
    let ridges: Vec<f32> =
        pieces.iter().map(|p| if p.blind { f32::NAN } else { p.ridge(0, half) }).collect();
    // The trail may cover a small part of the line, but the candidate's own part is lit.
    let (from, to) = trail.seed;
    let mut own: Vec<f32> = pieces
        .iter()
        .zip(&ridges)
        .filter(|(p, r)| r.is_finite() && p.t >= from && p.t <= to)
        .map(|(_, r)| *r)
        .collect();
    if own.len() < 3 {
        return None;
    }
    let lit = elqui_base::median_f32(&mut own);
    let sigma = pieces.iter().find(|p| !p.blind).map_or(0.0, |p| p.ridge_sigma(half));
    // Noise alone must not look lit.
    let level = 0.5 * lit.max(sigma);
    let (mut best, mut best_sum) = (None, 0.0f32);
    let (mut from, mut sum) = (0, 0.0f32);
    for (k, r) in ridges.iter().enumerate() {
        let gain = if r.is_finite() { (r - level).clamp(-level, level) } else { 0.0 };
        if sum <= 0.0 {
            (from, sum) = (k, 0.0);
        }
        sum += gain;
        if sum > best_sum {
            (best, best_sum) = (Some((from, k)), sum);
        }
    }
    best
}

/// One side is (nearly) as bright as the ridge.
fn is_step(profile: &[f32], fwhm: f64) -> bool {
    let gap = (1.5 * fwhm).ceil().max(4.0) as usize + 1;
    let far = HALF.min(gap + 12);
    if far <= gap {
        return false;
    }
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len().max(1) as f32;
    let below = mean(&profile[HALF - far..HALF - gap]);
    let above = mean(&profile[HALF + gap..HALF + far]);
    let peak = profile[HALF - 1..=HALF + 1].iter().copied().fold(0.0f32, f32::max);
    below.max(above) > 0.5 * peak
}

/// Light that fades away from one very bright place: the ridges of a spike span a large range and
/// fall on both sides of the brightest.
fn is_spike(run: &[Piece], half: usize, typical: f32) -> bool {
    let ridges: Vec<f32> = run.iter().map(|p| p.ridge(0, half)).collect();
    let Some(top) = (0..ridges.len()).max_by(|&a, &b| ridges[a].total_cmp(&ridges[b])) else {
        return false;
    };
    if ridges[top] < 8.0 * typical {
        return false;
    }
    // Medians of three neighbours and of the outer pieces on the longer side.
    let longer: Vec<f32> = if top * 2 > ridges.len() {
        ridges[..top].iter().rev().copied().collect()
    } else {
        ridges[top + 1..].to_vec()
    };
    if longer.len() < 6 {
        return false;
    }
    let third = longer.len() / 3;
    let near = elqui_base::median_f32(&mut longer[..third].to_vec());
    let far = elqui_base::median_f32(&mut longer[2 * third..].to_vec());
    near > 2.5 * far
}

/// Light that is brightest in the middle and fades towards both ends: a galaxy seen from its edge.
fn fades(seen: &[&Piece], half: usize) -> bool {
    let mut ridges: Vec<f32> = seen.iter().map(|p| p.ridge(0, half)).collect();
    let (sixth, third) = (ridges.len() / 6, ridges.len() / 3);
    if sixth == 0 {
        return false;
    }
    let last = ridges.len() - sixth;
    let ends = [0..sixth, last..last + sixth].map(|r| elqui_base::median_f32(&mut ridges[r]));
    let middle = elqui_base::median_f32(&mut ridges[third..last + sixth - third]);
    middle > 2.5 * ends[0].max(ends[1])
}

/// Full width of the band in which the light is seen: out to a fiftieth of the peak or where the
/// noise of the stacked profile hides it.
fn band(profile: &[f32], seen: &[&Piece], peak: f32) -> f64 {
    let sigma = elqui_base::median_f32(&mut seen.iter().map(|p| p.sigma).collect::<Vec<_>>());
    let limit = (0.02 * peak).max(3.0 * 1.25 * sigma / (seen.len() as f32).sqrt());
    let reach = |step: i32| -> i32 {
        let mut k = 1;
        let at = |k: i32| profile[(HALF as i32 + step * k) as usize];
        while k < HALF as i32 && at(k) > limit {
            k += 1;
        }
        k
    };
    f64::from(2 * reach(-1).max(reach(1)) + 2)
}
