//! A stamp moved by any amount, with its derivatives: eight-point Lagrange interpolation along each axis.
//!
//! For a PSF of FWHM 2.5 pixels and more it is good to a few thousandths of the peak: enough to decide by,
//! not to measure with.

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
        out.padded.resize(own + 2 * TAPS, 0.0);
        for j in 0..own {
            out.padded[TAPS..TAPS + own].copy_from_slice(&self.values[j * own..(j + 1) * own]);
            let targets = rows[j * side..(j + 1) * side].iter_mut().zip(&mut slopes[j * side..]);
            for (i, (row, slope)) in targets.enumerate().take(columns.end).skip(columns.start) {
                let from = (fx + i as i64 + TAPS as i64) as usize;
                let Some(taps) = out.padded.get(from..from + TAPS) else { continue };
                let (mut v, mut s) = (0.0, 0.0);
                for k in 0..TAPS {
                    v += wx[k] * taps[k];
                    s += dx[k] * taps[k];
                }
                (*row, *slope) = (v, s);
            }
        }
        for buffer in [&mut out.value, &mut out.by_x, &mut out.by_y] {
            buffer.clear();
            buffer.resize(side * side, 0.0);
        }
        for y in range(fy, side) {
            for k in 0..TAPS {
                let Ok(j) = usize::try_from(fy + y as i64 + k as i64) else { continue };
                if j >= own {
                    continue;
                }
                let row = &rows[j * side..(j + 1) * side];
                let slope = &slopes[j * side..(j + 1) * side];
                let at = y * side..(y + 1) * side;
                let targets = out.value[at.clone()].iter_mut().zip(&mut out.by_y[at.clone()]);
                for ((v, g), r) in targets.zip(row) {
                    *v += wy[k] * r;
                    *g += dy[k] * r;
                }
                for (g, s) in out.by_x[at].iter_mut().zip(slope) {
                    *g += wy[k] * s;
                }
            }
        }
    }
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
