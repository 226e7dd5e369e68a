//! Writers that meet, and names that would leave the store.

mod repository_common;

use elqui_butler::{DatasetRef, DatasetType, DimensionRecord};
use repository_common::{fresh, image};
use std::fs;
use std::path::Path;

fn stored(dir: &Path) -> usize {
    fn walk(dir: &Path) -> usize {
        let entries = fs::read_dir(dir).map(|e| e.flatten().collect::<Vec<_>>());
        let one = |e: &fs::DirEntry| if e.path().is_dir() { walk(&e.path()) } else { 1 };
        entries.unwrap_or_default().iter().map(one).sum()
    }
    walk(&dir.join("store"))
}

#[test]
fn two_writers_of_one_data_id() {
    let dir = tempfile::tempdir().unwrap();
    let r = fresh(dir.path());
    let won: Vec<_> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..4u8)
            .map(|k| {
                let mut mine = r.again().unwrap();
                s.spawn(move || {
                    (1..=20)
                        .filter_map(|v| {
                            Some((mine.put(&image(v, 0), "u/run", ".x", &[k; 100]).ok()?.id, k))
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    let mut r = r;
    assert_eq!(won.len(), 20);
    for (id, k) in won {
        assert_eq!(r.get(id).unwrap(), [k; 100]);
    }
    assert_eq!(stored(dir.path()), 20);
    assert!(r.verify(&mut |_| ()).unwrap().bad.is_empty());
}

#[test]
fn long_and_strange_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut r = fresh(dir.path());
    let of = DatasetType::new(r.registry().universe(), "sky", &["skymap"], "X");
    r.registry().register_dataset_type(&of.unwrap()).unwrap();
    for name in ["../../etc", "é".repeat(60).as_str(), "a b\tc", "con:#?%", "."] {
        let record = DimensionRecord::new("skymap").with("skymap", name);
        r.registry().insert_records(&[record]).unwrap();
        let one =
            r.put(&DatasetRef::new("sky").with("skymap", name), "u/run", ".x", name.as_bytes());
        let one = one.unwrap();
        assert_eq!(r.get(one.id).unwrap(), name.as_bytes());
        assert!(
            r.local_path(one.id).unwrap().unwrap().starts_with(dir.path().canonicalize().unwrap())
        );
    }
}
