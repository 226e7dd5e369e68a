//! Several input files of any of the formats as one source of rows.
//!
//! - columns are found by name; their order is the first file's
//! - types: numbers of different types become the wider one; a column without any value takes the
//!   type that the other files have; anything else that differs is refused, naming the column
//! - a folder stands for the table files inside it, by name

use super::open::{InputFormat, input_format};
use super::{Batches, CsvSource, FitsSource, ParquetSource, RowSource, VotableSource};
use crate::error::{CatalogError, one_line};
use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use elqui_fits::split_extension;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How inputs are read.
#[derive(Debug, Clone)]
pub struct InputOptions {
    /// Rows of a CSV file that its types are taken from.
    pub infer_rows: u64,
    /// Types of CSV columns by lower-case name, over what the values say.
    pub types: HashMap<String, DataType>,
    /// Columns that are left out (ignoring case).
    pub without: Vec<String>,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self { infer_rows: 200_000, types: HashMap::new(), without: Vec::new() }
    }
}

struct OneInput {
    source: Box<dyn RowSource>,
    /// Column of the file behind each of ours.
    columns: Vec<usize>,
}

/// Files as one table.
pub struct Inputs {
    schema: SchemaRef,
    inputs: Vec<OneInput>,
    /// Input and its part.
    parts: Vec<(usize, usize)>,
}

const ENDINGS: &[&str] = &[
    "parquet", "parq", "pq", "csv", "tsv", "txt", "dat", "ecsv", "fits", "fit", "fz", "vot",
    "votable", "xml",
];

/// The files that are meant: a folder by what it holds, at any depth.
fn files(input: &str) -> Result<Vec<String>, CatalogError> {
    let path = Path::new(input);
    if !path.is_dir() {
        return Ok(vec![input.to_string()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let read = |e| CatalogError::read(&folder, e);
        for entry in std::fs::read_dir(&folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase());
            let name = name.unwrap_or_default();
            if name.starts_with(['.', '_']) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name
                .trim_end_matches(".gz")
                .rsplit_once('.')
                .is_some_and(|(_, e)| ENDINGS.contains(&e))
            {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(CatalogError::refused(format!("the folder `{input}` holds no table file")));
    }
    Ok(found)
}

fn open_one(input: &str, options: &InputOptions) -> Result<Box<dyn RowSource>, CatalogError> {
    let (bare, extension) = match Path::new(input).exists() {
        true => (input, None),
        false => split_extension(input),
    };
    let path = PathBuf::from(bare);
    let format = input_format(&path)?;
    if extension.is_some() && format != InputFormat::Fits {
        return Err(CatalogError::refused(format!("`{input}`: only FITS files have extensions")));
    }
    Ok(match format {
        InputFormat::Parquet => Box::new(ParquetSource::open(&[path])?),
        InputFormat::Fits => {
            Box::new(FitsSource::open(&path, extension.as_ref(), &options.without)?)
        }
        InputFormat::Votable => Box::new(VotableSource::open(&path)?),
        InputFormat::Csv => Box::new(CsvSource::open(&path, &options.types, options.infer_rows)?),
        InputFormat::Ecsv => Box::new(CsvSource::open_ecsv(&path)?),
    })
}

/// The type that holds the values of both; `None` when there is none.
fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as T;
    let rank = |t: &T| match t {
        T::Int8 | T::UInt8 => Some(0),
        T::Int16 => Some(1),
        T::Int32 => Some(2),
        T::Int64 => Some(3),
        T::Float32 => Some(4),
        T::Float64 => Some(5),
        _ => None,
    };
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (T::Null, t) | (t, T::Null) => Some(t.clone()),
        (a, b) => {
            let (low, high) = if rank(a)? < rank(b)? { (a, b) } else { (b, a) };
            // 32-bit floats do not hold 32-bit integers.
            match (low, high) {
                (T::Int32 | T::Int64, T::Float32) => Some(T::Float64),
                (T::Int8, T::UInt8) | (T::UInt8, T::Int8) => Some(T::Int16),
                _ => Some(high.clone()),
            }
        }
    }
}

impl Inputs {
    /// Open files or folders; `FILE[EXT]` names a FITS extension.
    pub fn open<S: AsRef<str>>(inputs: &[S], options: &InputOptions) -> Result<Self, CatalogError> {
        let mut sources: Vec<(String, Box<dyn RowSource>)> = Vec::new();
        for input in inputs {
            for file in files(input.as_ref())? {
                let source = open_one(&file, options)?;
                sources.push((file, source));
            }
        }
        Self::of(sources, options)
    }

    fn of(
        sources: Vec<(String, Box<dyn RowSource>)>,
        options: &InputOptions,
    ) -> Result<Self, CatalogError> {
        let Some((first, model)) = sources.first() else {
            return Err(CatalogError::refused("no input file is given; name at least one"));
        };
        let out = |name: &str| options.without.iter().any(|w| w.eq_ignore_ascii_case(name));
        let mut fields: Vec<Field> = model
            .schema()
            .fields()
            .iter()
            .filter(|f| !out(f.name()))
            .map(|f| f.as_ref().clone())
            .collect();
        if fields.is_empty() {
            return Err(CatalogError::refused(format!("`{first}` has no column to import")));
        }
        let mut columns = Vec::new();
        for (file, source) in &sources {
            let schema = source.schema();
            let differs = |reason: String| CatalogError::Schemas {
                path: file.clone(),
                first: first.clone(),
                reason,
            };
            let mut found = Vec::new();
            for field in &mut fields {
                let k = schema.fields().iter().position(|f| f.name() == field.name());
                let k =
                    k.ok_or_else(|| differs(format!("column `{}` is missing", field.name())))?;
                let other = schema.field(k);
                let wide = wider(field.data_type(), other.data_type()).ok_or_else(|| {
                    differs(format!(
                        "column `{}` is {} instead of {}",
                        field.name(),
                        other.data_type(),
                        field.data_type()
                    ))
                })?;
                let unit = |f: &Field| f.metadata().get("unit").cloned().unwrap_or_default();
                if unit(field) != unit(other) && !unit(other).is_empty() && !unit(field).is_empty()
                {
                    return Err(differs(format!(
                        "column `{}` is in `{}` instead of `{}`",
                        field.name(),
                        unit(other),
                        unit(field)
                    )));
                }
                let nullable = field.is_nullable() || other.is_nullable();
                *field = field.clone().with_data_type(wide).with_nullable(nullable);
                found.push(k);
            }
            let unknown = |f: &&Arc<Field>| {
                !out(f.name()) && !fields.iter().any(|own| own.name() == f.name())
            };
            if let Some(more) = schema.fields().iter().find(unknown) {
                return Err(differs(format!("column `{}` is too much", more.name())));
            }
            columns.push(found);
        }
        // A column without a value anywhere.
        for field in &mut fields {
            if field.data_type() == &DataType::Null {
                *field = field.clone().with_data_type(DataType::Float64).with_nullable(true);
            }
        }
        let inputs: Vec<OneInput> = sources
            .into_iter()
            .zip(columns)
            .map(|((_, source), columns)| OneInput { source, columns })
            .collect();
        let parts = inputs
            .iter()
            .enumerate()
            .flat_map(|(i, input)| (0..input.source.parts()).map(move |p| (i, p)))
            .collect();
        Ok(Self { schema: Arc::new(Schema::new(fields)), inputs, parts })
    }
}

/// A batch in the types of a schema; a value that does not fit is an error.
pub(crate) fn cast_batch(
    batch: &RecordBatch,
    schema: &SchemaRef,
    label: &str,
) -> Result<RecordBatch, CatalogError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut arrays = Vec::with_capacity(schema.fields().len());
    for (array, field) in batch.columns().iter().zip(schema.fields()) {
        let cast = cast_with_options(array, field.data_type(), &options);
        arrays.push(cast.map_err(|e| CatalogError::Column {
            table: label.into(),
            column: field.name().clone(),
            reason: one_line(e),
        })?);
    }
    RecordBatch::try_new(schema.clone(), arrays)
        .map_err(|e| CatalogError::Parquet { path: label.into(), reason: one_line(e) })
}

impl RowSource for Inputs {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        self.parts.len()
    }

    fn part(&self, k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError> {
        let (i, part) = self.parts[k];
        let input = &self.inputs[i];
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = columns.unwrap_or(&all);
        let label = self.label(k);
        let bad = |e| CatalogError::Parquet { path: label.clone(), reason: one_line(e) };
        let schema = Arc::new(self.schema.project(wanted).map_err(bad)?);
        let theirs: Vec<usize> = wanted.iter().map(|&c| input.columns[c]).collect();
        let batches = input.source.part(part, Some(&theirs))?;
        Ok(Box::new(batches.map(move |batch| cast_batch(&batch?, &schema, &label))))
    }

    fn label(&self, k: usize) -> String {
        let (i, part) = self.parts[k];
        self.inputs[i].source.label(part)
    }

    fn fingerprint(&self, k: usize) -> Result<String, CatalogError> {
        let (i, part) = self.parts[k];
        self.inputs[i].source.fingerprint(part)
    }

    fn part_rows(&self, k: usize) -> Option<u64> {
        let (i, part) = self.parts[k];
        self.inputs[i].source.part_rows(part)
    }
}
