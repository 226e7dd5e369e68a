//! What is refused, where, and with which words.

mod common;
use common::catalog;
use elqui_adql::{AdqlError, check, parse};

fn refused(text: &str) -> AdqlError {
    match check(text, &catalog()) {
        Ok(c) => panic!("passes: {text}\n{:?}", c.query),
        Err(e) => e,
    }
}

#[test]
fn every_refusal_names_its_place_and_the_remedy() {
    let cases: &[(&str, &str)] = &[
        (
            "SELECT id FROM atable LIMIT 5",
            "line 1, column 23: `LIMIT` is not ADQL: use TOP n after SELECT",
        ),
        (
            "SELECT id\nFROM atable\nFETCH FIRST 5 ROWS ONLY",
            "line 3, column 1: `FETCH` is not ADQL: use TOP n after SELECT",
        ),
        (
            "SELECT id, COUNT(*) OVER (ORDER BY id) FROM atable",
            "line 1, column 21: `OVER` is not ADQL: there are no window functions; a subquery with GROUP BY does most of it",
        ),
        (
            "SELECT id FROM atable;SELECT 1",
            "line 1, column 22: `;` is not ADQL: a query is one statement",
        ),
        (
            "SELECT flags & 4 FROM dr17.PhotoObj",
            "line 1, column 14: `&` is not ADQL: use BITWISE_AND(a, b)",
        ),
        ("SELECT ra::int FROM t", "line 1, column 10: `::` is not ADQL: use CAST(x AS type)"),
        (
            "SELECT [ra] FROM t",
            "line 1, column 8: `[` is not ADQL: names are Latin letters, digits and _, or stand in double quotes",
        ),
        (
            "SELECT größe FROM t",
            "line 1, column 10: `ö` is not ADQL: names are Latin letters, digits and _, or stand in double quotes",
        ),
        ("", "line 1, column 1: SELECT or WITH was expected, not nothing"),
        ("FROM t", "line 1, column 1: SELECT or WITH was expected, not `FROM`"),
        ("SELECT FROM t", "line 1, column 8: "),
        ("SELECT ra FROM", "line 1, column 15: "),
        ("SELECT ra FROM t WHERE", "line 1, column 23: "),
        ("SELECT ra t1 t2 FROM t", "line 1, column 14: "),
        (
            "SELECT (ra FROM t",
            "line 1, column 8: a closed parenthesis was expected, not `(` without its `)`",
        ),
        ("SELECT ra) FROM t", "line 1, column 10: the end of the query was expected, not `)`"),
        (
            "SELECT date FROM t",
            "line 1, column 8: `date` is a reserved word: as a name it is written \"date\"",
        ),
        (
            "SELECT psfFlx FROM dp1.Source",
            "line 1, column 8: there is no column `psfFlx`; did you mean `psfFlux`?",
        ),
        (
            "SELECT s.psfFlx\nFROM dp1.Source s",
            "line 1, column 8: there is no column `psfFlx`; did you mean `psfFlux`?",
        ),
        (
            "SELECT ra FROM dp1.Sourcee",
            "line 1, column 16: there is no table `dp1.Sourcee`; did you mean `Source`?",
        ),
        (
            "SELECT x.ra FROM t",
            "line 1, column 8: there is no table in this FROM called `x`; did you mean `t`?",
        ),
        ("SELECT id FROM table1, table2", "line 1, column 8: `id` may mean table1.id or table2.id"),
        (
            "SELECT 1 FROM t, t",
            "line 1, column 18: `t` may mean two tables of this FROM; give each an alias",
        ),
        (
            "SELECT SQTR(ra) FROM t",
            "line 1, column 8: there is no function `sqtr`; did you mean `sqrt`?",
        ),
        ("SELECT pg_sleep(10) FROM t", "line 1, column 8: there is no function `pg_sleep`"),
        (
            "SELECT SQRT(name) FROM alpha_source",
            "line 1, column 8: SQRT takes (number), not (VARCHAR)",
        ),
        (
            "SELECT CIRCLE(1, 2) FROM t",
            "line 1, column 8: CIRCLE takes (number, number, number) or (point, number) or (text, number, number, number) or (text, point, number), not (INTEGER, INTEGER)",
        ),
        (
            "SELECT ra FROM t WHERE CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))",
            "line 1, column 24: a comparison with 1, as in 1 = CONTAINS(...), was expected, not a value of type INTEGER",
        ),
        (
            "SELECT ra FROM t WHERE ra",
            "line 1, column 24: a condition was expected, not a value of type DOUBLE PRECISION",
        ),
        (
            "SELECT ra FROM t WHERE ra = 'x'",
            "line 1, column 29: a value to compare with DOUBLE PRECISION was expected, not a value of type VARCHAR",
        ),
        (
            "SELECT POINT(10, 95) FROM t",
            "line 1, column 8: position (10, 95) deg is not on the sky: finite, and Dec within +-90",
        ),
        (
            "SELECT CIRCLE(10, 5, -1) FROM t",
            "line 1, column 8: radius of a region is -1 deg: it must be from 0 to 180",
        ),
        (
            "SELECT POINT('GALACTIC', 10, 5) FROM t",
            "line 1, column 14: positions are not converted from `GALACTIC`: give ICRS, or no frame",
        ),
        (
            "SELECT REGION('TRIANGLE 1 2') FROM t",
            "line 1, column 8: a region reads POSITION ra dec,",
        ),
        (
            "SELECT IN_UNIT(ra, 'kg') FROM t",
            "line 1, column 20: IN_UNIT takes a unit of the same kind, not that: the unit `kg` is not known here",
        ),
        (
            "SELECT IN_UNIT(42, 'deg') FROM t",
            "line 1, column 20: IN_UNIT takes a unit of the same kind, not that: a value without a unit is not converted",
        ),
        (
            "SELECT ra FROM t ORDER BY 3",
            "line 1, column 27: there is no result column `3`; there are 1",
        ),
        (
            "SELECT ra FROM t WHERE COUNT(*) > 1",
            "line 1, column 24: COUNT() in WHERE or ON is not ADQL: conditions on groups go in HAVING",
        ),
        ("SELECT TOP 10.5 ra FROM t", "line 1, column 12: "),
        ("SELECT TOP -1 ra FROM t", "line 1, column 12: "),
        (
            "SELECT CAST(ra AS JSON) FROM t",
            "line 1, column 13: CAST to JSON is not ADQL: to SMALLINT,",
        ),
        (
            "SELECT 1",
            "line 1, column 1: FROM with a table was expected, not a SELECT without tables",
        ),
        ("SELECT a.ra FROM (SELECT ra FROM t)", "line 1, column "),
        (
            "SELECT id FROM table1 a JOIN alpha_source b USING (name)",
            "line 1, column 52: there is no column on both sides of this join called `name`; the left side has none",
        ),
        (
            "SELECT ra FROM t WHERE ra IN (SELECT ra, dec FROM t)",
            "line 1, column 24: a subquery with one column was expected, not a value of type a table of 2 columns",
        ),
        ("SELECT * EXCEPT (ra) FROM t", "line 1, column "),
        (
            "SELECT ra INTO x FROM t",
            "line 1, column 11: `INTO` is not ADQL: a query only reads, and starts with SELECT or WITH",
        ),
        ("SELECT ra FROM t FOR UPDATE", "line 1, column 18: `FOR` is a reserved word"),
        ("SELECT ra FROM read_parquet('x')", "line 1, column "),
        ("SELECT ra FROM 'file.csv'", "line 1, column 16: "),
        ("SELECT \"\" FROM t", "line 1, column 8: "),
        ("SELECT 'abc FROM t", "line 1, column 8: "),
        (
            "SELECT 0xfffffffffffffffff FROM t",
            "line 1, column 8: `0xfffffffffffffffff` is not ADQL",
        ),
    ];
    for (text, expected) in cases {
        let e = refused(text);
        let said = e.to_string();
        assert!(said.starts_with(expected), "{text}\n   got: {said}\nwanted: {expected}");
        assert_eq!(said.lines().count(), 1, "{said}");
        if text.lines().count() >= usize::try_from(e.at().line).unwrap() && !text.is_empty() {
            assert!(e.caret(text).ends_with('^'), "{text}");
        }
    }
}

#[test]
fn the_caret_stands_under_the_place() {
    let text = "SELECT ra,\n       psfFlx FROM dp1.Source";
    let e = refused(text);
    assert_eq!(e.caret(text), "       psfFlx FROM dp1.Source\n       ^");
    let long = format!("SELECT {} psfFlx FROM dp1.Source", "ra, ".repeat(500));
    let shown = refused(&long).caret(&long);
    let (line, caret) = shown.split_once('\n').unwrap();
    assert!(line.len() <= 100 && line[caret.len() - 1..].starts_with("psfFlx"), "{shown}");
}

/// One text for each kind of statement that the SQL parser knows, and the ways to write from a SELECT.
const STATEMENTS: &str = "INSERT INTO t VALUES (1)|INSERT INTO t SELECT * FROM t|UPDATE t SET a = 1|DELETE FROM t|\
TRUNCATE TABLE t|DROP TABLE t|DROP SCHEMA s|CREATE TABLE x (a INT)|CREATE TABLE x AS SELECT 1|CREATE VIEW v AS SELECT 1|\
CREATE SCHEMA s|CREATE DATABASE d|CREATE INDEX i ON t (a)|CREATE FUNCTION f() RETURNS INT AS 'x'|CREATE EXTENSION q3c|\
CREATE ROLE r|CREATE SEQUENCE s|CREATE TYPE t AS (a INT)|CREATE EXTERNAL TABLE x STORED AS CSV LOCATION 'x'|\
CREATE MACRO m(a) AS a|CREATE PROCEDURE p AS BEGIN SELECT 1 END|CREATE TRIGGER t BEFORE INSERT ON t EXECUTE FUNCTION f()|\
CREATE STAGE s|CREATE SECRET s (TYPE s3)|CREATE POLICY p ON t|CREATE CONNECTOR c|CREATE SERVER s FOREIGN DATA WRAPPER w|\
CREATE OPERATOR o|CREATE DOMAIN d AS INT|CREATE USER u|CREATE VIRTUAL TABLE v USING m|ALTER TABLE t ADD COLUMN a INT|\
ALTER INDEX i RENAME TO j|ALTER VIEW v AS SELECT 1|ALTER ROLE r|ALTER SESSION SET a = 1|ALTER SCHEMA s RENAME TO r|ALTER USER u|\
ATTACH DATABASE 'x' AS y|DETACH y|COPY t TO 'x'|COPY t FROM 'x'|COPY (SELECT * FROM t) TO 'x'|CALL f()|SET a = 1|RESET a|SHOW TABLES|\
SHOW VARIABLES|SHOW CREATE TABLE t|SHOW COLUMNS FROM t|SHOW FUNCTIONS|USE s|BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT a|\
RELEASE SAVEPOINT a|GRANT SELECT ON t TO u|REVOKE SELECT ON t FROM u|DENY SELECT ON t TO u|DEALLOCATE a|EXECUTE a|PREPARE a AS SELECT 1|\
KILL 5|EXPLAIN SELECT * FROM t|EXPLAIN ANALYZE SELECT * FROM t|DESCRIBE t|DESC t|ANALYZE t|ANALYZE TABLE t COMPUTE STATISTICS|\
MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE|CACHE TABLE t|UNCACHE TABLE t|PRAGMA a = 1|LOCK TABLES t READ|UNLOCK TABLES|\
FLUSH TABLES|DISCARD ALL|DECLARE c CURSOR FOR SELECT 1|FETCH NEXT FROM c|CLOSE c|OPEN c|ASSERT 1|COMMENT ON TABLE t IS 'x'|\
INSTALL httpfs|LOAD 'x.so'|LOAD DATA INPATH 'x' INTO TABLE t|UNLOAD (SELECT 1) TO 'x'|OPTIMIZE TABLE t|VACUUM|REINDEX TABLE t|\
LISTEN a|NOTIFY a|UNLISTEN a|MSCK REPAIR TABLE t|DIRECTORY|RENAME TABLE t TO u|LIST @s|REMOVE @s|RAISERROR('x', 1, 1)|PRINT 'x'|\
RETURN 1|RAISE 'x'|IF 1 THEN SELECT 1; END IF|WHILE 1 BEGIN SELECT 1 END|CASE 1 WHEN 1 THEN SELECT 1; END CASE|VALUES (1)|TABLE t|\
EXPORT DATA OPTIONS(uri='x') AS SELECT 1|REPLACE INTO t VALUES (1)|DO 1|WAITFOR DELAY '1'|THROW|PURGE t|RESTORE t|\
WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a|WITH a AS (INSERT INTO t VALUES (1)) SELECT * FROM a|\
WITH a AS (SELECT 1 FROM t) DELETE FROM t|WITH a AS (SELECT 1 FROM t) INSERT INTO t SELECT * FROM a|\
WITH a AS (SELECT 1 FROM t) UPDATE t SET a = 1|WITH a AS (SELECT 1 FROM t) MERGE INTO t USING a ON 1=1 WHEN MATCHED THEN DELETE|\
SELECT * INTO x FROM t|SELECT * INTO OUTFILE 'x' FROM t|SELECT * FROM (DELETE FROM t) AS a|SELECT * FROM t; DROP TABLE t|\
SELECT * FROM t FOR UPDATE|SELECT * FROM t LOCK IN SHARE MODE|(DELETE FROM t)|(INSERT INTO t VALUES (1))|(VALUES (1))|(TABLE t)|\
SELECT * FROM (VALUES (1)) AS v|SELECT * FROM t, LATERAL (SELECT 1) AS a|SELECT * FROM TABLE(f())|SELECT * FROM UNNEST(a) AS b|\
SELECT * FROM t TABLESAMPLE (10)|SELECT * FROM f(1)|SELECT * FROM t PIVOT (SUM(a) FOR b IN (1))|SELECT * FROM t UNION VALUES (1)|\
SELECT ra FROM t |> WHERE ra > 1|FROM t SELECT ra|SELECT ra FROM t SETTINGS a = 1|SELECT ra FROM t FORMAT JSON|SELECT ra FROM t WITH (NOLOCK)|\
SELECT * FROM t AS OF SYSTEM TIME 'x'|SELECT DISTINCT ON (ra) ra FROM t|SELECT ra FROM t QUALIFY 1 = 1|SELECT ra FROM t GROUP BY ALL|\
SELECT ra FROM t GROUP BY ROLLUP (ra)|SELECT nextval('s') FROM t|SELECT lo_import('x') FROM t|SELECT pg_read_file('x') FROM t|\
SELECT dblink('x', 'y') FROM t|SELECT set_config('a', 'b', false) FROM t|SELECT CURRENT_USER FROM t|SELECT @@version FROM t|\
SELECT $1 FROM t|SELECT ? FROM t|SELECT :a FROM t|SELECT {d '2020-01-01'} FROM t|SELECT ARRAY[1] FROM t|SELECT INTERVAL '1' DAY FROM t";

#[test]
fn nothing_that_writes_passes() {
    let all: Vec<&str> = STATEMENTS.split('|').filter(|s| !s.trim().is_empty()).collect();
    assert!(all.len() > 150, "{}", all.len());
    for text in all {
        // `|>` has been split; its halves are whole or broken queries.
        if text == "SELECT ra FROM t " || text.starts_with("> ") {
            continue;
        }
        let e = refused(text);
        assert!(e.at().line == 1 && e.at().column >= 1, "{text}: {e}");
        // Writing is refused before names are looked up.
        let first = text.trim_start_matches('(').split(' ').next().unwrap();
        if !["SELECT", "FROM"].contains(&first) {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
