//! Regions and pixelisations of the sphere: HEALPix, MOC, cones and polygons.
//!
//! HEALPix indices are nested; positions are ICRS right ascension and declination in degrees.
//! [`SkyRegion`] answers exactly whether it holds a position; [`Coverage`] is the set of HEALPix
//! cells that touch a region: complete, and a little larger than it.

mod coverage;
mod error;
mod healpix;
mod measure;
mod overlap;
mod polygon;
mod ranges;
mod region;
mod scisql;
mod test;
mod zone;

pub use coverage::Coverage;
pub use error::SphereError;
pub use healpix::{
    HEALPIX29_BAD, HEALPIX29_ORDER, healpix_center, healpix_index, healpix_neighbours,
    healpix_order_of_radius, healpix_side_deg, healpix_vertices, healpix29, healpix29_range,
};
pub use ranges::CellRange;
pub use region::{SkyRegion, bounding_circle};
pub use scisql::{in_ellipse, in_lon_lat_box};
pub use test::RegionTest;
pub use zone::{healpix_margin_ranges, zone_ranges};
