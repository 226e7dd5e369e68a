//! Templates: where a dataset's file is, relative to the datastore's root.
//!
//! `{run}/{datasetType}/{visit}/{datasetType}_{visit}_{detector}_{id}`: literal text and names in
//! braces. The names are `run`, `datasetType`, `id` (the dataset's, which makes any path unique) and
//! dimensions. A template must hold `{run}` and either `{id}` or every required dimension, so that
//! two datasets are never one file; the formatter's ending is added by the datastore.

use crate::dataset::{Dataset, DatasetType};
use crate::error::ButlerError;
use std::path::{Component, Path};

/// A template that passed the checks for one dataset type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Template {
    /// What is used for a type without a template of its own.
    pub fn standard(of: &DatasetType) -> Result<Self, ButlerError> {
        let mut text = "{run}/{datasetType}".to_string();
        for dimension in of.dimensions.iter().take(of.dimensions.len().saturating_sub(1)) {
            text += &format!("/{{{dimension}}}");
        }
        text += "/{datasetType}";
        for dimension in &of.dimensions {
            text += &format!("_{{{dimension}}}");
        }
        Self::new(&text, of)
    }

    pub fn new(text: &str, of: &DatasetType) -> Result<Self, ButlerError> {
        let bad = |why| ButlerError::BadTemplate { template: text.to_string(), why };
        let parts = split(text).ok_or_else(|| bad("braces must be closed and hold a name"))?;
        let has = |name: &str| parts.iter().any(|p| matches!(p, Part::Name(n) if n == name));
        if !has("run") {
            return Err(bad("it must name {run}, or two runs would share files"));
        }
        if !has("id") && !of.dimensions.iter().all(|d| has(d)) {
            return Err(bad("it must name every required dimension, or {id}"));
        }
        let known = |name: &str| {
            ["run", "datasetType", "id"].contains(&name) || of.dimensions.iter().any(|d| d == name)
        };
        if parts.iter().any(|p| matches!(p, Part::Name(n) if !known(n))) {
            return Err(bad("it names something else than run, datasetType, id and dimensions"));
        }
        let plain = text.ends_with('/')
            || !Path::new(text).components().all(|c| matches!(c, Component::Normal(_)));
        if plain || text.contains("//") {
            return Err(bad("it must be a relative path to a file without `.` and `..`"));
        }
        Ok(Self { text: text.to_string(), parts })
    }

    /// The path, `/` between its parts. Texts of the data id are made safe: what is not a letter,
    /// a digit or one of `.-_+` becomes `%` and its bytes in hexadecimal.
    pub fn path(&self, dataset: &Dataset) -> Result<String, ButlerError> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => path += text,
                Part::Name(name) => match name.as_str() {
                    "run" => path += &dataset.run,
                    "datasetType" => path += &dataset.name.dataset_type,
                    "id" => path += &dataset.id.to_string(),
                    dimension => {
                        let value = dataset.name.data_id.get(dimension);
                        let value = value.ok_or_else(|| ButlerError::TemplateKey {
                            dataset: dataset.name.to_string(),
                            template: self.text.clone(),
                            key: dimension.to_string(),
                        })?;
                        escape(&value.to_string(), &mut path);
                    }
                },
            }
        }
        Ok(path)
    }
}

fn split(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        if rest[open..].starts_with('}') {
            return None;
        }
        let close = open + rest[open..].find('}')?;
        let name = &rest[open + 1..close];
        if name.is_empty() || name.contains('{') {
            return None;
        }
        parts.push(Part::Text(rest[..open].to_string()));
        parts.push(Part::Name(name.to_string()));
        rest = &rest[close + 1..];
    }
    parts.push(Part::Text(rest.to_string()));
    Some(parts)
}

fn escape(text: &str, out: &mut String) {
    for (k, byte) in text.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-_+".contains(&byte);
        if plain || (byte == b'.' && k > 0) {
            out.push(char::from(byte));
        } else {
            *out += &format!("%{byte:02x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DatasetId, DatasetRef, Universe};

    #[test]
    fn paths() {
        let raw = DatasetType::new(Universe::standard(), "raw", &["exposure", "detector"], "Raw");
        let raw = raw.unwrap();
        let name = DatasetRef::new("raw").with("instrument", "../a b").with("exposure", 7);
        let name = name.with("detector", 3);
        let id = DatasetId::deterministic("u/r", &name);
        let dataset = Dataset { id, run: "u/r".into(), name };
        let standard = Template::standard(&raw).unwrap();
        let path = standard.path(&dataset).unwrap();
        assert_eq!(path, "u/r/raw/%2e./a%20b/7/raw_%2e.%2fa%20b_7_3".replace("%2e./", "%2e.%2f"));
        let own = Template::new("{run}/x/{id}", &raw).unwrap().path(&dataset).unwrap();
        assert_eq!(own, format!("u/r/x/{id}"));
        for bad in [
            "{run}/{exposure}",
            "x/{id}",
            "{run}/{id",
            "{run}/{}",
            "../{run}/{id}",
            "{run}/{id}/",
            "{run}/{id}/{band}",
        ] {
            assert!(Template::new(bad, &raw).is_err(), "{bad}");
        }
    }
}
