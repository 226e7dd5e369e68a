//! `elqui process` on a small frame whose truth is known.

mod common;

use common::*;

#[test]
fn a_frame_becomes_a_calibrated_catalogue() {
    let dir = tempfile::tempdir().unwrap();
    let frame = put(dir.path(), "good.fits", &good_frame());
    let refcat = put(dir.path(), "ref.csv", refcat_csv(&field(1), 0.0).as_bytes());
    let out = dir.path().join("out");
    let run = elqui(&["process", text(&frame), "--refcat", text(&refcat), "--out", text(&out)]);
    assert!(run.status.success(), "{}", stderr(&run));
    for suffix in ["exposure.fits", "sources.parquet", "summary.json", "timing.json"] {
        assert!(out.join(format!("good.{suffix}")).is_file(), "{suffix} in {:?}", listing(&out));
    }
    let summary = json(&out.join("good.summary.json"));
    let number = |key: &str| summary[key].as_f64().unwrap_or_else(|| panic!("{key}: {summary}"));
    assert!((number("zeroPointMag") - ZERO_POINT).abs() < 0.01, "{summary}");
    assert!(number("zeroPointErrMag") < 0.01);
    assert!((number("psfFwhmPixels") - 3.5).abs() < 0.1, "{summary}");
    assert!((number("skyLevel") - 300.0).abs() < 1.0, "{summary}");
    assert!(number("astrometryRmsMas") < 20.0, "{summary}");
    assert!(number("nSources") >= 100.0, "{summary}");
    assert_eq!(summary["fluxUnit"], "nJy");
    let timing = json(&out.join("good.timing.json"));
    assert!(timing["peakMemoryBytes"].as_u64().unwrap() > 0);
    assert!(timing["steps"].as_array().unwrap().len() >= 6);
}

#[test]
fn the_same_input_gives_the_same_bytes_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let frame = put(dir.path(), "good.fits", &good_frame());
    let refcat = put(dir.path(), "ref.csv", refcat_csv(&field(1), 0.0).as_bytes());
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for threads in ["1", "3"] {
        let out = dir.path().join(threads);
        let run = elqui(&[
            "--threads",
            threads,
            "process",
            text(&frame),
            "--refcat",
            text(&refcat),
            "--out",
            text(&out),
        ]);
        assert!(run.status.success(), "{}", stderr(&run));
        for (k, suffix) in ["exposure.fits", "sources.parquet", "summary.json"].iter().enumerate() {
            let bytes = std::fs::read(out.join(format!("good.{suffix}"))).unwrap();
            if threads == "1" {
                kept.push(bytes);
            } else {
                assert!(kept[k] == bytes, "{suffix} differs between 1 and 3 threads");
            }
        }
    }
}

#[test]
fn without_a_reference_fluxes_stay_in_adu_and_the_file_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let frame = put(dir.path(), "good.fits", &good_frame());
    let out = dir.path().join("out");
    let run = elqui(&["process", text(&frame), "--out", text(&out)]);
    assert!(run.status.success(), "{}", stderr(&run));
    let summary = json(&out.join("good.summary.json"));
    assert_eq!(summary["fluxUnit"], "adu");
    assert!(summary["zeroPointMag"].is_null());
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let frame = put(dir.path(), "good.fits", &good_frame());
    let out = dir.path().join("out");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_elqui"))
        .args(["process", text(&frame), "--out", text(&out)])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let run = child.wait_with_output().unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    assert!(out.join("good.summary.json").is_file());
}

#[test]
fn a_second_run_replaces_the_first_and_its_optional_files() {
    let dir = tempfile::tempdir().unwrap();
    let frame = put(dir.path(), "good.fits", &good_frame());
    let out = dir.path().join("out");
    let args = ["process", text(&frame), "--out", text(&out)];
    assert!(elqui(&args).status.success());
    assert!(out.join("good.preview.png").is_file());
    let again = elqui(&[&args[..], &["--no-preview"]].concat());
    assert!(again.status.success(), "{}", stderr(&again));
    let names = listing(&out);
    assert!(!names.iter().any(|n| n.contains("preview")), "{names:?}");
    assert!(names.contains(&"good.sources.parquet".to_string()), "{names:?}");
}

#[test]
fn a_run_that_is_killed_leaves_whole_files_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let frame = put(dir.path(), "good.fits", &good_frame());
    let kills: u64 = std::env::var("ELQUI_KILLS").ok().and_then(|v| v.parse().ok()).unwrap_or(12);
    let mut stream = Stream(7);
    for k in 0..kills {
        let out = dir.path().join(format!("out{k}"));
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_elqui"))
            .args(["process", text(&frame), "--out", text(&out)])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_micros((stream.uniform() * 4e5) as u64));
        let _ = child.kill();
        child.wait().unwrap();
        for name in listing(&out) {
            let path = out.join(&name);
            // A temporary file may lie there under its own name; under a final name only the whole.
            if name == "good.summary.json" || name == "good.timing.json" {
                json(&path);
            } else if name == "good.sources.parquet" {
                let bytes = std::fs::read(&path).unwrap();
                assert!(bytes.ends_with(b"PAR1"), "half a Parquet file after kill {k}");
            } else if name == "good.exposure.fits" {
                let length = std::fs::metadata(&path).unwrap().len();
                assert!(length > 0 && length % 2880 == 0, "half a FITS file after kill {k}");
            }
        }
    }
}
