//! Versions of a collection: folders `v0001`, `v0002`, ... and what is known of them.
//!
//! - kept in `elqui.versions.properties`: `v0001.KEY=text` for a version, `tag.NAME=v0001` for
//!   a tag (a release)
//! - a reader of HATS never needs it: `collection.properties` names the current version, and
//!   each version's folder is a collection of its own

use crate::error::HatsError;
use crate::properties::Properties;
use std::path::Path;

pub const VERSIONS_FILE: &str = "elqui.versions.properties";

/// One version.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Folder below the collection, `v0001`.
    pub name: String,
    /// When it was finished, ISO 8601 UTC.
    pub created: String,
    pub rows: u64,
    /// What made it: "import", "append", ...
    pub made_by: String,
    pub tags: Vec<String>,
}

/// All versions, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Versions {
    pub list: Vec<Version>,
}

impl Versions {
    /// Of a collection's folder; none where the file is absent.
    pub fn read(collection: &Path) -> Result<Self, HatsError> {
        let path = collection.join(VERSIONS_FILE);
        if !path.is_file() {
            return Ok(Self::default());
        }
        Ok(Self::from_properties(&Properties::read(&path)?))
    }

    pub fn from_properties(properties: &Properties) -> Self {
        let mut list: Vec<Version> = Vec::new();
        for (key, value) in properties.iter() {
            let Some((name, fact)) = key.split_once('.') else { continue };
            if version_number(name).is_none() {
                continue;
            }
            let k = list.iter().position(|v| v.name == name).unwrap_or_else(|| {
                list.push(Version {
                    name: name.into(),
                    created: String::new(),
                    rows: 0,
                    made_by: String::new(),
                    tags: Vec::new(),
                });
                list.len() - 1
            });
            match fact {
                "created" => list[k].created = value.into(),
                "rows" => list[k].rows = value.parse().unwrap_or(0),
                "made_by" => list[k].made_by = value.into(),
                _ => {}
            }
        }
        for (key, value) in properties.iter() {
            let Some(tag) = key.strip_prefix("tag.") else { continue };
            if let Some(version) = list.iter_mut().find(|v| v.name == value) {
                version.tags.push(tag.into());
            }
        }
        list.sort_by_key(|v| version_number(&v.name));
        Self { list }
    }

    pub fn to_properties(&self) -> Properties {
        let mut properties = Properties::new();
        for v in &self.list {
            properties.set(&format!("{}.created", v.name), &v.created);
            properties.set(&format!("{}.rows", v.name), v.rows);
            properties.set(&format!("{}.made_by", v.name), &v.made_by);
        }
        for v in &self.list {
            for tag in &v.tags {
                properties.set(&format!("tag.{tag}"), &v.name);
            }
        }
        properties
    }

    /// The folder that a tag, a version's name or its number means.
    pub fn resolve(&self, collection: &Path, asked: &str) -> Result<String, HatsError> {
        let number = version_number(asked).or_else(|| asked.parse().ok());
        let fits = |v: &&Version| v.tags.iter().any(|t| t == asked) || v.name == asked;
        let by_number = |v: &&Version| number.is_some() && version_number(&v.name) == number;
        let found = self.list.iter().find(fits).or_else(|| self.list.iter().find(by_number));
        found.map(|v| v.name.clone()).ok_or_else(|| {
            let told = |v: &Version| match v.tags.as_slice() {
                [] => v.name.clone(),
                tags => format!("{} ({})", v.name, tags.join(", ")),
            };
            let all: Vec<String> = self.list.iter().map(told).collect();
            let have = if all.is_empty() { "no versions".into() } else { all.join(", ") };
            HatsError::NoVersion {
                path: collection.display().to_string(),
                asked: asked.into(),
                have,
            }
        })
    }
}

/// `v0001`.
pub fn version_name(number: u64) -> String {
    format!("v{number:04}")
}

/// Of `v0001`, 1; `None` for another name.
pub fn version_number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix('v')?;
    let fits = digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| digits.parse().ok()).flatten()
}
