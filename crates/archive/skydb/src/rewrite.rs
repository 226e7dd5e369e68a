//! From the SQL that astronomers type to the SQL that the engine reads.
//!
//! Works on tokens, so that every position in an error is that of the text as typed.
//! - an unquoted name that is a column's in other capitals becomes the column's own, quoted:
//!   `psfFlux` and `PSFFLUX` both find `psfFlux`; an alias keeps its capitals
//! - a quoted table name is lowered, since tables are registered in lower case
//! - `TOP n` of a SELECT becomes a LIMIT at the end of that SELECT
//! - `POINT('ICRS', ra, dec)` loses its frame, and the geometry gets names of its own, which the
//!   engine's functions of the same names cannot shadow

use crate::SkyDbError;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use std::collections::HashMap;

/// Names of the catalogue: lower case -> as it is.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub columns: HashMap<String, Vec<String>>,
    pub tables: HashMap<String, String>,
}

/// The geometry of ADQL, and what it is called inside.
const GEOMETRY: &[&str] = &["point", "circle", "contains", "distance"];

/// Names of types, which follow AS in a CAST.
const TYPES: &[&str] = &[
    "bigint",
    "bool",
    "boolean",
    "char",
    "date",
    "decimal",
    "double",
    "float",
    "int",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "string",
    "text",
    "time",
    "timestamp",
    "tinyint",
    "varchar",
];

/// Split SQL into tokens, without spaces and comments.
pub fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, SkyDbError> {
    let all = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().map_err(|e| {
        SkyDbError::Syntax {
            line: e.location.line,
            column: e.location.column,
            reason: e.message.trim().to_string(),
        }
    })?;
    let mut kept: Vec<TokenWithSpan> =
        all.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    while kept.last().is_some_and(|t| t.token == Token::SemiColon) {
        kept.pop();
    }
    Ok(kept)
}

fn word(token: &Token) -> Option<&Word> {
    match token {
        Token::Word(w) => Some(w),
        _ => None,
    }
}

fn is_word(token: Option<&TokenWithSpan>, text: &str) -> bool {
    token
        .and_then(|t| word(&t.token))
        .is_some_and(|w| w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
}

fn is(token: Option<&TokenWithSpan>, what: &Token) -> bool {
    token.is_some_and(|t| t.token == *what)
}

fn quoted(value: &str) -> Token {
    Token::Word(Word {
        value: value.to_string(),
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    })
}

/// Rewrite a statement's tokens.
pub fn rewrite(input: Vec<TokenWithSpan>, names: &Names) -> Vec<TokenWithSpan> {
    let input = top_to_limit(input);
    let aliases: HashMap<String, String> = input
        .windows(2)
        .filter(|pair| is_word(pair.first(), "as"))
        .filter_map(|pair| word(&pair[1].token))
        .filter(|w| w.quote_style.is_none())
        .map(|w| (w.value.to_lowercase(), w.value.clone()))
        // `CAST(x AS DOUBLE)` names no alias.
        .filter(|(lower, _)| !TYPES.contains(&lower.as_str()))
        .collect();
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(input.len());
    let mut k = 0;
    while k < input.len() {
        let mut t = input[k].clone();
        let calls = is(input.get(k + 1), &Token::LParen);
        if let Some(w) = word(&t.token) {
            let lower = w.value.to_lowercase();
            if w.quote_style.is_some() {
                if names.tables.contains_key(&lower) && !names.columns.contains_key(&lower) {
                    t.token = quoted(&lower);
                }
            } else if calls {
                let geometry = GEOMETRY.contains(&lower.as_str())
                    // `contains` is a function of texts too.
                    && (lower != "contains" || is_word(input.get(k + 2), "point"));
                if geometry {
                    t.token = Token::make_word(&format!("adql_{lower}"), None);
                    out.push(t);
                    k += 1;
                    let framed = matches!(
                        input.get(k + 1).map(|t| &t.token),
                        Some(Token::SingleQuotedString(_))
                    ) && is(input.get(k + 2), &Token::Comma);
                    if framed && (lower == "point" || lower == "circle") {
                        out.push(input[k].clone());
                        k += 3;
                    }
                    continue;
                }
            } else if let Some(alias) = aliases.get(&lower) {
                if *alias != lower && !names.tables.contains_key(&lower) {
                    t.token = quoted(alias);
                }
            } else if let Some(spellings) = names.columns.get(&lower) {
                let exact = spellings.iter().find(|s| **s == w.value).unwrap_or(&spellings[0]);
                // The engine lowers unquoted names, so only other capitals need the quotes; a
                // table of that name is meant where a table can stand.
                if *exact != lower && !names_a_table(&input, k, names) {
                    t.token = quoted(exact);
                }
            }
        }
        out.push(t);
        k += 1;
    }
    out
}

/// Whether the word at `k` is a table: after FROM or JOIN, or before a dot.
fn names_a_table(input: &[TokenWithSpan], k: usize, names: &Names) -> bool {
    let known =
        word(&input[k].token).is_some_and(|w| names.tables.contains_key(&w.value.to_lowercase()));
    let before = k.checked_sub(1).and_then(|b| input.get(b));
    known
        && (is(input.get(k + 1), &Token::Period)
            || is_word(before, "from")
            || is_word(before, "join"))
}

/// `SELECT [DISTINCT] TOP n ...` as `SELECT [DISTINCT] ... LIMIT n`.
fn top_to_limit(input: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(input.len() + 2);
    // The limit that awaits the end of its SELECT, at each depth of parentheses.
    let mut waiting: Vec<Option<TokenWithSpan>> = vec![None];
    let limit = |out: &mut Vec<TokenWithSpan>, number: TokenWithSpan| {
        let span = number.span;
        out.push(TokenWithSpan { token: Token::make_keyword("LIMIT"), span });
        out.push(number);
    };
    let mut k = 0;
    while k < input.len() {
        let t = input[k].clone();
        let after_select = is_word(out.last(), "select")
            || (is_word(out.last(), "distinct") || is_word(out.last(), "all"))
                && out.len() > 1
                && is_word(out.get(out.len() - 2), "select");
        if after_select
            && is_word(Some(&t), "top")
            && matches!(input.get(k + 1).map(|t| &t.token), Some(Token::Number(..)))
        {
            if let Some(slot) = waiting.last_mut() {
                *slot = Some(input[k + 1].clone());
            }
            k += 2;
            continue;
        }
        match t.token {
            Token::LParen => waiting.push(None),
            Token::RParen => {
                // An unmatched parenthesis is the parser's to tell.
                if let Some(number) = waiting.pop().flatten() {
                    limit(&mut out, number);
                }
                if waiting.is_empty() {
                    waiting.push(None);
                }
            }
            _ => {}
        }
        out.push(t);
        k += 1;
    }
    if let Some(number) = waiting.pop().flatten() {
        limit(&mut out, number);
    }
    out
}

/// Where a name stands in the text as typed.
pub fn position(tokens: &[TokenWithSpan], name: &str) -> Option<(u64, u64)> {
    let last = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
    tokens
        .iter()
        .find(|t| word(&t.token).is_some_and(|w| w.value.eq_ignore_ascii_case(last)))
        .map(|t| (t.span.start.line, t.span.start.column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(sql: &str) -> String {
        let names = Names {
            columns: [("psfflux", "psfFlux"), ("visit", "visit"), ("sourceid", "sourceId")]
                .map(|(k, v)| (k.to_string(), vec![v.to_string()]))
                .into(),
            tables: [("source", "Source"), ("visit", "Visit")]
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .into(),
        };
        let out = rewrite(tokens(sql).unwrap(), &names);
        out.iter().map(|t| t.token.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn capitals_top_and_geometry() {
        assert_eq!(
            rewritten(
                "select top 5 S.PSFFLUX, psfFlux as Big from Source S -- end\n order by big;"
            ),
            "select S . \"psfFlux\" , \"psfFlux\" as \"Big\" from Source S order by \"Big\" LIMIT 5"
        );
        assert_eq!(
            rewritten("select * from (select distinct top 3 visit from Visit) t"),
            "select * from ( select distinct visit from Visit LIMIT 3 ) t"
        );
        assert_eq!(
            rewritten("where 1=CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 1, 2, 3))"),
            "where 1 = adql_contains ( adql_point ( ra , dec ) , adql_circle ( 1 , 2 , 3 ) )"
        );
        assert_eq!(
            rewritten("select contains('ab', 'b'), 'psfflux'"),
            "select contains ( 'ab' , 'b' ) , 'psfflux'"
        );
        assert_eq!(
            rewritten("select \"sourceId\" from \"Source\" )"),
            "select \"sourceId\" from \"source\" )"
        );
    }
}
