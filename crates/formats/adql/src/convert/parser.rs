//! The parser at work, and its errors in our words.

use super::Convert;
use crate::error::{AdqlError, At};
use crate::lex::{self, at};
use crate::tree::Query;
use crate::words;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::TokenWithSpan;

/// Deepest recursion of the parser.
const DEPTH_MAX: usize = 64;
/// Stack for a nested query. Built without optimisation, the parser takes up to 200 kB for one
/// subquery: more than a thread's usual 2 MiB for what is allowed.
const STACK_BYTES: usize = 32 << 20;
/// Up to this nesting the caller's own stack is enough.
const NESTING_IN_PLACE: usize = 4;

/// Parse a query.
pub fn parse(text: &str) -> Result<Query, AdqlError> {
    parse_text(text).map_err(AdqlError::one_line)
}

fn parse_text(text: &str) -> Result<Query, AdqlError> {
    let (tokens, nesting) = lex::tokens(text)?;
    if nesting <= NESTING_IN_PLACE {
        return parse_tokens(&tokens);
    }
    let large = || AdqlError::TooLarge {
        at: At { line: 1, column: 1 },
        what: "the nesting",
        limit: lex::NESTING_MAX,
    };
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(STACK_BYTES);
        // A machine out of threads or memory parses no nested query.
        let running = parser.spawn_scoped(scope, || parse_tokens(&tokens)).map_err(|_| large())?;
        running.join().unwrap_or_else(|_| Err(large()))
    })
}

fn parse_tokens(tokens: &[TokenWithSpan]) -> Result<Query, AdqlError> {
    let end = tokens.last().map_or(At::default(), |t| at(t.span.end));
    let dialect = lex::Adql;
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(tokens.to_vec());
    let parsed = parser.parse_query().map_err(|e| syntax(&e, tokens, end))?;
    let rest = parser.peek_token();
    if rest.token != sqlparser::tokenizer::Token::EOF {
        return Err(unexpected(tokens, at(rest.span.start), "the end of the query"));
    }
    Convert { selects: 0 }.query(*parsed, true)
}

/// What stands at a place, with the remedy for words of other dialects there or just before.
fn unexpected(tokens: &[TokenWithSpan], place: At, expected: &str) -> AdqlError {
    let here = tokens.iter().position(|t| at(t.span.start) == place);
    let near = here.into_iter().flat_map(|k| [Some(k), k.checked_sub(1)]).flatten();
    for k in near {
        let word = tokens[k].token.to_string();
        if let Some(remedy) = words::remedy(&word) {
            return AdqlError::Refused {
                at: at(tokens[k].span.start),
                found: format!("`{word}`"),
                remedy: remedy.into(),
            };
        }
    }
    let found = here.map_or("the end".into(), |k| format!("`{}`", tokens[k].token));
    AdqlError::Syntax { at: place, found, expected: expected.into() }
}

/// The parser's errors are texts that end in their place.
fn syntax(error: &ParserError, tokens: &[TokenWithSpan], end: At) -> AdqlError {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return AdqlError::TooLarge { at: end, what: "the nesting", limit: lex::NESTING_MAX };
        }
        ParserError::ParserError(m) | ParserError::TokenizerError(m) => m.as_str(),
    };
    let (text, place) = match message.rsplit_once(" at Line: ") {
        Some((text, place)) => (
            text,
            place.split_once(", Column: ").and_then(|(l, c)| {
                Some(At { line: l.trim().parse().ok()?, column: c.trim().parse().ok()? })
            }),
        ),
        None => (message, None),
    };
    let place = place.filter(|p| p.line > 0).unwrap_or(end);
    let expected = text
        .strip_prefix("Expected: ")
        .and_then(|t| t.split_once(", found"))
        .map_or(text.trim_end_matches('.'), |(expected, _)| expected);
    unexpected(tokens, place, expected)
}
