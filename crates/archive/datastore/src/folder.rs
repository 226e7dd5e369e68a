//! A store in a folder of the local file system.
//!
//! A file is written as `.NAME.PID-N.tmp` beside its place, flushed to the disk, renamed to its
//! name, and its folder is flushed too (`codec::atomic_write`): after a crash or a power cut it is there
//! whole or not at all. `object_store::LocalFileSystem` renames as well but flushes neither, so a
//! power cut can leave an empty file under the final name; hence the standard library.
//!
//! Hidden files (a leading `.`) are not part of the store.

use crate::checksum::{Sum, checksum, checksum_file};
use elqui_butler::{Datastore, Listed, StoreError, Stored, Transfer, check_store_path};
use elqui_codec::{CodecError, atomic_write, atomic_write_bytes};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const BLOCK: usize = 1 << 18;

#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// A store in `root`, which is made when it is missing.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let open = |e: io::Error| StoreError::Open {
            store: root.display().to_string(),
            why: e.to_string(),
        };
        make_folders(root).map_err(open)?;
        Ok(Self { root: root.canonicalize().map_err(open)? })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, path: &str) -> Result<PathBuf, StoreError> {
        check_store_path(path)?;
        Ok(self.root.join(path))
    }

    fn fail(&self, what: &'static str, path: &str, e: &io::Error) -> StoreError {
        StoreError::io(what, path, &self.name(), e)
    }

    /// The place of a new file, its folder made.
    fn prepared(&self, path: &str) -> Result<PathBuf, StoreError> {
        let place = self.place(path)?;
        if let Some(folder) = place.parent() {
            make_folders(folder).map_err(|e| self.fail("make the folder of", path, &e))?;
        }
        Ok(place)
    }

    fn copy(&self, path: &str, place: &Path, from: &Path) -> Result<Stored, StoreError> {
        let mut source = File::open(from).map_err(|e| outside("read", from, &e))?;
        let mut sum = Sum::default();
        // Reading fails with another message than writing: another file is meant.
        let mut unread = None;
        let done = atomic_write(place, |to: &mut dyn Write| {
            let mut block = vec![0; BLOCK];
            loop {
                match source.read(&mut block) {
                    Ok(0) => return Ok(()),
                    Ok(n) => {
                        sum.add(&block[..n]);
                        to.write_all(&block[..n]).map_err(|e| CodecError::write(place, e))?;
                    }
                    Err(e) => {
                        unread = Some(outside("read", from, &e));
                        return Err(CodecError::read(from, e));
                    }
                }
            }
        });
        if let Some(error) = unread {
            return Err(error);
        }
        done.map_err(|e| self.unwritten(path, e))?;
        Ok(Stored { path: path.to_string(), size_bytes: sum.size_bytes, checksum: sum.text() })
    }

    fn unwritten(&self, path: &str, e: CodecError) -> StoreError {
        match e {
            CodecError::Write { source, .. } | CodecError::Read { source, .. } => {
                self.fail("write", path, &source)
            }
            other => StoreError::Failed {
                what: "write",
                path: path.to_string(),
                store: self.name(),
                why: other.to_string(),
            },
        }
    }

    fn walk(&self, hidden: bool, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut found = Vec::new();
        // A prefix that ends a folder saves the walk through the others.
        let top = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut open = vec![top.to_string()];
        while let Some(folder) = open.pop() {
            let entries = match fs::read_dir(self.root.join(&folder)) {
                Ok(entries) => entries,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(self.fail("list", &folder, &e)),
            };
            for entry in entries {
                let entry = entry.map_err(|e| self.fail("list", &folder, &e))?;
                // What no put has named so is not ours.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path =
                    if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                let kind = entry.file_type().map_err(|e| self.fail("list", &path, &e))?;
                if kind.is_dir() {
                    if !name.starts_with('.') {
                        open.push(path);
                    }
                    continue;
                }
                let temporary = name.starts_with('.') && name.ends_with(".tmp");
                let wanted = if hidden { temporary } else { !name.starts_with('.') };
                if !wanted || !path.starts_with(prefix) {
                    continue;
                }
                let about = entry.metadata();
                // It may be gone since the folder was read.
                let Ok(about) = about else { continue };
                let age = changed(&about).and_then(|t| SystemTime::now().duration_since(t).ok());
                found.push(Listed {
                    path,
                    size_bytes: about.len(),
                    age_s: age.map_or(0.0, |a| a.as_secs_f64()),
                });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn remove(&self, path: &str, place: &Path) -> Result<bool, StoreError> {
        match fs::remove_file(place) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(self.fail("remove", path, &e)),
        }
    }
}

impl Datastore for FolderStore {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
        let place = self.prepared(path)?;
        atomic_write_bytes(&place, bytes).map_err(|e| self.unwritten(path, e))?;
        Ok(Stored {
            path: path.to_string(),
            size_bytes: bytes.len() as u64,
            checksum: checksum(bytes),
        })
    }

    fn put_file(
        &self,
        path: &str,
        from: &Path,
        mode: Transfer,
        sum: bool,
    ) -> Result<Stored, StoreError> {
        if mode == Transfer::Direct {
            let why = "what stays in place is not the store's";
            return Err(StoreError::Unsupported { store: self.name(), what: "keep it", why });
        }
        let place = self.prepared(path)?;
        let kept =
            |checksum: String, size_bytes| Stored { path: path.to_string(), size_bytes, checksum };
        let about = || -> Result<(String, u64), StoreError> {
            let read = |e: io::Error| outside("read", from, &e);
            if sum {
                return checksum_file(from).map_err(read);
            }
            Ok((String::new(), fs::metadata(from).map_err(read)?.len()))
        };
        match mode {
            Transfer::Copy | Transfer::Direct => self.copy(path, &place, from),
            Transfer::Move => {
                // What is renamed must be on the disk, and be no link to another file.
                let plain = fs::symlink_metadata(from).is_ok_and(|m| m.is_file());
                let flushed = plain && File::open(from).and_then(|f| f.sync_all()).is_ok();
                let (text, size) = if flushed { about()? } else { (String::new(), 0) };
                if flushed && fs::rename(from, &place).is_ok() {
                    sync_folder(&place);
                    return Ok(kept(text, size));
                }
                // Another file system, or a link: copy, then take away.
                let stored = self.copy(path, &place, from)?;
                let there = fs::metadata(&place).map_err(|e| self.fail("look at", path, &e))?;
                if there.len() != stored.size_bytes {
                    let e = io::Error::other("it was changed while it was moved");
                    return Err(self.fail("write", path, &e));
                }
                fs::remove_file(from).map_err(|e| outside("remove", from, &e))?;
                Ok(stored)
            }
            Transfer::Link | Transfer::Symlink => {
                let (text, size) = about()?;
                let target = from.canonicalize().map_err(|e| outside("read", from, &e))?;
                let done = if mode == Transfer::Link {
                    fs::hard_link(&target, &place)
                } else {
                    symlink(&target, &place)
                };
                done.map_err(|e| match e.kind() {
                    io::ErrorKind::CrossesDevices => StoreError::Unsupported {
                        store: self.name(),
                        what: "link to another file system",
                        why: "use copy or symlink",
                    },
                    _ => self.fail("link", path, &e),
                })?;
                sync_folder(&place);
                Ok(kept(text, size))
            }
        }
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        fs::read(self.place(path)?).map_err(|e| self.fail("read", path, &e))
    }

    fn read_blocks(&self, path: &str, each: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        let fail = |e: io::Error| self.fail("read", path, &e);
        let mut file = File::open(self.place(path)?).map_err(fail)?;
        let mut block = vec![0; BLOCK];
        loop {
            match file.read(&mut block).map_err(fail)? {
                0 => return Ok(()),
                n => each(&block[..n]),
            }
        }
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        self.place(path).ok().filter(|p| p.is_file())
    }

    fn size_bytes(&self, path: &str) -> Result<Option<u64>, StoreError> {
        match fs::metadata(self.place(path)?) {
            Ok(about) => Ok(about.is_file().then_some(about.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.fail("look at", path, &e)),
        }
    }

    fn delete(&self, path: &str) -> Result<bool, StoreError> {
        self.remove(path, &self.place(path)?)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.walk(false, prefix)
    }

    fn leftovers(&self) -> Result<Vec<Listed>, StoreError> {
        self.walk(true, "")
    }

    fn delete_leftover(&self, path: &str) -> Result<bool, StoreError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !(name.starts_with('.') && name.ends_with(".tmp")) {
            let why = "it is no leftover of a put";
            return Err(StoreError::BadPath { path: path.to_string(), why });
        }
        if !folder.is_empty() {
            check_store_path(folder)?;
        }
        self.remove(path, &self.root.join(path))
    }
}

/// An error of a file that is not the store's.
fn outside(what: &'static str, path: &Path, e: &io::Error) -> StoreError {
    let name = path.display().to_string();
    match e.kind() {
        io::ErrorKind::NotFound => {
            let why = if path.is_symlink() {
                "it is a link to a file that is not there"
            } else {
                "no such file"
            };
            StoreError::Failed { what, path: name, store: "of local files".into(), why: why.into() }
        }
        _ => StoreError::io(what, &name, "of local files", e),
    }
}

/// The later of content and name: a link or a renamed file has its source's old time of content.
#[cfg(unix)]
fn changed(about: &fs::Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(about.ctime()).ok()?;
    let nanoseconds = u32::try_from(about.ctime_nsec()).ok()?;
    let inode = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))?;
    about.modified().ok().map(|content| content.max(inode))
}
#[cfg(not(unix))]
fn changed(about: &fs::Metadata) -> Option<SystemTime> {
    about.modified().ok()
}

#[cfg(unix)]
fn symlink(target: &Path, place: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, place)
}
#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Make a folder and those above it, each made durable in its own folder.
fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folders(above)?;
    }
    match fs::create_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        done => {
            sync_folder(folder);
            done
        }
    }
}

/// Make a new name durable, where the system lets a folder be flushed.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
