//! A pair of polynomials in two variables, evaluated together by Horner's rule.
//!
//! Coefficients lie in the order of use: powers of u from the highest down, and within each the
//! powers of v from the highest down, up to a total degree.

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PolyPair {
    degree: usize,
    coefficients: Vec<[f64; 2]>,
}

/// Value, derivative by u, derivative by v; two of each.
pub(crate) type PairGradient = ([f64; 2], [f64; 2], [f64; 2]);

impl PolyPair {
    /// From terms `((power of u, power of v), coefficient)`; equal powers add up.
    pub fn new(degree: usize, terms: [&[((usize, usize), f64)]; 2]) -> Self {
        let mut coefficients = Vec::with_capacity((degree + 1) * (degree + 2) / 2);
        for i in (0..=degree).rev() {
            for j in (0..=degree - i).rev() {
                let c = terms.map(|t| t.iter().filter(|x| x.0 == (i, j)).map(|x| x.1).sum());
                coefficients.push(c);
            }
        }
        Self { degree, coefficients }
    }

    #[inline]
    pub fn eval(&self, u: f64, v: f64) -> [f64; 2] {
        let mut rest = &self.coefficients[..];
        let mut p = [0.0; 2];
        for length in 1..=self.degree + 1 {
            let (row, tail) = rest.split_at(length);
            rest = tail;
            let mut r = [0.0; 2];
            for c in row {
                r = [r[0] * v + c[0], r[1] * v + c[1]];
            }
            p = [p[0] * u + r[0], p[1] * u + r[1]];
        }
        p
    }

    #[inline]
    pub fn eval_with_gradient(&self, u: f64, v: f64) -> PairGradient {
        let mut rest = &self.coefficients[..];
        let (mut p, mut pu, mut pv) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        for length in 1..=self.degree + 1 {
            let (row, tail) = rest.split_at(length);
            rest = tail;
            let (mut r, mut rv) = ([0.0; 2], [0.0; 2]);
            for c in row {
                rv = [rv[0] * v + r[0], rv[1] * v + r[1]];
                r = [r[0] * v + c[0], r[1] * v + c[1]];
            }
            pu = [pu[0] * u + p[0], pu[1] * u + p[1]];
            p = [p[0] * u + r[0], p[1] * u + r[1]];
            pv = [pv[0] * u + rv[0], pv[1] * u + rv[1]];
        }
        (p, pu, pv)
    }
}
