//! What can be wrong with a query: where, what was found, and what was expected or the remedy.

use std::fmt;

/// A place in the text as typed; both count from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct At {
    pub line: u64,
    pub column: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AdqlError {
    #[error("{at}: {expected} was expected, not {found}")]
    Syntax { at: At, found: String, expected: String },
    #[error("{at}: {found} is not ADQL: {remedy}")]
    Refused { at: At, found: String, remedy: String },
    #[error("{at}: `{word}` is a reserved word: as a name it is written \"{word}\"")]
    Reserved { at: At, word: String },
    #[error("{at}: {what} is over the limit of {limit}")]
    TooLarge { at: At, what: &'static str, limit: usize },
    #[error("{at}: there is no {what} `{name}`{hint}")]
    Unknown { at: At, what: &'static str, name: String, hint: String },
    #[error("{at}: `{name}` may mean {candidates}")]
    Ambiguous { at: At, name: String, candidates: String },
    #[error("{at}: {function} takes {expected}, not {found}")]
    Arguments { at: At, function: String, expected: String, found: String },
    #[error("{at}: {expected} was expected, not a value of type {found}")]
    Type { at: At, expected: String, found: String },
    #[error("{at}: {why}")]
    Geometry { at: At, why: String },
    #[error(
        "{at}: `{name}` differs within a group: put it into GROUP BY, or into an aggregate such as MIN"
    )]
    Ungrouped { at: At, name: String },
    #[error("{at}: {engine} has no {what}")]
    Engine { at: At, engine: &'static str, what: String },
}

impl AdqlError {
    pub fn at(&self) -> At {
        match self {
            Self::Syntax { at, .. }
            | Self::Refused { at, .. }
            | Self::Reserved { at, .. }
            | Self::TooLarge { at, .. }
            | Self::Unknown { at, .. }
            | Self::Ambiguous { at, .. }
            | Self::Arguments { at, .. }
            | Self::Type { at, .. }
            | Self::Geometry { at, .. }
            | Self::Ungrouped { at, .. }
            | Self::Engine { at, .. } => *at,
        }
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "syntax",
            Self::Refused { .. } => "not-adql",
            Self::Reserved { .. } => "reserved-word",
            Self::TooLarge { .. } => "too-large",
            Self::Unknown { .. } => "unknown-name",
            Self::Ambiguous { .. } => "ambiguous-name",
            Self::Arguments { .. } => "arguments",
            Self::Type { .. } => "type",
            Self::Geometry { .. } => "geometry",
            Self::Ungrouped { .. } => "not-grouped",
            Self::Engine { .. } => "engine",
        }
    }

    /// Names and texts of the query in a message: on one line, and not longer than it.
    pub(crate) fn one_line(mut self) -> Self {
        const LONGEST: usize = 300;
        let clean = |s: &mut String| {
            if s.chars().any(char::is_control) || s.len() > LONGEST {
                let kept = s.chars().map(|c| if c.is_control() { ' ' } else { c });
                *s = kept.take(LONGEST).collect();
            }
        };
        match &mut self {
            Self::Syntax { found: a, expected: b, .. }
            | Self::Refused { found: a, remedy: b, .. }
            | Self::Unknown { name: a, hint: b, .. }
            | Self::Ambiguous { name: a, candidates: b, .. }
            | Self::Type { expected: a, found: b, .. } => {
                clean(a);
                clean(b);
            }
            Self::Arguments { function, expected, found, .. } => {
                [function, expected, found].into_iter().for_each(clean);
            }
            Self::Reserved { word: a, .. }
            | Self::Geometry { why: a, .. }
            | Self::Ungrouped { name: a, .. }
            | Self::Engine { what: a, .. } => clean(a),
            Self::TooLarge { .. } => {}
        }
        self
    }

    /// The line of the query, and below it a caret at the place; empty when the text has no such line.
    pub fn caret(&self, query: &str) -> String {
        const WIDTH: usize = 100;
        let at = self.at();
        let line = usize::try_from(at.line).unwrap_or(0);
        let Some(text) = line.checked_sub(1).and_then(|n| query.lines().nth(n)) else {
            return String::new();
        };
        let column = usize::try_from(at.column).unwrap_or(1).max(1) - 1;
        // A long line is cut around the place.
        let from = column.saturating_sub(WIDTH / 2);
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = text.chars().skip(from).take(WIDTH).map(clean).collect();
        format!("{shown}\n{}^", " ".repeat(column - from))
    }
}

/// The candidate nearest to a name that is not there, as `; did you mean ...?`, or nothing.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    let wanted: Vec<char> = name.to_lowercase().chars().take(64).collect();
    let limit = (wanted.len() / 2).clamp(1, 3);
    candidates
        .into_iter()
        .map(|c| (edits(&wanted, &c.to_lowercase().chars().take(64).collect::<Vec<_>>()), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map_or(String::new(), |(_, c)| format!("; did you mean `{c}`?"))
}

/// Levenshtein distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = cost.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
