//! Registries of earlier versions: kept ones open or migrate; a step happens as a whole, or not at all.
//!
//! `data/README.md` tells how the kept ones were made.

#[cfg(feature = "postgres")]
mod server;
mod suite;

use elqui_registry::{
    DatasetQuery, Dialect, Location, Registry, SCHEMA_VERSION, Sql, SqlError, Step,
};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// The version that a new registry has, and the two after it, which are not released.
const NOW: i64 = SCHEMA_VERSION;
const NEXT: [Step; 2] = [
    Step {
        from: NOW,
        doc: "collections have an owner",
        run: |sql| {
            sql.batch("ALTER TABLE collection ADD COLUMN owner TEXT")?;
            sql.execute("UPDATE collection SET owner = ?", &["observatory".into()]).map(|_| ())
        },
    },
    Step { from: NOW + 1, doc: "a table of owners", run: owners },
];

fn owners(sql: &mut dyn Sql) -> Result<(), SqlError> {
    let serial = sql.dialect().serial();
    sql.batch(&format!("CREATE TABLE owner (id {serial}, name TEXT)"))?;
    sql.batch("INSERT INTO owner (name) SELECT DISTINCT owner FROM collection")
}

/// Stops half-way, until it is killed.
const STUCK: [Step; 2] = [
    NEXT[0],
    Step {
        from: NOW + 1,
        doc: "never done",
        run: |sql| {
            owners(sql)?;
            println!("\nhalf-way");
            let _ = std::io::stdout().flush();
            std::thread::sleep(std::time::Duration::from_secs(60));
            Ok(())
        },
    },
];

/// Fails after it has changed things.
const BAD: [Step; 2] = [
    NEXT[0],
    Step {
        from: NOW + 1,
        doc: "cannot be",
        run: |sql| sql.batch("CREATE TABLE owner (id BIGINT); SELECT * FROM no_such"),
    },
];

const KEPT: &str = "kept";
const WHERE: &str = "where";

fn kept_is_whole(at: &Location) {
    let mut r = Registry::open(at).unwrap();
    let found =
        r.datasets(&DatasetQuery::new("image", &["u/run"], "visit = 2 AND band = 'r'")).unwrap();
    assert_eq!(found.len(), 2);
    let quantum = r.quantum_of(found[0].id).unwrap().unwrap();
    assert_eq!((quantum.step.as_str(), quantum.peak_memory_bytes), ("isr", Some(7)));
    assert_eq!(r.records("visit", &elqui_registry::Select::all()).unwrap().len(), 2);
    assert_eq!(r.artifacts(&[found[0].id]).unwrap()[0].1.path, "u/run/image_2_0.fits");
    assert_eq!(r.find_calibration(&bias(), &["calib"], 50).unwrap().unwrap().run, "u/bias");
    assert_eq!(r.check().unwrap(), Vec::<String>::new());
}

fn bias() -> elqui_butler::DatasetRef {
    elqui_butler::DatasetRef::new("bias").with("instrument", "Sim").with("detector", 1)
}

/// One of version 1: it is told of, and brought up.
fn version_1_migrates(at: &Location, raw: Raw<'_>) {
    let older = Registry::open(at).err().unwrap().to_string();
    assert!(
        older.contains("has schema version 1") && older.contains("run `elqui repo migrate`"),
        "{older}"
    );
    // A second quantum, whose memory was not measured: 0, at that time.
    let columns = "run, step, data_id, config, software, host, started_ns, wall_s, cpu_s";
    let bytes = if matches!(at, Location::Postgres { .. }) { "'\\x00'" } else { "x'00'" };
    raw(&format!(
        "INSERT INTO quantum (uuid, {columns}, peak_memory_bytes) SELECT {bytes}, {columns}, 0 FROM quantum"
    ));
    // Two at a time: one does it, the other finds it done.
    let had: Vec<i64> = std::thread::scope(|scope| {
        let both = [0; 2].map(|_| scope.spawn(|| Registry::migrate(at).unwrap()));
        both.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(had == [1, NOW] || had == [NOW, 1], "{had:?}");
    let memory = "SELECT CAST(peak_memory_bytes AS TEXT) FROM quantum WHERE";
    assert_eq!(raw(&format!("{memory} peak_memory_bytes IS NOT NULL")).as_deref(), Some("7"));
    let unknown = "SELECT CAST(count(*) AS TEXT) FROM quantum WHERE peak_memory_bytes IS NULL";
    assert_eq!(raw(unknown).as_deref(), Some("1"));
    a_kept_registry_migrates(at, raw);
}

/// A statement that may give a text.
type Raw<'a> = &'a mut dyn FnMut(&str) -> Option<String>;
type Test = fn(&Location, Raw<'_>);

/// One of this version: to versions that are not there yet.
fn a_kept_registry_migrates(at: &Location, raw: Raw<'_>) {
    kept_is_whole(at);
    assert_eq!(Registry::migrate(at).unwrap(), NOW, "nothing to do");
    let failed = Registry::migrate_by(at, NOW + 2, &BAD).unwrap_err().to_string();
    assert!(failed.contains("no_such"), "{failed}");
    kept_is_whole(at);
    let gap = Registry::migrate_by(at, NOW + 3, &NEXT).unwrap_err().to_string();
    assert!(gap.contains(&format!("no step leads from schema version {}", NOW + 2)), "{gap}");
    kept_is_whole(at);

    // Killed half-way.
    let dir = tempfile::tempdir().unwrap();
    let (kind, text) = match at {
        Location::Sqlite(path) => ("sqlite", path.display().to_string()),
        Location::Postgres { url, schema } => ("postgres", format!("{schema} {url}")),
    };
    let mut file = std::fs::File::create_new(dir.path().join(WHERE)).unwrap();
    file.write_all(format!("{kind} {text}").as_bytes()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_that_is_killed", "--nocapture"])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|l| l == "half-way"), "the child did not come so far");
    child.kill().unwrap();
    child.wait().unwrap();
    kept_is_whole(at);
    assert_eq!(raw("SELECT count(*) FROM owner"), None, "no half of the new tables");

    // Two at a time: one does it, the other finds it done.
    let had: Vec<i64> = std::thread::scope(|scope| {
        let work = || Registry::migrate_by(at, NOW + 2, &NEXT).unwrap();
        let both = [scope.spawn(work), scope.spawn(work)];
        both.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(had == [NOW, NOW + 2] || had == [NOW + 2, NOW], "{had:?}");
    assert_eq!(raw("SELECT owner FROM collection WHERE name = 'u/run'").unwrap(), "observatory");
    assert_eq!(raw("SELECT name FROM owner").unwrap(), "observatory");
    let newer = Registry::open(at).err().unwrap().to_string();
    assert!(
        newer.contains(&format!("has schema version {}", NOW + 2))
            && newer.contains("use a newer elqui"),
        "{newer}"
    );
    let newer = Registry::migrate(at).unwrap_err().to_string();
    assert!(newer.contains("use a newer elqui"), "{newer}");
}

/// Not a test by itself: a process that is killed while it migrates.
#[test]
#[ignore = "started and killed by the others"]
fn child_that_is_killed() {
    let text = std::fs::read_to_string(WHERE).unwrap();
    let at = match text.splitn(3, ' ').collect::<Vec<_>>()[..] {
        ["postgres", schema, url] => {
            Location::Postgres { url: url.to_string(), schema: schema.to_string() }
        }
        _ => Location::Sqlite(text.split_once(' ').unwrap().1.into()),
    };
    Registry::migrate_by(&at, NOW + 2, &STUCK).unwrap();
}

fn sqlite(sql: &str, test: Test) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept.sqlite3");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("PRAGMA foreign_keys=OFF").unwrap();
    raw.execute_batch(sql).unwrap();
    drop(raw);
    test(&Location::Sqlite(path.clone()), &mut |sql| {
        rusqlite::Connection::open(&path).unwrap().query_row(sql, [], |row| row.get(0)).ok()
    });
}

#[test]
fn sqlite_of_version_1() {
    sqlite(include_str!("data/version_1.sqlite.sql"), version_1_migrates);
}

#[test]
fn sqlite_of_version_2() {
    sqlite(include_str!("data/version_2.sqlite.sql"), a_kept_registry_migrates);
}

#[cfg(feature = "postgres")]
#[test]
fn postgresql_of_versions_1_and_2() {
    let server = server::Server::start("");
    let tests: [(&str, Test); 2] = [
        (include_str!("data/version_1.postgres.sql"), version_1_migrates),
        (include_str!("data/version_2.postgres.sql"), a_kept_registry_migrates),
    ];
    for (sql, test) in tests {
        server.psql(sql);
        test(&server.at(KEPT), &mut |sql| {
            server.value(&format!("SET search_path TO {KEPT}; {sql}"))
        });
        server.psql(&format!("DROP SCHEMA {KEPT} CASCADE"));
    }
}

/// How the kept ones were made: see `data/README.md`.
#[test]
#[ignore = "run once a version, by hand"]
fn keep() {
    let _ = (KEPT, Dialect::Sqlite);
    make(&Location::Sqlite("kept.sqlite3".into()));
    #[cfg(feature = "postgres")]
    {
        let server = server::Server::start("");
        make(&server.at(KEPT));
        let dump = server.dump(KEPT);
        std::fs::File::create_new("kept.postgres.sql").unwrap().write_all(dump.as_bytes()).unwrap();
    }
}

fn make(at: &Location) {
    use elqui_butler::*;
    use elqui_registry::NewDataset;
    let mut r = Registry::create(at).unwrap();
    let rec = |e: &str| DimensionRecord::new(e).with("instrument", "Sim");
    let mut all = vec![rec("instrument")];
    all.push(rec("physical_filter").with("physical_filter", "Sim-r").with("band", "r"));
    for d in 0..2_i64 {
        all.push(rec("detector").with("detector", d).field("full_name", format!("D{d}")));
    }
    for v in 1..=2_i64 {
        let one = rec("visit")
            .with("visit", v)
            .with("physical_filter", "Sim-r")
            .with("day_obs", 20_260_101_i64);
        all.push(one.field("exposure_time_s", 30.0).timespan(suite::exposure_span(v)));
        let circle = elqui_sphere::SkyRegion::Circle { ra: 10.0 + v as f64, dec: 0.0, radius: 0.1 };
        all.push(
            rec("visit_detector_region").with("visit", v).with("detector", 0_i64).region(circle),
        );
    }
    r.insert_records(&all).unwrap();
    suite::dataset_type(&mut r, "image", &["visit", "detector"]);
    let of = DatasetType::new(Universe::standard(), "bias", &["detector"], "Exposure").unwrap();
    r.register_dataset_type(&of.calibration()).unwrap();
    for (name, kind) in [
        ("u/run", CollectionKind::Run),
        ("u/bias", CollectionKind::Run),
        ("calib", CollectionKind::Calibration),
        ("all", CollectionKind::Chained),
        ("tag", CollectionKind::Tagged),
    ] {
        r.register_collection(name, kind, "kept").unwrap();
    }
    r.set_chain("all", &["u/run", "calib"]).unwrap();
    let of = |v: i64, d: i64| NewDataset {
        data_id: suite::visit_id(v, d),
        artifact: Some(Artifact {
            path: format!("u/run/image_{v}_{d}.fits"),
            formatter: "fits".into(),
            size_bytes: 10,
            checksum: "blake3:00".into(),
        }),
        ..NewDataset::default()
    };
    let mut ids = IdSource::default();
    let quantum = Quantum {
        id: ids.next_id(),
        run: "u/run".into(),
        step: "isr".into(),
        data_id: suite::visit_id(1, 0),
        config: "a: 1".into(),
        software: "elqui".into(),
        host: "here".into(),
        started_ns: 1,
        wall_s: 1.5,
        cpu_s: 1.0,
        peak_memory_bytes: Some(7),
        inputs: vec![ids.next_id()],
        outputs: Vec::new(),
    };
    let new = vec![("image", vec![of(1, 0), of(1, 1), of(2, 0), of(2, 1)])];
    let made = r.insert_quantum(&quantum, &new).unwrap();
    r.tag("tag", &made[..1]).unwrap();
    let detector = DataId::new().with("instrument", "Sim").with("detector", 1_i64);
    let bias = r.insert_datasets("u/bias", "bias", &[suite::new(detector)]).unwrap();
    r.certify("calib", &bias, Timespan { begin_ns: 0, end_ns: 100 }).unwrap();
    kept_is_whole(at);
}
