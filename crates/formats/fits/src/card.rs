//! One 80-character card, read with tolerance.
//!
//! - source: FITS Standard 4.0, sec. 4.1, 4.2 (doi: 10.1051/0004-6361/201015362 for 3.0); the ESO
//!   HIERARCH convention; the CONTINUE long-string convention (sec. 4.2.1.2)
//! - differs from the standard: accepts values anywhere after the `=`, a plus sign, leading zeros,
//!   D exponents, a missing space after `=`, a missing closing quote, bytes that are not ASCII
//!   (read as Latin-1) and unquoted words (read as text)

use elqui_image::{Card, Header, Value};

pub(crate) const CARD: usize = 80;

/// Keys whose text is a commentary.
fn is_commentary(key: &str) -> bool {
    matches!(key, "COMMENT" | "HISTORY" | "")
}

/// What a card was.
enum Parsed {
    End,
    Card(Card),
    Continue(String, String),
    Blank,
}

/// Cards of a header, up to END; `None` when there is no END. Also the number of cards read,
/// END included.
pub(crate) fn parse_cards(bytes: &[u8]) -> Option<(Header, usize)> {
    let mut header = Header::default();
    for (k, raw) in bytes.chunks_exact(CARD).enumerate() {
        match parse_card(raw) {
            Parsed::End => return Some((header, k + 1)),
            Parsed::Card(card) => header.cards.push(card),
            Parsed::Continue(text, comment) => append(&mut header, &text, &comment),
            Parsed::Blank => {}
        }
    }
    None
}

/// Join a CONTINUE to the string before it, when that one asks for it by `&`.
fn append(header: &mut Header, text: &str, comment: &str) {
    let Some(card) = header.cards.last_mut() else { return };
    if let Value::Str(s) = &mut card.value
        && s.ends_with('&')
    {
        s.pop();
        s.push_str(text);
        if !comment.is_empty() {
            if !card.comment.is_empty() {
                card.comment.push(' ');
            }
            card.comment.push_str(comment);
        }
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| if b.is_ascii_control() { ' ' } else { char::from(b) }).collect()
}

fn parse_card(raw: &[u8]) -> Parsed {
    let text = latin1(raw);
    let chars: Vec<char> = text.chars().collect();
    let slice = |from: usize| chars[from..].iter().collect::<String>();
    let key: String = chars[..8].iter().collect::<String>().trim().to_ascii_uppercase();
    if key == "END" && chars[8..].iter().all(|c| *c == ' ') {
        return Parsed::End;
    }
    if is_commentary(&key) {
        let comment = slice(8).trim_end().to_string();
        if key.is_empty() && comment.trim().is_empty() {
            return Parsed::Blank;
        }
        return Parsed::Card(Card { key, value: Value::Undefined, comment });
    }
    if key == "CONTINUE" {
        let (value, comment) = parse_value(&slice(8));
        if let Value::Str(s) = value {
            return Parsed::Continue(s, comment);
        }
        return Parsed::Card(Card { key, value: Value::Undefined, comment: slice(8) });
    }
    if key == "HIERARCH"
        && let Some((name, rest)) = slice(8).split_once('=')
    {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        let (value, comment) = parse_value(rest);
        return Parsed::Card(Card { key: name, value, comment });
    }
    if chars[8] == '=' {
        let (value, comment) = parse_value(&slice(9));
        return Parsed::Card(Card { key, value, comment });
    }
    // No value indicator: the rest is a commentary whatever the keyword is.
    let comment = slice(8).trim_end().to_string();
    Parsed::Card(Card { key, value: Value::Undefined, comment })
}

/// Value and comment of the field after `=`.
pub(crate) fn parse_value(field: &str) -> (Value, String) {
    let field = field.trim_start();
    if let Some(rest) = field.strip_prefix('\'') {
        let mut text = String::new();
        let mut chars = rest.char_indices().peekable();
        let mut after = rest.len();
        while let Some((at, c)) = chars.next() {
            if c != '\'' {
                text.push(c);
            } else if chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
                text.push('\'');
            } else {
                after = at + 1;
                break;
            }
        }
        let comment = rest[after..].trim_start().trim_start_matches('/').trim().to_string();
        // Trailing blanks of a string do not count; leading ones do.
        return (Value::Str(text.trim_end().to_string()), comment);
    }
    let (token, comment) = field.split_once('/').unwrap_or((field, ""));
    (parse_token(token.trim()), comment.trim().to_string())
}

fn parse_token(token: &str) -> Value {
    match token {
        "" => return Value::Undefined,
        "T" => return Value::Bool(true),
        "F" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(v) = token.parse::<i64>() {
        return Value::Int(v);
    }
    // `inf` and `nan` are words here, not numbers.
    if token.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        && let Ok(v) = token.replace(['D', 'd'], "E").parse::<f64>()
        && v.is_finite()
    {
        return Value::Float(v);
    }
    if token.eq_ignore_ascii_case("nan") {
        return Value::Undefined;
    }
    Value::Str(token.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Card {
        let bytes = format!("{text:<80}{:<80}", "END").into_bytes();
        parse_cards(&bytes).unwrap().0.cards.remove(0)
    }

    #[test]
    fn odd_values_of_real_observatories() {
        for (text, value) in [
            ("LATITUDE= +62.592 / deg", Value::Float(62.592)),
            ("EXPTIME =               060.00", Value::Float(60.0)),
            ("MONTH   = 05", Value::Int(5)),
            ("EXPTIME = '53.9    '", Value::Str("53.9".into())),
            ("A       = 1.5D+03", Value::Float(1500.0)),
            ("A       =T", Value::Bool(true)),
            ("A       = 'O''Hara / x' / y", Value::Str("O'Hara / x".into())),
            ("A       = 'no end", Value::Str("no end".into())),
            ("A       =", Value::Undefined),
            ("A       = NaN", Value::Undefined),
            ("A       = word", Value::Str("word".into())),
            ("A       = 99999999999999999999", Value::Float(1e20)),
            ("HIERARCH ESO DET  NAME = 'x' / c", Value::Str("x".into())),
        ] {
            assert_eq!(one(text).value, value, "{text}");
        }
        assert_eq!(one("HIERARCH ESO DET  NAME = 'x' / c").key, "ESO DET NAME");
        assert_eq!(one("COMMENT = 5").comment, "= 5");
    }

    #[test]
    fn long_strings_are_joined() {
        let text = format!(
            "{:<80}{:<80}{:<80}{:<80}",
            "A       = 'one &' / c1", "CONTINUE  'two&' / c2", "CONTINUE  ' three'", "END"
        );
        let (header, n) = parse_cards(text.as_bytes()).unwrap();
        assert_eq!(header.cards[0].value, Value::Str("one two three".into()));
        assert_eq!((header.cards[0].comment.as_str(), n), ("c1 c2", 4));
    }

    #[test]
    fn garbage_is_kept_and_never_panics() {
        let mut bytes = vec![0xffu8; 160];
        bytes.extend(format!("{:<80}", "END").bytes());
        assert_eq!(parse_cards(&bytes).unwrap().1, 3);
        assert!(parse_cards(&[b' '; 200]).is_none());
    }
}
