//! Joining tile by tile: a tile of one side's table with the cells of the other side within the radius.
//!
//! Each row of the first side stands in one tile, so tiles are joined apart from each other, in
//! bounded memory, on any number of threads or machines.

use super::near::{Near, Place};
use crate::scan::CatalogScan;
use crate::storage::ranges::{intersection, size};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use elqui_sphere::healpix_margin_ranges;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a tile: an index of them stays in the processor's cache.
const TILE_ROWS: f64 = 300_000.0;
/// Sides smaller than this together are joined at once.
const ROWS_AT_ONCE: f64 = 200_000.0;

/// Cells of a tile of the first side, and those that its partners can stand in.
#[derive(Debug, Clone)]
pub struct Tile {
    pub own: Vec<Range<u64>>,
    pub around: Vec<Range<u64>>,
}

#[derive(Debug, Clone)]
pub struct Tiles {
    /// The side that is cut; each of its rows stands in one tile.
    pub first: JoinSide,
    pub tiles: Vec<Tile>,
}

/// The tiles of a join, where both sides are tables with cells and nearness is that of their positions.
pub fn tiles(
    near: &[Near],
    filter: &JoinFilter,
    join_type: JoinType,
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
) -> Option<Tiles> {
    let radius = near.iter().map(Near::constant_radius).collect::<Option<Vec<f64>>>()?;
    let radius = radius.into_iter().fold(0.0, f64::max);
    // Large radii leave nothing to cut.
    if !(0.0..5.0).contains(&radius) {
        return None;
    }
    let by_position = |side: JoinSide, plan| {
        near.iter().all(|n| stands_by_position(n, side, filter, plan)).then(|| leaf(plan)).flatten()
    };
    let l = by_position(JoinSide::Left, left)?;
    let r = by_position(JoinSide::Right, right)?;
    let first = match join_type {
        JoinType::Full => return None,
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            JoinSide::Right
        }
        _ => JoinSide::Left,
    };
    if l.rows_estimate().unwrap_or(f64::INFINITY) + r.rows_estimate().unwrap_or(f64::INFINITY)
        < ROWS_AT_ONCE
    {
        return None;
    }
    let cut = if first == JoinSide::Left { &l } else { &r };
    let mut tiles = Vec::new();
    let mut pixels: Vec<Range<u64>> = cut
        .table
        .files_of(cut.cells.as_deref())
        .iter()
        .map(|k| cut.table.files[*k].cells.clone())
        .collect();
    pixels.dedup();
    for pixel in pixels {
        divide(cut, pixel, radius, &mut tiles);
    }
    Some(Tiles { first, tiles })
}

/// Quarter a pixel until its tiles are small.
fn divide(scan: &CatalogScan, pixel: Range<u64>, radius: f64, out: &mut Vec<Tile>) {
    let one = std::slice::from_ref(&pixel);
    let own = match &scan.cells {
        Some(cells) => intersection(cells, one),
        None => one.to_vec(),
    };
    if own.is_empty() {
        return;
    }
    let quarter = size(one) / 4;
    let wide = elqui_sphere::healpix_side_deg(order_of(&pixel)) > 4.0 * radius;
    if scan.table.rows_in(&own) > TILE_ROWS && quarter > 0 && wide {
        for k in 0..4 {
            let start = pixel.start + k * quarter;
            divide(scan, start..start + quarter, radius, out);
        }
        return;
    }
    let order = order_of(&pixel);
    let around = healpix_margin_ranges(order, pixel.start >> (2 * (29 - order)), radius);
    out.push(Tile { own, around });
}

/// Order of a pixel by its order-29 cells.
fn order_of(pixel: &Range<u64>) -> u8 {
    29 - ((pixel.end - pixel.start).max(1).ilog2() / 2) as u8
}

/// Whether a side's place is the position of its table, by which it is cut.
fn stands_by_position(
    near: &Near,
    side: JoinSide,
    filter: &JoinFilter,
    plan: &Arc<dyn ExecutionPlan>,
) -> bool {
    let Place::Position(ra, dec) = near.place(side) else { return false };
    let source = |e: &super::near::Phys| {
        let column = e.downcast_ref::<Column>()?;
        let at = filter.column_indices().get(column.index())?;
        trace(plan, at.index)
    };
    let (Some(ra), Some(dec), Some(scan)) = (source(ra), source(dec), leaf(plan)) else {
        return false;
    };
    scan.table.placed_by_position()
        && scan.table.healpix.is_some()
        && scan.table.position.as_ref().is_some_and(|(r, d)| *r == ra && *d == dec)
}

/// The one table that a plan reads, when it does nothing but leave out rows and columns.
pub fn leaf(plan: &Arc<dyn ExecutionPlan>) -> Option<CatalogScan> {
    if let Some(scan) = plan.downcast_ref::<CatalogScan>() {
        return scan.fetch().is_none().then(|| scan.clone());
    }
    passes_rows(plan).then(|| leaf(plan.children()[0])).flatten()
}

fn passes_rows(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.fetch().is_none()
        && (plan.is::<FilterExec>()
            || plan.is::<ProjectionExec>()
            || plan.is::<CoalescePartitionsExec>()
            || plan.is::<RepartitionExec>()
            || plan.is::<CooperativeExec>())
}

/// Name of the table's column that a column of the plan is.
pub fn trace(plan: &Arc<dyn ExecutionPlan>, column: usize) -> Option<String> {
    if let Some(scan) = plan.downcast_ref::<CatalogScan>() {
        return Some(scan.schema().field(column).name().clone());
    }
    if !passes_rows(plan) {
        return None;
    }
    let below = match (plan.downcast_ref::<ProjectionExec>(), plan.downcast_ref::<FilterExec>()) {
        (Some(p), _) => p.expr().get(column)?.expr.downcast_ref::<Column>()?.index(),
        (_, Some(f)) => match f.projection() {
            Some(p) => *p.get(column)?,
            None => column,
        },
        _ => column,
    };
    trace(plan.children()[0], below)
}

/// The same plan over fewer cells, as one stream.
pub fn within(
    plan: &Arc<dyn ExecutionPlan>,
    cells: &[Range<u64>],
) -> Result<Arc<dyn ExecutionPlan>> {
    let changed = plan.clone().transform_up(|node| {
        if let Some(scan) = node.downcast_ref::<CatalogScan>() {
            return Ok(Transformed::yes(Arc::new(scan.within(cells)) as Arc<dyn ExecutionPlan>));
        }
        // One stream needs no handing over.
        if node.is::<RepartitionExec>() || node.is::<CoalescePartitionsExec>() {
            return Ok(Transformed::yes(node.children()[0].clone()));
        }
        Ok(Transformed::no(node))
    })?;
    let plan = changed.data;
    match plan.properties().partitioning {
        Partitioning::UnknownPartitioning(1) | Partitioning::RoundRobinBatch(1) => Ok(plan),
        _ => Ok(Arc::new(CoalescePartitionsExec::new(plan))),
    }
}
