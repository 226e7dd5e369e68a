//! What the stars show beyond the analytic profile: samples on a grid, each a polynomial of position.
//!
//! Residuals of all stars (in units of their flux) are spread back over the samples by the transpose
//! of the interpolation, and each sample is the weighted least-squares polynomial of what the stars say
//! about it. Ring by ring the mean, and then square by square what departs from it, is kept by how
//! significant it is, so that noise does not enter the wings.
//! - source: Anderson & King 2000, PASP 112, 1360, sec. 3 (residuals to samples)
//! - differs from PSFEx: residuals instead of one large system

use crate::between::Between;
use crate::stamp::Stamp;
use crate::star_fit::Residuals;
use elqui_base::{invert_spd, term_count, terms};
use elqui_image::PsfModel;
use rayon::prelude::*;

/// Stars whose contributions are summed by one task.
const STARS_A_TASK: usize = 16;
/// What is below this many times its variance is noise: rings, and squares of samples.
const RING_LIMIT: f64 = 6.0;
const SQUARE_LIMIT: f64 = 2.0;
/// Half-side of a square, pixels.
const SQUARE_HALF: f64 = 2.0;

/// The grid, in the form that can be interpolated. Its sum is not one.
pub(crate) struct Departure {
    pub grid: PsfModel,
    pub zero: bool,
}

/// What some stars add up to, each pixel with its own weight: the core is told by all stars alike, the
/// wings by the bright ones, which do not mistake them for sky.
struct Sums {
    /// Lower triangle of terms x terms, a grid for each.
    normal: Vec<Vec<f32>>,
    /// One grid for each term.
    grids: Vec<Vec<f32>>,
}

impl Sums {
    fn new(n: usize, area: usize) -> Self {
        Self { normal: vec![vec![0.0; area]; n * (n + 1) / 2], grids: vec![vec![0.0; area]; n] }
    }

    fn add(&mut self, other: &Self) {
        let mine = self.normal.iter_mut().chain(&mut self.grids);
        let others = other.normal.iter().chain(&other.grids);
        for (a, b) in mine.zip(others) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
    }
}

impl Departure {
    pub(crate) fn none(
        side: usize,
        step: f64,
        degree: usize,
        (center, scale): ([f64; 2], [f64; 2]),
    ) -> Self {
        let grid = PsfModel {
            grid: side,
            step,
            degree,
            center,
            scale,
            components: vec![vec![0.0; side * side]; term_count(degree)],
            fwhm_pixels: f64::NAN,
        };
        Self { grid, zero: true }
    }

    /// On the pixels of a star, in the order of its list.
    pub(crate) fn on(&self, stamp: &Stamp) -> Vec<f32> {
        let mut out = vec![0.0; stamp.x.len()];
        if !self.zero {
            let (x, y) = stamp.position();
            let between = Between::new(&self.grid, stamp.dx, stamp.dy);
            let drawn = between.draw(&self.grid.samples_at(x, y));
            out.iter_mut().zip(&stamp.at).for_each(|(o, k)| *o = drawn[*k]);
        }
        out
    }

    /// Correct by the stars' residuals; `keep_all` leaves out the weighing by significance.
    pub(crate) fn update(&mut self, stars: &[(&Stamp, &Residuals)], keep_all: bool) {
        let (n, area) = (self.grid.components.len(), self.grid.grid * self.grid.grid);
        let parts: Vec<Sums> = stars
            .par_chunks(STARS_A_TASK)
            .map(|chunk| {
                let mut part = Sums::new(n, area);
                chunk.iter().for_each(|(stamp, told)| self.add_star(stamp, told, &mut part));
                part
            })
            .collect();
        let mut total = Sums::new(n, area);
        parts.iter().for_each(|p| total.add(p));
        // A sample hears of `step^2` pixels on average. Only a part of the step is taken where that is
        // not one: a bright star at a phase of its own would make it overshoot.
        let per_sample = 1.0 / (self.grid.step * self.grid.step);
        let gain = if per_sample > 1.0 { 0.25 * per_sample } else { 1.0 };
        let solved: Vec<Option<(Vec<f64>, Vec<f64>)>> = (0..area)
            .into_par_iter()
            .map(|k| {
                let right: Vec<f64> = total.grids.iter().map(|g| f64::from(g[k])).collect();
                let at = |p: usize, q: usize| {
                    f64::from(total.normal[p.max(q) * (p.max(q) + 1) / 2 + p.min(q)][k])
                };
                let scale = at(0, 0);
                if !(scale > 0.0) {
                    return None;
                }
                let matrix: Vec<f64> = (0..n * n).map(|i| at(i / n, i % n) / scale).collect();
                let inverse = invert_spd(&matrix, n).ok()?;
                let step = (0..n)
                    .map(|p| {
                        let row = &inverse[p * n..(p + 1) * n];
                        row.iter().zip(&right).map(|(a, b)| a * b).sum::<f64>() * gain / scale
                    })
                    .collect();
                let errors = (0..n).map(|p| inverse[p * n + p] * per_sample / scale).collect();
                Some((step, errors))
            })
            .collect();
        for (p, component) in self.grid.components.iter_mut().enumerate() {
            let mut variance = vec![0.0f32; area];
            for ((v, e), told) in component.iter_mut().zip(&mut variance).zip(&solved) {
                if let Some((step, errors)) = told {
                    *v += step[p] as f32;
                    *e = errors[p] as f32;
                }
            }
            if !keep_all {
                keep_significant(component, &variance, self.grid.grid, self.grid.step);
            }
        }
        self.zero = false;
    }

    fn add_star(&self, stamp: &Stamp, told: &Residuals, part: &mut Sums) {
        let (x, y) = stamp.position();
        let g = &self.grid;
        let t = terms(g.degree, (x - g.center[0]) * g.scale[0], (y - g.center[1]) * g.scale[1]);
        let side = stamp.side();
        let mut weights = vec![0.0f32; side * side];
        let mut weighted = vec![0.0f32; side * side];
        for ((k, value), variance) in stamp.at.iter().zip(&told.values).zip(&told.variances) {
            if *variance > 0.0 {
                weights[*k] = 1.0 / variance;
                weighted[*k] = value / variance;
            }
        }
        let spread = Between::new(g, stamp.dx, stamp.dy).spread(&weighted);
        let near = nearest(&weights, side, g);
        let mut pair = 0;
        for p in 0..t.len() {
            let scale = t[p] as f32;
            part.grids[p].iter_mut().zip(&spread).for_each(|(a, b)| *a += scale * b);
            for u in &t[..=p] {
                let scale = (t[p] * u) as f32;
                part.normal[pair].iter_mut().zip(&near).for_each(|(a, b)| *a += scale * b);
                pair += 1;
            }
        }
    }
}

/// For each sample the value of the pixel that it lies in when the star is in the middle of one.
fn nearest(values: &[f32], side: usize, grid: &PsfModel) -> Vec<f32> {
    let (half, middle) = ((side / 2) as f64, (grid.grid / 2) as f64);
    let at = |k: usize| ((k as f64 - middle) * grid.step + half).round().max(0.0) as usize;
    let places: Vec<usize> = (0..grid.grid).map(|k| at(k).min(side - 1)).collect();
    let mut out = Vec::with_capacity(grid.grid * grid.grid);
    for j in &places {
        out.extend(places.iter().map(|i| values[j * side + i]));
    }
    out
}

/// Keep of each sample as much as is significant.
fn keep_significant(values: &mut [f32], variance: &[f32], side: usize, step: f64) {
    let middle = (side / 2) as f64;
    let radius = |k: usize| ((k % side) as f64 - middle).hypot((k / side) as f64 - middle) * step;
    let mut rings: Vec<[f64; 4]> = vec![[0.0; 4]; (1.5 * middle * step) as usize + 2];
    for (k, (v, var)) in values.iter().zip(variance).enumerate() {
        let r = radius(k);
        let ring = &mut rings[r.round() as usize];
        let add = [1.0, r, f64::from(*v), f64::from(*var)];
        ring.iter_mut().zip(add).for_each(|(a, b)| *a += b);
    }
    let profile: Vec<(f64, f64, f64)> = rings
        .iter()
        .filter(|r| r[0] > 0.0)
        .map(|[n, r, v, var]| {
            let (mean, error2) = (v / n, var / (n * n));
            (
                r / n,
                mean,
                if mean != 0.0 {
                    (1.0 - RING_LIMIT * error2 / (mean * mean)).max(0.0)
                } else {
                    0.0
                },
            )
        })
        .collect();
    let at = |r: f64| -> (f64, f64) {
        let k = profile.partition_point(|p| p.0 <= r).clamp(1, profile.len() - 1);
        let ((r0, m0, k0), (r1, m1, k1)) = (profile[k - 1], profile[k]);
        let t = ((r - r0) / (r1 - r0)).clamp(0.0, 1.0);
        (m0 + t * (m1 - m0), m0 * k0 + t * (m1 * k1 - m0 * k0))
    };
    let means: Vec<(f64, f64)> = (0..values.len()).map(|k| at(radius(k))).collect();
    let rest: Vec<f64> = values.iter().zip(&means).map(|(v, m)| f64::from(*v) - m.0).collect();
    let reach = (SQUARE_HALF / step).round() as usize;
    for k in 0..values.len() {
        let (i, j) = (k % side, k / side);
        let (mut power, mut noise) = (0.0, 0.0);
        for b in j.saturating_sub(reach)..=(j + reach).min(side - 1) {
            for a in i.saturating_sub(reach)..=(i + reach).min(side - 1) {
                power += rest[b * side + a] * rest[b * side + a];
                noise += f64::from(variance[b * side + a]);
            }
        }
        let part = if power > 0.0 { (1.0 - SQUARE_LIMIT * noise / power).max(0.0) } else { 0.0 };
        values[k] = (means[k].1 + part * rest[k]) as f32;
    }
}
