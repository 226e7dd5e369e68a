//! Files as they are seen before an ingest writes anything: their sizes, their data ids, their records.
//!
//! Threads look at some hundred files each. The records of neighbouring files are mostly equal, and are kept once.

use super::error::{RepositoryError, Result};
use elqui_butler::{DataId, DatasetType, DimensionRecord, TranslateError};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a file is.
#[derive(Debug, Clone, Default)]
pub struct Described {
    pub data_id: DataId,
    /// Of its dimensions, those that others refer to included.
    pub records: Vec<DimensionRecord>,
}

/// Says what a file is; called by many threads.
pub type Describe<'a> = dyn Fn(&Path) -> std::result::Result<Described, TranslateError> + Sync + 'a;

/// As [`Describe`], where one file may hold several datasets (each detector of a multi-extension raw).
pub type DescribeAll<'a> =
    dyn Fn(&Path) -> std::result::Result<Vec<Described>, TranslateError> + Sync + 'a;

/// Files that a thread looks at before it hands on what it saw.
const CHUNK: usize = 256;
/// How many records back an equal one is looked for: those of a file or two.
const NEAR: usize = 16;

/// What is known of a file before anything is written.
pub(super) struct Looked {
    pub data_ids: Vec<DataId>,
    pub size_bytes: u64,
}

/// Look at all files; the first that is not what it should be is the error.
pub(super) fn look_at_all(
    paths: &[PathBuf],
    of: &DatasetType,
    describe: &DescribeAll<'_>,
) -> Result<(Vec<Looked>, Vec<DimensionRecord>)> {
    let seen = paths.par_chunks(CHUNK).map(|some| look_at(some, of, describe)).collect();
    let (files, records) = together(seen)?;
    unlike(paths, &files, of)?;
    Ok((files, records))
}

pub(super) fn refuse(path: &Path, why: String) -> RepositoryError {
    RepositoryError::Ingest { file: path.to_path_buf(), why }
}

/// What some files are, with their records, and what is wrong with others.
#[derive(Default)]
struct Seen {
    files: Vec<Looked>,
    records: Vec<DimensionRecord>,
    failed: Vec<RepositoryError>,
}

fn look_at(paths: &[PathBuf], of: &DatasetType, describe: &DescribeAll<'_>) -> Seen {
    let mut seen = Seen { files: Vec::with_capacity(paths.len()), ..Seen::default() };
    for path in paths {
        match look(path, of, describe) {
            Err(e) => seen.failed.push(e),
            Ok((looked, records)) => {
                seen.files.push(looked);
                for record in records {
                    // Mostly it is as the file before had it: not kept a hundred thousand times.
                    if !seen.records.iter().rev().take(NEAR).any(|known| *known == record) {
                        seen.records.push(record);
                    }
                }
            }
        }
    }
    seen
}

/// One file, its size, and what is in it.
fn look(
    path: &Path,
    of: &DatasetType,
    describe: &DescribeAll<'_>,
) -> Result<(Looked, Vec<DimensionRecord>)> {
    let about = std::fs::metadata(path).map_err(|e| {
        let why = match e.kind() {
            ErrorKind::NotFound if path.is_symlink() => {
                "it is a link to a file that is not there".to_string()
            }
            ErrorKind::NotFound => "there is no such file".to_string(),
            ErrorKind::PermissionDenied => "permission denied".to_string(),
            _ => e.to_string(),
        };
        refuse(path, why)
    })?;
    if !about.is_file() {
        return Err(refuse(path, "it is not a file".into()));
    }
    let described = describe(path).map_err(|e| {
        // One line, whatever a translator says.
        let why = e.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        refuse(path, why)
    })?;
    if described.is_empty() {
        return Err(refuse(path, format!("there is no {} in it", of.name)));
    }
    let (mut data_ids, mut records) = (Vec::with_capacity(described.len()), Vec::new());
    for one in described {
        of.values(&one.data_id)?;
        data_ids.push(one.data_id.into_only(&of.dimensions));
        if records.is_empty() {
            records = one.records;
        } else {
            records.extend(one.records);
        }
    }
    Ok((Looked { data_ids, size_bytes: about.len() }, records))
}

/// All that was seen, each record once; or the first error, with the number of the others.
fn together(all: Vec<Seen>) -> Result<(Vec<Looked>, Vec<DimensionRecord>)> {
    let (mut files, mut records, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for seen in all {
        files.extend(seen.files);
        records.extend(seen.records);
        failed.extend(seen.failed);
    }
    let others = failed.len().saturating_sub(1);
    match failed.into_iter().next() {
        None => Ok((files, distinct(records))),
        Some(RepositoryError::Ingest { file, why }) if others > 0 => Err(RepositoryError::Ingest {
            file,
            why: format!("{why} (and {others} other files cannot; none was ingested)"),
        }),
        Some(error) => Err(error),
    }
}

/// No two datasets have the same data id.
fn unlike(paths: &[PathBuf], files: &[Looked], of: &DatasetType) -> Result<()> {
    let count = files.iter().map(|f| f.data_ids.len()).sum();
    let mut known: HashMap<&DataId, &Path> = HashMap::with_capacity(count);
    for (path, looked) in paths.iter().zip(files) {
        for id in &looked.data_ids {
            if let Some(other) = known.insert(id, path) {
                let why = match other == path {
                    true => format!("it holds {} {id} twice", of.name),
                    false => format!("it is {} {id}, and so is `{}`", of.name, other.display()),
                };
                return Err(refuse(path, why));
            }
        }
    }
    Ok(())
}

/// Of a file's datasets, which part each is: `[detector=5]`, the dimensions in which they differ.
pub(super) fn parts_of(data_ids: &[DataId]) -> Vec<String> {
    let [first, rest @ ..] = data_ids else { return Vec::new() };
    if rest.is_empty() {
        return vec![String::new()];
    }
    let differs = |d: &str| rest.iter().any(|id| id.get(d) != first.get(d));
    let part = |id: &DataId| {
        let own = id.iter().filter(|(d, _)| differs(d)).map(|(d, v)| format!("{d}={v}"));
        format!("[{}]", own.collect::<Vec<_>>().join(","))
    };
    data_ids.iter().map(part).collect()
}

/// Equal records once; unequal ones stay, for the registry to refuse by name.
fn distinct(all: Vec<DimensionRecord>) -> Vec<DimensionRecord> {
    let mut seen: HashMap<(&str, &DataId), Vec<&DimensionRecord>> = HashMap::new();
    let mut found = Vec::new();
    for record in &all {
        let same = seen.entry((&record.element, &record.data_id)).or_default();
        if !same.contains(&record) {
            same.push(record);
            found.push(record.clone());
        }
    }
    found
}
