//! Puts the sky join where the planner saw a join with a spatial condition.

use super::exec::SkyJoinExec;
use super::kernel::Plan;
use super::{near, tiles};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, NullEquality, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use std::sync::Arc;

#[derive(Debug)]
pub struct SkyJoinRule;

impl PhysicalOptimizerRule for SkyJoinRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let changed = plan.transform_up(|node| {
            let made = if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
                let projection = join.projection().as_ref().map(|p| p.to_vec());
                match join.filter() {
                    Some(f) => sky_join(
                        join.left(),
                        join.right(),
                        f.clone(),
                        *join.join_type(),
                        projection,
                        &node,
                    )?,
                    None => None,
                }
            } else if let Some(join) = node.downcast_ref::<HashJoinExec>() {
                hash_join(join, &node)?
            } else {
                None
            };
            Ok(match made {
                Some(new) => Transformed::yes(new),
                None => Transformed::no(node),
            })
        })?;
        Ok(changed.data)
    }

    fn name(&self) -> &'static str {
        "sky_join"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A join on equal columns with a spatial condition besides (`a.band = b.band AND near`): the sky finds fewer
/// pairs than most columns do, so that equality is tested after it.
fn hash_join(
    join: &HashJoinExec,
    node: &Arc<dyn ExecutionPlan>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = join.filter() else { return Ok(None) };
    let plain = !join.null_aware && join.null_equality() == NullEquality::NullEqualsNothing;
    if near::find(filter).is_none() || !plain {
        return Ok(None);
    }
    let mut columns: Vec<ColumnIndex> = filter.column_indices().to_vec();
    let mut fields: Vec<_> = filter.schema().fields().iter().cloned().collect();
    let mut expression = filter.expression().clone();
    for (l, r) in join.on() {
        let (Some(l), Some(r)) = (l.downcast_ref::<Column>(), r.downcast_ref::<Column>()) else {
            return Ok(None);
        };
        let at = columns.len();
        let sides = [(l, join.left(), true), (r, join.right(), false)];
        for (column, input, left) in sides {
            fields.push(Arc::new(input.schema().field(column.index()).clone()));
            let side = if left {
                datafusion::common::JoinSide::Left
            } else {
                datafusion::common::JoinSide::Right
            };
            columns.push(ColumnIndex { index: column.index(), side });
        }
        let equal = Arc::new(BinaryExpr::new(
            Arc::new(Column::new(l.name(), at)),
            Operator::Eq,
            Arc::new(Column::new(r.name(), at + 1)),
        ));
        expression = Arc::new(BinaryExpr::new(expression, Operator::And, equal));
    }
    let schema = Arc::new(datafusion::arrow::datatypes::Schema::new(fields));
    let filter = JoinFilter::new(expression, columns, schema);
    let projection = join.projection.as_ref().map(|p| p.to_vec());
    sky_join(join.left(), join.right(), filter, *join.join_type(), projection, node)
}

fn sky_join(
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
    filter: JoinFilter,
    join_type: JoinType,
    projection: Option<Vec<usize>>,
    node: &Arc<dyn ExecutionPlan>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(near) = near::find(&filter) else { return Ok(None) };
    let (left, right) = (unspread(left), unspread(right));
    let (_, columns) = build_join_schema(&left.schema(), &right.schema(), &join_type);
    let columns = match projection {
        Some(p) => p.iter().map(|k| columns[*k].clone()).collect(),
        None => columns,
    };
    let residual = near::residual(&filter, &near);
    let tiles = tiles::tiles(&near, &filter, join_type, &left, &right);
    debug_assert!(collect_columns(filter.expression()).len() <= filter.column_indices().len());
    let schema = node.schema();
    let plan = Plan { filter, near, residual, join_type, columns, schema };
    // What stands above was planned for so many streams.
    let partitions = node.output_partitioning().partition_count();
    let join: Arc<dyn ExecutionPlan> =
        Arc::new(SkyJoinExec::new(left, right, Arc::new(plan), tiles, partitions));
    Ok(Some(match node.output_partitioning() {
        // Rows were spread by the columns of the equality, which somebody above may count on, where
        // these columns come out at all.
        Partitioning::Hash(keys, n) if *n > 1 && keys.iter().all(|k| is_column(k, &join)) => {
            Arc::new(RepartitionExec::try_new(join, Partitioning::Hash(keys.clone(), *n))?)
        }
        _ => join,
    }))
}

fn is_column(e: &near::Phys, plan: &Arc<dyn ExecutionPlan>) -> bool {
    let schema = plan.schema();
    e.downcast_ref::<Column>()
        .is_some_and(|c| schema.fields().get(c.index()).is_some_and(|f| f.name() == c.name()))
}

/// Without the operators that only spread rows over streams or gather them.
fn unspread(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let spreads = plan.is::<CoalescePartitionsExec>() || plan.is::<RepartitionExec>();
    if spreads && plan.fetch().is_none() { unspread(plan.children()[0]) } else { plan.clone() }
}
