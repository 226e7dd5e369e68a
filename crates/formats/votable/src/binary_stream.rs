//! BINARY and BINARY2 as they arrive: base64 text to bytes to rows.

use crate::binary::{element, text};
use crate::field::{Kind, Size, Value};
use crate::stream::{Cell, PIECE_MAX, VotableField};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::BufRead;

pub(crate) enum Step {
    Row,
    End,
    /// More bytes are wanted.
    More,
    /// A field and what is wrong with it.
    Bad(usize, String),
}

/// Bytes that have arrived and are no row yet.
pub(crate) struct BinaryRows {
    with_nulls: bool,
    bytes: Vec<u8>,
    at: usize,
    /// Base64 letters that are no group of four yet.
    letters: Vec<u8>,
    ended: bool,
}

/// Why a row cannot be read.
enum Fault {
    Short,
    Bad(usize, String),
}

impl BinaryRows {
    pub(crate) fn new(with_nulls: bool) -> Self {
        Self { with_nulls, bytes: Vec::new(), at: 0, letters: Vec::new(), ended: false }
    }

    /// Take the next piece of the stream's text.
    pub(crate) fn feed(&mut self, input: &mut impl BufRead) -> Result<(), String> {
        self.bytes.drain(..self.at);
        self.at = 0;
        // A row that grows beyond one piece wants many: twice as many each time.
        let wanted = (2 * self.bytes.len()).max(1 << 18);
        while !self.ended && self.bytes.len() < wanted {
            let piece = input.fill_buf().map_err(|e| e.to_string())?;
            if piece.is_empty() {
                return Err("the file ends within its rows (is it cut off?)".into());
            }
            let end = piece.iter().position(|b| *b == b'<');
            let n = end.unwrap_or(piece.len());
            self.letters.extend(piece[..n].iter().filter(|b| !b.is_ascii_whitespace()));
            self.ended = end.is_some();
            input.consume(n);
            let whole = if self.ended { self.letters.len() } else { self.letters.len() / 4 * 4 };
            STANDARD
                .decode_vec(&self.letters[..whole], &mut self.bytes)
                .map_err(|e| format!("the base64 data are damaged: {e}"))?;
            self.letters.drain(..whole);
        }
        Ok(())
    }

    pub(crate) fn step(&mut self, fields: &[VotableField], row: &mut Vec<Cell>) -> Step {
        if self.at == self.bytes.len() || fields.is_empty() {
            return if self.ended { Step::End } else { Step::More };
        }
        row.clear();
        let mut left = Left(&self.bytes[self.at..]);
        match read_row(&mut left, fields, self.with_nulls, row) {
            Ok(()) if left.0.len() == self.bytes.len() - self.at => {
                Step::Bad(0, "the fields have no bytes".into())
            }
            Ok(()) => {
                self.at = self.bytes.len() - left.0.len();
                Step::Row
            }
            Err(Fault::Short) if self.ended => Step::Bad(row.len(), "the data end early".into()),
            Err(Fault::Short) if (self.bytes.len() - self.at) as u64 > PIECE_MAX => {
                Step::Bad(row.len(), "the row is longer than 64 MiB".into())
            }
            Err(Fault::Short) => Step::More,
            Err(Fault::Bad(k, reason)) => Step::Bad(k, reason),
        }
    }
}

struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Fault::Short)?;
        self.0 = tail;
        Ok(head)
    }
}

fn read_row(
    left: &mut Left,
    fields: &[VotableField],
    with_nulls: bool,
    row: &mut Vec<Cell>,
) -> Result<(), Fault> {
    let nulls = if with_nulls { left.take(fields.len().div_ceil(8))? } else { &[] };
    for (k, field) in fields.iter().enumerate() {
        let missing = nulls.get(k / 8).is_some_and(|b| b & (0x80 >> (k % 8)) != 0);
        let value = cell(left, field, k)?;
        row.push(if missing { Cell::Missing } else { value });
    }
    Ok(())
}

fn cell(left: &mut Left, field: &VotableField, k: usize) -> Result<Cell, Fault> {
    let n = match field.size {
        Size::One => 1,
        Size::Fixed(n) => n,
        Size::Variable => {
            let mut length = [0; 4];
            length.copy_from_slice(left.take(4)?);
            u32::from_be_bytes(length) as usize
        }
    };
    let absurd = || Fault::Bad(k, "a length is absurd".into());
    let length = n.checked_mul(field.kind.bytes()).ok_or_else(absurd)?;
    if length as u64 > PIECE_MAX {
        return Err(absurd());
    }
    let bytes = left.take(length)?;
    if field.kind.is_text() {
        let text = text(bytes, field.kind);
        return Ok(if text.is_empty() { Cell::Missing } else { Cell::Text(text) });
    }
    let part: Kind = field.kind.component();
    let one = |piece: &[u8]| match element(piece, part) {
        Ok(Value::Whole(v)) if field.null == Some(v) => Ok(Cell::Missing),
        Ok(Value::Whole(v)) => Ok(Cell::Whole(v)),
        Ok(Value::Real(v)) => Ok(Cell::Real(v)),
        Ok(Value::Bool(v)) => Ok(Cell::Bool(v)),
        Ok(Value::Missing) => Ok(Cell::Missing),
        Ok(Value::Text(v)) => Ok(Cell::Text(v)),
        Err(reason) => Err(Fault::Bad(k, reason)),
    };
    if !field.is_array() {
        return one(bytes);
    }
    bytes.chunks_exact(part.bytes()).map(one).collect::<Result<Vec<_>, _>>().map(Cell::List)
}
