//! Files that hold several datasets: each detector of a multi-extension raw is one.

mod repository_common;

use elqui_butler::{DatasetId, DatasetRef, Transfer, TranslateError};
use elqui_pipeline::{Described, Ingest, Repository, RepositoryConfig};
use repository_common::{data_id, fresh, records};
use std::fs;
use std::path::{Path, PathBuf};

/// Names are `EXPOSURE.fits`; each file has the detectors 0 to 3.
fn describe(path: &Path) -> Result<Vec<Described>, TranslateError> {
    let e: i64 = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().parse()?;
    let one = |d| Described { data_id: data_id("exposure", e, d), records: records(e) };
    Ok((0..4).map(one).collect())
}

fn raws(dir: &Path, count: i64) -> Vec<PathBuf> {
    fs::create_dir_all(dir).unwrap();
    let path = |e: i64| dir.join(format!("{e}.fits"));
    for e in 0..count {
        elqui_codec::atomic_write_bytes(&path(e), format!("all of {e}").as_bytes()).unwrap();
    }
    (0..count).map(path).collect()
}

fn raw(r: &mut Repository, run: &str, e: i64, d: i64) -> DatasetId {
    let name = DatasetRef { dataset_type: "raw".into(), data_id: data_id("exposure", e, d) };
    r.find(&name, &[run]).unwrap().id
}

fn stored(r: &Repository) -> Vec<String> {
    r.artifacts().store().list("").unwrap().into_iter().map(|f| f.path).collect()
}

#[test]
fn each_detector_is_a_dataset_of_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = fresh(&dir.path().join("repo"));
    for (name, mode) in Transfer::ALL {
        let files = raws(&dir.path().join(name), 3);
        let run = format!("raw/{name}");
        let before = stored(&r).len();
        let done = r.ingest_all(&files, &Ingest::new(&run, "raw", mode), &describe).unwrap();
        assert_eq!((done.new, done.skipped, done.bytes), (12, 0, 24), "{name}");
        assert_eq!(stored(&r).len() - before, if mode == Transfer::Direct { 0 } else { 3 });
        assert_eq!(files[0].exists(), mode != Transfer::Move);
        for d in 0..4 {
            let id = raw(&mut r, &run, 2, d);
            assert_eq!(r.get(id).unwrap(), b"all of 2", "{name}");
            let artifact = r.artifact(id).unwrap();
            assert_eq!(artifact.formatter, format!("fits[detector={d}]"));
        }
    }
    // Each file is counted once, and once more for each way of ingest.
    let report = r.verify(&mut |_| ()).unwrap();
    assert_eq!((report.files, report.bytes, report.bad.len()), (15, 120, 0));

    // A file goes with the last of its datasets; one in place never.
    let ids: Vec<_> = (0..4).map(|d| raw(&mut r, "raw/copy", 1, d)).collect();
    let path = r.local_path(ids[0]).unwrap().unwrap();
    r.remove(&ids[..1]).unwrap();
    assert!(path.is_file() && r.get(ids[3]).unwrap() == b"all of 1");
    assert!(r.gc(0.0, false).unwrap().orphans.is_empty() && path.is_file());
    r.remove(&ids[1..3]).unwrap();
    assert!(path.is_file());
    r.remove(&ids[3..]).unwrap();
    assert!(!path.exists());
    let in_place = r.registry().run_ids("raw/direct").unwrap();
    r.remove(&in_place).unwrap();
    assert!(dir.path().join("direct/0.fits").is_file());

    // What is damaged is damaged for all of them.
    let id = raw(&mut r, "raw/link", 0, 0);
    let path = r.local_path(id).unwrap().unwrap();
    fs::remove_file(&path).unwrap();
    elqui_codec::atomic_write_bytes(&path, b"other").unwrap();
    let report = r.verify(&mut |_| ()).unwrap();
    assert_eq!((report.bad.len(), report.files), (4, 11));
}

#[test]
fn parts_are_checked_and_skipped_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = fresh(&dir.path().join("repo"));
    let files = raws(&dir.path().join("in"), 2);
    let mut how = Ingest::new("Sim/raw", "raw", Transfer::Copy);
    let first = |path: &Path| Ok(describe(path)?.into_iter().take(2).collect());
    assert_eq!(r.ingest_all(&files, &how, &first).unwrap().new, 4);
    let e = r.ingest_all(&files, &how, &describe).unwrap_err().to_string();
    assert!(e.contains("already") && e.contains("0.fits"), "{e}");
    how.skip_existing = true;
    let done = r.ingest_all(&files, &how, &describe).unwrap();
    assert_eq!((done.new, done.skipped), (4, 4));
    // Those that came later have a copy of their own: no row is changed.
    assert_eq!(stored(&r).len(), 4);
    let done = r.ingest_all(&files, &how, &describe).unwrap();
    assert_eq!((done.new, done.skipped, stored(&r).len()), (0, 8, 4));

    let twice = |path: &Path| Ok(vec![describe(path)?.remove(0), describe(path)?.remove(0)]);
    let run = Ingest::new("Sim/other", "raw", Transfer::Copy);
    let e = r.ingest_all(&files[..1], &run, &twice).unwrap_err().to_string();
    assert!(e.contains("0.fits") && e.contains("twice"), "{e}");
    let e = r.ingest_all(&files[..1], &run, &|_: &Path| Ok(Vec::new())).unwrap_err().to_string();
    assert!(e.contains("0.fits") && e.contains("no raw in it"), "{e}");
    assert_eq!(stored(&r).len(), 4);
}

#[test]
fn shared_files_are_exported_and_imported_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = fresh(&dir.path().join("a"));
    for (k, mode) in [Transfer::Copy, Transfer::Direct].into_iter().enumerate() {
        let run = format!("raw/{k}");
        let files = raws(&dir.path().join(&run), 2);
        a.ingest_all(&files, &Ingest::new(&run, "raw", mode), &describe).unwrap();
        let ids = a.registry().run_ids(&run).unwrap();
        // In two parts, so that the second finds the files of the first.
        let (one, two) = (dir.path().join(format!("one{k}")), dir.path().join(format!("two{k}")));
        assert_eq!(a.export(&ids[..2], &one, Transfer::Copy).unwrap().bytes, 8);
        let all = a.export(&ids, &two, Transfer::Copy).unwrap();
        assert_eq!((all.datasets, all.bytes), (8, 16));
        let mut b =
            Repository::create(&dir.path().join(format!("b{k}")), &RepositoryConfig::default())
                .unwrap();
        assert_eq!(b.import(&one, Transfer::Copy).unwrap().new, 2);
        assert_eq!(stored(&b).len(), 1);
        let done = b.import(&two, Transfer::Copy).unwrap();
        assert_eq!((done.new, done.known), (6, 2));
        assert_eq!(stored(&b).len(), 2);
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(b.get(*id).unwrap(), format!("all of {}", n / 4).as_bytes());
            assert_eq!(b.artifact(*id).unwrap().formatter, a.artifact(*id).unwrap().formatter);
        }
        let report = b.verify(&mut |_| ()).unwrap();
        assert_eq!((report.files, report.bad.len()), (2, 0));
        b.remove(&ids[..7]).unwrap();
        assert_eq!((stored(&b).len(), b.get(ids[7]).unwrap().as_slice()), (1, &b"all of 1"[..]));
    }
}
