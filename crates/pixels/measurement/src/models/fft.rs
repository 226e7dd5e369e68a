//! A discrete Fourier transform of many columns at once.
//!
//! - Stockham's self-sorting form of the radix-2 transform (Cooley & Tukey 1965, Math. Comp. 19, 297),
//!   lanes kept together: every butterfly runs over neighbouring memory, so the compiler makes
//!   vectors of it
//! - input, output: `n` rows of `lanes` numbers, real and imaginary part apart; n is a power of two
//! - forward is exp(-i), backward exp(+i); neither divides by n

/// The roots of unity of one length.
#[derive(Debug, Clone)]
pub struct Roots {
    n: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Roots {
    pub fn new(n: usize) -> Self {
        assert!(n.is_power_of_two(), "a length of {n} is no power of two");
        let angle = |k: usize| std::f64::consts::TAU * k as f64 / n as f64;
        Self {
            n,
            cos: (0..n / 2).map(|k| angle(k).cos() as f32).collect(),
            sin: (0..n / 2).map(|k| angle(k).sin() as f32).collect(),
        }
    }
}

/// Complex numbers with room to work in.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    pub re: Vec<f32>,
    pub im: Vec<f32>,
    spare_re: Vec<f32>,
    spare_im: Vec<f32>,
}

impl Buffer {
    /// Zeros.
    pub fn clear(&mut self, n: usize) {
        for v in [&mut self.re, &mut self.im] {
            v.clear();
            v.resize(n, 0.0);
        }
    }

    /// Transform the rows in place.
    pub fn transform(&mut self, roots: &Roots, lanes: usize, forward: bool) {
        let total = roots.n * lanes;
        self.spare_re.resize(total, 0.0);
        self.spare_im.resize(total, 0.0);
        let sign = if forward { -1.0 } else { 1.0 };
        let (mut n, mut stride) = (roots.n, lanes);
        while n > 1 {
            let half = n / 2;
            for p in 0..half {
                let at = p * (roots.n / n);
                let (c, s) = (roots.cos[at], sign * roots.sin[at]);
                let (a, b) = (stride * p, stride * (p + half));
                let (ar, ai) = (&self.re[a..a + stride], &self.im[a..a + stride]);
                let (br, bi) = (&self.re[b..b + stride], &self.im[b..b + stride]);
                let to = 2 * stride * p..2 * stride * (p + 1);
                let (sr, dr) = self.spare_re[to.clone()].split_at_mut(stride);
                let (si, di) = self.spare_im[to].split_at_mut(stride);
                for q in 0..stride {
                    let (xr, xi) = (ar[q] - br[q], ai[q] - bi[q]);
                    sr[q] = ar[q] + br[q];
                    si[q] = ai[q] + bi[q];
                    dr[q] = xr * c - xi * s;
                    di[q] = xr * s + xi * c;
                }
            }
            std::mem::swap(&mut self.re, &mut self.spare_re);
            std::mem::swap(&mut self.im, &mut self.spare_im);
            n = half;
            stride *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_that_defines_it() {
        let (n, lanes) = (16, 3);
        let mut b = Buffer::default();
        b.clear(n * lanes);
        for k in 0..n * lanes {
            b.re[k] = ((k * 7) % 11) as f32 - 4.0;
            b.im[k] = ((k * 5) % 13) as f32 - 6.0;
        }
        let before = b.clone();
        b.transform(&Roots::new(n), lanes, true);
        for m in 0..n {
            for l in 0..lanes {
                let (mut re, mut im) = (0.0f64, 0.0f64);
                for p in 0..n {
                    let a = -std::f64::consts::TAU * (m * p) as f64 / n as f64;
                    let (x, y) = (before.re[p * lanes + l], before.im[p * lanes + l]);
                    re += f64::from(x) * a.cos() - f64::from(y) * a.sin();
                    im += f64::from(x) * a.sin() + f64::from(y) * a.cos();
                }
                assert!((f64::from(b.re[m * lanes + l]) - re).abs() < 1e-4);
                assert!((f64::from(b.im[m * lanes + l]) - im).abs() < 1e-4);
            }
        }
        b.transform(&Roots::new(n), lanes, false);
        for (a, b) in b.re.iter().zip(&before.re) {
            assert!((a / n as f32 - b).abs() < 1e-5);
        }
    }
}
