//! Tables as binary table extensions.

use crate::error::{FitsError, Result};
use crate::write::{Writer, is_structural};
use elqui_image::{Header, Value};
use elqui_schema::{ColumnData, Table};
use std::path::Path;

/// TFORM and the bytes of a cell.
fn form(data: &ColumnData) -> (String, usize) {
    match data {
        ColumnData::F64(_) => ("1D".into(), 8),
        ColumnData::F32(_) => ("1E".into(), 4),
        ColumnData::I64(_) => ("1K".into(), 8),
        ColumnData::I32(_) => ("1J".into(), 4),
        ColumnData::Bool(_) => ("1L".into(), 1),
        ColumnData::Str(v) => {
            let longest = v.iter().map(String::len).max().unwrap_or(0).max(1);
            (format!("{longest}A"), longest)
        }
    }
}

fn fill(data: &ColumnData, rows: &mut [u8], row_len: usize, offset: usize) {
    fn put<const N: usize, T>(
        values: &[T],
        rows: &mut [u8],
        (row_len, offset): (usize, usize),
        f: impl Fn(&T) -> [u8; N],
    ) {
        for (row, v) in rows.chunks_exact_mut(row_len).zip(values) {
            row[offset..offset + N].copy_from_slice(&f(v));
        }
    }
    let place = (row_len, offset);
    match data {
        ColumnData::F64(v) => put(v, rows, place, |x| x.to_be_bytes()),
        ColumnData::F32(v) => put(v, rows, place, |x| x.to_be_bytes()),
        ColumnData::I64(v) => put(v, rows, place, |x| x.to_be_bytes()),
        ColumnData::I32(v) => put(v, rows, place, |x| x.to_be_bytes()),
        ColumnData::Bool(v) => put(v, rows, place, |x| [if *x { b'T' } else { b'F' }]),
        ColumnData::Str(v) => {
            for (row, s) in rows.chunks_exact_mut(row_len).zip(v) {
                row[offset..offset + s.len()].copy_from_slice(s.as_bytes());
            }
        }
    }
}

impl Writer {
    /// A table as a binary table extension named after it; the metadata become cards.
    pub fn table(&mut self, table: &Table, header: &Header) -> Result<()> {
        let rows = table.rows();
        if let Some(column) = table.columns.iter().find(|c| c.data.len() != rows) {
            return Err(FitsError::CannotWrite {
                what: format!("table {}", table.name),
                why: format!("column `{}` has {} rows, not {rows}", column.name, column.data.len()),
            });
        }
        self.ensure_primary();
        let forms: Vec<_> = table.columns.iter().map(|c| form(&c.data)).collect();
        let row_len: usize = forms.iter().map(|f| f.1).sum();
        let mut cards = Header::default();
        cards.set("XTENSION", Value::Str("BINTABLE".into()), "binary table extension");
        for (key, value) in [
            ("BITPIX", 8),
            ("NAXIS", 2),
            ("NAXIS1", row_len as i64),
            ("NAXIS2", rows as i64),
            ("PCOUNT", 0),
            ("GCOUNT", 1),
            ("TFIELDS", table.columns.len() as i64),
        ] {
            cards.set(key, Value::Int(value), "");
        }
        if !table.name.is_empty() {
            cards.set("EXTNAME", Value::Str(table.name.clone()), "");
        }
        for (k, (column, (form, _))) in table.columns.iter().zip(&forms).enumerate() {
            let k = k + 1;
            cards.set(&format!("TTYPE{k}"), Value::Str(column.name.clone()), "");
            cards.set(&format!("TFORM{k}"), Value::Str(form.clone()), "");
            for (key, text) in
                [("TUNIT", &column.unit), ("TUCD", &column.ucd), ("TCOMM", &column.description)]
            {
                if !text.is_empty() {
                    cards.set(&format!("{key}{k}"), Value::Str(text.clone()), "");
                }
            }
        }
        let known: Vec<String> = cards.cards.iter().map(|c| c.key.clone()).collect();
        cards.cards.extend(
            header
                .cards
                .iter()
                .filter(|c| !is_structural(&c.key) && !known.contains(&c.key))
                .cloned(),
        );
        for (key, text) in &table.metadata {
            let key = key.to_ascii_uppercase();
            if !is_structural(&key) && key != "EXTNAME" {
                cards.set(&key, Value::Str(text.clone()), "");
            }
        }
        self.push_hdu(cards, row_len * rows, 0, |out| {
            let at = out.len();
            out.resize(at + row_len * rows, 0);
            let mut offset = 0;
            for (column, (_, width)) in table.columns.iter().zip(&forms) {
                fill(&column.data, &mut out[at..], row_len.max(1), offset);
                offset += width;
            }
        });
        Ok(())
    }
}

/// One table as a file.
pub fn write_table(path: &Path, table: &Table) -> Result<()> {
    let mut writer = Writer::new();
    writer.table(table, &Header::default())?;
    writer.save(path)
}
