//! What is wrong with an expression, with a line that points at the place.

use std::fmt;

/// How much of a long expression is shown around the place.
const CONTEXT: usize = 60;

/// Displays as one line of prose, the expression, and a caret below the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionError {
    pub text: String,
    /// Bytes from the beginning, 0 for the first.
    pub at: usize,
    pub why: String,
}

impl ExpressionError {
    pub fn new(text: &str, at: usize, why: impl Into<String>) -> Self {
        Self { text: text.to_string(), at: at.min(text.len()), why: why.into() }
    }

    /// Column as people count: characters from 1.
    pub fn column(&self) -> usize {
        self.text.char_indices().take_while(|(k, _)| *k < self.at).count() + 1
    }
}

impl std::error::Error for ExpressionError {}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.column();
        let first = column.saturating_sub(CONTEXT + 1);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = self.text.chars().skip(first).take(2 * CONTEXT).map(plain).collect();
        writeln!(f, "the expression is not usable at column {column}: {}", self.why)?;
        writeln!(f, "  {shown}")?;
        write!(f, "  {}^", " ".repeat(column - 1 - first))
    }
}
