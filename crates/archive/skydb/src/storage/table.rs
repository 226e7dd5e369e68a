//! A table of a catalogue: its files by cells of the sky, and where its positions and ids are.

use super::footers::Footers;
use super::id_index::IdIndex;
use super::open_file::OpenFile;
use super::ranges::meets;
use crate::error::SkyDbError;
use datafusion::arrow::datatypes::SchemaRef;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// One Parquet file and the order-29 cells that its rows stand in.
#[derive(Debug, Clone)]
pub struct TableFile {
    pub path: PathBuf,
    pub cells: Range<u64>,
    pub rows: Option<u64>,
}

/// The parent of a child table, by its full name and in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    pub table: String,
    /// The very state of it that the child's rows were placed by.
    pub stamp: String,
    pub column: String,
}

/// A catalogue in HATS layout.
#[derive(Debug)]
pub struct SkyTable {
    pub schema_name: String,
    pub name: String,
    pub description: String,
    /// Columns with unit, UCD and description in their metadata.
    pub schema: SchemaRef,
    /// Sorted by their cells.
    pub files: Vec<TableFile>,
    /// Columns of right ascension and declination, deg.
    pub position: Option<(String, String)>,
    /// Column with cells of order 29 by which each file is sorted.
    pub healpix: Option<String>,
    pub indexes: Vec<Arc<IdIndex>>,
    /// The table whose rows' positions place the rows of this one, and the column that names them here.
    pub parent: Option<Parent>,
    pub rows: Option<u64>,
    /// What tells this state of the catalogue from others; none where a child may not lean on it.
    pub stamp: Option<String>,
    footers: Footers,
}

impl SkyTable {
    pub fn new(
        schema_name: String,
        name: String,
        schema: SchemaRef,
        mut files: Vec<TableFile>,
    ) -> Self {
        files.sort_by(|a, b| (a.cells.start, &a.path).cmp(&(b.cells.start, &b.path)));
        Self {
            schema_name,
            name,
            description: String::new(),
            schema,
            files,
            position: None,
            healpix: None,
            indexes: Vec::new(),
            parent: None,
            rows: None,
            stamp: None,
            footers: Footers::default(),
        }
    }

    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema_name, self.name)
    }

    /// Whether this is the table, in the state, that a child was placed by.
    pub fn is_parent(&self, parent: &Parent) -> bool {
        self.full_name().eq_ignore_ascii_case(&parent.table)
            && self.stamp.as_ref().is_some_and(|s| *s == parent.stamp)
    }

    /// Whether a row's cell is that of its own position (not of its parent's).
    pub fn placed_by_position(&self) -> bool {
        self.parent.is_none()
    }

    /// Numbers of the files that can hold rows of the ranges (all without).
    pub fn files_of(&self, ranges: Option<&[Range<u64>]>) -> Vec<usize> {
        let all = self.files.iter().enumerate();
        match ranges {
            None => all.map(|f| f.0).collect(),
            Some(r) => all.filter(|f| meets(r, &f.1.cells)).map(|f| f.0).collect(),
        }
    }

    pub fn open(&self, file: usize) -> Result<Arc<OpenFile>, SkyDbError> {
        self.footers.open(file, &self.files[file].path)
    }

    /// How many rows the ranges hold, were the rows of each file spread evenly.
    pub fn rows_in(&self, ranges: &[Range<u64>]) -> f64 {
        let mut sum = 0.0;
        for k in self.files_of(Some(ranges)) {
            let f = &self.files[k];
            let inside: u64 = super::ranges::intersection(ranges, std::slice::from_ref(&f.cells))
                .iter()
                .map(|r| r.end - r.start)
                .sum();
            let part = inside as f64 / (f.cells.end - f.cells.start).max(1) as f64;
            sum += part * f.rows.unwrap_or(1_000_000) as f64;
        }
        sum
    }
}
