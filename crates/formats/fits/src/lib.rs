//! FITS files: images, raw frames, exposures and tables.
//!
//! [`FitsFile`] opens a file (gzip'd or not) and lists its HDUs; images and tables are read when
//! asked for, with checksums verified. Headers are read with tolerance: real observatories write
//! odd cards. FITS counts pixels from 1; outside this crate (0, 0) is the first pixel's centre.

mod asciitable;
mod bintable;
mod card;
mod cardwrite;
mod checksum;
mod error;
mod exposure;
mod exposure_parts;
mod file;
mod name;
mod pixels;
mod psfex;
mod quick;
mod rows;
mod shape;
mod source;
mod tablewrite;
mod tiles;
mod write;

pub use bintable::VECTOR_MAX;
pub use error::FitsError;
pub use exposure::{
    ExposureFormatter, add_wcs, exposure_and_tables, exposure_from, exposure_to_bytes,
    exposure_to_bytes_with, is_wcs_card, read_exposure, write_exposure, write_exposure_with,
};
pub use file::{FitsFile, Hdu};
pub use name::{Extension, split_extension};
pub use psfex::{psfex_model, read_psfex};
pub use quick::{read_header, read_image, read_table};
pub use rows::{TableField, TableLayout};
pub use shape::HduKind;
pub use tablewrite::write_table;
pub use write::{Pixel, Writer, image_to_bytes, is_structural, write_image};
