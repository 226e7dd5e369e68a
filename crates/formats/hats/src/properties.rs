//! `hats.properties` of a table and `collection.properties` of a collection.
//!
//! Keys keep their order; keys that the standard does not name are kept as they are. Texts that
//! hats writes for an absent value ("", "None") count as absent.

use crate::error::HatsError;
use crate::properties_text;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub const TABLE_PROPERTIES: &str = "hats.properties";
pub const COLLECTION_PROPERTIES: &str = "collection.properties";

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties {
    entries: Vec<(String, String)>,
    /// Where they were read; errors name it.
    path: PathBuf,
}

impl Properties {
    pub fn new() -> Self {
        Self::default()
    }

    /// From a file's text. Of a key that is there twice the last value counts.
    pub fn parse(text: &str) -> Self {
        let mut properties = Self::new();
        for (key, value) in properties_text::parse(text) {
            properties.set(&key, value);
        }
        properties
    }

    pub fn read(path: &Path) -> Result<Self, HatsError> {
        let text = std::fs::read_to_string(path).map_err(|e| HatsError::read(path, e))?;
        Ok(Self { path: path.into(), ..Self::parse(&text) })
    }

    /// The file's text, with a comment (no `#`) as its first line.
    pub fn to_text(&self, comment: &str) -> String {
        properties_text::write(comment, self.iter())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The text of a key as it was written.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// The value of a key; `None` when absent, empty or "None".
    pub fn get(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|v| !v.is_empty() && *v != "None")
    }

    pub fn require(&self, key: &str) -> Result<&str, HatsError> {
        self.get(key).ok_or_else(|| HatsError::MissingKey {
            path: self.path.display().to_string(),
            key: key.into(),
        })
    }

    /// Set a key; a new one comes last.
    pub fn set(&mut self, key: &str, value: impl ToString) -> &mut Self {
        let value = value.to_string();
        match self.entries.iter_mut().find(|(k, _)| k == key) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key.into(), value)),
        }
        self
    }

    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|(k, _)| k != key);
    }

    fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, HatsError> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let bad = |_| HatsError::property(&self.path, key, text, "is not a number of its kind");
        text.trim().parse().map(Some).map_err(bad)
    }

    /// Words between blanks, commas or semicolons.
    fn list(&self, key: &str) -> Vec<&str> {
        let text = self.get(key).unwrap_or_default();
        text.split([' ', ',', ';', '\n']).filter(|w| !w.is_empty()).collect()
    }

    pub fn obs_collection(&self) -> Option<&str> {
        self.get("obs_collection")
    }

    /// `object`, `source`, `margin`, `index`, `association`, `map`, ...
    pub fn dataproduct_type(&self) -> Option<&str> {
        self.get("dataproduct_type")
    }

    pub fn hats_version(&self) -> Option<&str> {
        self.get("hats_version")
    }

    pub fn hats_nrows(&self) -> Result<Option<u64>, HatsError> {
        self.number("hats_nrows")
    }

    pub fn hats_col_ra(&self) -> Option<&str> {
        self.get("hats_col_ra")
    }

    pub fn hats_col_dec(&self) -> Option<&str> {
        self.get("hats_col_dec")
    }

    pub fn hats_col_healpix(&self) -> Option<&str> {
        self.get("hats_col_healpix")
    }

    pub fn hats_col_healpix_order(&self) -> Result<Option<u8>, HatsError> {
        self.number("hats_col_healpix_order")
    }

    pub fn hats_cols_default(&self) -> Vec<&str> {
        self.list("hats_cols_default")
    }

    pub fn hats_cols_sort(&self) -> Vec<&str> {
        self.list("hats_cols_sort")
    }

    pub fn hats_order(&self) -> Result<Option<u8>, HatsError> {
        self.number("hats_order")
    }

    pub fn hats_max_rows(&self) -> Result<Option<u64>, HatsError> {
        self.number("hats_max_rows")
    }

    pub fn hats_estsize_kib(&self) -> Result<Option<u64>, HatsError> {
        self.number("hats_estsize")
    }

    pub fn hats_skymap_order(&self) -> Result<Option<u8>, HatsError> {
        self.number("hats_skymap_order")
    }

    /// `.parquet` where the key is absent; "/" for a folder of files per partition.
    pub fn hats_npix_suffix(&self) -> &str {
        self.get("hats_npix_suffix").unwrap_or(".parquet")
    }

    pub fn moc_sky_fraction(&self) -> Result<Option<f64>, HatsError> {
        self.number("moc_sky_fraction")
    }

    /// Arcsec.
    pub fn hats_margin_threshold(&self) -> Result<Option<f64>, HatsError> {
        self.number("hats_margin_threshold")
    }

    pub fn hats_primary_table_url(&self) -> Option<&str> {
        self.get("hats_primary_table_url")
    }

    pub fn hats_index_column(&self) -> Option<&str> {
        self.get("hats_index_column")
    }

    pub fn hats_index_extra_columns(&self) -> Vec<&str> {
        self.list("hats_index_extra_column")
    }

    pub fn all_margins(&self) -> Vec<&str> {
        self.list("all_margins")
    }

    pub fn default_margin(&self) -> Option<&str> {
        self.get("default_margin")
    }

    /// Column and folder of every index.
    pub fn all_indexes(&self) -> Result<Vec<(&str, &str)>, HatsError> {
        let words = self.list("all_indexes");
        let (pairs, rest) = words.as_chunks::<2>();
        match rest {
            [] => Ok(pairs.iter().map(|[column, folder]| (*column, *folder)).collect()),
            _ => Err(HatsError::property(
                &self.path,
                "all_indexes",
                self.get("all_indexes").unwrap_or_default(),
                "is not pairs of a column and a folder",
            )),
        }
    }

    pub fn default_index(&self) -> Option<&str> {
        self.get("default_index")
    }
}
