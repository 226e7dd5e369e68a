//! What can go wrong with a catalogue: one line each, naming the thing and the remedy.

use elqui_hats::HatsError;
use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error(transparent)]
    Layout(#[from] HatsError),
    #[error(transparent)]
    File(#[from] elqui_codec::CodecError),
    #[error("failed to read `{path}`: {}", reason(.source))]
    Read { path: String, source: std::io::Error },
    #[error("failed to write `{path}`: {}", reason(.source))]
    Write { path: String, source: std::io::Error },
    /// An input file that is damaged or not what its ending says.
    #[error("`{path}` cannot be read as {format}: {reason}")]
    Input { path: String, format: &'static str, reason: String },
    /// A fault at a place inside an input file.
    #[error("`{path}`, {place}: {reason}")]
    At { path: String, place: String, reason: String },
    #[error("`{path}`: {reason}")]
    Parquet { path: String, reason: String },
    #[error("column `{column}` of `{table}`: {reason}")]
    Column { table: String, column: String, reason: String },
    #[error("`{path}` differs from `{first}` in its columns: {reason}")]
    Schemas { path: String, first: String, reason: String },
    #[error(
        "{count} of {rows} rows have no position on the sky; the first is row {row} of `{label}` \
         (ra {ra}, dec {dec}); drop such rows with `--skip-bad-rows`"
    )]
    BadPositions { count: u64, rows: u64, label: String, row: u64, ra: f64, dec: f64 },
    #[error("`{path}` is being written by process {pid} on {host} since {since}; wait for it")]
    Busy { path: String, pid: u32, host: String, since: String },
    #[error("`{label}` changed while it was imported; import again when it is complete")]
    Changed { label: String },
    /// A request that cannot be fulfilled: what, and what to do instead.
    #[error("{reason}")]
    Refused { reason: String },
}

impl CatalogError {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.display().to_string(), source }
    }

    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: path.display().to_string(), source }
    }

    pub(crate) fn parquet(path: &Path, error: impl ToString) -> Self {
        Self::Parquet { path: path.display().to_string(), reason: one_line(error) }
    }

    /// A fault that no input explains.
    pub(crate) fn internal(error: impl ToString) -> Self {
        Self::Refused { reason: format!("internal fault: {}", one_line(error)) }
    }

    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into() }
    }
}

fn reason(source: &std::io::Error) -> String {
    match source.kind() {
        std::io::ErrorKind::NotFound => "no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        std::io::ErrorKind::StorageFull => "no space left; free some and run it again".into(),
        _ => source.to_string(),
    }
}

/// The first line of a library's message: our errors are one line.
pub(crate) fn one_line(text: impl ToString) -> String {
    let text = text.to_string();
    text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("unknown reason").to_string()
}
