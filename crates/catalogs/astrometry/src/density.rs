//! How crowded the reference is, place by place.
//!
//! - input: stars on a plane; the side of a cell, in the plane's units
//! - output: stars a unit of area, averaged over 3 x 3 cells
//! - why: a catalogue may cover a part of the region that is searched, and a mean over all of the region would make
//!   chance matches look like true ones where the stars are

use crate::pattern::Point;

pub struct DensityMap {
    origin: Point,
    cell: f64,
    size: [usize; 2],
    /// Stars in each block of 3 x 3 cells, by its middle cell.
    blocks: Vec<u32>,
}

/// Cells a side, at most.
const CELLS_MAX: f64 = 600.0;

impl DensityMap {
    pub fn new(points: &[Point], cell: f64) -> Self {
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        let finite = |p: &&Point| p[0].is_finite() && p[1].is_finite();
        for p in points.iter().filter(finite) {
            for k in 0..2 {
                (low[k], high[k]) = (low[k].min(p[k]), high[k].max(p[k]));
            }
        }
        if low[0] > high[0] {
            (low, high) = ([0.0; 2], [0.0; 2]);
        }
        let widest = (high[0] - low[0]).max(high[1] - low[1]);
        let cell = cell.max(widest / CELLS_MAX).max(f64::MIN_POSITIVE);
        // An empty cell all around.
        let origin = [low[0] - cell, low[1] - cell];
        let size = [0, 1].map(|k| ((high[k] - low[k]) / cell) as usize + 3);
        let mut map = Self { origin, cell, size, blocks: vec![0; size[0] * size[1]] };
        for p in points.iter().filter(finite) {
            let Some([i, j]) = map.cell_of(*p) else { continue };
            for row in j.saturating_sub(1)..(j + 2).min(size[1]) {
                for column in i.saturating_sub(1)..(i + 2).min(size[0]) {
                    map.blocks[row * size[0] + column] += 1;
                }
            }
        }
        map
    }

    fn cell_of(&self, p: Point) -> Option<[usize; 2]> {
        let f = [0, 1].map(|k| (p[k] - self.origin[k]) / self.cell);
        let inside = (0..2).all(|k| f[k] >= 0.0 && f[k] < self.size[k] as f64);
        inside.then(|| f.map(|v| v as usize))
    }

    /// Zero where there is nothing at all.
    pub fn at(&self, p: Point) -> f64 {
        self.cell_of(p).map_or(0.0, |[i, j]| {
            f64::from(self.blocks[j * self.size[0] + i]) / (9.0 * self.cell * self.cell)
        })
    }

    /// Mean over places.
    pub fn mean(&self, places: impl Iterator<Item = Point>) -> f64 {
        let (sum, count) = places.fold((0.0, 0.0), |(s, n), p| (s + self.at(p), n + 1.0));
        if count > 0.0 { sum / count } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_as_crowded_as_it_is() {
        let patch: Vec<Point> =
            (0..400).map(|k| [f64::from(k % 20) * 0.5, f64::from(k / 20) * 0.5]).collect();
        let map = DensityMap::new(&patch, 2.0);
        assert!((map.at([5.0, 5.0]) - 4.0).abs() < 0.3, "{}", map.at([5.0, 5.0]));
        assert_eq!(map.at([100.0, 5.0]), 0.0);
        assert_eq!(DensityMap::new(&[], 1.0).at([0.0, 0.0]), 0.0);
        assert_eq!(DensityMap::new(&[[f64::NAN; 2]], 1.0).at([0.0, 0.0]), 0.0);
    }
}
