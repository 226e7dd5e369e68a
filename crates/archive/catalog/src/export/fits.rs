//! A FITS binary table.
//!
//! - source: FITS Standard 4.0, sec. 7.3
//! - missing: NaN, the least whole number as TNULL, a logical 0, an empty text
//! - types that FITS lacks (times, decimals) become their text

use super::cells::Cells;
use super::{Out, RowSink};
use crate::error::one_line;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, Schema, SchemaRef,
};
use std::io::Write;
use std::sync::Arc;

const BLOCK: usize = 2880;
const CARD: usize = 80;

struct Column {
    field: Arc<Field>,
    /// The type that is written; `None` for text.
    stored: Option<DataType>,
    letter: u8,
    /// Elements, or bytes of a text.
    repeat: usize,
    nulls: bool,
}

/// Rows and widths, counted before the header is written.
pub(super) struct Shape {
    columns: Vec<Column>,
    rows: u64,
}

fn stored(t: &DataType) -> Option<(DataType, u8)> {
    Some(match t {
        DataType::Boolean => (DataType::Boolean, b'L'),
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => (DataType::Int16, b'I'),
        DataType::UInt16 | DataType::Int32 => (DataType::Int32, b'J'),
        DataType::UInt32 | DataType::Int64 => (DataType::Int64, b'K'),
        DataType::Float16 | DataType::Float32 => (DataType::Float32, b'E'),
        DataType::Float64 => (DataType::Float64, b'D'),
        _ => return None,
    })
}

fn width(letter: u8) -> usize {
    match letter {
        b'I' => 2,
        b'J' | b'E' => 4,
        b'K' | b'D' => 8,
        _ => 1,
    }
}

impl Shape {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, String> {
        let columns = schema.fields().iter().map(|f| {
            let (kind, repeat) = match f.data_type() {
                DataType::FixedSizeList(item, n) => (stored(item.data_type()), *n as usize),
                other => (stored(other), 1),
            };
            let (stored, letter) = kind.unzip();
            let repeat = if stored.is_some() { repeat } else { 1 };
            let letter = letter.unwrap_or(b'A');
            Column { field: f.clone(), stored, letter, repeat, nulls: false }
        });
        Ok(Self { columns: columns.collect(), rows: 0 })
    }

    /// The columns that must be counted: texts, and whole numbers that may be missing; the first
    /// one at least, for the number of rows.
    pub(super) fn asked(&self, schema: &SchemaRef) -> SchemaRef {
        let counted = |c: &&Column| {
            c.letter == b'A' || (matches!(c.letter, b'I' | b'J' | b'K') && c.field.is_nullable())
        };
        let fields: Vec<Arc<Field>> =
            self.columns.iter().filter(counted).map(|c| c.field.clone()).collect();
        if fields.is_empty() {
            return Arc::new(Schema::new(
                schema.fields().iter().take(1).cloned().collect::<Vec<_>>(),
            ));
        }
        Arc::new(Schema::new(fields))
    }

    pub(super) fn count(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for column in &mut self.columns {
            let Some(array) = batch.column_by_name(column.field.name()) else { continue };
            column.nulls |= array.null_count() > 0 || column.repeat > 1;
            if column.letter != b'A' {
                continue;
            }
            let Ok(cells) = Cells::new(array) else { continue };
            let mut text = String::new();
            for row in 0..array.len() {
                text.clear();
                if cells.put(row, &mut text).is_ok() {
                    column.repeat = column.repeat.max(text.len());
                }
            }
        }
    }
}

fn card(out: &mut Vec<u8>, text: &str) {
    let ascii = |c: char| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' };
    let mut line: String = text.chars().map(ascii).take(CARD).collect();
    line += &" ".repeat(CARD - line.len());
    out.extend(line.as_bytes());
}

fn text_card(out: &mut Vec<u8>, key: &str, value: &str) {
    // A card holds 68 characters between the quotes; a doubled quote is not cut in two.
    let mut quoted = String::new();
    for c in value.chars() {
        let n = if c == '\'' { 2 } else { 1 };
        if quoted.chars().count() + n > 67 {
            break;
        }
        (0..n).for_each(|_| quoted.push(c));
    }
    card(out, &format!("{key:<8}= '{quoted:<8}'"));
}

fn pad(out: &mut Vec<u8>, with: u8) {
    out.resize(out.len().div_ceil(BLOCK) * BLOCK, with);
}

fn header(shape: &Shape, row_bytes: usize, name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |out: &mut Vec<u8>, key: &str, v: &dyn std::fmt::Display| {
        card(out, &format!("{key:<8}= {:>20}", v.to_string()));
    };
    number(&mut out, "SIMPLE", &"T");
    number(&mut out, "BITPIX", &8);
    number(&mut out, "NAXIS", &0);
    number(&mut out, "EXTEND", &"T");
    card(&mut out, "END");
    pad(&mut out, b' ');
    card(&mut out, "XTENSION= 'BINTABLE'");
    number(&mut out, "BITPIX", &8);
    number(&mut out, "NAXIS", &2);
    number(&mut out, "NAXIS1", &row_bytes);
    number(&mut out, "NAXIS2", &shape.rows);
    number(&mut out, "PCOUNT", &0);
    number(&mut out, "GCOUNT", &1);
    number(&mut out, "TFIELDS", &shape.columns.len());
    text_card(&mut out, "EXTNAME", name);
    for (k, column) in (1..).zip(&shape.columns) {
        text_card(&mut out, &format!("TTYPE{k}"), column.field.name());
        let form = format!("{}{}", column.repeat, char::from(column.letter));
        text_card(&mut out, &format!("TFORM{k}"), &form);
        for (key, fact) in [("TUNIT", "unit"), ("TUCD", "ucd"), ("TCOMM", "description")] {
            if let Some(v) = column.field.metadata().get(fact).filter(|v| !v.is_empty()) {
                text_card(&mut out, &format!("{key}{k}"), v);
            }
        }
        let null = match column.letter {
            b'I' => i64::from(i16::MIN),
            b'J' => i64::from(i32::MIN),
            _ => i64::MIN,
        };
        if column.nulls && matches!(column.letter, b'I' | b'J' | b'K') {
            number(&mut out, &format!("TNULL{k}"), &null);
        }
    }
    card(&mut out, "END");
    pad(&mut out, b' ');
    out
}

pub(super) struct FitsSink {
    out: Out,
    shape: Shape,
    row_bytes: usize,
    written: u64,
}

impl FitsSink {
    pub(super) fn new(mut out: Out, shape: Shape, name: &str) -> Result<Self, String> {
        if shape.columns.len() > 999 {
            return Err("a FITS table has at most 999 columns; choose some".into());
        }
        let row_bytes = shape.columns.iter().map(|c| c.repeat * width(c.letter)).sum();
        out.write_all(&header(&shape, row_bytes, name)).map_err(one_line)?;
        Ok(Self { out, shape, row_bytes, written: 0 })
    }
}

impl RowSink for FitsSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let rows = batch.num_rows();
        let mut bytes = vec![0u8; rows * self.row_bytes];
        let mut offset = 0;
        for (column, array) in self.shape.columns.iter().zip(batch.columns()) {
            fill(column, array, &mut bytes, self.row_bytes, offset)?;
            offset += column.repeat * width(column.letter);
        }
        self.written += rows as u64;
        self.out.write_all(&bytes).map_err(one_line)
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        if self.written != self.shape.rows {
            return Err("the catalogue changed while it was exported; export it again".into());
        }
        let length = self.written as usize * self.row_bytes;
        let padding = vec![0u8; length.div_ceil(BLOCK) * BLOCK - length];
        self.out.write_all(&padding).and_then(|()| self.out.flush()).map_err(one_line)
    }
}

fn fill(
    column: &Column,
    array: &ArrayRef,
    bytes: &mut [u8],
    row_bytes: usize,
    offset: usize,
) -> Result<(), String> {
    let size = width(column.letter);
    let Some(stored) = &column.stored else {
        let cells = Cells::new(array)?;
        let mut text = String::new();
        for (row, line) in bytes.chunks_exact_mut(row_bytes).enumerate() {
            text.clear();
            cells.put(row, &mut text)?;
            if text.len() > column.repeat {
                return Err("the catalogue changed while it was exported; export it again".into());
            }
            line[offset..offset + text.len()].copy_from_slice(text.as_bytes());
        }
        return Ok(());
    };
    let lists = matches!(array.data_type(), DataType::FixedSizeList(..));
    let values = match lists {
        true => cast(array.as_fixed_size_list().values(), stored),
        false => cast(array, stored),
    }
    .map_err(one_line)?;
    // A list array that was cut from another begins within its values.
    let first = if lists { array.as_fixed_size_list().value_offset(0) as usize } else { 0 };
    for (row, line) in bytes.chunks_exact_mut(row_bytes).enumerate() {
        for k in 0..column.repeat {
            let at = offset + k * size;
            let place = first + row * column.repeat + k;
            // A list that is missing is a list of missing values.
            put(&values, place, array.is_null(row), column.letter, &mut line[at..at + size]);
        }
    }
    Ok(())
}

fn put(values: &ArrayRef, k: usize, gone: bool, letter: u8, cell: &mut [u8]) {
    let null = gone || values.is_null(k);
    match letter {
        b'L' if null => cell[0] = 0,
        b'L' => cell[0] = if values.as_boolean().value(k) { b'T' } else { b'F' },
        b'I' => {
            let v = if null { i16::MIN } else { values.as_primitive::<Int16Type>().value(k) };
            cell.copy_from_slice(&v.to_be_bytes());
        }
        b'J' => {
            let v = if null { i32::MIN } else { values.as_primitive::<Int32Type>().value(k) };
            cell.copy_from_slice(&v.to_be_bytes());
        }
        b'K' => {
            let v = if null { i64::MIN } else { values.as_primitive::<Int64Type>().value(k) };
            cell.copy_from_slice(&v.to_be_bytes());
        }
        b'E' => {
            let v = if null { f32::NAN } else { values.as_primitive::<Float32Type>().value(k) };
            cell.copy_from_slice(&v.to_be_bytes());
        }
        _ => {
            let v = if null { f64::NAN } else { values.as_primitive::<Float64Type>().value(k) };
            cell.copy_from_slice(&v.to_be_bytes());
        }
    }
}
