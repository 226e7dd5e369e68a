//! Columns that are built cell by cell, from text or from typed values.
//!
//! - missing is null: an empty text, `nan`, `null`, `none`, `n/a`, `na`, `--`, and a NaN (which
//!   FITS 4.0, sec. 4.4.2.4 and VOTable 1.4, sec. 4.7 take for "no value")
//! - texts keep their words: only an empty text is null

use arrow::array::{
    ArrayRef, BooleanBuilder, FixedSizeListArray, Float32Builder, Float64Builder, Int16Builder,
    Int32Builder, Int64Builder, NullArray, StringBuilder,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use std::sync::Arc;

pub(super) enum ColumnBuilder {
    Null(usize),
    Bool(BooleanBuilder),
    I16(Int16Builder),
    I32(Int32Builder),
    I64(Int64Builder),
    F32(Float32Builder),
    F64(Float64Builder),
    Text(StringBuilder),
    /// Arrays of one length: the elements, the length, which rows are there.
    List(Box<ColumnBuilder>, i32, Vec<bool>),
}

/// Whether a text says that there is no value.
pub(super) fn is_missing(text: &str) -> bool {
    match text.len() {
        0 => true,
        1..=4 => {
            ["nan", "null", "none", "n/a", "na", "--"].iter().any(|m| text.eq_ignore_ascii_case(m))
        }
        _ => false,
    }
}

/// true or false in the spellings of CSV files.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("t") => Some(true),
        _ if text.eq_ignore_ascii_case("false") || text.eq_ignore_ascii_case("f") => Some(false),
        _ => None,
    }
}

macro_rules! whole {
    ($builder:expr, $text:expr, $what:literal) => {
        match $text.parse() {
            Ok(v) => $builder.append_value(v),
            Err(_) => return Err(format!(concat!("`{}` is not ", $what), shown($text))),
        }
    };
}

/// The beginning of a text, for messages.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text[..end].escape_debug()),
        None => text.escape_debug().to_string(),
    }
}

impl ColumnBuilder {
    /// For one of the types that readers give; `None` for another.
    pub(super) fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Null => Self::Null(0),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Int16 => Self::I16(Int16Builder::new()),
            DataType::Int32 => Self::I32(Int32Builder::new()),
            DataType::Int64 => Self::I64(Int64Builder::new()),
            DataType::Float32 => Self::F32(Float32Builder::new()),
            DataType::Float64 => Self::F64(Float64Builder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            DataType::FixedSizeList(item, n) => {
                Self::List(Box::new(Self::new(item.data_type())?), *n, Vec::new())
            }
            _ => return None,
        })
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Null(n) => *n += 1,
            Self::Bool(b) => b.append_null(),
            Self::I16(b) => b.append_null(),
            Self::I32(b) => b.append_null(),
            Self::I64(b) => b.append_null(),
            Self::F32(b) => b.append_null(),
            Self::F64(b) => b.append_null(),
            Self::Text(b) => b.append_null(),
            Self::List(items, n, there) => {
                (0..*n).for_each(|_| items.append_null());
                there.push(false);
            }
        }
    }

    /// A cell of a text file.
    pub(super) fn append_text(&mut self, text: &str) -> Result<(), String> {
        if let Self::Text(b) = self {
            if text.is_empty() {
                b.append_null();
            } else {
                b.append_value(text);
            }
            return Ok(());
        }
        let text = text.trim();
        if is_missing(text) {
            self.append_null();
            return Ok(());
        }
        match self {
            Self::Null(_) => return Err(format!("`{}` where no value was", shown(text))),
            Self::Bool(b) => {
                let bit = match text {
                    "1" => Some(true),
                    "0" => Some(false),
                    _ => truth(text),
                };
                let no = || format!("`{}` is neither true nor false", shown(text));
                b.append_value(bit.ok_or_else(no)?);
            }
            Self::I16(b) => whole!(b, text, "a whole number of 16 bits"),
            Self::I32(b) => whole!(b, text, "a whole number of 32 bits"),
            Self::I64(b) => whole!(b, text, "a whole number of 64 bits"),
            Self::F32(b) => whole!(b, text, "a number"),
            Self::F64(b) => whole!(b, text, "a number"),
            Self::Text(_) => {}
            Self::List(items, n, there) => {
                let words: Vec<&str> = text.split_ascii_whitespace().collect();
                if words.len() != *n as usize {
                    return Err(format!("{} values where {n} are expected", words.len()));
                }
                words.iter().try_for_each(|w| items.append_text(w))?;
                there.push(true);
            }
        }
        Ok(())
    }

    /// A whole number; it must fit.
    pub(super) fn append_whole(&mut self, v: i64) -> Result<(), String> {
        let wide = |_| format!("{v} is too great for its type");
        match self {
            Self::I16(b) => b.append_value(i16::try_from(v).map_err(wide)?),
            Self::I32(b) => b.append_value(i32::try_from(v).map_err(wide)?),
            Self::I64(b) => b.append_value(v),
            Self::F32(_) | Self::F64(_) => self.append_real(v as f64),
            Self::Bool(b) => b.append_value(v != 0),
            _ => return Err(format!("{v} does not fit the column")),
        }
        Ok(())
    }

    /// A number; NaN is null.
    pub(super) fn append_real(&mut self, v: f64) {
        match self {
            _ if v.is_nan() => self.append_null(),
            Self::F32(b) => b.append_value(v as f32),
            Self::F64(b) => b.append_value(v),
            _ => self.append_null(),
        }
    }

    pub(super) fn append_bool(&mut self, v: bool) {
        match self {
            Self::Bool(b) => b.append_value(v),
            _ => self.append_null(),
        }
    }

    /// The elements of the next list have been appended.
    pub(super) fn end_list(&mut self) {
        if let Self::List(_, _, there) = self {
            there.push(true);
        }
    }

    /// The builder of a list's elements.
    pub(super) fn items(&mut self) -> &mut Self {
        match self {
            Self::List(items, ..) => items,
            other => other,
        }
    }

    /// The column so far; the builder is empty after it.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Null(n) => Arc::new(NullArray::new(std::mem::take(n))),
            Self::Bool(b) => Arc::new(b.finish()),
            Self::I16(b) => Arc::new(b.finish()),
            Self::I32(b) => Arc::new(b.finish()),
            Self::I64(b) => Arc::new(b.finish()),
            Self::F32(b) => Arc::new(b.finish()),
            Self::F64(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
            Self::List(items, n, there) => {
                let there = std::mem::take(there);
                let rows = there.len();
                let items = items.finish();
                let item = Arc::new(Field::new("item", items.data_type().clone(), true));
                let nulls = Some(NullBuffer::from(there)).filter(|n| n.null_count() > 0);
                let list = FixedSizeListArray::try_new_with_length(item, *n, items, nulls, rows);
                Arc::new(list.expect("a list gets its elements before it is finished"))
            }
        }
    }
}
