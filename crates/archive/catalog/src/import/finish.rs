//! The small files of a version: properties, partition list, sky map, metadata.

use super::index::index_schema;
use super::plan::Plan;
use crate::clock::now_iso;
use crate::config::ImportConfig;
use crate::error::CatalogError;
use crate::files;
use crate::metadata::{write_common_metadata, write_metadata};
use crate::skymap::skymap_bytes;
use arrow::datatypes::SchemaRef;
use elqui_hats::{
    COLLECTION_PROPERTIES, PARTITION_INFO, Pixel, Properties, TABLE_PROPERTIES, partition_info_text,
};
use std::path::Path;

/// Names of a version's folders.
pub(super) struct Names {
    pub table: String,
    pub margin: Option<String>,
    pub index: Option<(String, String)>,
}

impl Names {
    pub fn new(config: &ImportConfig) -> Result<Self, CatalogError> {
        let table = folder_name(&config.name);
        if table.is_empty() {
            return Err(CatalogError::refused("the catalogue has no name; give it one (`--name`)"));
        }
        let margin = config.margin_arcsec.map(|m| format!("{table}_margin_{m}arcs"));
        let index = match &config.id {
            // The list of indexes is split at these.
            Some(id) if id.contains([' ', ',', ';', '\n']) => {
                return Err(CatalogError::Column {
                    table: config.name.clone(),
                    column: id.clone(),
                    reason: "an indexed column's name has no blanks, commas or semicolons".into(),
                });
            }
            Some(id) => Some((id.clone(), format!("{table}_index_{}", folder_name(id)))),
            None => None,
        };
        Ok(Self { table, margin, index })
    }
}

/// A name without what folders and lists of folders cannot hold.
fn folder_name(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).take(60).collect();
    name.trim_start_matches('.').to_string()
}

pub(super) struct Finisher<'a> {
    pub config: &'a ImportConfig,
    pub plan: &'a Plan,
    pub names: &'a Names,
    pub schema: SchemaRef,
    /// The version's folder in the staging folder.
    pub version: &'a Path,
}

impl Finisher<'_> {
    fn common(&self, name: &str, product: &str) -> Properties {
        let mut p = Properties::new();
        p.set("obs_collection", name).set("dataproduct_type", product);
        p
    }

    fn ending(&self, p: &mut Properties, bytes: u64) {
        p.set("hats_estsize", bytes.div_ceil(1024))
            .set("hats_builder", concat!("elqui ", env!("CARGO_PKG_VERSION")))
            .set("hats_creation_date", now_iso())
            .set("hats_release_date", "2025-08-22")
            .set("hats_version", "v1.0");
    }

    /// Keys that the primary table and its margin have in common.
    fn sky(&self, p: &mut Properties, partitions: &[(Pixel, Option<u64>)]) {
        let rows: u64 = partitions.iter().filter_map(|x| x.1).sum();
        p.set("hats_nrows", rows);
        if let (Some(ra), Some(dec)) = (&self.config.ra, &self.config.dec) {
            p.set("hats_col_ra", ra).set("hats_col_dec", dec);
        }
        p.set("hats_col_healpix", "_healpix_29").set("hats_col_healpix_order", 29);
        p.set("hats_npix_suffix", ".parquet");
        let order = partitions.iter().map(|x| x.0.order).max().unwrap_or(0);
        p.set("hats_order", order).set("moc_sky_fraction", fraction(partitions));
    }

    pub fn table(
        &self,
        sky_order: u8,
        sky: &[i64],
        bytes: u64,
        id_unique: bool,
    ) -> Result<(), CatalogError> {
        let root = self.version.join(&self.names.table);
        let partitions: Vec<(Pixel, Option<u64>)> =
            self.plan.partitions.iter().map(|p| (p.pixel(), Some(p.rows))).collect();
        let mut p = self.common(&self.config.name, &self.config.product);
        self.sky(&mut p, &partitions);
        p.set("hats_skymap_order", sky_order).set("hats_max_rows", self.config.rows_max);
        if let Some(id) = &self.config.id {
            p.set("elqui_col_id", id).set("elqui_id_unique", id_unique);
        }
        for (key, value) in &self.config.properties {
            p.set(key, value);
        }
        self.ending(&mut p, bytes);
        put_properties(&root, &p)?;
        files::put(&root.join(PARTITION_INFO), partition_info_text(&partitions).as_bytes())?;
        let map = root.join("skymap.fits");
        files::put(&map, &skymap_bytes(sky_order, sky))?;
        // The older name of the map, which hats reads the coverage from.
        files::link(&map, &root.join("point_map.fits"))?;
        self.datasets(&root, &partitions)
    }

    pub fn margin(&self, margins: &[(Pixel, Option<u64>)]) -> Result<(), CatalogError> {
        let (Some(name), Some(arcsec)) = (&self.names.margin, self.config.margin_arcsec) else {
            return Ok(());
        };
        let root = self.version.join(name);
        let mut bytes = 0;
        for (pixel, _) in margins {
            bytes += files::size(&root.join(pixel.path()))?;
        }
        let mut p = self.common(name, "margin");
        self.sky(&mut p, margins);
        // Readers compare the columns of a margin with those of its table.
        for (key, value) in
            self.config.properties.iter().filter(|(k, _)| k.starts_with("hats_col_"))
        {
            p.set(key, value);
        }
        p.set("hats_primary_table_url", &self.names.table).set("hats_margin_threshold", arcsec);
        self.ending(&mut p, bytes);
        put_properties(&root, &p)?;
        files::put(&root.join(PARTITION_INFO), partition_info_text(margins).as_bytes())?;
        self.datasets(&root, margins)
    }

    pub fn index(&self, id: usize, rows: u64) -> Result<(), CatalogError> {
        let Some((column, name)) = &self.names.index else { return Ok(()) };
        let root = self.version.join(name);
        let folder = root.join("dataset/index");
        let mut parts = Vec::new();
        let mut bytes = 0;
        for entry in std::fs::read_dir(&folder).map_err(|e| CatalogError::read(&folder, e))? {
            let entry = entry.map_err(|e| CatalogError::read(&folder, e))?;
            bytes += files::size(&entry.path())?;
            parts.push(format!("index/{}", entry.file_name().to_string_lossy()));
        }
        parts.sort();
        let mut p = self.common(name, "index");
        p.set("hats_nrows", rows)
            .set("hats_primary_table_url", &self.names.table)
            .set("hats_index_column", column)
            .set("hats_npix_suffix", ".parquet");
        self.ending(&mut p, bytes);
        put_properties(&root, &p)?;
        write_common_metadata(&root, index_schema(&self.schema.fields()[id]))?;
        write_metadata(&root, &parts)
    }

    fn datasets(
        &self,
        root: &Path,
        partitions: &[(Pixel, Option<u64>)],
    ) -> Result<(), CatalogError> {
        write_common_metadata(root, self.schema.clone())?;
        let below = |p: &Pixel| p.path().trim_start_matches("dataset/").to_string();
        let parts: Vec<String> = partitions.iter().map(|x| below(&x.0)).collect();
        write_metadata(root, &parts)
    }

    /// The version as a collection of its own; its last file.
    pub fn collection(&self) -> Result<(), CatalogError> {
        let p = collection_properties(&self.config.name, self.names, None);
        let path = self.version.join(COLLECTION_PROPERTIES);
        files::put(&path, p.to_text("HATS Collection").as_bytes())
    }
}

/// `collection.properties` beside the folders, or above the version's folder.
pub(super) fn collection_properties(
    name: &str,
    names: &Names,
    version: Option<&str>,
) -> Properties {
    let at = |folder: &str| match version {
        Some(version) => format!("{version}/{folder}"),
        None => folder.to_string(),
    };
    let mut p = Properties::new();
    p.set("obs_collection", name).set("hats_primary_table_url", at(&names.table));
    if let Some(margin) = &names.margin {
        p.set("all_margins", at(margin)).set("default_margin", at(margin));
    }
    if let Some((column, folder)) = &names.index {
        p.set("all_indexes", format!("{column} {}", at(folder))).set("default_index", column);
    }
    p.set("hats_builder", concat!("elqui ", env!("CARGO_PKG_VERSION")))
        .set("hats_creation_date", now_iso())
        .set("hats_release_date", "2025-08-22")
        .set("hats_version", "v1.0");
    p
}

fn put_properties(root: &Path, p: &Properties) -> Result<(), CatalogError> {
    let text = p.to_text("HATS catalog");
    files::put(&root.join(TABLE_PROPERTIES), text.as_bytes())?;
    // The name that readers before HATS 1.0 look for.
    files::put(&root.join("properties"), text.as_bytes())
}

/// Part of the sky that the partitions cover.
fn fraction(partitions: &[(Pixel, Option<u64>)]) -> f64 {
    let cells: u64 = partitions.iter().map(|(p, _)| p.range29().end - p.range29().start).sum();
    let all = 12u64 << 58;
    let part = cells as f64 / all as f64;
    (part * 1e5).round() / 1e5
}
