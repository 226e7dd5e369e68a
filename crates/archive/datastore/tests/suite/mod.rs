//! The contract that every store keeps.

use elqui_butler::{Datastore, Transfer};
use elqui_datastore::{checksum, checksum_stored};

/// `store` must be empty.
pub fn contract(store: &dyn Datastore) {
    let bytes = b"some bytes".as_slice();
    let kept = store.put("u/run/raw/a.fits", bytes).unwrap();
    assert_eq!((kept.path.as_str(), kept.size_bytes), ("u/run/raw/a.fits", 10));
    assert_eq!(kept.checksum, checksum(bytes));
    assert_eq!(store.get("u/run/raw/a.fits").unwrap(), bytes);
    assert_eq!(store.size_bytes("u/run/raw/a.fits").unwrap(), Some(10));
    assert!(store.exists("u/run/raw/a.fits").unwrap() && !store.exists("u/run/raw").unwrap());

    // A put of the same path replaces it whole; an empty file is a file; names may be strange.
    store.put("u/run/raw/a.fits", b"new").unwrap();
    assert_eq!(store.get("u/run/raw/a.fits").unwrap(), b"new");
    for path in ["u/run/raw/b%20c+é.fits", "u/run2/empty", "x"] {
        store.put(path, b"").unwrap();
        assert_eq!((store.get(path).unwrap().len(), store.size_bytes(path).unwrap()), (0, Some(0)));
    }
    let paths = |prefix: &str| -> Vec<String> {
        store.list(prefix).unwrap().into_iter().map(|f| f.path).collect()
    };
    assert_eq!(paths("u/run/"), ["u/run/raw/a.fits", "u/run/raw/b%20c+é.fits"]);
    assert_eq!(paths("u/run").len(), 3, "a prefix is of the text, not of folders");
    assert_eq!(paths("").len(), 4);
    assert_eq!(paths("nothing/here"), [""; 0]);
    let listed = &store.list("u/run/raw/a").unwrap()[0];
    assert!(listed.size_bytes == 3 && listed.age_s < 60.0, "{listed:?}");

    // Refusals have stable codes and name the path and the store.
    let e = store.get("u/none").unwrap_err();
    assert_eq!(e.code(), "missing");
    assert!(e.to_string().contains("u/none") && e.to_string().contains(&store.name()), "{e}");
    for bad in ["../x", "/x", "a//b", ".hidden", ""] {
        assert_eq!(store.put(bad, b"x").unwrap_err().code(), "bad_path", "{bad}");
    }
    assert!(store.delete("x").unwrap() && !store.delete("x").unwrap());
    assert_eq!(store.get("x").unwrap_err().code(), "missing");
    assert_eq!(checksum_stored(store, "x").unwrap_err().code(), "missing");
    assert_eq!(store.size_bytes("x").unwrap(), None);

    // Files: small ones, and one in several parts.
    let dir = tempfile::tempdir().unwrap();
    let big: Vec<u8> =
        (0..18_000_000_u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, content) in [("small", bytes), ("big", &big)] {
        let from = dir.path().join(name);
        elqui_codec::atomic_write_bytes(&from, content).unwrap();
        let path = format!("files/{name}");
        let kept = store.put_file(&path, &from, Transfer::Copy, true).unwrap();
        assert_eq!((kept.size_bytes, kept.checksum), (content.len() as u64, checksum(content)));
        assert!(store.get(&path).unwrap() == content && from.is_file());
        let (mut blocks, mut largest) = (Vec::new(), 0);
        let mut each = |block: &[u8]| {
            largest = largest.max(block.len());
            blocks.extend_from_slice(block);
        };
        store.read_blocks(&path, &mut each).unwrap();
        assert!(blocks == content && (largest < 4 << 20 || store.name() == "memory"), "{largest}");
        assert_eq!(checksum_stored(store, &path).unwrap().0, checksum(content));
        let kept = store.put_file(&format!("{path}2"), &from, Transfer::Move, true).unwrap();
        assert_eq!(kept.checksum, checksum(content));
        assert!(store.get(&format!("{path}2")).unwrap() == content && !from.exists());
        let e = store.put_file("files/none", &from, Transfer::Copy, true).unwrap_err().to_string();
        assert!(e.contains(name), "{e}");
        assert!(!store.exists("files/none").unwrap());
    }

    // Many threads at once.
    std::thread::scope(|s| {
        for k in 0..8u8 {
            s.spawn(move || {
                for n in 0..4 {
                    let path = format!("threads/{k}/{n}");
                    store.put(&path, &[k; 1000]).unwrap();
                    assert_eq!(store.get(&path).unwrap(), [k; 1000]);
                }
            });
        }
    });
    assert_eq!(store.list("threads/").unwrap().len(), 32);
    assert_eq!(store.leftovers().unwrap(), []);
}
