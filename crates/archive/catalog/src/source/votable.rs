//! VOTable as a source of rows (TABLEDATA, BINARY, BINARY2); gzip'd or not. One part.
//!
//! - unit, UCD and description are the fields' own
//! - arrays of a fixed length become lists; those of variable length become their text, values
//!   parted by spaces

use super::builder::ColumnBuilder;
use super::open::unpacked;
use super::{Batches, RowSource};
use crate::error::{CatalogError, one_line};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use elqui_votable::{Cell, Kind, Size, VotableError, VotableField, VotableStream};
use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BATCH_ROWS: usize = 8192;
type Stream = VotableStream<Box<dyn BufRead + Send>>;

pub struct VotableSource {
    path: PathBuf,
    schema: SchemaRef,
}

fn input(path: &Path, error: VotableError) -> CatalogError {
    let text = one_line(error);
    let name = format!("`{}`", path.display());
    let reason = text.strip_prefix(&name).unwrap_or(&text);
    let reason = reason.strip_prefix(" is not a VOTable:").unwrap_or(reason);
    CatalogError::Input {
        path: path.display().to_string(),
        format: "VOTable",
        reason: reason.trim_start_matches([',', ':', ' ']).to_string(),
    }
}

fn stream(path: &Path) -> Result<Stream, CatalogError> {
    let name = path.display().to_string();
    VotableStream::open(unpacked(path)?, &name).map_err(|e| input(path, e))
}

fn data_type(field: &VotableField) -> DataType {
    let element = match field.kind.component() {
        Kind::Boolean => DataType::Boolean,
        Kind::UnsignedByte | Kind::Short => DataType::Int16,
        Kind::Int => DataType::Int32,
        Kind::Long => DataType::Int64,
        Kind::Float => DataType::Float32,
        Kind::Double => DataType::Float64,
        _ => return DataType::Utf8,
    };
    let parts = if field.kind.is_complex() { 2 } else { 1 };
    let n = match field.size {
        Size::Variable => return DataType::Utf8,
        Size::One => parts,
        Size::Fixed(n) => n.saturating_mul(parts),
    };
    match i32::try_from(n) {
        _ if !field.is_array() => element,
        Ok(n) => DataType::FixedSizeList(Arc::new(Field::new("item", element, true)), n),
        Err(_) => DataType::Utf8,
    }
}

impl VotableSource {
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let stream = stream(path)?;
        let column = |f: &VotableField| {
            let facts = [("unit", &f.unit), ("ucd", &f.ucd), ("description", &f.description)];
            let metadata: HashMap<String, String> = facts
                .into_iter()
                .filter(|(_, v)| !v.is_empty())
                .map(|(k, v)| (k.to_string(), v.clone()))
                .collect();
            Field::new(&f.name, data_type(f), true).with_metadata(metadata)
        };
        let fields: Vec<Field> = stream.fields().iter().map(column).collect();
        if fields.is_empty() {
            return Err(CatalogError::Input {
                path: path.display().to_string(),
                format: "VOTable",
                reason: "it holds no table with fields".into(),
            });
        }
        Ok(Self { path: path.into(), schema: Arc::new(Schema::new(fields)) })
    }
}

fn append(builder: &mut ColumnBuilder, cell: &Cell) -> Result<(), String> {
    match cell {
        Cell::Missing => builder.append_null(),
        Cell::Bool(v) => builder.append_bool(*v),
        Cell::Whole(v) => builder.append_whole(*v)?,
        Cell::Real(v) => builder.append_real(*v),
        Cell::Text(v) => builder.append_text(v)?,
        Cell::List(cells) => match builder {
            ColumnBuilder::List(items, n, _) => {
                if cells.len() != *n as usize {
                    return Err(format!("{} values where {n} are expected", cells.len()));
                }
                cells.iter().try_for_each(|c| append(items, c))?;
                builder.end_list();
            }
            _ => builder.append_text(&words(cells))?,
        },
    }
    Ok(())
}

fn words(cells: &[Cell]) -> String {
    let word = |c: &Cell| match c {
        Cell::Missing => "NaN".to_string(),
        Cell::Bool(v) => if *v { "T" } else { "F" }.to_string(),
        Cell::Whole(v) => v.to_string(),
        Cell::Real(v) => v.to_string(),
        Cell::Text(v) => v.clone(),
        Cell::List(v) => words(v),
    };
    cells.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The next rows; `None` at the end.
fn batch(
    path: &Path,
    stream: &mut Stream,
    wanted: &[usize],
    schema: &SchemaRef,
    first: u64,
) -> Result<Option<RecordBatch>, CatalogError> {
    let at = |row: u64, column: usize, reason: String| CatalogError::At {
        path: path.display().to_string(),
        place: format!("row {row}, field `{}`", schema.field(column).name()),
        reason,
    };
    let mut builders = Vec::new();
    for (k, field) in schema.fields().iter().enumerate() {
        let builder = ColumnBuilder::new(field.data_type());
        builders.push(builder.ok_or_else(|| at(first, k, "its type is not known".into()))?);
    }
    let mut cells = Vec::new();
    let mut rows = 0;
    while rows < BATCH_ROWS && stream.next_row(&mut cells).map_err(|e| input(path, e))? {
        rows += 1;
        for (k, (builder, &column)) in builders.iter_mut().zip(wanted).enumerate() {
            append(builder, &cells[column]).map_err(|e| at(first + rows as u64, k, e))?;
        }
    }
    if rows == 0 {
        return Ok(None);
    }
    let arrays = builders.iter_mut().map(ColumnBuilder::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
        .map(Some)
        .map_err(|e| at(first, 0, one_line(e)))
}

impl RowSource for VotableSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        1
    }

    fn part(&self, _k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = columns.map_or(all, <[usize]>::to_vec);
        let bad = |e| CatalogError::Parquet { path: self.label(0), reason: one_line(e) };
        let schema = Arc::new(self.schema.project(&wanted).map_err(bad)?);
        let mut stream = stream(&self.path)?;
        if stream.fields().len() != self.schema.fields().len() {
            return Err(CatalogError::Changed { label: self.label(0) });
        }
        let path = self.path.clone();
        let (mut done, mut rows) = (false, 0);
        Ok(Box::new(std::iter::from_fn(move || {
            if done {
                return None;
            }
            let next = batch(&path, &mut stream, &wanted, &schema, rows).transpose();
            done = !matches!(next, Some(Ok(_)));
            if let Some(Ok(b)) = &next {
                rows += b.num_rows() as u64;
            }
            next
        })))
    }

    fn label(&self, _k: usize) -> String {
        self.path.display().to_string()
    }

    fn fingerprint(&self, _k: usize) -> Result<String, CatalogError> {
        super::file_fingerprint(&self.path)
    }
}
