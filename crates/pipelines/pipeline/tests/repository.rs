//! The contract of a repository: bytes and rows together, nothing half.

mod repository_common;

use elqui_butler::{DataId, DatasetRef, Quantum, Timespan, Transfer};
use elqui_pipeline::{Described, Ingest, Ingested, Repository, RepositoryConfig, RepositoryError};
use repository_common::{data_id, fresh, image, records};
use std::fs;
use std::path::{Path, PathBuf};

fn write(path: &Path, bytes: &[u8]) {
    elqui_codec::atomic_write_bytes(path, bytes).unwrap();
}

/// Names are `EXPOSURE_DETECTOR.ending`.
fn describe(path: &Path) -> Result<Described, elqui_butler::TranslateError> {
    let stem = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
    let (e, d) = stem.split_once('_').ok_or("the name is not EXPOSURE_DETECTOR")?;
    let (e, d) = (e.parse::<i64>()?, d.parse::<i64>()?);
    let data_id = DataId::new().with("instrument", "Sim").with("exposure", e).with("detector", d);
    Ok(Described { data_id, records: records(e) })
}

fn raws(dir: &Path, count: i64) -> Vec<PathBuf> {
    fs::create_dir_all(dir).unwrap();
    (0..count)
        .map(|e| {
            let path = dir.join(format!("{e}_1.fits"));
            write(&path, format!("raw {e}").as_bytes());
            path
        })
        .collect()
}

fn stored(dir: &Path) -> usize {
    fn walk(dir: &Path) -> usize {
        let entries = fs::read_dir(dir).map(|e| e.flatten().collect::<Vec<_>>());
        let one = |e: &fs::DirEntry| if e.path().is_dir() { walk(&e.path()) } else { 1 };
        entries.unwrap_or_default().iter().map(one).sum()
    }
    walk(&dir.join("store"))
}

#[test]
fn put_get_and_remove() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = fresh(dir.path());
    let one = r.put(&image(3, 1), "u/run", ".fits", b"bytes").unwrap();
    assert_eq!(r.get(one.id).unwrap(), b"bytes");
    assert_eq!(r.find(&image(3, 1), &["u/run"]).unwrap(), one);
    assert!(r.local_path(one.id).unwrap().unwrap().is_file());
    let again = r.put(&image(3, 1), "u/run", ".fits", b"other").unwrap_err().to_string();
    assert!(again.contains("u/run") && again.contains("already"), "{again}");
    assert_eq!((r.get(one.id).unwrap().as_slice(), stored(dir.path())), (&b"bytes"[..], 1));
    let lost = r.find(&image(4, 1), &["u/run"]).unwrap_err().to_string();
    assert!(lost.contains("visit=4") && lost.contains("u/run"), "{lost}");
    let unknown = r.put(&image(3, 99), "u/run", ".fits", b"x").unwrap_err().to_string();
    assert!(unknown.contains("detector"), "{unknown}");
    assert_eq!(stored(dir.path()), 1);

    let mut other = r.again().unwrap();
    assert_eq!(other.get(one.id).unwrap(), b"bytes");
    r.remove(&[one.id]).unwrap();
    assert_eq!(stored(dir.path()), 0);
    assert!(matches!(other.get(one.id), Err(RepositoryError::NoDataset { .. })));
}

#[test]
fn damage_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = fresh(dir.path());
    let ids: Vec<_> =
        (1..=4).map(|v| r.put(&image(v, 0), "u/run", ".x", b"12345").unwrap().id).collect();
    let path = |r: &mut Repository, k: usize| r.local_path(ids[k]).unwrap().unwrap();
    let (flipped, cut, gone) = (path(&mut r, 0), path(&mut r, 1), path(&mut r, 2));
    write(&flipped, b"12346");
    write(&cut, b"1234");
    fs::remove_file(&gone).unwrap();
    let e = r.get(ids[0]).unwrap_err().to_string();
    assert!(e.contains("checksum") && e.contains("restore"), "{e}");
    let mut told = 0;
    let report = r.verify(&mut |n| told = n).unwrap();
    assert_eq!((report.files, told, report.bad.len()), (4, 4, 3));
    let why = |k: usize| &report.bad.iter().find(|b| b.dataset == ids[k]).unwrap().why;
    assert!(why(0).contains("checksum"), "{}", why(0));
    assert!(why(1).contains("4 bytes instead of 5"), "{}", why(1));
    assert!(why(2).contains("not there"), "{}", why(2));
    assert!(report.registry.is_empty());
}

#[test]
fn ingest_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("in");
    let mut r = fresh(&dir.path().join("repo"));
    let root = dir.path().join("repo");
    let how = |mode| Ingest::new("Sim/raw", "raw", mode);
    let mut files = raws(&from, 5);
    let refused = |r: &mut Repository, files: &[PathBuf], words: &[&str]| {
        let e = r.ingest(files, &how(Transfer::Copy), &describe).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)) && !e.contains('\n'), "{e}");
        assert_eq!(stored(&root), 0, "{e}");
    };
    let with = |extra: &str| [files.clone(), vec![from.join(extra)]].concat();
    refused(&mut r, &with("none.fits"), &["none.fits", "no such file"]);
    std::os::unix::fs::symlink("/nowhere/at/all", from.join("7_1.fits")).unwrap();
    refused(&mut r, &with("7_1.fits"), &["7_1.fits", "link to a file that is not there"]);
    refused(&mut r, &with("0_1.fits"), &["0_1.fits", "given twice"]);
    write(&from.join("0_1.bis.fits"), b"x");
    refused(&mut r, &with("0_1.bis.fits"), &["0_1.bis.fits", "and so is", "0_1.fits"]);
    write(&from.join("odd.fits"), b"x");
    refused(&mut r, &with("odd.fits"), &["odd.fits", "not EXPOSURE_DETECTOR"]);
    refused(&mut r, &with(""), &["not a file"]);
    write(&from.join("8_77.fits"), b"x");
    refused(&mut r, &with("8_77.fits"), &["detector"]);

    let done = r.ingest(&files, &how(Transfer::Copy), &describe).unwrap();
    assert_eq!((done.new, done.skipped, done.bytes), (5, 0, 25));
    assert!(files.iter().all(|f| f.is_file()));
    files.push(from.join("9_0.fits"));
    write(&files[5], b"nine");
    let e = r.ingest(&files, &how(Transfer::Move), &describe).unwrap_err().to_string();
    assert!(e.contains("already") && e.contains("--skip-existing"), "{e}");
    assert!(files[5].is_file());
    let how = Ingest { skip_existing: true, ..how(Transfer::Move) };
    let done = r.ingest(&files, &how, &describe).unwrap();
    assert_eq!((done.new, done.skipped), (1, 5));
    assert!(!files[5].exists() && files[0].is_file());
    assert_eq!(stored(&root), 6);
    assert!(r.verify(&mut |_| ()).unwrap().bad.is_empty());
}

#[test]
fn every_mode_of_ingest_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = fresh(&dir.path().join("repo"));
    for (name, mode) in Transfer::ALL {
        let files = raws(&dir.path().join(name), 3);
        let run = format!("raw/{name}");
        let done = r.ingest(&files, &Ingest::new(&run, "raw", mode), &describe).unwrap();
        assert_eq!(done, Ingested { new: 3, skipped: 0, records: done.records, bytes: 15 });
        assert_eq!(files[0].exists(), mode != Transfer::Move);
        let raw = DatasetRef::new("raw").with("instrument", "Sim").with("exposure", 2);
        let id = r.find(&raw.with("detector", 1), &[&run]).unwrap().id;
        assert_eq!(r.get(id).unwrap(), b"raw 2", "{name}");
    }
    assert_eq!(r.verify(&mut |_| ()).unwrap().files, 15);
    // What was left in place is never removed.
    let ids = r.registry().run_ids("raw/direct").unwrap();
    r.remove(&ids).unwrap();
    assert!(dir.path().join("direct/0_1.fits").is_file());
    assert_eq!(r.gc(0.0, false).unwrap().orphans.len(), 0);
}

#[test]
fn garbage_is_collected_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = fresh(dir.path());
    let kept = r.put(&image(1, 0), "u/run", ".x", b"kept").unwrap();
    let path = r.local_path(kept.id).unwrap().unwrap();
    let folder = path.parent().unwrap();
    write(&folder.join("orphan.x"), b"orphan");
    write(&folder.join(".kept.x.123-0.tmp"), b"half");
    write(&folder.join(".note"), b"somebody's own");
    let young = r.gc(3600.0, false).unwrap();
    assert_eq!((young.too_young, young.orphans.len(), young.leftovers.len()), (2, 0, 0));
    let dry = r.gc(0.0, true).unwrap();
    assert_eq!((dry.orphans.len(), dry.leftovers.len()), (1, 1));
    assert!(folder.join("orphan.x").is_file());
    assert_eq!(r.gc(0.0, false).unwrap().orphans[0].path, dry.orphans[0].path);
    assert!(!folder.join("orphan.x").exists() && folder.join(".note").is_file());
    assert_eq!(r.get(kept.id).unwrap(), b"kept");
    assert_eq!(r.gc(0.0, false).unwrap(), elqui_pipeline::Garbage::default());
}

/// Two images made of one raw by one quantum, and a certified bias.
fn made(r: &mut Repository) -> Vec<elqui_butler::DatasetId> {
    let raw = DatasetRef { dataset_type: "raw".into(), data_id: data_id("exposure", 1, 0) };
    let raw = r.put(&raw, "Sim/raw", ".fits", b"raw").unwrap().id;
    let bias = DatasetRef::new("bias").with("instrument", "Sim").with("detector", 0);
    let bias = r.put(&bias, "u/calib", ".fits", b"bias").unwrap().id;
    let registry = r.registry();
    let kind = elqui_butler::CollectionKind::Calibration;
    registry.register_collection("Sim/calib", kind, "").unwrap();
    registry.certify("Sim/calib", &[bias], Timespan { begin_ns: 0, end_ns: 10 }).unwrap();
    let artifacts = r.artifacts();
    let (of, dataset) = r.new_dataset(&image(1, 0), "u/run").unwrap();
    let artifact = artifacts.write(&of, &dataset, "fits", b"image").unwrap();
    let kind = elqui_butler::CollectionKind::Run;
    r.registry().register_collection("u/run", kind, "").unwrap();
    let quantum = Quantum {
        id: elqui_butler::IdSource::default().next_id(),
        run: "u/run".into(),
        step: "isr".into(),
        data_id: data_id("visit", 1, 0),
        config: "overscan: median".into(),
        software: "elqui 0.1.0".into(),
        host: "here".into(),
        started_ns: 1_800_000_000_000_000_000,
        wall_s: 2.0,
        cpu_s: 1.5,
        peak_memory_bytes: Some(1 << 20),
        inputs: vec![raw, bias],
        outputs: Vec::new(),
    };
    let new = elqui_registry::NewDataset {
        data_id: dataset.name.data_id.clone(),
        id: Some(dataset.id),
        artifact: Some(artifact),
    };
    r.registry().insert_quantum(&quantum, &[("image", vec![new])]).unwrap();
    vec![dataset.id, raw, bias]
}

#[test]
fn provenance_as_a_tree_and_as_a_crate() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = fresh(dir.path());
    let ids = made(&mut r);
    let tree = r.provenance(ids[0]).unwrap();
    assert_eq!(tree.quantum.as_ref().unwrap().step, "isr");
    let inputs: Vec<_> = tree.inputs.iter().map(|o| (o.id, o.quantum.is_none())).collect();
    assert!(inputs.contains(&(ids[1], true)) && inputs.contains(&(ids[2], true)));
    let text = r.ro_crate(&ids[..1], "2026-11-23").unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(whole["@context"], "https://w3id.org/ro/crate/1.1/context");
    let graph = whole["@graph"].as_array().unwrap();
    let of = |kind: &str| graph.iter().filter(|e| e["@type"] == kind).collect::<Vec<_>>();
    assert_eq!((of("File").len(), of("CreateAction").len()), (3, 1));
    let action = of("CreateAction")[0];
    assert_eq!(action["object"].as_array().unwrap().len(), 2);
    assert_eq!(action["result"][0]["@id"], format!("urn:uuid:{}", ids[0]));
    assert_eq!(action["startTime"], "2027-01-15T07:59:23Z");
    // Whatever is referred to is in the graph: what the standard calls a flattened document.
    let known: Vec<&str> = graph.iter().filter_map(|e| e["@id"].as_str()).collect();
    for e in graph {
        for list in ["object", "result", "hasPart"] {
            for id in e[list].as_array().into_iter().flatten() {
                assert!(known.contains(&id["@id"].as_str().unwrap()), "{id}");
            }
        }
    }
}

#[test]
fn export_and_import() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = fresh(&dir.path().join("a"));
    let ids = made(&mut a);
    for (k, mode) in [Transfer::Copy, Transfer::Link].into_iter().enumerate() {
        let folder = dir.path().join(format!("out{k}"));
        assert_eq!(a.export(&ids, &folder, mode).unwrap().datasets, 3);
        assert!(a.export(&ids, &folder, mode).unwrap_err().to_string().contains("already"));
        let root = dir.path().join(format!("b{k}"));
        let mut b = Repository::create(&root, &RepositoryConfig::default()).unwrap();
        let done = b.import(&folder, mode).unwrap();
        assert_eq!((done.new, done.known, done.bytes), (3, 0, 12));
        assert_eq!(b.import(&folder, mode).unwrap().known, 3);
        assert_eq!(stored(&root), 3);
        assert_eq!(b.get(ids[0]).unwrap(), b"image");
        assert_eq!(b.provenance(ids[0]).unwrap(), a.provenance(ids[0]).unwrap());
        assert_eq!(
            b.registry().validities(ids[2]).unwrap(),
            a.registry().validities(ids[2]).unwrap()
        );
        assert_eq!(b.find(&image(1, 0), &["u/run"]).unwrap().id, ids[0]);
        let visits = |r: &mut Repository| {
            r.registry()
                .record("visit_definition", &data_id("visit", 1, 0).with("exposure", 1))
                .unwrap()
        };
        assert!(visits(&mut b).is_some() && visits(&mut b) == visits(&mut a));
        assert!(b.verify(&mut |_| ()).unwrap().bad.is_empty());
        assert!(b.gc(0.0, true).unwrap().orphans.is_empty());
    }
}

#[test]
fn conflicting_and_damaged_imports_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = fresh(&dir.path().join("a"));
    let ids = made(&mut a);
    let out = dir.path().join("out");
    a.export(&ids, &out, Transfer::Copy).unwrap();
    let manifest = out.join("manifest.jsonl");
    let text = fs::read_to_string(&manifest).unwrap();
    let root = dir.path().join("b");
    let mut b = Repository::create(&root, &RepositoryConfig::default()).unwrap();
    let mut refused = |text: &str, word: &str| {
        write(&manifest, text.as_bytes());
        let e = b.import(&out, Transfer::Copy).unwrap_err().to_string();
        assert!(e.contains(word), "{e} has no `{word}`");
        assert_eq!(stored(&root), 0);
        assert!(matches!(b.registry().dataset(ids[0]), Ok(None)));
    };
    refused(&text[..text.len() - 20], "manifest.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    refused(&(lines[..lines.len() - 1].join("\n") + "\n"), "end is missing");
    refused(&text.replacen("\"version\":2", "\"version\":9", 1), "version is 9");
    refused("", "end is missing");
    refused(&text.replace("u/run/image", "../../../image"), "cannot be a path");
    let record = lines.iter().position(|l| l.contains("\"element\":\"detector\"")).unwrap();
    let shorter = [&lines[..record], &lines[record + 1..]].concat();
    refused(&shorter.join("\n"), "lines are missing");
    let image =
        text.lines().find(|l| l.contains("\"dataset_type\":\"image\"") && l.contains("blake3"));
    let sum = image.unwrap().split("blake3:").nth(1).unwrap()[..8].to_string();
    refused(&text.replace(&sum, "00000000"), "damaged");

    // The same run and data id under another id; the same id with another content.
    write(&manifest, text.as_bytes());
    let mut c = fresh(&dir.path().join("c"));
    c.put(&repository_common::image(1, 0), "u/run", ".fits", b"another").unwrap();
    let e = c.import(&out, Transfer::Copy).unwrap_err().to_string();
    assert!(e.contains("u/run") && e.contains("already"), "{e}");
    assert_eq!(stored(&dir.path().join("c")), 1);
    let e = {
        write(&manifest, text.replace(&sum, "00000000").as_bytes());
        a.import(&out, Transfer::Copy).unwrap_err().to_string()
    };
    assert!(e.contains("another content"), "{e}");
    write(
        &manifest,
        text.replace(
            "\"run\":\"u/run\",\"dataset_type\":\"image\"",
            "\"run\":\"u/other\",\"dataset_type\":\"image\"",
        )
        .as_bytes(),
    );
    let e = a.import(&out, Transfer::Copy).unwrap_err().to_string();
    assert!(e.contains("u/other") && e.contains("here"), "{e}");
}

#[test]
fn configurations_that_lose_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("r");
    let missing = Repository::open(&root).err().unwrap().to_string();
    assert!(missing.contains("elqui repo init"), "{missing}");
    let mut config = RepositoryConfig::default();
    config.templates.insert("raw".into(), "{run}/{exposure}_{detector}".into());
    let e = Repository::create(&root, &config).err().unwrap().to_string();
    assert!(e.contains("{id}"), "{e}");
    Repository::create(&root, &RepositoryConfig::default()).unwrap();
    assert!(Repository::create(&root, &RepositoryConfig::default()).is_err());
    for (text, word) in [
        ("version: 7\nregistry: {sqlite: r}\nstore: {folder: s}\n", "version is 7"),
        ("version: 1\nregistry: {}\nstore: {folder: s}\n", "either"),
        ("version: 1\nregistry: {sqlite: r}\nstore: {folder: s, tape: 1}\n", "tape"),
        ("::::", "repository.yaml"),
    ] {
        write(&root.join("repository.yaml"), text.as_bytes());
        let e = Repository::open(&root).err().unwrap().to_string();
        assert!(e.contains(word) && !e.contains('\n'), "{e}");
    }
}
