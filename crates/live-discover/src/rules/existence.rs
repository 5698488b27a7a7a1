//! `IN (SELECT …)` and `EXISTS`: joins that ask of one side only whether something is there.
//!
//! DataFusion's hash join holds each row of that side, and looks at all with the same key for each row of the other:
//! a thousand sign-ins from an address, asked for by a million records from there, are a thousand million looks. What is
//! there once is as good as what is there a thousand times, so each partition leaves out what it had before. A partial
//! aggregate does that, which goes on without where most is different.
//!
//! Whether a value other than one's own is there (`b.user_id <> a.user_id`) is told by the least and the greatest of a
//! key: only if both are that value, there is no other.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, JoinType, Result, internal_err};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::{AggregateUDF, Operator};
use datafusion::physical_expr::aggregate::AggregateExprBuilder;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, binary};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExec, JoinOn, PartitionMode};
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
    let input = key(asked, left, right);
    if join.contains_projection() {
        return Ok(None);
    }
    let mut columns = used(join, asked);
    if let Some(other) = Other::of(join, asked) {
        columns.remove(&other.inside);
        let extremes = [(min_udaf(), other.inside), (max_udaf(), other.inside)];
        let extremes = partial(input, &columns, &extremes)?;
        let filter = other.filter(join, asked, extremes.as_ref())?;
        return asked_of(join, asked, &columns, extremes, Some(filter)).map(Some);
    }
    if is_once(input) {
        return Ok(None);
    }
    let different = partial(input, &columns, &[])?;
    let filter = join
        .filter()
        .map(|filter| moved_filter(filter, asked, &columns));
    let filter = filter.transpose()?;
    asked_of(join, asked, &columns, different, filter).map(Some)
}

/// Groups of rows as each partition has them, by some columns, with aggregates of another one.
fn partial(
    input: &Arc<dyn ExecutionPlan>,
    columns: &BTreeSet<usize>,
    aggregates: &[(Arc<AggregateUDF>, usize)],
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = input.schema();
    let column = |at: usize| -> (Arc<dyn PhysicalExpr>, String) {
        let name = schema.field(at).name();
        (Arc::new(Column::new(name, at)), name.clone())
    };
    let groups = columns.iter().map(|at| column(*at)).collect();
    let groups = PhysicalGroupBy::new_single(groups);
    let aggregates = aggregates.iter().map(|(function, of)| {
        let (column, name) = column(*of);
        let built = AggregateExprBuilder::new(Arc::clone(function), vec![column])
            .schema(Arc::clone(&schema))
            .alias(format!("{}({name})", function.name()))
            .build()?;
        Ok(Arc::new(built))
    });
    let aggregates = aggregates.collect::<Result<Vec<_>>>()?;
    let filters = vec![None; aggregates.len()];
    Ok(Arc::new(AggregateExec::try_new(
        AggregateMode::Partial,
        groups,
        aggregates,
        filters,
        Arc::clone(input),
        Arc::clone(&schema),
    )?))
}

/// The join, of what is asked as it is `different`, by these columns of before. That is little, so it is held: rows of the
/// other side need not be brought together with it.
fn asked_of(
    join: &HashJoinExec,
    asked: JoinSide,
    columns: &BTreeSet<usize>,
    different: Arc<dyn ExecutionPlan>,
    filter: Option<JoinFilter>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let on = join.on().iter().map(|(left, right)| {
        Ok(match asked {
            JoinSide::Left => (moved(left, columns)?, Arc::clone(right)),
            _ => (Arc::clone(left), moved(right, columns)?),
        })
    });
    let (left, right, mode) = match asked {
        JoinSide::Left => (
            different,
            Arc::clone(join.right()),
            PartitionMode::CollectLeft,
        ),
        _ => (Arc::clone(join.left()), different, *join.partition_mode()),
    };
    let join = HashJoinExec::try_new(
        left,
        right,
        on.collect::<Result<JoinOn>>()?,
        filter,
        join.join_type(),
        None,
        mode,
        join.null_equality(),
        join.null_aware,
    )?;
    Ok(Arc::new(join))
}

/// Where a column is among those that are left.
fn place(column: usize, columns: &BTreeSet<usize>) -> Result<usize> {
    match columns.iter().position(|left| *left == column) {
        Some(place) => Ok(place),
        None => internal_err!("a join looks at a column that it does not use"),
    }
}

fn moved(key: &Arc<dyn PhysicalExpr>, columns: &BTreeSet<usize>) -> Result<Arc<dyn PhysicalExpr>> {
    Arc::clone(key)
        .transform(|part| {
            let Some(column) = part.downcast_ref::<Column>() else {
                return Ok(Transformed::no(part));
            };
            let moved = Column::new(column.name(), place(column.index(), columns)?);
            Ok(Transformed::yes(Arc::new(moved) as _))
        })
        .data()
}

fn moved_filter(
    filter: &JoinFilter,
    asked: JoinSide,
    columns: &BTreeSet<usize>,
) -> Result<JoinFilter> {
    let indices = filter.column_indices().iter().map(|of| {
        let index = match of.side == asked {
            true => place(of.index, columns)?,
            false => of.index,
        };
        Ok(ColumnIndex {
            index,
            side: of.side,
        })
    });
    Ok(JoinFilter::new(
        Arc::clone(filter.expression()),
        indices.collect::<Result<_>>()?,
        Arc::clone(filter.schema()),
    ))
}

/// A join that asks of its keys whether they have a value other than one of the side outside.
struct Other {
    /// Where the value is inside, which no key is made of.
    inside: usize,
    outside: usize,
}

impl Other {
    fn of(join: &HashJoinExec, asked: JoinSide) -> Option<Self> {
        let filter = join.filter()?;
        let condition = filter.expression().downcast_ref::<BinaryExpr>()?;
        if *condition.op() != Operator::NotEq {
            return None;
        }
        let column = |expr: &Arc<dyn PhysicalExpr>| {
            let at = expr.downcast_ref::<Column>()?.index();
            filter.column_indices().get(at)
        };
        let (left, right) = (column(condition.left())?, column(condition.right())?);
        let (inside, outside) = match (left.side == asked, right.side == asked) {
            (true, false) => (left.index, right.index),
            (false, true) => (right.index, left.index),
            _ => return None,
        };
        let input = key(asked, join.left(), join.right());
        let is_plain = !input.schema().field(inside).data_type().is_nested();
        let mut keys = join
            .on()
            .iter()
            .map(|(left, right)| key(asked, left, right));
        let is_no_key = keys.all(|key| collect_columns(key).iter().all(|of| of.index() != inside));
        (is_plain && is_no_key).then_some(Self { inside, outside })
    }

    /// `outside <> least OR outside <> greatest`.
    fn filter(
        &self,
        join: &HashJoinExec,
        asked: JoinSide,
        extremes: &dyn ExecutionPlan,
    ) -> Result<JoinFilter> {
        let (other, outside) = match asked {
            JoinSide::Left => (JoinSide::Right, join.right()),
            _ => (JoinSide::Left, join.left()),
        };
        let greatest = extremes.schema().fields().len() - 1;
        let columns = [
            (self.outside, other),
            (greatest - 1, asked),
            (greatest, asked),
        ];
        let fields = [
            outside.schema().field(self.outside).clone(),
            extremes.schema().field(greatest - 1).clone(),
            extremes.schema().field(greatest).clone(),
        ];
        let columns = columns.map(|(index, side)| ColumnIndex { index, side });
        let schema = Schema::new(fields.to_vec());
        let column = |at: usize| -> Arc<dyn PhysicalExpr> {
            Arc::new(Column::new(schema.field(at).name(), at))
        };
        let is_other = |at| binary(column(0), Operator::NotEq, column(at), &schema);
        let condition = binary(is_other(1)?, Operator::Or, is_other(2)?, &schema)?;
        Ok(JoinFilter::new(
            condition,
            columns.to_vec(),
            Arc::new(schema),
        ))
    }
}

fn key<'a, T>(side: JoinSide, left: &'a T, right: &'a T) -> &'a T {
    if side == JoinSide::Left { left } else { right }
}

/// The columns of a side that the join looks at.
fn used(join: &HashJoinExec, side: JoinSide) -> BTreeSet<usize> {
    let mut columns = BTreeSet::new();
    for (left, right) in join.on() {
        columns.extend(
            collect_columns(key(side, left, right))
                .iter()
                .map(Column::index),
        );
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
            "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.s <> t.s)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE t.n <> u.n AND u.k = t.k + 1)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.n <> t.k AND u.s = t.s AND u.k = t.k)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE upper(u.s) = upper(t.s) AND u.k <> t.k)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE abs(u.k) = t.k + 2 AND u.n + 1 < t.n)",
            true,
        ),
        (
            "SELECT count(*) FROM t WHERE n = 6 OR EXISTS (SELECT 1 FROM u WHERE u.n = t.n AND u.k <> t.k)",
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
