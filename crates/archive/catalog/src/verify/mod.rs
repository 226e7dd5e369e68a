//! Whether a catalogue keeps the rules of its layout.
//!
//! - files: all there, none too many, every page readable
//! - rows: as many as `partition_info.csv` and `hats_nrows` say, sorted by `_healpix_29`, inside
//!   their pixel, and where their position says
//! - margins: every row within the margin of a partition is there; index: every id of the table,
//!   with its cell, sorted; `skymap.fits`: the counts of the rows
//! - what breaks a rule is a finding, not an error

mod partition;
mod side;

use crate::digests;
use crate::error::{CatalogError, one_line};
use crate::info::{catalog_schema, open_catalog};
use elqui_hats::{HatsCatalog, PARTITION_INFO, Pixel};
use partition::{Checked, Checks};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub path: String,
    pub problem: String,
    pub remedy: &'static str,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}; {}", self.path, self.problem, self.remedy)
    }
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    pub partitions: usize,
    pub rows: u64,
    pub margin_rows: u64,
    pub index_rows: u64,
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, path: &Path, problem: impl Into<String>, remedy: &'static str) {
        self.findings.push(finding(path, problem, remedy));
    }
}

pub(crate) const IMPORT_AGAIN: &str = "import the catalogue again";
pub(crate) const RESTORE: &str = "restore it from a copy, or import the catalogue again";

fn finding(path: &Path, problem: impl Into<String>, remedy: &'static str) -> Finding {
    Finding { path: path.display().to_string(), problem: problem.into(), remedy }
}

/// Check a catalogue in its current version or another; `tell` gets files done and to do.
pub fn verify(
    dir: &Path,
    version: Option<&str>,
    tell: &(dyn Fn(u64, u64) + Sync),
) -> Result<VerifyReport, CatalogError> {
    let catalog = open_catalog(dir, version)?;
    let schema = catalog_schema(&catalog)?;
    let mut report = VerifyReport { partitions: catalog.partitions().len(), ..Default::default() };
    let skymap_order = catalog.properties().hats_skymap_order()?;
    let checks = Checks {
        catalog: &catalog,
        schema: &schema,
        skymap_order,
        reach_arcsec: catalog.margins().iter().map(|m| m.threshold_arcsec).collect(),
        ids: catalog.indexes().iter().map(|i| i.column.clone()).collect(),
    };
    let margins: usize = catalog.margins().iter().map(|m| m.partitions.len()).sum();
    let indexes: usize = catalog.indexes().iter().map(|i| i.files.len()).sum();
    let total = (catalog.partitions().len() + margins + indexes) as u64;
    let done = AtomicU64::new(0);
    let step = || tell(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    let checked: Vec<Checked> = catalog
        .partitions()
        .par_iter()
        .map(|p| {
            let checked = checks.partition(p);
            step();
            checked
        })
        .collect();
    let mut sky: BTreeMap<u64, i64> = BTreeMap::new();
    let mut wanted: Vec<HashMap<Pixel, Vec<i64>>> = vec![HashMap::new(); catalog.margins().len()];
    let mut sums = vec![(0u64, 0u64); catalog.indexes().len()];
    let mut readable = true;
    for one in checked {
        readable &= one.readable;
        report.rows += one.rows;
        report.findings.extend(one.findings);
        one.sky.into_iter().for_each(|(cell, n)| *sky.entry(cell).or_default() += n);
        for (all, own) in wanted.iter_mut().zip(one.margin) {
            own.into_iter().for_each(|(pixel, cells)| all.entry(pixel).or_default().extend(cells));
        }
        for (all, own) in sums.iter_mut().zip(one.ids) {
            *all = (all.0 + own.0, all.1.wrapping_add(own.1));
        }
    }
    if let Some(version) = catalog.root().parent() {
        for (path, problem) in digests::check(version)? {
            report.find(&path, problem, RESTORE);
        }
    }
    totals(&catalog, &mut report, readable)?;
    strays(&catalog, &mut report);
    // What follows compares with the rows; where they cannot be read that is what is wrong.
    if !readable {
        report.findings.sort();
        return Ok(report);
    }
    if let Some(order) = skymap_order {
        side::skymap(&catalog, order, &sky, &mut report);
    }
    for (margin, wanted) in catalog.margins().iter().zip(&wanted) {
        side::margin(&catalog, margin, wanted, &mut report, &step);
    }
    for (index, sum) in catalog.indexes().iter().zip(sums) {
        side::index(&catalog, index, sum, &mut report, &step);
    }
    report.findings.sort();
    Ok(report)
}

/// What the properties say of the whole.
fn totals(
    catalog: &HatsCatalog,
    report: &mut VerifyReport,
    readable: bool,
) -> Result<(), CatalogError> {
    let properties = catalog.root().join(elqui_hats::TABLE_PROPERTIES);
    for key in ["obs_collection", "dataproduct_type", "hats_nrows"] {
        if catalog.properties().get(key).is_none() {
            report.find(&properties, format!("the key `{key}` is missing"), IMPORT_AGAIN);
        }
    }
    if let Some(said) = catalog.rows()?.filter(|said| readable && *said != report.rows) {
        let problem = format!("hats_nrows is {said}, the files hold {}", report.rows);
        report.find(&properties, problem, IMPORT_AGAIN);
    }
    let order = catalog.partitions().iter().map(|p| p.pixel.order).max();
    if let (Some(said), Some(order)) = (catalog.properties().hats_order()?, order)
        && said != order
    {
        let problem = format!("hats_order is {said}, the highest partition's {order}");
        report.find(&properties, problem, IMPORT_AGAIN);
    }
    let area: f64 =
        catalog.partitions().iter().map(|p| 1.0 / (12.0 * 4f64.powi(p.pixel.order.into()))).sum();
    if let Some(said) = catalog.properties().moc_sky_fraction()?
        // It is written with five decimals.
        && (said - area).abs() > 1e-5 + 1e-6 * area
    {
        let problem = format!("moc_sky_fraction is {said}, the partitions cover {area:.6}");
        report.find(&properties, problem, IMPORT_AGAIN);
    }
    Ok(())
}

/// Parquet files that `partition_info.csv` does not name: some readers would count them.
fn strays(catalog: &HatsCatalog, report: &mut VerifyReport) {
    let margins = catalog.margins().iter().map(|m| (&m.root, &m.partitions));
    let own = std::iter::once((catalog.root(), catalog.partitions()));
    for (root, partitions) in own.chain(margins.map(|(r, p)| (r.as_path(), p.as_slice()))) {
        let known: HashSet<&PathBuf> = partitions.iter().flat_map(|p| &p.files).collect();
        let mut folders = vec![root.join("dataset")];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for path in entries.flatten().map(|e| e.path()) {
                let is_file = path.extension().is_some_and(|e| e == "parquet");
                if path.is_dir() {
                    folders.push(path);
                } else if is_file && !known.contains(&path) {
                    let problem = format!("`{PARTITION_INFO}` does not name it");
                    report.find(&path, problem, "remove it if no import is running");
                }
            }
        }
    }
}

/// A library's message about a file.
fn unreadable(path: &Path, error: impl ToString) -> Finding {
    finding(path, format!("it cannot be read: {}", one_line(error)), RESTORE)
}
