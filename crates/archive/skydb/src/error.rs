//! Why a catalogue cannot be opened or a question has no answer; each in one line.

#[derive(Debug, thiserror::Error, Clone, PartialEq)]
pub enum SkyDbError {
    #[error("catalogue `{path}` cannot be opened: {reason}")]
    Open { path: String, reason: String },
    #[error("`{path}` holds no Parquet file: nothing to query")]
    Empty { path: String },
    #[error("line {line}, column {column}: {reason}")]
    Syntax { line: u64, column: u64, reason: String },
    #[error("{}{reason}", at(*.position))]
    Unknown { position: Option<(u64, u64)>, reason: String },
    #[error("the database only reads: {word} is refused; ask with SELECT")]
    ReadOnly { word: String },
    #[error(
        "the query took longer than {time_max_s} s and was stopped; ask for less, or raise the limit"
    )]
    Timeout { time_max_s: f64 },
    #[error("the query needs more memory than is allowed: {reason}")]
    Memory { reason: String },
    #[error("the query failed: {reason}")]
    Failed { reason: String },
}

impl SkyDbError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } | Self::Empty { .. } => "catalogue",
            Self::Syntax { .. } => "syntax",
            Self::Unknown { .. } => "unknown_name",
            Self::ReadOnly { .. } => "read_only",
            Self::Timeout { .. } => "timeout",
            Self::Memory { .. } => "memory",
            Self::Failed { .. } => "query_failed",
        }
    }
}

fn at(position: Option<(u64, u64)>) -> String {
    position.map_or_else(String::new, |(line, column)| format!("line {line}, column {column}: "))
}

/// A library's message as one line.
pub(crate) fn one_line(text: impl ToString) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
