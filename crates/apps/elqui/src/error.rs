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
        let name = one_line(&path.display().to_string());
        if names(&text, &name) { Self::Work(text) } else { Self::Work(format!("{name}: {text}")) }
    }

    pub const fn exit_status(&self) -> u8 {
        match self {
            Self::Work(_) => 1,
            Self::Words(_) => 2,
        }
    }
}

/// Whether a text holds a name as a word of its own: `a.fits` is not named by `data.fits`.
fn names(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown")
}

/// Errors are one line whatever a library put in them.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An expression's error is of the words, and its caret needs its lines.
pub fn broken_expression(e: elqui_registry::RegistryError) -> CliError {
    use elqui_butler::ButlerError::Expression;
    match e {
        elqui_registry::RegistryError::Butler(Expression(e)) => CliError::Words(e.to_string()),
        other => CliError::work(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_file_once() {
        let on = |name: &str, text: &str| CliError::on(Path::new(name), text).to_string();
        assert_eq!(on("a.fits", "data.fits is odd"), "a.fits: data.fits is odd");
        assert_eq!(on("a.fits", "`a.fits`: it is odd"), "`a.fits`: it is odd");
        assert_eq!(on("out", "without end"), "out: without end");
        assert_eq!(on("a  b.fits", "a  b.fits: odd\nends"), "a b.fits: odd ends");
    }
}
