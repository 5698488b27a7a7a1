//! From when to when there are records: `min(creation_time)` and `max(creation_time)` of a whole table.
//!
//! Files say between which times their records are, but in milliseconds, so an answer can't be made of that. It says which
//! file has the first record, though, and the step that gives first rows goes by it:
//!
//! ```text
//! SELECT min(creation_time), count(*) FROM m365_audit
//! SELECT min(creation_time) FROM (SELECT creation_time FROM m365_audit ORDER BY creation_time LIMIT 1)
//!     beside SELECT count(*) FROM m365_audit
//! ```

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};

use crate::rules::regroup::{AggregateRule, as_before, unnamed, value_name};

/// The rule that does so. It comes after filters have gone to where rows are read.
pub(crate) const EXTREMES_BY_ORDER: AggregateRule = AggregateRule {
    name: "extremes_by_order",
    in_place_of: by_order,
};

/// `None` where no extreme of a time is asked for, or not of a whole table.
fn by_order(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    if !aggregate.group_expr.is_empty() || !is_whole_table(&aggregate.input)? {
        return Ok(None);
    }
    let input = || LogicalPlanBuilder::from(aggregate.input.as_ref().clone());
    let no_groups = Vec::<Expr>::new;
    let (mut parts, mut others) = (Vec::new(), Vec::new());
    for (place, value) in aggregate.aggr_expr.iter().enumerate() {
        let value_of = value.clone().alias(value_name(place));
        match extreme(value, aggregate)? {
            None => others.push(value_of),
            Some((of, is_least)) => {
                let first = input().sort_with_limit([of.sort(is_least, false)], Some(1))?;
                parts.push(first.aggregate(no_groups(), [value_of])?);
            }
        }
    }
    let mut parts = parts.into_iter();
    let Some(mut all) = parts.next() else {
        return Ok(None);
    };
    if !others.is_empty() {
        all = all.cross_join(input().aggregate(no_groups(), others)?.build()?)?;
    }
    for part in parts {
        all = all.cross_join(part.build()?)?;
    }
    let names = (0..aggregate.aggr_expr.len()).map(value_name);
    Ok(Some(as_before(aggregate, all, names)?))
}

/// What an aggregate is the least or the greatest of, if that is a column of times, and whether it is the least.
fn extreme(value: &Expr, aggregate: &Aggregate) -> Result<Option<(Expr, bool)>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = unnamed(value) else {
        return Ok(None);
    };
    let (is_least, [of @ Expr::Column(_)], None) =
        (func.name() == "min", params.args.as_slice(), &params.filter)
    else {
        return Ok(None);
    };
    let is_time = matches!(
        of.get_type(aggregate.input.schema())?,
        DataType::Timestamp(..)
    );
    let is_extreme = is_least || func.name() == "max";
    Ok((is_time && is_extreme).then(|| (of.clone(), is_least)))
}

/// Whether a step gives all rows of a table.
fn is_whole_table(plan: &LogicalPlan) -> Result<bool> {
    let is_other = |node: &LogicalPlan| {
        Ok(match node {
            LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => false,
            LogicalPlan::TableScan(scan) => !scan.filters.is_empty() || scan.fetch.is_some(),
            _ => true,
        })
    };
    Ok(!plan.exists(is_other)?)
}
