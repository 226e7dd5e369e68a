//! One bit a pixel, rows of 64-bit words: growing footprints by a disc is cheap on it.

use elqui_image::Span;

/// A bitmap of an image's size.
pub(crate) struct Bits {
    width: usize,
    height: usize,
    words: usize,
    data: Vec<u64>,
}

impl Bits {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let words = width.div_ceil(64);
        Self { width, height, words, data: vec![0; words * height] }
    }

    /// Set `x0 ..= x1` of row `y`, what lies outside the image being cut.
    pub(crate) fn set(&mut self, y: i32, x0: i32, x1: i32) {
        let (x0, x1) = (x0.max(0) as usize, x1.min(self.width as i32 - 1));
        if y < 0 || y as usize >= self.height || (x1 as i64) < x0 as i64 {
            return;
        }
        let x1 = x1 as usize;
        let row = &mut self.data[y as usize * self.words..(y as usize + 1) * self.words];
        let (first, last) = (x0 / 64, x1 / 64);
        let from = !0u64 << (x0 % 64);
        let to = !0u64 >> (63 - x1 % 64);
        if first == last {
            row[first] |= from & to;
        } else {
            row[first] |= from;
            row[first + 1..last].fill(!0);
            row[last] |= to;
        }
    }

    /// All runs of set bits, by y and then x.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut out = Vec::new();
        for y in 0..self.height {
            let row = &self.data[y * self.words..(y + 1) * self.words];
            let mut x = 0;
            while let Some(x0) = next(row, x, false) {
                // Past the last set bit of the row there is a clear one or the end.
                let end = next(row, x0, true).unwrap_or(self.width).min(self.width);
                out.push(Span { y: y as i32, x0: x0 as i32, x1: end as i32 - 1 });
                x = end;
                if x >= self.width {
                    break;
                }
            }
        }
        out
    }
}

/// First bit at or after `from` that is set (or clear, with `clear`).
fn next(row: &[u64], from: usize, clear: bool) -> Option<usize> {
    let flip = if clear { !0u64 } else { 0 };
    let mut k = from / 64;
    let mut word = (row.get(k)? ^ flip) & (!0u64 << (from % 64));
    while word == 0 {
        k += 1;
        word = row.get(k)? ^ flip;
    }
    Some(k * 64 + word.trailing_zeros() as usize)
}

/// The spans grown by a disc of `radius` pixels.
pub(crate) fn grow(spans: &[Span], radius: f64, width: usize, height: usize) -> Vec<Span> {
    let mut bits = Bits::new(width, height);
    let r = radius.floor() as i32;
    let chords: Vec<(i32, i32)> = (-r..=r)
        .map(|dy| (dy, (radius * radius - f64::from(dy * dy)).max(0.0).sqrt().floor() as i32))
        .collect();
    for s in spans {
        for &(dy, half) in &chords {
            bits.set(s.y + dy, s.x0 - half, s.x1 + half);
        }
    }
    bits.spans()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_come_back() {
        let mut bits = Bits::new(200, 3);
        let spans = [(0, 0, 63), (0, 65, 130), (1, 199, 199), (2, 0, 199)];
        for (y, x0, x1) in spans {
            bits.set(y, x0, x1);
        }
        let back: Vec<_> = bits.spans().iter().map(|s| (s.y, s.x0, s.x1)).collect();
        assert_eq!(back, spans);
        bits.set(-1, 0, 5);
        bits.set(1, -9, -2);
        bits.set(1, 190, 500);
        assert_eq!(bits.spans()[2], Span { y: 1, x0: 190, x1: 199 });
    }

    #[test]
    fn a_pixel_grows_to_a_disc() {
        let out = grow(&[Span { y: 5, x0: 5, x1: 5 }], 2.0, 11, 11);
        let area: i32 = out.iter().map(|s| s.x1 - s.x0 + 1).sum();
        assert_eq!(area, 13);
    }
}
