//! The HEALPix cells that touch a region, as a multi-order coverage map (IVOA MOC 2.0).
//!
//! A coverage is complete: every position of the region is in it. Cells at the rim reach beyond
//! the region, by up to a cell's diagonal.
//! - differs from cdshealpix, whose cones lack cells where they hold a pole (0.10.1: 0.24 deg about
//!   dec 89.82 at order 12), and whose exact polygons fail assertions for vertices at multiples of
//!   90 degrees of right ascension: cells are divided here by their distance

use crate::error::SphereError;
use crate::healpix::{HEALPIX29_ORDER, healpix29};
use crate::ranges::{self, CellRange, Judge, Verdict};
use crate::region::SkyRegion;
use moc::deser::ascii::from_ascii_ivoa;
use moc::moc::range::RangeMOC;
use moc::moc::{CellOrCellRangeMOCIntoIterator, CellOrCellRangeMOCIterator, RangeMOCIterator};
use moc::qty::Hpx;
use std::ops::Range;

type Moc = RangeMOC<u64, Hpx<u64>>;

/// A set of cells of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage(pub(crate) Moc);

impl Coverage {
    /// Cells of `order` that touch a region.
    pub fn of(region: &SkyRegion, order: u8) -> Result<Self, SphereError> {
        check_order(order)?;
        region.check()?;
        let judge = Judge::of(region)?;
        let deepest = (order + EXTRA_ORDERS).min(HEALPIX29_ORDER);
        let (first_order, first) = judge.first_cells(deepest);
        let mut found = Vec::new();
        for cell in first {
            divide(&judge, first_order, cell, deepest, &mut found);
        }
        Ok(Self(Moc::from_cells(deepest, found.into_iter(), None).degraded(order)))
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

    /// Ranges of order-29 cells that hold every position of a region, at most `ranges_max` of them
    /// (12 where that is less), each with whether it lies wholly inside. Fine at the rim of a small
    /// region, coarse at that of a large one; a cone takes tens of microseconds.
    pub fn ranges_for(
        region: &SkyRegion,
        ranges_max: usize,
    ) -> Result<Vec<CellRange>, SphereError> {
        ranges::ranges_for(region, ranges_max)
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

    /// All the cells of its order that it does not have.
    pub fn complement(&self) -> Self {
        Self(self.0.not())
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

fn divide(judge: &Judge, order: u8, cell: u64, last: u8, out: &mut Vec<(u8, u64)>) {
    match judge.at(order).verdict(order, cell) {
        Verdict::Outside => {}
        Verdict::Rim if order < last => {
            for child in 4 * cell..4 * cell + 4 {
                divide(judge, order + 1, child, last, out);
            }
        }
        Verdict::Rim | Verdict::Inside => out.push((order, cell)),
    }
}
