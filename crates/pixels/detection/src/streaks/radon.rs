//! Sums along all straight lines through strips of a grid.
//!
//! A strip of 2 w columns is made of two of w: the line that rises by s over it is the line that rises
//! by s/2 in the left one, continued in the right one. All lines of all strips cost N^2 log N additions.
//! - input: a grid; output: for every strip of 64 columns and more, the line whose sum stands out most
//! - source: Brady 1998, SIAM J. Comput. 27, 107; Goetz & Druckmueller 1996, Pattern Recognition 29, 711

use super::grid::Grid;
use rayon::prelude::*;

/// Narrowest strips whose lines are judged, blocks.
const STRIP_MIN: usize = 64;

/// A line that stands out, in blocks of the grid.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
    /// Sum of the grid along it, and in units of the scatter of such sums.
    pub sum: f32,
    pub score: f64,
}

/// Candidates of all four families of lines, the best first.
pub fn candidates(grid: &Grid, threshold: f64) -> Vec<Candidate> {
    let families = [(false, false), (false, true), (true, false), (true, true)];
    let mut out: Vec<Candidate> = families
        .par_iter()
        .map(|&(transpose, flip)| family(grid, transpose, flip, threshold))
        .collect::<Vec<_>>()
        .concat();
    out.sort_by(|a, b| b.score.total_cmp(&a.score));
    out
}

/// Lines that rise by 0 to 45 degrees on the grid transposed and turned upside down as asked.
fn family(grid: &Grid, transpose: bool, flip: bool, threshold: f64) -> Vec<Candidate> {
    let (w, h) = if transpose { (grid.height, grid.width) } else { (grid.width, grid.height) };
    let n = w.next_power_of_two();
    // Lines may start below the grid by what they rise.
    let rows = h + n;
    let mut now = vec![0.0f32; n * rows];
    for x in 0..w {
        for y in 0..h {
            let v = if flip { h - 1 - y } else { y };
            let k = if transpose { x * grid.width + v } else { v * grid.width + x };
            now[x * rows + n + y] = grid.values[k];
        }
    }
    let mut next = vec![0.0f32; n * rows];
    let mut out = Vec::new();
    let mut width = 1;
    while width < n {
        for (pair, target) in next.chunks_exact_mut(2 * width * rows).enumerate() {
            let source = &now[pair * 2 * width * rows..(pair + 1) * 2 * width * rows];
            let (left, right) = source.split_at(width * rows);
            for (rise, line) in target.chunks_exact_mut(rows).enumerate() {
                let (half, up) = (rise / 2, rise.div_ceil(2));
                let (a, b) =
                    (&left[half * rows..][..rows], &right[half * rows + up..][..rows - up]);
                for ((t, a), b) in line.iter_mut().zip(a).zip(b) {
                    *t = a + b;
                }
                line[rows - up..].copy_from_slice(&a[rows - up..]);
            }
        }
        std::mem::swap(&mut now, &mut next);
        width *= 2;
        if width >= STRIP_MIN.min(n) {
            let place = Place { w, h, n, transpose, flip };
            best_of_strips(&now, width, &place, threshold, &mut out);
        }
    }
    out
}

struct Place {
    w: usize,
    h: usize,
    n: usize,
    transpose: bool,
    flip: bool,
}

/// The line of each strip whose sum stands out most.
fn best_of_strips(
    sums: &[f32],
    width: usize,
    place: &Place,
    threshold: f64,
    out: &mut Vec<Candidate>,
) {
    let rows = place.h + place.n;
    let strips = place.w.div_ceil(width);
    // 1 / sqrt(columns on the grid) of a line that starts at row j - n and rises by `rise`.
    let weights = |strip: usize, rise: usize| -> Vec<f32> {
        let columns = (place.w - strip * width).min(width);
        let slope = rise as f64 / (width.max(2) - 1) as f64;
        (0..rows)
            .map(|j| {
                let start = j as f64 - place.n as f64;
                let (mut from, mut to) = (0.0f64, columns as f64);
                if slope > 0.0 {
                    from = from.max(-start / slope);
                    to = to.min((place.h as f64 - start) / slope);
                } else if start < 0.0 || start >= place.h as f64 {
                    to = 0.0;
                }
                let count = (to - from).max(0.0);
                // A short cut through a corner is nothing to judge by.
                if count < 0.5 * STRIP_MIN.min(width) as f64 {
                    0.0
                } else {
                    (1.0 / count.sqrt()) as f32
                }
            })
            .collect()
    };
    let mut sample = Vec::new();
    let mut best: Vec<(f32, usize, usize, f32)> = Vec::new();
    for strip in 0..strips {
        let mut top = (0.0f32, 0, 0, 0.0f32);
        for rise in 0..width {
            let line = &sums[(strip * width + rise) * rows..][..rows];
            // The largest sum first, without the weights: most lines cannot win.
            let peak = line.iter().fold(0.0f32, |a, &b| if b > a { b } else { a });
            let sampled = rise % 16 == 3;
            let least = (0.5 * STRIP_MIN.min(width) as f32).sqrt();
            if peak <= top.0 * least && !sampled {
                continue;
            }
            let weights = weights(strip, rise);
            for (j, (&v, &weight)) in line.iter().zip(&weights).enumerate() {
                if v * weight > top.0 {
                    top = (v * weight, rise, j, v);
                }
            }
            if sampled {
                let used = line.iter().zip(&weights).filter(|(_, w)| **w > 0.0);
                sample.extend(used.step_by(7).map(|(v, w)| v * w));
            }
        }
        best.push(top);
    }
    let median = elqui_base::median_f32(&mut sample);
    sample.iter_mut().for_each(|v| *v = (*v - median).abs());
    // Never below what blocks of pure noise give.
    let sigma = f64::from(1.4826 * elqui_base::median_f32(&mut sample)).max(0.5);
    for (strip, (value, rise, j, sum)) in best.into_iter().enumerate() {
        let score = f64::from(value) / sigma;
        if score > threshold {
            let first = (strip * width) as f64;
            let y = j as f64 - place.n as f64;
            let mut c = Candidate {
                x0: first,
                y0: y,
                x1: first + width as f64 - 1.0,
                y1: y + rise as f64,
                sum,
                score,
            };
            if place.flip {
                let top = place.h as f64 - 1.0;
                (c.y0, c.y1) = (top - c.y0, top - c.y1);
            }
            if place.transpose {
                c = Candidate { x0: c.y0, y0: c.x0, x1: c.y1, y1: c.x1, ..c };
            }
            out.push(c);
        }
    }
}
