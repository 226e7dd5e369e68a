//! VOTable: reading and writing.
//!
//! - read: the first table of a document of any version 1.x, as TABLEDATA, BINARY or BINARY2
//! - written: VOTable 1.4, TABLEDATA or BINARY2
//! - source: IVOA Recommendation VOTable 1.4, sections 3 to 6
//! - differs: an array of numbers becomes its text, values parted by spaces; of several tables
//!   only the first is read; FITS and remote data are refused

mod binary;
mod binary_stream;
mod error;
mod field;
mod read;
mod stream;
mod write;
mod xml;

pub use error::VotableError;
pub use field::{Kind, Size};
pub use read::{parse_votable, read_votable};
pub use stream::{Cell, VotableField, VotableStream};
pub use write::{Encoding, votable_bytes, write_votable};
