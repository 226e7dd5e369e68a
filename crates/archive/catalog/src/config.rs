//! What an import is told and what it reports.

use crate::error::CatalogError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a catalogue is made from rows.
#[derive(Debug, Clone, Serialize)]
pub struct ImportConfig {
    /// The catalogue's name (`obs_collection`).
    pub name: String,
    /// Columns of the position, deg; a child table may be without.
    pub ra: Option<String>,
    pub dec: Option<String>,
    /// Column of the id; it gets an index and bloom filters.
    pub id: Option<String>,
    /// Reach of the margin cache, arcsec.
    pub margin_arcsec: Option<f64>,
    pub parent: Option<Parent>,
    /// `dataproduct_type`: "object", "source", ...
    pub product: String,
    /// A partition with more rows is split.
    pub rows_max: u64,
    /// Partitions are not split past this order.
    pub order_max: u8,
    pub row_group_rows: usize,
    pub page_rows: usize,
    pub zstd_level: i32,
    /// Leave out rows whose position is not on the sky, instead of refusing them.
    pub skip_bad_rows: bool,
    /// More keys for `hats.properties` (`obs_title`, `obs_copyright`, ...).
    pub properties: Vec<(String, String)>,
    /// Memory to stay within, about; the files do not depend on `threads`.
    pub memory_bytes: usize,
    #[serde(skip)]
    pub threads: usize,
}

/// Rows are put where the row of a parent table stands that they belong to.
#[derive(Debug, Clone, Serialize)]
pub struct Parent {
    /// The parent's collection; it needs an index on its id.
    pub dir: PathBuf,
    /// The column of the child that holds the parent's id.
    pub column: String,
}

impl ImportConfig {
    /// Defaults for a table with positions.
    pub fn new(name: &str, ra: &str, dec: &str) -> Self {
        Self { ra: Some(ra.into()), dec: Some(dec.into()), ..Self::without_position(name) }
    }

    /// Defaults for a child table; give it a `parent`.
    pub fn without_position(name: &str) -> Self {
        Self {
            name: name.into(),
            ra: None,
            dec: None,
            id: None,
            margin_arcsec: None,
            parent: None,
            product: "object".into(),
            rows_max: 1_000_000,
            order_max: 10,
            row_group_rows: 131_072,
            page_rows: 4_096,
            zstd_level: 3,
            skip_bad_rows: false,
            properties: Vec::new(),
            memory_bytes: 1 << 30,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
        }
    }
}

impl ImportConfig {
    /// Settings that cannot be followed are refused by name.
    pub(crate) fn check(&self) -> Result<(), CatalogError> {
        let refuse = |what: String| Err(CatalogError::Refused { reason: what });
        if self.order_max > 11 {
            return refuse(format!("`--order-max` is 0 to 11, not {}", self.order_max));
        }
        if self.rows_max == 0 || self.row_group_rows == 0 || self.page_rows == 0 {
            return refuse("rows in a partition, a row group or a page are at least 1".into());
        }
        if self.memory_bytes < 1 << 20 {
            return refuse("`--memory` is at least 1 MiB".into());
        }
        Ok(())
    }
}

/// Where an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub stage: Stage,
    pub done: u64,
    pub total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Positions are read and counted.
    Count,
    /// Rows are read and dealt out to the partitions.
    Deal,
    /// Partitions are sorted and written.
    Write,
    Margin,
    Index,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "counting",
            Self::Deal => "reading",
            Self::Write => "writing",
            Self::Margin => "margins",
            Self::Index => "index",
        }
    }
}

/// What an import did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImportReport {
    pub version: String,
    pub rows: u64,
    pub partitions: usize,
    pub orders: Vec<u8>,
    pub bytes: u64,
    pub margin_rows: u64,
    /// Rows left out since their position is not on the sky.
    pub bad_rows: u64,
    /// Child rows without a parent, left out.
    pub orphans: u64,
    /// Rows whose id another row has, and the first such id.
    pub duplicate_ids: u64,
    pub duplicate_id: Option<String>,
    /// Rows without an id; the index does not know them.
    pub null_ids: u64,
    /// Partitions that hold more than `rows_max`: their rows stand too close to be split.
    pub crowded: usize,
    /// Partitions that a former run of this import had finished.
    pub resumed: usize,
    /// A former, different import had been left half-way; its files were removed.
    pub stale_removed: bool,
    /// Columns of the input that were replaced (`_healpix_29`).
    pub replaced_columns: Vec<String>,
    /// Seconds of each stage.
    pub seconds: Vec<(String, f64)>,
}
