//! Small catalogues for the tests, and the sky's arithmetic by hand.

use elqui_catalog::{ImportConfig, Parent, ParquetSource, import};
use elqui_schema::{Column, ColumnData, Table};
use elqui_skydb::{QueryResult, SkyDb};
use std::path::{Path, PathBuf};

/// Numbers between 0 and 1, the same each time.
pub fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub fn table(name: &str, columns: Vec<(&str, ColumnData)>) -> Table {
    let mut t = Table::new(name);
    columns.into_iter().for_each(|(n, data)| t.push(Column::new(n, data)).unwrap());
    t
}

/// Rows of a box of the sky: `id`, `ra`, `dec`, `mag`, `band` (0 to 2).
pub fn stars(rows: usize, seed: u64, ra: (f64, f64), dec: (f64, f64)) -> Table {
    let mut r = random(seed);
    let mut column =
        |low: f64, high: f64| -> Vec<f64> { (0..rows).map(|_| low + r() * (high - low)).collect() };
    let (ra, dec, mag) = (column(ra.0, ra.1), column(dec.0, dec.1), column(14.0, 24.0));
    table(
        "stars",
        vec![
            ("id", ColumnData::I64((0..rows as i64).map(|k| 1000 * seed as i64 + k).collect())),
            ("ra", ColumnData::F64(ra)),
            ("dec", ColumnData::F64(dec)),
            ("mag", ColumnData::F32(mag.into_iter().map(|m| m as f32).collect())),
            ("band", ColumnData::I32((0..rows as i32).map(|k| k % 3).collect())),
        ],
    )
}

/// Import a table as `name` into `folder/name`; small pages and partitions, so that something can be cut.
pub fn catalogue(folder: &Path, name: &str, table: &Table, parent: Option<Parent>) -> PathBuf {
    let file = folder.join(format!("{name}.parquet"));
    elqui_tables::write_parquet(table, &file).unwrap();
    let out = folder.join("catalogues").join(name);
    std::fs::create_dir_all(folder.join("catalogues")).unwrap();
    let mut config = match parent {
        None => ImportConfig::new(name, "ra", "dec"),
        Some(_) => ImportConfig::without_position(name),
    };
    if let Some(p) = parent {
        config.properties.push(("elqui_parent".into(), p.column.clone()));
        config.properties.push(("elqui_parent_table".into(), "t.stars".into()));
        let stamp = elqui_catalog::open_catalog(&p.dir, None).unwrap().stamp().unwrap();
        config.properties.push(("elqui_parent_stamp".into(), stamp));
        config.product = "map".into();
        config.parent = Some(p);
    } else {
        config.id = Some("id".into());
    }
    config.rows_max = config.rows_max.min(1 + table.rows() as u64 / 6);
    let source = ParquetSource::open(&[file]).unwrap();
    import(&out, &source, &config, &|_| {}).unwrap();
    out
}

pub fn rows(db: &SkyDb, adql: &str) -> QueryResult {
    db.query(adql).unwrap_or_else(|e| panic!("{adql}: {e}"))
}

/// All rows as texts, sorted.
pub fn sorted(result: &QueryResult) -> Vec<String> {
    let columns = result.texts(usize::MAX, |v, _| format!("{v:?}")).unwrap();
    let mut out: Vec<String> = (0..result.rows())
        .map(|r| columns.iter().map(|c| c.1[r].as_str()).collect::<Vec<_>>().join("|"))
        .collect();
    out.sort();
    out
}

pub fn numbers(result: &QueryResult, column: &str) -> Vec<f64> {
    result.table().unwrap().numbers(column).unwrap()
}
