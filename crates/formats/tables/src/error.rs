//! What can go wrong with a table on disk.

use elqui_codec::CodecError;
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("failed to read table `{path}`: {}", reason(.source))]
    Read { path: String, source: std::io::Error },
    #[error("`{path}`, line {line}: {reason}")]
    Csv { path: String, line: u64, reason: String },
    #[error("`{path}` is not a CSV table: {reason}")]
    NotCsv { path: String, reason: String },
    #[error("`{path}` is not a readable Parquet file: {reason}")]
    Parquet { path: String, reason: String },
    #[error("column `{column}` of `{table}` cannot be kept: {reason}")]
    Column { table: String, column: String, reason: String },
    #[error("`{path}`: the ending says no table format; known are .parquet, .pq, .csv and .tsv")]
    UnknownFormat { path: String },
    #[error(transparent)]
    Write(#[from] CodecError),
}

impl TableError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.display().to_string(), source }
    }
}

fn reason(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => source.to_string(),
    }
}

/// The first line of a library's message: our errors are one line.
pub(crate) fn one_line(text: impl ToString) -> String {
    let text = text.to_string();
    text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("unknown reason").to_string()
}
