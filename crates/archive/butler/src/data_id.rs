//! Data ids: which of a type's datasets is meant.

use crate::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, btree_map};
use std::fmt;

/// Dimension -> value (`visit` -> 12, `detector` -> 0, `instrument` -> Sim).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataId(BTreeMap<String, Value>);

impl DataId {
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more dimension.
    #[must_use]
    pub fn with(mut self, dimension: &str, value: impl Into<Value>) -> Self {
        self.insert(dimension, value);
        self
    }

    pub fn insert(&mut self, dimension: &str, value: impl Into<Value>) {
        self.0.insert(dimension.to_string(), value.into());
    }

    pub fn get(&self, dimension: &str) -> Option<&Value> {
        self.0.get(dimension)
    }

    pub fn iter(&self) -> btree_map::Iter<'_, String, Value> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The part of it that these dimensions are.
    #[must_use]
    pub fn only<S: AsRef<str>>(&self, dimensions: &[S]) -> Self {
        let pick = |d: &S| self.0.get_key_value(d.as_ref()).map(|(k, v)| (k.clone(), v.clone()));
        Self(dimensions.iter().filter_map(pick).collect())
    }
}

impl<'a> IntoIterator for &'a DataId {
    type Item = (&'a String, &'a Value);
    type IntoIter = btree_map::Iter<'a, String, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl FromIterator<(String, Value)> for DataId {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

/// `{detector=0,visit=12}`, the dimensions in alphabetical order.
impl fmt::Display for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id: Vec<String> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        write!(f, "{{{}}}", id.join(","))
    }
}
