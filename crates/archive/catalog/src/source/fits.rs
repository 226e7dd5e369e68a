//! FITS binary tables as a source of rows; gzip'd or not.
//!
//! - source: FITS Standard 4.0, sec. 7.3
//! - types: L and X boolean, B and I 16 bits, J 32, K 64, E and D floats, A text; TSCAL and TZERO
//!   are applied (unsigned numbers become the next wider signed type, unsigned 64 bits must fit
//!   63); a vector becomes a list of fixed length
//! - missing: TNULL, a NaN, a logical that is neither T nor F, an empty text
//! - refused, naming the column: complex numbers and arrays of variable length
//! - memory: some megabytes; a gzip'd file is unpacked into a temporary file first
//! - parts: blocks of rows

use super::builder::ColumnBuilder;
use super::open::{damaged, file_is_gzip, unpacked};
use super::{Batches, RowSource};
use crate::error::{CatalogError, one_line};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use elqui_fits::{Extension, FitsError, FitsFile, TableField, TableLayout};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// Bytes of a part and of a batch; both are whole rows.
const PART_BYTES: usize = 64 << 20;
const BATCH_BYTES: usize = 2 << 20;

pub struct FitsSource {
    shared: Arc<Shared>,
    schema: SchemaRef,
    /// Fields of the table behind the columns.
    fields: Vec<TableField>,
    rows_a_part: usize,
}

struct Shared {
    path: PathBuf,
    file: FitsFile,
    hdu: usize,
    layout: TableLayout,
    /// Goes with the source.
    _unpacked: Option<NamedTempFile>,
}

fn input(path: &Path, error: FitsError) -> CatalogError {
    // The library's line names the file already.
    let text = one_line(error);
    let reason = text.strip_prefix(&format!("`{}`", path.display())).unwrap_or(&text);
    CatalogError::Input {
        path: path.display().to_string(),
        format: "FITS",
        reason: reason.trim_start_matches([',', ':', ' ']).to_string(),
    }
}

impl FitsSource {
    /// The table of an extension, or the first binary table of the file; without the columns
    /// named in `without`.
    pub fn open(
        path: &Path,
        extension: Option<&Extension>,
        without: &[String],
    ) -> Result<Self, CatalogError> {
        let name = path.display().to_string();
        let (file, unpacked) = if file_is_gzip(path)? {
            let copy = unpack(path)?;
            let file = FitsFile::open_named(copy.path(), &name);
            (file.map_err(|e| input(path, e))?, Some(copy))
        } else {
            (FitsFile::open(path).map_err(|e| input(path, e))?, None)
        };
        let hdu = match extension {
            Some(e) => file.find(e),
            None => file.first_table(),
        }
        .map_err(|e| input(path, e))?;
        let layout = file.table_layout(hdu).map_err(|e| input(path, e))?;
        file.verify_hdu(hdu).map_err(|e| input(path, e))?;
        let mut columns: Vec<Field> = Vec::new();
        let mut fields = Vec::new();
        for field in &layout.fields {
            if without.iter().any(|w| w.eq_ignore_ascii_case(&field.name)) {
                continue;
            }
            let bad = |reason: String| CatalogError::Column {
                table: name.clone(),
                column: field.name.clone(),
                reason,
            };
            if columns.iter().any(|c| *c.name() == field.name) {
                return Err(bad(
                    "two columns bear that name; leave them out with `--without`".into()
                ));
            }
            let data_type = data_type(field).map_err(bad)?;
            let facts =
                [("unit", &field.unit), ("ucd", &field.ucd), ("description", &field.description)];
            let metadata: HashMap<String, String> = facts
                .into_iter()
                .filter(|(_, v)| !v.is_empty())
                .map(|(k, v)| (k.to_string(), v.clone()))
                .collect();
            columns.push(Field::new(&field.name, data_type, true).with_metadata(metadata));
            fields.push(field.clone());
        }
        let rows_a_part = (PART_BYTES / layout.row_bytes.max(1)).max(1);
        let shared = Arc::new(Shared { path: path.into(), file, hdu, layout, _unpacked: unpacked });
        Ok(Self { shared, schema: Arc::new(Schema::new(columns)), fields, rows_a_part })
    }
}

/// An unpacked copy, for the time of its reading.
fn unpack(path: &Path) -> Result<NamedTempFile, CatalogError> {
    let folder = std::env::temp_dir();
    let write = |e| CatalogError::write(&folder, e);
    let mut copy = NamedTempFile::with_prefix("elqui-unpacked-").map_err(write)?;
    let mut source = unpacked(path)?;
    loop {
        let piece = source.fill_buf().map_err(|e| damaged(path, "gzip", e))?;
        if piece.is_empty() {
            return Ok(copy);
        }
        let n = piece.len();
        std::io::Write::write_all(&mut copy, piece).map_err(write)?;
        source.consume(n);
    }
}

/// The type of one element after TSCAL and TZERO.
fn element_type(field: &TableField) -> Result<DataType, String> {
    let scaled = field.scale != 1.0;
    let wide = |plain: DataType, wider: DataType, offset: f64| match field.zero {
        _ if scaled => DataType::Float64,
        0.0 => plain,
        z if z == offset => wider,
        _ => DataType::Float64,
    };
    Ok(match field.code {
        b'L' | b'X' => DataType::Boolean,
        b'B' => wide(DataType::Int16, DataType::Int16, -128.0),
        b'I' => wide(DataType::Int16, DataType::Int32, 32_768.0),
        b'J' => wide(DataType::Int32, DataType::Int64, 2_147_483_648.0),
        b'K' => wide(DataType::Int64, DataType::Int64, 9_223_372_036_854_775_808.0),
        b'E' if !scaled && field.zero == 0.0 => DataType::Float32,
        b'E' | b'D' => DataType::Float64,
        b'A' => DataType::Utf8,
        b'C' | b'M' => {
            return Err("complex numbers are not read; leave it out with `--without`".into());
        }
        _ => {
            return Err(
                "arrays of variable length are not read; leave it out with `--without`".into()
            );
        }
    })
}

fn data_type(field: &TableField) -> Result<DataType, String> {
    let element = element_type(field)?;
    match field.repeat {
        _ if field.code == b'A' => Ok(element),
        0 => Err("it has no elements; leave it out with `--without`".into()),
        1 => Ok(element),
        n => {
            let n = i32::try_from(n).map_err(|_| format!("its vectors of {n} are too long"))?;
            Ok(DataType::FixedSizeList(Arc::new(Field::new("item", element, true)), n))
        }
    }
}

/// Append the cell of a row.
fn append(field: &TableField, row: &[u8], builder: &mut ColumnBuilder) -> Result<(), String> {
    if field.code == b'A' {
        let bytes = &row[field.offset..field.offset + field.repeat];
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        return builder.append_text(String::from_utf8_lossy(&bytes[..end]).trim_end());
    }
    let list = field.repeat > 1;
    let target = if list { builder.items() } else { &mut *builder };
    for k in 0..field.repeat {
        element(field, row, k, target)?;
    }
    if list {
        builder.end_list();
    }
    Ok(())
}

fn element(
    field: &TableField,
    row: &[u8],
    k: usize,
    target: &mut ColumnBuilder,
) -> Result<(), String> {
    fn at<const N: usize>(row: &[u8], offset: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&row[offset..offset + N]);
        out
    }
    let from = field.offset;
    let whole = match field.code {
        b'L' => {
            match row[from + k] {
                b'T' => target.append_bool(true),
                b'F' => target.append_bool(false),
                _ => target.append_null(),
            }
            return Ok(());
        }
        b'X' => {
            target.append_bool(row[from + k / 8] >> (7 - k % 8) & 1 == 1);
            return Ok(());
        }
        b'E' | b'D' => {
            let raw = match field.code {
                b'E' => f64::from(f32::from_be_bytes(at(row, from + 4 * k))),
                _ => f64::from_be_bytes(at(row, from + 8 * k)),
            };
            target.append_real(raw * field.scale + field.zero);
            return Ok(());
        }
        b'B' => i64::from(row[from + k]),
        b'I' => i64::from(i16::from_be_bytes(at(row, from + 2 * k))),
        b'J' => i64::from(i32::from_be_bytes(at(row, from + 4 * k))),
        _ => i64::from_be_bytes(at(row, from + 8 * k)),
    };
    if field.null == Some(whole) {
        target.append_null();
        return Ok(());
    }
    if field.scale != 1.0 || field.zero.fract() != 0.0 {
        target.append_real(whole as f64 * field.scale + field.zero);
        return Ok(());
    }
    // Unsigned 64 bits: those of 63 fit.
    let zero = i128::from(whole) + field.zero as i128;
    let value = i64::try_from(zero).map_err(|_| format!("{zero} is beyond 63 bits"))?;
    target.append_whole(value)
}

impl RowSource for FitsSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        self.shared.layout.rows.div_ceil(self.rows_a_part)
    }

    fn part(&self, k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError> {
        let all: Vec<usize> = (0..self.fields.len()).collect();
        let wanted = columns.map_or(all, <[usize]>::to_vec);
        let bad = |e| CatalogError::Parquet { path: self.label(k), reason: one_line(e) };
        let schema = Arc::new(self.schema.project(&wanted).map_err(bad)?);
        let fields: Vec<TableField> = wanted.iter().map(|&c| self.fields[c].clone()).collect();
        let shared = self.shared.clone();
        let end = ((k + 1) * self.rows_a_part).min(shared.layout.rows);
        let step = (BATCH_BYTES / shared.layout.row_bytes.max(1)).clamp(1, 65_536);
        let mut next = k * self.rows_a_part;
        Ok(Box::new(std::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let first = next;
            let count = step.min(end - first);
            next += count;
            let batch = shared.batch(first, count, &fields, &schema);
            if batch.is_err() {
                next = end;
            }
            Some(batch)
        })))
    }

    fn label(&self, k: usize) -> String {
        let hdu = self.shared.file.hdus()[self.shared.hdu].label();
        let first = k * self.rows_a_part + 1;
        format!("{}, {hdu}, rows from {first}", self.shared.path.display())
    }

    fn fingerprint(&self, k: usize) -> Result<String, CatalogError> {
        let hdu = self.shared.hdu;
        super::file_fingerprint(&self.shared.path).map(|p| format!("{p} {hdu} {k}"))
    }

    fn part_rows(&self, k: usize) -> Option<u64> {
        let first = k * self.rows_a_part;
        Some(self.rows_a_part.min(self.shared.layout.rows.saturating_sub(first)) as u64)
    }
}

impl Shared {
    fn batch(
        &self,
        first: usize,
        count: usize,
        fields: &[TableField],
        schema: &SchemaRef,
    ) -> Result<RecordBatch, CatalogError> {
        let at = |row: usize, field: &TableField, reason: String| CatalogError::At {
            path: self.path.display().to_string(),
            place: format!("row {}, column `{}`", row + 1, field.name),
            reason,
        };
        let bytes = self.file.table_rows(self.hdu, first, count);
        let bytes = bytes.map_err(|e| input(&self.path, e))?;
        if bytes.len() != count * self.layout.row_bytes {
            return Err(CatalogError::Changed { label: self.path.display().to_string() });
        }
        let mut arrays = Vec::with_capacity(fields.len());
        for (field, column) in fields.iter().zip(schema.fields()) {
            let mut builder = ColumnBuilder::new(column.data_type())
                .ok_or_else(|| at(first, field, "its type is not known".into()))?;
            for (k, row) in bytes.chunks_exact(self.layout.row_bytes.max(1)).enumerate() {
                append(field, row, &mut builder).map_err(|e| at(first + k, field, e))?;
            }
            arrays.push(builder.finish());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(|e| {
            CatalogError::Parquet { path: self.path.display().to_string(), reason: one_line(e) }
        })
    }
}
