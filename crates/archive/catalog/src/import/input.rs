//! The inputs of an import: sources of rows, each with the way its rows find their place.
//!
//! An append has two: the rows of the partitions that are touched, and the new ones.

use super::place::{Placer, degrees};
use crate::config::ImportConfig;
use crate::error::{CatalogError, one_line};
use crate::source::{Batches, RowSource};
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use elqui_hats::Pixel;
use std::sync::Arc;

pub(crate) const HEALPIX_COLUMN: &str = "_healpix_29";

pub(super) struct Input<'a> {
    source: &'a dyn RowSource,
    placer: Placer,
    /// Columns of the source that the catalogue keeps, in its order.
    columns: Vec<usize>,
}

pub(super) struct Inputs<'a> {
    list: Vec<Input<'a>>,
    /// Input and part of every part.
    parts: Vec<(usize, usize)>,
    /// The catalogue's columns: `_healpix_29`, then those of the input.
    pub schema: SchemaRef,
    pub replaced: Vec<String>,
    /// What each part was when the import began.
    fingerprints: Vec<String>,
}

impl<'a> Inputs<'a> {
    pub fn new(source: &'a dyn RowSource, config: &ImportConfig) -> Result<Self, CatalogError> {
        let own = source.schema();
        let placer = Placer::new(config, &own)?;
        let is_cell = |f: &&Arc<Field>| f.name() == HEALPIX_COLUMN;
        let mut fields = vec![Arc::new(Field::new(HEALPIX_COLUMN, DataType::Int64, false))];
        fields.extend(own.fields().iter().filter(|f| !is_cell(f)).cloned());
        check_names(&fields, config)?;
        let replaced = own.fields().iter().filter(is_cell).map(|f| f.name().clone()).collect();
        let mut inputs = Self {
            list: Vec::new(),
            parts: Vec::new(),
            schema: Arc::new(Schema::new(fields)),
            replaced,
            fingerprints: Vec::new(),
        };
        inputs.add(source, placer)?;
        Ok(inputs)
    }

    /// Without sources yet, for a catalogue's columns.
    pub fn empty(schema: SchemaRef) -> Self {
        Self {
            list: Vec::new(),
            parts: Vec::new(),
            schema,
            replaced: Vec::new(),
            fingerprints: Vec::new(),
        }
    }

    /// Rows for a catalogue that is there.
    pub fn like(
        schema: SchemaRef,
        source: &'a dyn RowSource,
        config: &ImportConfig,
    ) -> Result<Self, CatalogError> {
        let mut inputs = Self::empty(schema);
        inputs.add(source, Placer::new(config, &source.schema())?)?;
        Ok(inputs)
    }

    /// One more source whose columns are those of the first (by name).
    pub fn add(&mut self, source: &'a dyn RowSource, placer: Placer) -> Result<(), CatalogError> {
        let own = source.schema();
        let mut columns = Vec::new();
        for field in self.schema.fields().iter().skip(1) {
            let found = own.fields().iter().position(|f| f.name() == field.name());
            let differ = |reason: String| CatalogError::Column {
                table: if source.parts() > 0 { source.label(0) } else { "the input".into() },
                column: field.name().clone(),
                reason,
            };
            let k = found.ok_or_else(|| differ("it is missing in these rows".into()))?;
            let (is, should) = (own.field(k).data_type(), field.data_type());
            if is != should {
                return Err(differ(format!("it is {is} here and {should} in the catalogue")));
            }
            columns.push(k);
        }
        let input = self.list.len();
        self.parts.extend((0..source.parts()).map(|p| (input, p)));
        for part in 0..source.parts() {
            self.fingerprints.push(source.fingerprint(part)?);
        }
        self.list.push(Input { source, placer, columns });
        Ok(())
    }

    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    pub fn label(&self, part: usize) -> String {
        let (input, part) = self.parts[part];
        self.list[input].source.label(part)
    }

    pub fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    /// The inputs are still what they were when the import began.
    pub fn check_unchanged(&self) -> Result<(), CatalogError> {
        for (part, known) in self.fingerprints.iter().enumerate() {
            let (input, own) = self.parts[part];
            if self.list[input].source.fingerprint(own)? != *known {
                return Err(CatalogError::Changed { label: self.label(part) });
            }
        }
        Ok(())
    }

    /// Whether rows without place are strays of a child table (told) or bad rows (refused).
    pub fn has_parent(&self) -> bool {
        self.list.iter().any(|i| matches!(i.placer, Placer::Parent { .. }))
    }

    /// The partitions of the parent, for a child table.
    pub fn parent_partitions(&self) -> &[Pixel] {
        let parent = |i: &Input<'a>| matches!(i.placer, Placer::Parent { .. });
        match self.list.iter().find(|i| parent(i)).map(|i| &i.placer) {
            Some(Placer::Parent { index, .. }) => &index.partitions,
            _ => &[],
        }
    }

    /// The columns that say where rows stand, batch by batch.
    pub fn positions(&self, part: usize) -> Result<(Batches, &Placer), CatalogError> {
        let (input, part) = self.parts[part];
        let input = &self.list[input];
        let batches = input.source.part(part, Some(&input.placer.columns()))?;
        Ok((batches, &input.placer))
    }

    /// The rows of a part as the catalogue has them; a cell of `HEALPIX29_BAD` is a row without
    /// place.
    pub fn rows(
        &self,
        part: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, CatalogError>>, CatalogError> {
        let (input, part) = self.parts[part];
        let input = &self.list[input];
        let schema = self.schema.clone();
        Ok(input.source.part(part, None)?.map(move |batch| {
            let batch = batch?;
            let wanted: Vec<&ArrayRef> =
                input.placer.columns().iter().map(|&c| batch.column(c)).collect();
            let cells = input.placer.cells(&wanted)?;
            let cells = Int64Array::from_iter_values(cells.iter().map(|c| c.cast_signed()));
            let rows = batch.num_rows();
            let mut columns: Vec<ArrayRef> = vec![Arc::new(cells)];
            columns.extend(input.columns.iter().map(|&c| batch.column(c).clone()));
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            RecordBatch::try_new_with_options(schema.clone(), columns, &options)
                .map_err(|e| CatalogError::refused(one_line(e)))
        }))
    }
}

/// Right ascension and declination of one row, for an error.
pub(super) fn position(placer: &Placer, arrays: &[&ArrayRef], row: usize) -> (f64, f64) {
    let value = |c: usize| -> Option<f64> {
        let one: ArrayRef = arrays.get(c)?.slice(row, 1);
        degrees(&one).ok()?.first().copied()
    };
    match placer {
        Placer::Position { .. } => (value(0).unwrap_or(f64::NAN), value(1).unwrap_or(f64::NAN)),
        _ => (f64::NAN, f64::NAN),
    }
}

/// Columns that readers could not tell apart are refused.
fn check_names(fields: &[Arc<Field>], config: &ImportConfig) -> Result<(), CatalogError> {
    let mut seen = std::collections::HashSet::new();
    for field in fields {
        let reason = match field.name().as_str() {
            "" => "a column has no name; give it one",
            name if !seen.insert(name.to_string()) => "two columns have this name; rename one",
            _ => continue,
        };
        return Err(CatalogError::Column {
            table: config.name.clone(),
            column: field.name().clone(),
            reason: reason.into(),
        });
    }
    Ok(())
}
