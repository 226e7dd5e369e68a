//! Laws of an import: every row once, sorted, in its partition; margins and index complete.

mod common;

use common::{batch, checked, config, parquet_bytes, rows, sky, write_parquet};
use elqui_catalog::{CatalogError, ImportConfig, Parent, ParquetSource, import};
use elqui_hats::HatsCatalog;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn make(dir: &Path, positions: &[(f64, f64)], config: &ImportConfig) -> HatsCatalog {
    let input = write_parquet(&dir.join("in.parquet"), &batch(positions, 1000), 500);
    let source = ParquetSource::open(&[input]).unwrap();
    import(&dir.join("cat"), &source, config, &|_| {}).unwrap();
    HatsCatalog::open(dir.join("cat")).unwrap()
}

fn refused(dir: &Path, positions: &[(f64, f64)], config: &ImportConfig) -> CatalogError {
    let input = write_parquet(&dir.join("in.parquet"), &batch(positions, 1000), 500);
    let source = ParquetSource::open(&[input]).unwrap();
    import(&dir.join("cat"), &source, config, &|_| {}).unwrap_err()
}

fn separation_deg(a: (f64, f64), b: (f64, f64)) -> f64 {
    let v = |p: (f64, f64)| {
        let ((sr, cr), (sd, cd)) = (p.0.to_radians().sin_cos(), p.1.to_radians().sin_cos());
        [cd * cr, cd * sr, sd]
    };
    let (a, b) = (v(a), v(b));
    let chord: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    2.0 * (chord / 2.0).min(1.0).asin().to_degrees()
}

#[test]
fn every_row_is_there_once_sorted_and_in_its_partition() {
    let dir = tempfile::tempdir().unwrap();
    let positions = sky(6000, 1);
    let catalog = make(dir.path(), &positions, &config());
    let all = checked(&catalog);
    assert!(all.len() > 20 && all.values().all(|r| r.len() <= 300));
    let ids: BTreeSet<i64> = all.values().flatten().map(|r| r.id).collect();
    assert_eq!(ids, (1000..7000).collect());
    for row in all.values().flatten() {
        let (ra, dec) = positions[(row.id - 1000) as usize];
        assert_eq!((row.ra, row.dec), (ra, dec));
    }
    assert_eq!(catalog.version(), Some("v0001"));
}

#[test]
fn margins_hold_every_row_within_reach() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = make(dir.path(), &sky(6000, 2), &config());
    let all = checked(&catalog);
    let margin = &catalog.margins()[0];
    assert_eq!(margin.threshold_arcsec, 600.0);
    let reach = 600.0 / 3600.0;
    let mut found = 0;
    for (pixel, own) in &all {
        let there: BTreeSet<i64> = margin
            .partition(*pixel)
            .map(|p| rows(&p.files))
            .into_iter()
            .flatten()
            .map(|r| r.id)
            .collect();
        // Brute force: rows of others within the margin of one of ours are within that of the pixel.
        for (_, others) in all.iter().filter(|(p, _)| *p != pixel) {
            for other in others {
                let near = |r: &common::Row| {
                    (r.dec - other.dec).abs() <= reach
                        && separation_deg((r.ra, r.dec), (other.ra, other.dec)) <= reach
                };
                if own.iter().any(near) {
                    assert!(
                        there.contains(&other.id),
                        "{} is not in the margin of {pixel}",
                        other.id
                    );
                    found += 1;
                }
            }
        }
        assert!(own.iter().all(|r| !there.contains(&r.id)));
    }
    assert!(found > 100, "only {found} pairs tried");
}

#[test]
fn the_index_knows_every_id() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = make(dir.path(), &sky(5000, 3), &config());
    let cells: BTreeMap<i64, u64> =
        checked(&catalog).into_values().flatten().map(|r| (r.id, r.cell)).collect();
    let index = catalog.index_on("objectId").unwrap();
    let source = ParquetSource::open(&index.files).unwrap();
    let mut known = Vec::new();
    use arrow::array::AsArray;
    use elqui_catalog::RowSource;
    for part in 0..source.parts() {
        for batch in source.part(part, None).unwrap() {
            let batch = batch.unwrap();
            let cells =
                batch.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
            let orders =
                batch.column(1).as_primitive::<arrow::datatypes::UInt8Type>().values().to_vec();
            let pixels =
                batch.column(2).as_primitive::<arrow::datatypes::UInt64Type>().values().to_vec();
            let ids =
                batch.column(3).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
            for k in 0..ids.len() {
                let pixel = elqui_hats::Pixel::new(orders[k], pixels[k]).unwrap();
                assert!(pixel.contains29(cells[k] as u64) && catalog.partition(pixel).is_some());
                known.push((ids[k], cells[k] as u64));
            }
        }
    }
    assert!(known.is_sorted());
    assert_eq!(known, cells.into_iter().collect::<Vec<_>>());
}

#[test]
fn threads_and_memory_leave_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let positions = sky(8000, 4);
    let mut all = Vec::new();
    // With 1 MiB of memory the rows go through files; the parts come in another order.
    for (name, threads, memory) in [("a", 1, 1 << 30), ("b", 4, 1 << 30), ("c", 3, 1 << 20)] {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let config = ImportConfig { threads, memory_bytes: memory, ..config() };
        make(&folder, &positions, &config);
        all.push(parquet_bytes(&folder.join("cat")));
    }
    assert!(all[0] == all[1] && all[0].len() > 30);
    assert!(all[0] == all[2]);
}

#[test]
fn edges_of_the_sky() {
    let dir = tempfile::tempdir().unwrap();
    let mut positions =
        vec![(0.0, 90.0), (123.0, 90.0), (77.0, -90.0), (-0.001, 0.0), (360.0, 0.0)];
    positions.extend([(359.999_999, 10.0), (0.0, 10.0), (-180.0, 41.8), (540.0, -41.8)]);
    let catalog = make(dir.path(), &positions, &ImportConfig { rows_max: 1, ..config() });
    assert_eq!(checked(&catalog).values().map(Vec::len).sum::<usize>(), positions.len());
}

#[test]
fn one_row_and_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = make(dir.path(), &[(10.0, 20.0)], &config());
    assert_eq!(checked(&catalog).len(), 1);
    let dir = tempfile::tempdir().unwrap();
    let input =
        write_parquet(&dir.path().join("in.parquet"), &batch(&vec![(10.0, 20.0); 2000], 0), 300);
    let source = ParquetSource::open(&[input]).unwrap();
    let report = import(&dir.path().join("cat"), &source, &config(), &|_| {}).unwrap();
    assert_eq!((report.crowded, report.partitions, report.rows), (1, 1, 2000));
    // Rows at one place keep the order of the input.
    let catalog = HatsCatalog::open(dir.path().join("cat")).unwrap();
    let rows: Vec<_> = checked(&catalog).into_values().flatten().map(|r| r.id).collect();
    assert_eq!(rows, (0..2000).collect::<Vec<_>>());
}

#[test]
fn bad_positions_are_refused_or_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut positions = sky(100, 5);
    positions[7].0 = f64::NAN;
    positions[50].1 = 90.01;
    let told = refused(dir.path(), &positions, &config()).to_string();
    assert!(
        told.starts_with("2 of 100 rows")
            && told.contains("row 8")
            && told.contains("--skip-bad-rows"),
        "{told}"
    );
    assert!(!dir.path().join("cat/collection.properties").exists());
    let catalog = make(dir.path(), &positions, &ImportConfig { skip_bad_rows: true, ..config() });
    assert_eq!(checked(&catalog).values().map(Vec::len).sum::<usize>(), 98);
}

#[test]
fn what_cannot_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let p = sky(50, 6);
    let told = |c: &ImportConfig| refused(dir.path(), &p, c).to_string();
    assert!(told(&ImportConfig::new("x", "alpha", "dec")).contains("`alpha`"));
    let mut c = config();
    c.id = Some("mag".into());
    assert!(told(&c).contains("an id is an integer"));
    c = config();
    c.margin_arcsec = Some(f64::NAN);
    assert!(told(&c).contains("margin"));
    c = ImportConfig { ra: Some("name ünïcode".into()), ..config() };
    assert!(told(&c).contains("deg"));
    assert!(refused(dir.path(), &[], &config()).to_string().contains("no rows"));
    // A catalogue is not written over.
    make(dir.path(), &p, &config());
    assert!(told(&ImportConfig { rows_max: 7, ..config() }).contains("holds a catalogue already"));
}

#[test]
fn two_imports_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let input = write_parquet(&dir.path().join("in.parquet"), &batch(&sky(500, 7), 0), 100);
    let source = ParquetSource::open(&[input]).unwrap();
    let cat = dir.path().join("cat");
    let second = std::sync::Mutex::new(None);
    import(&cat, &source, &config(), &|_| {
        let mut second = second.lock().unwrap();
        if second.is_none() {
            let told = import(&cat, &source, &config(), &|_| {}).unwrap_err().to_string();
            *second = Some(told);
        }
    })
    .unwrap();
    let told = second.into_inner().unwrap().unwrap();
    assert!(told.contains(&format!("process {}", std::process::id())), "{told}");
}

#[test]
fn children_stand_with_their_parent() {
    let dir = tempfile::tempdir().unwrap();
    let parents = make(dir.path(), &sky(3000, 8), &config());
    // Five epochs of each parent, somewhere else on the sky; some without a parent.
    let folder = dir.path().join("child");
    std::fs::create_dir(&folder).unwrap();
    let child = batch(&sky(15_100, 9), 0);
    let ids: arrow::array::Int64Array =
        (0..15_100i64).map(|k| Some(if k < 15_000 { 1000 + k % 3000 } else { -k })).collect();
    let mut fields = child.schema().fields().to_vec();
    fields.push(std::sync::Arc::new(arrow::datatypes::Field::new(
        "parent",
        arrow::datatypes::DataType::Int64,
        true,
    )));
    let mut columns = child.columns().to_vec();
    columns.push(std::sync::Arc::new(ids.clone()));
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(fields));
    let child = arrow::array::RecordBatch::try_new(schema, columns).unwrap();
    let input = write_parquet(&folder.join("in.parquet"), &child, 900);
    let source = ParquetSource::open(&[input]).unwrap();
    let config = ImportConfig {
        parent: Some(Parent { dir: dir.path().join("cat"), column: "parent".into() }),
        id: None,
        ..config()
    };
    let report = import(&folder.join("cat"), &source, &config, &|_| {}).unwrap();
    assert_eq!((report.rows, report.orphans), (15_000, 100));
    let cells: BTreeMap<i64, u64> =
        checked(&parents).into_values().flatten().map(|r| (r.id, r.cell)).collect();
    let children = HatsCatalog::open(folder.join("cat")).unwrap();
    let mut seen = 0;
    for p in children.partitions() {
        assert!(parents.partitions().iter().any(|q| q.pixel.contains(p.pixel)));
        for row in rows(&p.files) {
            let parent = ids.value(row.id as usize);
            assert_eq!(cells[&parent], row.cell);
            seen += 1;
        }
    }
    assert_eq!(seen, 15_000);
}
