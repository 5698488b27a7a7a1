//! Which joins copy the values of a side to many rows.

use std::sync::Arc;

use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateOutputMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::rules::group_parts::GroupPartsExec;

/// Whether each row of a step's input goes to one row at most, as the other side of a join has no key twice: what was grouped
/// in parts is put together again by its groups.
pub(super) fn is_copied_once(plan: &dyn ExecutionPlan, input: usize) -> bool {
    let children = plan.children();
    let [left, right] = children.as_slice() else {
        return false;
    };
    let other = if input == 0 { right } else { left };
    let keys: Vec<Arc<dyn PhysicalExpr>> = match plan.downcast_ref::<HashJoinExec>() {
        Some(join) => {
            let on = join.on().iter();
            let of_other = |(left, right): &(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)| {
                Arc::clone(if input == 0 { right } else { left })
            };
            on.map(of_other).collect()
        }
        None if plan.is::<CrossJoinExec>() => Vec::new(),
        None => return false,
    };
    let columns = keys.iter().map(column).collect::<Option<Vec<_>>>();
    columns.is_some_and(|columns| is_once(other, &columns))
}

/// Whether no two rows of what a step gives, of all its partitions, have the same values in these columns.
fn is_once(plan: &Arc<dyn ExecutionPlan>, columns: &[usize]) -> bool {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let given = projection.expr();
        let below = |at: &usize| column(&given.get(*at)?.expr);
        let below = columns.iter().map(below).collect::<Option<Vec<_>>>();
        return below.is_some_and(|below| is_once(projection.input(), &below));
    }
    if let Some(groups) = groups(plan.as_ref()) {
        return (0..groups).all(|group| columns.contains(&group));
    }
    let hands_on = plan.is::<RepartitionExec>() || plan.is::<CoalescePartitionsExec>();
    match plan.children().as_slice() {
        [below] if hands_on => is_once(below, columns),
        _ => false,
    }
}

/// How many columns, which are its first, tell the rows apart that a step has grouped.
fn groups(plan: &dyn ExecutionPlan) -> Option<usize> {
    if let Some(parts) = plan.downcast_ref::<GroupPartsExec>() {
        return Some(parts.keys());
    }
    let aggregate = plan.downcast_ref::<AggregateExec>()?;
    let (groups, mode) = (aggregate.group_expr(), aggregate.mode().output_mode());
    let is_whole = mode == AggregateOutputMode::Final && groups.is_single();
    is_whole.then(|| groups.expr().len())
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}
