//! Append: a new version in which only the partitions that get new rows are written anew.
//!
//! - rows that were there come first where positions are equal
//! - a partition that grows past `rows_max` is split; parts of the sky that had no partition get
//!   partitions of their own
//! - partitions that are not touched are hard links to the version before

use super::commit::{Base, Job};
use super::count::count;
use super::input::{HEALPIX_COLUMN, Inputs};
use super::place::Placer;
use super::plan::Planned;
use crate::config::{ImportConfig, ImportReport, Progress};
use crate::error::CatalogError;
use crate::lock::Lock;
use crate::source::{ParquetSource, RowSource};
use elqui_hats::{HatsCatalog, Partition, Pixel};
use std::path::{Path, PathBuf};

/// The settings that a catalogue was made with.
pub fn config_of(catalog: &HatsCatalog) -> Result<ImportConfig, CatalogError> {
    let p = catalog.properties();
    let index = catalog.indexes().first();
    let order = catalog.partitions().iter().map(|p| p.pixel.order).max().unwrap_or(0);
    let defaults = ImportConfig::without_position(catalog.name());
    Ok(ImportConfig {
        ra: p.hats_col_ra().map(str::to_string),
        dec: p.hats_col_dec().map(str::to_string),
        id: index.map(|i| i.column.clone()),
        margin_arcsec: catalog.margins().first().map(|m| m.threshold_arcsec),
        product: p.dataproduct_type().unwrap_or("object").into(),
        rows_max: p.hats_max_rows()?.unwrap_or(defaults.rows_max),
        order_max: defaults.order_max.max(order),
        ..defaults
    })
}

/// Add rows to a catalogue: a new version. `config` is [`config_of`] the catalogue, with
/// memory, threads, `skip_bad_rows` and the parent as wanted.
pub fn append(
    dir: &Path,
    source: &dyn RowSource,
    config: &ImportConfig,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<ImportReport, CatalogError> {
    config.check()?;
    let _lock = Lock::take(dir)?;
    let catalog = HatsCatalog::open(dir)?;
    let Some(current) = catalog.version() else {
        return Err(CatalogError::refused(format!(
            "`{}` was not made by `elqui catalog import` (it has no versions); import its files \
             and these together",
            dir.display()
        )));
    };
    let first = catalog.partitions().first().and_then(|p| p.files.first());
    let first = first.ok_or_else(|| CatalogError::refused("the catalogue has no partitions"))?;
    let schema = ParquetSource::open(&[first])?.schema();
    let job = Job { dir, config, tell, made_by: "append" };
    let inputs = Inputs::like(schema.clone(), source, config)?;
    let key = job.key(&inputs, Some(current))?;
    if let Some(report) = job.finish_commit(&key)? {
        return Ok(report);
    }
    job.pool()?.install(|| {
        let counts = count(&inputs, config, &|_| {})?;
        let filled = Filled { counts: &counts.cells, order: config.order_max };
        let (touched, kept): (Vec<&Partition>, Vec<&Partition>) =
            catalog.partitions().iter().partition(|p| filled.any(p.pixel));
        let mut roots: Vec<Pixel> = touched.iter().map(|p| p.pixel).collect();
        roots.extend(gaps(catalog.partitions()));
        let kept = kept.into_iter().map(planned).collect::<Result<_, _>>()?;
        let base = Base { kept, roots };
        let old: Vec<PathBuf> = touched.iter().flat_map(|p| p.files.iter().cloned()).collect();
        if old.is_empty() {
            return job.run(&inputs, &key, &base);
        }
        let old = ParquetSource::open(&old)?;
        let cell = super::place::column(&schema, config.name.as_str(), HEALPIX_COLUMN, "cells")?;
        let mut both = Inputs::empty(schema);
        both.add(&old, Placer::Known { column: cell })?;
        both.add(source, Placer::new(config, &source.schema())?)?;
        job.run(&both, &key, &base)
    })
}

fn planned(p: &Partition) -> Result<Planned, CatalogError> {
    let [file] = p.files.as_slice() else {
        return Err(CatalogError::refused(format!("the partition {} is not one file", p.pixel)));
    };
    let rows = p.rows.ok_or_else(|| {
        CatalogError::refused("the catalogue does not say how many rows its partitions have")
    })?;
    Ok(Planned { order: p.pixel.order, index: p.pixel.index, rows, kept: Some(file.clone()) })
}

/// New rows by cell.
struct Filled<'a> {
    counts: &'a [u64],
    order: u8,
}

impl Filled<'_> {
    fn any(&self, pixel: Pixel) -> bool {
        let shift = 2 * (29 - u32::from(self.order));
        let range = pixel.range29();
        let cell = |c: u64| usize::try_from(c >> shift).unwrap_or(usize::MAX);
        let cells = self.counts.get(cell(range.start)..=cell(range.end - 1));
        cells.is_some_and(|c| c.iter().any(|n| *n > 0))
    }
}

/// The largest pixels that overlap no partition.
fn gaps(partitions: &[Partition]) -> Vec<Pixel> {
    let mut found = Vec::new();
    let mut open = super::partition::base_pixels();
    while let Some(pixel) = open.pop() {
        let overlaps = |p: &Partition| p.pixel.contains(pixel) || pixel.contains(p.pixel);
        let range = pixel.range29();
        // Partitions are sorted and do not overlap: only those around the range can.
        let first = partitions.partition_point(|p| p.pixel.range29().end <= range.start);
        match partitions.get(first).filter(|p| overlaps(p)) {
            None => found.push(pixel),
            Some(p) if p.pixel.contains(pixel) => {}
            Some(_) => open.extend(pixel.children().into_iter().flatten()),
        }
    }
    found
}
