//! HATS 1.0: the layout of a catalogue on disk.
//!
//! A catalogue is a folder of Parquet files, one for each cell ("partition") of an adaptive
//! HEALPix map of the sky; a collection is a catalogue with its margin caches and indexes.
//! [`HatsCatalog::open`] reads either, from the small text files alone: no Parquet file is
//! opened here.
//! - standard: Hierarchical Adaptive Tiling Scheme 1.0 (IVOA note, LINCC Frameworks)
//! - addition: a collection may hold versions (`v0001`, ...), see [`Versions`]

mod catalog;
mod collection;
mod error;
mod partitions;
mod pixel;
mod properties;
mod properties_text;
mod versions;

pub use catalog::HatsCatalog;
pub use collection::{Index, Margin};
pub use error::HatsError;
pub use partitions::{
    PARTITION_INFO, Partition, list_partitions, parse_partition_info, partition_info_text,
};
pub use pixel::Pixel;
pub use properties::{COLLECTION_PROPERTIES, Properties, TABLE_PROPERTIES};
pub use versions::{VERSIONS_FILE, Version, Versions, version_name, version_number};
