//! Regions of the sky with exact membership.
//!
//! - circle: positions within a radius of a centre, edge included, by [`distance_deg`]
//! - box: the polygon of the corners (ra +- width / 2, dec +- height / 2), as ADQL 2.1 defines
//!   BOX: width is in degrees of right ascension, not of arc
//! - polygon: great-circle sides, either orientation, within one hemisphere; membership by the
//!   winding of the sides about the position

use crate::error::SphereError;
use crate::polygon::{SphericalPolygon, middle};
use elqui_base::{UnitVector, distance_deg};
use serde::{Deserialize, Serialize};

/// A region of the sky; degrees, ICRS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkyRegion {
    Circle { ra: f64, dec: f64, radius: f64 },
    Box { ra: f64, dec: f64, width: f64, height: f64 },
    Polygon { vertices: Vec<(f64, f64)> },
}

pub(crate) fn checked(ra: f64, dec: f64) -> Result<UnitVector, SphereError> {
    if ra.is_finite() && (-90.0..=90.0).contains(&dec) {
        Ok(UnitVector::from_ra_dec_deg(ra, dec))
    } else {
        Err(SphereError::Position { ra, dec })
    }
}

fn size(what: &'static str, value: f64, max: f64) -> Result<(), SphereError> {
    if (0.0..=max).contains(&value) { Ok(()) } else { Err(SphereError::Size { what, value, max }) }
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
        SphericalPolygon::new(vectors).ok_or_else(|| bad("it is no part of one hemisphere"))
    }

    /// Whether a position (deg) lies in the region. False for NaN and for a region that fails
    /// [`SkyRegion::check`]. For many positions, [`SkyRegion::prepare`] answers faster.
    pub fn contains(&self, ra: f64, dec: f64) -> bool {
        let Ok(p) = checked(ra, dec) else { return false };
        match self {
            SkyRegion::Circle { ra: center_ra, dec: center_dec, radius } => {
                checked(*center_ra, *center_dec).is_ok()
                    && *radius <= 180.0
                    && distance_deg(*center_ra, *center_dec, ra, dec) <= *radius
            }
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
