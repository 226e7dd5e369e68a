//! Questions as astronomers type them, over a small catalogue on disk.

use elqui_schema::{Column, ColumnData, Table, felis};
use elqui_skydb::{QueryLimits, SkyDb, SkyDbError};
use std::path::PathBuf;

fn table(name: &str, columns: Vec<(&str, ColumnData)>) -> Table {
    let mut t = Table::new(name);
    for (n, data) in columns {
        let mut c = Column::new(n, data);
        felis::describe(name, &mut c);
        t.push(c).unwrap();
    }
    t
}

fn catalogue() -> (tempfile::TempDir, SkyDb) {
    let folder = tempfile::tempdir().unwrap();
    let n = 200usize;
    let source = |part: usize| {
        let at = |k: usize| (part * n + k) as f64;
        table(
            "Source",
            vec![
                ("sourceId", ColumnData::I64((0..n).map(|k| 1 + at(k) as i64).collect())),
                ("visit", ColumnData::I64(vec![100 + part as i64; n])),
                ("ra", ColumnData::F64((0..n).map(|k| 10.0 + at(k) * 1e-3).collect())),
                ("dec", ColumnData::F64((0..n).map(|k| -5.0 + at(k) * 1e-4).collect())),
                ("psfFlux", ColumnData::F64((0..n).map(|k| 1000.0 + at(k)).collect())),
                ("psfFluxErr", ColumnData::F64(vec![f64::NAN; n])),
                ("detect_isPrimary", ColumnData::Bool((0..n).map(|k| k % 2 == 0).collect())),
            ],
        )
    };
    std::fs::create_dir(folder.path().join("Source")).unwrap();
    for part in 0..2 {
        let path = folder.path().join(format!("Source/part{part}.parquet"));
        elqui_tables::write_parquet(&source(part), &path).unwrap();
    }
    let visit = table(
        "Visit",
        vec![
            ("visit", ColumnData::I64(vec![100, 101])),
            ("band", ColumnData::Str(vec!["g".into(), "r".into()])),
            ("expMidptMJD", ColumnData::F64(vec![61000.5, 61001.5])),
        ],
    );
    elqui_tables::write_parquet(&visit, &folder.path().join("visit.parquet")).unwrap();
    let db = SkyDb::open_with_threads(&[folder.path().to_path_buf()], 2).unwrap();
    (folder, db)
}

fn numbers(db: &SkyDb, sql: &str, column: &str) -> Vec<f64> {
    let r = db.query(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    r.table().unwrap().numbers(column).unwrap()
}

#[test]
fn questions_as_they_are_typed() {
    let (_folder, db) = catalogue();
    let names: Vec<_> = db.tables().iter().map(|t| (t.name.as_str(), t.rows)).collect();
    assert_eq!(names, [("Source", Some(400)), ("Visit", Some(2))]);
    // Capitals do not matter, and the answer has the column's own; units come along.
    for sql in [
        "SELECT psfFlux FROM Source WHERE sourceId = 7",
        "select PSFFLUX from source where SOURCEID = 7;",
        "SELECT s.psfFlux FROM dp1.Source AS s WHERE s.sourceId = 7",
        "SELECT \"psfFlux\" FROM elqui.\"Source\" WHERE sourceId = 7 -- a comment",
        "SELECT Source.psfFlux FROM Source WHERE Source.sourceId = 7",
    ] {
        let t = db.query(sql).unwrap_or_else(|e| panic!("{sql}: {e}")).table().unwrap();
        assert_eq!(
            (t.columns[0].name.as_str(), t.columns[0].unit.as_str()),
            ("psfFlux", "nJy"),
            "{sql}"
        );
        assert_eq!(t.numbers("psfFlux").unwrap(), [1006.0], "{sql}");
    }
    let top = "SELECT TOP 3 sourceId AS Id FROM Source ORDER BY psfFlux DESC";
    assert_eq!(numbers(&db, top, "Id"), [400.0, 399.0, 398.0]);
    let join = "SELECT v.band AS b, count(*) AS n, avg(psfFlux) AS meanFlux FROM Source s \
                JOIN Visit v ON s.visit = v.visit WHERE detect_isPrimary = 1 GROUP BY v.band ORDER BY b";
    assert_eq!(numbers(&db, join, "n"), [100.0, 100.0]);
    assert_eq!(numbers(&db, join, "meanFlux"), [1099.0, 1299.0]);
    assert_eq!(
        numbers(&db, "SELECT TOP 1 CAST(psfFlux AS DOUBLE PRECISION) AS D FROM Source", "D").len(),
        1
    );
    assert_eq!(
        numbers(&db, "SELECT count(*) AS n FROM Source WHERE detect_isPrimary = 0", "n"),
        [200.0]
    );
    assert_eq!(db.query("SELECT TOP 2 * FROM Source").unwrap().table().unwrap().columns.len(), 7);
}

#[test]
fn the_sky_s_own_functions() {
    let (_folder, db) = catalogue();
    let mag = "SELECT scisql_nanojanskyToAbMag(psfFlux) AS mag FROM Source WHERE sourceId = 1";
    assert!((numbers(&db, mag, "mag")[0] - 23.9).abs() < 1e-9);
    // Sources are 1e-3 deg apart in ra (at dec -5) and 1e-4 in dec.
    let cone = "SELECT sourceId FROM Source WHERE CONTAINS(POINT('ICRS', ra, dec), \
                CIRCLE('ICRS', 10.1, -4.99, 0.0021)) = 1 ORDER BY sourceId";
    assert_eq!(numbers(&db, cone, "sourceId"), [99.0, 100.0, 101.0, 102.0, 103.0]);
    let near = "SELECT TOP 1 sourceId, 3600 * DISTANCE(POINT(ra, dec), POINT(10.1, -4.99)) AS d \
                FROM Source ORDER BY DISTANCE(ra, dec, 10.1, -4.99)";
    assert_eq!(numbers(&db, near, "sourceId"), [101.0]);
    assert!(numbers(&db, near, "d")[0] < 1e-6);
}

#[test]
fn tables_tell_about_themselves() {
    let (_folder, db) = catalogue();
    let t = db.query("SHOW TABLES").unwrap().table().unwrap();
    assert_eq!(t.numbers("rows").unwrap(), [400.0, 2.0]);
    let t = db.query("DESCRIBE dp1.source").unwrap().table().unwrap();
    assert_eq!(t.rows(), 7);
    assert_eq!(t.column("unit").unwrap().data.take(&[2]), ColumnData::Str(vec!["deg".into()]));
    assert!(db.query("EXPLAIN SELECT count(*) FROM Source").unwrap().rows() > 0);
}

#[test]
fn mistakes_are_told_in_one_line_with_their_place() {
    let (_folder, db) = catalogue();
    let say = |sql: &str| {
        let text = db.query(sql).expect_err(sql).to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    };
    assert_eq!(
        say("SELECT psfFlx FROM Source"),
        "line 1, column 8: there is no column `psfFlx`; did you mean `psfFlux`?"
    );
    assert_eq!(
        say("SELECT ra\nFROM Sorce"),
        "line 2, column 6: there is no table `Sorce`; did you mean `Source`?"
    );
    assert!(say("SELECT visit FROM Source, Visit").contains("`visit` may mean"));
    assert!(say("SELECT FROM WHERE").starts_with("line 1, column"));
    assert!(say("SELECT ra FROM Source WHERE (dec > 1").starts_with("line 1, column"));
    assert!(say("SELECT 'open").contains("line 1, column 8"));
    assert!(say("").starts_with("line 1, column 1: "), "{}", say(""));
    assert!(say("hello").contains("SELECT"), "{}", say("hello"));
    let text = say("SELECT nosuch(ra) FROM Source");
    assert!(text.contains("there is no function `nosuch`"), "{text}");
    let text = say("SELECT 1; SELECT 2");
    assert!(text.starts_with("line 1, column"), "{text}");
    let text = say(&format!("SELECT {}1{} FROM Source", "(".repeat(3000), ")".repeat(3000)));
    assert!(text.contains("over the limit"), "{text}");
}

#[test]
fn nothing_is_written() {
    let (folder, db) = catalogue();
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    let out = folder.path().join("stolen.csv");
    for sql in [
        "DROP TABLE Source".to_string(),
        "CREATE TABLE t AS SELECT * FROM Source".into(),
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'".into(),
        "INSERT INTO Source SELECT * FROM Source".into(),
        "WITH a AS (SELECT 1) INSERT INTO Visit SELECT * FROM a".into(),
        format!("COPY Source TO '{}'", out.display()),
        "SET datafusion.execution.batch_size = 1".into(),
        "EXPLAIN ANALYZE INSERT INTO Visit SELECT * FROM Visit".into(),
        "SELECT * FROM '/etc/passwd'".into(),
        "SELECT 1 INTO t2".into(),
    ] {
        assert!(db.query(&sql).is_err(), "{sql}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
    assert!(
        matches!(db.query("delete from Source"), Err(SkyDbError::ReadOnly { word }) if word == "DELETE")
    );
}

#[test]
fn rows_and_time_are_bounded() {
    let (_folder, db) = catalogue();
    let limits =
        |rows_max, time_max_s| QueryLimits { rows_max, time_max_s, ..QueryLimits::default() };
    let r = db.query_with("SELECT ra FROM Source", limits(150, 10.0)).unwrap();
    assert_eq!((r.rows(), r.truncated), (150, true));
    let r = db.query_with("SELECT ra FROM Source", limits(400, 10.0)).unwrap();
    assert_eq!((r.rows(), r.truncated), (400, false));
    let endless = "SELECT count(*) FROM Source a, Source b, Source c, Source d \
                   WHERE a.psfFlux + b.psfFlux + c.psfFlux + d.psfFlux < 0";
    let start = std::time::Instant::now();
    let e = db.query_with(endless, limits(10, 0.3)).unwrap_err();
    assert!(matches!(e, SkyDbError::Timeout { .. }), "{e}");
    assert!(start.elapsed().as_secs_f64() < 10.0);
}

#[test]
fn async_callers_with_their_own_runtime_are_served() {
    let (_folder, db) = catalogue();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let rows = runtime.block_on(async {
        let r = db.query_async("SELECT count(*) AS n FROM Source", QueryLimits::default()).await;
        drop(db);
        r.unwrap().table().unwrap().numbers("n").unwrap()
    });
    assert_eq!(rows, [400.0]);
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let say = |p: PathBuf| SkyDb::open(&[p]).err().expect("an error").to_string();
    assert!(say(folder.path().join("none")).contains("none` cannot be opened: no such file"));
    assert!(say(folder.path().to_path_buf()).contains("no Parquet file"));
    std::fs::write(folder.path().join("source.parquet"), b"PAR1 not at all").unwrap();
    let text = say(folder.path().to_path_buf());
    assert!(text.contains("source.parquet") && !text.contains('\n'), "{text}");
}
