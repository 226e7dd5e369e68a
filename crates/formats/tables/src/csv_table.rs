//! CSV as astronomers exchange it.
//!
//! - input: UTF-8 (a byte-order mark is passed over), one header line, `#` comment lines, the
//!   delimiter a comma, or a semicolon, tab or bar when the header has no comma
//! - types: a column whose every value is a whole number is I64; a number F64; true or false
//!   Bool; anything else Str. Missing are the empty field, `nan`, `null`, `none`, `n/a`, `--`: NaN
//!   in a column of numbers. A column of whole numbers with missing ones is F64, unless a value
//!   is too great for f64 to hold (an id): then it stays I64 and the missing ones are 0
//! - output: the shortest digits that read back to the same bits; NaN is the empty field

use crate::error::{TableError, one_line};
use elqui_codec::atomic_write_bytes;
use elqui_schema::{Column, ColumnData, Table};
use std::path::Path;

/// Read a CSV file.
pub fn read_csv(path: &Path) -> Result<Table, TableError> {
    let bytes = std::fs::read(path).map_err(|e| TableError::read(path, e))?;
    let mut table = parse_csv(&bytes, &path.display().to_string())?;
    table.name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(table)
}

/// The line of a record. The reader's position is where the record before ended; blank lines and
/// comments in between are passed over.
fn line_of(bytes: &[u8], position: &csv::Position) -> u64 {
    let mut line = position.line();
    let mut rest = &bytes[(position.byte() as usize).min(bytes.len())..];
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let text = rest[..end].trim_ascii();
        if !text.is_empty() && !text.starts_with(b"#") {
            break;
        }
        line += 1;
        rest = &rest[end + 1..];
    }
    line
}

/// Read CSV text; `name` is the table's, and used in messages.
pub fn parse_csv(bytes: &[u8], name: &str) -> Result<Table, TableError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let not_csv = |reason: &str| TableError::NotCsv { path: name.into(), reason: reason.into() };
    if bytes.contains(&0) {
        return Err(not_csv("it holds binary data"));
    }
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .delimiter(delimiter(bytes))
        .flexible(true)
        .from_reader(bytes);
    let fail = |line: u64, reason: String| TableError::Csv { path: name.into(), line, reason };
    let utf8 = |line: u64, field: &[u8]| {
        std::str::from_utf8(field)
            .map(|s| s.trim().to_string())
            .map_err(|_| fail(line, "the text is not UTF-8".into()))
    };
    let mut names: Vec<String> = Vec::new();
    for field in reader.byte_headers().map_err(|e| not_csv(&one_line(e)))? {
        names.push(utf8(1, field)?);
    }
    if names.is_empty() || names.iter().all(String::is_empty) {
        return Err(not_csv("it has no header line"));
    }
    for (k, n) in names.iter().enumerate() {
        if n.is_empty() {
            return Err(not_csv(&format!("column {} has no name", k + 1)));
        }
        if names[..k].contains(n) {
            return Err(not_csv(&format!("two columns are named `{n}`")));
        }
    }
    let mut cells: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    let mut record = csv::ByteRecord::new();
    loop {
        let more = reader
            .read_byte_record(&mut record)
            .map_err(|e| fail(e.position().map_or(0, csv::Position::line), one_line(&e)))?;
        if !more {
            break;
        }
        let line = record.position().map_or(0, |p| line_of(bytes, p));
        if record.len() != names.len() {
            return Err(fail(
                line,
                format!("{} fields where the header has {}", record.len(), names.len()),
            ));
        }
        for (column, field) in cells.iter_mut().zip(&record) {
            column.push(utf8(line, field)?);
        }
    }
    let mut table = Table::new(name);
    table.columns = names.into_iter().zip(cells).map(|(n, v)| Column::new(n, infer(v))).collect();
    Ok(table)
}

/// The delimiter, from the header line.
fn delimiter(bytes: &[u8]) -> u8 {
    let header = bytes
        .split(|b| *b == b'\n')
        .find(|l| !l.starts_with(b"#") && !l.trim_ascii().is_empty())
        .unwrap_or_default();
    if header.contains(&b',') {
        return b',';
    }
    [b'\t', b';', b'|'].into_iter().find(|d| header.contains(d)).unwrap_or(b',')
}

fn is_missing(s: &str) -> bool {
    s.is_empty()
        || ["nan", "null", "none", "n/a", "na", "--"].iter().any(|m| s.eq_ignore_ascii_case(m))
}

/// The narrowest type that holds every value.
fn infer(values: Vec<String>) -> ColumnData {
    // Whole numbers up to here are exact in f64.
    const EXACT: u64 = 1 << 53;
    let present = || values.iter().filter(|v| !is_missing(v));
    if present().next().is_none() {
        let texts = values.iter().any(|v| !v.is_empty() && !v.eq_ignore_ascii_case("nan"));
        return if texts { ColumnData::Str(values) } else { number_column(&values) };
    }
    if present().all(|v| v.parse::<i64>().is_ok()) {
        let whole: Vec<Option<i64>> = values.iter().map(|v| v.parse().ok()).collect();
        let great = whole.iter().flatten().any(|v| v.unsigned_abs() > EXACT);
        return if whole.iter().all(Option::is_some) || great {
            ColumnData::I64(whole.into_iter().map(Option::unwrap_or_default).collect())
        } else {
            number_column(&values)
        };
    }
    if present().all(|v| v.parse::<f64>().is_ok()) {
        return number_column(&values);
    }
    let truth = |v: &str| match v {
        _ if v.eq_ignore_ascii_case("true") => Some(true),
        _ if v.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    match values.iter().map(|v| truth(v)).collect::<Option<Vec<bool>>>() {
        Some(v) => ColumnData::Bool(v),
        None => ColumnData::Str(values),
    }
}

fn number_column(values: &[String]) -> ColumnData {
    ColumnData::F64(values.iter().map(|v| v.parse().unwrap_or(f64::NAN)).collect())
}

/// A table as CSV text.
pub fn csv_bytes(table: &Table) -> Result<Vec<u8>, TableError> {
    let fail = |e: csv::Error| TableError::NotCsv { path: table.name.clone(), reason: one_line(e) };
    let mut writer = csv::WriterBuilder::new().comment(Some(b'#')).from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|c| &c.name)).map_err(fail)?;
    for row in 0..table.rows() {
        writer.write_record(table.columns.iter().map(|c| cell(&c.data, row))).map_err(fail)?;
    }
    writer
        .into_inner()
        .map_err(|e| TableError::NotCsv { path: table.name.clone(), reason: one_line(e.error()) })
}

/// Write a CSV file; it appears whole or not at all.
pub fn write_csv(table: &Table, path: &Path) -> Result<(), TableError> {
    Ok(atomic_write_bytes(path, &csv_bytes(table)?)?)
}

fn cell(data: &ColumnData, row: usize) -> String {
    // Very great and very small numbers would be long rows of zeros without an exponent.
    let plain = |a: f64| a == 0.0 || (1e-4..1e16).contains(&a);
    match data {
        ColumnData::F64(v) if v[row].is_nan() => String::new(),
        ColumnData::F64(v) if v[row].is_infinite() || plain(v[row].abs()) => v[row].to_string(),
        ColumnData::F64(v) => format!("{:e}", v[row]),
        ColumnData::F32(v) if v[row].is_nan() => String::new(),
        ColumnData::F32(v) if v[row].is_infinite() || plain(f64::from(v[row].abs())) => {
            v[row].to_string()
        }
        ColumnData::F32(v) => format!("{:e}", v[row]),
        ColumnData::I64(v) => v[row].to_string(),
        ColumnData::I32(v) => v[row].to_string(),
        ColumnData::Bool(v) => v[row].to_string(),
        ColumnData::Str(v) => v[row].clone(),
    }
}
