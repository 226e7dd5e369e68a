//! Errors speak of a database as its owner does, and of nothing else.

use elqui_sql::{Location, Step, Versions, Words, connect, migrate};

const WORDS: Words = Words {
    noun: "diary",
    remedy_missing: "begin one",
    remedy_disk: "read it again",
    remedy_gap: "ask its author",
};

fn told<T>(result: Result<T, elqui_sql::SqlError>, parts: &[&str]) {
    let text = result.err().unwrap().to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!text.contains("registry") && !text.contains("repo "), "{text}");
}

#[test]
fn errors_speak_as_the_owner_does() {
    let dir = tempfile::tempdir().unwrap();
    let at = Location::Sqlite(dir.path().join("d.sqlite3"));
    told(connect(&at, false, WORDS), &["the diary `", "d.sqlite3", "no such file; begin one"]);
    let nowhere = Location::Sqlite(dir.path().join("no/d.sqlite3"));
    told(connect(&nowhere, true, WORDS), &["the diary `", "there is no folder"]);

    let mut sql = connect(&at, true, WORDS).unwrap();
    told(sql.batch("SELECT nothing"), &["the diary's database failed"]);
    sql.batch("CREATE TABLE about (name TEXT, value TEXT); INSERT INTO about VALUES ('v', '1')")
        .unwrap();
    let steps: &[Step] = &[];
    let versions = Versions {
        table: "about",
        name: "v",
        known: 2,
        steps,
        remedy_older: "copy it out",
        remedy_newer: "buy new glasses",
    };
    told(versions.check(1, "d", WORDS), &["the diary `d`", "version 1", "copy it out"]);
    told(versions.check(3, "d", WORDS), &["the diary `d`", "version 3", "buy new glasses"]);
    told(migrate(sql.as_mut(), "d", &versions, WORDS), &["the diary `d`", "ask its author"]);

    sql.batch("BEGIN IMMEDIATE").unwrap();
    let mut other = connect(&at, false, WORDS).unwrap();
    other.set_patience(0).unwrap();
    told(other.begin(true), &["the diary `", "is locked by another process"]);
    #[cfg(feature = "postgres")]
    {
        let url = "host=127.0.0.1 port=1 user=u sslmode = always".to_string();
        let at = Location::Postgres { url, schema: "d".into() };
        told(connect(&at, false, WORDS), &["the diary `postgresql schema d`", "sslmode"]);
    }
}
