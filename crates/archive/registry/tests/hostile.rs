//! SQLite where things go wrong: a disk that fills, one that is read-only, another program's file, two
//! processes with the same data ids.

mod suite;

use elqui_butler::CollectionKind;
use elqui_registry::{DatasetQuery, Location, NewDataset, Registry};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

const FILE: &str = "registry.sqlite3";
const WHOLE: usize = (suite::VISITS * suite::DETECTORS) as usize;

fn all() -> Vec<NewDataset> {
    (1..=suite::VISITS)
        .flat_map(|v| (0..suite::DETECTORS).map(move |d| suite::new(suite::visit_id(v, d))))
        .collect()
}

fn prepared(at: &Location) -> Registry {
    let mut r = Registry::create(at).unwrap();
    suite::fill(&mut r);
    suite::dataset_type(&mut r, "image", &["visit", "detector"]);
    r
}

fn mount(args: &[&str]) {
    let done = Command::new("mount").args(args).status().unwrap();
    assert!(done.success(), "mount {args:?}");
}

/// Everything that is left of a disk.
fn brim(file: &Path) {
    let mut ballast = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    for size in [65_536, 4096, 1] {
        while ballast.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Not a test by itself: it needs mounts of its own.
#[test]
#[ignore = "started by `a_full_disk_loses_nothing`"]
fn child_with_a_disk() {
    let disk = Path::new("disk");
    std::fs::create_dir(disk).unwrap();
    mount(&["-t", "tmpfs", "-o", "size=6m", "tmpfs", "disk"]);
    let at = Location::Sqlite(disk.join(FILE));
    let mut r = prepared(&at);
    let ballast = disk.join("ballast");
    let (mut told, mut number, mut full) = (Vec::new(), 0, 0);
    let write = |r: &mut Registry, run: &str| {
        r.register_collection(run, CollectionKind::Run, "")?;
        r.insert_datasets(run, "image", &all())
    };
    let whole = |r: &mut Registry, told: &[String]| {
        for run in r.collections("u/*").unwrap() {
            let n = r.datasets(&DatasetQuery::new("image", &[&run.name], "")).unwrap().len();
            assert!(n == WHOLE || (n == 0 && !told.contains(&run.name)), "{}: {n}", run.name);
        }
    };
    // The disk fills at another place each time: little by little, and all at once.
    for round in 0..6 {
        if round % 2 == 1 {
            brim(&ballast);
        }
        for _ in 0..10_000 {
            number += 1;
            let run = format!("u/run{number}");
            match write(&mut r, &run) {
                Ok(_) => told.push(run),
                Err(e) => {
                    let text = e.to_string();
                    assert!(
                        text.contains("disk/registry.sqlite3") && text.contains("free some space"),
                        "{text}"
                    );
                    assert!(text.contains("nothing of this change was kept"), "{text}");
                    full += 1;
                    break;
                }
            }
        }
        whole(&mut r, &told);
        assert_eq!(full, round + 1);
        if round == 3 {
            // A program that begins on a full disk says so too, or works.
            brim(&ballast);
            drop(r);
            match Registry::open(&at) {
                Ok(mut r) => whole(&mut r, &told),
                Err(e) => assert!(e.to_string().contains("disk/registry.sqlite3"), "{e}"),
            }
            std::fs::remove_file(&ballast).unwrap();
            r = Registry::open(&at).unwrap();
        }
        if ballast.exists() {
            std::fs::remove_file(&ballast).unwrap();
        } else {
            // Room is made in the registry itself.
            let run = told.remove(0);
            mount(&["-o", &format!("remount,size={}m", 7 + round), "disk"]);
            let ids = r.run_ids(&run).unwrap();
            r.remove_datasets(&ids).unwrap();
        }
        number += 1;
        let run = format!("u/run{number}");
        write(&mut r, &run).unwrap_or_else(|e| panic!("after room was made: {e}"));
        told.push(run);
    }
    assert_eq!(r.check().unwrap(), Vec::<String>::new());
    drop(r);
    // The same disk, read-only.
    mount(&["-o", "remount,ro", "disk"]);
    let text = match Registry::open(&at) {
        Ok(mut r) => {
            whole(&mut r, &told);
            r.register_collection("u/late", CollectionKind::Run, "").unwrap_err().to_string()
        }
        Err(e) => e.to_string(),
    };
    assert!(text.contains("disk/registry.sqlite3") && text.contains("read-only"), "{text}");
    println!("\nkept {}", told.len());
}

#[test]
fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    if dir.path().metadata().unwrap().uid() != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    let out = command
        .arg("--mount")
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_with_a_disk", "--nocapture"])
        .current_dir(dir.path())
        .output()
        .expect("unshare is needed: apt-get install util-linux");
    let text = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && text.contains("\nkept "), "{text}\n{errors}");
}

#[test]
fn another_programs_file_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.sqlite3");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE birds (name TEXT); INSERT INTO birds VALUES ('condor')")
        .unwrap();
    drop(other);
    let bytes = std::fs::read(&path).unwrap();
    let at = Location::Sqlite(path.clone());
    let text = Registry::open(&at).err().unwrap().to_string();
    assert!(text.contains("other.sqlite3") && text.contains("holds no registry"), "{text}");
    let text = Registry::create(&at).err().unwrap().to_string();
    assert!(
        text.contains("other.sqlite3") && text.contains("another program's database"),
        "{text}"
    );
    let text = Registry::migrate(&at).err().unwrap().to_string();
    assert!(text.contains("holds no registry"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // A registry of which a part was overwritten.
    let path = dir.path().join("torn.sqlite3");
    drop(prepared(&Location::Sqlite(path.clone())));
    let mut bytes = std::fs::read(&path).unwrap();
    for k in (4096..bytes.len()).step_by(4096) {
        bytes[k..k + 64].fill(0xA5);
    }
    let mut file = std::fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    file.write_all(&bytes).unwrap();
    let told = |r: Result<Registry, elqui_registry::RegistryError>| {
        r.and_then(|mut r| r.collections("*")).unwrap_err().to_string()
    };
    let text = told(Registry::open(&Location::Sqlite(path.clone())));
    assert!(text.contains("torn.sqlite3") && text.contains("damaged"), "{text}");
    // Half of one.
    file.set_len(6000).unwrap();
    let text = told(Registry::open(&Location::Sqlite(path)));
    assert!(text.contains("torn.sqlite3"), "{text}");
}

const BATCHES: usize = 40;

/// Not a test by itself: one of two processes that register the same.
#[test]
#[ignore = "started by `two_processes_into_one_run`"]
fn child_of_two() {
    let mut r = Registry::open(&Location::Sqlite(FILE.into())).unwrap();
    for k in 0..BATCHES {
        let run = format!("u/run{k}");
        r.register_collection(&run, CollectionKind::Run, "").unwrap();
        match r.insert_datasets(&run, "image", &all()) {
            Ok(ids) => println!("\nwon {k} {}", ids[0]),
            Err(e) => println!("\nlost {k} {e}"),
        }
    }
}

#[test]
fn two_processes_into_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let at = Location::Sqlite(dir.path().join(FILE));
    let mut r = prepared(&at);
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child_of_two", "--nocapture"])
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children = [start(), start()];
    let (mut won, mut lost) = (vec![None; BATCHES], vec![0; BATCHES]);
    for mut child in children {
        let out = BufReader::new(child.stdout.take().unwrap());
        for line in out.lines().map_while(Result::ok) {
            let mut words = line.splitn(3, ' ');
            let (kind, number) = (words.next(), words.next().and_then(|n| n.parse::<usize>().ok()));
            match (kind, number, words.next()) {
                (Some("won"), Some(k), Some(id)) => {
                    assert!(won[k].replace(id.to_string()).is_none(), "batch {k} was won twice");
                }
                (Some("lost"), Some(k), Some(why)) => {
                    let names = format!(
                        "`image{{detector=0,instrument=Sim,visit=1}}` is in `u/run{k}` already"
                    );
                    assert!(why.contains(&names) && why.contains("write to a new run"), "{why}");
                    lost[k] += 1;
                }
                _ => {}
            }
        }
        assert!(child.wait().unwrap().success());
    }
    for k in 0..BATCHES {
        assert!(won[k].is_some() && lost[k] == 1, "batch {k}");
        let found = r.datasets(&DatasetQuery::new("image", &[&format!("u/run{k}")], "")).unwrap();
        assert_eq!(found.len(), WHOLE);
        assert_eq!(Some(found[0].id.to_string()), won[k], "the winner's datasets are there");
    }
}
