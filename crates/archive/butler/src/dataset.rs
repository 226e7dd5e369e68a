//! The name of a dataset.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Dimension -> value (`visit` -> `12`, `detector` -> `0`, `band` -> `g`).
pub type DataId = BTreeMap<String, String>;

/// A dataset's type and the data id that singles it out.
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
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.data_id.insert(key.to_string(), value.to_string());
        self
    }
}

/// `type{detector=0,visit=12}`, the dimensions in alphabetical order.
impl fmt::Display for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id: Vec<String> = self.data_id.iter().map(|(k, v)| format!("{k}={v}")).collect();
        write!(f, "{}{{{}}}", self.dataset_type, id.join(","))
    }
}
