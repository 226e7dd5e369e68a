//! Which rows of a partition lie near others: the rows of the margin caches.
//!
//! - at an order whose cells are wide enough, what lies within the margin of a row is in the
//!   row's cell or its neighbours; the row belongs to the margin of every other partition there
//! - so every row within the margin is in it, and some that lie up to a few cells beyond (as
//!   with hats-import)

use super::plan::Plan;
use crate::error::CatalogError;
use elqui_hats::Pixel;
use elqui_sphere::{healpix_neighbours, healpix_order_of_radius, healpix29_range};

/// The order of the cells that a margin is cut by.
pub(super) fn margin_order(arcsec: f64) -> Result<u8, CatalogError> {
    let order = healpix_order_of_radius(arcsec / 3600.0).filter(|_| arcsec > 0.0);
    order.ok_or_else(|| {
        CatalogError::refused(format!("a margin of {arcsec} arcsec is not between 0 and 48 deg"))
    })
}

/// Partition and row of everything that lies in another partition's margin, by partition then
/// row. `cells` are those of the rows of `partition`, sorted.
pub(super) fn border_rows(
    plan: &Plan,
    partition: usize,
    cells: &[u64],
    order: u8,
) -> Vec<(u32, u32)> {
    let own = plan.partitions[partition].pixel();
    let shift = 2 * (29 - u32::from(order));
    let mut found = Vec::new();
    let mut start = 0;
    while start < cells.len() {
        let cell = cells[start] >> shift;
        if is_inside(own, order, cell) {
            start += 1;
            continue;
        }
        let end = start + cells[start..].partition_point(|c| c >> shift == cell);
        for target in targets(plan, partition, order, cell) {
            let rows = (start..end).filter_map(|r| Some((target, u32::try_from(r).ok()?)));
            found.extend(rows);
        }
        start = end;
    }
    found.sort_unstable();
    found
}

/// Whether a cell of a pixel has all its neighbours in that pixel.
fn is_inside(pixel: Pixel, order: u8, cell: u64) -> bool {
    if order <= pixel.order {
        return false;
    }
    let all = (1u64 << (2 * u32::from(order - pixel.order))) - 1;
    let (x, y) = (all & 0x5555_5555_5555_5555, all & 0xaaaa_aaaa_aaaa_aaaa);
    let low = cell & all;
    low & x != 0 && low & x != x && low & y != 0 && low & y != y
}

/// Other partitions in a cell and around it.
fn targets(plan: &Plan, partition: usize, order: u8, cell: u64) -> Vec<u32> {
    let mut around = healpix_neighbours(order, cell);
    around.push(cell);
    let mut found: Vec<u32> = around
        .into_iter()
        .flat_map(|c| plan.partitions_in(healpix29_range(order, c)))
        .filter(|&p| p != partition)
        .filter_map(|p| u32::try_from(p).ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
