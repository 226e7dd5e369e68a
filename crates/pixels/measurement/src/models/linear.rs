//! Errors of amplitudes: what a linear estimator makes of the pixels' own variances.

use super::fit::Scratch;
use super::modes::Modes;
use super::small::invert;

/// Error of `sum_of` . amplitudes of the columns (real model modes at the centre that the data are turned
/// to) when all are free. The last three columns have a `prior`: half its curvature in chi squared.
pub fn amplitude_error<const N: usize>(
    modes: &Modes,
    scratch: &mut Scratch,
    columns: [&Vec<f32>; N],
    sum_of: &[f64; N],
    prior: &[[f64; 3]; 3],
) -> f64 {
    let mut a = [[0.0f64; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let sum = product(&modes.weight, columns[i], columns[j]);
            (a[i][j], a[j][i]) = (sum, sum);
        }
    }
    for i in 0..3 {
        for j in 0..3 {
            a[N - 3 + i][N - 3 + j] += prior[i][j] * scratch.patch.noise;
        }
    }
    let Some(inverse) = invert(&a) else { return f64::NAN };
    // The sum is a weighted sum of the pixels: its weights' image, their squares times the variance.
    let row: [f32; N] =
        std::array::from_fn(|j| (0..N).map(|f| sum_of[f] * inverse[f][j]).sum::<f64>() as f32);
    let mut weights = vec![0.0f32; modes.len()];
    for (column, r) in columns.iter().zip(row) {
        weights.iter_mut().zip(column.iter()).for_each(|(w, c)| *w += r * c);
    }
    scratch.draw(modes, &weights);
    let cells = (modes.grid.n * modes.grid.n) as f64;
    let pixels = scratch.image.iter().zip(&scratch.patch.variance);
    // Widened first: the weights of faint sources' pixels squared are below what an f32 holds.
    let sum: f64 = pixels.map(|(h, v)| f64::from(*h).powi(2) * f64::from(*v)).sum();
    cells * sum.sqrt()
}

/// Put these fluxes of model modes, at the centre the data are turned to, into the missing cells; the part
/// of the model's squares that they hold. The data's modes are made anew, not turned.
pub fn fill(modes: &Modes, scratch: &mut Scratch, models: &[(f64, &Vec<f32>)]) -> f64 {
    let mut sum = vec![0.0f32; modes.len()];
    for (flux, model) in models {
        let flux = *flux as f32;
        sum.iter_mut().zip(model.iter()).for_each(|(s, m)| *s += flux * m);
    }
    scratch.draw(modes, &sum);
    let Scratch { patch, image, .. } = scratch;
    let hidden = patch.fill(image);
    scratch.transform(modes);
    hidden
}

/// Sum of w x y, in lanes.
pub fn product(w: &[f32], x: &[f32], y: &[f32]) -> f64 {
    const L: usize = 4;
    const CHUNK: usize = 64;
    let n = w.len().min(x.len()).min(y.len());
    let (w, x, y) = (&w[..n], &x[..n], &y[..n]);
    let mut total = 0.0f64;
    for ((w, x), y) in w.chunks(CHUNK).zip(x.chunks(CHUNK)).zip(y.chunks(CHUNK)) {
        let mut lanes = [0.0f32; L];
        for ((w, x), y) in w.chunks_exact(L).zip(x.chunks_exact(L)).zip(y.chunks_exact(L)) {
            for l in 0..L {
                lanes[l] += w[l] * x[l] * y[l];
            }
        }
        total += lanes.iter().map(|&v| f64::from(v)).sum::<f64>();
    }
    total
}

impl Scratch {
    /// Chi squared a degree of freedom of these fluxes of real model modes, with `unknowns` fitted.
    pub fn chi2(&self, modes: &Modes, models: &[(f64, &Vec<f32>)], unknowns: f64) -> f64 {
        let mut sum = 0.0f64;
        for k in 0..modes.len() {
            let model: f32 = models.iter().map(|(f, m)| *f as f32 * m[k]).sum();
            let (r, im) = (self.turned.re[k] - model, self.turned.im[k]);
            sum += f64::from(modes.weight[k] * (r * r + im * im));
        }
        let cells = (modes.grid.n * modes.grid.n) as f64;
        let present = 1.0 - self.patch.missing.len() as f64 / cells;
        sum / self.patch.noise / (modes.freedom() * present - unknowns).max(1.0)
    }
}
