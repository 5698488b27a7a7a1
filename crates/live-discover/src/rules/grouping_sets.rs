//! `ROLLUP (creation_time::date)`: sets of what is computed become sets of columns.
//!
//! Functions are put in the place of casts and operators before all rules, and what a group is by then has another name;
//! within sets nothing keeps the name that the rest of the query knows it by.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, LogicalPlanBuilder};

/// The plan with all sets of columns.
pub(crate) fn by_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => match computed(&aggregate) {
            computed if computed.is_empty() => {
                Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)))
            }
            computed => of_columns(aggregate, &computed).map(Transformed::yes),
        },
        node => Ok(Transformed::no(node)),
    });
    rewritten.data()
}

/// What sets are of, beside columns.
fn computed(aggregate: &Aggregate) -> Vec<Expr> {
    let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() else {
        return Vec::new();
    };
    let parts = sets.distinct_expr().into_iter();
    let computed = parts.filter(|part| !matches!(part, Expr::Column(_)));
    computed.cloned().collect()
}

fn of_columns(aggregate: Aggregate, computed: &[Expr]) -> Result<LogicalPlan> {
    let name = |at: usize| format!("__set_{at}");
    let as_column = |expr: Expr| {
        expr.transform_down(|expr| {
            Ok(match computed.iter().position(|known| *known == expr) {
                Some(at) => Transformed::yes(Expr::Column(Column::new_unqualified(name(at)))),
                None => Transformed::no(expr),
            })
        })
        .data()
    };
    let Aggregate {
        input,
        group_expr,
        aggr_expr,
        schema,
        ..
    } = aggregate;
    let columns = input.schema().columns().into_iter().map(Expr::Column);
    let named = computed.iter().enumerate();
    let named = named.map(|(at, expr)| expr.clone().alias(name(at)));
    let input = LogicalPlanBuilder::new_from_arc(input).project(columns.chain(named))?;
    let groups = group_expr.into_iter().map(as_column);
    let groups = groups.collect::<Result<Vec<_>>>()?;
    let aggregates = aggr_expr.into_iter().map(as_column);
    let aggregates = aggregates.collect::<Result<Vec<_>>>()?;
    let sets = Aggregate::try_new(Arc::new(input.build()?), groups, aggregates)?;
    // By the names that the rest of the plan knows.
    let columns = sets.schema.columns().into_iter().zip(schema.iter());
    let columns = columns.filter(|(column, _)| column.name != Aggregate::INTERNAL_GROUPING_ID);
    let columns = columns.map(|(column, (qualifier, field))| {
        let is_known = column.relation.as_ref() == qualifier && column.name == *field.name();
        match is_known {
            true => Expr::Column(column),
            false => Expr::Column(column).alias_qualified(qualifier.cloned(), field.name()),
        }
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(LogicalPlan::Aggregate(sets))
        .project(columns)?
        .build()
}
