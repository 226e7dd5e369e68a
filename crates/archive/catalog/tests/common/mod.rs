//! Input for the tests of imports: seeded rows as Parquet files, and a catalogue's rows read back.
#![allow(dead_code)]

use arrow::array::{
    ArrayRef, AsArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{Float64Type, Int64Type};
use elqui_catalog::{ImportConfig, ParquetSource, RowSource};
use elqui_hats::{HatsCatalog, Pixel};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Numbers that look random (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Positions spread over the sphere, with a crowded place.
pub fn sky(rows: usize, seed: u64) -> Vec<(f64, f64)> {
    let mut dice = Dice(seed);
    let crowded = |k: usize| k.is_multiple_of(3);
    (0..rows)
        .map(|k| {
            let (a, b) = (dice.unit(), dice.unit());
            match crowded(k) {
                true => (359.0 + 2.0 * a, -1.0 + 2.0 * b),
                false => (360.0 * a, (2.0 * b - 1.0).asin().to_degrees()),
            }
        })
        .collect()
}

/// Rows with an id, a position, a nullable magnitude and a name that says the id.
pub fn batch(positions: &[(f64, f64)], first_id: i64) -> RecordBatch {
    let ids = first_id..first_id + positions.len() as i64;
    let mag = ids.clone().map(|i| (i % 7 != 0).then_some(i as f32 / 8.0));
    let names: Vec<String> = ids.clone().map(|i| format!("α-{i}-星")).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("objectId", Arc::new(Int64Array::from_iter_values(ids))),
        ("ra", Arc::new(Float64Array::from_iter_values(positions.iter().map(|p| p.0)))),
        ("dec", Arc::new(Float64Array::from_iter_values(positions.iter().map(|p| p.1)))),
        ("mag", Arc::new(mag.collect::<Float32Array>())),
        ("name ünïcode", Arc::new(StringArray::from(names))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, n == "mag")))
        .unwrap()
}

pub fn write_parquet(path: &Path, batch: &RecordBatch, row_group: usize) -> PathBuf {
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(row_group)).build();
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(path);
    let mut writer = ArrowWriter::try_new(file.unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    path.to_path_buf()
}

/// Small partitions, so that a few thousand rows make many.
pub fn config() -> ImportConfig {
    ImportConfig {
        id: Some("objectId".into()),
        margin_arcsec: Some(600.0),
        rows_max: 300,
        order_max: 8,
        row_group_rows: 128,
        page_rows: 32,
        memory_bytes: 64 << 20,
        threads: 2,
        ..ImportConfig::new("stars", "ra", "dec")
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: i64,
    pub cell: u64,
    pub ra: f64,
    pub dec: f64,
}

/// Rows of Parquet files in their order; the schema's first column is the cell.
pub fn rows(files: &[PathBuf]) -> Vec<Row> {
    let source = ParquetSource::open(files).unwrap();
    let mut found = Vec::new();
    for part in 0..source.parts() {
        for batch in source.part(part, Some(&[0, 1, 2, 3])).unwrap() {
            let batch = batch.unwrap();
            let int = |c: usize| batch.column(c).as_primitive::<Int64Type>().values().to_vec();
            let real = |c: usize| batch.column(c).as_primitive::<Float64Type>().values().to_vec();
            let (cells, ids, ra, dec) = (int(0), int(1), real(2), real(3));
            for k in 0..batch.num_rows() {
                found.push(Row { id: ids[k], cell: cells[k] as u64, ra: ra[k], dec: dec[k] });
            }
        }
    }
    found
}

/// Rows of every partition; panics where a rule of the layout is broken.
pub fn checked(catalog: &HatsCatalog) -> BTreeMap<Pixel, Vec<Row>> {
    catalog.check_files().unwrap();
    let mut all = BTreeMap::new();
    for p in catalog.partitions() {
        let rows = rows(&p.files);
        assert!(rows.is_sorted_by_key(|r| r.cell), "{} is not sorted", p.pixel);
        assert!(rows.iter().all(|r| p.pixel.contains29(r.cell)), "{} has strays", p.pixel);
        assert!(rows.iter().all(|r| elqui_sphere::healpix29(r.ra, r.dec) == r.cell));
        assert_eq!(p.rows, Some(rows.len() as u64));
        all.insert(p.pixel, rows);
    }
    let total: usize = all.values().map(Vec::len).sum();
    assert_eq!(catalog.rows().unwrap(), Some(total as u64));
    all
}

/// Bytes of all Parquet files of the newest version, by path below it.
pub fn parquet_bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                walk(&path, root, found);
            } else if name.contains("dataset") || name.ends_with("fits") || name.ends_with("csv") {
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let catalog = HatsCatalog::open(dir).unwrap();
    let root = catalog.root().parent().unwrap().to_path_buf();
    let mut found = BTreeMap::new();
    walk(&root, &root, &mut found);
    found
}
