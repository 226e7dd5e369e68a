//! FITS files: images, raw frames, exposures and tables.
//!
//! [`FitsFile`] opens a file (gzip'd or not) and lists its HDUs; images and tables are read when
//! asked for, with checksums verified. Headers are read with tolerance: real observatories write
//! odd cards. FITS counts pixels from 1; outside this crate (0, 0) is the first pixel's centre.

mod asciitable;
mod bintable;
mod card;
mod checksum;
mod error;
mod file;
mod name;
mod pixels;
mod shape;
mod source;
mod tiles;

pub use bintable::VECTOR_MAX;
pub use error::FitsError;
pub use file::{FitsFile, Hdu};
pub use name::{Extension, split_extension};
pub use shape::HduKind;
