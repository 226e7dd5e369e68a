//! A candidate followed at full resolution.
//!
//! The line is cut into short pieces. Across each piece a profile is taken: the median, along the piece,
//! of the pixels at one distance from the line. The line is then moved and turned until the ridges of
//! all pieces add up best, extended over the frame, and put on the ridges' centroids.
//! - input: a line within about 25 pixels of a trail; output: the line on it and its profiles

use elqui_base::median_f32;
use elqui_image::{Image, Mask, MaskPlane};

/// Length of a piece, pixels.
pub const PIECE: usize = 32;
/// Profiles reach this far to either side, pixels.
pub const HALF: usize = 48;
/// How far from its line a candidate's trail may be, pixels.
const SEARCH: i32 = 24;
/// Least sum of the ridges, in units of its own noise.
const SUM_MIN: f32 = 6.0;
/// The median of n values scatters by this over sqrt(n) of one's scatter.
const MEDIAN_SCATTER: f32 = 1.2533;

/// The frame's planes.
pub struct Pixels<'a> {
    pub image: &'a Image<f32>,
    pub variance: &'a Image<f32>,
    pub mask: &'a Mask,
    pub exclude: u32,
}

/// A straight line through (x, y) along (ux, uy), over `from ..= to` of its own length, pixels.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub x: f64,
    pub y: f64,
    pub ux: f64,
    pub uy: f64,
    pub from: f64,
    pub to: f64,
}

impl Line {
    pub fn between(a: (f64, f64), b: (f64, f64)) -> Self {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx.hypot(dy).max(1e-9);
        let (x, y) = (0.5 * (a.0 + b.0), 0.5 * (a.1 + b.1));
        let half = 0.5 * length;
        Self { x, y, ux: dx / length, uy: dy / length, from: -half, to: half }
    }

    pub fn at(&self, t: f64) -> (f64, f64) {
        (self.x + t * self.ux, self.y + t * self.uy)
    }

    /// Moved across by `shift` in the middle of its range and turned so that its ends move by
    /// `-/+ turn` more.
    fn moved(&self, shift: f64, turn: f64) -> Self {
        let (nx, ny) = (-self.uy, self.ux);
        let end = |t: f64, u: f64| {
            let (x, y) = self.at(t);
            (x + u * nx, y + u * ny)
        };
        Self::between(end(self.from, shift - turn), end(self.to, shift + turn))
    }

    /// Its range cut or extended to the image.
    pub fn over(&self, width: usize, height: usize) -> Self {
        let (mut from, mut to) = (f64::NEG_INFINITY, f64::INFINITY);
        for (p, u, n) in [(self.x, self.ux, width), (self.y, self.uy, height)] {
            let (low, high) = (-0.5 - p, n as f64 - 0.5 - p);
            if u.abs() < 1e-12 {
                if low > 0.0 || high < 0.0 {
                    return Self { from: 0.0, to: 0.0, ..*self };
                }
                continue;
            }
            let (a, b) = (low / u, high / u);
            from = from.max(a.min(b));
            to = to.min(a.max(b));
        }
        if to <= from {
            return Self { from: 0.0, to: 0.0, ..*self };
        }
        Self { from, to, ..*self }
    }
}

/// What is seen across a piece of the line.
pub struct Piece {
    /// Its middle, along the line.
    pub t: f64,
    /// Medians by distance from `-HALF` to `HALF`, less the level of the outer quarters, adu.
    pub values: Vec<f32>,
    /// That level.
    pub level: f32,
    /// Scatter of one of the values, adu.
    pub sigma: f32,
    /// The middle pixels are saturated.
    pub saturated: bool,
    /// Too few pixels to tell.
    pub blind: bool,
}

pub struct Trail {
    pub line: Line,
    pub pieces: Vec<Piece>,
    /// Half-width over which the ridge was summed, pixels.
    pub ridge_half: usize,
    /// The candidate's own part of the line.
    pub seed: (f64, f64),
}

/// `None` when there is nothing along the line.
pub fn follow(pixels: &Pixels<'_>, candidate: &Line) -> Option<Trail> {
    let (w, h) = (pixels.image.width(), pixels.image.height());
    // In the candidate's own strip first, then over the frame with what was learnt.
    let own = candidate.over(w, h);
    let own =
        Line { from: own.from.max(candidate.from), to: own.to.min(candidate.to), ..*candidate }
            .recentred();
    if !(own.to - own.from >= 4.0 * PIECE as f64) {
        return None;
    }
    let found = best_line(&own, &pieces(pixels, &own), 2, (SEARCH, SEARCH, 1.0))?;
    let first = pieces(pixels, &found);
    let ridge_half = (0.5 * width_at_half(&stack(&first, |_| true))).round().clamp(2.0, 15.0);
    let ridge_half = ridge_half as usize;
    // An error of half a pixel in the strip grows with the length.
    let whole = found.over(w, h);
    let reach = (1.5 * (whole.to - whole.from) / (found.to - found.from)).clamp(3.0, 24.0);
    let reach = reach.ceil() as i32;
    let middle = whole.recentred();
    let found = best_line(&middle, &pieces(pixels, &middle), ridge_half, (reach, reach, 1.0))?;
    let found = found.over(w, h).recentred();
    let fine = on_centroids(&found, &pieces(pixels, &found), ridge_half).over(w, h).recentred();
    let pieces = pieces(pixels, &fine);
    // Where the strip's ends are along the final line.
    let along = |t: f64| {
        let (x, y) = own.at(t);
        (x - fine.x) * fine.ux + (y - fine.y) * fine.uy
    };
    let (a, b) = (along(own.from), along(own.to));
    Some(Trail { line: fine, pieces, ridge_half, seed: (a.min(b), a.max(b)) })
}

impl Line {
    /// The same with its point in the middle of its range.
    fn recentred(&self) -> Self {
        let middle = 0.5 * (self.from + self.to);
        let (x, y) = self.at(middle);
        Self { x, y, from: self.from - middle, to: self.to - middle, ..*self }
    }
}

fn pieces(pixels: &Pixels<'_>, line: &Line) -> Vec<Piece> {
    let count = ((line.to - line.from) / PIECE as f64).floor().max(0.0) as usize;
    // What is left over is shared between both ends.
    let first = line.from + 0.5 * (line.to - line.from - (count * PIECE) as f64);
    let mut column = Vec::with_capacity(PIECE);
    (0..count).map(|k| piece(pixels, line, first + (k * PIECE) as f64, &mut column)).collect()
}

fn piece(pixels: &Pixels<'_>, line: &Line, start: f64, column: &mut Vec<f32>) -> Piece {
    let mut values = Vec::with_capacity(2 * HALF + 1);
    let mut variances = Vec::new();
    let mut saturated = 0;
    for offset in -(HALF as i32)..=HALF as i32 {
        column.clear();
        let u = f64::from(offset);
        let (mut x, mut y) = line.at(start + 0.5);
        (x, y) = (x - u * line.uy + 0.5, y + u * line.ux + 0.5);
        for k in 0..PIECE {
            let (px, py) = (x + k as f64 * line.ux, y + k as f64 * line.uy);
            // Truncation is the floor here: both are checked to be above zero first.
            if !(px >= 0.0 && py >= 0.0) {
                continue;
            }
            let (i, j) = (px as usize, py as usize);
            if i >= pixels.image.width() || j >= pixels.image.height() {
                continue;
            }
            let (v, m) = (pixels.image.at(i, j), pixels.mask.at(i, j));
            if offset.abs() <= 2 && m & MaskPlane::Sat.bit() != 0 {
                saturated += 1;
            }
            if m & pixels.exclude == 0 && v.abs() < f32::MAX {
                column.push(v);
                if k % 8 == 0 {
                    variances.push(pixels.variance.at(i, j));
                }
            }
        }
        values.push(if column.len() >= PIECE / 2 { median_f32(column) } else { f32::NAN });
    }
    variances.retain(|v| *v > 0.0 && v.is_finite());
    let sigma = MEDIAN_SCATTER * (median_f32(&mut variances) / PIECE as f32).sqrt();
    let outer = HALF / 4;
    let mut flanks: Vec<f32> = values[..outer].to_vec();
    flanks.extend(&values[values.len() - outer..]);
    flanks.retain(|v| v.is_finite());
    let blind = flanks.len() < outer
        || values[HALF - 2..=HALF + 2].iter().any(|v| !v.is_finite())
        || !(sigma > 0.0);
    let level = if flanks.is_empty() { 0.0 } else { median_f32(&mut flanks) };
    values.iter_mut().for_each(|v| *v = if v.is_finite() { *v - level } else { 0.0 });
    Piece {
        t: start + 0.5 * PIECE as f64,
        values,
        level,
        sigma,
        saturated: saturated > PIECE,
        blind,
    }
}

impl Piece {
    /// Mean over `2 half + 1` values about `offset`; 0 beyond the profile.
    pub fn ridge(&self, offset: i32, half: usize) -> f32 {
        let middle = offset + HALF as i32;
        let (from, to) = (middle - half as i32, middle + half as i32);
        if from < 0 || to >= self.values.len() as i32 {
            return 0.0;
        }
        let part = &self.values[from as usize..=to as usize];
        part.iter().sum::<f32>() / part.len() as f32
    }

    /// Scatter of [`ridge`](Self::ridge).
    pub fn ridge_sigma(&self, half: usize) -> f32 {
        self.sigma / ((2 * half + 1) as f32).sqrt()
    }
}

/// Light of the short parts of a piece, each `part` pixels long: mean over the ridge less the level, adu.
pub fn parts(
    pixels: &Pixels<'_>,
    line: &Line,
    piece: &Piece,
    (half, part): (usize, usize),
) -> Vec<f32> {
    let reach = half as i32;
    (0..PIECE / part)
        .map(|k| {
            let (mut sum, mut count) = (0.0f32, 0.0f32);
            for along in k * part..(k + 1) * part {
                let t = piece.t - 0.5 * PIECE as f64 + along as f64 + 0.5;
                let (x, y) = line.at(t);
                for offset in -reach..=reach {
                    let u = f64::from(offset);
                    let (i, j) = ((x - u * line.uy).round(), (y + u * line.ux).round());
                    let (i, j) = (i as i32, j as i32);
                    let bits = pixels.mask.get(i, j).unwrap_or(u32::MAX);
                    let v = pixels.image.get(i, j).unwrap_or(f32::NAN);
                    if bits & pixels.exclude == 0 && v.abs() < f32::MAX {
                        sum += v;
                        count += 1.0;
                    }
                }
            }
            sum / count - piece.level
        })
        .collect()
}

/// The line moved and turned so that the pieces' ridges add up to most.
fn best_line(
    line: &Line,
    pieces: &[Piece],
    half: usize,
    (shift_max, turn_max, step): (i32, i32, f64),
) -> Option<Line> {
    let seen: Vec<&Piece> = pieces.iter().filter(|p| !p.blind).collect();
    if seen.len() < 3 {
        return None;
    }
    let side = 2 * HALF + 1;
    // Ridges by offset, cut where a star or a galaxy would outweigh the other pieces.
    let mut ridges = vec![0.0f32; seen.len() * side];
    let mut tops = Vec::with_capacity(seen.len());
    for (piece, row) in seen.iter().zip(ridges.chunks_exact_mut(side)) {
        for (k, r) in row.iter_mut().enumerate() {
            *r = piece.ridge(k as i32 - HALF as i32, half);
        }
        tops.push(row.iter().copied().fold(0.0f32, f32::max));
    }
    let cap = median_f32(&mut tops);
    for (piece, row) in seen.iter().zip(ridges.chunks_exact_mut(side)) {
        let limit = cap.max(4.0 * piece.ridge_sigma(half));
        row.iter_mut().for_each(|r| *r = r.clamp(-limit, limit));
    }
    let span = 0.5 * (line.to - line.from);
    let (mut best, mut best_sum) = ((0.0, 0.0), f32::NEG_INFINITY);
    for shift in -shift_max..=shift_max {
        for turn in -turn_max..=turn_max {
            let (a, b) = (step * f64::from(shift), step * f64::from(turn));
            let mut sum = 0.0;
            for (piece, row) in seen.iter().zip(ridges.chunks_exact(side)) {
                let at = (a + b * piece.t / span).round() as i32 + HALF as i32;
                sum += row.get(at.max(0) as usize).copied().unwrap_or(0.0);
            }
            if sum > best_sum {
                (best, best_sum) = ((a, b), sum);
            }
        }
    }
    // Some 2,000 lines were tried: noise alone reaches 3.5.
    let noise: f32 = seen.iter().map(|p| p.ridge_sigma(half).powi(2)).sum();
    (best_sum > SUM_MIN * noise.sqrt()).then(|| line.moved(best.0, best.1))
}

/// The line through the centroids of the ridges of the pieces that are lit.
fn on_centroids(line: &Line, pieces: &[Piece], half: usize) -> Line {
    let mut tops: Vec<f32> = pieces.iter().filter(|p| !p.blind).map(|p| p.ridge(0, half)).collect();
    tops.sort_by(f32::total_cmp);
    let bright = tops.get(tops.len() * 3 / 4).copied().unwrap_or(0.0);
    let (mut s, mut st, mut stt, mut su, mut stu) = (0.0f64, 0.0, 0.0, 0.0, 0.0);
    for p in pieces.iter().filter(|p| !p.blind) {
        let ridge = p.ridge(0, half);
        if ridge < 0.4 * bright || ridge < 2.0 * p.ridge_sigma(half) {
            continue;
        }
        let reach = (2 * half + 1) as i32;
        let (mut light, mut moment) = (0.0f64, 0.0f64);
        for offset in -reach..=reach {
            let v = f64::from(p.values[(offset + HALF as i32).clamp(0, 2 * HALF as i32) as usize]);
            light += v;
            moment += v * f64::from(offset);
        }
        let u = moment / light;
        if light > 0.0 && u.abs() < reach as f64 {
            s += 1.0;
            st += p.t;
            stt += p.t * p.t;
            su += u;
            stu += p.t * u;
        }
    }
    let det = s * stt - st * st;
    if s < 3.0 || !(det > 0.0) {
        return *line;
    }
    let slope = (s * stu - st * su) / det;
    let shift = (su - slope * st) / s;
    let middle = 0.5 * (line.from + line.to);
    line.moved(shift + slope * middle, slope * 0.5 * (line.to - line.from))
}

/// Median profile of the pieces that `choose` takes.
pub fn stack(pieces: &[Piece], choose: impl Fn(&Piece) -> bool) -> Vec<f32> {
    let chosen: Vec<&Piece> = pieces.iter().filter(|p| !p.blind && choose(p)).collect();
    let mut column = Vec::with_capacity(chosen.len());
    (0..=2 * HALF)
        .map(|k| {
            column.clear();
            column.extend(chosen.iter().map(|p| p.values[k]));
            if column.is_empty() { 0.0 } else { median_f32(&mut column) }
        })
        .collect()
}

/// Full width at half of its maximum of a profile about its middle, pixels.
pub fn width_at_half(profile: &[f32]) -> f64 {
    let near = &profile[HALF - 4..=HALF + 4];
    let half = 0.5 * near.iter().copied().fold(0.0f32, f32::max);
    if !(half > 0.0) {
        return 0.0;
    }
    // Where it first falls below, by linear interpolation, to either side.
    let edge = |step: i32| -> f64 {
        let at = |k: i32| profile.get((HALF as i32 + step * k).max(0) as usize).copied();
        for k in 1..=HALF as i32 {
            let (Some(a), Some(b)) = (at(k - 1), at(k)) else { break };
            if b < half {
                let part = if a > b { (a - half) / (a - b) } else { 0.0 };
                return f64::from(k - 1) + f64::from(part.clamp(0.0, 1.0));
            }
        }
        HALF as f64
    };
    edge(-1) + edge(1)
}
