//! A stamp moved by any amount, with its derivatives: eight-point Lagrange interpolation along each axis.
//!
//! For a PSF of FWHM 2.5 pixels and more it is good to a few thousandths of the peak: enough to decide by,
//! not to measure with.

use elqui_image::vectors::{LANES, Simd, V8, WithSimd, run};

const TAPS: usize = 8;

/// A square stamp of half-width `half` about its centre.
#[derive(Debug, Clone, Default)]
pub struct Stamp {
    pub half: usize,
    pub values: Vec<f32>,
}

/// A drawn stamp and its derivatives by its own x and y.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    pub value: Vec<f32>,
    pub by_x: Vec<f32>,
    pub by_y: Vec<f32>,
    /// Rows filtered along x: values and slopes.
    along: [Vec<f32>; 2],
    padded: Vec<f32>,
}

/// For a centre at `at` of a window: stamp index of the first tap of pixel 0, weights, slopes.
fn taps(at: f64, half: usize) -> (i64, [f32; TAPS], [f32; TAPS]) {
    let place = half as f64 - at;
    let whole = place.floor();
    let t = place - whole;
    let node = |k: usize| k as f64 - 3.0;
    let (mut w, mut d) = ([0.0f32; TAPS], [0.0f32; TAPS]);
    for k in 0..TAPS {
        let scale: f64 = (0..TAPS).filter(|j| *j != k).map(|j| node(k) - node(j)).product();
        let value: f64 = (0..TAPS).filter(|j| *j != k).map(|j| t - node(j)).product();
        let slope: f64 = (0..TAPS)
            .filter(|m| *m != k)
            .map(|m| (0..TAPS).filter(|j| *j != k && *j != m).map(|j| t - node(j)).product::<f64>())
            .sum();
        w[k] = (value / scale) as f32;
        // The stamp's place runs against the centre's.
        d[k] = (-slope / scale) as f32;
    }
    (whole as i64 - 3, w, d)
}

impl Stamp {
    /// Draw it centred at `at` of a square window of `side` pixels; nothing beyond the stamp.
    pub fn draw(&self, at: (f64, f64), side: usize, out: &mut Drawn) {
        let own = 2 * self.half + 1;
        let (fx, wx, dx) = taps(at.0.clamp(-1e4, 1e4), self.half);
        let (fy, wy, dy) = taps(at.1.clamp(-1e4, 1e4), self.half);
        let [rows, slopes] = &mut out.along;
        for buffer in [&mut *rows, &mut *slopes] {
            buffer.clear();
            buffer.resize(own * side, 0.0);
        }
        // Pixels whose taps touch the stamp.
        let range = |first: i64, n: usize| {
            let low = (1 - first - TAPS as i64).clamp(0, n as i64);
            let high = (own as i64 - first).clamp(low, n as i64);
            low as usize..high as usize
        };
        let columns = range(fx, side);
        // Zeros to both sides of a row, so that all taps exist.
        out.padded.clear();
        out.padded.resize(own + 2 * TAPS + LANES, 0.0);
        for buffer in [&mut out.value, &mut out.by_x, &mut out.by_y] {
            buffer.clear();
            buffer.resize(side * side, 0.0);
        }
        let lines = range(fy, side);
        let from = if columns.is_empty() { 0 } else { fx + (columns.start + TAPS) as i64 } as usize;
        let shape = Frame { own, side, columns, lines, from, first_row: fy };
        run(Draw { values: &self.values, shape, x: (&wx, &dx), y: (&wy, &dy), out });
    }
}

/// Which pixels of the window the stamp reaches, and its rows' first taps.
struct Frame {
    own: usize,
    side: usize,
    columns: std::ops::Range<usize>,
    lines: std::ops::Range<usize>,
    from: usize,
    first_row: i64,
}

/// The kernel of [`Stamp::draw`]: weights and slopes of the taps along both axes.
struct Draw<'a> {
    values: &'a [f32],
    shape: Frame,
    x: (&'a [f32; TAPS], &'a [f32; TAPS]),
    y: (&'a [f32; TAPS], &'a [f32; TAPS]),
    out: &'a mut Drawn,
}

impl WithSimd for Draw<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Frame { own, side, columns, lines, from, first_row } = self.shape;
        let Drawn { value, by_x, by_y, along: [rows, slopes], padded } = self.out;
        let (wx, dx) = (splats(simd, self.x.0), splats(simd, self.x.1));
        for j in 0..own {
            padded[TAPS..TAPS + own].copy_from_slice(&self.values[j * own..(j + 1) * own]);
            let at = j * side + columns.start..j * side + columns.end;
            let (row, slope) = (&mut rows[at.clone()], &mut slopes[at]);
            for i in (0..row.len()).step_by(LANES) {
                let (mut v, mut s) = (V8::splat(simd, 0.0), V8::splat(simd, 0.0));
                for k in 0..TAPS {
                    let tap = V8::load(simd, &padded[from + i + k..]);
                    v += wx[k] * tap;
                    s += dx[k] * tap;
                }
                v.store(&mut row[i..]);
                s.store(&mut slope[i..]);
            }
        }
        let (wy, dy) = (splats(simd, self.y.0), splats(simd, self.y.1));
        for y in lines {
            // Rows of the stamp that the taps touch.
            let first = first_row + y as i64;
            let low = (-first).clamp(0, TAPS as i64) as usize;
            let high = (own as i64 - first).clamp(low as i64, TAPS as i64) as usize;
            for i in (0..side).step_by(LANES) {
                let zero = V8::splat(simd, 0.0);
                let (mut v, mut gx, mut gy) = (zero, zero, zero);
                for k in low..high {
                    let line = (first + k as i64) as usize * side;
                    let row = V8::load(simd, &rows[line + i..line + side]);
                    v += wy[k] * row;
                    gy += dy[k] * row;
                    gx += wy[k] * V8::load(simd, &slopes[line + i..line + side]);
                }
                let at = y * side + i..(y + 1) * side;
                v.store(&mut value[at.clone()]);
                gx.store(&mut by_x[at.clone()]);
                gy.store(&mut by_y[at]);
            }
        }
    }
}

#[inline(always)]
fn splats<S: Simd>(simd: S, weights: &[f32; TAPS]) -> [V8<S>; TAPS] {
    let mut out = [V8::splat(simd, 0.0); TAPS];
    for (o, w) in out.iter_mut().zip(weights) {
        *o = V8::splat(simd, *w);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gaussian_moves() {
        let g = |x: f64, y: f64| (-0.5 * (x * x + y * y) / 2.9).exp() as f32;
        let half = 10;
        let values =
            (0..21 * 21).map(|k| g((k % 21) as f64 - 10.0, (k / 21) as f64 - 10.0)).collect();
        let stamp = Stamp { half, values };
        let mut d = Drawn::default();
        for at in [(7.0, 7.0), (6.3, 8.9), (3.5, 11.2), (-2.0, 5.0)] {
            stamp.draw(at, 15, &mut d);
            for k in 0..225 {
                let (x, y) = ((k % 15) as f64 - at.0, (k / 15) as f64 - at.1);
                if x.abs() < 9.0 && y.abs() < 9.0 {
                    assert!((d.value[k] - g(x, y)).abs() < 3e-3, "{at:?} {k}");
                    let slope = (x / 2.9) as f32 * g(x, y);
                    assert!((d.by_x[k] - slope).abs() < 1e-2, "{at:?} {k}");
                }
            }
        }
        stamp.draw((1e9, f64::NAN), 15, &mut d);
        assert!(d.value.iter().all(|v| v.is_finite() || v.is_nan()));
    }
}
