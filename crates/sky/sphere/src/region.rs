//! Regions of the sky with exact membership.
//!
//! - circle: positions within a radius of a centre, edge included
//! - box: the polygon of the corners (ra +- width / 2, dec +- height / 2), as ADQL 2.1 defines
//!   BOX: width is in degrees of right ascension, not of arc
//! - polygon: great-circle sides, either orientation, within one hemisphere; membership by the
//!   winding of the sides about the position

use crate::error::SphereError;
use elqui_base::UnitVector;
use serde::{Deserialize, Serialize};

/// A region of the sky; degrees, ICRS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkyRegion {
    Circle { ra: f64, dec: f64, radius: f64 },
    Box { ra: f64, dec: f64, width: f64, height: f64 },
    Polygon { vertices: Vec<(f64, f64)> },
}

fn checked(ra: f64, dec: f64) -> Result<UnitVector, SphereError> {
    if ra.is_finite() && (-90.0..=90.0).contains(&dec) {
        Ok(UnitVector::from_ra_dec_deg(ra, dec))
    } else {
        Err(SphereError::Position { ra, dec })
    }
}

fn size(what: &'static str, value: f64, max: f64) -> Result<(), SphereError> {
    if (0.0..=max).contains(&value) { Ok(()) } else { Err(SphereError::Size { what, value, max }) }
}

/// Direction of the mean of positions; `None` when they cancel out.
fn middle(vectors: &[UnitVector]) -> Option<UnitVector> {
    let sum: [f64; 3] = std::array::from_fn(|k| vectors.iter().map(|v| v.0[k]).sum());
    let length = (sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]).sqrt();
    (length > 1e-9).then(|| UnitVector::normalized(sum))
}

impl SkyRegion {
    /// Check positions and sizes. Regions that fail hold no position.
    pub fn check(&self) -> Result<(), SphereError> {
        match self {
            SkyRegion::Circle { ra, dec, radius } => {
                checked(*ra, *dec)?;
                size("radius", *radius, 180.0)
            }
            SkyRegion::Box { ra, dec, width, height } => {
                checked(*ra, *dec)?;
                size("width", *width, 179.0)?;
                size("height", *height, 179.0)?;
                self.polygon().map(|_| ())
            }
            SkyRegion::Polygon { .. } => self.polygon().map(|_| ()),
        }
    }

    /// Corners of a box or polygon, deg; none for a circle.
    pub fn vertices(&self) -> Vec<(f64, f64)> {
        match self {
            SkyRegion::Circle { .. } => Vec::new(),
            SkyRegion::Box { ra, dec, width, height } => {
                let (w, h) = (0.5 * width, 0.5 * height);
                let (south, north) = ((dec - h).max(-90.0), (dec + h).min(90.0));
                vec![(ra - w, south), (ra + w, south), (ra + w, north), (ra - w, north)]
            }
            SkyRegion::Polygon { vertices } => vertices.clone(),
        }
    }

    /// The sides of a box or polygon.
    pub(crate) fn polygon(&self) -> Result<SphericalPolygon, SphereError> {
        let corners = self.vertices();
        let bad = |why| SphereError::Polygon { vertices: corners.len(), why };
        if corners.len() < 3 {
            return Err(bad("at least 3 are needed"));
        }
        let vectors =
            corners.iter().map(|&(ra, dec)| checked(ra, dec)).collect::<Result<Vec<_>, _>>()?;
        let center = middle(&vectors).ok_or_else(|| bad("it is no part of one hemisphere"))?;
        if vectors.iter().any(|v| v.dot(center) <= 0.0) {
            return Err(bad("it is no part of one hemisphere"));
        }
        Ok(SphericalPolygon { vectors, center })
    }

    /// Whether a position (deg) lies in the region. False for NaN and for a region that fails
    /// [`SkyRegion::check`].
    pub fn contains(&self, ra: f64, dec: f64) -> bool {
        let Ok(p) = checked(ra, dec) else { return false };
        match self {
            SkyRegion::Circle { ra, dec, radius } => checked(*ra, *dec)
                .is_ok_and(|center| center.separation(p).deg() <= *radius && *radius <= 180.0),
            _ => self.polygon().is_ok_and(|polygon| polygon.contains(p)),
        }
    }

    /// Centre (deg) and radius (deg) of a circle that holds the region.
    pub fn bounding_circle(&self) -> Result<(f64, f64, f64), SphereError> {
        self.check()?;
        match self {
            SkyRegion::Circle { ra, dec, radius } => Ok((*ra, *dec, *radius)),
            _ => bounding_circle(&self.vertices()),
        }
    }
}

/// Corners as vectors, and a direction that all of them are within 90 degrees of.
pub(crate) struct SphericalPolygon {
    vectors: Vec<UnitVector>,
    center: UnitVector,
}

impl SphericalPolygon {
    fn sides(&self) -> impl Iterator<Item = (UnitVector, UnitVector)> {
        let v = &self.vectors;
        v.iter().enumerate().map(|(k, a)| (*a, v[(k + 1) % v.len()]))
    }

    /// By the sum of the turns in azimuth of the sides as seen from `p`: one whole turn inside,
    /// none outside. A position on a corner counts as inside.
    pub fn contains(&self, p: UnitVector) -> bool {
        // The antipode sees the same turns.
        if p.dot(self.center) <= 0.0 {
            return false;
        }
        let mut turn = 0.0;
        for (a, b) in self.sides() {
            if a.separation(p).rad() < 1e-15 {
                return true;
            }
            let sin = p.dot(UnitVector(a.cross(b)));
            let cos = a.dot(b) - p.dot(a) * p.dot(b);
            turn += sin.atan2(cos);
        }
        turn.abs() > std::f64::consts::PI
    }

    /// Distance of a position from the nearest side.
    pub fn rim_distance_rad(&self, p: UnitVector) -> f64 {
        self.sides().map(|(a, b)| side_distance_rad(a, b, p)).fold(f64::INFINITY, f64::min)
    }
}

fn side_distance_rad(a: UnitVector, b: UnitVector, p: UnitVector) -> f64 {
    let pole = a.cross(b);
    let length = (pole[0] * pole[0] + pole[1] * pole[1] + pole[2] * pole[2]).sqrt();
    let ends = a.separation(p).rad().min(b.separation(p).rad());
    if length < 1e-15 {
        return ends;
    }
    let pole = UnitVector(pole.map(|v| v / length));
    let beside = UnitVector(pole.cross(a)).dot(p) >= 0.0 && UnitVector(pole.cross(b)).dot(p) <= 0.0;
    if beside { pole.dot(p).clamp(-1.0, 1.0).asin().abs() } else { ends }
}

/// Centre (deg) and radius (deg) of a circle that holds positions such as a detector's four
/// corners, and all between them. The middle of the corners is its centre; it is not the
/// smallest circle.
pub fn bounding_circle(corners: &[(f64, f64)]) -> Result<(f64, f64, f64), SphereError> {
    let vectors =
        corners.iter().map(|&(ra, dec)| checked(ra, dec)).collect::<Result<Vec<_>, _>>()?;
    let bad = |why| SphereError::Polygon { vertices: corners.len(), why };
    let center = middle(&vectors).ok_or_else(|| bad("no circle of one hemisphere holds it"))?;
    let radius = vectors.iter().map(|v| v.separation(center).deg()).fold(0.0, f64::max);
    if radius >= 90.0 {
        return Err(bad("no circle of one hemisphere holds it"));
    }
    let (ra, dec) = center.to_ra_dec_deg();
    Ok((ra, dec, radius))
}
