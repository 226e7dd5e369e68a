//! Records of dimensions: what is known of one visit, one detector, one patch.

use crate::collection::Timespan;
use crate::data_id::DataId;
use crate::value::{Field, Value};
use elqui_sphere::SkyRegion;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One record of an element of the universe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DimensionRecord {
    pub element: String,
    /// The required dimensions and the implied ones.
    pub data_id: DataId,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Field>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timespan: Option<Timespan>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<SkyRegion>,
}

impl DimensionRecord {
    pub fn new(element: &str) -> Self {
        Self {
            element: element.to_string(),
            data_id: DataId::new(),
            fields: BTreeMap::new(),
            timespan: None,
            region: None,
        }
    }

    /// With the value of a required or implied dimension.
    #[must_use]
    pub fn with(mut self, dimension: &str, value: impl Into<Value>) -> Self {
        self.data_id.insert(dimension, value);
        self
    }

    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Field>) -> Self {
        self.fields.insert(name.to_string(), value.into());
        self
    }

    #[must_use]
    pub fn region(mut self, region: SkyRegion) -> Self {
        self.region = Some(region);
        self
    }

    #[must_use]
    pub fn timespan(mut self, timespan: Timespan) -> Self {
        self.timespan = Some(timespan);
        self
    }
}
