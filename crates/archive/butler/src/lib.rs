//! The butler's nouns: dimensions, data ids, dataset types, collections, and the language in which
//! datasets are asked for.
//!
//! Nothing here knows a database or an object store. A dataset is named by its type and a data id
//! ([`DatasetRef`]); one that exists has an id and a run besides ([`Dataset`]). Which there are
//! is the business of `registry`; how bytes become values, of `codec`; what a header means, of the
//! [`RawTranslator`] that `instrument` implements. `docs/design/butler.md` tells the whole model.

mod civil;
mod collection;
mod data_id;
mod dataset;
mod dataset_id;
mod datastore;
mod error;
pub mod expression;
mod names;
mod provenance;
mod record;
mod template;
mod translator;
mod universe;
mod value;

pub use civil::{civil_date, ns_to_iso_utc};
pub use collection::{Collection, CollectionKind, Timespan, mjd_to_ns, ns_to_mjd};
pub use data_id::DataId;
pub use dataset::{Artifact, Dataset, DatasetRef, DatasetType};
pub use dataset_id::{DatasetId, IdSource};
pub use datastore::{Datastore, Listed, StoreError, Stored, Transfer, check_store_path};
pub use error::ButlerError;
pub use names::{check_collection_name, check_dataset_type_name};
pub use provenance::Quantum;
pub use record::DimensionRecord;
pub use template::Template;
pub use translator::{RawTranslator, TranslateError};
pub use universe::{DIMENSIONS_YAML, DimensionGroup, Element, FieldDef, FieldType, Universe};
pub use value::{Field, Value};
