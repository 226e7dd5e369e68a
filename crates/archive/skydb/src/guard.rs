//! Refusing what would never end: every row with every row of large tables.

use crate::error::SkyDbError;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use std::sync::Arc;

/// Pairs that may be looked at one by one: hours of all cores.
const PAIRS_MAX: f64 = 1e12;

/// An error when a part of the plan pairs all rows of two large sides.
pub fn refuse_endless(plan: &Arc<dyn ExecutionPlan>) -> Result<(), SkyDbError> {
    let children = plan.children();
    if let [left, right] = children.as_slice()
        && (plan.is::<CrossJoinExec>() || plan.is::<NestedLoopJoinExec>())
        && plan.fetch().is_none()
    {
        let (l, r) = (rows(left), rows(right));
        if l * r > PAIRS_MAX {
            return Err(SkyDbError::Endless { left: l, right: r });
        }
    }
    children.into_iter().try_for_each(refuse_endless)
}

/// Rows by estimate; of an operator that has none, those of its inputs together.
fn rows(plan: &Arc<dyn ExecutionPlan>) -> f64 {
    let known = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new()).ok();
    match known.and_then(|s| s.num_rows.get_value().copied()) {
        Some(n) => n as f64,
        None => plan.children().into_iter().map(rows).product(),
    }
}
