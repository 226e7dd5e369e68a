//! From profile, variation and departure to the model that is kept: samples, each a polynomial.
//!
//! The profile's samples are no polynomials of position even where its width is one. They are worked
//! out at nodes over the detector and fitted by the lowest degree that follows them.
//! - nodes: Chebyshev's, which keep the error even up to the border

use crate::config::PsfError;
use crate::departure::Departure;
use crate::profile::{Moffat, Shape};
use elqui_base::{Polynomial2d, cholesky_solve, term_count, terms};
use elqui_image::PsfModel;
use rayon::prelude::*;

/// Nodes along an axis, and the highest degree that they carry.
const NODES: usize = 7;
const DEGREE_LIMIT: usize = 5;
/// Error of the samples' polynomials, root mean square over nodes, as a part of the peak.
const TOLERANCE: f64 = 3e-4;

/// Width and shape over the detector.
pub(crate) struct Fields {
    pub half_width: Polynomial2d,
    pub e1: Polynomial2d,
    pub e2: Polynomial2d,
}

impl Fields {
    pub(crate) fn constant(shape: Shape, (center, scale): ([f64; 2], [f64; 2])) -> Self {
        let one = |v| Polynomial2d { degree: 0, coefficients: vec![v], center, scale };
        Self { half_width: one(shape.half_width), e1: one(shape.e1), e2: one(shape.e2) }
    }

    pub(crate) fn at(&self, x: f64, y: f64) -> Shape {
        Shape {
            half_width: self.half_width.eval(x, y),
            e1: self.e1.eval(x, y),
            e2: self.e2.eval(x, y),
        }
        .bounded()
    }

    pub(crate) fn degree(&self) -> usize {
        self.half_width.degree.max(self.e1.degree).max(self.e2.degree)
    }
}

/// The model on a grid of this side and step; its `fwhm_pixels` is still to be set.
pub(crate) fn compose(
    fields: &Fields,
    s: f64,
    departure: &Departure,
    (side, step): (usize, f64),
) -> Result<PsfModel, PsfError> {
    let base = &departure.grid;
    let (center, scale) = (base.center, base.scale);
    let chebyshev =
        |k: usize| (std::f64::consts::PI * (2.0 * k as f64 + 1.0) / (2.0 * NODES as f64)).cos();
    let nodes: Vec<[f64; 2]> =
        (0..NODES * NODES).map(|k| [chebyshev(k % NODES), chebyshev(k / NODES)]).collect();
    let samples: Vec<Vec<f32>> = nodes
        .par_iter()
        .map(|[u, v]| {
            let (x, y) = (center[0] + u / scale[0], center[1] + v / scale[1]);
            node(fields.at(x, y), s, departure, (x, y), side, step)
        })
        .collect();
    let peak = samples.iter().flatten().copied().fold(0.0f32, f32::max);
    if !(peak > 0.0 && peak.is_finite()) {
        return Err(PsfError::NoProfile);
    }
    let constant = fields.degree() == 0 && (departure.zero || base.degree == 0);
    let highest = if constant { 0 } else { DEGREE_LIMIT };
    let mut fitted = Vec::new();
    let mut degree = 0;
    for d in 0..=highest {
        degree = d;
        let (components, error) = follow(&nodes, &samples, d)?;
        fitted = components;
        if error < TOLERANCE * f64::from(peak) {
            break;
        }
    }
    let mut model = PsfModel {
        grid: side,
        step,
        degree,
        center,
        scale,
        components: fitted,
        fwhm_pixels: f64::NAN,
    };
    normalise(&mut model)?;
    Ok(model)
}

/// The samples at one node.
fn node(
    shape: Shape,
    s: f64,
    departure: &Departure,
    (x, y): (f64, f64),
    side: usize,
    step: f64,
) -> Vec<f32> {
    let profile = Moffat::new(shape, s);
    let middle = (side / 2) as f64;
    let along: Vec<f32> = (0..side).map(|i| ((i as f64 - middle) * step) as f32).collect();
    let mut row = vec![0.0; side];
    let mut out = Vec::with_capacity(side * side);
    for y in &along {
        profile.draw(&along, &vec![*y; side], (0.0, 0.0), &mut row);
        out.extend(row.iter().map(|v| *v as f32));
    }
    if !departure.zero {
        add_departure(departure, (x, y), side, step, &mut out);
    }
    out
}

/// The departure drawn between its own samples: one drawing for each phase of the finer ones.
fn add_departure(
    departure: &Departure,
    (x, y): (f64, f64),
    side: usize,
    step: f64,
    out: &mut [f32],
) {
    let grid = &departure.grid;
    let samples = grid.samples_at(x, y);
    let phases = (1.0 / step).round() as usize;
    let reach = grid.half_width() * phases;
    let first = side / 2 - reach;
    for phase in 0..phases * phases {
        let (px, py) = (phase % phases, phase / phases);
        let drawn = grid.interpolate_samples(&samples, -(px as f64) * step, -(py as f64) * step);
        for j in 0..drawn.height() {
            for i in 0..drawn.width() {
                let (a, b) = (i * phases + px, j * phases + py);
                if a <= 2 * reach && b <= 2 * reach {
                    out[(first + b) * side + first + a] += drawn.at(i, j);
                }
            }
        }
    }
}

/// Least-squares polynomials of every sample, and their largest error (root mean square over nodes).
fn follow(
    nodes: &[[f64; 2]],
    samples: &[Vec<f32>],
    degree: usize,
) -> Result<(Vec<Vec<f32>>, f64), PsfError> {
    let n = term_count(degree);
    let rows: Vec<Vec<f64>> = nodes.iter().map(|[u, v]| terms(degree, *u, *v)).collect();
    let mut normal = vec![0.0; n * n];
    for row in &rows {
        for p in 0..n {
            for q in 0..n {
                normal[p * n + q] += row[p] * row[q];
            }
        }
    }
    let area = samples[0].len();
    // What each node gives to each term.
    let mut gives = vec![vec![0.0f64; nodes.len()]; n];
    for (k, row) in rows.iter().enumerate() {
        let solved = cholesky_solve(&normal, row).map_err(|_| PsfError::NoProfile)?;
        solved.iter().enumerate().for_each(|(p, v)| gives[p][k] = *v);
    }
    let components: Vec<Vec<f32>> = gives
        .iter()
        .map(|g| {
            let mut out = vec![0.0f64; area];
            for (weight, from) in g.iter().zip(samples) {
                out.iter_mut().zip(from).for_each(|(o, v)| *o += weight * f64::from(*v));
            }
            out.iter().map(|v| *v as f32).collect()
        })
        .collect();
    let mut squares = vec![0.0f32; area];
    let mut drawn = vec![0.0f32; area];
    for (row, truth) in rows.iter().zip(samples) {
        drawn.fill(0.0);
        for (t, component) in row.iter().zip(&components) {
            let t = *t as f32;
            drawn.iter_mut().zip(component).for_each(|(d, c)| *d += t * c);
        }
        for ((sum, d), t) in squares.iter_mut().zip(&drawn).zip(truth) {
            *sum += (d - t) * (d - t);
        }
    }
    let worst = squares.iter().copied().fold(0.0f32, f32::max);
    Ok((components, (f64::from(worst) / nodes.len() as f64).sqrt()))
}

/// Unit sum of the constant term; the others as they come, drawing brings the sum to one.
fn normalise(model: &mut PsfModel) -> Result<(), PsfError> {
    let area = model.step * model.step;
    let total = model.components[0].iter().map(|&v| f64::from(v)).sum::<f64>() * area;
    if !(total > 0.0 && total.is_finite()) {
        return Err(PsfError::NoProfile);
    }
    let inverse = (1.0 / total) as f32;
    model.components.iter_mut().flatten().for_each(|v| *v *= inverse);
    Ok(())
}
