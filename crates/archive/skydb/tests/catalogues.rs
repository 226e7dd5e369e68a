//! Questions to catalogues in HATS layout: what is cut gives the same answers as what is not.

mod common;

use common::{catalogue, numbers, random, rows, sorted, stars, table};
use elqui_base::distance_deg;
use elqui_catalog::Parent;
use elqui_schema::ColumnData;
use elqui_skydb::{OpenOptions, QueryLimits, SkyDb, SkyDbError};
use std::path::{Path, PathBuf};

fn open(folder: &Path) -> SkyDb {
    SkyDb::open_with_threads(&[folder.join("catalogues")], 2).unwrap()
}

/// The sky around the pole and across right ascension 0, dense enough to be cut into partitions.
fn sky(folder: &Path) -> SkyDb {
    catalogue(folder, "t.stars", &stars(20_000, 1, (-20.0, 20.0), (60.0, 90.0)), None);
    open(folder)
}

/// The conditions, and the same asked of a derived table that nothing is pushed into... and cut by.
#[test]
fn cuts_change_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let db = sky(folder.path());
    for condition in [
        "1 = CONTAINS(POINT(ra, dec), CIRCLE(359.5, 75, 2))",
        "0 = CONTAINS(POINT(ra, dec), CIRCLE(359.5, 75, 2))",
        "1 = CONTAINS(POINT(ra, dec), CIRCLE(0, 90, 1)) OR id IN (1005, 1006, 77)",
        "1 = CONTAINS(POINT(ra, dec), POLYGON(355, 70, 5, 70, 5, 72, 355, 72)) AND mag < 20",
        "1 = CONTAINS(POINT(ra, dec), BOX(10, 80, 8, 3)) OR 1 = CONTAINS(POINT(ra, dec), CIRCLE(-10, 65, 1))",
        "DISTANCE(ra, dec, 12, 88) < 0.7 AND band = 1",
        "dec BETWEEN 70 AND 70.2",
        "ra > -1 AND ra < 1 AND dec > 85",
        "ra BETWEEN 5 AND 6",
        "id = 1017",
        "id = 17",
        "id IN (1001, 1002, 20999, -5)",
        "id = -7 OR id = 1003",
        "mag > 23.99",
        "mag > 23.9 AND NOT (band = 0 OR dec < 75)",
    ] {
        let cut = rows(&db, &format!("SELECT id, ra, mag FROM t.stars WHERE {condition}"));
        // A CASE in between hides the condition from everything that cuts.
        let whole = format!(
            "SELECT id, ra, mag FROM t.stars WHERE CASE WHEN {condition} THEN 1 ELSE 0 END = 1"
        );
        assert_eq!(sorted(&cut), sorted(&rows(&db, &whole)), "{condition}");
        // The planner's way, by an ORDER BY.
        let ordered =
            rows(&db, &format!("SELECT id, ra, mag FROM t.stars WHERE {condition} ORDER BY id"));
        assert_eq!(sorted(&cut), sorted(&ordered), "{condition}");
    }
    let plan =
        rows(&db, "EXPLAIN ANALYZE SELECT id FROM t.stars WHERE DISTANCE(ra, dec, 5, 70) < 0.05");
    let text = sorted(&plan).join("\n");
    assert!(text.contains("ranges of cells in 1 of"), "{text}");
}

#[test]
fn top_is_exact_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    catalogue(folder.path(), "t.stars", &stars(150_000, 1, (0.0, 90.0), (-30.0, 30.0)), None);
    let db = open(folder.path());
    for n in [0, 1, 7, 9000] {
        assert_eq!(rows(&db, &format!("SELECT TOP {n} id FROM t.stars WHERE mag < 20")).rows(), n);
        assert_eq!(rows(&db, &format!("SELECT TOP {n} id, mag + 1 AS m FROM t.stars")).rows(), n);
    }
}

/// Pairs by hand.
fn pairs(a: &[f64], b: &[f64], radius: f64) -> Vec<(i64, i64)> {
    let mut out = Vec::new();
    for p in a.chunks_exact(3) {
        for q in b.chunks_exact(3) {
            if distance_deg(p[1], p[2], q[1], q[2]) < radius {
                out.push((p[0] as i64, q[0] as i64));
            }
        }
    }
    out.sort_unstable();
    out
}

fn flat(db: &SkyDb, name: &str) -> Vec<f64> {
    let r = rows(db, &format!("SELECT id, ra, dec FROM {name}"));
    let (id, ra, dec) = (numbers(&r, "id"), numbers(&r, "ra"), numbers(&r, "dec"));
    (0..id.len()).flat_map(|k| [id[k], ra[k], dec[k]]).collect()
}

#[test]
fn sky_joins_of_every_kind_find_the_pairs() {
    let folder = tempfile::tempdir().unwrap();
    catalogue(folder.path(), "t.a", &stars(1500, 1, (-3.0, 3.0), (70.0, 90.0)), None);
    catalogue(folder.path(), "t.b", &stars(1200, 2, (-3.0, 3.0), (70.0, 90.0)), None);
    let db = open(folder.path());
    let (a, b) = (flat(&db, "t.a"), flat(&db, "t.b"));
    let truth = pairs(&a, &b, 0.1);
    assert!(truth.len() > 300);
    let ids = |sql: &str| -> Vec<(i64, i64)> {
        let r = rows(&db, sql);
        let (x, y) = (numbers(&r, "x"), numbers(&r, "y"));
        let mut out: Vec<_> = x.iter().zip(&y).map(|(x, y)| (*x as i64, *y as i64)).collect();
        out.sort_unstable();
        out
    };
    let near = "DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1";
    let none = |v: &str| format!("COALESCE({v}, -1)");
    let select = format!("SELECT {} AS x, {} AS y FROM t.a AS a", none("a.id"), none("b.id"));
    assert_eq!(ids(&format!("{select} JOIN t.b AS b ON {near}")), truth);
    assert_eq!(ids(&format!("{select}, t.b AS b WHERE {near}")), truth);
    let plan = sorted(&rows(&db, &format!("EXPLAIN {select} JOIN t.b AS b ON {near}"))).join("\n");
    assert!(plan.contains("SkyJoinExec"), "{plan}");

    let with = |extra: Vec<(i64, i64)>| {
        let mut all: Vec<_> = truth.iter().copied().chain(extra).collect();
        all.sort_unstable();
        all
    };
    let lonely = |side: &[f64], found: &dyn Fn(i64) -> bool| -> Vec<i64> {
        side.chunks_exact(3).map(|p| p[0] as i64).filter(|id| !found(*id)).collect()
    };
    let lonely_a = lonely(&a, &|id| truth.iter().any(|p| p.0 == id));
    let lonely_b = lonely(&b, &|id| truth.iter().any(|p| p.1 == id));
    assert!(!lonely_a.is_empty() && !lonely_b.is_empty());
    let left: Vec<_> = lonely_a.iter().map(|id| (*id, -1)).collect();
    let right: Vec<_> = lonely_b.iter().map(|id| (-1, *id)).collect();
    assert_eq!(ids(&format!("{select} LEFT JOIN t.b AS b ON {near}")), with(left.clone()));
    assert_eq!(ids(&format!("{select} RIGHT JOIN t.b AS b ON {near}")), with(right.clone()));
    let both = left.into_iter().chain(right).collect();
    assert_eq!(ids(&format!("{select} FULL JOIN t.b AS b ON {near}")), with(both));

    let exists = |not: &str| {
        let sql = format!(
            "SELECT a.id AS x, 0 AS y FROM t.a AS a WHERE {not} EXISTS (SELECT 1 AS one FROM t.b AS b WHERE {near})"
        );
        ids(&sql).into_iter().map(|p| p.0).collect::<Vec<_>>()
    };
    let mut lonely_a = lonely_a;
    lonely_a.sort_unstable();
    assert_eq!(exists("NOT"), lonely_a);
    let mut paired: Vec<i64> = truth.iter().map(|p| p.0).collect();
    paired.dedup();
    assert_eq!(exists(""), paired);

    // More than the distance: an equality, another column, an OR of two senses, a radius of the row.
    let bands =
        ids(&format!("{select} JOIN t.b AS b ON {near} AND a.band = b.band AND a.mag < b.mag"));
    let slow =
        ids(&format!("{select} JOIN t.b AS b ON a.band = b.band WHERE {near} AND a.mag < b.mag"));
    assert_eq!(bands, slow);
    assert!(!bands.is_empty() && bands.iter().all(|p| truth.contains(p)));
    let either = format!(
        "{select} JOIN t.b AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.05 OR (DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1 AND a.band = 1)"
    );
    let wanted: Vec<_> = {
        let close = pairs(&a, &b, 0.05);
        truth.iter().copied().filter(|p| close.contains(p) || (p.0 - 1000) % 3 == 1).collect()
    };
    assert_eq!(ids(&either), wanted);
    let of_rows = format!(
        "{select} JOIN t.b AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.05 * (1 + a.band)"
    );
    let circles = format!(
        "{select} JOIN t.b AS b ON 1 = CONTAINS(POINT(b.ra, b.dec), CIRCLE(a.ra, a.dec, 0.05 * (1 + a.band)))"
    );
    assert_eq!(ids(&of_rows), ids(&circles));
    let renamed = "SELECT a.id AS x, b.id AS y FROM (SELECT id, dec AS u, ra AS ra2 FROM t.a) AS a \
                   JOIN (SELECT id, ra AS v, dec AS w FROM t.b WHERE mag < 99) AS b ON DISTANCE(a.ra2, a.u, b.v, b.w) < 0.1";
    assert_eq!(ids(renamed), truth);
}

/// Sides large enough to be joined tile by tile.
#[test]
fn tiles_find_the_same_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let near = |t: &elqui_schema::Table, seed: u64| {
        let mut r = random(seed);
        let mut moved = t.clone();
        for c in &mut moved.columns {
            if let (true, ColumnData::F64(v)) = (c.name == "dec", &mut c.data) {
                v.iter_mut().for_each(|d| *d = (*d + 4e-4 * (r() - 0.5)).min(90.0));
            }
        }
        moved
    };
    let a = stars(120_000, 3, (-60.0, 60.0), (40.0, 90.0));
    catalogue(folder.path(), "t.a", &a, None);
    catalogue(folder.path(), "t.b", &near(&a, 9), None);
    let db = open(folder.path());
    let count = |sql: &str| numbers(&rows(&db, sql), "n")[0];
    let joined = |kind: &str| {
        format!(
            "SELECT COUNT(*) AS n, SUM(a.id) AS s FROM t.a AS a {kind} JOIN t.b AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1e-4"
        )
    };
    let plan = sorted(&rows(&db, &format!("EXPLAIN {}", joined("")))).join("\n");
    assert!(plan.contains("tiles of the Left side"), "{plan}");
    // Of an index of the whole: a FULL join has no tiles.
    let full = joined("FULL");
    assert!(
        sorted(&rows(&db, &format!("EXPLAIN {full}"))).join("\n").contains("left side in an index")
    );
    let (inner, left, right) =
        (count(&joined("")), count(&joined("LEFT")), count(&joined("RIGHT")));
    assert!(inner > 50_000.0 && inner < 120_000.0, "{inner}");
    assert_eq!(count(&full), left + right - inner);
    let anti = "SELECT COUNT(*) AS n FROM t.a AS a WHERE NOT EXISTS (SELECT 1 AS one FROM t.b AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1e-4)";
    let matched = "SELECT COUNT(DISTINCT a.id) AS n FROM t.a AS a JOIN t.b AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1e-4";
    assert_eq!(count(anti) + count(matched), 120_000.0);
    assert_eq!(left - inner, count(anti));
}

#[test]
fn children_are_read_where_their_parents_are() {
    let folder = tempfile::tempdir().unwrap();
    let parents = stars(5_000, 1, (0.0, 60.0), (-30.0, 30.0));
    let dir = catalogue(folder.path(), "t.stars", &parents, None);
    let mut r = random(5);
    let n = 30_000;
    let owner: Vec<i64> = (0..n).map(|_| 1000 + (r() * 5000.0) as i64).collect();
    let flux: Vec<f64> = (0..n).map(|_| r()).collect();
    let child =
        table("child", vec![("starId", ColumnData::I64(owner)), ("flux", ColumnData::F64(flux))]);
    catalogue(folder.path(), "t.child", &child, Some(Parent { dir, column: "starId".into() }));
    let db = open(folder.path());
    for (cut, whole) in [
        (
            "DISTANCE(s.ra, s.dec, 30, 0) < 1",
            "CASE WHEN DISTANCE(s.ra, s.dec, 30, 0) < 1 THEN 1 ELSE 0 END = 1",
        ),
        ("s.id = 1234", "s.id + 0 = 1234"),
    ] {
        for kind in ["", "LEFT ", "RIGHT ", "FULL "] {
            let sql = |c: &str| {
                format!(
                    "SELECT s.id, c.flux FROM t.stars AS s {kind}JOIN t.child AS c ON s.id = c.starId WHERE {c}"
                )
            };
            assert_eq!(
                sorted(&rows(&db, &sql(cut))),
                sorted(&rows(&db, &sql(whole))),
                "{kind} {cut}"
            );
        }
        let sql = format!(
            "EXPLAIN SELECT s.id, c.flux FROM t.stars AS s JOIN t.child AS c ON s.id = c.starId WHERE {cut}"
        );
        let plan = sorted(&rows(&db, &sql)).join("\n");
        assert_eq!(plan.matches("ranges of cells").count(), 2, "{plan}");
    }
    let alone = sorted(&rows(&db, "SELECT flux FROM t.child WHERE starId = 1234"));
    assert_eq!(alone, sorted(&rows(&db, "SELECT flux FROM t.child WHERE starId + 0 = 1234")));
}

fn partition_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut look = vec![folder.to_path_buf()];
    while let Some(at) = look.pop() {
        for e in std::fs::read_dir(at).unwrap().flatten() {
            if e.path().is_dir() {
                look.push(e.path());
            } else if e.file_name().to_string_lossy().starts_with("Npix=") {
                found.push(e.path());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_broken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let db = sky(folder.path());
    let all = "SELECT SUM(mag) AS m, COUNT(ra) AS n FROM t.stars WHERE mag > 0";
    rows(&db, all);
    drop(db);
    let files = partition_files(&folder.path().join("catalogues"));
    assert!(files.len() > 2);
    // The first file is looked into when the catalogue is opened.
    let say = |sql: &str| {
        let opened = SkyDb::open_with_threads(&[folder.path().join("catalogues")], 2);
        opened.and_then(|db| db.query(sql)).expect_err(sql).to_string()
    };

    let good = std::fs::read(&files[1]).unwrap();
    let mut bad = good.clone();
    // Page headers and data of the first half.
    let half = bad.len() / 2;
    bad[8..half].iter_mut().step_by(5).for_each(|b| *b ^= 0xa5);
    std::fs::write(&files[1], &bad).unwrap();
    let text = say(all);
    let name = files[1].file_name().unwrap().to_string_lossy().into_owned();
    assert!(text.contains(&name) && text.contains("damaged") && !text.contains('\n'), "{text}");

    std::fs::write(&files[1], &good[..good.len() / 3]).unwrap();
    let text = say(all);
    assert!(text.contains(&name) && text.contains("damaged"), "{text}");

    std::fs::remove_file(&files[1]).unwrap();
    let text = say(all);
    assert!(text.contains(&name) && text.contains("missing"), "{text}");
    // What does not need it is answered.
    std::fs::write(&files[1], &good).unwrap();
    rows(&open(folder.path()), all);
}

#[test]
fn a_query_keeps_to_its_memory_and_disk() {
    let folder = tempfile::tempdir().unwrap();
    catalogue(folder.path(), "t.stars", &stars(120_000, 1, (0.0, 90.0), (-30.0, 30.0)), None);
    let spill = tempfile::tempdir().unwrap();
    let options =
        OpenOptions { threads: 2, spill_folder: Some(spill.path().into()), version: None };
    let db = SkyDb::open_with(&[folder.path().join("catalogues")], &options).unwrap();
    let small = |memory, disk| QueryLimits {
        memory_max_bytes: memory,
        spill_max_bytes: disk,
        ..QueryLimits::default()
    };
    let sort = "SELECT id, ra, dec, mag, band FROM t.stars ORDER BY mag, id";
    // Sorts go to the disk, and come to the same.
    let wide = db.query(sort).unwrap();
    let narrow = db.query_with(sort, small(10 << 20, 1 << 30)).unwrap();
    assert_eq!(numbers(&wide, "id"), numbers(&narrow, "id"));
    assert_eq!(std::fs::read_dir(spill.path()).unwrap().count(), 0, "nothing stays behind");
    let full = db.query_with(sort, small(6 << 20, 100_000)).unwrap_err();
    assert!(matches!(full, SkyDbError::Disk { .. } | SkyDbError::Memory { .. }), "{full}");
    let join = "SELECT a.id, b.id AS other FROM t.stars AS a FULL JOIN t.stars AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.01";
    let e = db.query_with(join, small(1 << 20, 0)).unwrap_err();
    assert!(matches!(e, SkyDbError::Memory { .. }), "{e}");
    assert!(!e.to_string().contains('\n'));
    // And the database goes on.
    assert_eq!(db.query("SELECT TOP 3 id FROM t.stars").unwrap().rows(), 3);
}

#[test]
fn hostile_texts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let db = sky(folder.path());
    let long = format!("SELECT id FROM t.stars WHERE id IN ({})", vec!["1"; 600_000].join(","));
    let deep = format!("SELECT {}1{} AS x FROM t.stars", "(".repeat(5000), ")".repeat(5000));
    let nested =
        format!("{}SELECT id FROM t.stars{}", "SELECT id FROM (".repeat(300), ") AS t".repeat(300));
    for text in [
        long.as_str(),
        &deep,
        &nested,
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM \"/etc/passwd\"",
        "COPY t.stars TO '/tmp/x.csv'",
        "SELECT id INTO other FROM t.stars",
        "WITH a AS (DELETE FROM t.stars) SELECT 1 AS x FROM a",
        "SELECT id FROM t.stars; DROP TABLE t.stars",
        "SELECT pg_read_file('/etc/passwd') AS x FROM t.stars",
        "SELECT id FROM information_schema.tables",
        "\u{0}\u{1}\u{7f}",
    ] {
        let e = db.query(text).expect_err(&text[..text.len().min(60)]);
        let said = e.to_string();
        assert!(said.len() < 600 && !said.contains('\n'), "{said}");
    }
    assert_eq!(numbers(&rows(&db, "SELECT COUNT(*) AS n FROM t.stars"), "n"), [20_000.0]);
}
