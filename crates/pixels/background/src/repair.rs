//! Cells that say nothing, or what their neighbours deny.
//!
//! A cell is judged against the straight lines through opposite neighbours (four of them): a slope is no
//! outlier. The median of those lines replaces it when it lies too far off, measured by the scatter of
//! all cells about their lines.
//! - differs from SExtractor: no median filter over all cells, which cuts hills and fills valleys of the
//!   true sky

use crate::level::CellLevel;
use elqui_base::{SIGMA_PER_MAD, median_f32};
use elqui_image::Image;

/// Replace outliers, then fill holes.
pub(crate) fn cells(cells: &mut [CellLevel], nx: usize, outlier_sigma: f64) {
    let ny = cells.len() / nx;
    let level = Image::from_vec(nx, ny, cells.iter().map(|c| c.level).collect());
    if outlier_sigma > 0.0 {
        let expected: Vec<f32> = (0..cells.len()).map(|k| along_lines(&level, k)).collect();
        let off = |k: usize| level.data()[k] - expected[k];
        let mut sizes: Vec<f32> =
            (0..cells.len()).map(|k| off(k).abs()).filter(|v| !v.is_nan()).collect();
        if sizes.len() >= 9 {
            let scatter = SIGMA_PER_MAD as f32 * median_f32(&mut sizes);
            for (k, cell) in cells.iter_mut().enumerate() {
                let limit = outlier_sigma as f32 * scatter.max(cell.error);
                if off(k).abs() > limit {
                    *cell = CellLevel::NOTHING;
                }
            }
        }
    }
    let plane = |f: fn(&CellLevel) -> f32| {
        let mut mesh = Image::from_vec(nx, ny, cells.iter().map(f).collect());
        fill_holes(&mut mesh);
        mesh
    };
    let (level, error) = (plane(|c| c.level), plane(|c| c.error));
    let pixel = plane(|c| c.pixel_sigma);
    // A filled cell does not know its level better than cells scatter.
    let mut scatter: Vec<f32> = level.data().to_vec();
    let middle = median_f32(&mut scatter);
    scatter.iter_mut().for_each(|v| *v = (*v - middle).abs());
    let scatter = SIGMA_PER_MAD as f32 * median_f32(&mut scatter);
    for (k, cell) in cells.iter_mut().enumerate() {
        if cell.level.is_nan() {
            cell.level = level.data()[k];
            cell.error = error.data()[k].hypot(scatter);
            cell.pixel_sigma = pixel.data()[k];
        }
    }
}

/// Median of the lines through opposite neighbours of cell `k`; NaN where there is none.
fn along_lines(level: &Image<f32>, k: usize) -> f32 {
    let (x, y) = ((k % level.width()) as i32, (k / level.width()) as i32);
    let mut lines: Vec<f32> = [(1, 0), (0, 1), (1, 1), (1, -1)]
        .iter()
        .filter_map(|(i, j)| Some(0.5 * (level.get(x + i, y + j)? + level.get(x - i, y - j)?)))
        .filter(|v| !v.is_nan())
        .collect();
    median_f32(&mut lines)
}

/// Give each NaN cell the mean of its filled neighbours, ring by ring.
pub(crate) fn fill_holes(mesh: &mut Image<f32>) {
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
        if mesh.data().iter().all(|v| v.is_nan()) {
            return;
        }
    }
}

/// Quieter cells: along both axes the weights 1/4, 1/2, 1/4 and then back by a quarter of the second
/// difference, so that a cubic stays as it is; the ends of an axis stay too.
pub(crate) fn smooth(mesh: &Image<f32>) -> Image<f32> {
    let (nx, ny) = (mesh.width(), mesh.height());
    let along = |values: Vec<f32>| {
        let inner = |v: &[f32], k: usize, part: f32| match (k.checked_sub(1), v.get(k + 1)) {
            (Some(before), Some(after)) => v[k] + part * (v[before] - 2.0 * v[k] + after),
            _ => v[k],
        };
        let soft: Vec<f32> = (0..values.len()).map(|k| inner(&values, k, 0.25)).collect();
        (0..values.len()).map(|k| inner(&soft, k, -0.25)).collect::<Vec<f32>>()
    };
    let rows: Vec<f32> = (0..ny).flat_map(|y| along(mesh.row(y).to_vec())).collect();
    let columns: Vec<Vec<f32>> =
        (0..nx).map(|x| along((0..ny).map(|y| rows[y * nx + x]).collect())).collect();
    Image::from_fn(nx, ny, |x, y| columns[x][y])
}

/// Sum of the second differences along both axes; at a border that of the cell next to it.
pub(crate) fn curvature(mesh: &Image<f32>) -> Image<f32> {
    let (nx, ny) = (mesh.width(), mesh.height());
    Image::from_fn(nx, ny, |x, y| {
        let (i, j) = (x.max(1).min(nx.max(2) - 2), y.max(1).min(ny.max(2) - 2));
        let mut bend = 0.0;
        if nx > 2 {
            bend += mesh.at(i - 1, y) - 2.0 * mesh.at(i, y) + mesh.at(i + 1, y);
        }
        if ny > 2 {
            bend += mesh.at(x, j - 1) - 2.0 * mesh.at(x, j) + mesh.at(x, j + 1);
        }
        bend
    })
}
