//! Satellite trails: straight lines of light across the frame, found, described and masked.
//!
//! 1. [`grid`]: blocks of pixels are summed and put in units of their local scatter; clipped, so that a
//!    star weighs no more than a piece of a trail does, and freed of what is wide.
//! 2. [`radon`]: sums along all straight lines through strips of the grid.
//! 3. [`trace`]: each candidate is followed at full resolution by medians along short pieces, which
//!    stars do not move: its line, its ends, its profile across.
//! 4. [`judge`]: steps, bleeding columns, diffraction spikes and what is short or broken are no trails.
//!
//! - input: sky-subtracted image (adu), variance (adu^2), mask; output: trails, brightest first
//! - source: Brady 1998, SIAM J. Comput. 27, 107 (the transform); Nir, Zackay & Ofek 2018, AJ 156, 229
//!   (trails by it)
//! - differs from the LSST pipelines (a Hough transform of detected pixels' edges): sums of all pixels'
//!   light, so that a trail below the detection threshold is found too

mod grid;
mod judge;
mod radon;
mod trace;

use elqui_image::{Image, Mask, MaskPlane};
use serde::{Deserialize, Serialize};

/// Choices of [`find_streaks`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StreakConfig {
    /// Side of the blocks that are summed, pixels.
    pub bin_pixels: usize,
    /// A line's sum that is worth a closer look, in units of the scatter of such sums.
    pub candidate_sigma: f64,
    /// Signal-to-noise ratio of a trail's light along its whole length.
    pub snr_min: f64,
    /// Shorter ones are left to the detection of sources.
    pub length_pixels_min: f64,
    /// Wider ones are not trails (full width at half maximum).
    pub width_pixels_max: f64,
    /// Most trails that are looked for.
    pub streaks_max: usize,
    /// Bits of pixels that are left out altogether.
    pub exclude: u32,
}

impl Default for StreakConfig {
    fn default() -> Self {
        Self {
            bin_pixels: 8,
            candidate_sigma: 5.5,
            snr_min: 10.0,
            length_pixels_min: 300.0,
            width_pixels_max: 40.0,
            streaks_max: 40,
            exclude: MaskPlane::Bad.bit() | MaskPlane::NoData.bit(),
        }
    }
}

/// A trail: the part of a straight line that is lit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Streak {
    /// Its ends, pixels; both on the image.
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
    /// Full width of the band in which its light is seen, pixels: what is masked.
    pub width_pixels: f64,
    /// Full width at half maximum of its profile, pixels.
    pub fwhm_pixels: f64,
    /// Direction, counter-clockwise from the x axis, 0 to 180.
    pub angle_deg: f64,
    /// On its ridge, adu a pixel.
    pub surface_brightness: f64,
    pub length_pixels: f64,
    /// Of all its light.
    pub snr: f64,
}

impl Streak {
    /// Distance of a place along the trail from its first end, and across it.
    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let length = (self.x1 - self.x0).hypot(self.y1 - self.y0).max(1e-9);
        let (ux, uy) = ((self.x1 - self.x0) / length, (self.y1 - self.y0) / length);
        let (dx, dy) = (x - self.x0, y - self.y0);
        (dx * ux + dy * uy, dy * ux - dx * uy)
    }

    /// Both of `other`'s ends are within this one's band, continued.
    fn is_on_line_of(&self, other: &Self) -> bool {
        let reach = 0.5 * self.width_pixels.max(other.width_pixels);
        let near = |x, y| self.place(x, y).1.abs() <= reach;
        near(other.x0, other.y0) && near(other.x1, other.y1)
    }

    /// Take in another part of the same trail.
    fn join(&mut self, other: &Self) {
        let mut ends =
            [(self.x0, self.y0), (self.x1, self.y1), (other.x0, other.y0), (other.x1, other.y1)];
        ends.sort_by(|a, b| self.place(a.0, a.1).0.total_cmp(&self.place(b.0, b.1).0));
        let (first, last) = (ends[0], ends[3]);
        (self.x0, self.y0, self.x1, self.y1) = (first.0, first.1, last.0, last.1);
        self.length_pixels = (last.0 - first.0).hypot(last.1 - first.1);
        self.width_pixels = self.width_pixels.max(other.width_pixels);
        self.snr = self.snr.max(other.snr);
    }
}

/// Rounds of search after what was found has been taken out.
const ROUNDS_MAX: usize = 8;
/// Candidates followed at full resolution in one round.
const LOOKS_MAX: usize = 24;

/// Find the trails of a frame. A frame without usable pixels has none.
pub fn find_streaks(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    config: &StreakConfig,
) -> Vec<Streak> {
    let size = (image.width(), image.height());
    let agree = size == (variance.width(), variance.height())
        && size == (mask.width(), mask.height())
        && config.bin_pixels > 0;
    // A diagonal shorter than the shortest trail, or a few blocks: nothing can be seen.
    let blocks = size.0.min(size.1) / config.bin_pixels.max(1);
    if !agree || blocks < 8 || (size.0 as f64).hypot(size.1 as f64) < config.length_pixels_min {
        return Vec::new();
    }
    let mut grid = grid::Grid::new(image, mask, config);
    let pixels = trace::Pixels { image, variance, mask, exclude: config.exclude };
    let mut found: Vec<Streak> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let candidates = radon::candidates(&grid, config.candidate_sigma);
        let mut changed = false;
        let mut looks = 0;
        for c in candidates {
            // What an earlier one of this round took out is not looked at again.
            if looks >= LOOKS_MAX || found.len() >= config.streaks_max {
                break;
            }
            if grid.line_sum(&c) < 0.5 * c.sum {
                continue;
            }
            looks += 1;
            let trail = trace::follow(&pixels, &grid.to_pixels(&c));
            match trail.and_then(|t| judge::judge(&t, &pixels, config)) {
                Some(streak) => {
                    changed = true;
                    grid.erase(&streak);
                    grid.erase_candidate(&c);
                    match found.iter_mut().find(|f| f.is_on_line_of(&streak)) {
                        Some(known) => known.join(&streak),
                        None => found.push(streak),
                    }
                }
                None => grid.erase_candidate(&c),
            }
        }
        if !changed || found.len() >= config.streaks_max {
            break;
        }
    }
    found.sort_by(|a, b| b.snr.total_cmp(&a.snr));
    found
}

/// Set STREAK on the pixels of the trails.
pub fn mask_streaks(mask: &mut Mask, streaks: &[Streak]) {
    let (width, height) = (mask.width(), mask.height());
    for s in streaks {
        let (dx, dy) = (s.x1 - s.x0, s.y1 - s.y0);
        let length = dx.hypot(dy);
        let half = 0.5 * s.width_pixels;
        if !(length > 0.0 && half > 0.0) {
            continue;
        }
        let (ux, uy) = (dx / length, dy / length);
        // The band reaches this much beyond its axis in x and y.
        let low = (s.y0.min(s.y1) - half).floor().clamp(0.0, height as f64) as usize;
        let high = (s.y0.max(s.y1) + half).ceil().clamp(-1.0, height as f64 - 1.0) + 1.0;
        for y in low..high as usize {
            let row = mask.row_mut(y);
            let v = y as f64 - s.y0;
            // |across| <= half and -half <= along <= length + half, both linear in x.
            let (a0, a1) = interval(uy, -v * ux, -half, half);
            let (b0, b1) = interval(ux, v * uy, -half, length + half);
            let from = (a0.max(b0) + s.x0).ceil().max(0.0);
            let to = (a1.min(b1) + s.x0).floor().min(width as f64 - 1.0);
            if from <= to {
                let bit = MaskPlane::Streak.bit();
                row[from as usize..=to as usize].iter_mut().for_each(|m| *m |= bit);
            }
        }
    }
}

/// The t for which `low <= slope t + at <= high`.
fn interval(slope: f64, at: f64, low: f64, high: f64) -> (f64, f64) {
    if slope.abs() < 1e-9 {
        let inside = at >= low && at <= high;
        return if inside {
            (f64::NEG_INFINITY, f64::INFINITY)
        } else {
            (f64::INFINITY, f64::NEG_INFINITY)
        };
    }
    let (a, b) = ((low - at) / slope, (high - at) / slope);
    (a.min(b), a.max(b))
}
