//! Catalogues as they lie on disk: files with cells of the sky, footers, rows of ranges, ids.

mod footers;
mod id_index;
mod open_file;
pub mod ranges;
mod rows;
mod table;

pub use id_index::IdIndex;
pub use open_file::OpenFile;
pub use ranges::Ranges;
pub use rows::{RowsOfGroup, rows_in_ranges, selection};
pub use table::{Parent, SkyTable, TableFile};
