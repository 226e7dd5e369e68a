//! An import that is killed half-way: nothing half-visible, and the next run goes on.

#![allow(clippy::disallowed_methods)] // How often to kill is told by the environment.

mod common;

use common::{batch, checked, config, parquet_bytes, sky, write_parquet};
use elqui_catalog::{ImportConfig, ParquetSource, append, config_of, import};
use elqui_hats::HatsCatalog;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CHILD: &str = "ELQUI_TEST_IMPORT_INTO";

fn settings() -> ImportConfig {
    // Little memory: the rows go through files.
    ImportConfig { memory_bytes: 1 << 20, rows_max: 5000, ..config() }
}

/// What the killed process does: import, then append, as far as it comes.
fn work(dir: &Path) {
    let cat = dir.join("cat");
    let first = ParquetSource::open(&[dir.join("in.parquet")]).unwrap();
    let listed = || elqui_catalog::versions(&cat).unwrap_or_default().len();
    if listed() < 1 {
        import(&cat, &first, &settings(), &|_| {}).unwrap();
    }
    if listed() < 2 {
        let more = ParquetSource::open(&[dir.join("more.parquet")]).unwrap();
        let known = config_of(&HatsCatalog::open(&cat).unwrap()).unwrap();
        let config = ImportConfig { ra: known.ra, dec: known.dec, ..settings() };
        append(&cat, &more, &config, &|_| {}).unwrap();
    }
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn child() {
    if let Some(dir) = std::env::var_os(CHILD) {
        work(Path::new(&dir));
    }
}

fn spawn(dir: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--test-threads", "1"])
        .env(CHILD, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn inputs(dir: &Path) {
    write_parquet(&dir.join("in.parquet"), &batch(&sky(20_000, 1), 0), 2000);
    write_parquet(&dir.join("more.parquet"), &batch(&sky(3000, 2), 100_000), 500);
}

#[test]
fn killed_again_and_again() {
    let kills: usize =
        std::env::var("ELQUI_SOAK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    // Undisturbed: what must come out, and how long it takes.
    let calm = tempfile::tempdir().unwrap();
    inputs(calm.path());
    let begin = Instant::now();
    assert!(spawn(calm.path()).wait().unwrap().success());
    let whole = begin.elapsed();
    let expected = parquet_bytes(&calm.path().join("cat"));
    let mut dice = common::Dice(17);
    let (mut done, mut resumed) = (0, 0);
    while done < kills {
        let dir = tempfile::tempdir().unwrap();
        inputs(dir.path());
        let cat = dir.path().join("cat");
        loop {
            let mut child = spawn(dir.path());
            let until = Instant::now() + whole.mul_f64(1.1 * dice.unit());
            let finished = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    assert!(status.success(), "a run after a kill failed");
                    break true;
                }
                if Instant::now() >= until {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break false;
                }
                std::thread::sleep(Duration::from_millis(1));
            };
            if finished {
                break;
            }
            done += 1;
            resumed += usize::from(cat.join(".elqui-staging/plan.json").exists());
            // What is visible is whole: nothing, the first version or the second.
            if cat.join("collection.properties").exists() {
                let catalog = HatsCatalog::open(&cat).unwrap();
                let rows: usize = checked(&catalog).values().map(Vec::len).sum();
                assert!(rows == 20_000 || rows == 23_000, "{rows} rows are visible");
            }
        }
        assert!(parquet_bytes(&cat) == expected, "a resumed import differs");
        // A kill may fall between the list of versions and the removal of the staging folder.
        elqui_catalog::prune(&cat, 9).unwrap();
        assert!(!cat.join(".elqui-staging").exists());
    }
    assert!(resumed > 0 || kills < 5, "no kill fell into the writing");
}

#[test]
fn a_different_import_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    inputs(dir.path());
    let source = ParquetSource::open(&[dir.path().join("in.parquet")]).unwrap();
    let cat = dir.path().join("cat");
    // Stopped by its own progress: a panic in the caller leaves what a crash leaves.
    let stopped = std::panic::catch_unwind(|| {
        let stop = |p: elqui_catalog::Progress| {
            assert!(p.stage != elqui_catalog::Stage::Write || p.done < 2, "stopped");
        };
        import(&cat, &source, &settings(), &stop)
    });
    assert!(stopped.is_err() && cat.join(".elqui-staging").exists());
    let other = ImportConfig { rows_max: 700, ..settings() };
    let report = import(&cat, &source, &other, &|_| {}).unwrap();
    assert!(report.stale_removed && report.resumed == 0);
    checked(&HatsCatalog::open(&cat).unwrap());
}

#[test]
fn input_that_changes_is_told() {
    let dir = tempfile::tempdir().unwrap();
    inputs(dir.path());
    let path = dir.path().join("in.parquet");
    let source = ParquetSource::open(std::slice::from_ref(&path)).unwrap();
    let cat = dir.path().join("cat");
    let change = |p: elqui_catalog::Progress| {
        if p.stage == elqui_catalog::Stage::Index {
            write_parquet(&path, &batch(&sky(20_000, 3), 0), 2000);
        }
    };
    let told = import(&cat, &source, &settings(), &change).unwrap_err().to_string();
    assert!(told.contains("changed while it was imported"), "{told}");
    assert!(!cat.join("collection.properties").exists());
}
