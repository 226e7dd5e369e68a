//! What a verb ends with when it does not end well.

use std::fmt::Display;
use std::path::Path;

/// Exit status 1: the work failed. Exit status 2: the words of the command are wrong.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}")]
    Work(String),
    #[error("{0}")]
    Words(String),
}

impl CliError {
    pub fn work(reason: impl Display) -> Self {
        Self::Work(one_line(&reason.to_string()))
    }

    pub fn words(reason: impl Display) -> Self {
        Self::Words(one_line(&reason.to_string()))
    }

    /// A failure on a file: names it unless the reason already does.
    pub fn on(path: &Path, reason: impl Display) -> Self {
        let text = one_line(&reason.to_string());
        let name = path.display().to_string();
        if text.contains(&name) { Self::Work(text) } else { Self::Work(format!("{name}: {text}")) }
    }

    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Work(_) => 1,
            Self::Words(_) => 2,
        }
    }
}

/// Errors are one line whatever a library put in them.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
