//! The engine's errors in an astronomer's words: one line, with the place and the nearest name.

use crate::error::{SkyDbError, one_line};
use crate::rewrite::{Names, position};
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;

/// A parser's complaint, which ends in `at Line: 1, Column: 8`.
pub fn syntax(error: &ParserError, tokens: &[TokenWithSpan]) -> SkyDbError {
    let text = match error {
        ParserError::TokenizerError(t) | ParserError::ParserError(t) => t.clone(),
        ParserError::RecursionLimitExceeded => "the query is nested too deeply".into(),
    };
    let number = |key: &str| {
        let tail = text.rsplit(key).next().filter(|_| text.contains(key))?;
        let digits: String = tail.trim().chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    };
    let end = tokens.last().map_or((1, 1), |t| (t.span.end.line, t.span.end.column));
    let line = number("Line:").filter(|n| *n > 0);
    let (line, column) = match (line, number("Column:")) {
        (Some(l), Some(c)) => (l, c),
        // The end of the text has no place of its own.
        _ => end,
    };
    let mut reason = text.split(" at Line:").next().unwrap_or(&text).to_string();
    reason = reason.replace("Expected:", "expected").replace("found: EOF", "found the end");
    reason = reason.replace("found:", "found");
    SkyDbError::Syntax { line, column, reason: one_line(reason) }
}

/// Any other error of the engine. `tokens` are those of the text as typed.
pub fn explain(error: &DataFusionError, tokens: &[TokenWithSpan], names: &Names) -> SkyDbError {
    match error.find_root() {
        DataFusionError::SQL(e, _) => syntax(e, tokens),
        DataFusionError::SchemaError(e, _) => schema(e, tokens),
        DataFusionError::ResourcesExhausted(text) => SkyDbError::Memory { reason: one_line(text) },
        DataFusionError::Plan(text) => plan(text, tokens, names),
        DataFusionError::ObjectStore(e) => SkyDbError::Failed { reason: one_line(e) },
        other => {
            let text = one_line(other);
            SkyDbError::Failed {
                reason: text.split(" This was likely").next().unwrap_or(&text).into(),
            }
        }
    }
}

/// A name as it was typed (identifiers reach the engine in lower case).
fn spelled(name: &str, tokens: &[TokenWithSpan]) -> String {
    tokens
        .iter()
        .map(|t| t.token.to_string())
        .find(|t| t.trim_matches('"').eq_ignore_ascii_case(name))
        .map_or_else(|| name.to_string(), |t| t.trim_matches('"').to_string())
}

fn schema(error: &SchemaError, tokens: &[TokenWithSpan]) -> SkyDbError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
            let hint = match nearest(&field.name, &known) {
                Some(near) => format!("; did you mean `{near}`?"),
                None if known.is_empty() => String::new(),
                None => format!("; there are: {}", first_few(&known)),
            };
            SkyDbError::Unknown {
                position: position(tokens, &field.name),
                reason: format!("there is no column `{}`{hint}", spelled(&field.name, tokens)),
            }
        }
        SchemaError::AmbiguousReference { field } => SkyDbError::Unknown {
            position: position(tokens, &field.name),
            reason: format!(
                "column `{}` is in more than one of the tables; say TABLE.{}",
                field.name, field.name
            ),
        },
        other => SkyDbError::Failed { reason: one_line(other) },
    }
}

fn plan(text: &str, tokens: &[TokenWithSpan], names: &Names) -> SkyDbError {
    let text = one_line(text);
    let inside = |before: &str, after: &str| {
        let start = text.find(before)? + before.len();
        let rest = &text[start..];
        Some(rest[..rest.find(after)?].to_string())
    };
    if let Some(full) = inside("table '", "' not found") {
        let name = full.rsplit('.').next().unwrap_or(&full).to_string();
        let mut known: Vec<&str> = names.tables.values().map(String::as_str).collect();
        known.sort_unstable();
        let hint = match nearest(&name, &known) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; there are: {}", first_few(&known)),
        };
        return SkyDbError::Unknown {
            position: position(tokens, &name),
            reason: format!("there is no table `{}`{hint}", spelled(&name, tokens)),
        };
    }
    if let Some(name) = inside("Invalid function '", "'") {
        let hint = inside("Did you mean '", "'")
            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return SkyDbError::Unknown {
            position: position(tokens, &name),
            reason: format!("there is no function `{name}`{hint}"),
        };
    }
    SkyDbError::Failed { reason: text }
}

fn first_few(names: &[&str]) -> String {
    let mut text = names.iter().take(12).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 12 {
        text.push_str(", ...");
    }
    text
}

/// The name that is fewest strokes away, when that is few enough to be a slip.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .iter()
        .map(|k| (strokes(&lower, &k.to_lowercase()), *k))
        .min()
        .filter(|(d, k)| *d <= 1 + k.len().min(name.len()) / 4)
        .map(|(_, k)| k)
}

/// Insertions, deletions, changes and swaps that turn one word into the other.
fn strokes(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_is_recognised() {
        let known = ["psfFlux", "psfFluxErr", "ra", "dec"];
        assert_eq!(nearest("psflux", &known), Some("psfFlux"));
        assert_eq!(nearest("psfFluxEr", &known), Some("psfFluxErr"));
        assert_eq!(nearest("magnitude", &known), None);
        assert_eq!(strokes("abcd", "abdc"), 1);
    }
}
