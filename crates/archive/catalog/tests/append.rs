//! Laws of versions: append, replace, tags, pruning; readers see the old or the new.

mod common;

use common::{batch, checked, config, parquet_bytes, rows, sky, write_parquet};
use elqui_catalog::{
    ImportConfig, ParquetSource, append, config_of, import, prune, replace, tag, versions,
};
use elqui_hats::HatsCatalog;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn source(dir: &Path, positions: &[(f64, f64)], first: i64) -> ParquetSource {
    let path = dir.join(format!("in{first}.parquet"));
    ParquetSource::open(&[write_parquet(&path, &batch(positions, first), 500)]).unwrap()
}

fn ids(catalog: &HatsCatalog) -> BTreeSet<i64> {
    checked(catalog).into_values().flatten().map(|r| r.id).collect()
}

fn start(dir: &Path) -> PathBuf {
    let cat = dir.join("cat");
    import(&cat, &source(dir, &sky(4000, 1), 0), &config(), &|_| {}).unwrap();
    cat
}

/// Settings of the catalogue with the small row groups of these tests.
fn settings(cat: &Path) -> ImportConfig {
    let known = config_of(&HatsCatalog::open(cat).unwrap()).unwrap();
    assert_eq!((known.rows_max, known.margin_arcsec), (300, Some(600.0)));
    let (row_group_rows, page_rows, order_max) = (128, 32, 8);
    ImportConfig {
        row_group_rows,
        page_rows,
        order_max,
        memory_bytes: 64 << 20,
        threads: 2,
        ..known
    }
}

#[test]
fn an_append_touches_what_it_must() {
    let dir = tempfile::tempdir().unwrap();
    let cat = start(dir.path());
    let before = HatsCatalog::open(&cat).unwrap();
    let old = parquet_bytes(&cat);
    // New rows in one corner: enough to split partitions there.
    let mut dice = common::Dice(5);
    let corner: Vec<(f64, f64)> =
        (0..900).map(|_| (60.0 + 6.0 * dice.unit(), 30.0 + 6.0 * dice.unit())).collect();
    let report =
        append(&cat, &source(dir.path(), &corner, 10_000), &settings(&cat), &|_| {}).unwrap();
    assert_eq!((report.version.as_str(), report.rows), ("v0002", 4900));
    let after = HatsCatalog::open(&cat).unwrap();
    assert_eq!(ids(&after), (0..4000).chain(10_000..10_900).collect());
    assert!(checked(&after).values().all(|r| r.len() <= 300));
    // Partitions that got nothing are the same file.
    let new = parquet_bytes(&cat);
    let same = old.iter().filter(|(k, v)| k.contains("Npix") && new.get(*k) == Some(v)).count();
    assert!(same > before.partitions().len() / 2, "{same}");
    // The version before is still whole.
    assert_eq!(ids(&HatsCatalog::open_version(&cat, "v0001").unwrap()), (0..4000).collect());
    assert_eq!(HatsCatalog::open_version(&cat, "1").unwrap().version(), Some("v0001"));
}

#[test]
fn an_append_gives_what_one_import_gives() {
    let dir = tempfile::tempdir().unwrap();
    let cat = start(dir.path());
    let more = sky(3000, 6);
    append(&cat, &source(dir.path(), &more, 50_000), &settings(&cat), &|_| {}).unwrap();
    // The same rows at once: partitions, margins and index hold the same rows.
    let whole = dir.path().join("whole");
    let files = [dir.path().join("in0.parquet"), dir.path().join("in50000.parquet")];
    import(&whole, &ParquetSource::open(&files).unwrap(), &config(), &|_| {}).unwrap();
    let (a, b) = (HatsCatalog::open(&cat).unwrap(), HatsCatalog::open(&whole).unwrap());
    assert_eq!(checked(&a), checked(&b));
    let margin = |c: &HatsCatalog| -> Vec<_> {
        c.margins()[0].partitions.iter().map(|p| (p.pixel, rows(&p.files))).collect()
    };
    assert_eq!(margin(&a), margin(&b));
    let map = |c: &HatsCatalog| std::fs::read(c.root().join("skymap.fits")).unwrap();
    assert!(map(&a) == map(&b));
    let index = |c: &HatsCatalog| std::fs::read(&c.index_on("objectId").unwrap().files[0]).unwrap();
    assert!(index(&a) == index(&b));
}

#[test]
fn an_append_where_nothing_was() {
    let dir = tempfile::tempdir().unwrap();
    let cat = dir.path().join("cat");
    let north: Vec<(f64, f64)> = sky(500, 1).iter().map(|p| (p.0, 60.0 + p.1 / 10.0)).collect();
    let south: Vec<(f64, f64)> = north.iter().map(|p| (p.0, -p.1)).collect();
    import(&cat, &source(dir.path(), &north, 0), &config(), &|_| {}).unwrap();
    append(&cat, &source(dir.path(), &south, 1000), &settings(&cat), &|_| {}).unwrap();
    assert_eq!(ids(&HatsCatalog::open(&cat).unwrap()).len(), 1000);
}

#[test]
fn replace_tag_and_prune() {
    let dir = tempfile::tempdir().unwrap();
    let cat = start(dir.path());
    tag(&cat, "1", "DR1").unwrap();
    assert!(tag(&cat, "1", "v0009").is_err() && tag(&cat, "1", "a b").is_err());
    for k in 2..5 {
        let source = source(dir.path(), &sky(300, k), k as i64 * 1000);
        replace(&cat, &source, &config(), &|_| {}).unwrap();
    }
    let told: Vec<String> =
        versions(&cat).unwrap().iter().map(|v| format!("{} {}", v.name, v.rows)).collect();
    assert_eq!(told, ["v0001 4000", "v0002 300", "v0003 300", "v0004 300"]);
    assert!(tag(&cat, "v0003", "DR1").unwrap_err().to_string().contains("v0001"));
    assert_eq!(prune(&cat, 1).unwrap(), ["v0002", "v0003"]);
    assert_eq!(ids(&HatsCatalog::open_version(&cat, "DR1").unwrap()).len(), 4000);
    assert_eq!(ids(&HatsCatalog::open(&cat).unwrap()), (4000..4300).collect());
    let told = HatsCatalog::open_version(&cat, "v0002").unwrap_err().to_string();
    assert!(told.contains("v0001 (DR1), v0004"), "{told}");
}

#[test]
fn other_columns_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let cat = start(dir.path());
    let narrow = batch(&sky(10, 1), 0).project(&[0, 1, 2]).unwrap();
    let path = write_parquet(&dir.path().join("narrow.parquet"), &narrow, 100);
    let source = ParquetSource::open(&[path]).unwrap();
    let told = append(&cat, &source, &settings(&cat), &|_| {}).unwrap_err().to_string();
    assert!(told.contains("`mag`") && told.contains("missing"), "{told}");
    assert_eq!(HatsCatalog::open(&cat).unwrap().version(), Some("v0001"));
}
