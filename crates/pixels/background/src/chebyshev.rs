//! The sky as one sum of Chebyshev polynomials over the image.
//!
//! `sum c_ij T_i(u) T_j(v)`, i + j <= degree, u and v from -1 to 1 between the image's outer edges;
//! fitted to the cells by weighted least squares, with weights that fall for cells far off the fit
//! (Huber), so that a cell that an object spoils bends nothing.
//! - input: levels of the cells and their errors, adu; output: coefficients, and the fit's error in each
//!   cell, scaled by the cells' scatter about the fit where that is larger than their errors

use crate::mesh::Mesh;
use elqui_base::least_squares;
use elqui_image::Image;
use rayon::prelude::*;

/// Huber's constant: 95 % efficient for Gaussian errors.
const HUBER: f64 = 1.345;

/// T_0 ... T_degree at t.
fn polynomials(degree: usize, t: f64) -> Vec<f64> {
    let mut out = vec![1.0, t];
    for k in 2..=degree {
        out.push(2.0 * t * out[k - 1] - out[k - 2]);
    }
    out.truncate(degree + 1);
    out
}

/// -1 to 1 over `length` pixels, edge to edge.
fn scaled(pixel: f64, length: usize) -> f64 {
    2.0 * (pixel + 0.5) / length as f64 - 1.0
}

/// Coefficients and the error mesh; a lower degree where the cells cannot fix the wanted one.
pub(crate) fn fit(
    mesh: &Mesh,
    block: usize,
    (width, height): (usize, usize),
    degree: usize,
) -> (Image<f64>, Image<f32>) {
    let grid = &mesh.grid;
    let place = |k: usize, side: usize, length: usize| {
        let pixel = (k as f64 + 0.5) * (side * block) as f64 - 0.5;
        scaled(pixel.min(length as f64 - 0.5), length)
    };
    // Cells filled from neighbours say nothing of their own, unless there is nothing else.
    let any_own = mesh.own.data().iter().any(|o| *o);
    for degree in (0..=degree).rev() {
        let orders: Vec<(usize, usize)> =
            (0..=degree).flat_map(|j| (0..=degree - j).map(move |i| (i, j))).collect();
        let row_of = |u: f64, v: f64| -> Vec<f64> {
            let (tu, tv) = (polynomials(degree, u), polynomials(degree, v));
            orders.iter().map(|(i, j)| tu[*i] * tv[*j]).collect()
        };
        let (mut design, mut values, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for y in 0..grid.ny {
            for x in 0..grid.nx {
                if any_own && !mesh.own.at(x, y) {
                    continue;
                }
                let u = place(x, grid.cell_width, width);
                let v = place(y, grid.cell_height, height);
                design.extend(row_of(u, v));
                values.push(f64::from(mesh.level.at(x, y)));
                errors.push(f64::from(mesh.error.at(x, y)));
            }
        }
        floor(&mut errors);
        let Some((coefficients, covariance)) = robust(&design, &values, &errors, orders.len())
        else {
            continue;
        };
        let mut out = Image::filled(degree + 1, degree + 1, 0.0);
        for ((i, j), c) in orders.iter().zip(&coefficients) {
            out.set(*i, *j, *c);
        }
        let n = orders.len();
        let error = Image::from_fn(grid.nx, grid.ny, |x, y| {
            let row = row_of(place(x, grid.cell_width, width), place(y, grid.cell_height, height));
            let variance: f64 = (0..n * n).map(|k| row[k / n] * covariance[k] * row[k % n]).sum();
            variance.max(0.0).sqrt() as f32
        });
        return (out, error);
    }
    // Not even a constant: errors that are no numbers.
    let level = elqui_base::median_f32(&mut mesh.level.data().to_vec());
    (Image::filled(1, 1, f64::from(level)), mesh.error.clone())
}

/// Errors of zero (a constant image) would weigh without bound.
fn floor(errors: &mut [f64]) {
    let largest = errors.iter().copied().filter(|e| e.is_finite()).fold(0.0, f64::max);
    let least = if largest > 0.0 { 1e-3 * largest } else { 1.0 };
    errors.iter_mut().for_each(|e| *e = e.max(least));
}

fn robust(
    design: &[f64],
    values: &[f64],
    errors: &[f64],
    unknowns: usize,
) -> Option<(Vec<f64>, Vec<f64>)> {
    let mut sigmas = errors.to_vec();
    let mut answer = None;
    for _ in 0..6 {
        let (c, mut covariance) = least_squares(design, values, &sigmas, unknowns).ok()?;
        let pulls: Vec<f64> = design
            .chunks_exact(unknowns)
            .zip(values)
            .zip(errors)
            .map(|((row, v), e)| (v - row.iter().zip(&c).map(|(a, b)| a * b).sum::<f64>()) / e)
            .collect();
        let free = (pulls.len().saturating_sub(unknowns)).max(1) as f64;
        let mut sizes: Vec<f64> = pulls.iter().map(|p| p.abs()).collect();
        let spread = elqui_base::median(&mut sizes) * elqui_base::SIGMA_PER_MAD;
        let scale = (spread * (pulls.len() as f64 / free).sqrt()).max(1.0);
        covariance.iter_mut().for_each(|v| *v *= scale * scale);
        for (s, (e, p)) in sigmas.iter_mut().zip(errors.iter().zip(&pulls)) {
            *s = e * (p.abs() / (HUBER * scale)).max(1.0).sqrt();
        }
        answer = Some((c, covariance));
    }
    answer
}

/// The sum at a pixel of an image of this size.
pub(crate) fn at(coefficients: &Image<f64>, (x, y): (f64, f64), size: (usize, usize)) -> f64 {
    let tu = polynomials(coefficients.width().max(1) - 1, scaled(x, size.0));
    let tv = polynomials(coefficients.height().max(1) - 1, scaled(y, size.1));
    let row = |j: usize| coefficients.row(j).iter().zip(&tu).map(|(c, t)| c * t).sum::<f64>();
    tv.iter().enumerate().map(|(j, t)| row(j) * t).sum()
}

/// Call `apply` on each row of `image` with the sum's values there.
pub(crate) fn for_rows(
    coefficients: &Image<f64>,
    image: &mut Image<f32>,
    apply: impl Fn(&mut [f32], &[f32]) + Sync,
) {
    let (width, height) = (image.width(), image.height());
    let terms = coefficients.width();
    if width == 0 || height == 0 || terms == 0 || coefficients.height() == 0 {
        return;
    }
    // Each polynomial along a row, once.
    let mut along = vec![0.0f64; terms * width];
    for x in 0..width {
        let tu = polynomials(terms - 1, scaled(x as f64, width));
        tu.iter().enumerate().for_each(|(i, t)| along[i * width + x] = *t);
    }
    let rows_a_task = 64;
    image.data_mut().par_chunks_mut(width * rows_a_task).enumerate().for_each(|(k, rows)| {
        let (mut sum, mut sky) = (vec![0.0f64; width], vec![0.0f32; width]);
        for (dy, row) in rows.chunks_exact_mut(width).enumerate() {
            let tv = polynomials(
                coefficients.height() - 1,
                scaled((k * rows_a_task + dy) as f64, height),
            );
            sum.fill(0.0);
            for (i, t) in along.chunks_exact(width).enumerate() {
                let c: f64 = tv.iter().enumerate().map(|(j, t)| coefficients.at(i, j) * t).sum();
                sum.iter_mut().zip(t).for_each(|(s, t)| *s += c * t);
            }
            sky.iter_mut().zip(&sum).for_each(|(o, s)| *o = *s as f32);
            apply(row, &sky);
        }
    });
}
