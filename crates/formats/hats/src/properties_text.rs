//! The text of a properties file (Java's format, UTF-8).
//!
//! - lines `key=value`, `key: value` or `key value`; `#` and `!` open a comment
//! - a backslash escapes: `\n`, `\t`, `\r`, `\f`, `\uXXXX`, a line's end (continuation), any
//!   other character itself
//! - written: only what must be escaped is

/// Key and value of every line, in order.
pub fn parse(text: &str) -> Vec<(String, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    logical_lines(text).iter().map(|line| split(line)).collect()
}

/// Lines with their continuations joined, without comments and blank ones.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for raw in text.split(['\n', '\r']) {
        let line = raw.trim_start_matches([' ', '\t', '\u{c}']);
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let mut whole = open.take().unwrap_or_default();
        let slashes = line.chars().rev().take_while(|&c| c == '\\').count();
        if slashes % 2 == 1 {
            whole.push_str(&line[..line.len() - 1]);
            open = Some(whole);
        } else {
            whole.push_str(line);
            lines.push(whole);
        }
    }
    lines.extend(open);
    lines
}

fn split(line: &str) -> (String, String) {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\u{c}');
    let mut escaped = false;
    let mut end = line.len();
    for (k, c) in line.char_indices() {
        if !escaped && (matches!(c, '=' | ':') || blank(c)) {
            end = k;
            break;
        }
        escaped = !escaped && c == '\\';
    }
    let rest = line[end..].trim_start_matches(blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (unescape(&line[..end]), unescape(rest.trim_matches(blank)))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.clone().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                match code {
                    Some(code) if digits.len() == 4 => {
                        out.push(code);
                        chars.nth(3);
                    }
                    _ => out.push('u'),
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// Text of a properties file: a comment line, then `key=value` lines.
pub fn write<'a>(comment: &str, entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = format!("#{}\n", comment.replace(['\n', '\r'], " "));
    for (key, value) in entries {
        escape(key, true, &mut out);
        out.push('=');
        escape(value, false, &mut out);
        out.push('\n');
    }
    out
}

fn escape(text: &str, key: bool, out: &mut String) {
    for (k, c) in text.chars().enumerate() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\\' => out.push_str("\\\\"),
            '=' | ':' | ' ' | '#' | '!' if key => out.extend(['\\', c]),
            ' ' if k == 0 => out.push_str("\\ "),
            _ => out.push(c),
        }
    }
}
