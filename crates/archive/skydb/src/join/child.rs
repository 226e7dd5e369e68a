//! Joins of a child with its parent on the parent's id: where the parent is cut to cells, so is the child.
//!
//! A child's rows stand in their parent's cell, so that a cone of objects reads their sources from
//! the same few pages.

use super::tiles::{leaf, trace};
use crate::scan::CatalogScan;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use std::sync::Arc;

#[derive(Debug)]
pub struct ChildCellsRule;

impl PhysicalOptimizerRule for ChildCellsRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(plan.transform_up(narrowed)?.data)
    }

    fn name(&self) -> &'static str {
        "child_cells"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn narrowed(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
    // NOT IN looks at every row of the other side, for NULL.
    if join.null_aware {
        return Ok(Transformed::no(node));
    }
    let (left, right) = (join.left().clone(), join.right().clone());
    let keys: Vec<(usize, usize)> = join
        .on()
        .iter()
        .filter_map(|(l, r)| {
            Some((l.downcast_ref::<Column>()?.index(), r.downcast_ref::<Column>()?.index()))
        })
        .collect();
    use JoinType::*;
    // Rows of a side that is kept whole are not to be lost.
    let right_may_shrink =
        matches!(join.join_type(), Inner | Left | LeftSemi | LeftAnti | LeftMark | RightSemi);
    let left_may_shrink =
        matches!(join.join_type(), Inner | Right | RightSemi | RightAnti | RightMark | LeftSemi);
    for (l, r) in keys {
        if right_may_shrink && let Some(new) = cut(&left, l, &right, r)? {
            let made = join_with(&node, left, new)?;
            return Ok(Transformed::yes(made));
        }
        if left_may_shrink && let Some(new) = cut(&right, r, &left, l)? {
            let made = join_with(&node, new, right)?;
            return Ok(Transformed::yes(made));
        }
    }
    Ok(Transformed::no(node))
}

#[expect(
    deprecated,
    reason = "the new name asks what the engine may keep: nothing is promised here"
)]
fn join_with(
    node: &Arc<dyn ExecutionPlan>,
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    node.clone().with_new_children(vec![left, right])
}

/// The child's plan over the parent's cells, when these two are parent and child, joined by the id.
fn cut(
    parent: &Arc<dyn ExecutionPlan>,
    id: usize,
    child: &Arc<dyn ExecutionPlan>,
    key: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (Some(above), Some(below)) = (leaf(parent), leaf(child)) else { return Ok(None) };
    let (Some(cells), Some(link)) = (&above.cells, &below.table.parent) else { return Ok(None) };
    let is_parent = above.table.is_parent(link);
    let by_id = trace(parent, id)
        .is_some_and(|c| above.table.indexes.iter().any(|i| i.column == c))
        && trace(child, key).is_some_and(|c| c == link.column);
    if !is_parent || !by_id || below.table.healpix.is_none() {
        return Ok(None);
    }
    let changed = child.clone().transform_up(|n| {
        Ok(match n.downcast_ref::<CatalogScan>() {
            Some(scan) => {
                Transformed::yes(Arc::new(scan.narrowed(cells)) as Arc<dyn ExecutionPlan>)
            }
            None => Transformed::no(n),
        })
    })?;
    Ok(Some(changed.data))
}
