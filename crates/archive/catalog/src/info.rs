//! What a catalogue is: its rows, partitions, columns, margins, indexes and versions.
//!
//! Read from the small files, the sizes of the others and one Parquet footer.

use crate::error::{CatalogError, one_line};
use crate::versions::versions;
use arrow::datatypes::SchemaRef;
use elqui_hats::{HatsCatalog, Partition};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

#[derive(Debug, Clone, Serialize)]
pub struct CatalogInfo {
    pub name: String,
    pub path: String,
    pub version: Option<String>,
    /// `object`, `source`, ...
    pub product: String,
    pub rows: u64,
    pub bytes: u64,
    pub partitions: usize,
    /// Partitions of each order.
    pub orders: BTreeMap<u8, usize>,
    pub sky_fraction: Option<f64>,
    pub ra: Option<String>,
    pub dec: Option<String>,
    pub columns: Vec<ColumnInfo>,
    pub margins: Vec<MarginInfo>,
    pub indexes: Vec<IndexInfo>,
    pub versions: Vec<VersionInfo>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ColumnInfo {
    pub name: String,
    pub datatype: String,
    pub nullable: bool,
    pub unit: String,
    pub ucd: String,
    pub description: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct MarginInfo {
    pub name: String,
    pub arcsec: f64,
    pub rows: Option<u64>,
    pub bytes: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct IndexInfo {
    pub column: String,
    pub rows: Option<u64>,
    pub bytes: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct VersionInfo {
    pub name: String,
    pub created: String,
    pub rows: u64,
    pub made_by: String,
    pub tags: Vec<String>,
    pub current: bool,
}

/// Open a catalogue in its current version or another.
pub fn open_catalog(dir: &Path, version: Option<&str>) -> Result<HatsCatalog, CatalogError> {
    Ok(match version {
        Some(v) => HatsCatalog::open_version(dir, v)?,
        None => HatsCatalog::open(dir)?,
    })
}

/// Columns of a catalogue's table.
pub fn catalog_schema(catalog: &HatsCatalog) -> Result<SchemaRef, CatalogError> {
    let common = catalog.root().join("dataset/_common_metadata");
    let first = || catalog.partitions().iter().flat_map(|p| &p.files).next().cloned();
    let path = if common.is_file() { Some(common) } else { first() };
    let path = path.ok_or_else(|| {
        CatalogError::refused(format!("`{}` has no file to read", catalog.root().display()))
    })?;
    let file = File::open(&path).map_err(|e| CatalogError::read(&path, e))?;
    ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
        .map(|m| m.schema().clone())
        .map_err(|e| CatalogError::parquet(&path, one_line(e)))
}

fn bytes_of<'a>(files: impl IntoIterator<Item = &'a std::path::PathBuf>) -> u64 {
    // A file that is missing is what `verify` tells.
    files.into_iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum()
}

fn rows_of(partitions: &[Partition]) -> Option<u64> {
    partitions.iter().map(|p| p.rows).sum()
}

/// Everything that `elqui catalog info` shows.
pub fn info(dir: &Path, version: Option<&str>) -> Result<CatalogInfo, CatalogError> {
    let catalog = open_catalog(dir, version)?;
    let schema = catalog_schema(&catalog)?;
    let mut orders = BTreeMap::new();
    for partition in catalog.partitions() {
        *orders.entry(partition.pixel.order).or_insert(0) += 1;
    }
    let text =
        |f: &arrow::datatypes::Field, key: &str| f.metadata().get(key).cloned().unwrap_or_default();
    let columns = schema
        .fields()
        .iter()
        .map(|f| ColumnInfo {
            name: f.name().clone(),
            datatype: f.data_type().to_string(),
            nullable: f.is_nullable(),
            unit: text(f, "unit"),
            ucd: text(f, "ucd"),
            description: text(f, "description"),
        })
        .collect();
    let mut margins = Vec::new();
    for m in catalog.margins() {
        margins.push(MarginInfo {
            name: m.name.clone(),
            arcsec: m.threshold_arcsec,
            rows: m.properties.hats_nrows()?.or(rows_of(&m.partitions)),
            bytes: bytes_of(m.partitions.iter().flat_map(|p| &p.files)),
        });
    }
    let mut indexes = Vec::new();
    for i in catalog.indexes() {
        indexes.push(IndexInfo {
            column: i.column.clone(),
            rows: i.properties.hats_nrows()?,
            bytes: bytes_of(&i.files),
        });
    }
    let versions = versions(dir)?
        .into_iter()
        .map(|v| VersionInfo {
            current: Some(v.name.as_str()) == catalog.version(),
            name: v.name,
            created: v.created,
            rows: v.rows,
            made_by: v.made_by,
            tags: v.tags,
        })
        .collect();
    Ok(CatalogInfo {
        name: catalog.name().to_string(),
        path: dir.display().to_string(),
        version: catalog.version().map(str::to_string),
        product: catalog.properties().dataproduct_type().unwrap_or_default().to_string(),
        rows: catalog.rows()?.or(rows_of(catalog.partitions())).unwrap_or(0),
        bytes: bytes_of(catalog.partitions().iter().flat_map(|p| &p.files)),
        partitions: catalog.partitions().len(),
        orders,
        sky_fraction: catalog.properties().moc_sky_fraction()?,
        ra: catalog.ra_column().map(str::to_string),
        dec: catalog.dec_column().map(str::to_string),
        columns,
        margins,
        indexes,
        versions,
    })
}

/// A size as people read it.
pub fn size_text(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut k = 0;
    while value >= 1000.0 && k + 1 < units.len() {
        value /= 1000.0;
        k += 1;
    }
    if k == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[k]) }
}

impl CatalogInfo {
    /// Lines for a terminal.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let mut line = |key: &str, value: String| {
            let _ = writeln!(out, "{key:<12}{value}");
        };
        line("name", self.name.clone());
        line("path", self.path.clone());
        if let Some(v) = &self.version {
            line("version", v.clone());
        }
        line("rows", self.rows.to_string());
        line("size", size_text(self.bytes));
        let orders: Vec<String> =
            self.orders.iter().map(|(o, n)| format!("{n} of order {o}")).collect();
        line("partitions", format!("{} ({})", self.partitions, orders.join(", ")));
        if let Some(f) = self.sky_fraction {
            line("sky", format!("{:.4} of the whole", f));
        }
        if let (Some(ra), Some(dec)) = (&self.ra, &self.dec) {
            line("position", format!("{ra}, {dec}"));
        }
        let rows = |r: Option<u64>| r.map_or("?".to_string(), |r| r.to_string());
        for m in &self.margins {
            let size = size_text(m.bytes);
            line("margin", format!("{} arcsec, {} rows, {size}", m.arcsec, rows(m.rows)));
        }
        for i in &self.indexes {
            let size = size_text(i.bytes);
            line("index", format!("{}, {} rows, {size}", i.column, rows(i.rows)));
        }
        for v in &self.versions {
            let tags =
                if v.tags.is_empty() { String::new() } else { format!(" [{}]", v.tags.join(", ")) };
            let mark = if v.current { " (current)" } else { "" };
            let text = format!("{} {} {} rows, {}", v.name, v.created, v.rows, v.made_by);
            line("version of", format!("{text}{tags}{mark}"));
        }
        let _ = writeln!(out, "columns");
        let width = |f: fn(&ColumnInfo) -> usize| self.columns.iter().map(f).max().unwrap_or(0);
        let (name, kind, unit) = (
            width(|c| c.name.chars().count()),
            width(|c| c.datatype.len()),
            width(|c| c.unit.len()),
        );
        for c in &self.columns {
            let null = if c.nullable { "" } else { " never null" };
            let row = format!(
                "  {:<name$}  {:<kind$}  {:<unit$}  {}{null}  {}",
                c.name, c.datatype, c.unit, c.ucd, c.description
            );
            let _ = writeln!(out, "{}", row.trim_end());
        }
        out
    }
}
