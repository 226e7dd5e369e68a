//! VOTable 1.4, TABLEDATA; a missing value is an empty cell.

use super::cells::Cells;
use super::{Out, RowSink};
use crate::error::one_line;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, SchemaRef};
use std::io::Write;

pub(super) struct VotableSink(Out);

/// Text that XML may hold.
fn escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

fn datatype(data_type: &DataType) -> String {
    let scalar = |t: &DataType| match t {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => "short",
        DataType::UInt16 | DataType::Int32 => "int",
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => "long",
        DataType::Float16 | DataType::Float32 => "float",
        DataType::Float64 => "double",
        _ => "unicodeChar",
    };
    match data_type {
        DataType::FixedSizeList(item, n) => {
            format!("datatype=\"{}\" arraysize=\"{n}\"", scalar(item.data_type()))
        }
        t if scalar(t) == "unicodeChar" => "datatype=\"unicodeChar\" arraysize=\"*\"".into(),
        t => format!("datatype=\"{}\"", scalar(t)),
    }
}

fn field(f: &Field) -> String {
    let mut out = String::from("<FIELD name=\"");
    escaped(f.name(), &mut out);
    out += "\" ";
    out += &datatype(f.data_type());
    for key in ["unit", "ucd"] {
        if let Some(value) = f.metadata().get(key).filter(|v| !v.is_empty()) {
            out += &format!(" {key}=\"");
            escaped(value, &mut out);
            out.push('"');
        }
    }
    out.push('>');
    if let Some(text) = f.metadata().get("description").filter(|v| !v.is_empty()) {
        out += "<DESCRIPTION>";
        escaped(text, &mut out);
        out += "</DESCRIPTION>";
    }
    out += "</FIELD>\n";
    out
}

impl VotableSink {
    pub(super) fn new(mut out: Out, schema: &SchemaRef, name: &str) -> Result<Self, String> {
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<VOTABLE version=\"1.4\" \
             xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\">\n<RESOURCE>\n<TABLE name=\"",
        );
        escaped(name, &mut text);
        text += "\">\n";
        schema.fields().iter().for_each(|f| text += &field(f));
        text += "<DATA><TABLEDATA>\n";
        out.write_all(text.as_bytes()).map_err(one_line)?;
        Ok(Self(out))
    }
}

impl RowSink for VotableSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>, _>>()?;
        let (mut text, mut cell) = (String::new(), String::new());
        for row in 0..batch.num_rows() {
            text.clear();
            text += "<TR>";
            for column in &columns {
                if column.is_null(row) {
                    text += "<TD/>";
                    continue;
                }
                cell.clear();
                column.put(row, &mut cell)?;
                text += "<TD>";
                escaped(&cell, &mut text);
                text += "</TD>";
            }
            text += "</TR>\n";
            self.0.write_all(text.as_bytes()).map_err(one_line)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        let end = b"</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n";
        self.0.write_all(end).and_then(|()| self.0.flush()).map_err(one_line)
    }
}
