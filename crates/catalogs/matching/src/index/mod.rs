//! An index over sky positions for joins of millions of rows.
//!
//! - input: positions and radii in degrees; rows whose position is not on the sky match nothing
//! - output: pairs of rows, by probe row, then index row: the same on any number of threads
//! - a pair is decided by [`elqui_base::distance_deg`] to the last bit; cheaper tests decide only what lies
//!   farther from the edge than their error
//! - memory: 28 bytes a row (8 more where a right ascension lies outside `[0, 360)`)
//! - source: zones of declination sorted by right ascension (Gray, Nieto-Santisteban & Szalay 2006,
//!   arXiv:cs/0701171), zones taller than the radius, and bins in place of the search in a zone

mod build;
mod probe;

use elqui_base::{Cap, CapRadius};
use rayon::prelude::*;

/// Index over positions. Rows are those of the input; at most `u32::MAX - 1` of them.
pub struct SkyIndex {
    /// Declination of the lower edge of the first zone, deg.
    south: f64,
    zones_per_deg: f64,
    zones: Vec<Zone>,
    /// First entry of each bin of all zones, and the end of the last one.
    starts: Vec<u32>,
    /// By zone, right ascension, row.
    entries: Vec<Entry>,
    /// Right ascensions as given, by row; empty where all lie in `[0, 360)`.
    given: Vec<f64>,
}

/// A strip of declination; its bins divide the right ascensions that it has.
#[derive(Debug, Clone, Copy)]
struct Zone {
    west: f64,
    east: f64,
    bins_per_deg: f64,
    first_bin: u32,
    bins: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    ra: f64,
    dec: f64,
    row: u32,
}

/// Probe rows of one task: enough to keep tasks cheap, few enough to share the work.
const CHUNK: usize = 16_384;

impl SkyIndex {
    /// An index that is fastest for radii near `radius_max_deg`; any radius may be asked.
    /// The shorter of the two slices decides the number of rows.
    pub fn new(ra: &[f64], dec: &[f64], radius_max_deg: f64) -> Self {
        build::build(ra, dec, radius_max_deg)
    }

    /// How many rows have a position.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that it holds.
    pub fn memory_bytes(&self) -> usize {
        std::mem::size_of_val(&self.zones[..])
            + std::mem::size_of_val(&self.starts[..])
            + std::mem::size_of_val(&self.entries[..])
            + std::mem::size_of_val(&self.given[..])
    }

    /// Call `f(row, separation in deg)` for every row within the radius, in no particular order.
    /// `inclusive`: a row at exactly the radius counts.
    #[inline]
    pub fn within(
        &self,
        ra: f64,
        dec: f64,
        radius_deg: f64,
        inclusive: bool,
        f: &mut impl FnMut(u32, f64),
    ) {
        if let Some(cap) = Cap::new(ra, dec, &CapRadius::new(radius_deg, inclusive)) {
            self.visit(&cap, &mut |entry, _| {
                let separation = self.separation(&cap, entry);
                if cap.holds(separation) {
                    f(entry.row, separation);
                }
            });
        }
    }

    /// The nearest row within the radius, and its separation in deg; the lower row on a tie.
    #[inline]
    pub fn nearest(
        &self,
        ra: f64,
        dec: f64,
        radius_deg: f64,
        inclusive: bool,
    ) -> Option<(u32, f64)> {
        self.nearest_of(&Cap::new(ra, dec, &CapRadius::new(radius_deg, inclusive))?)
    }

    fn nearest_of(&self, cap: &Cap) -> Option<(u32, f64)> {
        let mut best: Option<(u32, f64)> = None;
        self.visit(cap, &mut |entry, _| {
            let s = self.separation(cap, entry);
            let nearer = best.is_none_or(|b| s < b.1 || (s == b.1 && entry.row < b.0));
            if nearer && cap.holds(s) {
                best = Some((entry.row, s));
            }
        });
        best
    }

    /// All pairs within one radius: rows of the probes and rows of the index.
    pub fn pairs(
        &self,
        ra: &[f64],
        dec: &[f64],
        radius_deg: f64,
        inclusive: bool,
    ) -> (Vec<u32>, Vec<u32>) {
        let edge = CapRadius::new(radius_deg, inclusive);
        self.join(ra, dec, |_, ra, dec, out| {
            if let Some(cap) = Cap::new(ra, dec, &edge) {
                self.rows(&cap, out);
            }
        })
    }

    /// All pairs, with a radius for each probe; one that is NaN or negative matches nothing.
    /// The shortest slice decides the number of probes.
    pub fn pairs_each(
        &self,
        ra: &[f64],
        dec: &[f64],
        radius_deg: &[f64],
        inclusive: bool,
    ) -> (Vec<u32>, Vec<u32>) {
        let n = radius_deg.len().min(ra.len());
        self.join(&ra[..n], dec, |k, ra, dec, out| {
            let edge = CapRadius::new(radius_deg[k], inclusive);
            if let Some(cap) = Cap::new(ra, dec, &edge) {
                self.rows(&cap, out);
            }
        })
    }

    /// For every probe its nearest row within the radius: probe rows, index rows, separations (deg).
    pub fn nearest_pairs(
        &self,
        ra: &[f64],
        dec: &[f64],
        radius_deg: f64,
        inclusive: bool,
    ) -> (Vec<u32>, Vec<u32>, Vec<f64>) {
        let edge = CapRadius::new(radius_deg, inclusive);
        let found: Vec<Vec<(u32, u32, f64)>> = chunks(ra, dec)
            .map(|(first, ra, dec)| {
                let near = |(k, (&ra, &dec)): (usize, (&f64, &f64))| {
                    let (row, s) = self.nearest_of(&Cap::new(ra, dec, &edge)?)?;
                    Some(((first + k) as u32, row, s))
                };
                ra.iter().zip(dec).enumerate().filter_map(near).collect()
            })
            .collect();
        let all = || found.iter().flatten();
        (all().map(|f| f.0).collect(), all().map(|f| f.1).collect(), all().map(|f| f.2).collect())
    }

    /// Rows of one probe, rising.
    fn rows(&self, cap: &Cap, out: &mut Vec<u32>) {
        let before = out.len();
        self.visit(cap, &mut |entry, sure| {
            if sure || cap.holds(self.separation(cap, entry)) {
                out.push(entry.row);
            }
        });
        out[before..].sort_unstable();
    }

    fn join(
        &self,
        ra: &[f64],
        dec: &[f64],
        probe: impl Fn(usize, f64, f64, &mut Vec<u32>) + Sync,
    ) -> (Vec<u32>, Vec<u32>) {
        let parts: Vec<(Vec<u32>, Vec<u32>)> = chunks(ra, dec)
            .map(|(first, ra, dec)| {
                let (mut left, mut right) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
                for (k, (&ra, &dec)) in ra.iter().zip(dec).enumerate() {
                    probe(first + k, ra, dec, &mut right);
                    left.resize(right.len(), (first + k) as u32);
                }
                (left, right)
            })
            .collect();
        let total = parts.iter().map(|p| p.0.len()).sum();
        let (mut left, mut right) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for (a, b) in parts {
            left.extend_from_slice(&a);
            right.extend_from_slice(&b);
        }
        (left, right)
    }

    fn separation(&self, cap: &Cap, entry: &Entry) -> f64 {
        let ra = self.given.get(entry.row as usize).copied().unwrap_or(entry.ra);
        cap.distance(ra, entry.dec)
    }
}

/// The probes in parts, each with the row of its first.
fn chunks<'a>(
    ra: &'a [f64],
    dec: &'a [f64],
) -> impl IndexedParallelIterator<Item = (usize, &'a [f64], &'a [f64])> {
    let n = ra.len().min(dec.len());
    let parts = ra[..n].par_chunks(CHUNK).zip(dec[..n].par_chunks(CHUNK));
    parts.enumerate().map(|(k, (ra, dec))| (k * CHUNK, ra, dec))
}
