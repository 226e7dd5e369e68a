//! Sets of order-29 cells as rising, disjoint ranges: what a table is cut by.

use std::ops::Range;
use std::sync::Arc;

pub type Ranges = Arc<[Range<u64>]>;

/// Sort, and join what touches.
pub fn normal(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|r| !r.is_empty());
    ranges.sort_unstable_by_key(|r| r.start);
    let mut out: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for r in ranges {
        match out.last_mut() {
            Some(last) if last.end >= r.start => last.end = last.end.max(r.end),
            _ => out.push(r),
        }
    }
    out
}

pub fn union(a: &[Range<u64>], b: &[Range<u64>]) -> Vec<Range<u64>> {
    normal(a.iter().chain(b).cloned().collect())
}

pub fn intersection(a: &[Range<u64>], b: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let both = x.start.max(y.start)..x.end.min(y.end);
        if !both.is_empty() {
            out.push(both);
        }
        if x.end <= y.end { i += 1 } else { j += 1 }
    }
    out
}

/// Whether `cells` meets any of the ranges.
pub fn meets(ranges: &[Range<u64>], cells: &Range<u64>) -> bool {
    let first = ranges.partition_point(|r| r.end <= cells.start);
    ranges.get(first).is_some_and(|r| r.start < cells.end)
}

/// Number of cells.
pub fn size(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|r| r.end - r.start).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_ranges() {
        assert_eq!(normal(vec![5..7, 1..3, 3..4, 6..9, 2..2]), [1..4, 5..9]);
        assert_eq!(union(&[1..3], &[2..5, 8..9]), [1..5, 8..9]);
        assert_eq!(intersection(&[1..5, 8..12], &[2..3, 4..9]), [2..3, 4..5, 8..9]);
        assert!(meets(&[1..3, 7..9], &(8..10)) && !meets(&[1..3, 7..9], &(3..7)));
        assert_eq!(size(&[1..3, 7..9]), 4);
    }
}
