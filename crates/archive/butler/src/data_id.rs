//! Data ids: which of a type's datasets is meant.

use crate::value::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Dimension -> value (`visit` -> 12, `detector` -> 0, `instrument` -> Sim).
///
/// A sorted list: there are three or four of them, and millions of data ids, each of which would need a node of a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DataId(Vec<(String, Value)>);

/// Dimensions and values, the dimensions in alphabetical order.
pub type DataIdIter<'a> = std::iter::Map<
    std::slice::Iter<'a, (String, Value)>,
    fn(&(String, Value)) -> (&String, &Value),
>;

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
        let value = value.into();
        match self.place(dimension) {
            Ok(k) => self.0[k].1 = value,
            Err(k) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(3);
                }
                self.0.insert(k, (dimension.to_string(), value));
            }
        }
    }

    fn place(&self, dimension: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(d, _)| d.as_str().cmp(dimension))
    }

    pub fn get(&self, dimension: &str) -> Option<&Value> {
        self.place(dimension).ok().map(|k| &self.0[k].1)
    }

    pub fn iter(&self) -> DataIdIter<'_> {
        self.0.iter().map(|(d, v)| (d, v))
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
        let wanted = |(d, _): &&(String, Value)| dimensions.iter().any(|w| w.as_ref() == d);
        Self(self.0.iter().filter(wanted).cloned().collect())
    }

    /// As [`only`](Self::only), of one that is not needed any more.
    #[must_use]
    pub fn into_only<S: AsRef<str>>(mut self, dimensions: &[S]) -> Self {
        self.0.retain(|(d, _)| dimensions.iter().any(|w| w.as_ref() == d));
        self
    }
}

impl<'a> IntoIterator for &'a DataId {
    type Item = (&'a String, &'a Value);
    type IntoIter = DataIdIter<'a>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<(String, Value)> for DataId {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(all: I) -> Self {
        // The last value of a dimension counts, as in a map.
        Self(all.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect())
    }
}

impl Serialize for DataId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for DataId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<String, Value>::deserialize(from)?.into_iter().collect())
    }
}

/// `{detector=0,visit=12}`, the dimensions in alphabetical order.
impl fmt::Display for DataId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id: Vec<String> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        write!(f, "{{{}}}", id.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_as_a_sorted_map() {
        let id = DataId::new().with("visit", 7).with("detector", 1).with("visit", 12);
        assert_eq!(id.to_string(), "{detector=1,visit=12}");
        assert_eq!((id.len(), id.get("visit"), id.get("band")), (2, Some(&Value::Int(12)), None));
        let other: DataId = [("visit", 1), ("detector", 1), ("visit", 12)]
            .map(|(d, v)| (d.to_string(), v.into()))
            .into_iter()
            .collect();
        assert_eq!(id, other);
        assert_eq!(id.only(&["visit", "tract"]), id.clone().into_only(&["visit"]));
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, r#"{"detector":1,"visit":12}"#);
        let back: DataId = serde_json::from_str(r#"{"visit":12,"detector":1}"#).unwrap();
        assert_eq!(back, id);
        assert!(DataId::new().with("detector", 2) > id);
    }
}
