//! The HEALPix cells that touch a region, as a multi-order coverage map (IVOA MOC 2.0).
//!
//! A coverage is complete: every position of the region is in it. Cells at the rim reach beyond
//! the region, by up to a cell's diagonal.
//! - differs from cdshealpix for polygons: its exact solution fails assertions for vertices at
//!   multiples of 90 degrees of right ascension, so cells are divided here by their distance

use crate::error::SphereError;
use crate::healpix::{HEALPIX29_ORDER, healpix29};
use crate::region::{SkyRegion, SphericalPolygon};
use cdshealpix::nested;
use elqui_base::UnitVector;
use moc::deser::ascii::from_ascii_ivoa;
use moc::moc::range::{CellSelection, RangeMOC};
use moc::moc::{CellOrCellRangeMOCIntoIterator, CellOrCellRangeMOCIterator, RangeMOCIterator};
use moc::qty::Hpx;
use std::ops::Range;

type Moc = RangeMOC<u64, Hpx<u64>>;

/// A set of cells of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage(Moc);

impl Coverage {
    /// Cells of `order` that touch a region.
    pub fn of(region: &SkyRegion, order: u8) -> Result<Self, SphereError> {
        check_order(order)?;
        region.check()?;
        Ok(Self(match region {
            SkyRegion::Circle { ra, dec, radius } => {
                let lon = ra.rem_euclid(360.0).to_radians();
                let (lat, radius) = (dec.to_radians(), radius.to_radians());
                // Two orders deeper inside: fewer cells at the rim that only nearly touch.
                Moc::from_cone(lon, lat, radius, order, 2, CellSelection::All)
            }
            _ => polygon_cells(region, order)?,
        }))
    }

    /// Cells of `order` by their indices, in any order.
    pub fn from_cells(order: u8, cells: &[u64]) -> Result<Self, SphereError> {
        check_order(order)?;
        let known = cells.iter().copied().filter(|&c| c < 12 << (2 * order));
        Ok(Self(Moc::from_fixed_depth_cells(order, known, None)))
    }

    pub fn empty(order: u8) -> Result<Self, SphereError> {
        check_order(order)?;
        Ok(Self(Moc::new_empty(order)))
    }

    /// The ASCII serialisation of the MOC standard, e.g. `1/0-3 2/20`.
    pub fn from_ascii(text: &str) -> Result<Self, SphereError> {
        let cells = from_ascii_ivoa::<u64, Hpx<u64>>(text)
            .map_err(|e| SphereError::MocText { why: e.to_string() })?;
        Ok(Self(cells.into_cellcellrange_moc_iter().ranges().into_range_moc()))
    }

    pub fn to_ascii(&self) -> Result<String, SphereError> {
        self.0.to_ascii().map_err(|e| SphereError::MocText { why: e.to_string() })
    }

    pub fn order(&self) -> u8 {
        self.0.depth_max()
    }

    /// Cells of its order, rising.
    pub fn cells(&self) -> Vec<u64> {
        let shift = 2 * u32::from(HEALPIX29_ORDER - self.order());
        self.ranges29().into_iter().flat_map(|r| r.start >> shift..r.end >> shift).collect()
    }

    /// Disjoint ranges of order-29 cells, rising: what a catalogue sorted by `_healpix_29` is cut by.
    pub fn ranges29(&self) -> Vec<Range<u64>> {
        self.0.moc_ranges().iter().cloned().collect()
    }

    pub fn contains(&self, ra: f64, dec: f64) -> bool {
        self.0.contains_val(&healpix29(ra, dec))
    }

    /// Part of the whole sky, 0 to 1.
    pub fn sky_fraction(&self) -> f64 {
        self.0.coverage_percentage()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0))
    }

    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0))
    }
}

fn check_order(order: u8) -> Result<(), SphereError> {
    if order > HEALPIX29_ORDER { Err(SphereError::Order { order }) } else { Ok(()) }
}

/// How many orders below the wanted one the cells at a rim are judged at.
const EXTRA_ORDERS: u8 = 2;

/// Cells that touch a polygon, by dividing those whose circumscribed circle does.
fn polygon_cells(region: &SkyRegion, order: u8) -> Result<Moc, SphereError> {
    let polygon = region.polygon()?;
    let deepest = (order + EXTRA_ORDERS).min(HEALPIX29_ORDER);
    let mut found = Vec::new();
    for base in 0..12 {
        divide(&polygon, 0, base, deepest, &mut found);
    }
    Ok(Moc::from_cells(deepest, found.into_iter(), None).degraded(order))
}

fn divide(polygon: &SphericalPolygon, order: u8, cell: u64, last: u8, out: &mut Vec<(u8, u64)>) {
    let vector =
        |(lon, lat): (f64, f64)| UnitVector::from_ra_dec_deg(lon.to_degrees(), lat.to_degrees());
    let center = vector(nested::center(order, cell));
    let corner = |v| vector(v).separation(center).rad();
    // Sides are curved: a margin over the farthest corner.
    let radius = 1.05 * nested::vertices(order, cell).map(corner).into_iter().fold(0.0, f64::max);
    let rim = polygon.rim_distance_rad(center);
    let inside = polygon.contains(center);
    if rim > radius && !inside {
        return;
    }
    if order == last || (rim > radius && inside) {
        out.push((order, cell));
    } else {
        for child in 4 * cell..4 * cell + 4 {
            divide(polygon, order + 1, child, last, out);
        }
    }
}
