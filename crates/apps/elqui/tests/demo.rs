//! The demo end to end: simulated, processed, compared with the truth, queried, and its page opened
//! in a real browser.

mod common;

use common::*;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fast() -> bool {
    let fast = std::env::var_os("ELQUI_TEST_FAST").is_some();
    if fast {
        println!("skipped: ELQUI_TEST_FAST is set");
    }
    fast
}

/// The number that begins a report row's value.
fn row(report: &str, what: &str) -> String {
    let line =
        report.lines().find(|l| l.contains(what)).unwrap_or_else(|| panic!("{what}: {report}"));
    line.split('|').nth(2).unwrap().trim().to_string()
}

fn first_number(text: &str) -> f64 {
    let clean: String =
        text.chars().take_while(|c| c.is_ascii_digit() || ".+-".contains(*c)).collect();
    clean.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

#[test]
fn a_folder_that_is_not_the_demos_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    std::fs::create_dir(&raw).unwrap();
    let mine = put(&raw, "mine.fits", b"years of work");
    let run = elqui(&["demo", "--no-serve", "--dir", text(dir.path())]);
    assert_eq!(run.status.code(), Some(1));
    let log = stderr(&run);
    assert!(log.contains("`raw`") && log.contains("--dir"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert_eq!(std::fs::read(mine).unwrap(), b"years of work");
    assert_eq!(listing(dir.path()), ["raw"]);
}

#[test]
fn the_river_runs() {
    if fast() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    let run = elqui(&["demo", "--no-serve", "--visits", "3", "--dir", text(&demo)]);
    assert!(run.status.success(), "{}", stderr(&run));
    let report = std::fs::read_to_string(demo.join("report.md")).unwrap();
    assert!(String::from_utf8_lossy(&run.stdout).contains("The demo against the truth"));
    assert!(row(&report, "raw science frames").starts_with("12 (0 failed)"), "{report}");
    // Loose limits that a broken step breaks; the measured values are in the docs.
    assert!(first_number(&row(&report, "position east")).abs() < 5.0, "{report}");
    assert!(first_number(&row(&report, "position north")).abs() < 5.0, "{report}");
    assert!(first_number(&row(&report, "bright stars, PSF flux")).abs() < 10.0, "{report}");
    assert!(first_number(&row(&report, "S/N > 10 found")) > 85.0, "{report}");
    assert!(first_number(&row(&report, "nothing true explains")) < 5.0, "{report}");
    queries(&demo);
    browser(&demo, dir.path());
}

fn queries(demo: &Path) {
    let catalog = demo.join("catalog");
    let ask = |sql: &str, extra: &[&str]| {
        let mut args = vec!["query", sql, "--catalog", text(&catalog)];
        args.extend_from_slice(extra);
        elqui(&args)
    };
    let run = ask("SELECT COUNT(*) AS n FROM CcdVisit", &["--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&run.stdout).trim(), "n\n12", "{}", stderr(&run));
    let sql =
        "SELECT TOP 3 sourceId, psfFlux FROM Source WHERE detect_isPrimary ORDER BY psfFlux DESC";
    let run = ask(sql, &[]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(String::from_utf8_lossy(&run.stdout).contains("(3 rows)"));
    let sql = "SELECT TOP 1 o.objectId, COUNT(*) AS n FROM Object o JOIN ForcedSource f ON o.objectId = f.objectId \
               GROUP BY o.objectId HAVING COUNT(*) > 4 ORDER BY n DESC";
    assert!(String::from_utf8_lossy(&ask(sql, &[]).stdout).contains("(1 rows)"));
    for (sql, word) in [
        ("SELECT nothing FROM Source", "nothing"),
        ("SELECT * FROM NoSuchTable", "NoSuchTable"),
        ("DROP TABLE Source", "DROP"),
        ("SELEC 1", "SELEC"),
    ] {
        let run = ask(sql, &[]);
        assert_eq!(run.status.code(), Some(1), "{sql}");
        let log = stderr(&run);
        assert!(log.to_lowercase().contains(&word.to_lowercase()), "{sql}: {log}");
        assert_eq!(log.lines().count(), 1, "{sql}: {log}");
    }
}

/// The page of the demo's catalogue, in Chromium (see tests/browser).
fn browser(demo: &Path, scratch: &Path) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/browser");
    if !tests.join("node_modules").is_dir() {
        println!("skipped: tests/browser has no node_modules (`make test` installs them)");
        return;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_elqui"))
        .args(["serve", "--catalog", text(&demo.join("catalog")), "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let server = Server(child);
    let url =
        line.split_whitespace().find(|w| w.starts_with("http://")).expect("an address").to_string();
    let shots = std::env::var("ELQUI_SCREENSHOTS")
        .map_or_else(|_| scratch.join("shots"), std::path::PathBuf::from);
    let run = Command::new("npm")
        .args(["test", "--silent"])
        .current_dir(&tests)
        .env("ELQUI_URL", &url)
        .env("ELQUI_SCREENSHOTS", &shots)
        .output()
        .expect("npm runs");
    drop(server);
    let log = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{log}\n{}", stderr(&run));
    assert!(log.contains("# fail 0") || log.contains("fail 0"), "{log}");
}
