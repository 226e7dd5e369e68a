//! The butler: dataset types, data ids, and a folder store.
//!
//! A dataset is named by its type and a data id (`DatasetRef`), kept as bytes by a [`Datastore`].
//! How bytes become values is the business of `codec`; what a header means, of the
//! [`RawTranslator`] that `instrument` implements.

mod dataset;
mod error;
mod folder;
mod store;
mod translator;

pub use dataset::{DataId, DatasetRef};
pub use error::ButlerError;
pub use folder::FolderStore;
pub use store::Datastore;
pub use translator::{RawTranslator, TranslateError};
