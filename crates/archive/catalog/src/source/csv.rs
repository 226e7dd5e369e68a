//! CSV, TSV and ECSV as a source of rows; gzip'd or not. One part.
//!
//! - CSV: UTF-8 with a header line; `#` comment lines; comma, tab, semicolon or bar, whichever the
//!   header has; quotes as RFC 4180; any line ends
//! - types: from a sample (all rows while a column has no value yet), or as told; every row is
//!   checked against them
//! - ECSV 1.0 (Astropy APE 6): names, types, units and descriptions from its header
//! - memory: one batch; a record beyond 16 MiB is refused (a quote that is never closed)

use super::builder::{ColumnBuilder, shown};
use super::ecsv::{EcsvHeader, read_header};
use super::infer::Kind;
use super::open::{damaged, unpacked};
use super::{Batches, RowSource};
use crate::error::{CatalogError, one_line};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const BATCH_ROWS: usize = 8192;
/// Longest record.
const RECORD_MAX: u64 = 16 << 20;
const COLUMNS_MAX: usize = 10_000;

pub struct CsvSource {
    path: PathBuf,
    format: &'static str,
    delimiter: u8,
    schema: SchemaRef,
    sampled: u64,
}

/// Stops a reader that hands out too much without a record coming of it.
struct Guard {
    inner: Box<dyn BufRead + Send>,
    since_record: Arc<AtomicU64>,
}

impl Read for Guard {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if self.since_record.fetch_add(n as u64, Ordering::Relaxed) > RECORD_MAX {
            return Err(std::io::Error::other(
                "a record is longer than 16 MiB; is a quote never closed?",
            ));
        }
        if buffer[..n].contains(&0) {
            return Err(std::io::Error::other("it holds binary data"));
        }
        Ok(n)
    }
}

/// Records of a file, after its header line.
struct Records {
    reader: csv::Reader<Guard>,
    since_record: Arc<AtomicU64>,
    record: csv::ByteRecord,
    row: u64,
}

impl Records {
    fn open(path: &Path, delimiter: u8) -> Result<Self, CatalogError> {
        let mut inner = unpacked(path)?;
        let head = inner.fill_buf().map_err(|e| damaged(path, "text", e))?;
        if head.starts_with(b"\xef\xbb\xbf") {
            inner.consume(3);
        }
        let since_record = Arc::new(AtomicU64::new(0));
        let guard = Guard { inner, since_record: since_record.clone() };
        let reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(guard);
        Ok(Self { reader, since_record, record: csv::ByteRecord::new(), row: 0 })
    }

    /// The next record with its row (from 1; the header is 0).
    fn next(&mut self, path: &Path) -> Result<Option<(u64, &csv::ByteRecord)>, CatalogError> {
        let more = self.reader.read_byte_record(&mut self.record).map_err(|e| {
            let place = format!("after row {}", self.row.saturating_sub(1));
            let reason = match e.kind() {
                csv::ErrorKind::Io(e) => e.to_string(),
                _ => one_line(&e),
            };
            CatalogError::At { path: path.display().to_string(), place, reason }
        })?;
        self.since_record.store(0, Ordering::Relaxed);
        self.row += 1;
        Ok(more.then_some((self.row - 1, &self.record)))
    }
}

fn place(row: u64, column: Option<&str>) -> String {
    match column {
        Some(c) => format!("row {row}, column `{c}`"),
        None => format!("row {row}"),
    }
}

/// The delimiter, from the first line that is no comment.
fn delimiter(path: &Path) -> Result<u8, CatalogError> {
    let mut text = unpacked(path)?.take(1 << 20);
    let mut line = Vec::new();
    loop {
        line.clear();
        let n = text.read_until(b'\n', &mut line).map_err(|e| damaged(path, "text", e))?;
        let bare = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
        if n == 0 || !(bare.is_empty() || bare.starts_with(b"#")) {
            // A file with bare carriage returns is one line here.
            let head = bare.split(|b| *b == b'\r').next().unwrap_or_default();
            let found = [b',', b'\t', b';', b'|'].into_iter().find(|d| head.contains(d));
            return Ok(found.unwrap_or(b','));
        }
    }
}

impl CsvSource {
    /// Open a CSV or TSV file. `types` gives the type of columns by name (ignoring case);
    /// that of the others comes from the first `sample` rows.
    pub fn open(
        path: &Path,
        types: &HashMap<String, DataType>,
        sample: u64,
    ) -> Result<Self, CatalogError> {
        let delimiter = delimiter(path)?;
        let mut source = Self {
            path: path.into(),
            format: "CSV",
            delimiter,
            schema: Arc::new(Schema::empty()),
            sampled: 0,
        };
        let names = source.names()?;
        let mut kinds = vec![Kind::default(); names.len()];
        let told: Vec<Option<&DataType>> =
            names.iter().map(|n| types.get(&n.to_lowercase())).collect();
        let mut records = Records::open(path, delimiter)?;
        records.next(path)?;
        while let Some((row, record)) = records.next(path)? {
            source.check_length(row, record, &names)?;
            for ((kind, told), cell) in kinds.iter_mut().zip(&told).zip(record) {
                if told.is_none() {
                    // Bytes that are not UTF-8 are told when the rows are read.
                    kind.widen(std::str::from_utf8(cell).unwrap_or("?"));
                }
            }
            source.sampled = row;
            let open = kinds.iter().zip(&told).any(|(k, t)| *k == Kind::Unknown && t.is_none());
            if row >= sample && !open {
                break;
            }
        }
        let fields: Vec<Field> = names
            .iter()
            .zip(kinds)
            .zip(told)
            .map(|((name, kind), told)| {
                Field::new(name, told.cloned().unwrap_or_else(|| kind.data_type()), true)
            })
            .collect();
        source.schema = Arc::new(Schema::new(fields));
        Ok(source)
    }

    /// Open an ECSV file.
    pub fn open_ecsv(path: &Path) -> Result<Self, CatalogError> {
        let EcsvHeader { delimiter, fields } = read_header(path)?;
        let mut source = Self {
            path: path.into(),
            format: "ECSV",
            delimiter,
            schema: Arc::new(Schema::new(fields)),
            sampled: 0,
        };
        let names = source.names()?;
        let told = source.schema.fields().iter().map(|f| f.name().as_str());
        if !told.eq(names.iter().map(String::as_str)) {
            return Err(source.bad("its header line and its `datatype` list name other columns"));
        }
        source.sampled = u64::MAX;
        Ok(source)
    }

    fn bad(&self, reason: impl Into<String>) -> CatalogError {
        let path = self.path.display().to_string();
        CatalogError::Input { path, format: self.format, reason: reason.into() }
    }

    fn at(&self, row: u64, column: Option<&str>, reason: String) -> CatalogError {
        CatalogError::At {
            path: self.path.display().to_string(),
            place: place(row, column),
            reason,
        }
    }

    /// The header line.
    fn names(&self) -> Result<Vec<String>, CatalogError> {
        let mut records = Records::open(&self.path, self.delimiter)?;
        let Some((_, header)) = records.next(&self.path)? else {
            return Err(self.bad("it has no header line"));
        };
        let mut names: Vec<String> = Vec::new();
        for cell in header {
            let name = std::str::from_utf8(cell)
                .map_err(|_| self.bad("its header line is not UTF-8 text"))?;
            names.push(name.trim().to_string());
        }
        if names.len() > COLUMNS_MAX {
            return Err(self.bad(format!("it has more than {COLUMNS_MAX} columns")));
        }
        if names.iter().all(|n| n.parse::<f64>().is_ok()) {
            return Err(self.bad("its first line holds numbers; put the columns' names there"));
        }
        for (k, name) in names.iter().enumerate() {
            if name.is_empty() {
                return Err(self.bad(format!("column {} has no name", k + 1)));
            }
            if names[..k].contains(name) {
                return Err(self.bad(format!("two columns are named `{name}`; rename one")));
            }
        }
        Ok(names)
    }

    fn check_length(
        &self,
        row: u64,
        record: &csv::ByteRecord,
        names: &[String],
    ) -> Result<(), CatalogError> {
        if record.len() == names.len() {
            return Ok(());
        }
        let reason = format!("{} fields where the header has {}", record.len(), names.len());
        Err(self.at(row, None, reason))
    }

    /// The next rows of `wanted` columns; `None` at the end.
    fn batch(
        &self,
        records: &mut Records,
        wanted: &[usize],
        names: &[String],
        schema: &SchemaRef,
    ) -> Result<Option<RecordBatch>, CatalogError> {
        let mut builders = Vec::new();
        for field in schema.fields() {
            builders.push(ColumnBuilder::new(field.data_type()).ok_or_else(|| {
                self.bad(format!(
                    "column `{}`: texts cannot be read as {}",
                    field.name(),
                    field.data_type()
                ))
            })?);
        }
        let mut rows = 0;
        while rows < BATCH_ROWS {
            let Some((row, record)) = records.next(&self.path)? else { break };
            self.check_length(row, record, names)?;
            for (builder, &column) in builders.iter_mut().zip(wanted) {
                let cell = &record[column];
                let done = match std::str::from_utf8(cell) {
                    Ok(text) => builder.append_text(text),
                    Err(_) => {
                        Err(format!("`{}` is not UTF-8", shown(&String::from_utf8_lossy(cell))))
                    }
                };
                done.map_err(|mut reason| {
                    if row > self.sampled {
                        let sampled = self.sampled;
                        reason += &format!(
                            ", as the first {sampled} rows are; look at more with `--infer-rows`"
                        );
                    }
                    self.at(row, Some(&names[column]), reason)
                })?;
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = builders.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            .map(Some)
            .map_err(|e| self.bad(one_line(e)))
    }

    fn again(&self) -> Self {
        Self { path: self.path.clone(), schema: self.schema.clone(), ..*self }
    }
}

impl RowSource for CsvSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        1
    }

    fn part(&self, _k: usize, columns: Option<&[usize]>) -> Result<Batches, CatalogError> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = columns.map_or(all, <[usize]>::to_vec);
        let schema = Arc::new(self.schema.project(&wanted).map_err(|e| self.bad(one_line(e)))?);
        let names: Vec<String> = self.schema.fields().iter().map(|f| f.name().clone()).collect();
        let mut records = Records::open(&self.path, self.delimiter)?;
        records.next(&self.path)?;
        let source = self.again();
        let mut done = false;
        Ok(Box::new(std::iter::from_fn(move || {
            if done {
                return None;
            }
            let batch = source.batch(&mut records, &wanted, &names, &schema).transpose();
            done = !matches!(batch, Some(Ok(_)));
            batch
        })))
    }

    fn label(&self, _k: usize) -> String {
        self.path.display().to_string()
    }

    fn fingerprint(&self, _k: usize) -> Result<String, CatalogError> {
        super::file_fingerprint(&self.path)
    }
}
