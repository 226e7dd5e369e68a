//! The sky on a mesh: from a stiff first guess to cells that objects do not reach.
//!
//! 1. The image is gathered in blocks, and a coarse mesh (cells four times as wide) takes the mode of
//!    all of them: no galaxy fills such a cell.
//! 2. Objects are found in the blocks that stand above it (and are told by footprints, in a second
//!    pass), and each cell takes the mean of what is free.
//! 3. Once more above the finer model: its residual is flat inside a cell, so that gradients and
//!    curvature are not averaged away, and fainter light is seen. The model is smoothed first, or the
//!    cells' noise would be sharpened by being measured against itself.
//! - input: image (adu) and mask; pixels with a bit of `reject`, and NaN, are left out
//! - output: level, error of the level, and rms of each cell, adu
//! - differs from SExtractor: see the cards of `objects`, `level` and `repair`; no median filter, which
//!   flattens every hill of the sky

use crate::blocks::Blocks;
use crate::config::{BackgroundConfig, BackgroundError};
use crate::level::{CellLevel, Free, LevelScratch};
use crate::mode::{Scratch, measure};
use crate::objects::{self, Marked, Threshold};
use crate::repair;
use crate::spline::Spline;
use elqui_base::{SIGMA_PER_MAD, median_f32};
use elqui_image::Image;
use rayon::prelude::*;

/// Coarse cells are this many times as wide as fine ones.
const COARSE: usize = 8;
/// Hills of the sky above the coarse model are not objects up to this many times their scatter.
const ROUGHNESS_SIGMA: f32 = 5.0;
const ROUGHNESS_ROUNDS: usize = 3;
/// What the model may be wrong by in later rounds, in units of the mesh's second differences.
const CURVATURE_ALLOWED: f32 = 1.0 / 24.0;
/// Objects of the first round are this many sigma high.
const FIRST_SNR: f64 = 4.0;

/// A division of the blocks in nearly equal cells (sides in blocks).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    pub nx: usize,
    pub ny: usize,
    pub cell_width: usize,
    pub cell_height: usize,
}

impl Grid {
    fn new(width: usize, height: usize, wanted: usize) -> Self {
        let split = |length: usize| {
            let n = ((length as f64 / wanted as f64).round() as usize).max(1);
            let side = length.div_ceil(n);
            (side, length.div_ceil(side))
        };
        let ((cell_width, nx), (cell_height, ny)) = (split(width), split(height));
        Self { nx, ny, cell_width, cell_height }
    }

    fn cell(&self, i: usize, j: usize, width: usize, height: usize) -> [usize; 4] {
        let (x0, y0) = (i * self.cell_width, j * self.cell_height);
        [x0, (x0 + self.cell_width).min(width), y0, (y0 + self.cell_height).min(height)]
    }

    /// Something of every cell, row by row of the mesh.
    fn each<T: Send, S: Default>(
        &self,
        size: (usize, usize),
        f: impl Fn([usize; 4], &mut S) -> T + Sync,
    ) -> Vec<T> {
        let rows: Vec<Vec<T>> = (0..self.ny)
            .into_par_iter()
            .map(|j| {
                let mut scratch = S::default();
                (0..self.nx).map(|i| f(self.cell(i, j, size.0, size.1), &mut scratch)).collect()
            })
            .collect();
        rows.into_iter().flatten().collect()
    }

    pub(crate) fn spline<'a>(&self, mesh: &'a Image<f32>) -> Spline<'a> {
        Spline { mesh, cell_width: self.cell_width, cell_height: self.cell_height }
    }

    /// Centres of the cells along both axes, blocks.
    fn centers(&self) -> (Vec<f64>, Vec<f64>) {
        let along = |n: usize, side: usize| {
            (0..n).map(|k| (k as f64 + 0.5) * side as f64 - 0.5).collect::<Vec<f64>>()
        };
        (along(self.nx, self.cell_width), along(self.ny, self.cell_height))
    }
}

/// The solved mesh.
#[derive(Debug, Clone)]
pub(crate) struct Mesh {
    pub grid: Grid,
    pub level: Image<f32>,
    pub error: Image<f32>,
    pub rms: Image<f32>,
    /// Cells whose level is their own, not their neighbours'.
    pub own: Image<bool>,
}

/// Solve for the sky. `seeds` are blocks known to hold objects; `start` is an earlier solution to
/// begin from.
pub(crate) fn solve(
    blocks: &Blocks,
    seeds: Option<&Image<bool>>,
    start: Option<&Image<f32>>,
    config: &BackgroundConfig,
) -> Result<Mesh, BackgroundError> {
    let size = (blocks.mean.width(), blocks.mean.height());
    let wanted = (config.cell_pixels / blocks.side).max(1);
    let grid = Grid::new(size.0, size.1, wanted);
    let mut found = blocks.saturated.clone();
    if let Some(seeds) = seeds {
        found.data_mut().iter_mut().zip(seeds.data()).for_each(|(o, s)| *o |= s);
    }
    let (mut residual, first_round);
    let mut level = if let Some(before) = start {
        first_round = 1;
        let smooth = repair::smooth(before);
        residual = above(blocks, &grid.spline(&smooth));
        smooth
    } else {
        first_round = 0;
        let coarse_grid = Grid::new(size.0, size.1, wanted * COARSE);
        let coarse = coarse(blocks, &found, &coarse_grid, config)?;
        let spline = coarse_grid.spline(&coarse);
        residual = above(blocks, &spline);
        let (xs, ys) = grid.centers();
        spline.sampled(&xs, &ys)
    };
    let mut sigma = noise(&residual, &found, &grid);
    // A constant image has no noise; the rounding of the model is no object.
    for (s, l) in sigma.data_mut().iter_mut().zip(level.data()) {
        *s = s.max(8.0 * f32::EPSILON * l.abs());
    }
    let mut cells: Vec<CellLevel> =
        sigma.data().iter().map(|s| CellLevel::unknown(*s, blocks.side)).collect();
    for round in first_round..2 {
        let marked = if round == 0 {
            sure_objects(&residual, &mut found, &sigma, &grid, config)
        } else {
            let allowance = repair::curvature(&level).map(|c| CURVATURE_ALLOWED * c.abs());
            let threshold = Threshold {
                sigma: &sigma,
                allowance: &allowance,
                cell: (grid.cell_width, grid.cell_height),
                snr: config.object_sigma as f32,
                // Even-handed: see `objects`.
                both_sides: true,
            };
            objects::mark(&residual, &mut found, &threshold, config.object_growth as f32)
        };
        let of_cells = Free {
            residual: &residual,
            variance: &blocks.variance,
            count: &blocks.count,
            objects: &marked.objects,
            crowded: marked.crowded,
        };
        let measured = grid.each(size, |part, scratch: &mut LevelScratch| {
            let place = (part[0] / grid.cell_width, part[2] / grid.cell_height);
            let noise = f64::from(sigma.at(place.0, place.1));
            of_cells.level(part, noise, config, scratch)
        });
        if measured.iter().all(|c| c.level.is_nan()) {
            // Objects everywhere: the model that we have is all that can be said.
            break;
        }
        cells = measured;
        repair::cells(&mut cells, grid.nx, config.outlier_sigma);
        level.data_mut().iter_mut().zip(&cells).for_each(|(l, c)| *l += c.level);
        if round == 0 {
            level = repair::smooth(&level);
            // Means over cells to values at their centres.
            let bend = repair::curvature(&level);
            level.data_mut().iter_mut().zip(bend.data()).for_each(|(l, b)| *l -= b / 24.0);
            residual = above(blocks, &grid.spline(&level));
        }
    }
    let plane =
        |f: fn(&CellLevel) -> f32| Image::from_vec(grid.nx, grid.ny, cells.iter().map(f).collect());
    let own = Image::from_vec(grid.nx, grid.ny, cells.iter().map(|c| c.own).collect());
    Ok(Mesh { grid, level, error: plane(|c| c.error), rms: plane(|c| c.pixel_sigma), own })
}

/// Objects above the coarse model. What the sky's own hills are is learnt from cells without objects,
/// so it is asked again when the first answer shows that there were large ones.
fn sure_objects(
    residual: &Image<f32>,
    found: &mut Image<bool>,
    sigma: &Image<f32>,
    grid: &Grid,
    config: &BackgroundConfig,
) -> Marked {
    let mut marked = Marked { objects: found.clone(), crowded: false };
    let mut last = f32::INFINITY;
    for _ in 0..ROUGHNESS_ROUNDS {
        let hills = roughness(residual, &marked.objects, sigma, grid);
        if hills > 0.8 * last {
            break;
        }
        last = hills;
        let threshold = Threshold {
            sigma,
            allowance: &Image::filled(grid.nx, grid.ny, hills),
            cell: (grid.cell_width, grid.cell_height),
            snr: config.object_sigma.max(FIRST_SNR) as f32,
            both_sides: false,
        };
        marked = objects::mark(residual, found, &threshold, config.object_growth as f32);
    }
    marked
}

/// The blocks minus a model.
fn above(blocks: &Blocks, model: &Spline<'_>) -> Image<f32> {
    let mut out = blocks.mean.clone();
    model.for_rows(&mut out, |row, sky| row.iter_mut().zip(sky).for_each(|(v, s)| *v -= s));
    out
}

/// Mode of the coarse cells; cells without blocks take their neighbours'.
fn coarse(
    blocks: &Blocks,
    objects: &Image<bool>,
    grid: &Grid,
    config: &BackgroundConfig,
) -> Result<Image<f32>, BackgroundError> {
    let size = (blocks.mean.width(), blocks.mean.height());
    let levels = grid.each(size, |[x0, x1, y0, y1], scratch: &mut Scratch| {
        for keep_objects in [false, true] {
            scratch.values.clear();
            for y in y0..y1 {
                let row = blocks.mean.row(y)[x0..x1].iter().zip(&objects.row(y)[x0..x1]);
                let free = row.filter(|(v, o)| !v.is_nan() && (keep_objects || !**o));
                scratch.values.extend(free.map(|(v, _)| *v));
            }
            if !scratch.values.is_empty() {
                return measure(scratch, config.clip_sigma).level as f32;
            }
        }
        f32::NAN
    });
    let mut mesh = Image::from_vec(grid.nx, grid.ny, levels);
    if mesh.data().iter().all(|v| v.is_nan()) {
        return Err(BackgroundError::NothingUsable);
    }
    repair::fill_holes(&mut mesh);
    Ok(mesh)
}

/// Noise of a block in each cell, adu, from differences of neighbours: what is smooth is no noise.
/// Their lower quartile, because objects make the large ones.
fn noise(residual: &Image<f32>, objects: &Image<bool>, grid: &Grid) -> Image<f32> {
    // Quartile of |d| for a difference of two unit Gaussians.
    const QUARTILE: f32 = 0.318_64 * std::f32::consts::SQRT_2;
    let size = (residual.width(), residual.height());
    let values = grid.each(size, |[x0, x1, y0, y1], differences: &mut Vec<f32>| {
        differences.clear();
        for y in (y0..y1).step_by(2) {
            let (row, marks) = (&residual.row(y)[x0..x1], &objects.row(y)[x0..x1]);
            for (v, o) in row.windows(2).zip(marks.windows(2)) {
                let d = (v[1] - v[0]).abs();
                if !d.is_nan() && !o[0] && !o[1] {
                    differences.push(d);
                }
            }
        }
        let n = differences.len();
        if n < 20 {
            return f32::NAN;
        }
        *differences.select_nth_unstable_by(n / 4, f32::total_cmp).1 / QUARTILE
    });
    let mut mesh = Image::from_vec(grid.nx, grid.ny, values);
    if mesh.data().iter().all(|v| v.is_nan()) {
        return Image::filled(grid.nx, grid.ny, f32::INFINITY);
    }
    repair::fill_holes(&mut mesh);
    mesh
}

/// By how much the sky's own structure leaves the coarse model: a few times the scatter of the
/// cells' medians.
fn roughness(residual: &Image<f32>, objects: &Image<bool>, sigma: &Image<f32>, grid: &Grid) -> f32 {
    const FEWEST: usize = 9;
    let size = (residual.width(), residual.height());
    let mut medians = grid.each(size, |[x0, x1, y0, y1], values: &mut Vec<f32>| {
        values.clear();
        for y in (y0..y1).step_by(3) {
            let row = residual.row(y)[x0..x1].iter().zip(&objects.row(y)[x0..x1]);
            values.extend(row.filter(|(v, o)| !v.is_nan() && !**o).map(|(v, _)| *v));
        }
        // A few blocks left between objects say little.
        let enough = 24 * values.len() > (x1 - x0) * (y1 - y0);
        if enough { median_f32(values) } else { f32::NAN }
    });
    medians.retain(|v| !v.is_nan());
    if medians.len() < FEWEST {
        return median_f32(&mut sigma.data().to_vec());
    }
    let middle = median_f32(&mut medians);
    medians.iter_mut().for_each(|v| *v = (*v - middle).abs());
    ROUGHNESS_SIGMA * SIGMA_PER_MAD as f32 * median_f32(&mut medians)
}
