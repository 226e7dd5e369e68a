//! `elqui pipeline` on a small survey of a camera that elqui does not know: the same bytes as without a
//! repository, killed and gone on with, users' own steps, what failed, and wrong words.

mod common;
mod survey;

use common::*;
use std::process::Command;
use std::time::Duration;
use survey::{INPUT, Survey};

const TYPES: [&str; 5] =
    ["visit_image", "source", "visit_image_summary", "preview", "preview_image"];
const SUFFIXES: [&str; 5] =
    ["exposure.fits", "sources.parquet", "summary.json", "preview.png", "preview.fits"];

#[test]
fn frames_through_a_repository_are_the_same_bytes() {
    let survey = Survey::new(3, &[]);
    let said = survey.must("pipeline", &["run", "frames", "--input", INPUT, "--output", "u/me/f"]);
    assert!(said.contains("calibrate_image           3 done"), "{said}");
    let out = survey.path("out");
    let (camera, stars) = (survey.path("testcam.yaml"), survey.path("stars.csv"));
    let mut words = vec!["process", "--out", text(&out), "--refcat", text(&stars)];
    words.extend(["--instrument", text(&camera)]);
    words.extend(survey.raw.iter().map(|p| text(p)));
    let run = elqui(&words);
    assert!(run.status.success(), "{}", stderr(&run));
    let files = survey.files("u/me/f", &TYPES);
    assert_eq!(files.len(), 15);
    for (name, suffix) in TYPES.iter().zip(SUFFIXES) {
        for e in 1..=3 {
            let alone = std::fs::read(out.join(format!("f{e:03}.{suffix}"))).unwrap();
            assert!(files[&format!("{name}/{e}")] == alone, "{name} of {e} differs");
        }
    }
    // Where it came from, in words.
    let listed = survey.repo(&["ls", "source", "--collections", "u/me/f", "--where", "visit = 2"]);
    let id = listed.split_whitespace().find(|w| w.len() == 36).unwrap();
    let tree = survey.repo(&["show", id, "--provenance"]);
    for word in ["calibrate_image", "isr", "raw", "reference_catalog", "camera"] {
        assert!(tree.contains(word), "{word}: {tree}");
    }
    // The same again: a run of its own, in front of the first; nothing new is needed for --resume.
    let again = ["run", "frames", "--input", INPUT, "--output", "u/me/f", "--resume"];
    let said = survey.must("pipeline", &again);
    assert!(said.contains("0 done"), "{said}");
    survey.repo(&["verify"]);
}

#[test]
fn a_killed_run_goes_on() {
    let survey = Survey::new(12, &[]);
    let root = survey.root();
    let words = ["run", "frames", "--input", INPUT, "--output", "u/k", "--steps", "science"];
    let whole = ["run", "frames", "--input", INPUT, "--run", "whole", "--steps", "science"];
    let mut stream = Stream(3);
    for kill in 0..4 {
        let mut all = survey.words(&root, "pipeline", &words);
        if kill > 0 && !survey.repo(&["collections", "u/k"]).is_empty() {
            all.push("--resume");
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_elqui")).args(&all).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(0.05 + 0.6 * stream.uniform()));
        let _ = child.kill();
        let _ = child.wait();
    }
    let mut all = words.to_vec();
    if !survey.repo(&["collections", "u/k"]).is_empty() {
        all.push("--resume");
    }
    survey.must("pipeline", &all);
    survey.must("pipeline", &whole);
    let types = ["visit_image", "source", "visit_image_summary"];
    let files = survey.files("u/k", &types);
    assert_eq!(files.len(), 36);
    assert!(files == survey.files("whole", &types), "a kill changed bytes");
    survey.repo(&["verify"]);
}

#[test]
fn a_frame_that_fails_stops_no_other() {
    let survey = Survey::new(4, &[3]);
    let words = ["run", "frames", "--input", INPUT, "--output", "u/b"];
    let log = survey.refused(&words, 1);
    assert!(log.contains("isr") && log.contains("3 done, 1 failed"), "{log}");
    assert!(log.contains("exposure=3") && log.contains("the detector is dead"), "{log}");
    assert!(log.contains("--resume"), "{log}");
    assert!(log.contains("1 blocked"), "{log}");
    let run = std::fs::read_dir(survey.root().join("runs")).unwrap().next().unwrap().unwrap();
    let page = std::fs::read_to_string(run.path().join("report.html")).unwrap();
    assert!(page.contains("the detector is dead") && page.contains("<svg"), "{page}");
    // Going on tries the failed one alone.
    let log = survey.refused(&[&words[..], &["--resume"]].concat(), 1);
    assert!(log.contains("0 done, 1 failed"), "{log}");
}

const MINE: &str = "name: mine
description: Frames with a step of our own.
imports: [{file: frames, exclude: [preview]}]
steps:
  calibrate_image:
    task: calibrate_image
    isolated: true
    timeout_s: 60
    config: {frame: {detection: {threshold_sigma: 8.0}}}
  size:
    command:
      argv: [python3, -c, 'import sys; open(sys.argv[2], \"w\").write(str(len(open(sys.argv[1], \"rb\").read())))', '{input.image}', '{output.size}']
      dimensions: [visit, detector]
      inputs: [{name: image, type: visit_image, dimensions: [visit, detector], storage_class: Exposure, extension: fits}]
      outputs: [{name: size, type: image_size, dimensions: [visit, detector], storage_class: Text, extension: txt}]
";

#[test]
fn users_change_configurations_and_add_steps_of_their_own() {
    let survey = Survey::new(2, &[]);
    let mine = put(survey.dir.path(), "mine.yaml", MINE.as_bytes());
    let words = ["run", text(&mine), "--input", INPUT, "--run", "u/mine"];
    let said = survey.must("pipeline", &words);
    assert!(said.contains("size                      2 done"), "{said}");
    let files = survey.files("u/mine", &["visit_image", "image_size", "source"]);
    for v in ["1", "2"] {
        let said: usize =
            String::from_utf8_lossy(&files[&format!("image_size/{v}")]).parse().unwrap();
        assert_eq!(said, files[&format!("visit_image/{v}")].len());
    }
    // A higher threshold finds no more, and another --set says it in one word.
    let words = ["run", "frames", "--steps", "science", "--input", INPUT, "--run", "u/set"];
    let set =
        ["--set", "calibrate_image:frame.detection.threshold_sigma=8.0", "--where", "visit = 1"];
    survey.must("pipeline", &[&words[..], &set].concat());
    let other = survey.files("u/set", &["source"]);
    assert_eq!(other.len(), 1);
    assert!(other["source/1"] == files["source/1"], "the same threshold by another way");
    let text = survey.must("pipeline", &["show", text(&mine), "--config"]);
    assert!(text.contains("threshold_sigma: 8.0") && text.contains("isolated: true"), "{text}");
}

#[test]
fn plans_are_shown_saved_extended_and_run() {
    let survey = Survey::new(4, &[]);
    let base = ["plan", "frames", "--input", INPUT, "--run", "u/p"];
    let some = [&base[..], &["--where", "visit < 3"]].concat();
    let said = survey.must("pipeline", &[&some[..], &["--quanta"]].concat());
    assert!(said.contains("6 quanta") && said.contains("visit=2"), "{said}");
    for (name, word) in [("g.html", "<svg"), ("g.dot", "digraph"), ("g.txt", "6 quanta")] {
        let to = survey.path(name);
        survey.must("pipeline", &[&some[..], &["--out", text(&to)]].concat());
        let written = std::fs::read_to_string(&to).unwrap();
        assert!(written.contains(word), "{name}: {written}");
    }
    let graph = survey.path("g.elqg");
    survey.must("pipeline", &[&some[..], &["--out", text(&graph)]].concat());
    let more = [&base[..], &["--where", "visit = 4", "--extend", text(&graph)]].concat();
    let said = survey.must("pipeline", &[&more[..], &["--out", text(&graph)]].concat());
    assert!(said.contains("9 quanta"), "{said}");
    let said = survey.must("pipeline", &["run", "frames", "--graph", text(&graph)]);
    assert!(said.contains("isr                       3 done"), "{said}");
    // A plan knows the chain that is to show its run.
    let words = ["plan", "frames", "--input", INPUT, "--output", "u/chain", "--where", "visit = 3"];
    survey.must("pipeline", &[&words[..], &["--out", text(&graph)]].concat());
    survey.must("pipeline", &["run", "frames", "--graph", text(&graph)]);
    assert_eq!(survey.files("u/chain", &["source"]).len(), 1);
    std::fs::write(&graph, b"ELQG nonsense").unwrap();
    let log = survey.refused(&["run", "frames", "--graph", text(&graph)], 1);
    assert!(log.contains("g.elqg"), "{log}");
}

#[test]
fn wrong_words_are_told_apart_from_work_that_fails() {
    let survey = Survey::new(1, &[]);
    let to = ["--input", INPUT, "--run", "u/w"];
    let run = |words: &[&str], status: i32, part: &str| {
        let log = survey.refused(&[&["run"], words, &to[..]].concat(), status);
        assert!(log.contains(part), "{words:?}: {log}");
    };
    run(&["nothing"], 2, "elqui has calibs, frames");
    run(&["frames", "--steps", "coadd"], 2, "calibrate_image");
    run(&["frames", "--set", "isr"], 2, "LABEL:key.key=value");
    run(&["frames", "--set", "coadd:x=1"], 2, "isr");
    run(&["frames", "--set", "isr:x=1"], 2, "unknown field `x`");
    run(&["frames", "--where", "visitt = 1"], 2, "no dimension `visitt`");
    run(&["frames", "--where", "visit = 77"], 1, "nothing to do");
    run(&["frames", "--memory", "50"], 1, "peak_memory_mib");
    run(&["frames", "--timeout", "0"], 2, "--timeout");
    run(&["frames", "--engine", "slurm", "--fail-fast"], 2, "--fail-fast");
    run(&["frames", "--site", "nowhere.yaml"], 2, "--engine slurm");
    run(&["frames", "--engine", "slurm", "--site", "nowhere.yaml"], 2, "nowhere.yaml");
    let yaml = put(survey.dir.path(), "bad.yaml", b"name: x\nsteps: {a: {task: no_such}}\n");
    run(&[text(&yaml)], 2, "no_such");
    let yaml = put(survey.dir.path(), "latin.yaml", b"name: \xe9\n");
    run(&[text(&yaml)], 2, "UTF-8");
    let log = survey.refused(&["run", "frames", "--input", "nowhere", "--run", "u/w"], 1);
    assert!(log.contains("nowhere"), "{log}");
    let log = survey.refused(&["run", "frames", "--input", INPUT], 2);
    assert!(log.contains("--output"), "{log}");
    let log = survey.refused(&["run", "frames", "--output", "u/new"], 2);
    assert!(log.contains("--input"), "{log}");
    let log = survey.refused(&["run", "frames", "--output", "u/new", "--resume"], 2);
    assert!(log.contains("--resume"), "{log}");
    let log = survey.refused(&["run", "frames", "--input", INPUT, "--output", "refcats"], 2);
    assert!(log.contains("refcats"), "{log}");
    // Another description of the camera is refused before its frames are there.
    let other = survey.path("testcam.yaml");
    std::fs::write(&other, std::fs::read_to_string(&other).unwrap() + "# edited\n").unwrap();
    let more = survey.path("more");
    std::fs::create_dir(&more).unwrap();
    put(&more, "f9.fits", &survey::frame(9, &[]));
    let root = survey.root();
    let words = ["ingest", text(&more), "--instrument", text(&other)];
    let log = elqui(&survey.words(&root, "repo", &words));
    assert!(stderr(&log).contains("another description"), "{}", stderr(&log));
    let listed = survey.repo(&["ls", "raw"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    // A run that has what is to be made is not made twice by accident.
    survey.must("pipeline", &[&["run", "frames"], &to[..]].concat());
    run(&["frames"], 1, "--skip-existing");
}

const MEF: &str = "name: mefcam
description: Two detectors in one file
recognise:
  - [{card: INSTRUME, equals: MEFCAM}]
pixel_scale_arcsec: 0.4
cards:
  visit: {card: EXPNUM}
  band: {card: FILTER}
  physical_filter: {card: FILTER}
  observation_type: {card: OBSTYPE}
  exposure_s: {card: EXPTIME}
  time: {form: iso_utc, card: DATE-OBS, at: start}
  boresight_ra: {card: CRVAL1, form: degrees}
  boresight_dec: {card: CRVAL2, form: degrees}
detectors:
  - {id: 3, name: East, width: 400, height: 400, amplifiers: [{name: A, hdu: 1, data: '[1:400,1:400]', place: '[1:400,1:400]', gain: 2.0, read_noise_e: 3.0, saturation_adu: 60000}]}
  - {id: 8, name: West, width: 400, height: 400, amplifiers: [{name: A, hdu: 2, data: '[1:400,1:400]', place: '[1:400,1:400]', gain: 2.0, read_noise_e: 3.0, saturation_adu: 60000}]}
";

/// A file without pixels of its own and two images.
fn two_detectors() -> Vec<u8> {
    let word = |key: &str, value: &str| format!("{key:<8}= '{value:<8}'");
    let number = |key: &str, value: &str| format!("{key:<8}= {value:>20}");
    let pad = |mut bytes: Vec<u8>, with: u8| {
        bytes.resize(bytes.len().div_ceil(2880) * 2880, with);
        bytes
    };
    let header = |mut cards: Vec<String>| {
        cards.push("END".into());
        pad(cards.iter().flat_map(|c| format!("{c:<80}").into_bytes()).collect(), b' ')
    };
    let mut primary = vec![number("SIMPLE", "T"), number("BITPIX", "8"), number("NAXIS", "0")];
    primary.extend([number("EXPNUM", "5"), word("INSTRUME", "MEFCAM"), word("OBSTYPE", "science")]);
    primary.extend([word("FILTER", "r"), number("EXPTIME", "30.0")]);
    primary.push(word("DATE-OBS", "2026-01-02T03:04:05"));
    let mut file = header(primary);
    for hdu in 1..=2_u64 {
        let side = SIDE.to_string();
        let mut cards =
            vec![word("XTENSION", "IMAGE"), number("BITPIX", "-32"), number("NAXIS", "2")];
        cards.extend([number("NAXIS1", &side), number("NAXIS2", &side)]);
        cards.extend([number("PCOUNT", "0"), number("GCOUNT", "1")]);
        cards.extend(common::cards().into_iter().filter(|c| c.starts_with('C')));
        file.extend(header(cards));
        let data = pixels(&field(1), 70 + hdu);
        file.extend(pad(data.iter().flat_map(|v| v.to_be_bytes()).collect(), 0));
    }
    file
}

#[test]
fn every_detector_of_a_file_is_a_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let camera = put(dir.path(), "mefcam.yaml", MEF.as_bytes());
    let raw = put(dir.path(), "night.fits", &two_detectors());
    let stars = put(dir.path(), "stars.csv", refcat_csv(&field(1), 0.0).as_bytes());
    let (root, out) = (dir.path().join("survey"), dir.path().join("out"));
    let must = |words: &[&str]| {
        let run = elqui(words);
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success(), "{words:?}: {said}{}", stderr(&run));
        said
    };
    let repo = |words: &[&str]| must(&[&["repo", "--repo", text(&root)], words].concat());
    repo(&["init"]);
    let said = repo(&["ingest", text(&raw), "--instrument", text(&camera), "--run", "raws"]);
    assert!(said.contains("2 frames"), "{said}");
    repo(&["put", text(&stars), "reference_catalog", "--run", "refcats"]);
    let words = ["pipeline", "run", "frames", "--repo", text(&root), "--input", "raws,refcats"];
    let said = must(&[&words[..], &["--run", "done"]].concat());
    assert!(said.contains("preview                   2 done"), "{said}");
    let words = ["process", text(&raw), "--instrument", text(&camera), "--refcat", text(&stars)];
    must(&[&words[..], &["--out", text(&out)]].concat());
    for (detector, name) in [("3", "East"), ("8", "West")] {
        let of = format!("detector = {detector}");
        for (kind, suffix) in [("visit_image", "exposure.fits"), ("source", "sources.parquet")] {
            let listed = repo(&["ls", kind, "--collections", "done", "--where", &of]);
            let id = listed.split_whitespace().find(|w| w.len() == 36).unwrap();
            let got = dir.path().join("got");
            repo(&["get", id, "--out", text(&got)]);
            let alone = std::fs::read(out.join(format!("night.{name}.{suffix}"))).unwrap();
            assert!(std::fs::read(&got).unwrap() == alone, "{kind} of {name}");
        }
    }
    // The file goes with the last of its detectors.
    repo(&["verify"]);
    repo(&["rm", "raw", "--collections", "raws", "--where", "detector = 3", "--yes"]);
    repo(&["verify"]);
    let files = || listing(&root.join("store/raws/raw")).len();
    assert_eq!(files(), 1);
}
