//! The Formatter trait: a typed dataset to bytes and back, and atomic files.

mod atomic;
mod error;
mod formatter;
mod stem;

pub use atomic::{atomic_write, atomic_write_bytes};
pub use error::CodecError;
pub use formatter::{Formatter, read_dataset, write_dataset};
pub use stem::{file_stem, safe_name};
