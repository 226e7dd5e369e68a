//! Rows into PostgreSQL by COPY, in its text format.

use crate::sql::SqlValue;
use postgres::Client;
use std::fmt::Write as _;
use std::io::Write as _;

/// Text that is handed over at once.
const COPY_CHUNK_BYTES: usize = 1 << 16;

/// Who told that a COPY failed.
pub enum Copied {
    Server(postgres::Error),
    Writer(std::io::Error),
}

pub fn copy(
    client: &mut Client,
    sql: &str,
    width: usize,
    values: &[SqlValue],
) -> std::result::Result<(), Copied> {
    let mut writer = client.copy_in(sql).map_err(Copied::Server)?;
    let mut text = String::with_capacity(2 * COPY_CHUNK_BYTES);
    for row in values.chunks_exact(width) {
        for (k, value) in row.iter().enumerate() {
            if k > 0 {
                text.push('\t');
            }
            copied(value, &mut text);
        }
        text.push('\n');
        if text.len() > COPY_CHUNK_BYTES {
            writer.write_all(text.as_bytes()).map_err(Copied::Writer)?;
            text.clear();
        }
    }
    writer.write_all(text.as_bytes()).map_err(Copied::Writer)?;
    writer.finish().map_err(Copied::Server).map(|_| ())
}

/// A value in COPY's text format.
fn copied(value: &SqlValue, out: &mut String) {
    let _ = match value {
        SqlValue::Null => write!(out, "\\N"),
        SqlValue::Int(v) => write!(out, "{v}"),
        SqlValue::Real(v) => write!(out, "{v:e}"),
        SqlValue::Text(v) => {
            for c in v.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '\t' => out.push_str("\\t"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    c => out.push(c),
                }
            }
            Ok(())
        }
        SqlValue::Blob(v) => {
            out.push_str("\\\\x");
            v.iter().try_for_each(|b| write!(out, "{b:02x}"))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let mut out = String::new();
        copied(&"a\tb\\\n".into(), &mut out);
        copied(&SqlValue::Blob(vec![1, 255]), &mut out);
        assert_eq!(out, "a\\tb\\\\\\n\\\\x01ff");
    }
}
