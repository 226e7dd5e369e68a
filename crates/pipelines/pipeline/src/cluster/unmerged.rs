//! What jobs made and no registry names yet: the records of all submissions to a repository.
//!
//! With SQLite files are there long before their rows. A submission is found by its folder in `ROOT/runs`, or
//! by the file `ROOT/runs/TOKEN.submission` that holds the path of a folder elsewhere.

use crate::cluster::folder::SETTINGS;
use crate::cluster::records::{files, records};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// In the repository.
pub(super) const RUNS: &str = "runs";
/// The ending of a file that names a folder elsewhere.
pub(super) const POINTER: &str = "submission";

/// Tell the path of every recorded artifact. An error has the folder that cannot be read, and why.
pub(crate) fn each_recorded(
    root: &Path,
    each: &mut dyn FnMut(&str),
) -> Result<(), (PathBuf, String)> {
    let runs = root.join(RUNS);
    for folder in submissions(&runs).map_err(|e| (runs.clone(), e.to_string()))? {
        let fail = |why: String| (folder.clone(), why);
        let at = folder.join("records");
        if !is_there(&at).map_err(|e| fail(e.to_string()))? {
            continue;
        }
        for file in files(&at).map_err(|e| fail(e.to_string()))? {
            let all = records(&file).map_err(|e| fail(e.to_string()))?;
            let outputs = all.iter().flat_map(|r| &r.outputs);
            outputs.filter_map(|o| o.artifact.as_ref()).for_each(|a| each(&a.path));
        }
    }
    Ok(())
}

/// Folders of all submissions that are there.
fn submissions(runs: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let entries = match std::fs::read_dir(runs) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(all),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let folder = if path.extension() == Some(OsStr::new(POINTER)) && path.is_file() {
            PathBuf::from(std::fs::read_to_string(&path)?.trim_end_matches('\n'))
        } else {
            path
        };
        // One whose folder was removed has nothing to lose.
        if is_there(&folder.join(SETTINGS))? {
            all.push(folder);
        }
    }
    Ok(all)
}

fn is_there(path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&e.kind()) => Ok(false),
        Err(e) => Err(e),
    }
}
