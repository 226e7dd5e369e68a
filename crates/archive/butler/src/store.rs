//! Where datasets are kept.

use crate::dataset::DatasetRef;
use crate::error::ButlerError;

/// Keeps datasets as bytes by their names. A put is whole or not at all, and replaces.
pub trait Datastore: Send + Sync {
    fn put(&self, dataset: &DatasetRef, bytes: &[u8]) -> Result<(), ButlerError>;
    fn get(&self, dataset: &DatasetRef) -> Result<Vec<u8>, ButlerError>;
    fn exists(&self, dataset: &DatasetRef) -> bool;
    /// All datasets of a type, sorted by name.
    fn list(&self, dataset_type: &str) -> Result<Vec<DatasetRef>, ButlerError>;
    /// Remove one; one that is not there is an error.
    fn remove(&self, dataset: &DatasetRef) -> Result<(), ButlerError>;
}
