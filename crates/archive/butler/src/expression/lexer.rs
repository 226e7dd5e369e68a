//! Text to tokens.

use super::error::ExpressionError;
use elqui_base::{MjdTai, parse_iso_utc};

/// Expressions beyond this are refused before any work; lists of ids belong into tagged
/// collections.
const LENGTH_MAX: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Int(i64),
    Real(f64),
    Text(String),
    Time(i64),
    /// An identifier, perhaps with dots in it.
    Name(String),
    /// A reserved word in capitals.
    Word(&'static str),
    Sign(&'static str),
    End,
}

const WORDS: [&str; 10] =
    ["AND", "OR", "NOT", "IN", "OVERLAPS", "IS", "NULL", "GLOB", "ASC", "DESC"];
/// Longer ones before their beginnings.
const SIGNS: [&str; 18] = [
    "..", "<=", ">=", "!=", "<>", "==", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ",", ":",
];

/// All tokens with the places that they begin at; the last is the end.
pub fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    if text.len() > LENGTH_MAX {
        let why = format!("it has {} characters, more than {LENGTH_MAX}", text.len());
        return Err(ExpressionError::new(&text.chars().take(40).collect::<String>(), 0, why));
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (token, length) = next(text, at, c)?;
        found.push((at, token));
        at += length;
    }
    found.push((text.len(), Token::End));
    Ok(found)
}

fn next(text: &str, at: usize, c: char) -> Result<(Token, usize), ExpressionError> {
    let rest = &text[at..];
    if c == '\'' {
        let (value, length) = quoted(text, at)?;
        return Ok((Token::Text(value), length));
    }
    if c == 'T' && rest[1..].starts_with('\'') {
        let (value, length) = quoted(text, at + 1)?;
        return Ok((Token::Time(time(text, at, &value)?), length + 1));
    }
    if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) {
        return number(text, at);
    }
    if c.is_ascii_alphabetic() || c == '_' {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let mut length = rest.find(|c| !part(c)).unwrap_or(rest.len());
        // `visit..` is a range after a name, which the parser refuses in its own words.
        length = rest[..length].find("..").unwrap_or(length);
        let name = &rest[..length];
        let word = WORDS.into_iter().find(|w| w.eq_ignore_ascii_case(name));
        let token = word.map_or_else(|| Token::Name(name.to_string()), Token::Word);
        return Ok((token, length));
    }
    if let Some(sign) = SIGNS.into_iter().find(|s| rest.starts_with(s)) {
        let one = match sign {
            "<>" => "!=",
            "==" => "=",
            other => other,
        };
        return Ok((Token::Sign(one), sign.len()));
    }
    let why = match c {
        '"' => "texts are in single quotes".to_string(),
        ';' => "one expression only; `;` has no meaning here".to_string(),
        c => format!("`{}` has no meaning here", c.escape_default()),
    };
    Err(ExpressionError::new(text, at, why))
}

/// A text in single quotes, a quote inside doubled; its value and its length with the quotes.
fn quoted(text: &str, at: usize) -> Result<(String, usize), ExpressionError> {
    let mut value = String::new();
    let mut chars = text[at + 1..].char_indices().peekable();
    while let Some((k, c)) = chars.next() {
        match c {
            '\'' if chars.peek().is_some_and(|(_, n)| *n == '\'') => {
                value.push('\'');
                chars.next();
            }
            '\'' => return Ok((value, k + 2)),
            '\0' => return Err(ExpressionError::new(text, at + 1 + k, "a text cannot hold NUL")),
            c => value.push(c),
        }
    }
    Err(ExpressionError::new(text, at, "this quote is never closed"))
}

/// `T'2026-01-31T12:00:00'` is UTC, `T'mjd:61000.5'` TAI.
fn time(text: &str, at: usize, value: &str) -> Result<i64, ExpressionError> {
    let mjd = match value.strip_prefix("mjd:") {
        Some(number) => number.trim().parse().ok().map(MjdTai),
        None => parse_iso_utc(value).ok(),
    };
    let known = mjd.filter(|m| (-60_000.0..140_000.0).contains(&m.0));
    known.map(crate::collection::mjd_to_ns).ok_or_else(|| {
        let why = format!(
            "`{value}` is no time: write T'2026-01-31T12:00:00' (UTC) or T'mjd:61000.5' (TAI)"
        );
        ExpressionError::new(text, at, why)
    })
}

fn number(text: &str, at: usize) -> Result<(Token, usize), ExpressionError> {
    let bytes = text.as_bytes();
    let digits = |mut k: usize| {
        while bytes.get(k).is_some_and(u8::is_ascii_digit) {
            k += 1;
        }
        k
    };
    let mut end = digits(at);
    let mut real = false;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
        real = true;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let after = digits(end + 1 + sign);
        if after > end + 1 + sign {
            (real, end) = (true, after);
        }
    }
    let word = &text[at..end];
    let odd = bytes.get(end).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    let bad = |why: &str| ExpressionError::new(text, at, format!("`{word}`{why}"));
    if odd {
        return Err(bad(" runs into a letter; texts are in single quotes"));
    }
    let token = if real {
        let value: f64 = word.parse().map_err(|_| bad(" is no number"))?;
        if !value.is_finite() {
            return Err(bad(" is too large"));
        }
        Token::Real(value)
    } else {
        Token::Int(word.parse().map_err(|_| bad(" is too large for a whole number"))?)
    };
    Ok((token, end - at))
}
