//! The Fourier modes that models are compared in, and the way to them and back.
//!
//! A patch of n x n cells of `bin` pixels a side is a sum of waves; a model convolved with the PSF has
//! power only in those whose wavelength the PSF lets through. Residuals of white noise are compared
//! there instead of in the pixels (Parseval): the convolution is a product, a shift a phase.
//! - modes: a disc of wave numbers, upper half only (the image is real), row by row of ky; weight 2
//!   for a mode that stands for its mirror image too
//!   (0 for their sum: a constant left under the source, and the light that a patch folds back from beyond its
//!   border, are no part of the comparison)
//! - origin: the middle cell (n/2, n/2)
//! - units: wave numbers in radians a pixel (not a cell)

use super::fft::{Buffer, Roots};

/// Numbers are handled so many at a time; lists of modes are filled up with weight 0.
pub const LANES: usize = 8;

/// Side of a patch in cells, and of a cell in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub n: usize,
    pub bin: usize,
}

impl Grid {
    /// The sizes that there are, growing.
    pub const ALL: [Self; 5] = [
        Self { n: 32, bin: 1 },
        Self { n: 64, bin: 1 },
        Self { n: 128, bin: 1 },
        Self { n: 128, bin: 2 },
        Self { n: 128, bin: 4 },
    ];

    /// The smallest whose half-width is at least `half` pixels (or the largest): its index.
    pub fn holding(half: f64) -> usize {
        let fits = |g: &Self| (g.n * g.bin / 2) as f64 >= half;
        Self::ALL.iter().position(fits).unwrap_or(Self::ALL.len() - 1)
    }

    pub const fn half_pixels(self) -> usize {
        self.n * self.bin / 2
    }
}

/// One row of modes: ky = `my` steps, kx from `mx` steps on.
#[derive(Debug, Clone, Copy)]
struct Row {
    my: usize,
    mx: i32,
    at: usize,
    n: usize,
}

#[derive(Debug, Clone)]
pub struct Modes {
    pub grid: Grid,
    /// Radius of the disc, steps of 2 pi / (n bin).
    radius: usize,
    rows: Vec<Row>,
    pub weight: Vec<f32>,
    pub kx: Vec<f32>,
    pub ky: Vec<f32>,
    /// kx^2, 2 kx ky, ky^2.
    pub kk: [Vec<f32>; 3],
    roots: Roots,
    step: f64,
}

/// Complex values of modes.
#[derive(Debug, Clone, Default)]
pub struct Spectrum {
    pub re: Vec<f32>,
    pub im: Vec<f32>,
}

impl Spectrum {
    pub fn resize(&mut self, n: usize) {
        self.re.clear();
        self.im.clear();
        self.re.resize(n, 0.0);
        self.im.resize(n, 0.0);
    }
}

impl Modes {
    /// Modes up to wave number `k_max`, radians a pixel.
    pub fn new(grid: Grid, k_max: f64) -> Self {
        let step = std::f64::consts::TAU / (grid.n * grid.bin) as f64;
        let most = (grid.n / 2 - 2).min(32) as f64;
        let radius = (k_max / step).ceil().clamp(3.0, most) as usize;
        let (mut rows, mut at) = (Vec::new(), 0);
        let (mut weight, mut kx, mut ky) = (Vec::new(), Vec::new(), Vec::new());
        for my in 0..=radius {
            let last = ((radius * radius - my * my) as f64).sqrt() as i32;
            let first = if my == 0 { 0 } else { -last };
            let n = (last - first + 1) as usize;
            rows.push(Row { my, mx: first, at, n });
            for mx in first..=last {
                weight.push(if my == 0 && mx == 0 { 0.0f32 } else { 2.0 });
                kx.push((f64::from(mx) * step) as f32);
                ky.push((my as f64 * step) as f32);
            }
            at += n;
        }
        let padded = at.div_ceil(LANES) * LANES;
        for list in [&mut weight, &mut kx, &mut ky] {
            list.resize(padded, 0.0);
        }
        let product = |f: fn(f32, f32) -> f32| kx.iter().zip(&ky).map(|(x, y)| f(*x, *y)).collect();
        let kk = [product(|x, _| x * x), product(|x, y| 2.0 * x * y), product(|_, y| y * y)];
        Self { grid, radius, rows, weight, kx, ky, kk, roots: Roots::new(grid.n), step }
    }

    /// Modes and what fills them up.
    pub fn len(&self) -> usize {
        self.weight.len()
    }

    /// Real numbers that the modes stand for.
    pub fn freedom(&self) -> f64 {
        self.weight.iter().map(|&w| f64::from(w)).sum()
    }

    /// exp(i (kx x + ky y)) of every mode.
    pub fn waves(&self, x: f64, y: f64, out: &mut Spectrum) {
        out.resize(self.len());
        let most = self.radius as i32;
        let along_x: Vec<(f32, f32)> = (-most..=most)
            .map(|m| {
                let (s, c) = (f64::from(m) * self.step * x).sin_cos();
                (c as f32, s as f32)
            })
            .collect();
        for row in &self.rows {
            let (s, c) = (row.my as f64 * self.step * y).sin_cos();
            let (c, s) = (c as f32, s as f32);
            let from = (row.mx + most) as usize;
            let to = out.re[row.at..].iter_mut().zip(&mut out.im[row.at..]);
            for ((re, im), &(a, b)) in to.zip(&along_x[from..from + row.n]) {
                *re = a * c - b * s;
                *im = a * s + b * c;
            }
        }
    }

    /// The modes of an image of n x n cells.
    pub fn forward(&self, image: &[f32], work: &mut [Buffer; 2], out: &mut Spectrum) {
        let (n, lanes) = (self.grid.n, self.radius + 1);
        let half = n / 2;
        let [a, b] = work;
        a.re.clear();
        a.im.clear();
        // Two real columns make one complex column.
        for row in image.chunks_exact(n) {
            a.re.extend_from_slice(&row[..half]);
            a.im.extend_from_slice(&row[half..]);
        }
        a.transform(&self.roots, half, true);
        b.clear(n * lanes);
        for my in 0..lanes {
            let (up, down) = (my * half, ((n - my) % n) * half);
            for x in 0..half {
                let (ur, ui, dr, di) = (a.re[up + x], a.im[up + x], a.re[down + x], a.im[down + x]);
                let (first, second) = (x * lanes + my, (x + half) * lanes + my);
                b.re[first] = 0.5 * (ur + dr);
                b.im[first] = 0.5 * (ui - di);
                b.re[second] = 0.5 * (ui + di);
                b.im[second] = 0.5 * (dr - ur);
            }
        }
        b.transform(&self.roots, lanes, true);
        out.resize(self.len());
        for row in &self.rows {
            for k in 0..row.n {
                let mx = row.mx + k as i32;
                let from = mx.rem_euclid(n as i32) as usize * lanes + row.my;
                let sign = checker(mx, row.my);
                out.re[row.at + k] = sign * b.re[from];
                out.im[row.at + k] = sign * b.im[from];
            }
        }
    }

    /// The image of n x n cells that these modes (and no others) make.
    pub fn backward(&self, modes: &Spectrum, work: &mut [Buffer; 2], image: &mut Vec<f32>) {
        let (n, lanes) = (self.grid.n, self.radius + 1);
        let half = n / 2;
        let norm = 1.0 / (n * n) as f32;
        let [a, b] = work;
        b.clear(n * lanes);
        for row in &self.rows {
            for k in 0..row.n {
                let mx = row.mx + k as i32;
                let sign = norm * checker(mx, row.my);
                let (re, im) = (sign * modes.re[row.at + k], sign * modes.im[row.at + k]);
                let to = mx.rem_euclid(n as i32) as usize * lanes + row.my;
                (b.re[to], b.im[to]) = (re, im);
                if row.my == 0 && mx > 0 {
                    let mirror = (n as i32 - mx) as usize * lanes;
                    (b.re[mirror], b.im[mirror]) = (re, -im);
                }
            }
        }
        b.transform(&self.roots, lanes, false);
        a.clear(n * half);
        for my in 0..lanes {
            let (up, down) = (my * half, ((n - my) % n) * half);
            for x in 0..half {
                let (first, second) = (x * lanes + my, (x + half) * lanes + my);
                let (ar, ai) = (b.re[first], b.im[first]);
                let (br, bi) = (b.re[second], b.im[second]);
                (a.re[down + x], a.im[down + x]) = (ar + bi, br - ai);
                (a.re[up + x], a.im[up + x]) = (ar - bi, ai + br);
            }
        }
        a.transform(&self.roots, half, false);
        image.clear();
        for (re, im) in a.re.chunks_exact(half).zip(a.im.chunks_exact(half)) {
            image.extend_from_slice(re);
            image.extend_from_slice(im);
        }
    }
}

/// The factor that brings the origin to the middle cell.
fn checker(mx: i32, my: usize) -> f32 {
    if (mx + my as i32).rem_euclid(2) == 0 { 1.0 } else { -1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_the_sums_that_define_them_and_make_the_image_again() {
        let modes = Modes::new(Grid::ALL[0], 9.0);
        let s2 = 2.0 * 2.6f64 * 2.6;
        let image: Vec<f32> = (0..32 * 32)
            .map(|k| {
                let (x, y) = ((k % 32) as f64 - 16.7, (k / 32) as f64 - 15.1);
                (100.0 * (-(x * x + 0.7 * x * y + 1.3 * y * y) / s2).exp()) as f32
            })
            .collect();
        let (mut work, mut out) = (Default::default(), Spectrum::default());
        modes.forward(&image, &mut work, &mut out);
        for k in [0, 1, 5, 40, 111, 300] {
            let (kx, ky) = (f64::from(modes.kx[k]), f64::from(modes.ky[k]));
            let (mut re, mut im) = (0.0, 0.0);
            for (p, v) in image.iter().enumerate() {
                let a = -(kx * ((p % 32) as f64 - 16.0) + ky * ((p / 32) as f64 - 16.0));
                re += f64::from(*v) * a.cos();
                im += f64::from(*v) * a.sin();
            }
            assert!((f64::from(out.re[k]) - re).abs() < 2e-3, "{k}: {} {re}", out.re[k]);
            assert!((f64::from(out.im[k]) - im).abs() < 2e-3, "{k}: {} {im}", out.im[k]);
        }
        let mut back = Vec::new();
        modes.backward(&out, &mut work, &mut back);
        for (a, b) in image.iter().zip(&back) {
            assert!((a - b).abs() < 2e-3, "{a} {b}");
        }
        // Parseval.
        let pixels: f64 = image.iter().map(|v| f64::from(*v).powi(2)).sum();
        let power = |k: usize| f64::from(out.re[k]).powi(2) + f64::from(out.im[k]).powi(2);
        let sum: f64 = (0..modes.len()).map(|k| f64::from(modes.weight[k]) * power(k)).sum();
        // The sum is left out of the comparison.
        let sum = sum + power(0);
        assert!((sum / 1024.0 / pixels - 1.0).abs() < 1e-5);
    }
}
