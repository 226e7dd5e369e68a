//! Rows of a binary table, some at a time: for tables beyond the memory.
//!
//! [`FitsFile::table_layout`] says where the fields are in a row, [`FitsFile::table_rows`] gives
//! the bytes of a range of rows as they are on disk (big-endian, TSCAL and TZERO not applied).

use crate::error::{FitsError, Result};
use crate::file::FitsFile;
use crate::shape::HduKind;
use elqui_codec::CodecError;
use std::path::Path;

/// One field of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct TableField {
    pub name: String,
    pub unit: String,
    pub ucd: String,
    pub description: String,
    /// Letter of TFORM: `L X B I J K A E D C M P Q`.
    pub code: u8,
    pub repeat: usize,
    /// Bytes from the row's start.
    pub offset: usize,
    pub scale: f64,
    pub zero: f64,
    pub null: Option<i64>,
}

/// Fields and size of a binary table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableLayout {
    pub fields: Vec<TableField>,
    /// Bytes of a row.
    pub row_bytes: usize,
    pub rows: usize,
}

impl FitsFile {
    /// The layout of a binary table, checked against the size of its data and of the file.
    pub fn table_layout(&self, hdu: usize) -> Result<TableLayout> {
        let hdu = self.hdu(hdu)?;
        if hdu.kind != HduKind::BinTable {
            return Err(FitsError::WrongKind {
                file: self.name().into(),
                hdu: hdu.label(),
                is: hdu.kind.describe(),
                wanted: "a binary table",
            });
        }
        self.check_length(hdu)?;
        let (fields, row_bytes, rows) = self.layout_of(hdu)?;
        let fields = fields
            .into_iter()
            .map(|f| TableField {
                name: f.name,
                unit: f.unit,
                ucd: f.ucd,
                description: f.description,
                code: f.code,
                repeat: f.repeat,
                offset: f.offset,
                scale: f.scale,
                zero: f.zero,
                null: f.null,
            })
            .collect();
        Ok(TableLayout { fields, row_bytes, rows })
    }

    /// The bytes of rows `first .. first + count` (of as many as there are).
    pub fn table_rows(&self, hdu: usize, first: usize, count: usize) -> Result<Vec<u8>> {
        let hdu = self.hdu(hdu)?;
        self.check_length(hdu)?;
        let axis = |k: usize| hdu.shape.axes.get(k).copied().unwrap_or(0);
        let (row_bytes, rows) = (axis(0), axis(1));
        let first = (first as u64).min(rows);
        let count = (count as u64).min(rows - first);
        // The layout is within the data, which are within the file.
        let from = hdu.data_start + first.saturating_mul(row_bytes);
        let io = |e| FitsError::from(CodecError::read(Path::new(self.name()), e));
        self.source.copy(from, count.saturating_mul(row_bytes)).map_err(io)
    }
}
