//! Sums in vectors of eight f32, written out for loops that the compiler does not vectorise by itself.
//!
//! A kernel is a struct that implements [`WithSimd`] over [`V8`]; [`run`] calls it with the processor's own
//! vectors of 32 bytes where there are some, else with eight scalars in their place. Lanes and order of
//! the sums are the same in both, and nothing is fused, so the bytes of the result are too.

pub use pulp::{Simd, WithSimd};
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// Lanes of a vector.
pub const LANES: usize = 8;

/// Run a kernel.
#[inline(always)]
pub fn run<Op: WithSimd>(kernel: Op) -> Op::Output {
    match pulp::Arch::new() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        pulp::Arch::V3(simd) => Simd::vectorize(simd, kernel),
        _ => Simd::vectorize(pulp::Scalar256b, kernel),
    }
}

/// Eight f32.
#[derive(Clone, Copy)]
pub struct V8<S: Simd> {
    simd: S,
    v: S::f32s,
}

impl<S: Simd> V8<S> {
    #[inline(always)]
    pub fn splat(simd: S, value: f32) -> Self {
        Self { simd, v: simd.splat_f32s(value) }
    }

    /// The first eight of `from`, or what there is of them and zeros.
    #[inline(always)]
    pub fn load(simd: S, from: &[f32]) -> Self {
        let v = match S::as_simd_f32s(&from[..from.len().min(LANES)]).0.first() {
            Some(v) => *v,
            None => simd.partial_load_f32s(from),
        };
        Self { simd, v }
    }

    /// Write as many as there is room for in the first eight of `to`.
    #[inline(always)]
    pub fn store(self, to: &mut [f32]) {
        let n = to.len().min(LANES);
        match S::as_mut_simd_f32s(&mut to[..n]).0.first_mut() {
            Some(v) => *v = self.v,
            None => self.simd.partial_store_f32s(&mut to[..n], self.v),
        }
    }

    #[inline(always)]
    pub fn max(self, other: Self) -> Self {
        Self { v: self.simd.max_f32s(self.v, other.v), ..self }
    }

    #[inline(always)]
    pub fn min(self, other: Self) -> Self {
        Self { v: self.simd.min_f32s(self.v, other.v), ..self }
    }

    #[inline(always)]
    pub fn sqrt(self) -> Self {
        Self { v: self.simd.sqrt_f32s(self.v), ..self }
    }

    /// `yes` where self <= limit, else `no`.
    #[inline(always)]
    pub fn select_at_most(self, limit: Self, yes: Self, no: Self) -> Self {
        let mask = self.simd.less_than_or_equal_f32s(self.v, limit.v);
        Self { v: self.simd.select_f32s(mask, yes.v, no.v), ..self }
    }

    #[inline(always)]
    pub fn sum(self) -> f64 {
        let mut out = [0.0f32; LANES];
        self.store(&mut out);
        let [a, b, c, d, e, f, g, h] = out.map(f64::from);
        ((a + b) + (c + d)) + ((e + f) + (g + h))
    }
}

impl<S: Simd> Add for V8<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { v: self.simd.add_f32s(self.v, other.v), ..self }
    }
}

impl<S: Simd> AddAssign for V8<S> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<S: Simd> Sub for V8<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { v: self.simd.sub_f32s(self.v, other.v), ..self }
    }
}

impl<S: Simd> Mul for V8<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { v: self.simd.mul_f32s(self.v, other.v), ..self }
    }
}

impl<S: Simd> Div for V8<S> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self { v: self.simd.div_f32s(self.v, other.v), ..self }
    }
}

/// Rows after which running sums are taken over into f64.
const FLUSH_ROWS: usize = 16;

/// Sums over many rows: in vectors for a while, then in f64.
pub struct Totals<S: Simd, const N: usize> {
    simd: S,
    rows: usize,
    total: [f64; N],
    pub running: [V8<S>; N],
}

impl<S: Simd, const N: usize> Totals<S, N> {
    #[inline(always)]
    pub fn new(simd: S) -> Self {
        Self { simd, rows: 0, total: [0.0; N], running: [V8::splat(simd, 0.0); N] }
    }

    /// At the end of each row.
    #[inline(always)]
    pub fn end_row(&mut self) {
        self.rows += 1;
        if self.rows % FLUSH_ROWS == 0 {
            self.flush();
        }
    }

    #[inline(always)]
    fn flush(&mut self) {
        for (total, v) in self.total.iter_mut().zip(&mut self.running) {
            *total += v.sum();
            *v = V8::splat(self.simd, 0.0);
        }
    }

    #[inline(always)]
    pub fn finish(mut self) -> [f64; N] {
        self.flush();
        self.total
    }
}

/// The sums of vectors.
#[inline(always)]
pub fn sums<S: Simd, const N: usize>(vectors: &[V8<S>; N]) -> [f64; N] {
    let mut out = [0.0; N];
    for (o, v) in out.iter_mut().zip(vectors) {
        *o = v.sum();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dot<'a>(&'a [f32], &'a [f32]);

    impl WithSimd for Dot<'_> {
        type Output = f64;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let mut total = V8::splat(simd, 0.0);
            for (a, b) in self.0.chunks(LANES).zip(self.1.chunks(LANES)) {
                let (a, b) = (V8::load(simd, a), V8::load(simd, b));
                total += (a * b).max(V8::splat(simd, -1e9)) / V8::splat(simd, 3.0);
            }
            total.sum()
        }
    }

    #[test]
    fn wide_and_narrow_are_the_same_bits() {
        for n in [0, 1, 7, 8, 9, 225] {
            let a: Vec<f32> = (0..n).map(|k| (k as f32 * 0.37).sin() * 1e3).collect();
            let b: Vec<f32> = (0..n).map(|k| (k as f32 * 0.91).cos()).collect();
            let wide = run(Dot(&a, &b));
            assert_eq!(wide.to_bits(), pulp::Scalar256b.vectorize(Dot(&a, &b)).to_bits());
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a * b) / 3.0).sum();
            assert!((wide - plain).abs() < 1e-3, "{n}: {wide} {plain}");
        }
    }
}
