//! Which rows of a sorted file lie in ranges of its sort column.
//!
//! The file's pages are sorted, so their smallest and largest values name the pages that can hold
//! a value; of pages that are cut by the end of a range the column is read, and the rows are exact.

use super::open_file::OpenFile;
use crate::error::SkyDbError;
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use datafusion::parquet::file::page_index::column_index::ColumnIndexMetaData;
use datafusion::parquet::file::statistics::Statistics;
use std::ops::Range;

/// Rows of a row group, rising and disjoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsOfGroup {
    pub group: usize,
    pub rows: Vec<Range<usize>>,
}

impl RowsOfGroup {
    pub fn count(&self) -> usize {
        self.rows.iter().map(Range::len).sum()
    }
}

/// Rows so near to each other are read together: skipping costs more than reading.
const GAP_ROWS: usize = 16;

/// Rows whose `leaf` lies in one of `ranges` (rising, disjoint). `sorted`: the column rises through each
/// row group; otherwise only whole row groups are left out.
pub fn rows_in_ranges(
    file: &OpenFile,
    leaf: usize,
    ranges: &[Range<u64>],
    sorted: bool,
) -> Result<Vec<RowsOfGroup>, SkyDbError> {
    let mut found = Vec::new();
    for group in 0..file.metadata().num_row_groups() {
        let meta = file.metadata().row_group(group);
        let count = usize::try_from(meta.num_rows()).unwrap_or(0);
        let bounds = meta.column(leaf).statistics().and_then(bounds);
        if bounds.is_some_and(|(low, high)| place(ranges, low, high) == Place::Outside) {
            continue;
        }
        let rows =
            if sorted { rows_of_group(file, group, leaf, count, ranges)? } else { vec![0..count] };
        if !rows.is_empty() {
            found.push(RowsOfGroup { group, rows });
        }
    }
    Ok(found)
}

fn bounds(s: &Statistics) -> Option<(u64, u64)> {
    let Statistics::Int64(v) = s else { return None };
    Some((to_u64(*v.min_opt()?), to_u64(*v.max_opt()?)))
}

/// Cells and ids are positive; a negative number stands below all ranges.
fn to_u64(v: i64) -> u64 {
    u64::try_from(v).unwrap_or(0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Inside,
    Cut,
}

/// How values from `low` to `high` lie to the ranges.
fn place(ranges: &[Range<u64>], low: u64, high: u64) -> Place {
    let first = ranges.partition_point(|r| r.end <= low);
    match ranges.get(first) {
        Some(r) if r.start <= low && high < r.end => Place::Inside,
        Some(r) if r.start <= high => Place::Cut,
        _ => Place::Outside,
    }
}

fn rows_of_group(
    file: &OpenFile,
    group: usize,
    leaf: usize,
    count: usize,
    ranges: &[Range<u64>],
) -> Result<Vec<Range<usize>>, SkyDbError> {
    let meta = file.metadata();
    let index = meta.column_index().and_then(|i| i.get(group)?.get(leaf));
    let pages = meta.offset_index().and_then(|i| i.get(group)?.get(leaf));
    let mut inside: Vec<Range<usize>> = Vec::new();
    let mut cut: Vec<Range<usize>> = Vec::new();
    match (index, pages) {
        (Some(ColumnIndexMetaData::INT64(index)), Some(pages)) => {
            let starts: Vec<usize> = pages
                .page_locations()
                .iter()
                .map(|p| usize::try_from(p.first_row_index).unwrap_or(0))
                .collect();
            for (k, start) in starts.iter().enumerate() {
                let rows = *start..starts.get(k + 1).copied().unwrap_or(count);
                let place = match (index.min_value(k), index.max_value(k)) {
                    (Some(low), Some(high)) => place(ranges, to_u64(*low), to_u64(*high)),
                    _ => Place::Cut,
                };
                match place {
                    Place::Outside => {}
                    Place::Inside => push(&mut inside, rows, 0),
                    Place::Cut => push(&mut cut, rows, 0),
                }
            }
        }
        _ => cut.push(0..count),
    }
    if !cut.is_empty() {
        let values = read_cells(file, group, leaf, count, &cut)?;
        let mut at = 0;
        for rows in &cut {
            let part = values.get(at..at + rows.len()).ok_or_else(|| {
                file.damaged("a row group has fewer rows than its footer says; `elqui catalog verify` tells more")
            })?;
            at += rows.len();
            for r in ranges_within(ranges, part) {
                inside.push(rows.start + r.start..rows.start + r.end);
            }
        }
        inside.sort_unstable_by_key(|r| r.start);
    }
    let mut out = Vec::new();
    inside.into_iter().for_each(|r| push(&mut out, r, GAP_ROWS));
    Ok(out)
}

fn push(rows: &mut Vec<Range<usize>>, next: Range<usize>, gap: usize) {
    match rows.last_mut() {
        Some(last) if last.end + gap >= next.start => last.end = last.end.max(next.end),
        _ => rows.push(next),
    }
}

/// Runs of the sorted `values` that lie in the ranges.
fn ranges_within<'a>(
    ranges: &'a [Range<u64>],
    values: &'a [u64],
) -> impl Iterator<Item = Range<usize>> + 'a {
    let (low, high) = (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0));
    let first = ranges.partition_point(|r| r.end <= low);
    ranges[first..]
        .iter()
        .take_while(move |r| r.start <= high)
        .map(|r| {
            let start = values.partition_point(|v| *v < r.start);
            start..start + values[start..].partition_point(|v| *v < r.end)
        })
        .filter(|r| !r.is_empty())
}

/// Cells at some rows of a row group.
pub fn read_cells(
    file: &OpenFile,
    group: usize,
    leaf: usize,
    count: usize,
    rows: &[Range<usize>],
) -> Result<Vec<u64>, SkyDbError> {
    let values = read_integers(file, group, leaf, count, rows)?;
    Ok(values.into_iter().map(to_u64).collect())
}

/// Values of an integer column at some rows of a row group; NULL is the smallest number.
pub fn read_integers(
    file: &OpenFile,
    group: usize,
    leaf: usize,
    count: usize,
    rows: &[Range<usize>],
) -> Result<Vec<i64>, SkyDbError> {
    let mask = ProjectionMask::leaves(file.arrow.parquet_schema(), [leaf]);
    let total: usize = rows.iter().map(Range::len).sum();
    let batches =
        ParquetRecordBatchReaderBuilder::new_with_metadata(file.reader.clone(), file.arrow.clone())
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_batch_size(total.max(1))
            .with_row_selection(selection(rows, count))
            .build()
            .map_err(|e| file.damaged(e))?;
    let mut out = Vec::with_capacity(total);
    for batch in batches {
        let batch = batch.map_err(|e| file.damaged(e))?;
        let column = cast(batch.column(0), &DataType::Int64).map_err(|e| file.damaged(e))?;
        let column = column.as_primitive::<Int64Type>();
        if column.null_count() == 0 {
            out.extend_from_slice(column.values());
        } else {
            out.extend(column.iter().map(|v| v.unwrap_or(i64::MIN)));
        }
    }
    Ok(out)
}

/// Row ranges as the Parquet reader takes them.
pub fn selection(rows: &[Range<usize>], count: usize) -> RowSelection {
    let mut selectors = Vec::with_capacity(2 * rows.len() + 1);
    let mut at = 0;
    for r in rows {
        if r.start > at {
            selectors.push(RowSelector::skip(r.start - at));
        }
        selectors.push(RowSelector::select(r.len()));
        at = r.end;
    }
    if at < count {
        selectors.push(RowSelector::skip(count - at));
    }
    selectors.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_placed_to_ranges() {
        let ranges = [10..20, 30..40];
        assert_eq!(place(&ranges, 12, 19), Place::Inside);
        assert_eq!(place(&ranges, 12, 20), Place::Cut);
        assert_eq!(place(&ranges, 20, 29), Place::Outside);
        assert_eq!(place(&ranges, 40, 50), Place::Outside);
        assert_eq!(place(&ranges, 0, 100), Place::Cut);
        assert_eq!(place(&[], 0, 100), Place::Outside);
        let runs: Vec<_> = ranges_within(&ranges, &[5, 10, 11, 25, 30, 39, 40]).collect();
        assert_eq!(runs, [1..3, 4..6]);
    }
}
