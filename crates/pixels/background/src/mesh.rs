//! The mesh of sky levels: measured cells, holes filled, outliers filtered.
//!
//! - input: image (adu) and mask; pixels with a bit of `reject`, and NaN, are left out
//! - output: level and rms of each cell, adu
//! - differs from SExtractor: at the mesh's edge the median filter stays symmetric about the cell,
//!   so that a gradient is not flattened there

use crate::cell::{Scratch, measure};
use crate::config::{BackgroundConfig, BackgroundError};
use elqui_base::median_f32;
use elqui_image::{BackgroundModel, Image, Mask};
use rayon::prelude::*;

/// Estimate the sky on a mesh.
pub fn estimate(
    image: &Image<f32>,
    mask: &Mask,
    reject: u32,
    config: &BackgroundConfig,
) -> Result<BackgroundModel, BackgroundError> {
    let (width, height) = (image.width(), image.height());
    check(image, mask, config)?;
    let (cell_width, nx) = split(width, config.cell_pixels);
    let (cell_height, ny) = split(height, config.cell_pixels);
    let rows: Vec<Vec<(f32, f32)>> = (0..ny)
        .into_par_iter()
        .map(|j| {
            let mut scratch = Scratch::new(cell_width * cell_height);
            (0..nx)
                .map(|i| {
                    let (x0, y0) = (i * cell_width, j * cell_height);
                    let (x1, y1) = ((x0 + cell_width).min(width), (y0 + cell_height).min(height));
                    cell(image, mask, reject, [x0, x1, y0, y1], config, &mut scratch)
                })
                .collect()
        })
        .collect();
    let mut level = Image::from_fn(nx, ny, |i, j| rows[j][i].0);
    let mut rms = Image::from_fn(nx, ny, |i, j| rows[j][i].1);
    if level.data().iter().all(|v| v.is_nan()) {
        // Cells may all be too poor; then take what there is.
        let generous = BackgroundConfig {
            min_usable_fraction: 0.0,
            cell_pixels: width.max(height),
            ..config.clone()
        };
        let mut scratch = Scratch::new(0);
        let (l, r) = cell(image, mask, reject, [0, width, 0, height], &generous, &mut scratch);
        if l.is_nan() {
            return Err(BackgroundError::NothingUsable);
        }
        (level, rms) = (Image::filled(nx, ny, l), Image::filled(nx, ny, r));
    }
    fill_holes(&mut level);
    fill_holes(&mut rms);
    if config.filter_cells > 1 {
        level = filter(&level, config.filter_cells / 2);
        rms = filter(&rms, config.filter_cells / 2);
    }
    Ok(BackgroundModel { width, height, cell_width, cell_height, level, rms })
}

fn check(
    image: &Image<f32>,
    mask: &Mask,
    config: &BackgroundConfig,
) -> Result<(), BackgroundError> {
    let (width, height) = (image.width(), image.height());
    if width == 0 || height == 0 {
        return Err(BackgroundError::Empty { width, height });
    }
    if (mask.width(), mask.height()) != (width, height) {
        let mask = (mask.width(), mask.height());
        return Err(BackgroundError::Shape { mask, image: (width, height) });
    }
    if config.cell_pixels == 0 {
        return Err(BackgroundError::Config { name: "cell_pixels", value: 0.0 });
    }
    if !(config.clip_sigma >= 1.0 && config.clip_sigma.is_finite()) {
        return Err(BackgroundError::Config { name: "clip_sigma", value: config.clip_sigma });
    }
    Ok(())
}

/// Side and number of nearly equal cells along an axis.
fn split(length: usize, wanted: usize) -> (usize, usize) {
    let n = ((length as f64 / wanted as f64).round() as usize).max(1);
    let side = length.div_ceil(n);
    (side, length.div_ceil(side))
}

/// Level and rms of the cell `[x0, x1) x [y0, y1)`; NaN when too few pixels are usable.
fn cell(
    image: &Image<f32>,
    mask: &Mask,
    reject: u32,
    [x0, x1, y0, y1]: [usize; 4],
    config: &BackgroundConfig,
    scratch: &mut Scratch,
) -> (f32, f32) {
    scratch.values.clear();
    for y in y0..y1 {
        let (row, bits) = (&image.row(y)[x0..x1], &mask.row(y)[x0..x1]);
        scratch.values.extend(
            row.iter().zip(bits).filter(|(v, b)| *b & reject == 0 && v.is_finite()).map(|(v, _)| v),
        );
    }
    let total = ((x1 - x0) * (y1 - y0)) as f64;
    let usable = scratch.values.len();
    if usable == 0 || (usable as f64) < config.min_usable_fraction * total {
        return (f32::NAN, f32::NAN);
    }
    let sky = measure(scratch, config.clip_sigma);
    (sky.level as f32, sky.sigma as f32)
}

/// Give each NaN cell the mean of its filled neighbours, ring by ring.
fn fill_holes(mesh: &mut Image<f32>) {
    while mesh.data().iter().any(|v| v.is_nan()) {
        let old = mesh.clone();
        for y in 0..mesh.height() as i32 {
            for x in 0..mesh.width() as i32 {
                if !old.at(x as usize, y as usize).is_nan() {
                    continue;
                }
                let near = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
                let found: Vec<f32> =
                    near.filter_map(|(i, j)| old.get(i, j)).filter(|v| !v.is_nan()).collect();
                if !found.is_empty() {
                    let mean = found.iter().sum::<f32>() / found.len() as f32;
                    mesh.set(x as usize, y as usize, mean);
                }
            }
        }
    }
}

/// Median filter of half-width `half`, symmetric about every cell.
fn filter(mesh: &Image<f32>, half: usize) -> Image<f32> {
    let (nx, ny) = (mesh.width(), mesh.height());
    Image::from_fn(nx, ny, |x, y| {
        let reach_x = half.min(x).min(nx - 1 - x);
        let reach_y = half.min(y).min(ny - 1 - y);
        if reach_x == 0 && reach_y == 0 {
            return corner(mesh, x, y);
        }
        let mut values = Vec::with_capacity((2 * reach_x + 1) * (2 * reach_y + 1));
        for j in y - reach_y..=y + reach_y {
            values.extend_from_slice(&mesh.row(j)[x - reach_x..=x + reach_x]);
        }
        median_f32(&mut values)
    })
}

/// A corner against the straight lines through its neighbours along both edges.
fn corner(mesh: &Image<f32>, x: usize, y: usize) -> f32 {
    let (nx, ny) = (mesh.width(), mesh.height());
    let own = mesh.at(x, y);
    if nx < 3 || ny < 3 {
        return own;
    }
    let (x1, x2) = if x == 0 { (1, 2) } else { (x - 1, x - 2) };
    let (y1, y2) = if y == 0 { (1, 2) } else { (y - 1, y - 2) };
    let along_x = 2.0 * mesh.at(x1, y) - mesh.at(x2, y);
    let along_y = 2.0 * mesh.at(x, y1) - mesh.at(x, y2);
    median_f32(&mut [own, along_x, along_y])
}
