//! `elqui repo` from an empty folder to a verified copy elsewhere, and what it says to wrong words.

mod common;

use common::*;
use std::path::Path;

/// A frame that the headers say is of a known camera.
fn frame(minute: u32) -> Vec<u8> {
    let mut all: Vec<String> = cards()
        .into_iter()
        .filter(|c| !c.starts_with("DATE-OBS") && !c.starts_with("FILTER"))
        .collect();
    let word = |key: &str, value: &str| format!("{key:<8}= '{value:<8}'");
    all.push(word("TELESCOP", "NOT"));
    all.push(word("INSTRUME", "ALFOSC_FASU"));
    all.push(word("FAFLTNM", "r'_SDSS 618_148"));
    all.push(word("DATE-OBS", &format!("2026-01-02T03:{minute:02}:05")));
    all.push(word("IMAGETYP", "OBJECT"));
    fits_bytes(SIDE, SIDE, &pixels(&field(1), u64::from(minute)), &all)
}

/// Run a verb on the repository; its stdout, which must come with status 0.
fn repo(root: &Path, words: &[&str]) -> String {
    let mut args = vec!["repo", "--repo", text(root)];
    args.extend_from_slice(words);
    let run = elqui(&args);
    assert!(run.status.success(), "{words:?}: {}", stderr(&run));
    String::from_utf8(run.stdout).unwrap()
}

/// The one line on stderr of a verb that must fail with this status.
fn refused(root: &Path, words: &[&str], status: i32) -> String {
    let mut args = vec!["repo", "--repo", text(root)];
    args.extend_from_slice(words);
    let run = elqui(&args);
    let log = stderr(&run);
    assert_eq!(run.status.code(), Some(status), "{words:?}: {log}");
    assert!(!log.contains("panicked") && !log.contains("internal error"), "{log}");
    log
}

#[test]
fn frames_go_in_and_come_out_and_move_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (root, other) = (dir.path().join("survey"), dir.path().join("elsewhere"));
    let night = dir.path().join("night");
    std::fs::create_dir(&night).unwrap();
    for minute in [4, 9, 14] {
        put(&night, &format!("f{minute}.fits"), &frame(minute));
    }
    repo(&root, &["init"]);
    let said = repo(&root, &["ingest", text(&night)]);
    assert!(said.contains("3 frames ingested"), "{said}");
    // The same again is refused, or passed over when asked.
    let again = refused(&root, &["ingest", text(&night)], 1);
    assert!(again.contains("skip-existing") || again.contains("already"), "{again}");
    let said = repo(&root, &["ingest", text(&night), "--skip-existing"]);
    assert!(said.contains("0 frames") && said.contains("3 were there"), "{said}");
    let listed = repo(
        &root,
        &["ls", "raw", "--where", "band='r' AND exposure.exposure_time_s > 20", "--json"],
    );
    let ids: Vec<String> = listed
        .lines()
        .map(|l| {
            serde_json::from_str::<serde_json::Value>(l).unwrap()["id"].as_str().unwrap().into()
        })
        .collect();
    assert_eq!(ids.len(), 3, "{listed}");
    assert!(repo(&root, &["ls", "raw", "--where", "band='g'", "--json"]).trim().is_empty());
    // What comes out is what went in.
    let out = dir.path().join("out.fits");
    repo(&root, &["get", &ids[0], "--out", text(&out)]);
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(night.join("f4.fits")).unwrap());
    repo(&root, &["show", &ids[0], "--provenance"]);
    repo(&root, &["verify"]);
    // A copy elsewhere keeps the ids.
    let parcel = dir.path().join("parcel");
    repo(&root, &["export", "raw", "--out", text(&parcel)]);
    repo(&other, &["init"]);
    repo(&other, &["import", text(&parcel)]);
    repo(&other, &["verify"]);
    let copied = repo(&other, &["ls", "raw", "--json"]);
    assert!(ids.iter().all(|id| copied.contains(id.as_str())), "{copied}");
    // Damage is found and named.
    let file = find(&other, "fits").expect("an artifact");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let run = elqui(&["repo", "--repo", text(&other), "verify"]);
    let report = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{report}");
    let named = file.file_name().unwrap().to_str().unwrap();
    assert!(report.contains(named) && report.contains("checksum"), "{report} {}", stderr(&run));
    repo(&root, &["rm", &ids[0], "--yes"]);
    assert_eq!(repo(&root, &["ls", "raw", "--json"]).lines().count(), 2);
}

/// The first file below `folder` whose name ends so.
fn find(folder: &Path, end: &str) -> Option<std::path::PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).collect();
    entries.sort();
    entries
        .into_iter()
        .find_map(|p| if p.is_dir() { find(&p, end) } else { text(&p).ends_with(end).then_some(p) })
}

#[test]
fn wrong_words_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("survey");
    let log = refused(&root, &["ls"], 1);
    assert!(log.contains("repo init"), "{log}");
    repo(&root, &["init"]);
    let log = refused(&root, &["init"], 1);
    assert!(log.contains("survey"), "{log}");
    let nothing = put(dir.path(), "text.fits", b"no FITS file at all");
    let log = refused(&root, &["ingest", text(&nothing)], 1);
    assert!(log.contains("text.fits"), "{log}");
    let good = put(dir.path(), "good.fits", &frame(4));
    repo(&root, &["ingest", text(&good)]);
    // The caret stands under the word that is wrong.
    let log = refused(&root, &["ls", "raw", "--where", "bnad='r'"], 2);
    assert!(log.contains("bnad") && log.contains('^'), "{log}");
    refused(&root, &["ls", "nothing_of_that_name"], 1);
    refused(&root, &["show", "0197b3c2-0000-7000-8000-000000000000"], 1);
}
