//! Export and import as a round trip: everything that is known of the datasets arrives, once.

mod repository_common;

use elqui_butler::{Collection, CollectionKind, DatasetId, DatasetRef, Timespan, Transfer};
use elqui_pipeline::{Repository, RepositoryConfig};
use repository_common::{fresh, image};
use std::path::Path;

fn bias(detector: i64) -> DatasetRef {
    DatasetRef::new("bias").with("instrument", "Sim").with("detector", detector)
}

fn span(begin_ns: i64, end_ns: i64) -> Timespan {
    Timespan { begin_ns, end_ns }
}

/// Three images, two biases with validities, tags and chains.
fn filled(r: &mut Repository) -> Vec<DatasetId> {
    let mut ids: Vec<_> = (1..=3)
        .map(|v| r.put(&image(v, 0), "u/run", ".x", format!("{v}").as_bytes()).unwrap().id)
        .collect();
    for d in 0..2 {
        ids.push(r.put(&bias(d), "u/bias", ".x", b"bias").unwrap().id);
    }
    let registry = r.registry();
    registry.register_collection("best", CollectionKind::Tagged, "What papers use.").unwrap();
    registry.tag("best", &[ids[0], ids[2]]).unwrap();
    registry.register_collection("calib", CollectionKind::Calibration, "Of the camera.").unwrap();
    registry.certify("calib", &ids[3..4], span(0, 10)).unwrap();
    registry.certify("calib", &ids[3..4], span(20, i64::MAX)).unwrap();
    registry.certify("calib", &ids[4..5], Timespan::ALWAYS).unwrap();
    registry.register_collection("elsewhere", CollectionKind::Tagged, "").unwrap();
    for (chain, children) in
        [("inner", &["best", "elsewhere", "calib"][..]), ("outer", &["inner", "u/run", "u/bias"])]
    {
        registry.register_collection(chain, CollectionKind::Chained, "A chain.").unwrap();
        registry.set_chain(chain, children).unwrap();
    }
    ids
}

fn collections(r: &mut Repository) -> Vec<Collection> {
    r.registry().collections("*").unwrap()
}

/// All that can be asked of datasets.
fn facts(r: &mut Repository, ids: &[DatasetId]) -> Vec<String> {
    let mut all = Vec::new();
    for id in ids {
        let bytes = r.get(*id).unwrap();
        let mut validities = r.registry().validities(*id).unwrap();
        validities.sort();
        let (dataset, artifact) = (r.registry().dataset(*id).unwrap(), r.artifact(*id).unwrap());
        let (size, sum) = (artifact.size_bytes, artifact.checksum);
        let quantum = r.registry().quantum_of(*id).unwrap();
        all.push(format!("{dataset:?} {bytes:?} {size} {sum} {validities:?} {quantum:?}"));
    }
    for name in ["best", "inner", "outer", "calib"] {
        all.push(format!("{name} {:?}", r.registry().counts(&[name]).unwrap()));
        for v in 1..=3 {
            all.push(format!("{:?}", r.registry().find(&image(v, 0), &[name]).unwrap()));
        }
    }
    let at = |r: &mut Repository, ns| r.registry().find_calibration(&bias(0), &["outer"], ns);
    all.extend([5, 15, 25].map(|ns| format!("{:?}", at(r, ns).unwrap())));
    all
}

fn empty(root: &Path) -> Repository {
    Repository::create(root, &RepositoryConfig::default()).unwrap()
}

#[test]
fn collections_tags_and_validities_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = fresh(&dir.path().join("a"));
    let ids = filled(&mut a);
    let out = dir.path().join("out");
    a.export(&ids, &out, Transfer::Copy).unwrap();
    let mut b = empty(&dir.path().join("b"));
    for round in 0..2 {
        let done = b.import(&out, Transfer::Copy).unwrap();
        assert_eq!(done.new, if round == 0 { 5 } else { 0 });
        assert_eq!(facts(&mut b, &ids), facts(&mut a, &ids), "round {round}");
        let mut wanted = collections(&mut a);
        // A tagged collection without any of the datasets stays at home.
        wanted.retain(|c| c.name != "elsewhere");
        let inner = wanted.iter_mut().find(|c| c.name == "inner").unwrap();
        inner.children = vec!["best".into(), "calib".into()];
        assert_eq!(collections(&mut b), wanted);
    }
    // And back again: nothing changes where everything is known.
    let before = (facts(&mut a, &ids), collections(&mut a));
    let back = dir.path().join("back");
    b.export(&ids, &back, Transfer::Copy).unwrap();
    assert_eq!(a.import(&back, Transfer::Copy).unwrap().known, 5);
    assert_eq!((facts(&mut a, &ids), collections(&mut a)), before);
}

#[test]
fn an_import_that_was_cut_off_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = fresh(&dir.path().join("a"));
    let ids = filled(&mut a);
    let out = dir.path().join("out");
    a.export(&ids, &out, Transfer::Copy).unwrap();
    let mut b = empty(&dir.path().join("b"));
    b.import(&out, Transfer::Copy).unwrap();
    // As if it had been killed after the datasets, and half-way through the rest.
    let registry = b.registry();
    registry.untag("best", &ids[2..3]).unwrap();
    let only = [bias(0).data_id];
    registry.decertify("calib", "bias", span(15, i64::MAX), Some(&only)).unwrap();
    registry.set_chain("outer", &[]).unwrap();
    b.import(&out, Transfer::Copy).unwrap();
    assert_eq!(facts(&mut b, &ids[..4]), facts(&mut a, &ids[..4]));
}

#[test]
fn what_has_no_room_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = fresh(&dir.path().join("a"));
    let ids = filled(&mut a);
    let out = dir.path().join("out");
    a.export(&ids, &out, Transfer::Copy).unwrap();
    let refused = |name: &str, make: &dyn Fn(&mut Repository), words: &[&str]| {
        let mut c = fresh(&dir.path().join(name));
        make(&mut c);
        let before = collections(&mut c);
        let e = c.import(&out, Transfer::Copy).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)) && !e.contains('\n'), "{e}");
        assert_eq!(collections(&mut c), before);
        assert!(ids.iter().all(|id| matches!(c.registry().dataset(*id), Ok(None))));
        assert!(c.gc(0.0, true).unwrap().orphans.is_empty());
    };
    let other = |r: &mut Repository| {
        let id = r.put(&bias(1), "mine", ".x", b"mine").unwrap().id;
        let registry = r.registry();
        registry.register_collection("calib", CollectionKind::Calibration, "").unwrap();
        registry.certify("calib", &[id], span(5, 6)).unwrap();
    };
    refused("validity", &other, &["calib", "bias", "decertify"]);
    let other = |r: &mut Repository| {
        let id = r.put(&image(1, 0), "mine", ".x", b"mine").unwrap().id;
        let registry = r.registry();
        registry.register_collection("best", CollectionKind::Tagged, "").unwrap();
        registry.tag("best", &[id]).unwrap();
    };
    refused("tag", &other, &["best", "image", "untag"]);
    let other = |r: &mut Repository| {
        r.registry().register_collection("best", CollectionKind::Run, "").unwrap();
    };
    refused("kind", &other, &["best", "tagged", "run"]);
}

#[test]
fn a_link_out_of_an_export_needs_a_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = fresh(&dir.path().join("a"));
    let one = a.put(&image(1, 0), "u/run", ".x", b"image").unwrap();
    let (export, secret) = (dir.path().join("export"), dir.path().join("secret"));
    a.export(&[one.id], &export, Transfer::Copy).unwrap();
    let artifact = a.artifact(one.id).unwrap();
    let file = export.join("files").join(&artifact.path);
    std::fs::remove_file(&file).unwrap();
    elqui_codec::atomic_write_bytes(&secret, b"other").unwrap();
    std::os::unix::fs::symlink(&secret, &file).unwrap();
    let manifest = files(&export).into_iter().find(|f| f.extension().is_some_and(|e| e == "jsonl"));
    let manifest = manifest.unwrap();
    let text = std::fs::read_to_string(&manifest).unwrap();
    let unsummed = text.replace(&artifact.checksum, "");
    assert!(unsummed != text);
    elqui_codec::atomic_write_bytes(&manifest, unsummed.as_bytes()).unwrap();
    for mode in [Transfer::Copy, Transfer::Link, Transfer::Symlink, Transfer::Move] {
        let mut b = fresh(&dir.path().join(format!("{mode:?}")));
        let e = b.import(&export, mode).unwrap_err().to_string();
        assert!(e.contains("link out of the export") && e.contains(&artifact.path), "{e}");
        assert!(b.gc(0.0, true).unwrap().orphans.is_empty() && file.is_symlink());
    }
    // With the checksum it is known to be what was exported, wherever it is.
    elqui_codec::atomic_write_bytes(&manifest, text.as_bytes()).unwrap();
    let mut b = fresh(&dir.path().join("b"));
    assert!(b.import(&export, Transfer::Copy).unwrap_err().to_string().contains("damaged"));
    elqui_codec::atomic_write_bytes(&secret, b"image").unwrap();
    assert_eq!(b.import(&export, Transfer::Copy).unwrap().new, 1);
    assert_eq!(b.get(one.id).unwrap(), b"image");
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect()
}

#[test]
fn a_caches_copy_is_not_handed_out_as_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let behind = std::sync::Arc::new(elqui_datastore::MemoryStore::default());
    let cached = elqui_datastore::CachedStore::new(behind, dir.path(), 1 << 20).unwrap();
    let files = elqui_pipeline::Artifacts::new(std::sync::Arc::new(cached), Default::default());
    let of = elqui_butler::Universe::standard();
    let of = elqui_butler::DatasetType::new(of, "image", &["visit", "detector"], "Text").unwrap();
    let mut r = fresh(&dir.path().join("r"));
    let dataset = r.new_dataset(&image(1, 0), "u/run").unwrap().1;
    let artifact = files.write(&of, &dataset, "txt", b"image").unwrap();
    assert!(files.local_path(&artifact).is_some(), "steps may read the copy");
    assert_eq!(files.own_path(&artifact), None, "an export may not link it");
    let folder = elqui_datastore::FolderStore::open(&dir.path().join("own")).unwrap();
    let files = elqui_pipeline::Artifacts::new(std::sync::Arc::new(folder), Default::default());
    let artifact = files.write(&of, &dataset, "txt", b"image").unwrap();
    assert_eq!(files.own_path(&artifact), files.local_path(&artifact));
}
