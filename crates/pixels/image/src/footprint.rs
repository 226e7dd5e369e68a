//! Footprints: which pixels a detection covers, and its peaks.

use crate::bbox::Bbox;
use serde::{Deserialize, Serialize};

/// A run of pixels of one row: `x0 <= x <= x1` (both in).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub y: i32,
    pub x0: i32,
    pub x1: i32,
}

/// A local maximum inside a footprint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Position, pixels, refined below a pixel where possible.
    pub x: f32,
    pub y: f32,
    /// Signal-to-noise ratio in the detection image.
    pub snr: f32,
}

/// Connected pixels above the threshold. Spans are sorted by y, then x; peaks brightest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Footprint {
    pub spans: Vec<Span>,
    pub peaks: Vec<Peak>,
}

impl Footprint {
    pub fn area(&self) -> usize {
        self.spans.iter().map(|s| (s.x1 - s.x0 + 1) as usize).sum()
    }

    pub fn bbox(&self) -> Bbox {
        let Some(first) = self.spans.first() else { return Bbox::default() };
        let (mut x0, mut x1, mut y0, mut y1) = (first.x0, first.x1, first.y, first.y);
        for s in &self.spans {
            (x0, x1) = (x0.min(s.x0), x1.max(s.x1));
            (y0, y1) = (y0.min(s.y), y1.max(s.y));
        }
        Bbox::new(x0, y0, (x1 - x0 + 1) as usize, (y1 - y0 + 1) as usize)
    }

    pub fn contains(&self, x: i32, y: i32) -> bool {
        let from = self.spans.partition_point(|s| s.y < y);
        self.spans[from..].iter().take_while(|s| s.y == y).any(|s| s.x0 <= x && x <= s.x1)
    }
}
