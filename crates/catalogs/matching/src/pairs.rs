//! Pairs of positions that lie together.
//!
//! - input: two lists of positions (degrees, or pixels), a radius
//! - output: pairs of indices, ordered by `a`
//! - every sort of pairing is deterministic: ties go to the lower index

use crate::tree::{PlaneTree, SkyTree};

/// A list of sky positions, degrees. The two slices are of one length.
#[derive(Debug, Clone, Copy)]
pub struct PointView<'a> {
    pub ra: &'a [f64],
    pub dec: &'a [f64],
}

/// `a` and `b` lie together. In pixels `separation_arcsec` is the distance in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    pub a: usize,
    pub b: usize,
    pub separation_arcsec: f64,
}

/// For every `a` its nearest `b` within the radius. One `b` may serve several `a`.
pub fn match_sky(a: PointView<'_>, b: PointView<'_>, radius_arcsec: f64) -> Vec<Match> {
    let tree = SkyTree::new(b.ra, b.dec);
    (0..a.ra.len().min(a.dec.len()))
        .filter_map(|row| {
            let (other, separation) = tree.nearest(a.ra[row], a.dec[row], radius_arcsec)?;
            Some(Match { a: row, b: other, separation_arcsec: separation })
        })
        .collect()
}

/// One to one: for every `a` its nearest `b`, given only to the nearest of the `a` that want it.
/// Pairs that are each other's nearest are always among them.
pub fn match_sky_symmetric(a: PointView<'_>, b: PointView<'_>, radius_arcsec: f64) -> Vec<Match> {
    one_to_one(match_sky(a, b, radius_arcsec), b.ra.len())
}

/// Every pair within the radius, by `a`, nearest first.
pub fn match_sky_all(a: PointView<'_>, b: PointView<'_>, radius_arcsec: f64) -> Vec<Match> {
    let tree = SkyTree::new(b.ra, b.dec);
    (0..a.ra.len().min(a.dec.len()))
        .flat_map(|row| {
            tree.within(a.ra[row], a.dec[row], radius_arcsec)
                .into_iter()
                .map(move |(other, s)| Match { a: row, b: other, separation_arcsec: s })
        })
        .collect()
}

/// As [`match_sky_symmetric`], for pixel positions and a radius in pixels.
pub fn match_plane(a: &[[f64; 2]], b: &[[f64; 2]], radius: f64) -> Vec<Match> {
    let tree_b = PlaneTree::new(b);
    let nearest: Vec<Match> = a
        .iter()
        .enumerate()
        .filter_map(|(row, p)| {
            let (other, distance) = tree_b.nearest(p[0], p[1], radius)?;
            Some(Match { a: row, b: other, separation_arcsec: distance })
        })
        .collect();
    one_to_one(nearest, b.len())
}

/// Of several `a` with the same nearest `b`, keep the nearest to it (the lower index on a tie).
fn one_to_one(matches: Vec<Match>, b_len: usize) -> Vec<Match> {
    let mut best: Vec<Option<usize>> = vec![None; b_len];
    for (k, m) in matches.iter().enumerate() {
        let slot = &mut best[m.b];
        if slot.is_none_or(|other| m.separation_arcsec < matches[other].separation_arcsec) {
            *slot = Some(k);
        }
    }
    matches.iter().enumerate().filter(|(k, m)| best[m.b] == Some(*k)).map(|(_, m)| *m).collect()
}
