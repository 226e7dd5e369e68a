//! Writing a table as VOTable 1.4.

use crate::VotableError;
use base64::Engine;
use elqui_codec::atomic_write_bytes;
use elqui_schema::{ColumnData, Table};
use quick_xml::escape::escape;
use std::path::Path;

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Text, for eyes and simple programs.
    #[default]
    TableData,
    /// Base64 of binary rows: smaller, and exact to the bit.
    Binary2,
}

/// Write a VOTable file; it appears whole or not at all.
pub fn write_votable(table: &Table, path: &Path, encoding: Encoding) -> Result<(), VotableError> {
    Ok(atomic_write_bytes(path, &votable_bytes(table, encoding))?)
}

/// Text that XML may hold: control characters become the replacement character.
fn safe(text: &str) -> String {
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let clean: String = text
        .chars()
        .map(|c| if allowed(c) && !matches!(c, '\u{fffe}' | '\u{ffff}') { c } else { '\u{fffd}' })
        .collect();
    // A bare carriage return would be read as a line feed.
    escape(clean.as_str()).replace('\r', "&#13;")
}

fn attribute(key: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    format!(" {key}=\"{}\"", safe(value).replace('\n', "&#10;").replace('\t', "&#9;"))
}

fn is_ascii(values: &[String]) -> bool {
    values.iter().all(|s| s.is_ascii())
}

fn datatype(data: &ColumnData) -> &'static str {
    match data {
        ColumnData::F64(_) => "datatype=\"double\"",
        ColumnData::F32(_) => "datatype=\"float\"",
        ColumnData::I64(_) => "datatype=\"long\"",
        ColumnData::I32(_) => "datatype=\"int\"",
        ColumnData::Bool(_) => "datatype=\"boolean\"",
        ColumnData::Str(v) if is_ascii(v) => "datatype=\"char\" arraysize=\"*\"",
        ColumnData::Str(_) => "datatype=\"unicodeChar\" arraysize=\"*\"",
    }
}

/// The bytes of a VOTable document.
pub fn votable_bytes(table: &Table, encoding: Encoding) -> Vec<u8> {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <VOTABLE version=\"1.4\" xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n<RESOURCE type=\"results\">\n",
    );
    for (k, v) in &table.metadata {
        // INFO's value may be empty, but has to be there.
        let value = safe(v).replace('\n', "&#10;").replace('\t', "&#9;");
        out += &format!("<INFO{} value=\"{value}\"/>\n", attribute("name", k));
    }
    out += &format!("<TABLE{} nrows=\"{}\">\n", attribute("name", &table.name), table.rows());
    for c in &table.columns {
        out += &format!(
            "<FIELD{} {}{}{}>",
            attribute("name", &c.name),
            datatype(&c.data),
            attribute("unit", &c.unit),
            attribute("ucd", &c.ucd)
        );
        if !c.description.is_empty() {
            out += &format!("<DESCRIPTION>{}</DESCRIPTION>", safe(&c.description));
        }
        out += "</FIELD>\n";
    }
    out += "<DATA>";
    match encoding {
        Encoding::TableData => table_data(table, &mut out),
        Encoding::Binary2 => {
            out += "<BINARY2><STREAM encoding=\"base64\">\n";
            let text = base64::engine::general_purpose::STANDARD.encode(binary_rows(table));
            for line in text.as_bytes().chunks(76) {
                // Base64 is ASCII.
                out += &String::from_utf8_lossy(line);
                out.push('\n');
            }
            out += "</STREAM></BINARY2>";
        }
    }
    out += "</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n";
    out.into_bytes()
}

fn real(v: f64, shortest: String) -> String {
    match v {
        v if v.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        _ => shortest,
    }
}

fn table_data(table: &Table, out: &mut String) {
    *out += "<TABLEDATA>\n";
    for row in 0..table.rows() {
        *out += "<TR>";
        for c in &table.columns {
            let text = match &c.data {
                ColumnData::F64(v) => real(v[row], format!("{:e}", v[row])),
                ColumnData::F32(v) => real(f64::from(v[row]), format!("{:e}", v[row])),
                ColumnData::I64(v) => v[row].to_string(),
                ColumnData::I32(v) => v[row].to_string(),
                ColumnData::Bool(v) => if v[row] { "T" } else { "F" }.into(),
                ColumnData::Str(v) => safe(&v[row]),
            };
            *out += &format!("<TD>{text}</TD>");
        }
        *out += "</TR>\n";
    }
    *out += "</TABLEDATA>";
}

fn binary_rows(table: &Table) -> Vec<u8> {
    let mut out = Vec::new();
    let ascii: Vec<bool> = table
        .columns
        .iter()
        .map(|c| matches!(&c.data, ColumnData::Str(v) if is_ascii(v)))
        .collect();
    for row in 0..table.rows() {
        // Nothing is missing: a NaN is a value.
        out.extend(std::iter::repeat_n(0u8, table.columns.len().div_ceil(8)));
        for (c, ascii) in table.columns.iter().zip(&ascii) {
            match &c.data {
                ColumnData::F64(v) => out.extend(v[row].to_be_bytes()),
                ColumnData::F32(v) => out.extend(v[row].to_be_bytes()),
                ColumnData::I64(v) => out.extend(v[row].to_be_bytes()),
                ColumnData::I32(v) => out.extend(v[row].to_be_bytes()),
                ColumnData::Bool(v) => out.push(if v[row] { b'T' } else { b'F' }),
                ColumnData::Str(v) if *ascii => {
                    out.extend((v[row].len() as u32).to_be_bytes());
                    out.extend(v[row].as_bytes());
                }
                ColumnData::Str(v) => {
                    let units: Vec<u16> = v[row].encode_utf16().collect();
                    out.extend((units.len() as u32).to_be_bytes());
                    out.extend(units.iter().flat_map(|u| u.to_be_bytes()));
                }
            }
        }
    }
    out
}
