//! A disk that fills: put, ingest, import and runs say so, leave nothing half-visible, and go on when there is space.
//!
//! The disk is a small tmpfs, which only root may mount; elsewhere this is skipped with a message.

mod common;
mod repository_common;

use common::{RUN, dimensions, id, pipeline, request};
use elqui_butler::{DatasetRef, Transfer};
use elqui_pipeline::{
    Described, InRepository, Ingest, QuantumGraph, Repository, RepositoryConfig, RunOptions,
    Status, prepare, run_graph,
};
use repository_common::{data_id, fill, image, records};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A disk of its own, taken away at the end.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(mib: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(dir.path());
        let done = mount.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !done.is_ok_and(|s| s.success()) {
            println!("skipped: a small disk (mount -t tmpfs) can only be made by root");
            return None;
        }
        Some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leave this many KiB.
    fn fill(&self, kib: u64) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file =
            std::fs::OpenOptions::new().create_new(true).write(true).open(&path).unwrap();
        let mut written = 0;
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {
            written += 4096;
        }
        file.set_len(written - (kib << 10)).unwrap();
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn told(e: &str, root: &Path) {
    assert!(e.contains("full") && e.contains("free") && !e.contains('\n'), "{e}");
    assert!(e.contains(&root.display().to_string()), "{e} does not name {}", root.display());
}

fn whole(r: &mut Repository) {
    let report = r.verify(&mut |_| ()).unwrap();
    assert!(report.bad.is_empty() && report.registry.is_empty(), "{report:?}");
    let garbage = r.gc(0.0, true).unwrap();
    assert!(garbage.orphans.is_empty() && garbage.leftovers.is_empty(), "{garbage:?}");
}

#[test]
fn put_ingest_and_import() {
    let Some(disk) = Disk::new(12) else { return };
    let root = disk.path().join("repo");
    let mut r = Repository::create(&root, &RepositoryConfig::default()).unwrap();
    fill(&mut r);
    let big = vec![7u8; 400 << 10];

    // The files.
    let ballast = disk.fill(300);
    let e = r.put(&image(1, 0), "u/run", ".x", &big).unwrap_err().to_string();
    told(&e, &root);
    let from = tempfile::tempdir().unwrap();
    let describe = |path: &Path| {
        let e: i64 = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().parse()?;
        Ok(Described { data_id: data_id("exposure", e, 0), records: records(e) })
    };
    let files: Vec<PathBuf> = (1..4).map(|k| from.path().join(format!("{k}.fits"))).collect();
    for file in &files {
        elqui_codec::atomic_write_bytes(file, &big[..200 << 10]).unwrap();
    }
    let how = Ingest::new("Sim/raw", "raw", Transfer::Copy);
    let e = r.ingest(&files, &how, &describe).unwrap_err().to_string();
    told(&e, &root);
    whole(&mut r);
    std::fs::remove_file(&ballast).unwrap();
    let one = r.put(&image(1, 0), "u/run", ".x", &big).unwrap();
    assert_eq!(r.ingest(&files, &how, &describe).unwrap().new, 3);
    whole(&mut r);

    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("out");
    r.export(&[one.id], &out, Transfer::Copy).unwrap();
    let other = disk.path().join("other");
    let mut b = Repository::create(&other, &RepositoryConfig::default()).unwrap();
    let ballast = disk.fill(200);
    let e = b.import(&out, Transfer::Copy).unwrap_err().to_string();
    told(&e, &other);
    whole(&mut b);
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(b.import(&out, Transfer::Copy).unwrap().new, 1);
    whole(&mut b);

    // The registry.
    let ballast = disk.fill(4);
    let mut failed = Vec::new();
    for v in 2..=20 {
        if let Err(e) = r.put(&image(v, 1), "u/run", ".x", b"") {
            failed.push(e.to_string());
        }
    }
    assert!(!failed.is_empty(), "4 KiB were enough for the registry");
    assert!(failed.iter().all(|e| e.contains("full")), "{failed:?}");
    std::fs::remove_file(&ballast).unwrap();
    for v in 2..=20 {
        let _ = r.put(&image(v, 1), "u/run", ".x", b"");
        r.find(&image(v, 1), &["u/run"]).unwrap();
    }
    let report = r.verify(&mut |_| ()).unwrap();
    assert!(report.bad.is_empty() && report.registry.is_empty(), "{report:?}");
}

const TEXT: &str =
    "name: two\nsteps:\n  clean: {task: clean, config: {prefix: x}}\n  join: {task: sum}\n";

#[test]
fn a_run_goes_on_when_there_is_space_again() {
    let Some(disk) = Disk::new(12) else { return };
    let root = disk.path().join("repo");
    let mut r = Repository::create(&root, &RepositoryConfig::default()).unwrap();
    dimensions(r.registry(), 60, 2);
    for v in 1..=60 {
        for d in 0..2 {
            let raw = DatasetRef { dataset_type: "raw".into(), data_id: id(v, d) };
            r.put(&raw, "u/raw", ".txt", format!("{v}.{d}").as_bytes()).unwrap();
        }
    }
    let p = pipeline(TEXT);
    let g = QuantumGraph::build(&p, r.registry(), &request("")).unwrap();
    prepare(&g, r.registry()).unwrap();
    let (datasets, options) =
        (InRepository::new(&root), RunOptions { threads: 2, ..RunOptions::default() });
    let ballast = disk.fill(160);
    let report = run_graph(&g, &p, &datasets, &options, &(), None).unwrap();
    assert!(report.count(Status::Failed) > 0 && !report.is_complete());
    for (quantum, why) in &report.failures {
        assert!(why.contains("full") || why.contains("what it read"), "{quantum}: {why}");
    }
    std::fs::remove_file(&ballast).unwrap();
    let done = report.count(Status::Done);
    let report = run_graph(&g, &p, &datasets, &options, &(), None).unwrap();
    assert!(report.is_complete(), "{:?}", report.failures);
    assert_eq!(report.count(Status::Existed), done);
    let sum = DatasetRef { dataset_type: "visit_sum".into(), data_id: id(60, 0) };
    let sum = r.find(&sum, &[RUN]).unwrap();
    assert_eq!(r.get(sum.id).unwrap(), b"x60.0 x60.1");
    whole(&mut r);
}
