//! A k-d tree over points in K dimensions, and its two uses: the sky and the plane.
//!
//! - input: points; those with a coordinate that is not finite are left out
//! - output: indices into the input and distances in the units of the input
//! - source: kiddo's immutable tree (Bentley 1975)
//! - differs from kiddo: any number of equal points is fine, ties go to the lowest index where
//!   all within a radius are asked for, an empty tree has no neighbours

use elqui_base::{ARCSEC_PER_RAD, UnitVector};
use kiddo::{ImmutableKdTree, SquaredEuclidean};

/// A k-d tree of points that remembers their places in the input.
pub struct KdTree<const K: usize> {
    tree: Option<ImmutableKdTree<f64, K>>,
    /// Place in the input of each point of the tree.
    rows: Vec<usize>,
}

impl<const K: usize> KdTree<K> {
    pub fn new(points: &[[f64; K]]) -> Self {
        let rows: Vec<usize> =
            (0..points.len()).filter(|&r| points[r].iter().all(|v| v.is_finite())).collect();
        let kept: Vec<[f64; K]> = rows.iter().map(|&r| points[r]).collect();
        let tree = if kept.is_empty() { None } else { ImmutableKdTree::new_from_slice(&kept).ok() };
        Self { tree, rows }
    }

    /// How many points the tree holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The nearest point and its distance.
    pub fn nearest(&self, point: &[f64; K]) -> Option<(usize, f64)> {
        let tree = self.tree.as_ref().filter(|_| point.iter().all(|v| v.is_finite()))?;
        let found = tree.query(point).nearest_one::<SquaredEuclidean<f64>>().execute();
        Some((self.rows[found.item as usize], found.distance.sqrt()))
    }

    /// All points within `radius` (inclusive), nearest first, ties by index.
    pub fn within(&self, point: &[f64; K], radius: f64) -> Vec<(usize, f64)> {
        let Some(tree) = &self.tree else { return Vec::new() };
        if !(point.iter().all(|v| v.is_finite()) && radius >= 0.0) {
            return Vec::new();
        }
        let found = tree.query(point).within::<SquaredEuclidean<f64>>(radius * radius).execute();
        let mut out: Vec<(usize, f64)> =
            found.iter().map(|f| (self.rows[f.item as usize], f.distance.sqrt())).collect();
        out.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        out
    }
}

/// Neighbours on a plane (pixels, or any flat units).
pub struct PlaneTree(KdTree<2>);

impl PlaneTree {
    pub fn new(points: &[[f64; 2]]) -> Self {
        Self(KdTree::new(points))
    }

    pub fn nearest(&self, x: f64, y: f64, radius: f64) -> Option<(usize, f64)> {
        self.0.nearest(&[x, y]).filter(|f| f.1 <= radius)
    }

    pub fn within(&self, x: f64, y: f64, radius: f64) -> Vec<(usize, f64)> {
        self.0.within(&[x, y], radius)
    }
}

/// Neighbours on the sky. Distances are angles in arcseconds.
pub struct SkyTree(KdTree<3>);

impl SkyTree {
    /// From right ascensions and declinations in degrees.
    pub fn new(ra: &[f64], dec: &[f64]) -> Self {
        let points: Vec<[f64; 3]> = ra.iter().zip(dec).map(|(&a, &d)| direction(a, d)).collect();
        Self(KdTree::new(&points))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn nearest(&self, ra: f64, dec: f64, radius_arcsec: f64) -> Option<(usize, f64)> {
        let (row, chord) = self.0.nearest(&direction(ra, dec))?;
        Some((row, chord_to_arcsec(chord))).filter(|f| f.1 <= radius_arcsec)
    }

    /// All within the radius, nearest first.
    pub fn within(&self, ra: f64, dec: f64, radius_arcsec: f64) -> Vec<(usize, f64)> {
        // A little slack on the chord; the angle decides.
        let radius = radius_arcsec.min(180.0 * 3600.0);
        let chord = arcsec_to_chord(radius) * (1.0 + 1e-12) + 1e-15;
        let mut found = self.0.within(&direction(ra, dec), chord);
        found.iter_mut().for_each(|f| f.1 = chord_to_arcsec(f.1));
        found.retain(|f| f.1 <= radius_arcsec);
        found
    }
}

/// A unit vector; NaN for a position that is none (declination beyond the pole).
fn direction(ra: f64, dec: f64) -> [f64; 3] {
    if !(ra.is_finite() && dec.abs() <= 90.0) {
        return [f64::NAN; 3];
    }
    UnitVector::from_ra_dec_deg(ra, dec).0
}

fn arcsec_to_chord(arcsec: f64) -> f64 {
    2.0 * (0.5 * arcsec / ARCSEC_PER_RAD).sin()
}

fn chord_to_arcsec(chord: f64) -> f64 {
    2.0 * (0.5 * chord).min(1.0).asin() * ARCSEC_PER_RAD
}
