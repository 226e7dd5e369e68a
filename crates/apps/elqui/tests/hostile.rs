//! Bad input at the door of `elqui process`: one clear line, exit status 1, nothing half-written,
//! and the other frames of the call still processed.

mod common;

use common::*;
use std::path::Path;
use std::process::Command;

/// Process a bad frame together with a good one; the bad one's line on stderr.
fn with_a_good_one(bad_name: &str, bad: &[u8], extra: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let good = put(dir.path(), "good.fits", &good_frame());
    let bad = put(dir.path(), bad_name, bad);
    let out = dir.path().join("out");
    let mut args = vec!["process", text(&bad), text(&good), "--out", text(&out)];
    args.extend_from_slice(extra);
    let run = elqui(&args);
    let log = stderr(&run);
    assert_eq!(run.status.code(), Some(1), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let names = listing(&out);
    assert!(
        names.contains(&"good.sources.parquet".to_string()),
        "the good frame is there: {names:?} {log}"
    );
    let stem = bad_name.split('.').next().unwrap();
    assert!(
        !names.iter().any(|n| n.starts_with(&format!("{stem}."))),
        "nothing of the bad one: {names:?}"
    );
    let lines: Vec<&str> =
        log.lines().filter(|l| l.contains(bad_name) && l.contains("elqui:")).collect();
    assert_eq!(lines.len(), 1, "one line names it: {log}");
    lines[0].to_string()
}

#[test]
fn damaged_files() {
    let good = good_frame();
    let line = with_a_good_one("truncated.fits", &good[..good.len() / 2], &[]);
    assert!(line.contains("truncated") || line.contains("ends"), "{line}");
    with_a_good_one("text.fits", b"this is not a FITS file at all\n", &[]);
    with_a_good_one("empty.fits", b"", &[]);
    let mut garbage = good.clone();
    garbage[80..2000].fill(0xC3);
    with_a_good_one("garbage.fits", &garbage, &[]);
    let gzip_magic_only = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3];
    with_a_good_one("gz.fits", &gzip_magic_only, &[]);
}

#[test]
fn sizes_that_cannot_be() {
    with_a_good_one("zero.fits", &fits_bytes(0, 0, &[], &cards()), &[]);
    let mut huge = fits_bytes(10, 10, &[1.0; 100], &cards());
    let at = huge.windows(6).position(|w| w == b"NAXIS1").unwrap();
    huge[at..at + 80]
        .copy_from_slice(format!("{:<80}", "NAXIS1  =  9223372036854775807").as_bytes());
    with_a_good_one("huge.fits", &huge, &[]);
}

#[test]
fn images_without_a_sky() {
    let n = SIDE * SIDE;
    let line =
        with_a_good_one("nan.fits", &fits_bytes(SIDE, SIDE, &vec![f32::NAN; n], &cards()), &[]);
    assert!(line.contains("next to no pixels with data"), "{line}");
    with_a_good_one("saturated.fits", &fits_bytes(SIDE, SIDE, &vec![65000.0; n], &cards()), &[]);
}

#[test]
fn a_wrong_checksum_is_named() {
    let mut cards = cards();
    cards.push(format!("{:<8}= '{:<16}'", "DATASUM", "123456789"));
    let line =
        with_a_good_one("sum.fits", &fits_bytes(SIDE, SIDE, &pixels(&field(1), 2), &cards), &[]);
    assert!(line.to_lowercase().contains("checksum") || line.contains("DATASUM"), "{line}");
}

#[test]
fn no_stars_is_a_catalogue_without_rows_and_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let frame = put(dir.path(), "blank.fits", &fits_bytes(SIDE, SIDE, &pixels(&[], 3), &cards()));
    let out = dir.path().join("out");
    let run = elqui(&["process", text(&frame), "--out", text(&out)]);
    assert!(run.status.success(), "{}", stderr(&run));
    let summary = json(&out.join("blank.summary.json"));
    assert!(summary["nSources"].as_u64().unwrap() <= 3, "{summary}");
    assert!(!summary["warnings"].as_array().unwrap().is_empty());
}

#[test]
fn no_overlap_with_the_reference_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let refcat = put(dir.path(), "far.csv", refcat_csv(&field(7), 20.0).as_bytes());
    let frame = put(dir.path(), "good.fits", &good_frame());
    let out = dir.path().join("out");
    let run = elqui(&["process", text(&frame), "--refcat", text(&refcat), "--out", text(&out)]);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("good.fits"), "{}", stderr(&run));
    assert_eq!(listing(&out), Vec::<String>::new());
}

#[test]
fn a_pointing_that_is_wrong_is_said_and_mended() {
    let dir = tempfile::tempdir().unwrap();
    // The frame's own stars, 20 degrees east of where its header says that they are.
    let moved = |line: &str| match line.split_once(',') {
        Some((ra, rest)) => {
            let ra = ra.parse::<f64>().map_or(ra.to_string(), |ra| format!("{:.9}", ra + 20.0));
            format!("{ra},{rest}\n")
        }
        None => String::new(),
    };
    let csv: String = refcat_csv(&field(1), 0.0).lines().map(moved).collect();
    let refcat = put(dir.path(), "far.csv", csv.as_bytes());
    let frame = put(dir.path(), "good.fits", &good_frame());
    let out = dir.path().join("out");
    let index = dir.path().join("far.idx");
    let built = elqui(&["index", "build", text(&refcat), "--out", text(&index)]);
    assert!(built.status.success(), "{}", stderr(&built));
    for extra in [&[][..], &["--index", text(&index)][..]] {
        let mut words =
            vec!["process", text(&frame), "--refcat", text(&refcat), "--out", text(&out)];
        words.extend(extra);
        let run = elqui(&words);
        assert!(run.status.success(), "{}", stderr(&run));
        let summary = json(&out.join("good.summary.json"));
        assert_eq!(summary["foundBlind"], true, "{summary}");
        assert!(summary["warnings"].to_string().contains("without its pointing"), "{summary}");
    }
    std::fs::write(&index, b"not an index").unwrap();
    let words = ["process", text(&frame), "--refcat", text(&refcat), "--index", text(&index)];
    let run = elqui(&[&words[..], &["--out", text(&out)]].concat());
    assert!(!run.status.success() && stderr(&run).contains("far.idx"), "{}", stderr(&run));
}

#[test]
fn an_absurd_wcs_is_a_warning_without_a_reference() {
    let dir = tempfile::tempdir().unwrap();
    let mut absurd = cards();
    for card in &mut absurd {
        if card.starts_with("CD") {
            *card = format!("{}= {:>20}", &card[..8], 0.0);
        }
    }
    let bytes = fits_bytes(SIDE, SIDE, &pixels(&field(1), 2), &absurd);
    let frame = put(dir.path(), "absurd.fits", &bytes);
    let out = dir.path().join("out");
    let run = elqui(&["process", text(&frame), "--out", text(&out)]);
    assert!(run.status.success(), "{}", stderr(&run));
    let warnings = json(&out.join("absurd.summary.json"))["warnings"].to_string();
    assert!(warnings.contains("WCS"), "{warnings}");
}

#[test]
fn names_that_are_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let missing = elqui(&["process", "/nowhere/at/all.fits", "--out", text(&out)]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("/nowhere/at/all.fits"));
    let folder = elqui(&["process", text(dir.path()), "--out", text(&out)]);
    assert_eq!(folder.status.code(), Some(1), "{}", stderr(&folder));
    // Two inputs of one stem are refused before any work.
    let a = put(dir.path(), "same.fits", &good_frame());
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let b = put(&other, "same.fits", &good_frame());
    let twice = elqui(&["process", text(&a), text(&b), "--out", text(&out)]);
    assert_eq!(twice.status.code(), Some(2), "{}", stderr(&twice));
    assert!(!out.join("same.summary.json").exists());
    let unicode = put(dir.path(), "späße ☃.fits", &good_frame());
    let run = elqui(&["process", text(&unicode), "--out", text(&out)]);
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(out.join("späße ☃.sources.parquet").is_file());
    assert_eq!(elqui(&["process"]).status.code(), Some(2));
    assert_eq!(elqui(&["nonsense"]).status.code(), Some(2));
}

#[test]
fn an_output_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let frame = put(dir.path(), "good.fits", &good_frame());
    let file = put(dir.path(), "file", b"");
    let under_a_file = elqui(&["process", text(&frame), "--out", text(&file.join("out"))]);
    assert_eq!(under_a_file.status.code(), Some(1), "{}", stderr(&under_a_file));
    full_disk(dir.path(), &frame);
}

/// A disk that is full, by the shell's limit on the size of a file.
fn full_disk(dir: &Path, frame: &Path) {
    let out = dir.join("full");
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" process \"$1\" --out \"$2\"";
    let run = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_elqui"), text(frame), text(&out)])
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
    assert!(stderr(&run).contains("good.exposure.fits"), "{}", stderr(&run));
    assert_eq!(listing(&out), Vec::<String>::new(), "nothing half-written");
    // What an earlier run left there stays when its rewrite fails.
    let kept = put(&out, "good.sources.parquet", b"earlier");
    let run = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_elqui"), text(frame), text(&out)])
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
    assert_eq!(std::fs::read(kept).unwrap(), b"earlier");
}
