//! Polygons of great-circle sides within one hemisphere.
//!
//! - membership: the winding of the sides about a position is not zero; a corner is inside
//! - all products are of differences of nearby vectors, so polygons of milliarcseconds are as exact
//!   as large ones

use elqui_base::UnitVector;

pub(crate) type Vector = [f64; 3];

pub(crate) fn minus(a: UnitVector, b: UnitVector) -> Vector {
    std::array::from_fn(|k| a.0[k] - b.0[k])
}

pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Direction of the mean of positions; `None` when they cancel out.
pub(crate) fn middle(vectors: &[UnitVector]) -> Option<UnitVector> {
    let sum: Vector = std::array::from_fn(|k| vectors.iter().map(|v| v.0[k]).sum());
    (dot(sum, sum).sqrt() > 1e-9).then(|| UnitVector::normalized(sum))
}

/// Corners as vectors, and a direction that all of them are within 90 degrees of.
#[derive(Debug, Clone)]
pub(crate) struct SphericalPolygon {
    pub vectors: Vec<UnitVector>,
    pub center: UnitVector,
}

impl SphericalPolygon {
    /// `None` where the corners are no part of the hemisphere about their middle.
    pub fn new(vectors: Vec<UnitVector>) -> Option<Self> {
        let center = middle(&vectors)?;
        let held = vectors.iter().all(|v| v.dot(center) > 0.0);
        held.then_some(Self { vectors, center })
    }

    pub fn sides(&self) -> impl Iterator<Item = (UnitVector, UnitVector)> {
        let v = &self.vectors;
        v.iter().enumerate().map(|(k, a)| (*a, v[(k + 1) % v.len()]))
    }

    /// By the sum of the turns in azimuth of the sides as seen from `p`: whole turns inside, none
    /// outside. A position on a corner counts as inside.
    pub fn contains(&self, p: UnitVector) -> bool {
        // The antipode sees the same turns.
        if p.dot(self.center) <= 0.0 {
            return false;
        }
        let mut turns = 0.0;
        for (a, b) in self.sides() {
            let (to_a, to_b) = (minus(a, p), minus(b, p));
            if dot(to_a, to_a) < 1e-30 {
                return true;
            }
            let sin = dot(p.0, cross(to_a, to_b));
            let cos = dot(to_a, to_b) - dot(p.0, to_a) * dot(p.0, to_b);
            turns += sin.atan2(cos);
        }
        turns.abs() > std::f64::consts::PI
    }

    /// Distance of a position from the nearest side.
    pub fn rim_distance_rad(&self, p: UnitVector) -> f64 {
        self.sides().map(|(a, b)| side_distance_rad(a, b, p)).fold(f64::INFINITY, f64::min)
    }
}

/// Distance of a position from an arc shorter than half a circle.
pub(crate) fn side_distance_rad(a: UnitVector, b: UnitVector, p: UnitVector) -> f64 {
    let pole = cross(a.0, minus(b, a));
    let length = dot(pole, pole).sqrt();
    let ends = a.separation(p).rad().min(b.separation(p).rad());
    if length < 1e-15 {
        return ends;
    }
    let pole = pole.map(|v| v / length);
    let along = |v: UnitVector| dot(cross(pole, v.0), minus(p, v));
    let beside = along(a) >= 0.0 && along(b) <= 0.0;
    if beside { dot(pole, minus(p, a)).clamp(-1.0, 1.0).asin().abs() } else { ends }
}
