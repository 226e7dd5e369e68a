//! An integer box of pixels.

use serde::{Deserialize, Serialize};

/// Pixels `x0 <= x < x0 + width`, `y0 <= y < y0 + height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Bbox {
    pub x0: i32,
    pub y0: i32,
    pub width: usize,
    pub height: usize,
}

impl Bbox {
    pub const fn new(x0: i32, y0: i32, width: usize, height: usize) -> Self {
        Self { x0, y0, width, height }
    }

    /// From an IRAF section `[x1:x2,y1:y2]` (1-based, both ends in). A reversed range gives the
    /// same box; `None` when it is not such a text.
    pub fn from_section(text: &str) -> Option<Self> {
        let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
        let (xs, ys) = inner.split_once(',')?;
        let range = |t: &str| -> Option<(i32, usize)> {
            let (a, b) = t.split_once(':')?;
            let (a, b): (i32, i32) = (a.trim().parse().ok()?, b.trim().parse().ok()?);
            let (low, high) = (a.min(b), a.max(b));
            Some((low.checked_sub(1)?, usize::try_from(high.checked_sub(low)?).ok()? + 1))
        };
        let ((x0, width), (y0, height)) = (range(xs)?, range(ys)?);
        Some(Self { x0, y0, width, height })
    }

    /// One past the last column.
    pub const fn x1(&self) -> i32 {
        self.x0 + self.width as i32
    }
    /// One past the last row.
    pub const fn y1(&self) -> i32 {
        self.y0 + self.height as i32
    }
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }
    pub const fn contains(&self, x: i32, y: i32) -> bool {
        x >= self.x0 && x < self.x1() && y >= self.y0 && y < self.y1()
    }

    /// What both share; empty (at the larger corner) when nothing.
    pub fn intersect(&self, other: &Self) -> Self {
        let (x0, y0) = (self.x0.max(other.x0), self.y0.max(other.y0));
        let (x1, y1) = (self.x1().min(other.x1()), self.y1().min(other.y1()));
        Self { x0, y0, width: (x1 - x0).max(0) as usize, height: (y1 - y0).max(0) as usize }
    }

    pub fn grow(&self, pixels: i32) -> Self {
        Self {
            x0: self.x0 - pixels,
            y0: self.y0 - pixels,
            width: (self.width as i32 + 2 * pixels).max(0) as usize,
            height: (self.height as i32 + 2 * pixels).max(0) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections() {
        assert_eq!(Bbox::from_section("[1:966,4110:4190]"), Some(Bbox::new(0, 4109, 966, 81)));
        assert_eq!(Bbox::from_section("[522:11, 1:4]"), Some(Bbox::new(10, 0, 512, 4)));
        for bad in ["", "[1:2]", "[a:b,c:d]", "1:2,3:4", "[-2147483648:2147483647,1:2]"] {
            assert_eq!(Bbox::from_section(bad), None, "{bad}");
        }
    }
}
