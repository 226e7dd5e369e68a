//! Constant regions: membership of positions, and the cells that a region touches.

use super::sky_function::{function, numbers, texts};
use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use elqui_adql::{Shape, stc_s};
use elqui_sphere::{Coverage, RegionTest, SkyRegion};
use std::ops::Range;
use std::sync::Arc;

/// `adql_in_region(ra, dec, 'CIRCLE ...', inclusive)`: what the language makes of CONTAINS and its kin.
pub const IN_REGION: &str = "adql_in_region";

/// Ranges that a region is cut into at most.
const RANGES_MAX: usize = 64;

pub fn all() -> Vec<ScalarUDF> {
    vec![function(IN_REGION, DataType::Boolean, in_region)]
}

fn in_region(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [ra, dec, region, inclusive] = args else {
        return exec_err!("{IN_REGION} takes ra, dec, region, inclusive");
    };
    let (ra, dec) = (numbers(ra)?, numbers(dec)?);
    let (regions, inclusive) = (texts(region)?, inclusive.as_boolean());
    let mut out = vec![false; ra.len()];
    // The region is a constant: rows of one text are one run.
    let mut start = 0;
    while start < ra.len() {
        let (text, edge) = (regions.value(start), inclusive.value(start));
        let mut end = start + 1;
        while end < ra.len() && inclusive.value(end) == edge && regions.value(end) == text {
            end += 1;
        }
        let test = match stc_s(text) {
            Ok(shape) => region_test(&shape, edge),
            Err(why) => return exec_err!("`{text}` is no region: {why}"),
        };
        test.contains_many(&ra[start..end], &dec[start..end], &mut out[start..end]);
        start = end;
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

pub fn region_test(shape: &Shape, inclusive: bool) -> RegionTest {
    match shape {
        Shape::Point { ra, dec } => {
            SkyRegion::Circle { ra: *ra, dec: *dec, radius: 0.0 }.prepare(true)
        }
        Shape::Region(region) => region.prepare(inclusive),
        Shape::Moc(moc) => moc.prepare(),
    }
}

/// Ranges of order-29 cells outside of which no position of the region lies.
pub fn region_ranges(text: &str) -> Option<Vec<Range<u64>>> {
    let region = match stc_s(text).ok()? {
        Shape::Point { ra, dec } => SkyRegion::Circle { ra, dec, radius: 0.0 },
        Shape::Region(region) => region,
        Shape::Moc(moc) => return Some(moc.ranges29()),
    };
    let found = Coverage::ranges_for(&region, RANGES_MAX).ok()?;
    Some(found.into_iter().map(|r| r.cells).collect())
}

/// Ranges of the cells between two parallels (deg), and between two meridians where given.
pub fn zone_ranges(ra: Option<(f64, f64)>, dec: (f64, f64)) -> Vec<Range<u64>> {
    elqui_sphere::zone_ranges(ra, dec, RANGES_MAX)
}
