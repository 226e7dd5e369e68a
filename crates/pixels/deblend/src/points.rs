//! Models of a few points fitted to a window by Gauss-Newton: two free ones, and a symmetric row of three.
//!
//! - input: a window's pixels and weights, the PSF as a stamp; output: parameters and what is left
//! - weights are constant: it is only decided by, not measured with

use crate::shift::{Drawn, Stamp};
use crate::twins::{Spot, Window};

const ITERATIONS: usize = 9;

/// A model of six parameters made of points.
pub trait Model {
    fn spots(p: &[f64; 6]) -> Vec<Spot>;
    /// Columns of the parameters from value and slopes (by x, by y) of each point, at pixel `i`.
    fn row(p: &[f64; 6], drawn: &[Drawn; 3], i: usize) -> [f32; 6];
    /// Which parameters are fluxes.
    const FLUXES: [usize; 2];
}

/// (flux, x, y) twice.
pub struct Pair;

impl Model for Pair {
    const FLUXES: [usize; 2] = [0, 3];
    fn spots(p: &[f64; 6]) -> Vec<Spot> {
        vec![Spot { flux: p[0], x: p[1], y: p[2] }, Spot { flux: p[3], x: p[4], y: p[5] }]
    }
    fn row(p: &[f64; 6], drawn: &[Drawn; 3], i: usize) -> [f32; 6] {
        let [a, b, _] = drawn;
        let (f, g) = (p[0] as f32, p[3] as f32);
        [a.value[i], f * a.by_x[i], f * a.by_y[i], b.value[i], g * b.by_x[i], g * b.by_y[i]]
    }
}

/// Flux in the middle, flux on either side, the middle's x and y, the step to a side in x and y.
pub struct Row;

impl Model for Row {
    const FLUXES: [usize; 2] = [0, 1];
    fn spots(p: &[f64; 6]) -> Vec<Spot> {
        let [middle, side, x, y, u, v] = *p;
        vec![
            Spot { flux: middle, x, y },
            Spot { flux: side, x: x - u, y: y - v },
            Spot { flux: side, x: x + u, y: y + v },
        ]
    }
    fn row(p: &[f64; 6], drawn: &[Drawn; 3], i: usize) -> [f32; 6] {
        let (middle, side) = (p[0] as f32, p[1] as f32);
        let [m, a, b] = drawn;
        [
            m.value[i],
            a.value[i] + b.value[i],
            middle * m.by_x[i] + side * (a.by_x[i] + b.by_x[i]),
            middle * m.by_y[i] + side * (a.by_y[i] + b.by_y[i]),
            side * (b.by_x[i] - a.by_x[i]),
            side * (b.by_y[i] - a.by_y[i]),
        ]
    }
}

pub struct Fit {
    pub parameters: [f64; 6],
    /// Sum of squared residuals, adu^2.
    pub squares: f64,
}

/// Gauss-Newton from `start`, whose fluxes are solved for first.
pub fn fit<M: Model>(
    start: [f64; 6],
    window: &Window,
    psf: &Stamp,
    drawn: &mut [Drawn; 3],
) -> Option<Fit> {
    let n = window.side * window.side;
    let mut p = start;
    let mut best: Option<Fit> = None;
    for iteration in 0..=ITERATIONS {
        let spots = M::spots(&p);
        for (spot, d) in spots.iter().zip(drawn.iter_mut()) {
            psf.draw((spot.x, spot.y), window.side, d);
        }
        // Normal equations of all six, and the sum of squares with the fluxes as they are.
        let [f, g] = M::FLUXES;
        let (a, b) = (p[f] as f32, p[g] as f32);
        let mut sums = [0.0f64; 28];
        for row in (0..n).step_by(window.side) {
            let mut part = [0.0f32; 28];
            for i in row..row + window.side {
                let c = M::row(&p, drawn, i);
                let w = window.weight[i];
                let r = w * (window.data[i] - a * c[f] - b * c[g]);
                // The upper triangle row by row, then the right side.
                let (triangle, rest) = part.split_at_mut(21);
                let mut cells = triangle.iter_mut();
                for (k, a) in c.iter().enumerate() {
                    let wa = w * a;
                    c[k..].iter().zip(&mut cells).for_each(|(b, cell)| *cell += wa * b);
                }
                rest.iter_mut().zip(c).for_each(|(s, a)| *s += r * a);
                part[27] += r * r;
            }
            sums.iter_mut().zip(part).for_each(|(s, p)| *s += f64::from(p));
        }
        let squares = sums[27];
        let known = iteration > 0;
        if known && best.as_ref().is_none_or(|b| squares < b.squares) {
            best = Some(Fit { parameters: p, squares });
        }
        if iteration == ITERATIONS {
            break;
        }
        let used: &[usize] = if known { &[0, 1, 2, 3, 4, 5] } else { &M::FLUXES };
        let mut normal = [[0.0f64; 7]; 6];
        for (row, &k) in used.iter().enumerate() {
            for (column, &l) in used.iter().enumerate() {
                let (low, high) = (k.min(l), k.max(l));
                normal[row][column] = sums[low * (13 - low) / 2 + high - low];
            }
            normal[row][6] = sums[21 + k];
        }
        let step = solve(&mut normal, used.len())?;
        let mut moved = 0.0f64;
        let mut shrink = 1.0f64;
        for (&k, s) in used.iter().zip(&step) {
            if !M::FLUXES.contains(&k) {
                moved = moved.max(s.abs());
            }
        }
        if moved > 1.0 {
            shrink = 1.0 / moved;
        }
        for (&k, s) in used.iter().zip(&step) {
            p[k] += if M::FLUXES.contains(&k) { *s } else { shrink * s };
        }
        let middle = 0.5 * window.side as f64;
        let gone =
            M::spots(&p).iter().any(|s| !((s.x - middle).hypot(s.y - middle) < 1.2 * middle));
        if gone {
            break;
        }
        if known && moved < 0.02 {
            break;
        }
    }
    best
}

/// Gaussian elimination with pivots of the first `n` rows; the right side is in column 6.
fn solve(m: &mut [[f64; 7]; 6], n: usize) -> Option<[f64; 6]> {
    let largest = (0..n).map(|k| m[k][k]).fold(0.0f64, f64::max);
    // A parameter that the data say nothing about stays where it is.
    for (k, row) in m.iter_mut().enumerate().take(n) {
        row[k] += 1e-9 * largest.min(row[k].abs().max(1e-300) * 1e3);
    }
    for k in 0..n {
        let pivot = (k..n).max_by(|&a, &b| m[a][k].abs().total_cmp(&m[b][k].abs()))?;
        m.swap(k, pivot);
        let top = m[k];
        if !(top[k].abs() > 0.0) {
            return None;
        }
        for row in m.iter_mut().take(n).skip(k + 1) {
            let f = row[k] / top[k];
            row.iter_mut().zip(top).skip(k).for_each(|(v, t)| *v -= f * t);
        }
    }
    let mut out = [0.0; 6];
    for k in (0..n).rev() {
        let sum: f64 = (k + 1..n).map(|c| m[k][c] * out[c]).sum();
        out[k] = (m[k][6] - sum) / m[k][k];
        if !out[k].is_finite() {
            return None;
        }
    }
    Some(out)
}
