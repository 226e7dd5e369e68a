//! HEALPix cells, nested numbering (Gorski et al. 2005), by cdshealpix.

use cdshealpix::nested;
use std::ops::Range;

/// Order of the `_healpix_29` column of catalogues in HATS layout.
pub const HEALPIX29_ORDER: u8 = 29;
/// Index given to a position that is not on the sky (NaN, or a declination beyond a pole).
/// It lies above every cell.
pub const HEALPIX29_BAD: u64 = i64::MAX as u64;

/// Cell of `order` (0 to 29; above counts as 29) that holds a position (deg).
/// [`HEALPIX29_BAD`] when the position is not on the sky.
pub fn healpix_index(order: u8, ra: f64, dec: f64) -> u64 {
    if !ra.is_finite() || !(-90.0..=90.0).contains(&dec) {
        return HEALPIX29_BAD;
    }
    let lon = ra.rem_euclid(360.0).to_radians();
    nested::hash(order.min(HEALPIX29_ORDER), lon, dec.to_radians())
}

/// Cell of order 29.
pub fn healpix29(ra: f64, dec: f64) -> u64 {
    healpix_index(HEALPIX29_ORDER, ra, dec)
}

/// Order-29 cells inside a cell of `order`.
pub fn healpix29_range(order: u8, index: u64) -> Range<u64> {
    let shift = 2 * u32::from(HEALPIX29_ORDER - order.min(HEALPIX29_ORDER));
    index << shift..(index + 1) << shift
}

/// Centre of a cell, deg. NaN for an index that its order does not have.
pub fn healpix_center(order: u8, index: u64) -> (f64, f64) {
    if order > HEALPIX29_ORDER || index >= nested::n_hash(order) {
        return (f64::NAN, f64::NAN);
    }
    let (lon, lat) = nested::center(order, index);
    (lon.to_degrees(), lat.to_degrees())
}

/// South, east, north and west corner of a cell, deg; NaN as for [`healpix_center`].
pub fn healpix_vertices(order: u8, index: u64) -> [(f64, f64); 4] {
    if order > HEALPIX29_ORDER || index >= nested::n_hash(order) {
        return [(f64::NAN, f64::NAN); 4];
    }
    nested::vertices(order, index).map(|(lon, lat)| (lon.to_degrees(), lat.to_degrees()))
}

/// Side of a square of a cell's area, deg.
pub fn healpix_side_deg(order: u8) -> f64 {
    (std::f64::consts::PI / 3.0).sqrt().to_degrees() / f64::from(order).exp2()
}

/// The cells around a cell (six to eight), without the cell itself; none for an index that its
/// order does not have.
pub fn healpix_neighbours(order: u8, index: u64) -> Vec<u64> {
    if order > HEALPIX29_ORDER || index >= nested::n_hash(order) {
        return Vec::new();
    }
    let mut cells = Vec::with_capacity(8);
    nested::append_bulk_neighbours(order, index, &mut cells);
    cells.sort_unstable();
    cells
}

/// The deepest order at which a circle of a radius (deg) about any point of a cell lies in the
/// cell and its neighbours; `None` for a radius past 48 degrees.
pub fn healpix_order_of_radius(radius_deg: f64) -> Option<u8> {
    let radius = radius_deg.to_radians();
    let fits = radius.is_finite() && cdshealpix::has_best_starting_depth(radius);
    fits.then(|| cdshealpix::best_starting_depth(radius.max(0.0)))
}
