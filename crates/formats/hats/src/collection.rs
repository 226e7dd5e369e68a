//! What a collection holds beside its primary table: margin caches and indexes.

use crate::error::HatsError;
use crate::partitions::{Partition, parquet_files, read_partitions};
use crate::pixel::Pixel;
use crate::properties::{Properties, TABLE_PROPERTIES};
use std::path::{Path, PathBuf};

/// A margin cache: for a partition of the primary table, the rows of its neighbours that lie
/// within the threshold of its rim. Partitions without such rows have no file.
#[derive(Debug, Clone)]
pub struct Margin {
    pub name: String,
    pub root: PathBuf,
    pub threshold_arcsec: f64,
    pub is_default: bool,
    pub properties: Properties,
    pub partitions: Vec<Partition>,
}

impl Margin {
    pub(crate) fn open(name: &str, root: PathBuf, is_default: bool) -> Result<Self, HatsError> {
        let properties = table_properties(&root)?;
        let threshold_arcsec = match properties.hats_margin_threshold()? {
            Some(t) => t,
            None => properties.require("hats_margin_threshold").map(|_| f64::NAN)?,
        };
        let partitions = read_partitions(&root, properties.hats_npix_suffix())?;
        let name = properties.obs_collection().unwrap_or(name).to_string();
        Ok(Self { name, root, threshold_arcsec, is_default, properties, partitions })
    }

    /// The margin of one partition of the primary table.
    pub fn partition(&self, pixel: Pixel) -> Option<&Partition> {
        let k = self.partitions.binary_search_by_key(&pixel, |p| p.pixel).ok()?;
        self.partitions.get(k)
    }
}

/// An index: for every value of a column where its rows are.
#[derive(Debug, Clone)]
pub struct Index {
    pub column: String,
    pub root: PathBuf,
    pub is_default: bool,
    pub properties: Properties,
    /// Sorted by name, which is the order of the values where Elqui wrote them.
    pub files: Vec<PathBuf>,
}

impl Index {
    pub(crate) fn open(column: &str, root: PathBuf, is_default: bool) -> Result<Self, HatsError> {
        let properties = table_properties(&root)?;
        let files = parquet_files(&root.join("dataset").join("index"))?;
        let files = if files.is_empty() { parquet_files(&root.join("dataset"))? } else { files };
        if files.is_empty() {
            let path = root.join("dataset/index").display().to_string();
            return Err(HatsError::MissingFile { path });
        }
        Ok(Self { column: column.into(), root, is_default, properties, files })
    }
}

/// `hats.properties` of a table's folder, or `properties` as its first writers named it.
pub(crate) fn table_properties(root: &Path) -> Result<Properties, HatsError> {
    let path = root.join(TABLE_PROPERTIES);
    if path.is_file() {
        return Properties::read(&path);
    }
    let path = root.join("properties");
    if path.is_file() {
        return Properties::read(&path);
    }
    let folder = root.display().to_string();
    if root.join("catalog_info.json").is_file() {
        return Err(HatsError::Legacy { path: folder });
    }
    match std::fs::metadata(root) {
        Ok(_) => Err(HatsError::NotACatalog { path: folder }),
        Err(e) => Err(HatsError::read(root, e)),
    }
}
