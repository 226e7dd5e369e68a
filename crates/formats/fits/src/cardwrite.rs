//! Cards as 80 bytes, and headers in whole blocks.
//!
//! - source: FITS Standard 4.0, sec. 4.2; long strings by CONTINUE (sec. 4.2.1.2); names that are
//!   no standard keyword by HIERARCH

use crate::card::CARD;
use crate::shape::padded;
use elqui_image::{Card, Header, Value};

/// Bytes of a header: cards, END, padding.
pub(crate) fn header_bytes(header: &Header) -> Vec<u8> {
    let mut out = Vec::with_capacity((header.cards.len() + 36) * CARD);
    for card in &header.cards {
        push_card(&mut out, card);
    }
    push_text(&mut out, "END");
    out.resize(padded(out.len() as u64) as usize, b' ');
    out
}

/// One line of 80 characters; what is not printable ASCII becomes `?`.
fn push_text(out: &mut Vec<u8>, text: &str) {
    let start = out.len();
    let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c as u8 } else { b'?' };
    out.extend(text.chars().take(CARD).map(printable));
    out.resize(start + CARD, b' ');
}

fn push_card(out: &mut Vec<u8>, card: &Card) {
    let key = card.key.to_ascii_uppercase();
    if matches!(key.as_str(), "COMMENT" | "HISTORY" | "") {
        return push_commentary(out, &key, &card.comment);
    }
    let standard = key.len() <= 8
        && key
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    let start = if standard { format!("{key:<8}= ") } else { format!("HIERARCH {key} = ") };
    if start.len() > CARD - 4 {
        return; // A name that leaves no room for a value cannot be said in a card.
    }
    let value = match &card.value {
        Value::Str(s) => return push_string(out, &start, s, &card.comment, standard),
        Value::Int(v) => v.to_string(),
        Value::Float(v) => float_text(*v),
        Value::Bool(v) => if *v { "T" } else { "F" }.to_string(),
        // A keyword without a value indicator keeps its text.
        Value::Undefined if standard && !card.comment.is_empty() => {
            return push_text(out, &format!("{key:<8}{}", keep_from_equals(&card.comment)));
        }
        Value::Undefined => String::new(),
    };
    let value = if standard { format!("{value:>20}") } else { value };
    push_text(out, &with_comment(format!("{start}{value}"), &card.comment));
}

/// Text after a keyword must not look like a value.
fn keep_from_equals(text: &str) -> String {
    if text.starts_with('=') { text.replacen('=', " ", 1) } else { text.to_string() }
}

fn with_comment(line: String, comment: &str) -> String {
    if comment.is_empty() { line } else { format!("{line} / {comment}") }
}

fn push_commentary(out: &mut Vec<u8>, key: &str, text: &str) {
    let chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return push_text(out, key);
    }
    for piece in chars.chunks(CARD - 8) {
        push_text(out, &format!("{key:<8}{}", piece.iter().collect::<String>()));
    }
}

/// Shortest decimal text that gives the same double; always with a point or an exponent.
fn float_text(v: f64) -> String {
    if !v.is_finite() {
        return String::new(); // FITS has no text for NaN or infinity: undefined.
    }
    let plain = format!("{v:?}").to_ascii_uppercase();
    if plain.contains(['.', 'E']) { plain } else { format!("{plain}.0") }
}

/// A string, over CONTINUE cards where it is long.
fn push_string(out: &mut Vec<u8>, start: &str, text: &str, comment: &str, standard: bool) {
    let quoted = |s: &str| if standard { format!("'{s:<8}'") } else { format!("'{s}'") };
    let escaped = text.replace('\'', "''");
    let room = CARD - start.len() - 2;
    if escaped.chars().count() <= room {
        // Comments begin at column 32 at the earliest, as for numbers.
        let value = if standard { format!("{:<20}", quoted(&escaped)) } else { quoted(&escaped) };
        push_text(out, &with_comment(format!("{start}{value}"), comment));
        return;
    }
    let chars: Vec<char> = text.chars().collect();
    let mut from = 0;
    let mut lead = start.to_string();
    while from < chars.len() {
        // One place is kept for the `&`; quotes take two.
        let mut used = 0;
        let mut to = from;
        while to < chars.len() {
            used += if chars[to] == '\'' { 2 } else { 1 };
            if used > CARD - lead.len() - 3 {
                break;
            }
            to += 1;
        }
        // A piece must not end in blanks: they would be lost on reading.
        let more = if to < chars.len() { "&" } else { "" };
        let piece: String = chars[from..to].iter().collect();
        push_text(out, &format!("{lead}'{}{more}'", piece.replace('\'', "''")));
        from = to;
        lead = "CONTINUE  ".into();
    }
    if !comment.is_empty() {
        // The comment of a long string has a card of its own.
        push_text(out, &format!("COMMENT {}", comment));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::parse_cards;

    #[test]
    fn every_value_comes_back() {
        let mut header = Header::default();
        header.set("A", Value::Float(0.1 + 0.2), "sum");
        header.set("B", Value::Float(1e300), "");
        header.set("C", Value::Int(-5), "five");
        header.set("D", Value::Bool(true), "");
        header.set("E", Value::Str("it's".into()), "quote");
        header.set("LONG", Value::Str("x'y ".repeat(60).trim_end().into()), "");
        header.set("ESO DET NAME", Value::Str("CCD".into()), "");
        header.set("ESO DET LONG", Value::Str("y'z ".repeat(40).trim_end().into()), "");
        let longest = "N".repeat(CARD - 4 - "HIERARCH  = ".len());
        header.set(&longest, Value::Str("'more".into()), "");
        header.set("F", Value::Float(3.0), "");
        header.set("G", Value::Undefined, "");
        header.cards.push(Card {
            key: "COMMENT".into(),
            value: Value::Undefined,
            comment: "c".repeat(30),
        });
        let bytes = header_bytes(&header);
        assert_eq!(bytes.len() % 2880, 0);
        let (back, _) = parse_cards(&bytes).unwrap();
        assert_eq!(back, header);
    }
}
