//! Why a catalogue cannot be opened or a question has no answer; each in one line.

use datafusion::error::DataFusionError;
use elqui_adql::AdqlError;

#[derive(Debug, thiserror::Error, Clone, PartialEq)]
pub enum SkyDbError {
    #[error("catalogue `{path}` cannot be opened: {reason}")]
    Open { path: String, reason: String },
    #[error("`{path}` holds no Parquet file: nothing to query")]
    Empty { path: String },
    #[error(
        "two catalogues have a table `{table}`: {first} and {second}; open one of them, or import one under another name"
    )]
    Twice { table: String, first: String, second: String },
    #[error("{0}")]
    Adql(AdqlError),
    #[error(
        "the query pairs each of {left:.0} rows with each of {right:.0}: give a condition that ties the two tables together (ids, or positions with DISTANCE or CONTAINS), or make them smaller"
    )]
    Endless { left: f64, right: f64 },
    #[error("the database only reads: {word} is refused; ask with SELECT")]
    ReadOnly { word: String },
    #[error(
        "the query took longer than {time_max_s} s and was stopped; ask for less, or raise the limit"
    )]
    Timeout { time_max_s: f64 },
    #[error(
        "the query needs more memory than is allowed: {reason}; ask for fewer columns or rows, or raise the limit"
    )]
    Memory { reason: String },
    #[error(
        "the disk is full while the query keeps rows there: {reason}; free space, or ask for less"
    )]
    Disk { reason: String },
    #[error("`{path}` is damaged: {reason}; `elqui catalog verify` names what is wrong")]
    Damaged { path: String, reason: String },
    #[error("the query failed: {reason}")]
    Failed { reason: String },
}

impl SkyDbError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } | Self::Empty { .. } | Self::Twice { .. } => "catalogue",
            Self::Adql(e) => e.code(),
            Self::Endless { .. } => "endless",
            Self::ReadOnly { .. } => "read_only",
            Self::Timeout { .. } => "timeout",
            Self::Memory { .. } => "memory",
            Self::Disk { .. } => "disk",
            Self::Damaged { .. } => "damaged",
            Self::Failed { .. } => "query_failed",
        }
    }

    /// The engine's error in an astronomer's words.
    pub(crate) fn from_engine(error: &DataFusionError) -> Self {
        if let Some(own) = own_error(error) {
            return own;
        }
        match error.find_root() {
            DataFusionError::ResourcesExhausted(text) if text.contains("disk") => {
                Self::Disk { reason: one_line(text) }
            }
            DataFusionError::ResourcesExhausted(text) => {
                Self::Memory { reason: one_line(text.split(" with top").next().unwrap_or(text)) }
            }
            DataFusionError::IoError(e) if is_full(e) => Self::Disk { reason: one_line(e) },
            other => {
                let text = one_line(other);
                if text.contains("No space left on device") || text.contains("used disk space") {
                    return Self::Disk { reason: text };
                }
                Self::Failed {
                    reason: text.split(" This was likely").next().unwrap_or(&text).into(),
                }
            }
        }
    }
}

/// An error of ours that went through the engine.
fn own_error(error: &DataFusionError) -> Option<SkyDbError> {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = at {
        if let Some(own) = e.downcast_ref::<SkyDbError>() {
            return Some(own.clone());
        }
        if let Some(DataFusionError::External(inner)) = e.downcast_ref::<DataFusionError>()
            && let Some(own) = inner.downcast_ref::<SkyDbError>()
        {
            return Some(own.clone());
        }
        at = e.source();
    }
    None
}

fn is_full(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// A library's message as one line.
pub(crate) fn one_line(text: impl ToString) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
