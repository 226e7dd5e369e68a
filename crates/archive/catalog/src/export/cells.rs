//! Cells of a batch as text.
//!
//! - the shortest digits that read back to the same bits; a missing value is empty

use crate::error::one_line;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Prints the cells of a column.
pub(super) struct Cells<'a> {
    array: &'a ArrayRef,
    plain: Option<ArrayFormatter<'a>>,
}

const OPTIONS: FormatOptions<'static> = FormatOptions::new();

impl<'a> Cells<'a> {
    pub(super) fn new(array: &'a ArrayRef) -> Result<Self, String> {
        let own = matches!(
            array.data_type(),
            DataType::Float32 | DataType::Float64 | DataType::FixedSizeList(..)
        );
        let plain = if own {
            None
        } else {
            Some(ArrayFormatter::try_new(array.as_ref(), &OPTIONS).map_err(one_line)?)
        };
        Ok(Self { array, plain })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    /// Append a cell's text.
    pub(super) fn put(&self, row: usize, out: &mut String) -> Result<(), String> {
        use std::fmt::Write as _;
        if self.array.is_null(row) {
            return Ok(());
        }
        match self.array.data_type() {
            DataType::Float64 => {
                let v = self.array.as_primitive::<Float64Type>().value(row);
                real(v, out, |out| out.push_str(&format!("{v:?}")));
            }
            DataType::Float32 => {
                let v = self.array.as_primitive::<Float32Type>().value(row);
                real(v.into(), out, |out| out.push_str(&format!("{v:?}")));
            }
            DataType::FixedSizeList(..) => {
                let items = self.array.as_fixed_size_list().value(row);
                let cells = Cells::new(&items)?;
                for k in 0..items.len() {
                    if k > 0 {
                        out.push(' ');
                    }
                    if items.is_null(k) {
                        out.push_str("NaN");
                    }
                    cells.put(k, out)?;
                }
            }
            _ => {
                if let Some(plain) = &self.plain {
                    write!(out, "{}", plain.value(row)).map_err(one_line)?;
                }
            }
        }
        Ok(())
    }
}

fn real(v: f64, out: &mut String, write: impl FnOnce(&mut String)) {
    match v {
        v if v.is_nan() => out.push_str("NaN"),
        f64::INFINITY => out.push_str("+Inf"),
        f64::NEG_INFINITY => out.push_str("-Inf"),
        _ => write(out),
    }
}
