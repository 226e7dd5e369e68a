//! Datasets: their types, their names and what the registry knows of one.

use crate::data_id::DataId;
use crate::dataset_id::DatasetId;
use crate::error::ButlerError;
use crate::names::check_dataset_type_name;
use crate::universe::Universe;
use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a kind of dataset is: by which dimensions it is told apart, and what is in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetType {
    /// Such as `raw`, `preliminary_visit_image`, `bias`.
    pub name: String,
    /// The required dimensions, in the universe's order.
    pub dimensions: Vec<String>,
    /// The noun that is kept: `Exposure`, `SourceTable`, ... It chooses the formatter.
    pub storage_class: String,
    /// Whether calibration collections may hold it.
    #[serde(default)]
    pub is_calibration: bool,
    #[serde(default)]
    pub doc: String,
}

impl DatasetType {
    /// - `dimensions`: in any order; those that they require are added, those that others imply
    ///   are left out
    pub fn new(
        universe: &Universe,
        name: &str,
        dimensions: &[&str],
        storage_class: &str,
    ) -> Result<Self, ButlerError> {
        check_dataset_type_name(name)?;
        let group = universe.group(dimensions)?;
        Ok(Self {
            name: name.to_string(),
            dimensions: group.required,
            storage_class: storage_class.to_string(),
            is_calibration: false,
            doc: String::new(),
        })
    }

    /// As one that calibration collections may hold.
    #[must_use]
    pub fn calibration(mut self) -> Self {
        self.is_calibration = true;
        self
    }

    /// The values of a data id in the order of the dimensions. More than the dimensions is
    /// allowed in it (what they imply, say); less is an error.
    pub fn values<'a>(&'a self, data_id: &'a DataId) -> Result<Vec<&'a Value>, ButlerError> {
        let value = |d: &String| {
            data_id.get(d).ok_or_else(|| ButlerError::DataIdLacks {
                what: self.name.clone(),
                data_id: data_id.to_string(),
                dimension: d.clone(),
            })
        };
        self.dimensions.iter().map(value).collect()
    }
}

/// A dataset's type and the data id that singles it out within a collection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetRef {
    pub dataset_type: String,
    pub data_id: DataId,
}

impl DatasetRef {
    pub fn new(dataset_type: &str) -> Self {
        Self { dataset_type: dataset_type.to_string(), data_id: DataId::new() }
    }

    /// With one more dimension.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data_id.insert(key, value);
        self
    }
}

/// `type{detector=0,visit=12}`, the dimensions in alphabetical order.
impl fmt::Display for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dataset_type, self.data_id)
    }
}

/// A dataset that exists: its name, its id for all time, and the run that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    pub id: DatasetId,
    pub run: String,
    #[serde(flatten)]
    pub name: DatasetRef,
}

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} ({})", self.name, self.run, self.id)
    }
}

/// The file (or the part of one) that a dataset's bytes are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Relative to the datastore's root, or an absolute URI for what was ingested in place.
    pub path: String,
    /// Which formatter reads it.
    pub formatter: String,
    pub size_bytes: i64,
    /// `sha256:...`; empty when it was never computed.
    pub checksum: String,
}
