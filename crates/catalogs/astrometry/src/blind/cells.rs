//! The sky in cells of nearly one area, and the brightest stars of each.
//!
//! - input: directions, brightest first; the side of a cell, radians
//! - output: for a circle, the listed stars of all cells that it touches
//! - differs from HEALPix: bands of declination of one height, each cut into near-squares. Any side is
//!   possible (HEALPix halves it each time) and the cells of a band are one run of numbers

use rayon::prelude::*;
use std::f64::consts::{FRAC_PI_2, PI, TAU};

#[derive(Debug, Clone, PartialEq)]
pub struct Bands {
    height: f64,
    /// Number of each band's first cell, and the number of all cells.
    firsts: Vec<u32>,
}

/// Cells are counted in 32 bits.
pub const SIDE_MIN_RAD: f64 = 1e-4;

impl Bands {
    pub fn new(side: f64) -> Self {
        let count = (PI / side.max(SIDE_MIN_RAD)).ceil().max(1.0) as usize;
        let height = PI / count as f64;
        let mut firsts = vec![0u32];
        for b in 0..count {
            let dec = -FRAC_PI_2 + (b as f64 + 0.5) * height;
            let n = (TAU * dec.cos() / height).round().max(1.0) as u32;
            firsts.push(firsts[b] + n);
        }
        Self { height, firsts }
    }

    fn count(&self) -> usize {
        self.firsts.len() - 1
    }

    fn band(&self, dec: f64) -> usize {
        (((dec + FRAC_PI_2) / self.height).max(0.0) as usize).min(self.count() - 1)
    }

    fn cells_in(&self, band: usize) -> u32 {
        self.firsts[band + 1] - self.firsts[band]
    }

    /// Cell of a direction.
    pub fn cell(&self, v: &[f64; 3]) -> u32 {
        let band = self.band(v[2].atan2(v[0].hypot(v[1])));
        let n = self.cells_in(band);
        let k = (v[1].atan2(v[0]).rem_euclid(TAU) / TAU * f64::from(n)) as u32;
        self.firsts[band] + k.min(n - 1)
    }

    /// Its middle, as a direction.
    pub fn middle(&self, cell: u32) -> [f64; 3] {
        let band = self.firsts.partition_point(|&f| f <= cell) - 1;
        let dec = -FRAC_PI_2 + (band as f64 + 0.5) * self.height;
        let ra = TAU * (f64::from(cell - self.firsts[band]) + 0.5) / f64::from(self.cells_in(band));
        [dec.cos() * ra.cos(), dec.cos() * ra.sin(), dec.sin()]
    }

    /// Runs of cells (first, last) that hold the circle's part of each band.
    fn runs(&self, center: &[f64; 3], radius: f64, mut visit: impl FnMut(usize, u32, u32)) {
        let dec = center[2].atan2(center[0].hypot(center[1]));
        let ra = center[1].atan2(center[0]).rem_euclid(TAU);
        let (low, high) = (self.band(dec - radius), self.band(dec + radius));
        let reach = radius.sin() / dec.cos();
        let around = dec.abs() + radius >= FRAC_PI_2 || reach.is_nan() || reach >= 1.0;
        let half = if around { PI } else { reach.asin() };
        for band in low..=high {
            let (first, n) = (self.firsts[band], self.cells_in(band));
            let per = f64::from(n) / TAU;
            let (a, b) = (((ra - half) * per).floor() as i64, ((ra + half) * per).floor() as i64);
            let n = i64::from(n);
            if b - a + 1 >= n {
                visit(band, first, first + (n - 1) as u32);
                continue;
            }
            let (a, b) = (a.rem_euclid(n) as u32, b.rem_euclid(n) as u32);
            if a <= b {
                visit(band, first + a, first + b);
            } else {
                visit(band, first + a, first + (n - 1) as u32);
                visit(band, first, first + b);
            }
        }
    }
}

/// The brightest stars of each cell, by cell.
#[derive(Debug, Clone, PartialEq)]
pub struct CellList {
    pub side: f64,
    pub bands: Bands,
    /// Stars a steradian, where there are any.
    pub density: f64,
    cells: Vec<u32>,
    /// Rows of the stars; within a cell brightest first.
    rows: Vec<u32>,
    /// Where each band begins in `rows`.
    starts: Vec<u32>,
}

impl CellList {
    /// Of `rows` (numbers of directions, lower is brighter) the first `per_cell` of each cell.
    pub fn new(directions: &[[f64; 3]], rows: &[u32], side: f64, per_cell: usize) -> Self {
        let bands = Bands::new(side);
        let mut keys: Vec<u64> = rows
            .iter()
            .map(|&r| (u64::from(bands.cell(&directions[r as usize])) << 32) | u64::from(r))
            .collect();
        keys.par_sort_unstable();
        let (mut last, mut held) = (u64::MAX, 0);
        keys.retain(|key| {
            held = if key >> 32 == last { held + 1 } else { 1 };
            last = key >> 32;
            held <= per_cell
        });
        let cells = keys.iter().map(|k| (k >> 32) as u32).collect();
        Self::indexed(side, bands, cells, keys.iter().map(|&k| k as u32).collect())
    }

    /// From what [`CellList::cells`] and [`CellList::rows`] gave; `None` where they are out of order.
    pub fn from_sorted(cells: Vec<u32>, rows: Vec<u32>, side: f64) -> Option<Self> {
        let bands = Bands::new(side);
        let fits = cells.is_sorted() && cells.len() == rows.len();
        fits.then(|| Self::indexed(side, bands, cells, rows))
    }

    fn indexed(side: f64, bands: Bands, cells: Vec<u32>, rows: Vec<u32>) -> Self {
        let occupied = cells.chunk_by(|a, b| a == b).count();
        let density = rows.len() as f64 / (occupied.max(1) as f64 * side * side);
        let starts =
            bands.firsts.iter().map(|&f| cells.partition_point(|&c| c < f) as u32).collect();
        Self { side, bands, density, cells, rows, starts }
    }

    /// Cell of each of the rows.
    pub fn cells(&self) -> &[u32] {
        &self.cells
    }

    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The cells that hold a star.
    pub fn occupied(&self) -> Vec<u32> {
        let mut out = self.cells.clone();
        out.dedup();
        out
    }

    /// Every listed star of the cells that the circle touches.
    pub fn around(&self, center: &[f64; 3], radius: f64, mut visit: impl FnMut(u32)) {
        self.bands.runs(center, radius, |band, first, last| {
            let (from, to) = (self.starts[band] as usize, self.starts[band + 1] as usize);
            let cells = &self.cells[from..to];
            let (a, b) =
                (cells.partition_point(|&c| c < first), cells.partition_point(|&c| c <= last));
            self.rows[from + a..from + b].iter().for_each(|&r| visit(r));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elqui_base::UnitVector;

    #[test]
    fn a_circle_finds_all_that_lies_in_it() {
        let golden = |k: u32| {
            let z = 1.0 - 2.0 * (f64::from(k) + 0.5) / 4000.0;
            let (s, c) = (2.399_963 * f64::from(k)).sin_cos();
            let r = (1.0 - z * z).sqrt();
            [r * c, r * s, z]
        };
        let all: Vec<[f64; 3]> = (0..4000).map(golden).collect();
        let rows: Vec<u32> = (0..4000).collect();
        let list = CellList::new(&all, &rows, 0.05, usize::MAX);
        for (ra, dec) in [(0.0, 0.0), (359.9, 40.0), (120.0, 89.9), (10.0, -90.0), (200.0, -70.0)] {
            let center = UnitVector::from_ra_dec_deg(ra, dec);
            for radius in [0.01, 0.2, 1.0] {
                let mut found = Vec::new();
                list.around(&center.0, radius, |r| found.push(r));
                found.sort_unstable();
                let before = found.len();
                found.dedup();
                assert_eq!(before, found.len(), "twice");
                for (k, v) in all.iter().enumerate() {
                    if UnitVector(*v).separation(center).rad() < radius {
                        assert!(found.binary_search(&(k as u32)).is_ok(), "{ra} {dec} {radius}");
                    }
                }
            }
        }
        let again =
            CellList::from_sorted(list.cells().to_vec(), list.rows().to_vec(), 0.05).unwrap();
        assert_eq!(again, list);
        for cell in list.occupied() {
            assert_eq!(list.bands.cell(&list.bands.middle(cell)), cell);
        }
    }
}
