//! The mesh interpolated to pixels by a bicubic spline.
//!
//! Natural cubic splines through the cells' centres, along y and then along x; beyond the outermost
//! centres the straight line of the natural end. A plane comes out exactly.
//! - source: de Boor 1978, A Practical Guide to Splines, ch. IV

use elqui_image::Image;
use rayon::prelude::*;

/// A mesh and the sides of its cells: the spline through its centres.
pub(crate) struct Spline<'a> {
    pub mesh: &'a Image<f32>,
    pub cell_width: usize,
    pub cell_height: usize,
}

impl Spline<'_> {
    /// Call `apply` on each row of `image` with the spline's values there.
    pub(crate) fn for_rows<T: Copy + Send>(
        &self,
        image: &mut Image<T>,
        apply: impl Fn(&mut [T], &[f32]) + Sync,
    ) {
        let (width, height) = (image.width(), image.height());
        let (nx, ny) = (self.mesh.width(), self.mesh.height());
        if width == 0 || height == 0 || nx == 0 || ny == 0 {
            return;
        }
        // Second derivatives along y, one spline a mesh column.
        let columns: Vec<(Vec<f64>, Vec<f64>)> = (0..nx)
            .map(|i| {
                let values: Vec<f64> = (0..ny).map(|j| f64::from(self.mesh.at(i, j))).collect();
                let curvature = curvatures(&values);
                (values, curvature)
            })
            .collect();
        let rows_a_task = 64;
        image.data_mut().par_chunks_mut(width * rows_a_task).enumerate().for_each(|(k, rows)| {
            let mut sky = vec![0.0f32; width];
            for (dy, row) in rows.chunks_exact_mut(width).enumerate() {
                let y = k * rows_a_task + dy;
                let t = (y as f64 + 0.5) / self.cell_height as f64 - 0.5;
                let nodes: Vec<f64> = columns.iter().map(|(v, c)| at(v, c, t)).collect();
                fill(&nodes, self.cell_width, &mut sky);
                apply(row, &sky);
            }
        });
    }

    /// The spline at a list of places along both axes (in pixels of the image): a smaller mesh's nodes.
    pub(crate) fn sampled(&self, xs: &[f64], ys: &[f64]) -> Image<f32> {
        let (nx, ny) = (self.mesh.width(), self.mesh.height());
        let along_y: Vec<Vec<f64>> = (0..nx)
            .map(|i| {
                let values: Vec<f64> = (0..ny).map(|j| f64::from(self.mesh.at(i, j))).collect();
                let m = curvatures(&values);
                let t = |y: &f64| (y + 0.5) / self.cell_height as f64 - 0.5;
                ys.iter().map(|y| at(&values, &m, t(y))).collect()
            })
            .collect();
        let mut out = Image::filled(xs.len(), ys.len(), 0.0);
        for j in 0..ys.len() {
            let values: Vec<f64> = along_y.iter().map(|c| c[j]).collect();
            let m = curvatures(&values);
            for (i, x) in xs.iter().enumerate() {
                let t = (x + 0.5) / self.cell_width as f64 - 0.5;
                out.set(i, j, at(&values, &m, t) as f32);
            }
        }
        out
    }
}

/// Second derivatives of the natural spline through values at 0, 1, 2, ...
fn curvatures(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mut m = vec![0.0; n];
    if n < 3 {
        return m;
    }
    // Tridiagonal system m[k-1] + 4 m[k] + m[k+1] = 6 (second difference).
    let mut factor = vec![0.0; n];
    for k in 1..n - 1 {
        let pivot = 4.0 - factor[k - 1];
        factor[k] = 1.0 / pivot;
        let rhs = 6.0 * (values[k - 1] - 2.0 * values[k] + values[k + 1]);
        m[k] = (rhs - m[k - 1]) / pivot;
    }
    for k in (1..n - 1).rev() {
        m[k] -= factor[k] * m[k + 1];
    }
    m
}

/// Cubic of the interval that begins at node `k`, in powers of the distance from it.
fn cubic(v: &[f64], m: &[f64], k: usize) -> [f64; 4] {
    let slope = v[k + 1] - v[k] - (2.0 * m[k] + m[k + 1]) / 6.0;
    [v[k], slope, 0.5 * m[k], (m[k + 1] - m[k]) / 6.0]
}

/// Straight line beyond the first (`last` false) or last node: value and slope there.
fn end_line(v: &[f64], m: &[f64], last: bool) -> [f64; 2] {
    let n = v.len();
    if last {
        let [_, b, c, d] = cubic(v, m, n - 2);
        [v[n - 1], b + 2.0 * c + 3.0 * d]
    } else {
        [v[0], cubic(v, m, 0)[1]]
    }
}

fn at(v: &[f64], m: &[f64], t: f64) -> f64 {
    let n = v.len();
    if n == 1 {
        return v[0];
    }
    if t <= 0.0 || t >= (n - 1) as f64 {
        let last = t > 0.0;
        let [value, slope] = end_line(v, m, last);
        return value + slope * (t - if last { (n - 1) as f64 } else { 0.0 });
    }
    let k = (t as usize).min(n - 2);
    let [a, b, c, d] = cubic(v, m, k);
    let s = t - k as f64;
    a + s * (b + s * (c + s * d))
}

/// Fill a row from its nodes (cell centres), piece by piece.
fn fill(v: &[f64], cell: usize, row: &mut [f32]) {
    let n = v.len();
    if n == 1 {
        row.fill(v[0] as f32);
        return;
    }
    let m = curvatures(v);
    let width = row.len();
    let inverse = 1.0 / cell as f64;
    // Pixel x has t = (x + 0.5) / cell - 0.5; interval k covers k <= t < k + 1.
    let first_of = |k: usize| ((k as f64 + 0.5) * cell as f64 - 0.5).ceil().max(0.0) as usize;
    let t_of = |x: usize| (x as f64 + 0.5) * inverse - 0.5;
    let mut piece = |from: usize, to: usize, origin: f64, c: [f64; 4]| {
        let (from, to) = (from.min(width), to.min(width));
        let [a, b, c, d] = c.map(|v| v as f32);
        let s0 = if from < to { (t_of(from) - origin) as f32 } else { 0.0 };
        let step = inverse as f32;
        for (i, out) in row[from..to].iter_mut().enumerate() {
            let s = s0 + i as i32 as f32 * step;
            *out = a + s * (b + s * (c + s * d));
        }
    };
    let [value, slope] = end_line(v, &m, false);
    piece(0, first_of(0), 0.0, [value, slope, 0.0, 0.0]);
    for k in 0..n - 1 {
        piece(first_of(k), first_of(k + 1), k as f64, cubic(v, &m, k));
    }
    let [value, slope] = end_line(v, &m, true);
    piece(first_of(n - 1), width, (n - 1) as f64, [value, slope, 0.0, 0.0]);
}
