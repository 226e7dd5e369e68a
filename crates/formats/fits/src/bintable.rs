//! Binary tables: columns of a fixed width, and arrays of variable length from the heap.
//!
//! - source: FITS Standard 4.0, sec. 7.3
//! - TSCAL/TZERO are applied; TNULL is NaN in columns that become floats and 0 in integer columns
//! - a fixed vector of n elements becomes columns `name_0 ...`; longer ones than
//!   [`VECTOR_MAX`] are left to [`FitsFile::read_vectors`]
//! - differs from the standard: a field without TTYPE is called `col3` (from 1)

use crate::error::{FitsError, Result};
use crate::file::{FitsFile, Hdu};
use crate::shape::{HduKind, integer};
use elqui_image::Header;
use elqui_schema::{Column, ColumnData, Table};

/// Longest vector that [`FitsFile::read_table`] spreads over columns.
pub const VECTOR_MAX: usize = 64;

/// One field of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) ucd: String,
    pub(crate) description: String,
    /// Letter of TFORM.
    pub(crate) code: u8,
    pub(crate) repeat: usize,
    /// Letter of the elements of a variable-length array.
    element: u8,
    pub(crate) offset: usize,
    pub(crate) scale: f64,
    pub(crate) zero: f64,
    pub(crate) null: Option<i64>,
}

/// Bytes of one element.
fn width(code: u8) -> Option<usize> {
    Some(match code {
        b'L' | b'B' | b'A' | b'X' => 1,
        b'I' => 2,
        b'J' | b'E' => 4,
        b'K' | b'D' | b'C' | b'P' => 8,
        b'M' | b'Q' => 16,
        _ => return None,
    })
}

impl Field {
    pub(crate) fn bytes(&self) -> usize {
        match self.code {
            b'X' => self.repeat.div_ceil(8),
            code => self.repeat.saturating_mul(width(code).unwrap_or(0)),
        }
    }

    fn scaled(&self) -> bool {
        self.scale != 1.0 || self.zero != 0.0
    }
}

fn parse_form(form: &str) -> Option<(usize, u8, u8)> {
    let form = form.trim();
    let digits = form.len() - form.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let repeat = if digits == 0 { 1 } else { form[..digits].parse().ok()? };
    let mut rest = form[digits..].bytes();
    let code = rest.next()?.to_ascii_uppercase();
    width(code)?;
    let element = rest.next().unwrap_or(b' ').to_ascii_uppercase();
    if matches!(code, b'P' | b'Q') && (repeat > 1 || width(element).is_none()) {
        return None;
    }
    Some((repeat, code, element))
}

fn fields(header: &Header) -> std::result::Result<Vec<Field>, String> {
    let n = integer(header, "TFIELDS").unwrap_or(0);
    if !(0..=9999).contains(&n) {
        return Err(format!("TFIELDS = {n} is not between 0 and 9999"));
    }
    let mut offset = 0usize;
    let mut out = Vec::new();
    for k in 1..=n {
        let text = |key: &str| header.text(&format!("{key}{k}")).unwrap_or_default();
        let form = text("TFORM");
        let (repeat, code, element) =
            parse_form(&form).ok_or_else(|| format!("TFORM{k} = `{form}` is not understood"))?;
        let name = text("TTYPE");
        let finite = |key: &str, default: f64| {
            header.number(&format!("{key}{k}")).filter(|v| v.is_finite()).unwrap_or(default)
        };
        let field = Field {
            name: if name.is_empty() { format!("col{k}") } else { name },
            unit: text("TUNIT"),
            ucd: text("TUCD"),
            description: text("TCOMM"),
            code,
            repeat,
            element,
            offset,
            scale: finite("TSCAL", 1.0),
            zero: finite("TZERO", 0.0),
            null: integer(header, &format!("TNULL{k}")),
        };
        offset = offset
            .checked_add(field.bytes())
            .ok_or_else(|| format!("TFORM{k} = `{form}` is too large"))?;
        out.push(field);
    }
    Ok(out)
}

/// Elements of a field, one kind each.
fn integers(code: u8, bytes: &[u8]) -> Vec<i64> {
    match code {
        b'B' => bytes.iter().map(|b| i64::from(*b)).collect(),
        b'I' => bytes.as_chunks().0.iter().map(|b| i64::from(i16::from_be_bytes(*b))).collect(),
        b'J' => bytes.as_chunks().0.iter().map(|b| i64::from(i32::from_be_bytes(*b))).collect(),
        _ => bytes.as_chunks().0.iter().map(|b| i64::from_be_bytes(*b)).collect(),
    }
}

fn numbers(field: &Field, code: u8, bytes: &[u8]) -> Vec<f64> {
    let scale = |v: f64| if field.scaled() { v * field.scale + field.zero } else { v };
    match code {
        b'E' | b'C' => {
            bytes.as_chunks().0.iter().map(|b| scale(f64::from(f32::from_be_bytes(*b)))).collect()
        }
        b'D' | b'M' => bytes.as_chunks().0.iter().map(|b| scale(f64::from_be_bytes(*b))).collect(),
        b'L' => bytes.iter().map(|b| f64::from(u8::from(*b == b'T'))).collect(),
        b'X' => bytes.iter().map(|b| f64::from(*b)).collect(),
        _ => integers(code, bytes)
            .into_iter()
            .map(|v| if field.null == Some(v) { f64::NAN } else { scale(v as f64) })
            .collect(),
    }
}

fn string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().to_string()
}

/// The column of element `element` of a field, in every row.
fn column_data(field: &Field, element: usize, rows: &[&[u8]]) -> ColumnData {
    let size = width(field.code).unwrap_or(1);
    let at = field.offset + element * size;
    let cells = || rows.iter().map(|r| &r[at..at + size]);
    let number = |cell: &[u8]| numbers(field, field.code, cell)[0];
    let int = |cell: &[u8]| {
        let v = integers(field.code, cell)[0];
        if field.null == Some(v) { 0 } else { v.saturating_add(field.zero as i64) }
    };
    match field.code {
        b'A' => ColumnData::Str(
            rows.iter().map(|r| string(&r[field.offset..field.offset + field.repeat])).collect(),
        ),
        b'L' => ColumnData::Bool(cells().map(|c| c[0] == b'T').collect()),
        b'X' => {
            let (byte, bit) = (field.offset + element / 8, 7 - element % 8);
            ColumnData::Bool(rows.iter().map(|r| r[byte] >> bit & 1 == 1).collect())
        }
        b'E' | b'C' if !field.scaled() => {
            ColumnData::F32(cells().map(|c| f32::from_be_bytes([c[0], c[1], c[2], c[3]])).collect())
        }
        b'E' | b'C' | b'D' | b'M' => ColumnData::F64(cells().map(number).collect()),
        // 2^63 marks unsigned 64-bit integers: flip the sign bit, keep the 64 bits.
        b'K' if field.scale == 1.0 && field.zero == 9_223_372_036_854_775_808.0 => {
            ColumnData::I64(cells().map(|c| integers(b'K', c)[0] ^ i64::MIN).collect())
        }
        _ if field.scale != 1.0 || field.zero.fract() != 0.0 || field.zero.abs() > 9e15 => {
            ColumnData::F64(cells().map(number).collect())
        }
        b'K' => ColumnData::I64(cells().map(int).collect()),
        b'J' if field.zero != 0.0 => ColumnData::I64(cells().map(int).collect()),
        _ => ColumnData::I32(cells().map(|c| int(c) as i32).collect()),
    }
}

impl FitsFile {
    /// A binary or ASCII table. Columns of variable-length arrays and of long vectors are left out
    /// (see [`Self::read_vectors`]); their names are in the metadata under `skipped`.
    pub fn read_table(&self, hdu: usize) -> Result<Table> {
        let hdu = self.hdu(hdu)?;
        match hdu.kind {
            HduKind::AsciiTable => self.read_ascii_table(hdu),
            HduKind::BinTable => self.read_binary_table(hdu),
            kind => Err(FitsError::WrongKind {
                file: self.name().into(),
                hdu: hdu.label(),
                is: kind.describe(),
                wanted: "a table",
            }),
        }
    }

    fn read_binary_table(&self, hdu: &Hdu) -> Result<Table> {
        let (fields, data, row_len, row_count) = self.rows_of(hdu)?;
        let rows = split_rows(&data, row_len, row_count);
        let mut table = Table::new(hdu.name.clone());
        let mut skipped = Vec::new();
        for field in &fields {
            let count =
                if field.code == b'A' { usize::from(field.repeat > 0) } else { field.repeat };
            if matches!(field.code, b'P' | b'Q' | b'C' | b'M') || count > VECTOR_MAX || count == 0 {
                skipped.push(field.name.clone());
                continue;
            }
            for element in 0..count {
                let base = if count == 1 {
                    field.name.clone()
                } else {
                    format!("{}_{element}", field.name)
                };
                let column = Column {
                    name: unique(&table, base),
                    unit: field.unit.clone(),
                    ucd: field.ucd.clone(),
                    description: field.description.clone(),
                    data: column_data(field, element, &rows),
                };
                table.columns.push(column);
            }
        }
        if !skipped.is_empty() {
            table.metadata.push(("skipped".into(), skipped.join(", ")));
        }
        Ok(table)
    }

    /// A column's numbers row by row: fixed vectors and variable-length arrays of any length.
    pub fn read_vectors(&self, hdu: usize, column: &str) -> Result<Vec<Vec<f64>>> {
        let hdu = self.hdu(hdu)?;
        let damaged =
            |why: String| FitsError::Damaged { file: self.name().into(), hdu: hdu.label(), why };
        if hdu.kind != HduKind::BinTable {
            return Err(FitsError::WrongKind {
                file: self.name().into(),
                hdu: hdu.label(),
                is: hdu.kind.describe(),
                wanted: "a binary table",
            });
        }
        let (fields, data, row_len, row_count) = self.rows_of(hdu)?;
        let field = fields
            .iter()
            .find(|f| f.name == column)
            .or_else(|| fields.iter().find(|f| f.name.eq_ignore_ascii_case(column)))
            .ok_or_else(|| damaged(format!("it has no column `{column}`")))?;
        let heap = integer(&hdu.header, "THEAP")
            .and_then(|v| usize::try_from(v).ok())
            .unwrap_or(row_len * row_count);
        let mut out = Vec::with_capacity(row_count);
        for row in split_rows(&data, row_len, row_count) {
            let cell = &row[field.offset..field.offset + field.bytes()];
            if !matches!(field.code, b'P' | b'Q') {
                out.push(numbers(field, field.code, cell));
                continue;
            }
            let half = cell.len() / 2;
            let word = |b: &[u8]| b.iter().fold(0u64, |a, v| a << 8 | u64::from(*v));
            let (count, at) = (word(&cell[..half]), word(&cell[half..]));
            let size = width(field.element).unwrap_or(1) as u64;
            let part = count.checked_mul(size).and_then(|bytes| {
                let from = at.checked_add(heap as u64)?;
                data.get(
                    usize::try_from(from).ok()?..usize::try_from(from.checked_add(bytes)?).ok()?,
                )
            });
            let part = part.ok_or_else(|| {
                damaged(format!("an array of column `{column}` is out of bounds"))
            })?;
            out.push(numbers(field, field.element, part));
        }
        Ok(out)
    }

    /// Fields, data, and the length and number of the rows, all checked against one another.
    fn rows_of(&self, hdu: &Hdu) -> Result<(Vec<Field>, Vec<u8>, usize, usize)> {
        let (fields, row_len, row_count) = self.layout_of(hdu)?;
        Ok((fields, self.data(hdu)?, row_len, row_count))
    }

    /// Fields, and the length and number of the rows, checked against one another.
    pub(crate) fn layout_of(&self, hdu: &Hdu) -> Result<(Vec<Field>, usize, usize)> {
        let bad =
            |why: String| FitsError::Header { file: self.name().into(), hdu: hdu.label(), why };
        let fields = fields(&hdu.header).map_err(bad)?;
        let axis = |k: usize| hdu.shape.axes.get(k).copied().unwrap_or(0) as usize;
        let (row_len, row_count) = (axis(0), axis(1));
        let used = fields.last().map_or(0, |f| f.offset + f.bytes());
        if used > row_len {
            return Err(bad(format!("its columns need {used} bytes a row, NAXIS1 has {row_len}")));
        }
        if row_len == 0 && row_count > 0 {
            return Err(bad(format!("{row_count} rows of no bytes")));
        }
        if row_len.checked_mul(row_count).is_none_or(|n| n as u64 > hdu.shape.data_len) {
            return Err(bad("its rows are longer than its data".into()));
        }
        Ok((fields, row_len, row_count))
    }
}

fn split_rows(data: &[u8], row_len: usize, row_count: usize) -> Vec<&[u8]> {
    data.chunks_exact(row_len.max(1)).take(row_count).collect()
}

/// Two fields of one name: the later one gets its number.
pub(crate) fn unique(table: &Table, name: String) -> String {
    let mut candidate = name.clone();
    let mut k = 2;
    while table.column(&candidate).is_some() {
        candidate = format!("{name}_{k}");
        k += 1;
    }
    candidate
}
