//! Every example of the text of ADQL 2.1, by section. Fragments stand in the smallest query that
//! holds them.

mod common;
use common::good;
use elqui_adql::{Adql, AdqlError, DataFusion, check};

/// Section and query.
const QUERIES: &[(&str, &str)] = &[
    ("2.1.6", r#"SELECT "size" FROM atable"#),
    ("2.1.7", r#"SELECT "Size" FROM atable"#),
    ("2.1.8", "SELECT 'Earth''s satellite is the Moon.', 12, 12.3, 12.3E4, .5, 1., -4, +4 FROM t"),
    ("2.1.10", "SELECT ra -- the right ascension\n, dec --- and 'dec'\nFROM t -- the end"),
    (
        "2.2.1 IN",
        "SELECT alpha_source.id FROM alpha_source WHERE alpha_sourceid >=5
         AND alpha_sourceid IN (SELECT id FROM alpha_source WHERE id < 10)",
    ),
    (
        "2.2.1 derived",
        "SELECT alpha_source.id FROM alpha_source,
         (SELECT alpha_source.id FROM alpha_source WHERE id < 10) AS subsample
         WHERE alpha_source.id >=5 AND alpha_source.id = subsample.id",
    ),
    (
        "2.2.1 WITH",
        "WITH subsample AS (SELECT alpha_source.id FROM alpha_source WHERE id < 10)
         SELECT alpha_source.id FROM alpha_source INNER JOIN subsample USING(id)
         WHERE alpha_source.id >= 5",
    ),
    ("2.2.2", "SELECT * FROM table1 NATURAL LEFT OUTER JOIN table2 NATURAL JOIN table3"),
    ("2.2.2 b", "SELECT a.id FROM table1 AS a RIGHT JOIN table2 b ON a.id = b.id FULL OUTER JOIN table3 c ON c.id = b.id"),
    (
        "2.2.3",
        "SELECT id FROM alpha_source a WHERE (ra = 1 OR ra <> 2 OR NOT ra != 3) AND ra <= 4 AND ra >= 5
         AND ra BETWEEN 1 AND 2 AND ra NOT BETWEEN 3 AND 4 AND id IN (1, 2) AND id NOT IN (3)
         AND name LIKE 'a%' AND name NOT LIKE '_b' AND name IS NULL AND name IS NOT NULL
         AND EXISTS (SELECT * FROM table1 b WHERE b.id = a.id) AND name ILIKE 'x%'",
    ),
    (
        "2.3",
        "SELECT ABS(ra), CEILING(ra), DEGREES(ra), EXP(ra), FLOOR(ra), LOG(ra), LOG10(ra), MOD(ra, 3), PI(),
         POWER(ra, 2), RADIANS(ra), SQRT(ra), RAND(), RAND(5), ROUND(ra), ROUND(ra, 2), ROUND(ra, -1),
         TRUNCATE(ra), TRUNCATE(ra, 1), ACOS(ra), ASIN(ra), ATAN(ra), ATAN2(dec, ra), COS(ra), COT(ra),
         SIN(ra), TAN(ra) FROM t",
    ),
    ("3.2.1", "SELECT ra FROM t WHERE obstime > CAST('2015-01-01' AS TIMESTAMP)"),
    (
        "3.2.1 b",
        "SELECT ra FROM t WHERE obstime BETWEEN CAST('2014-01-01' AS TIMESTAMP) AND CAST('2014-01-02' AS TIMESTAMP)",
    ),
    ("3.5.1", "SELECT POINT(12.3, 45.6) FROM t"),
    ("3.5.2", "SELECT CIRCLE(12.3, 45.6, 0.5) FROM t"),
    ("3.5.3", "SELECT POLYGON(10.0, -10.5, 20.0, 20.5, 30.0, 30.5) FROM t"),
    ("4.2.6", "SELECT * FROM t WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))"),
    ("4.2.7", "SELECT t1.id FROM t1 JOIN t2 ON DISTANCE(t1.ra, t1.dec, t2.ra, t2.dec) < 0.00027"),
    ("4.2.7 b", "SELECT t.ra FROM t WHERE DISTANCE(t.pos, POINT(10.68, 41.27)) <= 2.5"),
    ("4.2.8", "SELECT AREA(POLYGON(10.0, -10.5, 20.0, 20.5, 30.0, 30.5)), AREA(t1.footprint) FROM t1"),
    ("4.2.9", "SELECT BOX(25.4, -20.0, 10.0, 10.0), BOX(POINT(25.4, -20.0), 10.0, 10.0), BOX(t1.center, t1.width, t1.height) FROM t1"),
    ("4.2.10", "SELECT CENTROID(POLYGON(10.0, -10.5, 20.0, 20.5, 30.0, 30.5)), CENTROID(t1.footprint) FROM t1"),
    ("4.2.11", "SELECT CIRCLE(25.4, -20.0, 10.0), CIRCLE(POINT(25.4, -20.0), 10.0), CIRCLE(t1.center, t1.radius) FROM t1"),
    ("4.2.12", "SELECT CONTAINS(POINT(25.0, -19.5), CIRCLE(25.4, -20.0, 10.0)) FROM t"),
    ("4.2.12 b", "SELECT * FROM t WHERE 1 = CONTAINS(POINT(25.0, -19.5), CIRCLE(25.4, -20.0, 10.0))"),
    ("4.2.12 c", "SELECT * FROM t WHERE 0 = CONTAINS(POINT(25.0, -19.5), CIRCLE(25.4, -20.0, 10.0))"),
    ("4.2.12 d", "SELECT t1.id FROM t1, t2 WHERE 0 = CONTAINS(t1.center, t2.footprint)"),
    ("4.2.13", "SELECT COORD1(POINT(25.0, -19.5)), COORD1(t.center) FROM t"),
    ("4.2.14", "SELECT COORD2(POINT(25.0, -19.5)), COORD2(t.center) FROM t"),
    ("4.2.15", "SELECT COORDSYS(POINT(25.0, -19.5)), COORDSYS(t.footprint) FROM t"),
    (
        "4.2.16",
        "SELECT DISTANCE(POINT(25.0, -19.5), POINT(25.4, -20.0)), DISTANCE(25.0, -19.5, 25.4, -20.0),
         DISTANCE(t1.base, t2.target) FROM t1, t2",
    ),
    (
        "4.2.17",
        "SELECT INTERSECTS(CIRCLE(25.4, -20.0, 1), POLYGON(20.0, -15.0, 20.0, -5.0, 10.0, -5.0, 10.0, -15.0)) FROM t",
    ),
    (
        "4.2.17 b",
        "SELECT ra FROM t WHERE 1 = INTERSECTS(CIRCLE(25.4, -20.0, 1), POLYGON(20.0, -15.0, 20.0, -5.0, 10.0, -5.0, 10.0, -15.0))",
    ),
    (
        "4.2.17 c",
        "SELECT ra FROM t WHERE 0 = INTERSECTS(CIRCLE(25.4, -20.0, 1), POLYGON(20.0, -15.0, 20.0, -5.0, 10.0, -5.0, 10.0, -15.0))",
    ),
    ("4.2.17 d", "SELECT t1.id FROM t1, t2 WHERE 0 = INTERSECTS(t1.target, t2.footprint)"),
    ("4.2.18", "SELECT POINT(25.0, -19.5), POINT(t.ra, t.dec), POINT('ICRS', t.ra, t.dec) FROM t"),
    (
        "4.2.19",
        "SELECT POLYGON(t1.ra, t1.dec + 5, t1.ra - 5, t1.dec - 5, t1.ra - 5, t1.dec + 5),
         POLYGON(t2.toppoint, t2.bottomleft, t2.bottomright) FROM t1, t2",
    ),
    ("4.2.20", "SELECT REGION('CIRCLE ICRS 25.4 -20 1') FROM t"),
    ("4.4", "SELECT LOWER('Francis Albert Augustus Charles Emmanuel'), UPPER('Francis Albert') FROM t"),
    ("4.4.4", "SELECT ra FROM t WHERE 'Francis' LIKE 'francis' OR 'Francis' ILIKE 'francis'"),
    (
        "4.5",
        "SELECT ra, dec FROM (SELECT * FROM alpha_source WHERE id % 10 = 0) AS alpha_subset WHERE ra > 10 AND ra < 20",
    ),
    (
        "4.5 b",
        "WITH alpha_subset AS (SELECT * FROM alpha_source WHERE id % 10 = 0)
         SELECT ra, dec FROM alpha_subset WHERE ra > 10 AND ra < 20",
    ),
    ("4.6.5", "SELECT id, ra, dec FROM table1 UNION SELECT id, ra, dec FROM table2 ORDER BY id -- sort the UNION result"),
    (
        "4.6.5 b",
        "-- take the 10 first
         (SELECT TOP 10 id, ra, dec FROM atable ORDER BY id ASC)
         UNION
         -- take the 10 last
         (SELECT TOP 10 id, ra, dec FROM atable ORDER BY id DESC)",
    ),
    (
        "4.6.5 c",
        "WITH tenFirst AS (SELECT TOP 10 id, ra, dec FROM atable ORDER BY id ASC),
              tenLast AS (SELECT TOP 10 id, ra, dec FROM atable ORDER BY id DESC)
         SELECT * FROM tenFirst UNION SELECT * FROM tenLast",
    ),
    ("4.6.6", "SELECT id, ra, dec FROM table1 UNION SELECT id, ra, dec FROM table2 INTERSECT SELECT id, ra, dec FROM table3"),
    (
        "4.6.6 b",
        "SELECT id, ra, dec FROM table1 UNION (SELECT id, ra, dec FROM table2 INTERSECT SELECT id, ra, dec FROM table3)",
    ),
    ("4.7.1", "SELECT CAST(3 AS REAL), CAST('3.14159265358979323846' AS DOUBLE PRECISION) FROM t"),
    ("4.7.1 b", "SELECT CAST('2021-01-14T11:25:00' AS TIMESTAMP), CAST(ra AS CHAR(4)), CAST(ra AS VARCHAR) FROM t"),
    (
        "4.7.1 c",
        "SELECT CAST('12.3 45.6' AS POINT), CAST('12.3 45.6 1.0' AS CIRCLE), CAST('1.0 0.1 2.0 0.2 3.0 0.3' AS POLYGON) FROM t",
    ),
    ("4.8.1", "SELECT COALESCE(access_url, '') FROM ivoa.obscore"),
    ("4.9.1", "SELECT IN_UNIT(em, 'nm'), IN_UNIT(t.ra, 'arcsec') FROM t"),
    ("4.10.1", "SELECT TOP 10 id FROM atable ORDER BY id OFFSET 20"),
    ("4.10.1 b", "SELECT id FROM atable OFFSET 5"),
];

#[test]
fn every_example_parses_resolves_and_renders() {
    for (section, text) in QUERIES {
        let checked = good(text);
        assert!(!checked.columns.is_empty(), "{section}");
        checked.render(&DataFusion).unwrap_or_else(|e| panic!("{section}: {e}"));
        let again = checked.render(&Adql).unwrap_or_else(|e| panic!("{section}: {e}"));
        // The normal form is a fixed point.
        let twice = good(&again).render(&Adql).unwrap();
        assert_eq!(twice, again, "{section}");
        assert_eq!(good(&again).columns, checked.columns, "{section}: {again}");
    }
    assert!(QUERIES.len() > 50);
}

#[test]
fn the_standards_wrong_examples_are_refused() {
    let refused = |text: &str| check(text, &common::catalog()).unwrap_err();
    // 2.1.6: a reserved word as a name.
    assert_eq!(
        refused("SELECT size FROM atable").to_string(),
        "line 1, column 8: `size` is a reserved word: as a name it is written \"size\""
    );
    // 2.1.7: capitals matter in double quotes.
    let e = refused(r#"SELECT "SIZE" FROM atable"#);
    assert!(matches!(&e, AdqlError::Unknown { hint, .. } if hint.contains("\"size\"")), "{e}");
    // 4.2.19: numbers and points do not mix.
    assert_eq!(refused("SELECT POLYGON(1, 2, 3, 4, POINT(5, 6)) FROM t").code(), "arguments");
    // 4.5: no recursion, and only in the main query.
    assert_eq!(refused("WITH RECURSIVE a AS (SELECT 1 FROM t) SELECT * FROM a").code(), "not-adql");
    let nested = "SELECT * FROM (WITH a AS (SELECT ra FROM t) SELECT * FROM a) AS b";
    assert_eq!(refused(nested).code(), "not-adql");
    // 4.6: the same number and types of columns.
    assert_eq!(refused("SELECT id FROM table1 UNION SELECT id, ra FROM table2").code(), "type");
    assert_eq!(refused("SELECT id FROM table1 UNION SELECT name FROM alpha_source").code(), "type");
}
