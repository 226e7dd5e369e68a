//! A catalogue that is opened: its table, its margins, its indexes.
//!
//! Opening reads text files only: 50,000 partitions take some 30 ms. Whether the partition
//! files are there is asked by [`HatsCatalog::check_files`].

use crate::collection::{Index, Margin, table_properties};
use crate::error::HatsError;
use crate::partitions::{Partition, read_partitions};
use crate::pixel::Pixel;
use crate::properties::{COLLECTION_PROPERTIES, Properties};
use crate::versions::{Versions, version_number};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct HatsCatalog {
    name: String,
    root: PathBuf,
    properties: Properties,
    collection: Option<(PathBuf, Properties)>,
    partitions: Vec<Partition>,
    margins: Vec<Margin>,
    indexes: Vec<Index>,
    version: Option<String>,
    healpix_order: u8,
}

impl HatsCatalog {
    /// Open a collection's folder (its current version) or a plain catalogue's folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HatsError> {
        let path = path.as_ref();
        let file = path.join(COLLECTION_PROPERTIES);
        if file.is_file() {
            return Self::open_collection(path, Properties::read(&file)?);
        }
        Self::open_table(path)
    }

    /// Open a collection as a version ("v0002", "2") or a tag says.
    pub fn open_version(path: impl AsRef<Path>, asked: &str) -> Result<Self, HatsError> {
        let path = path.as_ref();
        let folder = Versions::read(path)?.resolve(path, asked)?;
        let root = path.join(&folder);
        let mut catalog = Self::open(&root)?;
        catalog.version = Some(folder);
        Ok(catalog)
    }

    fn open_table(root: &Path) -> Result<Self, HatsError> {
        let properties = table_properties(root)?;
        let suffix = properties.hats_npix_suffix().to_string();
        if matches!(properties.dataproduct_type(), Some("index")) {
            let kind = properties.dataproduct_type().unwrap_or_default();
            let why = "is no table of positions; open the collection that it belongs to";
            return Err(HatsError::property(root, "dataproduct_type", kind, why));
        }
        let partitions = read_partitions(root, &suffix)?;
        let folder = root.file_name().map(|n| n.to_string_lossy().into_owned());
        let name = properties.obs_collection().map(str::to_string).or(folder);
        let healpix_order = properties.hats_col_healpix_order()?.unwrap_or(29);
        Ok(Self {
            name: name.unwrap_or_default(),
            root: root.into(),
            properties,
            collection: None,
            partitions,
            margins: Vec::new(),
            indexes: Vec::new(),
            version: None,
            healpix_order,
        })
    }

    fn open_collection(path: &Path, properties: Properties) -> Result<Self, HatsError> {
        let file = path.join(COLLECTION_PROPERTIES);
        let primary = properties.require("hats_primary_table_url")?;
        let mut catalog =
            Self::open_table(&local(path, &file, "hats_primary_table_url", primary)?)?;
        if let Some(name) = properties.obs_collection() {
            catalog.name = name.to_string();
        }
        catalog.version =
            primary.split('/').next().filter(|f| version_number(f).is_some()).map(str::to_string);
        let default = properties.default_margin();
        for folder in properties.all_margins() {
            let root = local(path, &file, "all_margins", folder)?;
            catalog.margins.push(Margin::open(folder, root, default == Some(folder))?);
        }
        let default = properties.default_index();
        for (column, folder) in properties.all_indexes()? {
            let root = local(path, &file, "all_indexes", folder)?;
            catalog.indexes.push(Index::open(column, root, default == Some(column))?);
        }
        catalog.collection = Some((path.into(), properties));
        Ok(catalog)
    }

    /// The name of the collection, or of the catalogue.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Folder of the primary table.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The primary table's properties.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Folder and properties of the collection, if it is one.
    pub fn collection(&self) -> Option<(&Path, &Properties)> {
        self.collection.as_ref().map(|(path, properties)| (path.as_path(), properties))
    }

    /// Along the sky.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The partition that holds a cell of order 29.
    pub fn partition_at(&self, healpix29: u64) -> Option<&Partition> {
        let k = self.partitions.partition_point(|p| p.pixel.range29().start <= healpix29);
        self.partitions.get(k.checked_sub(1)?).filter(|p| p.pixel.contains29(healpix29))
    }

    pub fn partition(&self, pixel: Pixel) -> Option<&Partition> {
        let k = self.partitions.binary_search_by_key(&pixel, |p| p.pixel).ok()?;
        self.partitions.get(k)
    }

    pub fn rows(&self) -> Result<Option<u64>, HatsError> {
        self.properties.hats_nrows()
    }

    /// What tells this state of a catalogue of ours from any other; `None` where ids are not known to be
    /// unique, since rows of other tables cannot be placed by such.
    pub fn stamp(&self) -> Option<String> {
        let fact = |key: &str| self.properties.text(key);
        (fact("elqui_id_unique") == Some("true")).then_some(())?;
        let version = self.root.parent()?.file_name()?.to_string_lossy().into_owned();
        Some(format!("{version} {} {}", fact("hats_creation_date")?, fact("hats_nrows")?))
    }

    pub fn ra_column(&self) -> Option<&str> {
        self.properties.hats_col_ra()
    }

    pub fn dec_column(&self) -> Option<&str> {
        self.properties.hats_col_dec()
    }

    /// The column of HEALPix cells, as the properties name it. Older catalogues may have a
    /// `_healpix_29` that they do not name, or none.
    pub fn healpix_column(&self) -> Option<&str> {
        self.properties.hats_col_healpix()
    }

    /// Order of that column, 29 unless the properties say otherwise.
    pub fn healpix_order(&self) -> u8 {
        self.healpix_order
    }

    pub fn margins(&self) -> &[Margin] {
        &self.margins
    }

    /// The smallest margin that reaches so far.
    pub fn margin_for(&self, arcsec: f64) -> Option<&Margin> {
        let wide = self.margins.iter().filter(|m| m.threshold_arcsec >= arcsec);
        wide.min_by(|a, b| a.threshold_arcsec.total_cmp(&b.threshold_arcsec))
    }

    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    pub fn index_on(&self, column: &str) -> Option<&Index> {
        self.indexes.iter().find(|i| i.column == column)
    }

    /// The version's folder name (`v0001`), where the collection has versions.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Partition files of the table and its margins that are not there.
    pub fn missing_files(&self) -> Vec<PathBuf> {
        let lists = self.margins.iter().map(|m| (&m.root, &m.partitions, &m.properties));
        let own = std::iter::once((&self.root, &self.partitions, &self.properties));
        let mut missing = Vec::new();
        for (root, partitions, properties) in own.chain(lists) {
            for partition in partitions {
                if partition.files.is_empty() {
                    let suffix = properties.hats_npix_suffix();
                    missing.push(root.join(partition.pixel.path_with(suffix)));
                }
                missing.extend(partition.files.iter().filter(|f| !f.is_file()).cloned());
            }
        }
        missing
    }

    /// The first file that is not there, as an error.
    pub fn check_files(&self) -> Result<(), HatsError> {
        match self.missing_files().first() {
            None => Ok(()),
            Some(path) => Err(HatsError::MissingFile { path: path.display().to_string() }),
        }
    }
}

/// A folder that a collection names: below the collection, or absolute on this machine.
fn local(collection: &Path, file: &Path, key: &str, url: &str) -> Result<PathBuf, HatsError> {
    let url = url.strip_prefix("file://").unwrap_or(url);
    if url.contains("://") {
        let why = "is on another machine; copy it here first";
        return Err(HatsError::property(file, key, url, why));
    }
    Ok(collection.join(url))
}
