//! Which files of a folder make which table.
//!
//! - `source.parquet`, `Source/*.parquet`, `anything.sources.parquet`: the table `Source`. A name of
//!   the schema counts in any case and with a plural s; any other name is kept as it is
//! - in a folder of a table, sub-folders are searched too (HATS partitions); files and folders that
//!   begin with `_` or `.` are passed over

use crate::SkyDbError;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Table name -> its files, sorted.
pub type Files = BTreeMap<String, Vec<PathBuf>>;

/// The files under each of `roots` (folders or single files).
pub fn find(roots: &[PathBuf]) -> Result<Files, SkyDbError> {
    let mut files = Files::new();
    for root in roots {
        let before: usize = files.values().map(Vec::len).sum();
        if root.is_file() {
            files.entry(table_name(root)).or_default().push(root.clone());
        } else {
            for path in list(root)? {
                if crate::open::is_catalogue(&path) {
                    continue;
                }
                if path.is_dir() {
                    let found = parquet_below(&path, 0)?;
                    if !found.is_empty() {
                        files.entry(table_name(&path)).or_default().extend(found);
                    }
                } else if is_parquet(&path) {
                    files.entry(table_name(&path)).or_default().push(path);
                }
            }
        }
        if files.values().map(Vec::len).sum::<usize>() == before {
            return Err(SkyDbError::Empty { path: root.display().to_string() });
        }
    }
    Ok(files)
}

/// Whether a folder holds Parquet of its own, besides the catalogues `inside`.
pub fn has_plain(root: &Path, inside: &[PathBuf]) -> bool {
    list(root).is_ok_and(|paths| {
        paths.iter().filter(|p| !inside.contains(p)).any(|p| {
            if p.is_dir() {
                parquet_below(p, 0).is_ok_and(|f| !f.is_empty())
            } else {
                is_parquet(p)
            }
        })
    })
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, SkyDbError> {
    let fail = |e: std::io::Error| SkyDbError::Open {
        path: folder.display().to_string(),
        reason: match e.kind() {
            std::io::ErrorKind::NotFound => "no such file or folder".into(),
            std::io::ErrorKind::PermissionDenied => "permission denied".into(),
            _ => e.to_string(),
        },
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.starts_with(['_', '.']) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn parquet_below(folder: &Path, depth: usize) -> Result<Vec<PathBuf>, SkyDbError> {
    let mut found = Vec::new();
    for path in list(folder)? {
        if path.is_dir() && depth < 8 {
            found.extend(parquet_below(&path, depth + 1)?);
        } else if is_parquet(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_parquet(path: &Path) -> bool {
    path.is_file()
        && path
            .extension()
            .is_some_and(|e| ["parquet", "pq", "parq"].iter().any(|k| e.eq_ignore_ascii_case(k)))
}

/// The table that a file or folder belongs to.
fn table_name(path: &Path) -> String {
    let stem = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let stem = stem.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let last = stem.rsplit('.').next().unwrap_or(&stem);
    let plain: String = last.chars().filter(|c| c.is_alphanumeric()).collect();
    for table in elqui_schema::felis::tables() {
        let known = &table.name;
        if plain.eq_ignore_ascii_case(known) || plain.eq_ignore_ascii_case(&format!("{known}s")) {
            return known.clone();
        }
    }
    last.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_people_write_them() {
        for (file, table) in [
            ("source.parquet", "Source"),
            ("forced_source.parquet", "ForcedSource"),
            ("FORCEDSOURCES.parquet", "ForcedSource"),
            ("r-001.sources.parquet", "Source"),
            ("ccdVisit.pq", "CcdVisit"),
            ("my-stars.parquet", "my_stars"),
        ] {
            assert_eq!(table_name(Path::new(file)), table, "{file}");
        }
    }
}
