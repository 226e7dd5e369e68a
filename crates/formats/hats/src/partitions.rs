//! The partitions of a catalogue: `partition_info.csv`, or the folders themselves.
//!
//! - read: columns `Norder` and `Npix`, any order, others ignored; `num_rows` where it is there
//! - written: `Norder,Npix,num_rows`, along the sky

use crate::error::HatsError;
use crate::pixel::Pixel;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub const PARTITION_INFO: &str = "partition_info.csv";

/// One partition and the Parquet files that hold it (one, but for the suffix "/").
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    pub pixel: Pixel,
    /// Rows, where `partition_info.csv` says it.
    pub rows: Option<u64>,
    pub files: Vec<PathBuf>,
}

/// Pixel and rows of every partition, along the sky. Equal lines count once; partitions that
/// overlap are an error (their rows would be counted twice). `path` is for errors.
pub fn parse_partition_info(
    text: &str,
    path: &Path,
) -> Result<Vec<(Pixel, Option<u64>)>, HatsError> {
    let bad = |line: usize, reason: String| HatsError::Partitions {
        path: path.display().to_string(),
        line,
        reason,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate();
    let head: Vec<&str> =
        lines.next().map(|(_, l)| l.split(',').map(str::trim).collect()).unwrap_or_default();
    let column = |name: &str| head.iter().position(|h| *h == name);
    let (Some(order), Some(index)) = (column("Norder"), column("Npix")) else {
        return Err(bad(1, "the columns `Norder` and `Npix` are expected".into()));
    };
    let rows = column("num_rows");
    let mut found: Vec<(Pixel, Option<u64>, usize)> = Vec::new();
    for (k, line) in lines.filter(|(_, l)| !l.trim().is_empty()) {
        let word = |c: usize| line.split(',').nth(c).map_or("", str::trim);
        let number = |c: usize| -> Result<u64, HatsError> {
            word(c).parse().map_err(|_| bad(k + 1, format!("`{}` is not a number", word(c))))
        };
        let (o, i) = (number(order)?, number(index)?);
        let pixel = u8::try_from(o).ok().and_then(|o| Pixel::new(o, i));
        let pixel = pixel.ok_or_else(|| bad(k + 1, format!("order {o} has no pixel {i}")))?;
        let rows = rows.map(&number).transpose()?;
        found.push((pixel, rows, k + 1));
    }
    found.sort_by_key(|f| f.0);
    found.dedup_by_key(|f| f.0);
    for pair in found.windows(2) {
        if pair[0].0.contains(pair[1].0) {
            return Err(bad(pair[1].2, format!("{} lies inside {}", pair[1].0, pair[0].0)));
        }
    }
    Ok(found.into_iter().map(|(pixel, rows, _)| (pixel, rows)).collect())
}

/// The text of `partition_info.csv`; rows are left out unless all are known.
pub fn partition_info_text(partitions: &[(Pixel, Option<u64>)]) -> String {
    let counted = !partitions.is_empty() && partitions.iter().all(|(_, rows)| rows.is_some());
    let mut out = String::from(if counted { "Norder,Npix,num_rows\n" } else { "Norder,Npix\n" });
    let mut sorted = partitions.to_vec();
    sorted.sort_by_key(|p| p.0);
    for (pixel, rows) in sorted {
        let _ = write!(out, "{},{}", pixel.order, pixel.index);
        if let (true, Some(rows)) = (counted, rows) {
            let _ = write!(out, ",{rows}");
        }
        out.push('\n');
    }
    out
}

/// Partitions as their folders say, without `partition_info.csv`.
pub fn list_partitions(root: &Path, suffix: &str) -> Result<Vec<Pixel>, HatsError> {
    let mut found = Vec::new();
    for order in entries(&root.join("dataset"), "Norder=")? {
        for dir in entries(&order, "Dir=")? {
            for file in entries(&dir, "Npix=")? {
                let name = file.to_string_lossy();
                if suffix == "/" || name.ends_with(suffix) {
                    found.extend(Pixel::from_path(&name));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    for pair in found.windows(2) {
        if pair[0].contains(pair[1]) {
            return Err(HatsError::Partitions {
                path: root.join("dataset").display().to_string(),
                line: 0,
                reason: format!("{} lies inside {}", pair[1], pair[0]),
            });
        }
    }
    Ok(found)
}

fn entries(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>, HatsError> {
    let read = |e| HatsError::read(folder, e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The partitions of a table's folder.
pub(crate) fn read_partitions(root: &Path, suffix: &str) -> Result<Vec<Partition>, HatsError> {
    let info = root.join(PARTITION_INFO);
    let pixels = match std::fs::read_to_string(&info) {
        Ok(text) => parse_partition_info(&text, &info)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            list_partitions(root, suffix)?.into_iter().map(|p| (p, None)).collect()
        }
        Err(e) => return Err(HatsError::read(&info, e)),
    };
    let with_files = |(pixel, rows): (Pixel, Option<u64>)| {
        let path = root.join(pixel.path_with(suffix));
        let files = if suffix == "/" { parquet_files(&path)? } else { vec![path] };
        Ok(Partition { pixel, rows, files })
    };
    pixels.into_iter().map(with_files).collect()
}

/// Parquet files of a folder, by name; none where the folder is missing (a check tells it).
pub(crate) fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, HatsError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let hidden = |p: &PathBuf| {
        p.file_name().is_none_or(|n| n.to_string_lossy().starts_with(['_', '.'])) || p.is_dir()
    };
    let mut files = entries(folder, "")?;
    files.retain(|p| !hidden(p));
    Ok(files)
}
