//! The first rows of each key: `row_number() OVER (PARTITION BY user_id ORDER BY creation_time DESC) = 1`, the last record
//! of each user; also `SELECT DISTINCT ON (user_id) …`, and `first_value(… ORDER BY …)` by groups.
//!
//! DataFusion sorts all rows with all their columns, numbers them, and keeps a few. Here a step below the sort knows the
//! first times of each key by the rows that it has seen, and lets no row through that as many stand before as are wanted;
//! and the scan asks it before it reads a row's other columns. What is left is sorted and numbered as ever.
//!
//! ```text
//!  scan ─► rows that may be first ─► sort by key and time ─► number ─► those with the numbers that are wanted
//!   ▲                 │
//!   └─ what is known ─┘
//! ```
//!
//! Files are read in the order of the time, so the first rows of most keys are among the first that are read.

mod known;

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNotNullExpr, Literal};
use datafusion::physical_expr::window::{StandardWindowExpr, WindowExpr};
use datafusion::physical_expr::{PhysicalSortExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, FilterDescription, FilterPushdownPhase,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream, apply_expression_roots,
};
use futures::StreamExt;

use self::known::Known;
pub(crate) use self::known::MayBeFirst;
use crate::codes::{is_exact, is_number};
use crate::node::{only_child, with_new_children};
use crate::rules::first_pass;

/// More rows of each key than that are not looked for like this.
const ROWS_OF_KEY_MAX: usize = 100;

/// Puts the step below sorts whose rows are numbered, where the first numbers alone are wanted. It comes before filters
/// that are known later are handed on.
#[derive(Debug)]
pub(crate) struct FirstsOfEach;

impl PhysicalOptimizerRule for FirstsOfEach {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let with_step = |node: Arc<dyn ExecutionPlan>| {
            let input = if let Some(filter) = node.downcast_ref::<FilterExec>() {
                below_filter(filter)?
            } else if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
                below_aggregate(aggregate)?
            } else {
                None
            };
            Ok(match input {
                Some(input) => Transformed::yes(replace_children_if_necessary(node, vec![input])?),
                None => Transformed::no(node),
            })
        };
        plan.transform_up(with_step).data()
    }

    fn name(&self) -> &str {
        "firsts_of_each"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What a filter reads, with the step; `None` if it does not ask for the first rows of each key.
fn below_filter(filter: &FilterExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    for condition in split_conjunction(filter.predicate()) {
        if let Some((column, count)) = first_numbers(condition)
            && (1..=ROWS_OF_KEY_MAX).contains(&count)
            && let Some(input) = below_window(filter.input(), column, count)?
        {
            return Ok(Some(input));
        }
    }
    Ok(None)
}

/// The column, and how many numbers from one on it may be: `n = 1`, `n <= 3`, `n < 4`.
fn first_numbers(condition: &Arc<dyn PhysicalExpr>) -> Option<(usize, usize)> {
    let binary = condition.downcast_ref::<BinaryExpr>()?;
    let column = binary.left().downcast_ref::<Column>()?.index();
    let number = match binary.right().downcast_ref::<Literal>()?.value() {
        ScalarValue::UInt64(number) => usize::try_from((*number)?).ok()?,
        _ => return None,
    };
    match binary.op() {
        Operator::Eq | Operator::LtEq => Some((column, number)),
        Operator::Lt => Some((column, number.checked_sub(1)?)),
        _ => None,
    }
}

/// The plan with the step below the one that makes the numbers in a column; `None` where they are no such numbers.
fn below_window(
    plan: &Arc<dyn ExecutionPlan>,
    column: usize,
    count: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let input = if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let of_input = projection.expr().get(column);
        match of_input.and_then(|given| given.expr.downcast_ref::<Column>()) {
            Some(of_input) => below_window(projection.input(), of_input.index(), count)?,
            None => None,
        }
    } else if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        let given = window.input().schema().fields().len();
        let asked = column.checked_sub(given);
        let asked = asked.and_then(|at| window.window_expr().get(at));
        // Another one may be about the rows that are left out.
        match asked {
            Some(asked) if window.window_expr().iter().all(is_rank) => {
                below_sort(window.input(), asked, count)?
            }
            _ => None,
        }
    } else {
        None
    };
    input
        .map(|input| replace_children_if_necessary(Arc::clone(plan), vec![input]))
        .transpose()
}

/// Whether a number says how many rows stand before; of `dense_rank` it says how many different ones.
fn is_rank(expr: &Arc<dyn WindowExpr>) -> bool {
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>();
    let function = standard.map(StandardWindowExpr::get_standard_func_expr);
    let function = function.and_then(|of| of.as_any().downcast_ref::<WindowUDFExpr>());
    function.is_some_and(|of| matches!(of.fun().name(), "row_number" | "rank"))
}

fn below_sort(
    plan: &Arc<dyn ExecutionPlan>,
    asked: &Arc<dyn WindowExpr>,
    count: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    // With a limit it gives some rows of its input, which others would be without those that are ruled out.
    let brings_together = plan.fetch().is_none()
        && (plan.is::<SortExec>()
            || plan.is::<SortPreservingMergeExec>()
            || plan.is::<RepartitionExec>()
            || plan.is::<CoalescePartitionsExec>());
    if !brings_together {
        let keys = asked.partition_by();
        return match first_order(asked.order_by(), keys) {
            Some(order) => FirstOfEachExec::above(plan, keys.to_vec(), order.clone(), count),
            None => Ok(None),
        };
    }
    let [input] = plan.children()[..] else {
        return Ok(None);
    };
    below_sort(input, asked, count)?
        .map(|input| replace_children_if_necessary(Arc::clone(plan), vec![input]))
        .transpose()
}

/// What rows of a key are ordered by first, which is no part of the key.
fn first_order<'a>(
    orders: &'a [PhysicalSortExpr],
    keys: &[Arc<dyn PhysicalExpr>],
) -> Option<&'a PhysicalSortExpr> {
    orders.iter().find(|order| !keys.contains(&order.expr))
}

/// What an aggregate reads, with the step, where all that it asks of each key is of its first row: `first_value` and
/// `last_value` by one order, also for `DISTINCT ON`.
fn below_aggregate(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    use AggregateMode::{Partial, Single, SinglePartitioned};
    let groups = aggregate.group_expr();
    if !matches!(aggregate.mode(), Partial | Single | SinglePartitioned) || !groups.is_single() {
        return Ok(None);
    }
    let keys = groups.input_exprs();
    let asked = aggregate.aggr_expr().iter().zip(aggregate.filter_expr());
    let orders = asked.map(|(function, filter)| order_of_first(function, filter.as_ref(), &keys));
    match orders.collect::<Option<Vec<_>>>().as_deref() {
        Some([order, others @ ..]) if others.iter().all(|other| other == order) => {
            FirstOfEachExec::above(aggregate.input(), keys, order.clone(), 1)
        }
        _ => Ok(None),
    }
}

/// By what the row is the first of its group that an aggregate takes its value of; `None` if it needs others.
fn order_of_first(
    function: &AggregateFunctionExpr,
    filter: Option<&Arc<dyn PhysicalExpr>>,
    keys: &[Arc<dyn PhysicalExpr>],
) -> Option<PhysicalSortExpr> {
    let mut order = first_order(function.order_bys(), keys)?.clone();
    match function.fun().name() {
        "first_value" => {}
        "last_value" => order.options = !order.options,
        _ => return None,
    }
    // `max_by` of Trino: a row without a number stands behind all that have one, and is not taken.
    let is_there = |filter: &Arc<dyn PhysicalExpr>| {
        let of = filter
            .downcast_ref::<IsNotNullExpr>()
            .map(IsNotNullExpr::arg);
        of == Some(&order.expr) && !order.options.nulls_first
    };
    (!function.ignore_nulls() && filter.is_none_or(is_there)).then_some(order)
}

/// Lets rows through that may be among the first of their key.
#[derive(Debug, Clone)]
pub(crate) struct FirstOfEachExec {
    input: Arc<dyn ExecutionPlan>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    order: PhysicalSortExpr,
    count: usize,
    known: Arc<Known>,
    metrics: ExecutionPlanMetricsSet,
}

impl FirstOfEachExec {
    pub(crate) const NAME: &str = "FirstOfEachExec";

    /// The step above a plan; `None` where there is no key, or no number that rows are ordered by.
    fn above(
        input: &Arc<dyn ExecutionPlan>,
        keys: Vec<Arc<dyn PhysicalExpr>>,
        order: PhysicalSortExpr,
        count: usize,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let schema = input.schema();
        let is_understood = !keys.is_empty()
            && is_number(&order.expr.data_type(&schema)?)
            && !keys.iter().chain([&order.expr]).any(is_volatile);
        if !is_understood {
            return Ok(None);
        }
        let types = keys.iter().map(|key| key.data_type(&schema));
        let types = types.collect::<Result<Vec<_>>>()?;
        if !types.iter().all(is_exact) {
            return Ok(None);
        }
        let input = match order.expr.downcast_ref::<Column>() {
            Some(column) => first_pass::in_order(Arc::clone(input), &order, column)?,
            None => Arc::clone(input),
        };
        Ok(Some(Arc::new(Self {
            input,
            keys,
            known: Arc::new(Known::new(&types, order.options, count)?),
            order,
            count,
            metrics: ExecutionPlanMetricsSet::new(),
        })))
    }

    fn see(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let value =
            |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(batch.num_rows());
        let keys = self.keys.iter().map(value).collect::<Result<Vec<_>>>()?;
        let passing = self.known.see(&keys, &value(&self.order.expr)?)?;
        Ok(filter_record_batch(batch, &BooleanArray::from(passing))?)
    }
}

impl DisplayAs for FirstOfEachExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        let (keys, count, order) = (keys.join(", "), self.count, &self.order);
        write!(f, "{}: first={count} of [{keys}] by {order}", Self::NAME)
    }
}

impl ExecutionPlan for FirstOfEachExec {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.keys.iter().chain([&self.order.expr]), f)
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let child = ChildFilterDescription::from_child(&parent_filters, &self.input)?;
        let child = match phase {
            FilterPushdownPhase::Post => {
                let may_be_first = MayBeFirst::new(&self.keys, &self.order.expr, &self.known);
                child.with_self_filter(Arc::new(may_be_first))
            }
            FilterPushdownPhase::Pre => child,
        };
        Ok(FilterDescription::new().with_child(child))
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_child(children, Self::NAME)?;
        // What it knows is what the scan below asks.
        Ok(Arc::new(Self {
            input,
            ..self.as_ref().clone()
        }))
    }

    with_new_children!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let memory = MemoryConsumer::new("FirstOfEach").register(context.memory_pool());
        self.known.count_in(memory);
        let rows = self.input.execute(partition, context)?;
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let plan = self.clone();
        let batches = rows.map(move |batch| {
            let _timer = baseline.elapsed_compute().timer();
            let batch = plan.see(&batch?)?;
            baseline.record_output(batch.num_rows());
            Ok(batch)
        });
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::testing::{ask, with_rule};

    /// Of few keys, with times that are there more than once, and with nulls of both.
    const TABLES: [&str; 1] = ["CREATE TABLE t AS SELECT 'u' || NULLIF(value % 41, 3) AS u, value % 3 = 1 AS b,
        value AS n, to_timestamp_micros(NULLIF(value * 7919 % 1000, 13) * 1000000) AS t FROM generate_series(1, 3000)"];

    async fn context(rule: Option<FirstsOfEach>) -> SessionContext {
        let rule = rule.map(|rule| Arc::new(rule) as _);
        with_rule("PushdownSort", rule, &TABLES).await
    }

    /// Windows and conditions, and whether the step can rule out rows.
    const QUERIES: &[(&str, &str, bool)] = &[
        (
            "row_number() OVER (PARTITION BY u ORDER BY t DESC, n)",
            "= 1",
            true,
        ),
        (
            "row_number() OVER (PARTITION BY u ORDER BY t, n)",
            "= 1",
            true,
        ),
        (
            "row_number() OVER (PARTITION BY u ORDER BY t DESC NULLS LAST, n)",
            "<= 3",
            true,
        ),
        (
            "row_number() OVER (PARTITION BY u ORDER BY t NULLS FIRST, n)",
            "< 3",
            true,
        ),
        (
            "row_number() OVER (PARTITION BY u, b ORDER BY t, n)",
            "= 5",
            true,
        ),
        (
            "row_number() OVER (PARTITION BY u || 'x' ORDER BY n % 10 DESC, n)",
            "= 2",
            true,
        ),
        (
            "row_number() OVER (PARTITION BY b ORDER BY t, n)",
            "<= 100",
            true,
        ),
        (
            "row_number() OVER (PARTITION BY b ORDER BY t, n)",
            "= 101",
            false,
        ),
        ("rank() OVER (PARTITION BY u ORDER BY t)", "= 1", true),
        ("rank() OVER (PARTITION BY u ORDER BY t DESC)", "<= 4", true),
        // Many rows may have the first ranks of all.
        (
            "dense_rank() OVER (PARTITION BY u ORDER BY t)",
            "<= 2",
            false,
        ),
        (
            "row_number() OVER (PARTITION BY u ORDER BY t, n)",
            "> 60",
            false,
        ),
        (
            "row_number() OVER (PARTITION BY u ORDER BY t, n)",
            "= 0",
            false,
        ),
        ("row_number() OVER (ORDER BY t, n)", "= 1", false),
        (
            "row_number() OVER (PARTITION BY u ORDER BY u || n)",
            "= 1",
            false,
        ),
        ("count(*) OVER (PARTITION BY u ORDER BY t)", "= 1", false),
    ];

    #[tokio::test]
    async fn rows_are_those_of_a_sort() {
        let (theirs, ours) = (context(None).await, context(Some(FirstsOfEach)).await);
        let mut asked = Vec::new();
        for (window, condition, is_used) in QUERIES {
            asked.push((
                format!("SELECT * FROM (SELECT *, {window} AS r FROM t) WHERE r {condition}"),
                *is_used,
            ));
            asked.push((
                format!("SELECT n FROM t WHERE n % 7 = 1 QUALIFY {window} {condition} AND b"),
                *is_used,
            ));
            // What else is numbered goes the same way; a sum is one of all rows.
            asked.push((
                format!("SELECT n FROM (SELECT n, {window} AS r, rank() OVER (PARTITION BY u ORDER BY n) AS s FROM t) WHERE r {condition}"),
                *is_used,
            ));
        }
        for (sql, is_used) in asked {
            let sorted = format!("{sql} ORDER BY n");
            assert_eq!(
                ask(&ours, &sorted).await,
                ask(&theirs, &sorted).await,
                "{sql}"
            );
            let plan = ask(&ours, &format!("EXPLAIN {sql}")).await;
            assert_eq!(
                plan.contains(FirstOfEachExec::NAME),
                is_used,
                "{sql}\n{plan}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_of_all_rows_stays_so() {
        let (theirs, ours) = (context(None).await, context(Some(FirstsOfEach)).await);
        let of_some = "SELECT n FROM (SELECT * FROM t ORDER BY n LIMIT 100) QUALIFY
            row_number() OVER (PARTITION BY b ORDER BY t, n) = 1 ORDER BY n";
        assert_eq!(ask(&ours, of_some).await, ask(&theirs, of_some).await);
        let of_all = [
            "row_number() OVER w AS r, count(*) OVER w AS s",
            "row_number() OVER w AS r, lead(n) OVER w AS s",
        ];
        for columns in of_all {
            let sql = format!(
                "SELECT n, s FROM (SELECT n, {columns} FROM t WINDOW w AS (PARTITION BY u ORDER BY t, n)) WHERE r = 1 ORDER BY n"
            );
            assert_eq!(ask(&ours, &sql).await, ask(&theirs, &sql).await, "{sql}");
        }
    }

    /// Aggregates by one key, and whether all of them are of its first row.
    const AGGREGATES: &[(&str, bool)] = &[
        ("first_value(n ORDER BY t, n)", true),
        ("last_value(n ORDER BY t DESC, n DESC)", true),
        (
            "first_value(n ORDER BY t DESC, n DESC), last_value(b ORDER BY t, n)",
            true,
        ),
        (
            "first_value(n ORDER BY u, t NULLS FIRST, n), first_value(b ORDER BY t NULLS FIRST, n)",
            true,
        ),
        // As `max_by` is written.
        (
            "first_value(n ORDER BY t DESC NULLS LAST, n) FILTER (WHERE t IS NOT NULL)",
            true,
        ),
        (
            "first_value(n ORDER BY t DESC NULLS FIRST, n) FILTER (WHERE t IS NOT NULL)",
            false,
        ),
        ("first_value(n ORDER BY t, n) FILTER (WHERE b)", false),
        (
            "first_value(NULLIF(n % 3, 1) ORDER BY t, n) IGNORE NULLS",
            false,
        ),
        (
            "first_value(n ORDER BY t, n), first_value(n ORDER BY t DESC, n)",
            false,
        ),
        ("first_value(n ORDER BY t, n), count(*)", false),
        ("first_value(n ORDER BY t, n), max(t)", false),
        ("max(n)", false),
    ];

    #[tokio::test]
    async fn values_are_those_of_all_rows() {
        let (theirs, ours) = (context(None).await, context(Some(FirstsOfEach)).await);
        let on = "SELECT DISTINCT ON (u) u, n, b, t FROM t ORDER BY u, t DESC, n";
        let groups = AGGREGATES.iter().map(|(aggregates, is_used)| {
            let sql = format!("SELECT u, {aggregates} FROM t GROUP BY u ORDER BY u");
            (sql, *is_used)
        });
        for (sql, is_used) in groups.chain([(on.to_owned(), true)]) {
            assert_eq!(ask(&ours, &sql).await, ask(&theirs, &sql).await, "{sql}");
            let plan = ask(&ours, &format!("EXPLAIN {sql}")).await;
            assert_eq!(
                plan.contains(FirstOfEachExec::NAME),
                is_used,
                "{sql}\n{plan}"
            );
        }
    }
}
