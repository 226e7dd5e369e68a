//! From an id to the cell of the sky where its row stands (the "index" catalogue of HATS).
//!
//! Pages of the index that can hold an id are known by their smallest and largest values; the
//! answer is the `_healpix_29` of the row, so that the table is asked as for a region.

use super::footers::Footers;
use super::open_file::OpenFile;
use super::rows::{read_cells, read_integers};
use crate::error::SkyDbError;
use datafusion::parquet::file::page_index::column_index::ColumnIndexMetaData;
use datafusion::parquet::file::statistics::Statistics;
use std::ops::Range;
use std::path::PathBuf;

#[derive(Debug)]
pub struct IdIndex {
    /// Column of the table.
    pub column: String,
    /// The same in the index.
    id_column: String,
    pub files: Vec<PathBuf>,
    pub healpix: String,
    footers: Footers,
}

impl IdIndex {
    pub fn new(column: String, files: Vec<PathBuf>, healpix: String) -> Self {
        let id_column = column.clone();
        Self { column, id_column, files, healpix, footers: Footers::default() }
    }

    /// Name of the column in the index's own files.
    pub fn id_column(&self) -> &str {
        &self.id_column
    }

    /// For a table that calls the id otherwise than the index does.
    #[must_use]
    pub fn of_column(mut self, id_column: &str) -> Self {
        self.id_column = id_column.to_string();
        self
    }

    /// Cells of order 29 of the rows with these ids (sorted), rising. An id that is not there has none.
    pub fn cells(&self, ids: &[i64]) -> Result<Vec<u64>, SkyDbError> {
        let mut cells = Vec::new();
        for (k, path) in self.files.iter().enumerate() {
            let file = self.footers.open(k, path)?;
            self.cells_in(&file, ids, &mut cells)?;
        }
        cells.sort_unstable();
        cells.dedup();
        Ok(cells)
    }

    fn cells_in(
        &self,
        file: &OpenFile,
        ids: &[i64],
        cells: &mut Vec<u64>,
    ) -> Result<(), SkyDbError> {
        let leaf = |name: &str| {
            file.leaf(name).ok_or_else(|| {
                file.damaged(format!(
                    "the id index has no column `{name}`; import the catalogue again"
                ))
            })
        };
        let (id_leaf, cell_leaf) = (leaf(&self.id_column)?, leaf(&self.healpix)?);
        let meta = file.metadata();
        for group in 0..meta.num_row_groups() {
            let chunk = meta.row_group(group);
            let count = usize::try_from(chunk.num_rows()).unwrap_or(0);
            if let Some(Statistics::Int64(s)) = chunk.column(id_leaf).statistics()
                && let (Some(low), Some(high)) = (s.min_opt(), s.max_opt())
                && !any_between(ids, *low, *high)
            {
                continue;
            }
            let pages = candidate_pages(file, group, id_leaf, count, ids);
            if pages.is_empty() {
                continue;
            }
            let values = read_integers(file, group, id_leaf, count, &pages)?;
            // Rows of the row group, in the order of the values read.
            let rows: Vec<Range<usize>> = pages
                .iter()
                .flat_map(Clone::clone)
                .zip(&values)
                .filter(|(_, v)| ids.binary_search(v).is_ok())
                .map(|(row, _)| row..row + 1)
                .collect();
            if !rows.is_empty() {
                cells.extend(read_cells(file, group, cell_leaf, count, &rows)?);
            }
        }
        Ok(())
    }
}

fn any_between(ids: &[i64], low: i64, high: i64) -> bool {
    let first = ids.partition_point(|v| *v < low);
    ids.get(first).is_some_and(|v| *v <= high)
}

fn candidate_pages(
    file: &OpenFile,
    group: usize,
    leaf: usize,
    count: usize,
    ids: &[i64],
) -> Vec<Range<usize>> {
    let meta = file.metadata();
    let index = meta.column_index().and_then(|i| i.get(group)?.get(leaf));
    let pages = meta.offset_index().and_then(|i| i.get(group)?.get(leaf));
    let (Some(ColumnIndexMetaData::INT64(index)), Some(pages)) = (index, pages) else {
        return vec![0..count];
    };
    let starts: Vec<usize> = pages
        .page_locations()
        .iter()
        .map(|p| usize::try_from(p.first_row_index).unwrap_or(0))
        .collect();
    (0..starts.len())
        .filter(|&k| match (index.min_value(k), index.max_value(k)) {
            (Some(low), Some(high)) => any_between(ids, *low, *high),
            _ => true,
        })
        .map(|k| starts[k]..starts.get(k + 1).copied().unwrap_or(count))
        .collect()
}
