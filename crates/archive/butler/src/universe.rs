//! The dimensions and how they hang together, as `dimensions.yaml` tells.

use crate::error::ButlerError;
use crate::names::is_identifier;
use serde::{Deserialize, Serialize};
use serde_yaml_ng::Mapping;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// What a field or a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    Int,
    Real,
    Text,
}

/// One field of an element's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDef {
    pub name: String,
    pub kind: FieldType,
    pub doc: String,
}

/// A dimension, or a relation between dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub doc: String,
    /// What its values are; a relation has none of its own.
    pub key: Option<FieldType>,
    /// The dimensions that identify a record, itself last, in the universe's order.
    pub required: Vec<String>,
    /// Dimensions that its record names.
    pub implies: Vec<String>,
    pub fields: Vec<FieldDef>,
    pub spatial: bool,
    pub temporal: bool,
    /// Whether there are records; HEALPix cells need none.
    pub stored: bool,
}

impl Element {
    /// Whether its values are HEALPix cells, whose places follow from their numbers (NUNIQ).
    pub fn is_healpix(&self) -> bool {
        self.name == "healpix" && !self.stored && self.key == Some(FieldType::Int)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ElementText {
    doc: String,
    key: Option<FieldType>,
    #[serde(default)]
    requires: Vec<String>,
    #[serde(default)]
    implies: Vec<String>,
    #[serde(default)]
    fields: Mapping,
    #[serde(default)]
    spatial: bool,
    #[serde(default)]
    temporal: bool,
    #[serde(default = "yes")]
    stored: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    #[serde(rename = "type")]
    kind: FieldType,
    doc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UniverseText {
    version: i64,
    elements: Mapping,
}

fn yes() -> bool {
    true
}

/// Dimensions that belong together, in the universe's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionGroup {
    /// Those that a data id must name.
    pub required: Vec<String>,
    /// Those that follow from them.
    pub implied: Vec<String>,
}

/// All dimensions of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Universe {
    pub version: i64,
    elements: Vec<Element>,
}

/// The dimensions that Elqui comes with, as text.
pub const DIMENSIONS_YAML: &str = include_str!("dimensions.yaml");

static DEFAULT: LazyLock<Universe> = LazyLock::new(|| {
    let empty = Universe { version: 0, elements: Vec::new() };
    Universe::from_yaml(DIMENSIONS_YAML).unwrap_or(empty)
});

impl Universe {
    /// The dimensions that Elqui comes with.
    pub fn standard() -> &'static Self {
        &DEFAULT
    }

    pub fn from_yaml(text: &str) -> Result<Self, ButlerError> {
        let bad = |why: String| ButlerError::BadUniverse { why };
        let read: UniverseText = serde_yaml_ng::from_str(text).map_err(|e| bad(e.to_string()))?;
        let mut universe = Self { version: read.version, elements: Vec::new() };
        for (name, value) in read.elements {
            let name = name.as_str().unwrap_or_default().to_string();
            let text: ElementText =
                serde_yaml_ng::from_value(value).map_err(|e| bad(format!("`{name}`: {e}")))?;
            let element = universe.element_from(name, text).map_err(bad)?;
            universe.elements.push(element);
        }
        Ok(universe)
    }

    fn element_from(&self, name: String, text: ElementText) -> Result<Element, String> {
        if !is_identifier(&name) || self.element(&name).is_some() {
            return Err(format!("`{name}` is no name, or is there twice"));
        }
        let mut named = BTreeSet::new();
        for other in text.requires.iter().chain(&text.implies) {
            if self.element(other).is_none_or(|e| e.key.is_none()) {
                return Err(format!("`{name}` names `{other}`, which is no dimension before it"));
            }
        }
        for other in &text.requires {
            named.extend(self.element(other).into_iter().flat_map(|e| e.required.clone()));
        }
        let mut required = self.in_order(&named);
        if text.key.is_some() {
            required.push(name.clone());
        }
        let mut fields = Vec::new();
        for (field, value) in text.fields {
            let field = field.as_str().unwrap_or_default().to_string();
            let taken = ["begin", "end", "region", "timespan", "record"].contains(&field.as_str());
            if !is_identifier(&field) || taken {
                return Err(format!("`{name}.{field}` cannot be the name of a field"));
            }
            let text: FieldText =
                serde_yaml_ng::from_value(value).map_err(|e| format!("`{name}.{field}`: {e}"))?;
            fields.push(FieldDef { name: field, kind: text.kind, doc: text.doc });
        }
        Ok(Element {
            required,
            implies: text.implies,
            fields,
            doc: text.doc,
            key: text.key,
            spatial: text.spatial,
            temporal: text.temporal,
            stored: text.stored,
            name,
        })
    }

    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    pub fn element(&self, name: &str) -> Option<&Element> {
        self.elements.iter().find(|e| e.name == name)
    }

    /// An element with a key, by name; the error lists those that there are.
    pub fn dimension(&self, name: &str) -> Result<&Element, ButlerError> {
        self.element(name).filter(|e| e.key.is_some()).ok_or_else(|| {
            let known = self.elements.iter().filter(|e| e.key.is_some());
            ButlerError::UnknownDimension {
                name: name.to_string(),
                known: known.map(|e| e.name.as_str()).collect::<Vec<_>>().join(", "),
            }
        })
    }

    /// The group that these dimensions span, with what they require and imply.
    pub fn group<S: AsRef<str>>(&self, dimensions: &[S]) -> Result<DimensionGroup, ButlerError> {
        let mut named = BTreeSet::new();
        for name in dimensions {
            named.extend(self.dimension(name.as_ref())?.required.iter().cloned());
        }
        let mut implied = BTreeSet::new();
        let mut open: Vec<String> = named.iter().cloned().collect();
        while let Some(name) = open.pop() {
            for next in &self.dimension(&name)?.implies {
                if implied.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        named.retain(|n| !implied.contains(n));
        Ok(DimensionGroup { required: self.in_order(&named), implied: self.in_order(&implied) })
    }

    fn in_order(&self, names: &BTreeSet<String>) -> Vec<String> {
        let known = self.elements.iter().map(|e| &e.name);
        known.filter(|n| names.contains(*n)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_close_over_what_is_required_and_implied() {
        let u = Universe::standard();
        let group = |names: &[&str]| {
            let g = u.group(names).unwrap();
            (g.required.join(" "), g.implied.join(" "))
        };
        let visit = "band physical_filter day_obs".to_string();
        assert_eq!(
            group(&["detector", "visit"]),
            ("instrument visit detector".into(), visit.clone())
        );
        assert_eq!(group(&["visit", "band"]), ("instrument visit".into(), visit));
        assert_eq!(group(&["patch", "band"]), ("band skymap tract patch".into(), String::new()));
        assert_eq!(group(&[]), (String::new(), String::new()));
        let e = u.group(&["vist"]).unwrap_err().to_string();
        assert!(e.contains("`vist`") && e.contains("instrument, band"), "{e}");
        assert!(u.group(&["visit_detector_region"]).is_err());
    }

    #[test]
    fn every_element_and_field_has_prose() {
        let u = Universe::standard();
        assert!(u.elements().len() >= 14);
        for e in u.elements() {
            assert!(e.doc.len() > 10, "{}", e.name);
            assert!(e.fields.iter().all(|f| f.doc.len() > 5), "{}", e.name);
        }
    }

    #[test]
    fn bad_universes_say_why() {
        for (text, why) in [
            ("version: 1\nelements: {a: {doc: x, requires: [b]}}", "`b`, which is no dimension"),
            ("version: 1\nelements: {'a b': {doc: x, key: int}}", "`a b` is no name"),
            ("version: 1\nelements: {a: {doc: x, key: blob}}", "`a`"),
            ("version: 1\nelements: {a: {doc: x, keys: int}}", "unknown field"),
            (
                "version: 1\nelements: {a: {doc: x, key: int, fields: {end: {type: int, doc: x}}}}",
                "`a.end`",
            ),
            ("elements: {}", "version"),
        ] {
            let e = Universe::from_yaml(text).unwrap_err().to_string();
            assert!(e.contains(why), "{e}");
        }
    }
}
