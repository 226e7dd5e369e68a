//! How a [`SkyIndex`] is made: a counting sort into bins, then a sort inside each bin.
//!
//! - zones are as tall as leaves few neighbours in a window, at most [`ZONE_RADII`] radii: taller
//!   ones mean fewer probes that look into two, lower ones fewer rows in a crowded window
//! - each thread takes a stripe of zones, so no two write to one place

use super::{Entry, SkyIndex, Zone};
use elqui_base::turn_deg;
use rayon::prelude::*;

/// Height of a zone in radii, at most.
const ZONE_RADII: f64 = 16.0;
/// Rows in a zone, at least on average.
const ROWS_PER_ZONE: f64 = 16.0;
/// Rows that make a second thread worth its start.
const ROWS_PER_THREAD: usize = 32_768;
/// No zone: the position is none.
const NOWHERE: u32 = u32::MAX;

/// What is known of a zone after the first pass.
#[derive(Debug, Clone, Copy)]
struct Span {
    rows: u32,
    west: f64,
    east: f64,
}

impl Span {
    const EMPTY: Self = Self { rows: 0, west: f64::INFINITY, east: f64::NEG_INFINITY };

    fn join(&mut self, other: &Self) {
        self.rows += other.rows;
        self.west = self.west.min(other.west);
        self.east = self.east.max(other.east);
    }
}

impl Zone {
    /// Bin of a right ascension, among those of all zones. Monotonic, so that no entry between two
    /// right ascensions lies outside their bins.
    #[inline]
    pub(super) fn bin(&self, ra: f64) -> usize {
        let k = ((ra - self.west) * self.bins_per_deg) as usize;
        self.first_bin as usize + k.min(self.bins as usize - 1)
    }
}

fn on_sky(ra: f64, dec: f64) -> bool {
    ra.is_finite() && dec.abs() <= 90.0
}

pub(super) fn build(ra: &[f64], dec: &[f64], radius_max: f64) -> SkyIndex {
    let n = ra.len().min(dec.len());
    assert!(n < NOWHERE as usize, "an index holds at most {} rows", NOWHERE - 1);
    let (ra, dec) = (&ra[..n], &dec[..n]);
    let threads = rayon::current_num_threads().min(n / ROWS_PER_THREAD + 1);
    let part = n.div_ceil(threads).max(1);
    let parts = || ra.par_chunks(part).zip(dec.par_chunks(part));

    // Extent, and whether right ascensions have to be turned.
    let extents: Vec<(f64, f64, bool)> = parts()
        .map(|(ra, dec)| {
            let (mut south, mut north, mut turned) = (f64::INFINITY, f64::NEG_INFINITY, false);
            for (&a, &d) in ra.iter().zip(dec).filter(|(a, d)| on_sky(**a, **d)) {
                south = south.min(d);
                north = north.max(d);
                turned |= !(0.0..360.0).contains(&a);
            }
            (south, north, turned)
        })
        .collect();
    let south = extents.iter().map(|e| e.0).fold(f64::INFINITY, f64::min);
    let north = extents.iter().map(|e| e.1).fold(f64::NEG_INFINITY, f64::max);
    let given = if extents.iter().any(|e| e.2) { ra.to_vec() } else { Vec::new() };
    if south > north {
        return SkyIndex {
            south: 0.0,
            zones_per_deg: 0.0,
            zones: Vec::new(),
            starts: vec![0],
            entries: Vec::new(),
            given,
        };
    }

    // The zones.
    let radius = if radius_max > 0.0 { radius_max.min(180.0) } else { 0.0 };
    let height = (ZONE_RADII * radius).max((north - south) * ROWS_PER_ZONE / n as f64).max(1e-9);
    let zones_per_deg = 1.0 / height;
    let count = ((north - south) * zones_per_deg) as usize + 1;
    let zone_of = |d: f64| ((d - south) * zones_per_deg) as usize;
    let spans = parts()
        .map(|(ra, dec)| {
            let mut spans = vec![Span::EMPTY; count];
            for (&a, &d) in ra.iter().zip(dec).filter(|(a, d)| on_sky(**a, **d)) {
                let a = turn_deg(a);
                spans[zone_of(d)].join(&Span { rows: 1, west: a, east: a });
            }
            spans
        })
        .reduce_with(|mut left, right| {
            left.iter_mut().zip(&right).for_each(|(l, r)| l.join(r));
            left
        })
        .unwrap_or_default();
    let mut next_bin = 0;
    let zones: Vec<Zone> = spans
        .iter()
        .map(|s| {
            let bins = s.rows.max(1);
            let width = s.east - s.west;
            let bins_per_deg = if width > 0.0 { f64::from(bins) / width } else { 0.0 };
            let zone = Zone { west: s.west, east: s.east, bins_per_deg, first_bin: next_bin, bins };
            next_bin += bins;
            zone
        })
        .collect();

    // Bin of each row.
    let mut bin_of = vec![NOWHERE; n];
    bin_of.par_chunks_mut(part).zip(parts()).for_each(|(bins, (ra, dec))| {
        for ((bin, &a), &d) in bins.iter_mut().zip(ra).zip(dec) {
            if on_sky(a, d) {
                *bin = zones[zone_of(d)].bin(turn_deg(a)) as u32;
            }
        }
    });

    // The sort, a stripe of zones for each thread.
    let rows: usize = spans.iter().map(|s| s.rows as usize).sum();
    let mut starts = vec![0; next_bin as usize + 1];
    let mut entries = vec![Entry::default(); rows];
    let mut stripes = Vec::new();
    let (mut starts_left, mut entries_left) = (&mut starts[..next_bin as usize], &mut entries[..]);
    let (mut zone, mut first_bin, mut first_entry) = (0, 0, 0);
    for k in 1..=threads {
        let (mut bins, mut held) = (0, 0);
        while zone < count && (k == threads || first_entry + held < rows * k / threads) {
            bins += zones[zone].bins as usize;
            held += spans[zone].rows as usize;
            zone += 1;
        }
        let (s, rest) = starts_left.split_at_mut(bins);
        starts_left = rest;
        let (e, rest) = entries_left.split_at_mut(held);
        entries_left = rest;
        stripes.push((first_bin as u32, first_entry as u32, s, e));
        first_bin += bins;
        first_entry += held;
    }
    stripes.into_par_iter().for_each(|(first_bin, first_entry, starts, entries)| {
        sort_stripe(&bin_of, ra, dec, first_bin, first_entry, starts, entries);
    });
    starts[next_bin as usize] = rows as u32;
    SkyIndex { south, zones_per_deg, zones, starts, entries, given }
}

fn sort_stripe(
    bin_of: &[u32],
    ra: &[f64],
    dec: &[f64],
    first_bin: u32,
    first_entry: u32,
    starts: &mut [u32],
    entries: &mut [Entry],
) {
    // Bins below the stripe wrap around to large numbers.
    for bin in bin_of {
        if let Some(count) = starts.get_mut(bin.wrapping_sub(first_bin) as usize) {
            *count += 1;
        }
    }
    let mut end = first_entry;
    for start in starts.iter_mut() {
        end += *start;
        *start = end;
    }
    // From the last row to the first: each bin's end moves down to its start.
    for (row, bin) in bin_of.iter().enumerate().rev() {
        if let Some(start) = starts.get_mut(bin.wrapping_sub(first_bin) as usize) {
            *start -= 1;
            entries[(*start - first_entry) as usize] =
                Entry { ra: turn_deg(ra[row]), dec: dec[row], row: row as u32 };
        }
    }
    for k in 0..starts.len() {
        let from = (starts[k] - first_entry) as usize;
        let to = starts.get(k + 1).map_or(entries.len(), |s| (*s - first_entry) as usize);
        if to - from > 1 {
            entries[from..to]
                .sort_unstable_by(|a, b| a.ra.total_cmp(&b.ra).then(a.row.cmp(&b.row)));
        }
    }
}
