//! World coordinates: pixels to sky and back, with distortion.
//!
//! [`Wcs`] is one image's map between 0-based pixels ((0, 0) is the centre of the first pixel) and
//! ICRS right ascension and declination in degrees. Headers are read through [`CardLookup`] and
//! written as [`CardValue`] cards, so this crate knows no FITS library.
//!
//! Sources: Greisen & Calabretta 2002 (doi:10.1051/0004-6361:20021326), Calabretta & Greisen 2002
//! (doi:10.1051/0004-6361:20021327), Calabretta & Roukema 2007 (HPX), Shupe et al. 2005 (SIP), and
//! the registered TPV convention.
//!
//! # Where a map is undefined or singular
//! `pixel_to_sky` gives NaN, and `sky_to_pixel` gives `None`, outside a projection's domain:
//! - TAN, TPV: directions 90 degrees or more from the reference point have no pixel.
//! - SIN: pixels beyond the limb (R > 1) are undefined; at the limb the sky moves infinitely fast
//!   with the pixel, so positions within about 1e-3 of it lose digits.
//! - ARC (R = 180 degrees), ZEA (R = 2), STG: the antipode of the reference point is one whole
//!   circle of pixels (STG: lies at infinity).
//! - CAR: |phi| > 180 or |theta| > 90 degrees is undefined; the poles are whole rows of pixels.
//! - AIT, MOL: pixels outside the ellipse are undefined; the meridian phi = +-180 has two images,
//!   and at MOL's poles and AIT's whole rim pixels lose digits.
//! - HPX: pixels outside the polar diamonds are undefined; the seams between diamonds have two
//!   images; the poles have H images.
//! - SIP, TPV and pixel polynomials: where the polynomial folds (its Jacobian changes sign
//!   relative to the reference point) a direction has no pixel.

mod cards;
mod distortion;
mod error;
mod frame;
mod horner;
mod projection;
mod read;
mod transform;
mod wcs;
mod write;

pub use cards::{CardLookup, CardValue, is_wcs_keyword};
pub use distortion::{Distortion, Sip, SipInverse, Term, Tpv};
pub use error::WcsError;
pub use frame::Frame;
pub use projection::Projection;
pub use wcs::{Wcs, WcsParts};
