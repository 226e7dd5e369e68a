//! `elqui catalog`: from a file to a catalogue that is asked, grows, is checked and given away.

mod common;

use common::{elqui, stderr, text};
use std::path::Path;
use std::process::Output;

fn out(run: &Output) -> String {
    String::from_utf8_lossy(&run.stdout).into_owned()
}

fn ok(args: &[&str]) -> String {
    let run = elqui(args);
    assert!(run.status.success(), "{args:?}: {}", stderr(&run));
    out(&run)
}

fn refused(args: &[&str]) -> String {
    let run = elqui(args);
    let said = stderr(&run) + &out(&run);
    assert!(!run.status.success(), "{args:?}: {}", out(&run));
    assert!(!said.contains("panicked") && !said.contains("internal error"), "{said}");
    said
}

fn stars(path: &Path, first: usize, rows: usize) {
    let mut csv = String::from("starId,ra,dec,mag,name\n");
    for k in first..first + rows {
        let (ra, dec) = (10.0 + 0.01 * k as f64, -5.0 + 0.003 * k as f64);
        let mag = if k % 7 == 0 { String::new() } else { format!("{:.2}", 15.0 + 0.01 * k as f64) };
        csv += &format!("{k},{ra:.6},{dec:.6},{mag},\"star {k}, \u{3b1}\"\n");
    }
    std::fs::write(path, csv).unwrap();
}

#[test]
fn a_catalogue_from_import_to_export() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (first, second, dir) = (at("first.csv"), at("second.csv"), at("stars"));
    stars(&first, 1, 500);
    stars(&second, 501, 100);
    let (first, second, dir) = (text(&first), text(&second), text(&dir));
    let import = ["catalog", "import", first, "--out", dir, "--name", "my.stars"];
    ok(&[&import[..], &["--id", "starId", "--margin", "5"]].concat());
    assert!(ok(&["catalog", "info", dir]).contains("my.stars"));
    ok(&["catalog", "tag", dir, "v0001", "DR1"]);
    ok(&["catalog", "append", second, "--to", dir]);
    ok(&["catalog", "verify", dir]);
    let count = |version: &[&str]| {
        let ask = "SELECT COUNT(*) AS n, COUNT(mag) AS m FROM my.stars";
        let words = ["query", ask, "--catalog", dir, "--format", "csv"];
        ok(&[&words[..], version].concat())
    };
    assert_eq!(count(&[]), "n,m\n600,515\n");
    assert_eq!(count(&["--version", "DR1"]), "n,m\n500,429\n");
    let csv = |ask: &str| ok(&["query", ask, "--catalog", dir, "--format", "csv"]);
    let cone = "SELECT starId, mag FROM my.stars \
                WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(10.07, -4.979, 0.012)) ORDER BY starId";
    assert_eq!(csv(cone), "starId,mag\n6,15.06\n7,\n8,15.08\n");
    let by_id = "-- a comment first\nSELECT name FROM my.stars WHERE starId = 555";
    assert_eq!(csv(by_id), "name\n\"star 555, \u{3b1}\"\n");
    let part = at("part.csv");
    let words = ["--cone", "10.07,-4.979,0.012", "--columns", "starId", "--out", text(&part)];
    ok(&[&["catalog", "export", dir][..], &words].concat());
    assert_eq!(std::fs::read_to_string(&part).unwrap().lines().count(), 4);

    let said = refused(&["catalog", "import", second, "--out", dir, "--name", "my.stars"]);
    assert!(said.contains("stars"), "{said}");
    assert_eq!(count(&[]), "n,m\n600,515\n");
    let said = refused(&["query", "SELECT nosuch FROM my.stars", "--catalog", dir]);
    assert!(said.contains("line 1, column 8") && said.contains("nosuch"), "{said}");
    let words = ["--catalog", dir, "--version", "DR9"];
    let said = refused(&[&["query", "SELECT starId FROM my.stars"][..], &words].concat());
    assert!(said.contains("DR9"), "{said}");
    assert!(refused(&["catalog", "verify", text(folder.path())]).contains(text(folder.path())));

    // One bit of a number that is not compressed.
    let data = walk(&at("stars/v0002")).into_iter().find(|p| p.contains("Npix=")).unwrap();
    let mut bytes = std::fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&data, bytes).unwrap();
    let said = refused(&["catalog", "verify", dir]);
    assert!(said.contains("Npix=") && said.contains("bytes"), "{said}");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push(text(&entry.path()).to_string());
        }
    }
    found.sort();
    found
}
