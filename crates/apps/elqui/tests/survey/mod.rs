//! A small survey of a camera that elqui does not know, in a repository of its own.
#![allow(dead_code)] // Each test's file uses the parts that it needs.

use crate::common::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub const INPUT: &str = "testcam/raw/all,refcats";

const CAMERA: &str = "name: testcam
description: A camera of the tests
recognise:
  - [{card: INSTRUME, equals: TESTCAM}]
corrected: true
image_hdu: 0
pixel_scale_arcsec: 1.44
detector: {card: CCDID}
cards:
  visit: {card: EXPNUM}
  band: {card: FILTER}
  physical_filter: {card: FILTER}
  observation_type: {card: OBSTYPE}
  exposure_s: {card: EXPTIME}
  time: {form: iso_utc, card: DATE-OBS, at: start}
  boresight_ra: {card: CRVAL1, form: degrees}
  boresight_dec: {card: CRVAL2, form: degrees}
facts:
  gain: {card: GAIN}
  read_noise_e: {card: RDNOISE}
  saturation_adu: {card: SATURATE}
";

/// A repository with frames of exposures 1 to `n`, and the frames themselves.
pub struct Survey {
    pub dir: tempfile::TempDir,
    pub raw: Vec<PathBuf>,
}

impl Survey {
    pub fn new(n: u32, broken: &[u32]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "testcam.yaml", CAMERA.as_bytes());
        put(dir.path(), "stars.csv", refcat_csv(&field(1), 0.0).as_bytes());
        let night = dir.path().join("night");
        std::fs::create_dir(&night).unwrap();
        let raw = (1..=n).map(|e| put(&night, &format!("f{e:03}.fits"), &frame(e, broken)));
        let survey = Self { raw: raw.collect(), dir };
        survey.repo(&["init"]);
        let camera = survey.path("testcam.yaml");
        survey.repo(&["ingest", text(&night), "--instrument", text(&camera), "--mode", "link"]);
        let stars = survey.path("stars.csv");
        survey.repo(&["put", text(&stars), "reference_catalog", "--run", "refcats"]);
        survey
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn root(&self) -> PathBuf {
        self.path("survey")
    }

    pub fn words<'a>(&self, root: &'a Path, verb: &'a str, words: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec![verb, "--repo", text(root)];
        all.extend_from_slice(words);
        all
    }

    /// A verb of `repo` that must succeed; what it says.
    pub fn repo(&self, words: &[&str]) -> String {
        self.must("repo", words)
    }

    pub fn must(&self, verb: &str, words: &[&str]) -> String {
        let root = self.root();
        let run = elqui(&self.words(&root, verb, words));
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success(), "{words:?}: {said}{}", stderr(&run));
        said
    }

    /// `pipeline` words that must fail with this status: stdout and stderr.
    pub fn refused(&self, words: &[&str], status: i32) -> String {
        let root = self.root();
        let run = elqui(&self.words(&root, "pipeline", words));
        let log = format!("{}{}", String::from_utf8_lossy(&run.stdout), stderr(&run));
        assert_eq!(run.status.code(), Some(status), "{words:?}: {log}");
        assert!(!log.contains("panicked") && !log.contains("internal error"), "{log}");
        log
    }

    /// Files of a run by `TYPE/VISIT`, with their bytes.
    pub fn files(&self, run: &str, types: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for name in types {
            for line in self.repo(&["ls", name, "--collections", run]).lines() {
                let id = line.split_whitespace().find(|w| w.len() == 36 && w.contains('-'));
                let id = id.unwrap_or_else(|| panic!("no id: {line}"));
                let visit = line.split(['{', ',', '}']).find_map(|p| p.strip_prefix("visit="));
                let to = self.path("got");
                self.repo(&["get", id, "--out", text(&to)]);
                let key = format!("{name}/{}", visit.unwrap_or("?"));
                found.insert(key, std::fs::read(&to).unwrap());
            }
        }
        found
    }
}

pub fn frame(exposure: u32, broken: &[u32]) -> Vec<u8> {
    let mut all = cards();
    let word = |key: &str, value: &str| format!("{key:<8}= '{value:<8}'");
    all.retain(|c| !c.starts_with("DATE-OBS"));
    all.push(word("INSTRUME", "TESTCAM"));
    all.push(word("OBSTYPE", "science"));
    all.push(word("DATE-OBS", &format!("2026-01-02T03:{:02}:05", exposure % 60)));
    all.push(format!("{:<8}= {exposure:>20}", "EXPNUM"));
    all.push(format!("{:<8}= {:>20}", "CCDID", 0));
    let image = if broken.contains(&exposure) {
        vec![7.0; SIDE * SIDE]
    } else {
        pixels(&field(1), u64::from(exposure))
    };
    fits_bytes(SIDE, SIDE, &image, &all)
}
