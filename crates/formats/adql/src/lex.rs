//! Tokens of a query, with everything that ADQL does not have refused before the parser sees it.
//!
//! - input: the text; output: sqlparser's tokens without spaces and comments
//! - words outside ADQL's grammar lose their meaning as keywords, so the parser cannot build what
//!   other dialects make of them
//! - size, nesting and the length of chains are bounded here, since the parser's tree is as deep
//!   as the longest chain of operators

use crate::error::{AdqlError, At};
use crate::words;
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};

/// Longest query, bytes.
pub const QUERY_BYTES_MAX: usize = 512 * 1024;
/// Deepest nesting: parentheses and CASEs count one, subqueries three.
pub const NESTING_MAX: usize = 24;
/// Most AND, OR and UNION in one chain.
pub const CHAIN_MAX: usize = 1000;
/// Most arithmetic operators in one expression.
const OPERATORS_MAX: usize = 256;
const JOINS_MAX: usize = 64;

/// ADQL's identifiers; nothing of any other dialect.
#[derive(Debug)]
pub(crate) struct Adql;

impl Dialect for Adql {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        // An underscore first is not ADQL, but `_healpix_29` is what HATS calls its column.
        ch.is_ascii_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_ascii_alphanumeric() || ch == '_'
    }

    fn supports_boolean_literals(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }
}

pub(crate) fn at(location: Location) -> At {
    At { line: location.line, column: location.column }
}

fn refused(at: At, found: impl ToString, remedy: impl ToString) -> AdqlError {
    AdqlError::Refused { at, found: format!("`{}`", found.to_string()), remedy: remedy.to_string() }
}

/// Split a query into tokens; the second is how deep it nests.
pub(crate) fn tokens(text: &str) -> Result<(Vec<TokenWithSpan>, usize), AdqlError> {
    let start = At { line: 1, column: 1 };
    if text.len() > QUERY_BYTES_MAX {
        return Err(AdqlError::TooLarge {
            at: start,
            what: "the length of the query in bytes",
            limit: QUERY_BYTES_MAX,
        });
    }
    let all = Tokenizer::new(&Adql, text).tokenize_with_location().map_err(|e| {
        AdqlError::Refused { at: at(e.location), found: "this text".into(), remedy: e.message }
    })?;
    let mut kept: Vec<TokenWithSpan> =
        all.into_iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    while kept.last().is_some_and(|t| t.token == Token::SemiColon) {
        kept.pop();
    }
    let first = kept.first().ok_or_else(|| AdqlError::Syntax {
        at: start,
        found: "nothing".into(),
        expected: "SELECT or WITH".into(),
    })?;
    if !["select", "with"].iter().any(|w| is_word(first, w)) && first.token != Token::LParen {
        let found = first.token.to_string();
        let place = at(first.span.start);
        return Err(match words::remedy(&found) {
            Some(remedy) => refused(place, found, remedy),
            None => AdqlError::Syntax {
                at: place,
                found: format!("`{found}`"),
                expected: "SELECT or WITH".into(),
            },
        });
    }
    let nesting = bounds(&kept)?;
    let meant = (0..kept.len()).map(|k| admit(&kept, k)).collect::<Result<Vec<_>, _>>()?;
    for (t, token) in kept.iter_mut().zip(meant) {
        t.token = token;
    }
    Ok((kept, nesting))
}

pub(crate) fn is_word(token: &TokenWithSpan, text: &str) -> bool {
    matches!(&token.token, Token::Word(w)
        if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
}

/// The token at `k` as the parser shall see it.
fn admit(all: &[TokenWithSpan], k: usize) -> Result<Token, AdqlError> {
    let t = &all[k];
    let place = at(t.span.start);
    let no = |remedy: &str| Err(refused(place, &t.token, remedy));
    match &t.token {
        Token::Word(w) if w.quote_style.is_some() => {
            if w.value.is_empty() {
                return no("a name has at least one character");
            }
            Ok(t.token.clone())
        }
        Token::Word(w) => word(all, k, w, place),
        Token::SingleQuotedString(_)
            if k > 0
                && (all[k - 1].token == Token::Period
                    || ["from", "join", "as"].iter().any(|w| is_word(&all[k - 1], w))) =>
        {
            no("a name stands in double quotes")
        }
        Token::Number(_, false)
        | Token::SingleQuotedString(_)
        | Token::HexStringLiteral(_)
        | Token::Comma
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Plus
        | Token::Minus
        | Token::Mul
        | Token::Div
        | Token::Mod
        | Token::StringConcat
        | Token::LParen
        | Token::RParen
        | Token::Period => Ok(t.token.clone()),
        Token::SemiColon => no("a query is one statement"),
        Token::DoubleEq => no("equality is ="),
        Token::Ampersand => no("use BITWISE_AND(a, b)"),
        Token::Pipe => no("use BITWISE_OR(a, b)"),
        Token::Caret => no("use POWER(a, b) or BITWISE_XOR(a, b)"),
        Token::Tilde => no("use BITWISE_NOT(a)"),
        Token::DoubleColon => no("use CAST(x AS type)"),
        Token::NationalStringLiteral(_) => no("a text stands in single quotes without a prefix"),
        _ => no("names are Latin letters, digits and _, or stand in double quotes"),
    }
}

fn word(all: &[TokenWithSpan], k: usize, w: &Word, place: At) -> Result<Token, AdqlError> {
    let next = all.get(k + 1);
    let calls = next.is_some_and(|n| n.token == Token::LParen);
    let typed = k > 0 && is_word(&all[k - 1], "as") && words::is_type(&w.value);
    let plain = || {
        Token::Word(Word { value: w.value.clone(), quote_style: None, keyword: Keyword::NoKeyword })
    };
    if w.value.eq_ignore_ascii_case("limit")
        && next.is_some_and(|n| matches!(n.token, Token::Number(..)))
    {
        return Err(refused(place, &w.value, "use TOP n after SELECT"));
    }
    let before = k.checked_sub(1).map(|b| &all[b]);
    let listing = before.is_some_and(|b| {
        b.token == Token::Comma || ["select", "distinct", "all"].iter().any(|w| is_word(b, w))
    });
    if listing && is_word(&all[k], "from") {
        return Err(AdqlError::Syntax {
            at: place,
            found: format!("`{}`", w.value),
            expected: "a column".into(),
        });
    }
    if words::is_grammar(&w.value) {
        let function = calls && ["left", "right", "char"].iter().any(|f| is_word(&all[k], f));
        let cast = k > 0 && is_word(&all[k - 1], "as");
        return Ok(if function && !cast { plain() } else { all[k].token.clone() });
    }
    if words::is_reserved(&w.value) && !calls && !typed {
        // The remedy of a foreign construct says more than that its word is reserved.
        return Err(match words::remedy(&w.value) {
            Some(remedy) => refused(place, &w.value, remedy),
            None => AdqlError::Reserved { at: place, word: w.value.clone() },
        });
    }
    Ok(plain())
}

#[derive(Default, Clone, Copy)]
struct Level {
    chain: usize,
    operators: usize,
    joins: usize,
    /// What this pair of parentheses adds to the nesting: itself, CASEs, and subqueries, which
    /// take most of the parser's stack.
    weight: usize,
}

impl Level {
    fn next_expression(&mut self) {
        *self = Self { joins: self.joins, weight: self.weight, ..Self::default() };
    }
}

/// Weight of a subquery in the nesting.
const SUBQUERY_WEIGHT: usize = 2;

/// Bounds on nesting and chains, and parentheses in pairs; gives the deepest nesting.
fn bounds(all: &[TokenWithSpan]) -> Result<usize, AdqlError> {
    let mut deepest = 0;
    let mut levels = vec![Level::default()];
    let mut open = Vec::new();
    // NOT and signs in a row.
    let mut run = 0;
    let mut nesting = 0;
    for t in all {
        let outermost = levels.len() == 1;
        let Some(level) = levels.last_mut() else { break };
        let upper = match &t.token {
            Token::Word(w) if w.quote_style.is_none() => w.value.to_ascii_uppercase(),
            _ => String::new(),
        };
        let prefix = upper == "NOT" || matches!(t.token, Token::Minus | Token::Plus);
        run = if prefix { run + 1 } else { 0 };
        let before = level.weight;
        match (&t.token, upper.as_str()) {
            (Token::LParen, _) => {
                open.push(at(t.span.start));
                levels.push(Level { weight: 1, ..Level::default() });
                nesting += 1;
            }
            (Token::RParen, _) => {
                if open.pop().is_none() {
                    return Err(AdqlError::Syntax {
                        at: at(t.span.start),
                        found: "`)`".into(),
                        expected: "the end of the query".into(),
                    });
                }
                nesting -= before;
                levels.pop();
            }
            (Token::Comma, _) => level.next_expression(),
            (_, "AND" | "OR") => {
                level.chain += 1;
                level.operators = 0;
            }
            (_, "UNION" | "EXCEPT" | "INTERSECT" | "JOIN") => level.joins += 1,
            (_, "SELECT") => {
                level.next_expression();
                if level.weight == 1 && !outermost {
                    level.weight += SUBQUERY_WEIGHT;
                    nesting += SUBQUERY_WEIGHT;
                }
            }
            (_, "FROM" | "WHERE" | "HAVING" | "ON" | "BY") => level.next_expression(),
            (_, "CASE") => {
                level.weight += 1;
                nesting += 1;
            }
            (_, "END") if level.weight > usize::from(!outermost) => {
                level.weight -= 1;
                nesting -= 1;
            }
            (
                Token::Plus
                | Token::Minus
                | Token::Mul
                | Token::Div
                | Token::Mod
                | Token::StringConcat
                | Token::Eq
                | Token::Neq
                | Token::Lt
                | Token::Gt,
                _,
            ) => level.operators += 1,
            _ => {}
        }
        let Some(level) = levels.last() else { break };
        // The parser's tree leans as deep as a chain is long; dropping it goes down all of it.
        deepest = deepest.max(nesting + run + (level.chain + level.operators) / 16);
        for (value, what, limit) in [
            (nesting + run, "the nesting", NESTING_MAX),
            (level.operators, "the number of operators in one expression", OPERATORS_MAX),
            (level.chain, "a chain of AND or OR (a list goes in IN)", CHAIN_MAX),
            (level.joins, "the number of JOIN or UNION", JOINS_MAX),
        ] {
            if value > limit {
                return Err(AdqlError::TooLarge { at: at(t.span.start), what, limit });
            }
        }
    }
    match open.pop() {
        Some(at) => Err(AdqlError::Syntax {
            at,
            found: "`(` without its `)`".into(),
            expected: "a closed parenthesis".into(),
        }),
        None => Ok(deepest),
    }
}
