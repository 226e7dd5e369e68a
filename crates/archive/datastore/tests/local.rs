//! Stores of this machine: folder, memory, and a cache before them.

mod suite;

use elqui_butler::{Datastore, Transfer};
use elqui_codec::atomic_write_bytes;
use elqui_datastore::{CachedStore, FolderStore, MemoryStore};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

#[test]
fn the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| FolderStore::open(&dir.path().join(name)).unwrap();
    suite::contract(&at("deep/er/folder"));
    suite::contract(&MemoryStore::default());
    let cached = |behind: Arc<dyn Datastore>, bytes_max| {
        CachedStore::new(behind, &dir.path().join(format!("cache{bytes_max}")), bytes_max).unwrap()
    };
    suite::contract(&cached(Arc::new(at("behind")), 1 << 30));
    suite::contract(&cached(Arc::new(MemoryStore::default()), 100));
}

#[test]
fn links_and_their_limits() {
    let dir = tempfile::tempdir().unwrap();
    let store = FolderStore::open(&dir.path().join("store")).unwrap();
    let from = dir.path().join("a.fits");
    atomic_write_bytes(&from, b"abc").unwrap();
    for (path, mode) in [("l/hard", Transfer::Link), ("l/soft", Transfer::Symlink)] {
        let kept = store.put_file(path, &from, mode, false).unwrap();
        assert_eq!((kept.size_bytes, kept.checksum.as_str()), (3, ""));
        assert_eq!(store.get(path).unwrap(), b"abc");
        // A link never replaces.
        assert!(store.put_file(path, &from, mode, false).is_err());
    }
    fs::remove_file(&from).unwrap();
    assert_eq!(store.get("l/hard").unwrap(), b"abc");
    assert_eq!(store.get("l/soft").unwrap_err().code(), "missing");
    assert!(store.delete("l/soft").unwrap());
    std::os::unix::fs::symlink("/nowhere", &from).unwrap();
    let e = store.put_file("x", &from, Transfer::Copy, true).unwrap_err().to_string();
    assert!(e.contains("link to a file that is not there"), "{e}");
    // What is moved is the file, not a link to it.
    let real = dir.path().join("real");
    atomic_write_bytes(&real, b"real").unwrap();
    fs::remove_file(&from).unwrap();
    std::os::unix::fs::symlink(&real, &from).unwrap();
    store.put_file("moved", &from, Transfer::Move, true).unwrap();
    assert!(!from.is_symlink() && real.is_file());
    assert_eq!(store.get("moved").unwrap(), b"real");
    assert_eq!(
        store.put_file("y", &real, Transfer::Direct, true).unwrap_err().code(),
        "unsupported"
    );
}

#[test]
fn a_link_to_an_old_file_is_young() {
    let dir = tempfile::tempdir().unwrap();
    let store = FolderStore::open(&dir.path().join("store")).unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for (path, mode) in [("hard", Transfer::Link), ("moved", Transfer::Move)] {
        let from = dir.path().join("frame");
        atomic_write_bytes(&from, b"abc").unwrap();
        fs::File::open(&from).unwrap().set_modified(long_ago).unwrap();
        store.put_file(path, &from, mode, false).unwrap();
        assert!(from.exists() == (mode == Transfer::Link));
    }
    for listed in store.list("").unwrap() {
        assert!(listed.age_s < 60.0, "its name is new: {listed:?}");
    }
}

#[test]
fn leftovers_of_the_dead_are_listed_apart() {
    let dir = tempfile::tempdir().unwrap();
    let store = FolderStore::open(dir.path()).unwrap();
    store.put("a/b", b"x").unwrap();
    atomic_write_bytes(&dir.path().join("a/.b.77-1.tmp"), b"half").unwrap();
    atomic_write_bytes(&dir.path().join("a/.keep"), b"not ours").unwrap();
    assert_eq!(store.list("").unwrap().len(), 1);
    let left = store.leftovers().unwrap();
    assert_eq!((left.len(), left[0].path.as_str()), (1, "a/.b.77-1.tmp"));
    for bad in ["a/.keep", "a/b", "../x/.y.tmp"] {
        assert!(store.delete_leftover(bad).is_err(), "{bad}");
    }
    assert!(store.delete_leftover("a/.b.77-1.tmp").unwrap());
    assert!(dir.path().join("a/.keep").is_file());
}

#[test]
fn what_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    atomic_write_bytes(&file, b"x").unwrap();
    let e = FolderStore::open(&file).unwrap_err();
    assert!(e.code() == "open" && e.to_string().contains("file"), "{e}");
    let store = FolderStore::open(dir.path()).unwrap();
    assert!(store.put("file/x", b"y").is_err());
    assert!(store.get("file/x").is_err());
    let locked = dir.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    if let Err(e) = store.put("locked/x", b"y") {
        assert!(e.to_string().contains("permission"), "{e}");
    } // The superuser may.
}

#[test]
fn a_full_disk_is_named_with_its_remedy() {
    let e = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let e = elqui_butler::StoreError::io("write", "a/b", "here", &e);
    assert!(e.code() == "full" && e.to_string().contains("free some space"), "{e}");
}

#[test]
fn a_cache_forgets_the_oldest_and_the_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let behind = MemoryStore::default();
    let cache = dir.path().join("cache");
    let store = CachedStore::new(Arc::new(behind.clone()), &cache, 1000).unwrap();
    for k in 0..8 {
        behind.put(&format!("f{k}"), &[k; 300]).unwrap();
    }
    let copies = || fs::read_dir(&cache).unwrap().count();
    for k in [0, 1, 2, 0] {
        assert_eq!(store.get(&format!("f{k}")).unwrap(), [k; 300]);
        std::thread::sleep(std::time::Duration::from_millis(15));
    }
    assert_eq!(copies(), 3);
    store.get("f3").unwrap();
    assert!(cache.join("f0").is_file() && !cache.join("f1").exists(), "f1 was used longest ago");
    assert!(copies() <= 3);
    // It serves from the copy, until told that it is damaged.
    atomic_write_bytes(&cache.join("f0"), b"bad").unwrap();
    assert_eq!(store.get("f0").unwrap(), b"bad");
    store.evict("f0");
    assert_eq!(store.get("f0").unwrap(), [0; 300]);
    assert_eq!(store.origin().unwrap().get("f0").unwrap(), [0; 300]);
    // Larger than all of it: passed through.
    behind.put("huge", &[7; 5000]).unwrap();
    assert_eq!(store.get("huge").unwrap().len(), 5000);
    assert!(!cache.join("huge").exists());
    // A cache that cannot be written is slow, not wrong.
    fs::remove_dir_all(&cache).unwrap();
    atomic_write_bytes(&cache, b"in the way").unwrap();
    assert_eq!(store.get("f5").unwrap(), [5; 300]);
}
