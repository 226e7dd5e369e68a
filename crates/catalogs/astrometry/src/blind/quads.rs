//! Four stars and the shape of their figure.
//!
//! - input: points on a plane, brightest first
//! - output: quads; A and B are the two that lie widest apart, C and D lie in the circle whose diameter
//!   is AB. The code is the places of C and D on axes with A at (0, 0) and B at (1, 0): the same under shift,
//!   rotation and scale. Of its four ways to be written the one with cx + dx <= 1 and cx <= dx is taken
//! - source: Lang et al. 2010, AJ 139, 1782, section 2.1 (doi:10.1088/0004-6256/139/5/1782)
//! - differs from the paper: B at (1, 0) instead of (1, 1), so that a mirrored figure only changes the signs of
//!   the second and fourth number

use crate::pattern::{Point, length};
use std::ops::ControlFlow;

pub type Code = [f32; 4];

/// The same figure seen in a mirror.
pub fn mirrored(code: Code) -> Code {
    [code[0], -code[1], code[2], -code[3]]
}

/// Place of `p` on the axes of A and B.
fn on_axes(a: Point, b: Point, p: Point) -> [f64; 2] {
    let (u, v) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let norm = u[0] * u[0] + u[1] * u[1];
    [(v[0] * u[0] + v[1] * u[1]) / norm, (v[1] * u[0] - v[0] * u[1]) / norm]
}

fn in_circle(p: [f64; 2]) -> bool {
    (p[0] - 0.5).powi(2) + p[1] * p[1] <= 0.25
}

/// A, B, C, D and the code, written in the one way.
fn canonical(mut ab: [usize; 2], mut c: Inner, mut d: Inner) -> ([usize; 4], Code) {
    if c.at[0] + d.at[0] > 1.0 {
        ab.swap(0, 1);
        for p in [&mut c, &mut d] {
            p.at = [1.0 - p.at[0], -p.at[1]];
        }
    }
    if c.at[0] > d.at[0] {
        std::mem::swap(&mut c, &mut d);
    }
    let code = [c.at[0], c.at[1], d.at[0], d.at[1]].map(|v| v as f32);
    ([ab[0], ab[1], c.point, d.point], code)
}

#[derive(Clone, Copy)]
struct Inner {
    point: usize,
    at: [f64; 2],
}

/// Makes every quad once, those of the brightest points first.
pub struct QuadMaker<'a> {
    points: &'a [Point],
    pairs: Vec<(usize, usize, Vec<Inner>)>,
}

impl<'a> QuadMaker<'a> {
    pub fn new(points: &'a [Point]) -> Self {
        Self { points, pairs: Vec::new() }
    }

    /// All quads whose faintest point is `newest`; to be called for 0, 1, 2, ... in turn.
    /// `usable` says of two points whether they may be A and B.
    pub fn with_newest(
        &mut self,
        newest: usize,
        usable: impl Fn(Point, Point) -> bool,
        mut visit: impl FnMut([usize; 4], Code) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (points, p) = (self.points, self.points[newest]);
        for (a, b, inner) in &mut self.pairs {
            let new = Inner { point: newest, at: on_axes(points[*a], points[*b], p) };
            if !in_circle(new.at) {
                continue;
            }
            for other in inner.iter() {
                let (stars, code) = canonical([*a, *b], *other, new);
                visit(stars, code)?;
            }
            inner.push(new);
        }
        for a in 0..newest {
            if !usable(points[a], p) || length(points[a], p) == 0.0 {
                continue;
            }
            let inner: Vec<Inner> = (0..newest)
                .filter(|&c| c != a)
                .map(|c| Inner { point: c, at: on_axes(points[a], p, points[c]) })
                .filter(|c| in_circle(c.at))
                .collect();
            for (k, d) in inner.iter().enumerate() {
                for c in &inner[..k] {
                    let (stars, code) = canonical([a, newest], *c, *d);
                    visit(stars, code)?;
                }
            }
            self.pairs.push((a, newest, inner));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(points: &[Point]) -> Vec<([usize; 4], Code)> {
        let (mut maker, mut out) = (QuadMaker::new(points), Vec::new());
        for n in 0..points.len() {
            let _ = maker.with_newest(
                n,
                |_, _| true,
                |s, c| {
                    out.push((s, c));
                    ControlFlow::Continue(())
                },
            );
        }
        out
    }

    #[test]
    fn the_code_stays_under_shift_rotation_and_scale() {
        let points: Vec<Point> = (0..9)
            .map(|k| [(f64::from(k) * 1.7).sin() * 50.0, (f64::from(k) * 2.9).cos() * 70.0])
            .collect();
        let turned: Vec<Point> = points
            .iter()
            .map(|p| [3.0 - 0.6 * p[0] + 0.8 * p[1], 7.0 - 0.8 * p[0] - 0.6 * p[1]])
            .collect();
        let flipped: Vec<Point> = points.iter().map(|p| [-2.0 * p[0], 2.0 * p[1]]).collect();
        let (a, b, c) = (all(&points), all(&turned), all(&flipped));
        assert!(a.len() > 20 && a.len() == b.len() && a.len() == c.len());
        let close = |x: Code, y: Code| x.iter().zip(y).all(|(u, v)| (u - v).abs() < 1e-5);
        for ((p, q), r) in a.iter().zip(&b).zip(&c) {
            assert!(p.0 == q.0 && close(p.1, q.1));
            assert!(p.0 == r.0 && close(p.1, mirrored(r.1)));
            assert!(p.1[0] + p.1[2] <= 1.0 + 1e-6 && p.1[0] <= p.1[2]);
        }
        let mut sets: Vec<[usize; 4]> = a
            .iter()
            .map(|q| {
                let mut s = q.0;
                s.sort_unstable();
                s
            })
            .collect();
        sets.sort_unstable();
        sets.dedup();
        assert_eq!(sets.len(), a.len(), "every quad once");
    }
}
