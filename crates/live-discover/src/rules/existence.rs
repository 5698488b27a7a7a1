//! `IN (SELECT …)` and `EXISTS`: joins that ask of one side only whether something is there.
//!
//! DataFusion's hash join holds each row of that side, and looks at all with the same key for each row of the other:
//! a thousand sign-ins from an address, asked for by a million records from there, are a thousand million looks. What is
//! there once is as good as what is there a thousand times, so each partition leaves out what it had before. A partial
//! aggregate does that, which goes on without where most is different.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::node::NodeRule;

/// Leaves out what such a join was given before. It comes after the sides of joins are chosen and before filters are
/// handed on and rows are brought together by their keys.
pub(crate) const ASK_ONCE: NodeRule<HashJoinExec> = NodeRule {
    name: "ask_once",
    in_place_of: once,
};

/// A join that asks whether something is there, which is there once.
fn once(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let asked = match join.join_type() {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => JoinSide::Right,
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => JoinSide::Left,
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => return Ok(None),
    };
    let (left, right) = (join.left(), join.right());
    let input = if asked == JoinSide::Left { left } else { right };
    // With further columns few rows are alike.
    if join.contains_projection()
        || is_once(input)
        || used(join, asked).len() < input.schema().fields().len()
    {
        return Ok(None);
    }
    let schema = input.schema();
    let columns = schema.fields().iter().enumerate().map(|(at, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
        (column, field.name().clone())
    });
    let different = AggregateExec::try_new(
        AggregateMode::Partial,
        PhysicalGroupBy::new_single(columns.collect()),
        Vec::new(),
        Vec::new(),
        Arc::clone(input),
        schema,
    )?;
    let different: Arc<dyn ExecutionPlan> = Arc::new(different);
    // What is held is little then: rows of the other side need not be brought together with it.
    let (left, right, mode) = match asked {
        JoinSide::Left => (different, Arc::clone(right), PartitionMode::CollectLeft),
        _ => (Arc::clone(left), different, *join.partition_mode()),
    };
    let join = HashJoinExec::try_new(
        left,
        right,
        join.on().to_vec(),
        join.filter().cloned(),
        join.join_type(),
        None,
        mode,
        join.null_equality(),
        join.null_aware,
    )?;
    Ok(Some(Arc::new(join)))
}

/// The columns of a side that the join looks at.
fn used(join: &HashJoinExec, side: JoinSide) -> HashSet<usize> {
    let mut columns = HashSet::new();
    for (left, right) in join.on() {
        let key = if side == JoinSide::Left { left } else { right };
        columns.extend(collect_columns(key).iter().map(Column::index));
    }
    if let Some(filter) = join.filter() {
        let of_side = filter
            .column_indices()
            .iter()
            .filter(|column| column.side == side);
        columns.extend(of_side.map(|column| column.index));
    }
    columns
}

/// Whether nothing can be twice in what a step gives.
fn is_once(plan: &Arc<dyn ExecutionPlan>) -> bool {
    match plan.downcast_ref::<ProjectionExec>() {
        Some(projection) => is_once(projection.input()),
        None => plan.is::<AggregateExec>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ask, with_rule_for_joins};

    /// Of each kind some rows, few of them different.
    const TABLES: [&str; 2] = [
        "CREATE TABLE t AS SELECT value % 50 AS k, value % 7 AS n, 't' || (value % 11) AS s FROM generate_series(1, 2000)",
        "CREATE TABLE u AS SELECT NULLIF(value % 30, 3) * 2 AS k, value % 5 AS n, 't' || (value % 3) AS s
            FROM generate_series(1, 3000)",
    ];

    /// Queries, and whether what is asked for is brought together first.
    const QUERIES: &[(&str, bool)] = &[
        ("SELECT count(*) FROM t WHERE k IN (SELECT k FROM u)", true),
        (
            "SELECT count(*) FROM t WHERE k NOT IN (SELECT k FROM u WHERE k IS NOT NULL)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE k NOT IN (SELECT k FROM u)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.s = t.s)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.n > t.n)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE n = 6 OR k IN (SELECT k FROM u)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE k + 1 IN (SELECT k * 2 FROM u)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE k IN (SELECT DISTINCT k FROM u)",
            false,
        ),
        (
            "SELECT count(*) FROM t WHERE k IN (SELECT max(k) FROM u GROUP BY n)",
            false,
        ),
        ("SELECT count(*) FROM t JOIN u ON u.k = t.k", false),
        (
            "SELECT count(*) FROM t WHERE k IN (SELECT k FROM u LIMIT 0)",
            false,
        ),
    ];

    #[tokio::test]
    async fn answers_are_those_of_datafusion() {
        let theirs = with_rule_for_joins(None, &TABLES).await;
        let ours = with_rule_for_joins(Some(Arc::new(ASK_ONCE)), &TABLES).await;
        for (sql, is_once) in QUERIES {
            let expected = ask(&theirs, sql).await;
            assert_eq!(ask(&ours, sql).await, expected, "{sql}");
            let explain = format!("EXPLAIN {sql}");
            let (before, plan) = (ask(&theirs, &explain).await, ask(&ours, &explain).await);
            assert_eq!(before != plan, *is_once, "{sql}\n{plan}");
        }
    }
}
