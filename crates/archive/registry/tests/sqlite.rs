//! SQLite keeps the contract, and what is its own: the lock, the file, the version.

mod suite;

use elqui_butler::CollectionKind;
use elqui_registry::{Location, Registry, SCHEMA_VERSION, Step};

#[test]
fn sqlite_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    suite::contract(&mut |name| {
        Registry::create(&Location::Sqlite(dir.path().join(format!("{name}.sqlite3")))).unwrap()
    });
}

#[test]
fn it_opens_again_and_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let at = Location::Sqlite(dir.path().join("r.sqlite3"));
    let missing = Registry::open(&at).err().unwrap().to_string();
    assert!(missing.contains("r.sqlite3"), "{missing}");
    let mut r = Registry::create(&at).unwrap();
    suite::fill(&mut r);
    suite::images(&mut r, "u/run1");
    drop(r);
    let twice = Registry::create(&at).err().unwrap().to_string();
    assert!(twice.contains("there is a registry already"), "{twice}");
    let mut again = Registry::open(&at).unwrap();
    assert!(again.find(&suite::image(1, 1), &["u/run1"]).unwrap().is_some());
}

#[test]
fn other_versions_are_told_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.sqlite3");
    let at = Location::Sqlite(path.clone());
    drop(Registry::create(&at).unwrap());
    let set = |version: i64| {
        let sql = "UPDATE elqui_meta SET value = ?1 WHERE name = 'schema_version'";
        rusqlite::Connection::open(&path).unwrap().execute(sql, [version.to_string()]).unwrap();
    };
    let opened = || Registry::open(&at).err().unwrap().to_string();
    set(SCHEMA_VERSION + 1);
    assert!(opened().contains("use a newer elqui"), "{}", opened());
    let text = Registry::migrate(&at).err().unwrap().to_string();
    assert!(text.contains("use a newer elqui"), "{text}");
    set(0);
    assert!(opened().contains("elqui repo migrate"), "{}", opened());
    // There never was a version 0.
    let text = Registry::migrate(&at).err().unwrap().to_string();
    assert!(text.contains("no step leads from schema version 0"), "{text}");
    let step = |from| Step { from, doc: "nothing", run: |_| Ok(()) };
    let steps: Vec<Step> = (0..SCHEMA_VERSION).map(step).collect();
    assert_eq!(Registry::migrate_by(&at, SCHEMA_VERSION, &steps).unwrap(), 0);
    Registry::open(&at).unwrap();
    assert_eq!(Registry::migrate(&at).unwrap(), SCHEMA_VERSION, "nothing is left to do");
}

#[test]
fn a_lock_is_told_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.sqlite3");
    let mut r = Registry::create(&Location::Sqlite(path.clone())).unwrap();
    r.set_patience(1).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let new = r.register_collection("u/run", CollectionKind::Run, "");
    let text = new.unwrap_err().to_string();
    assert!(text.contains("locked by another process for more than 1 s"), "{text}");
    // Who only reads does not wait.
    assert!(r.collections("*").unwrap().is_empty());
    other.execute_batch("COMMIT").unwrap();
    assert!(r.register_collection("u/run", CollectionKind::Run, "").unwrap());
}

#[test]
fn many_threads_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = Location::Sqlite(dir.path().join("r.sqlite3"));
    suite::fill(&mut Registry::create(&at).unwrap());
    suite::writers(&|| Registry::open(&at).unwrap(), 8);
}

#[test]
fn chains_lose_no_run() {
    let dir = tempfile::tempdir().unwrap();
    let at = Location::Sqlite(dir.path().join("r.sqlite3"));
    drop(Registry::create(&at).unwrap());
    suite::collections::prependers(&|| Registry::open(&at).unwrap(), 8);
}

#[test]
fn what_is_no_registry_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("picture.sqlite3");
    std::fs::create_dir(&path).unwrap();
    let text = Registry::open(&Location::Sqlite(path.clone())).err().unwrap().to_string();
    assert!(text.contains("picture.sqlite3"), "{text}");
    let path = dir.path().join("empty.sqlite3");
    drop(std::fs::File::create_new(&path).unwrap());
    let text = Registry::open(&Location::Sqlite(path)).err().unwrap().to_string();
    assert!(text.contains("elqui repo init"), "{text}");
    let nowhere = Location::Sqlite(dir.path().join("no/such.sqlite3"));
    let text = Registry::create(&nowhere).err().unwrap().to_string();
    assert!(text.contains("there is no folder"), "{text}");
    let path = dir.path().join("text.sqlite3");
    std::io::Write::write_all(&mut std::fs::File::create_new(&path).unwrap(), &[b'x'; 5000])
        .unwrap();
    let text = Registry::open(&Location::Sqlite(path)).err().unwrap().to_string();
    assert!(text.contains("text.sqlite3") && text.contains("not a database"), "{text}");
}
