//! Datastores: where the bytes of datasets are.
//!
//! [`FolderStore`] (a folder of the local file system), `S3Store` (feature `s3`), [`MemoryStore`] (tests)
//! and [`CachedStore`] (a folder before a remote store) implement `butler::Datastore` and pass one
//! suite of tests. [`checksum`] is the house's sum of an artifact.

mod cached;
mod checksum;
mod folder;
mod memory;
#[cfg(feature = "s3")]
mod s3;

pub use cached::CachedStore;
pub use checksum::{checksum, checksum_file, checksum_stored, matches};
pub use folder::FolderStore;
pub use memory::MemoryStore;
#[cfg(feature = "s3")]
pub use s3::{S3Settings, S3Store};
