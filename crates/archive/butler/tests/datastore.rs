//! One contract for every store; the folder store passes it with and without templates.

use elqui_butler::{ButlerError, DatasetRef, Datastore, FolderStore};

fn contract(store: &dyn Datastore) {
    let raw = |visit: u32, detector: u32| {
        DatasetRef::new("raw").with("visit", visit).with("detector", detector)
    };
    assert!(matches!(store.get(&raw(1, 0)), Err(ButlerError::Missing { .. })));
    for (visit, detector) in [(2, 1), (1, 0), (2, 0)] {
        store.put(&raw(visit, detector), &[visit as u8, detector as u8]).unwrap();
    }
    store.put(&DatasetRef::new("sky"), b"one").unwrap();
    store.put(&DatasetRef::new("sky"), b"two").unwrap();
    assert_eq!(store.get(&DatasetRef::new("sky")).unwrap(), b"two");
    assert_eq!(store.list("raw").unwrap(), [raw(1, 0), raw(2, 0), raw(2, 1)]);
    assert_eq!(store.get(&raw(2, 1)).unwrap(), [2, 1]);
    store.remove(&raw(2, 0)).unwrap();
    assert!(!store.exists(&raw(2, 0)) && store.exists(&raw(2, 1)));
    assert!(matches!(store.remove(&raw(2, 0)), Err(ButlerError::Missing { .. })));
    assert_eq!(store.list("raw").unwrap().len(), 2);
    for bad in ["", "..", "a/b", "a b", ".hidden"] {
        let named = DatasetRef::new("raw").with("visit", bad);
        assert!(matches!(store.put(&named, b""), Err(ButlerError::BadName { .. })), "{bad}");
    }
}

#[test]
fn the_folder_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    contract(&FolderStore::open(dir.path()).unwrap());
}

#[test]
fn so_it_does_with_templates() {
    let dir = tempfile::tempdir().unwrap();
    let store = FolderStore::open(dir.path()).unwrap();
    let store = store.with_template("raw", "raw/{visit}/{visit}_{detector}.fits").unwrap();
    contract(&store);
    assert!(dir.path().join("raw/2/2_1.fits").is_file());
    let incomplete = DatasetRef::new("raw").with("visit", 3);
    let text = store.put(&incomplete, b"").unwrap_err().to_string();
    assert!(text.contains("needs `detector` in the data id"), "{text}");
    let extra = incomplete.with("detector", 1).with("band", "g");
    assert!(matches!(store.put(&extra, b""), Err(ButlerError::BadTemplate { .. })));
}

#[test]
fn templates_stay_inside() {
    let dir = tempfile::tempdir().unwrap();
    for bad in ["../{visit}", "/etc/{visit}", "", "raw/{visit", "raw/"] {
        let store = FolderStore::open(dir.path()).unwrap();
        assert!(store.with_template("raw", bad).is_err(), "{bad}");
    }
}

#[test]
fn two_datasets_are_never_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = FolderStore::open(dir.path()).unwrap();
    let store = store.with_template("a", "{x}{y}").unwrap();
    store.put(&DatasetRef::new("a").with("x", 11).with("y", 1), b"").unwrap();
    let other = DatasetRef::new("a").with("x", 1).with("y", 11);
    assert!(matches!(store.put(&other, b""), Err(ButlerError::Collision { .. })));
}
