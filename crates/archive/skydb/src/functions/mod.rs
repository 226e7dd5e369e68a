//! Functions that the sky adds to SQL. Angles in degrees, ICRS; fluxes in nJy; magnitudes AB.
//!
//! A value of type POINT is a struct `{ra, dec}`; other shapes are texts in STC-S. NULL in, NULL out.

mod geometry;
mod histogram;
mod ivoa;
mod photometry;
mod regions;
mod sky_function;

pub use geometry::{NEAR, bounding_circles};
pub use regions::{IN_REGION, region_ranges, zone_ranges};
pub use sky_function::point_type;

use datafusion::prelude::SessionContext;

/// Teach a session all of them.
pub fn register(context: &SessionContext) {
    for f in geometry::all()
        .into_iter()
        .chain(regions::all())
        .chain(photometry::all())
        .chain(ivoa::all())
    {
        context.register_udf(f);
    }
    context.register_udaf(histogram::function());
}
