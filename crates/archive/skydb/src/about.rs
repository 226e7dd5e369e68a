//! Questions about the tables themselves: SHOW TABLES, DESCRIBE, and the word EXPLAIN.

use crate::error::SkyDbError;
use crate::types::{QueryResult, TableInfo};
use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use std::sync::Arc;

/// Words that begin a statement which would write.
const WRITES: &[&str] = &[
    "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "COPY", "SET",
    "GRANT", "REVOKE", "CALL", "LOAD", "ATTACH", "BEGIN", "COMMIT", "ROLLBACK", "VACUUM", "RESET",
    "PREPARE", "EXECUTE", "USE", "REPLACE",
];

/// The answer when the text asks about tables; an error when it wants to write.
pub fn answer(tables: &[TableInfo], text: &str) -> Result<Option<QueryResult>, SkyDbError> {
    let plain = text.trim().trim_end_matches(';');
    let words: Vec<String> = plain.split_whitespace().take(5).map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(first) = words.first().map(|w| w.to_uppercase())
        && WRITES.contains(&first.as_str())
    {
        return Err(SkyDbError::ReadOnly { word: first });
    }
    let name = match words.as_slice() {
        ["show", "tables"] => return all(tables).map(Some),
        ["describe" | "desc", name] | ["describe", "table", name] => *name,
        ["show", "columns", "from" | "in", name] => *name,
        _ => return Ok(None),
    };
    let (schema, name) = name.rsplit_once('.').map_or((None, name), |(s, n)| (Some(s), n));
    let name = name.trim_matches('"');
    let found = tables.iter().find(|t| {
        t.name.eq_ignore_ascii_case(name)
            && schema.is_none_or(|s| {
                t.schema.eq_ignore_ascii_case(s.trim_matches('"'))
                    || t.schema == crate::names::RELEASE
            })
    });
    let Some(info) = found else {
        let known: Vec<&str> = tables.iter().map(|t| t.name.as_str()).take(12).collect();
        let reason = format!("there is no table `{name}`; there are: {}", known.join(", "));
        return Err(SkyDbError::Failed { reason });
    };
    let c = &info.columns;
    batch(vec![
        ("column", texts(c.iter().map(|c| c.name.as_str()))),
        ("datatype", texts(c.iter().map(|c| c.datatype.as_str()))),
        ("unit", texts(c.iter().map(|c| c.unit.as_str()))),
        ("ucd", texts(c.iter().map(|c| c.ucd.as_str()))),
        ("description", texts(c.iter().map(|c| c.description.as_str()))),
    ])
    .map(Some)
}

fn all(tables: &[TableInfo]) -> Result<QueryResult, SkyDbError> {
    let rows: Int64Array =
        tables.iter().map(|t| t.rows.and_then(|n| i64::try_from(n).ok())).collect();
    batch(vec![
        ("schema", texts(tables.iter().map(|t| t.schema.as_str()))),
        ("table", texts(tables.iter().map(|t| t.name.as_str()))),
        ("rows", Arc::new(rows)),
        ("description", texts(tables.iter().map(|t| t.description.as_str()))),
    ])
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<QueryResult, SkyDbError> {
    let batch = RecordBatch::try_from_iter(columns)
        .map_err(|e| SkyDbError::Failed { reason: e.to_string() })?;
    Ok(QueryResult { schema: batch.schema(), batches: vec![batch], truncated: false })
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Explain {
    Plan,
    /// Run, with what each operator did.
    Analyze,
}

/// Take EXPLAIN [ANALYZE] off the text.
pub fn explain(text: &str) -> (Option<Explain>, &str) {
    let Some(rest) = after_word(text, "explain") else { return (None, text) };
    match after_word(rest, "analyze") {
        Some(rest) => (Some(Explain::Analyze), rest),
        None => (Some(Explain::Plan), rest),
    }
}

fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let text = text.trim_start();
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then_some(rest)
}
