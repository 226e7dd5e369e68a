//! Rows of a catalogue as one file: Parquet, CSV, VOTable or FITS.
//!
//! - all rows or those of a region, all columns or some; rows come along the sky
//! - streaming: a batch at a time; the file appears whole or not at all
//! - `_healpix_29` is left out unless it is asked for: it is the layout's, not the table's

mod cells;
mod csv;
mod fits;
mod points;
mod votable;

use crate::error::{CatalogError, one_line};
use crate::info::{catalog_schema, open_catalog};
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Float64Type, Schema, SchemaRef};
use elqui_hats::{HatsCatalog, Partition};
use elqui_sphere::{Coverage, RegionTest, SkyRegion};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    Parquet,
    Csv,
    Votable,
    Fits,
}

impl ExportFormat {
    /// By a file's ending.
    pub fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_string_lossy().to_lowercase();
        Some(match ending.as_str() {
            "parquet" | "parq" | "pq" => Self::Parquet,
            "csv" => Self::Csv,
            "vot" | "votable" | "xml" => Self::Votable,
            "fits" | "fit" => Self::Fits,
            _ => return None,
        })
    }
}

/// What is exported.
#[derive(Debug, Clone, Default)]
pub struct ExportRequest {
    pub version: Option<String>,
    /// Columns in the order wanted; none for all.
    pub columns: Vec<String>,
    pub region: Option<SkyRegion>,
    /// By the file's ending where it is not told.
    pub format: Option<ExportFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportReport {
    pub rows: u64,
    pub bytes: u64,
}

/// Takes the rows of an export.
pub(crate) trait RowSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), String>;
    fn finish(self: Box<Self>) -> Result<(), String>;
}

type Out = BufWriter<File>;

/// The rows that are wanted, partition by partition.
struct Selection<'a> {
    partitions: Vec<&'a Partition>,
    region: Option<RegionTest>,
    /// Columns that are read, and which of them are written, in order.
    schema: SchemaRef,
    ra: String,
    dec: String,
}

impl<'a> Selection<'a> {
    fn new(catalog: &'a HatsCatalog, request: &ExportRequest) -> Result<Self, CatalogError> {
        let all = catalog_schema(catalog)?;
        let place = || catalog.root().display().to_string();
        let healpix = catalog.healpix_column().unwrap_or("_healpix_29");
        let mut wanted = Vec::new();
        for name in &request.columns {
            let exact = all.index_of(name).ok();
            let any = || all.fields().iter().position(|f| f.name().eq_ignore_ascii_case(name));
            let k = exact.or_else(any).ok_or_else(|| CatalogError::Column {
                table: place(),
                column: name.clone(),
                reason: "it has no such column; `elqui catalog info` lists them".into(),
            })?;
            if wanted.contains(&k) {
                return Err(CatalogError::refused(format!("column `{name}` is named twice")));
            }
            wanted.push(k);
        }
        if wanted.is_empty() {
            let own = |k: &usize| all.field(*k).name() != healpix;
            wanted = (0..all.fields().len()).filter(own).collect();
        }
        let schema = all.project(&wanted).map_err(|e| CatalogError::refused(one_line(e)))?;
        let mut partitions: Vec<&Partition> = catalog.partitions().iter().collect();
        let (mut ra, mut dec) = (String::new(), String::new());
        if let Some(region) = &request.region {
            const RANGES: usize = 256;
            let ranges = Coverage::ranges_for(region, RANGES)
                .map_err(|e| CatalogError::refused(one_line(e)))?;
            partitions.retain(|p| {
                let own = p.pixel.range29();
                ranges.iter().any(|r| r.cells.start < own.end && own.start < r.cells.end)
            });
            let (Some(r), Some(d)) = (catalog.ra_column(), catalog.dec_column()) else {
                let text = "has no positions: export all of it";
                return Err(CatalogError::refused(format!("`{}` {text}", place())));
            };
            (ra, dec) = (r.to_string(), d.to_string());
        }
        let region = request.region.as_ref().map(|r| r.prepare(true));
        Ok(Self { partitions, region, schema: Arc::new(Schema::new(schema.fields)), ra, dec })
    }

    /// Give every batch of some columns to `each`.
    fn rows(
        &self,
        schema: &SchemaRef,
        each: &mut dyn FnMut(&RecordBatch) -> Result<(), CatalogError>,
        step: &dyn Fn(u64, u64),
    ) -> Result<(), CatalogError> {
        for (k, partition) in self.partitions.iter().enumerate() {
            step(k as u64, self.partitions.len() as u64);
            for path in &partition.files {
                self.file(path, schema, each)?;
            }
        }
        step(self.partitions.len() as u64, self.partitions.len() as u64);
        Ok(())
    }

    fn file(
        &self,
        path: &Path,
        schema: &SchemaRef,
        each: &mut dyn FnMut(&RecordBatch) -> Result<(), CatalogError>,
    ) -> Result<(), CatalogError> {
        let bad = |e: String| CatalogError::parquet(path, e);
        let file = File::open(path).map_err(|e| CatalogError::read(path, e))?;
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| bad(one_line(e)))?;
        let mut names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        if self.region.is_some() {
            names.extend([self.ra.as_str(), self.dec.as_str()]);
        }
        let roots: Vec<usize> = (0..builder.schema().fields().len())
            .filter(|k| names.contains(&builder.schema().field(*k).name().as_str()))
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader = builder.with_projection(mask).with_batch_size(8192).build();
        for batch in reader.map_err(|e| bad(one_line(e)))? {
            let mut batch = batch.map_err(|e| bad(one_line(e)))?;
            if let Some(region) = &self.region {
                let keep = self.inside(&batch, region).map_err(bad)?;
                batch = filter_record_batch(&batch, &keep).map_err(|e| bad(one_line(e)))?;
            }
            if batch.num_rows() == 0 {
                continue;
            }
            let mut arrays = Vec::with_capacity(schema.fields().len());
            for field in schema.fields() {
                let array = batch.column_by_name(field.name());
                let array =
                    array.ok_or_else(|| bad(format!("it has no column `{}`", field.name())))?;
                arrays.push(cast(array, field.data_type()).map_err(|e| bad(one_line(e)))?);
            }
            let batch = RecordBatch::try_new(schema.clone(), arrays);
            each(&batch.map_err(|e| bad(one_line(e)))?)?;
        }
        Ok(())
    }

    fn inside(&self, batch: &RecordBatch, region: &RegionTest) -> Result<BooleanArray, String> {
        let column = |name: &str| {
            let array =
                batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"))?;
            cast(array, &DataType::Float64).map_err(one_line)
        };
        let (ra, dec) = (column(&self.ra)?, column(&self.dec)?);
        let (ra, dec) = (ra.as_primitive::<Float64Type>(), dec.as_primitive::<Float64Type>());
        let at =
            |k| !ra.is_null(k) && !dec.is_null(k) && region.contains(ra.value(k), dec.value(k));
        Ok((0..batch.num_rows()).map(|k| Some(at(k))).collect())
    }
}

/// Write the rows of a request to `out`; `tell` gets partitions done and to do.
pub fn export(
    dir: &Path,
    request: &ExportRequest,
    out: &Path,
    tell: &dyn Fn(u64, u64),
) -> Result<ExportReport, CatalogError> {
    let format = request.format.or_else(|| ExportFormat::of_path(out)).ok_or_else(|| {
        CatalogError::refused(format!(
            "`{}`: the ending says no format; give .parquet, .csv, .vot or .fits, or `--format`",
            out.display()
        ))
    })?;
    let catalog = open_catalog(dir, request.version.as_deref())?;
    let selection = Selection::new(&catalog, request)?;
    let schema = selection.schema.clone();
    let (temporary, file) = beside(out)?;
    let failed =
        |reason: String| CatalogError::Refused { reason: format!("`{}`: {reason}", out.display()) };
    let name = catalog.name();
    let mut sink = match format {
        ExportFormat::Fits => {
            // The header comes first and says rows and widths: they are counted before.
            let mut shape = fits::Shape::new(&schema).map_err(failed)?;
            let asked = shape.asked(&schema);
            let mut count = |batch: &RecordBatch| {
                shape.count(batch);
                Ok(())
            };
            selection.rows(&asked, &mut count, &|_, _| {})?;
            Box::new(fits::FitsSink::new(file, shape, name).map_err(failed)?)
        }
        other => sink(other, file, &schema, name).map_err(failed)?,
    };
    let mut rows = 0;
    let mut each = |batch: &RecordBatch| {
        rows += batch.num_rows() as u64;
        sink.write(batch).map_err(failed)
    };
    selection.rows(&schema, &mut each, tell)?;
    sink.finish().map_err(failed)?;
    let bytes = settle(temporary, out)?;
    Ok(ExportReport { rows, bytes })
}

/// Write batches that are there already (the answer to a query); positions as two numbers, as DALI has them.
pub fn write_batches(
    name: &str,
    schema: &SchemaRef,
    batches: &[RecordBatch],
    format: ExportFormat,
    out: &Path,
) -> Result<ExportReport, CatalogError> {
    let failed =
        |reason: String| CatalogError::Refused { reason: format!("`{}`: {reason}", out.display()) };
    let (temporary, file) = beside(out)?;
    let mut shown = Vec::with_capacity(batches.len());
    let schema = if format == ExportFormat::Parquet {
        shown.extend_from_slice(batches);
        schema.clone()
    } else {
        let schema = points::schema(schema);
        for batch in batches {
            shown.push(points::batch(batch, &schema).map_err(failed)?);
        }
        schema
    };
    let mut sink: Box<dyn RowSink> = if format == ExportFormat::Fits {
        let mut shape = fits::Shape::new(&schema).map_err(failed)?;
        let asked = shape.asked(&schema);
        for batch in &shown {
            let columns = asked.fields().iter().map(|f| schema.index_of(f.name()));
            let columns =
                columns.collect::<Result<Vec<_>, _>>().map_err(|e| failed(one_line(e)))?;
            shape.count(&batch.project(&columns).map_err(|e| failed(one_line(e)))?);
        }
        Box::new(fits::FitsSink::new(file, shape, name).map_err(failed)?)
    } else {
        sink(format, file, &schema, name).map_err(failed)?
    };
    let mut rows = 0;
    for batch in &shown {
        rows += batch.num_rows() as u64;
        sink.write(batch).map_err(failed)?;
    }
    sink.finish().map_err(failed)?;
    let bytes = settle(temporary, out)?;
    Ok(ExportReport { rows, bytes })
}

/// A temporary file in the folder of `out`.
fn beside(out: &Path) -> Result<(NamedTempFile, Out), CatalogError> {
    let folder = match out.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let write = |e| CatalogError::write(out, e);
    let temporary = NamedTempFile::with_prefix_in(".elqui-export-", &folder).map_err(write)?;
    let file = BufWriter::with_capacity(1 << 20, temporary.reopen().map_err(write)?);
    Ok((temporary, file))
}

/// Put a finished file in its place; its bytes.
fn settle(temporary: NamedTempFile, out: &Path) -> Result<u64, CatalogError> {
    let write = |e| CatalogError::write(out, e);
    let bytes = temporary.as_file().metadata().map_err(write)?.len();
    temporary.as_file().sync_all().map_err(write)?;
    readable(temporary.path()).map_err(write)?;
    temporary.persist(out).map_err(|e| write(e.error))?;
    Ok(bytes)
}

/// What takes the rows of a format that needs no counting before.
fn sink(
    format: ExportFormat,
    file: Out,
    schema: &SchemaRef,
    name: &str,
) -> Result<Box<dyn RowSink>, String> {
    Ok(match format {
        ExportFormat::Parquet => Box::new(ParquetSink::new(file, schema)?),
        ExportFormat::Csv => Box::new(csv::CsvSink::new(file, schema)?),
        ExportFormat::Votable => Box::new(votable::VotableSink::new(file, schema, name)?),
        ExportFormat::Fits => return Err("FITS counts its rows first".into()),
    })
}

/// Temporary files are for their owner only; results are for everyone.
fn readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

struct ParquetSink(ArrowWriter<Out>);

impl ParquetSink {
    fn new(file: Out, schema: &SchemaRef) -> Result<Self, String> {
        let level = ZstdLevel::try_new(3).map_err(one_line)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("elqui ", env!("CARGO_PKG_VERSION")).into())
            .set_max_row_group_row_count(Some(131_072))
            .build();
        ArrowWriter::try_new(file, schema.clone(), Some(properties)).map(Self).map_err(one_line)
    }
}

impl RowSink for ParquetSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), String> {
        self.0.write(batch).map_err(one_line)
    }

    fn finish(self: Box<Self>) -> Result<(), String> {
        let mut out = self.0.into_inner().map_err(one_line)?;
        out.flush().map_err(one_line)
    }
}
