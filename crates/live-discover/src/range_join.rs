//! Joins of rows that are near each other in time: `ON b.user_id = a.user_id AND b.creation_time BETWEEN a.creation_time
//! AND a.creation_time + INTERVAL '10' MINUTE`.
//!
//! What followed what is half of an investigation, and DataFusion's hash join tries each pair of rows with the same key: a
//! user's thousand failed sign-ins by ten thousand others. Here the rows of one side are held by their keys in the
//! order of their times, and for each row of the other those are found that lie in its range:
//!
//! ```text
//!  held side ─► [`held`]: rows by key and time ┐
//!  other side ─► key and range of each row ────┴► [`pairs`]: pairs ─► what else the condition asks ─► rows
//! ```
//!
//! It takes the place of a hash join whose condition compares a value of one side with one of the other, each of numbers
//! or times, whatever they are made of: what the values of the held side are is known by then, and that they are in
//! order is looked at and not believed.

mod held;
mod pairs;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, JoinSide, JoinType, NullEquality, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, DynamicFilterPhysicalExpr, lit};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, conjunction_opt, split_conjunction};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase,
    FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    ExecutionPlanProperties, InputDistributionRequirements, Partitioning, PhysicalExpr,
    PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};

use self::held::Held;
use self::pairs::Pairs;

/// Puts the join in the place of hash joins. It comes after the sides of joins are chosen, and before filters are handed
/// on and inputs are brought together as steps want them.
#[derive(Debug)]
pub(crate) struct RangeJoins;

impl PhysicalOptimizerRule for RangeJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let join = node.downcast_ref::<HashJoinExec>();
            Ok(match join.map(RangeJoinExec::in_place_of).transpose()? {
                Some(Some(join)) => Transformed::yes(Arc::new(join) as _),
                _ => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "range_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Which rows of the side that is not held are given, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// With each row that it has a pair with.
    Pairs,
    /// The same, and with nulls if there is none.
    PairsOrNulls,
    /// If there is such a row.
    IfAny,
    IfNone,
}

/// Two sides, joined by equal keys and by ranges.
#[derive(Debug, Clone)]
pub(crate) struct RangeJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    join_type: JoinType,
    held_side: JoinSide,
    given: Given,
    on: Vec<Key>,
    null_equality: NullEquality,
    ranges: Vec<Range>,
    /// All of the condition, for rows of the held side that are in no order; and what ranges leave of it.
    whole: JoinFilter,
    rest: Option<JoinFilter>,
    columns: Vec<ColumnIndex>,
    /// What is known of the other side's keys while the query runs, for who reads them.
    keys: Option<Arc<DynamicFilterPhysicalExpr>>,
    held: Arc<Mutex<Option<HeldOnce>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The held side, by the partition that asks first for all of them.
type HeldOnce = Shared<BoxFuture<'static, Result<Arc<Held>, Arc<DataFusionError>>>>;

/// A value that is equal on both sides.
#[derive(Debug, Clone)]
struct Key {
    held: Arc<dyn PhysicalExpr>,
    other: Arc<dyn PhysicalExpr>,
}

/// `held <= other` and the like.
#[derive(Debug, Clone)]
struct Range {
    held: Arc<dyn PhysicalExpr>,
    op: Operator,
    other: Arc<dyn PhysicalExpr>,
}

impl RangeJoinExec {
    /// `None` where a hash join's condition has no range, or where rows of both sides are given that have no pair.
    fn in_place_of(join: &HashJoinExec) -> Result<Option<Self>> {
        use JoinSide::{Left, Right};
        let (held_side, given) = match join.join_type() {
            JoinType::Inner => (Left, Given::Pairs),
            JoinType::Right => (Left, Given::PairsOrNulls),
            JoinType::RightSemi => (Left, Given::IfAny),
            JoinType::RightAnti => (Left, Given::IfNone),
            JoinType::Left => (Right, Given::PairsOrNulls),
            JoinType::LeftSemi => (Right, Given::IfAny),
            JoinType::LeftAnti => (Right, Given::IfNone),
            JoinType::Full | JoinType::LeftMark | JoinType::RightMark => return Ok(None),
        };
        let Some(filter) = join.filter() else {
            return Ok(None);
        };
        if join.contains_projection() || join.null_aware || join.fetch().is_some() {
            return Ok(None);
        }
        let (mut ranges, mut rest) = (Vec::new(), Vec::new());
        for condition in split_conjunction(filter.expression()) {
            match Range::of(condition, filter, held_side)? {
                Some(range) => ranges.push(range),
                None => rest.push(Arc::clone(condition)),
            }
        }
        if ranges.is_empty() {
            return Ok(None);
        }
        let rest = conjunction_opt(rest).map(|rest| {
            let columns = filter.column_indices().to_vec();
            JoinFilter::new(rest, columns, Arc::clone(filter.schema()))
        });
        let on = join
            .on()
            .iter()
            .cloned()
            .map(|(left, right)| match held_side {
                Left => Key {
                    held: left,
                    other: right,
                },
                _ => Key {
                    held: right,
                    other: left,
                },
            });
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let (schema, columns) =
            build_join_schema(&left.schema(), &right.schema(), join.join_type());
        let other = if held_side == Left { &right } else { &left };
        let properties = properties(Arc::new(schema), other);
        Ok(Some(Self {
            join_type: *join.join_type(),
            held_side,
            given,
            on: on.collect(),
            null_equality: join.null_equality(),
            ranges,
            whole: filter.clone(),
            rest,
            columns,
            keys: None,
            held: Arc::default(),
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
            left,
            right,
        }))
    }

    fn held_input(&self) -> &Arc<dyn ExecutionPlan> {
        match self.held_side {
            JoinSide::Left => &self.left,
            _ => &self.right,
        }
    }

    fn other_input(&self) -> &Arc<dyn ExecutionPlan> {
        match self.held_side {
            JoinSide::Left => &self.right,
            _ => &self.left,
        }
    }

    /// The held side, read once for all partitions; what it has is told to who reads the other.
    fn hold(&self, context: &Arc<TaskContext>) -> Result<HeldOnce> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_ref() {
            return Ok(held.clone());
        }
        let rows = self.held_input().execute(0, Arc::clone(context))?;
        let memory = MemoryConsumer::new("RangeJoin").register(context.memory_pool());
        let plan = self.clone();
        let options = Arc::clone(context.session_config().options());
        let read = async move {
            let held = Held::read(&plan, rows, memory).await?;
            if let Some(keys) = &plan.keys {
                if let Some(known) = held.known_keys(&plan, &options)? {
                    keys.update(known)?;
                }
                keys.mark_complete();
            }
            Ok(Arc::new(held))
        };
        let once = read.map_err(Arc::new).boxed().shared();
        Ok(held.insert(once).clone())
    }
}

fn properties(schema: SchemaRef, other: &Arc<dyn ExecutionPlan>) -> Arc<PlanProperties> {
    let partitions = other.output_partitioning().partition_count();
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

impl Range {
    /// `None` for a condition that is none.
    fn of(
        condition: &Arc<dyn PhysicalExpr>,
        filter: &JoinFilter,
        held_side: JoinSide,
    ) -> Result<Option<Self>> {
        let Some(binary) = condition.downcast_ref::<BinaryExpr>() else {
            return Ok(None);
        };
        let op = *binary.op();
        let is_range = matches!(
            op,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
        );
        let types = [binary.left(), binary.right()].map(|side| side.data_type(filter.schema()));
        let [left_type, right_type] = types;
        let data_type = left_type?;
        if !is_range || is_volatile(condition) || data_type != right_type? || !is_number(&data_type)
        {
            return Ok(None);
        }
        let (left, right) = (
            side_of(binary.left(), filter),
            side_of(binary.right(), filter),
        );
        let (Some((left_side, left)), Some((right_side, right))) = (left?, right?) else {
            return Ok(None);
        };
        Ok(match (left_side == held_side, right_side == held_side) {
            (true, false) => Some(Self {
                held: left,
                op,
                other: right,
            }),
            (false, true) => op.swap().map(|op| Self {
                held: right,
                op,
                other: left,
            }),
            _ => None,
        })
    }
}

/// The one side that an expression of a condition is over, and the expression over it.
fn side_of(
    expr: &Arc<dyn PhysicalExpr>,
    filter: &JoinFilter,
) -> Result<Option<(JoinSide, Arc<dyn PhysicalExpr>)>> {
    let columns = collect_columns(expr);
    let mut sides = columns
        .iter()
        .map(|column| filter.column_indices().get(column.index()));
    let Some(Some(first)) = sides.next() else {
        return Ok(None);
    };
    if !sides.all(|other| other.is_some_and(|other| other.side == first.side)) {
        return Ok(None);
    }
    let of_side = Arc::clone(expr).transform_up(|node| {
        let column = node.downcast_ref::<Column>();
        let at = column.and_then(|column| filter.column_indices().get(column.index()));
        Ok(match (column, at) {
            (Some(column), Some(at)) => {
                Transformed::yes(Arc::new(Column::new(column.name(), at.index)) as _)
            }
            _ => Transformed::no(node),
        })
    });
    Ok(Some((first.side, of_side.data()?)))
}

/// Whether values of a type stand for whole numbers, in the same order.
fn is_number(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Timestamp(..)
    )
}

/// The values of an expression as numbers.
fn numbers(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef> {
    let values = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    // A day is the number of an integer that has as many bits.
    let values = match values.data_type() {
        DataType::Date32 => cast(&values, &DataType::Int32)?,
        _ => values,
    };
    Ok(cast(&values, &DataType::Int64)?)
}

impl DisplayAs for RangeJoinExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = self
            .on
            .iter()
            .map(|Key { held, other }| format!("{held} = {other}"));
        let ranges = self.ranges.iter();
        let ranges = ranges.map(|Range { held, op, other }| format!("{held} {op} {other}"));
        write!(
            f,
            "RangeJoinExec: join_type={:?}, held={}, on=[{}], ranges=[{}]",
            self.join_type,
            self.held_side,
            on.collect::<Vec<_>>().join(", "),
            ranges.collect::<Vec<_>>().join(", "),
        )?;
        match &self.rest {
            Some(rest) => write!(f, ", filter={}", rest.expression()),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for RangeJoinExec {
    fn name(&self) -> &str {
        "RangeJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let (one, any) = (
            Distribution::SinglePartition,
            Distribution::UnspecifiedDistribution,
        );
        InputDistributionRequirements::new(match self.held_side {
            JoinSide::Left => vec![one, any],
            _ => vec![any, one],
        })
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let keys = self
            .keys
            .iter()
            .map(|keys| Arc::clone(keys) as Arc<dyn PhysicalExpr>);
        let on = self
            .on
            .iter()
            .flat_map(|Key { held, other }| [Arc::clone(held), Arc::clone(other)]);
        let whole = std::iter::once(Arc::clone(self.whole.expression()));
        for expr in on.chain(whole).chain(keys) {
            if f(&expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        let keys = self.keys.iter();
        keys.map(|keys| Arc::clone(keys) as Arc<dyn PhysicalExpr>)
            .collect()
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let none = || ChildFilterDescription::all_unsupported(&parent_filters);
        let loses_others = matches!(self.given, Given::Pairs | Given::IfAny);
        let tells_keys = phase == FilterPushdownPhase::Post
            && self.keys.is_none()
            && loses_others
            && config.optimizer.enable_join_dynamic_filter_pushdown;
        let other = match tells_keys {
            true => {
                let keys = self.on.iter().map(|key| Arc::clone(&key.other)).collect();
                none().with_self_filter(Arc::new(DynamicFilterPhysicalExpr::new(keys, lit(true))))
            }
            false => none(),
        };
        let (left, right) = match self.held_side {
            JoinSide::Left => (none(), other),
            _ => (other, none()),
        };
        Ok(FilterDescription::new().with_child(left).with_child(right))
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let mut filters = result.self_filters.iter().flatten();
        let keys = filters.next().map(|filter| Arc::clone(&filter.predicate));
        let keys = keys.and_then(|keys| Arc::downcast::<DynamicFilterPhysicalExpr>(keys).ok());
        let propagated = FilterPushdownPropagation::if_any(result);
        Ok(match keys {
            Some(keys) => propagated.with_updated_node(Arc::new(Self {
                keys: Some(keys),
                held: Arc::default(),
                ..self.clone()
            })),
            None => propagated,
        })
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([left, right]) = <[_; 2]>::try_from(children) else {
            return internal_err!("a join of other than two inputs");
        };
        let mut join = self.as_ref().clone();
        (join.left, join.right) = (left, right);
        join.properties = properties(self.schema(), join.other_input());
        join.held = Arc::default();
        Ok(Arc::new(join))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let held = self.hold(&context)?;
        let plan = Arc::new(self.clone());
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let batch_rows = context.session_config().batch_size();
        let begun = async move {
            let held = held.await.map_err(DataFusionError::Shared)?;
            // The other side is asked for its first row when the keys are known.
            let rows = plan.other_input().execute(partition, context)?;
            let pairs = rows.map_ok(move |batch| {
                let first = Pairs::of(&plan, &held, batch, batch_rows);
                let (plan, held, baseline) =
                    (Arc::clone(&plan), Arc::clone(&held), baseline.clone());
                futures::stream::try_unfold(first, move |pairs| {
                    let (plan, held, baseline) =
                        (Arc::clone(&plan), Arc::clone(&held), baseline.clone());
                    async move {
                        // A query that was cancelled, or whose time is over, is stopped where it waits.
                        tokio::task::yield_now().await;
                        let _timer = baseline.elapsed_compute().timer();
                        let mut pairs = pairs?;
                        let batch = pairs.next(&plan, &held)?;
                        Ok(batch.map(|batch| (batch, Ok(pairs))))
                    }
                })
            });
            Ok::<_, DataFusionError>(pairs.try_flatten())
        };
        let batches = futures::stream::once(begun).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches.boxed(),
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::pretty::pretty_format_batches;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    /// Of few keys, with times that are there more than once, and with nulls.
    const TABLES: [&str; 2] = [
        "CREATE TABLE a AS SELECT 'u' || NULLIF(value % 7, 3) AS u, value AS n, value % 5 AS m,
            to_timestamp_micros(NULLIF(value * 7919 % 1000, 13) * 1000000) AS t FROM generate_series(1, 150)",
        "CREATE TABLE b AS SELECT 'u' || NULLIF(value % 9, 4) AS u, value AS n, value % 3 AS m,
            to_timestamp_micros(NULLIF(value * 104729 % 1000, 17) * 1000000) AS t FROM generate_series(1, 400)",
    ];

    async fn context(rule: Option<RangeJoins>) -> SessionContext {
        let mut rules = PhysicalOptimizer::new().rules;
        if let Some(rule) = rule {
            let at = rules
                .iter()
                .position(|rule| rule.name() == "join_selection");
            rules.insert(at.unwrap() + 1, Arc::new(rule));
        }
        // Few pairs at a time.
        let config = SessionConfig::new()
            .with_target_partitions(2)
            .with_batch_size(16);
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_physical_optimizer_rules(rules)
            .build();
        let context = SessionContext::new_with_state(state);
        for table in TABLES {
            context.sql(table).await.unwrap().collect().await.unwrap();
        }
        context
    }

    async fn ask(context: &SessionContext, sql: &str) -> String {
        let rows = context.sql(sql).await.unwrap().collect().await.unwrap();
        pretty_format_batches(&rows).unwrap().to_string()
    }

    const WITHIN: &str = "b.u = a.u AND b.t > a.t AND b.t <= a.t + INTERVAL '90' SECOND";

    /// Conditions, and whether they have ranges.
    const CONDITIONS: &[(&str, bool)] = &[
        (WITHIN, true),
        (
            "b.u = a.u AND a.t BETWEEN b.t - INTERVAL '1' MINUTE AND b.t",
            true,
        ),
        ("b.u = a.u AND b.t > a.t", true),
        (
            "b.u = a.u AND b.m = a.m AND b.n >= a.n AND b.n < a.n + 20",
            true,
        ),
        (
            "b.u = a.u AND b.t >= a.t AND b.t < a.t + INTERVAL '5' MINUTE AND b.n % 4 <> a.m",
            true,
        ),
        (
            "(b.u IS NOT DISTINCT FROM a.u) AND b.n BETWEEN a.n AND a.n + 10",
            true,
        ),
        ("b.u = a.u AND b.t <= a.t AND b.t > a.t", true),
        // Numbers that are in no order when the first ones are.
        (
            "b.u = a.u AND b.n <= a.n AND b.n * 7 % 11 > a.n % 5 AND a.n * 5 % 13 < b.m + 2",
            true,
        ),
        ("b.u = concat('none', a.u) AND b.t > a.t", true),
        ("b.u = a.u AND b.n + a.n > 100", false),
        ("b.u = a.u AND b.u < concat(a.u, 'x')", false),
        ("b.u = a.u", false),
    ];

    #[tokio::test]
    async fn rows_are_those_of_a_hash_join() {
        let (theirs, ours) = (context(None).await, context(Some(RangeJoins)).await);
        let joins = [
            "JOIN",
            "LEFT JOIN",
            "RIGHT JOIN",
            "FULL JOIN",
            "LEFT SEMI JOIN",
            "LEFT ANTI JOIN",
        ];
        let joins = joins
            .into_iter()
            .chain(["RIGHT SEMI JOIN", "RIGHT ANTI JOIN"]);
        for join in joins {
            for (condition, has_ranges) in CONDITIONS {
                for (first, second) in [("a", "b"), ("b", "a")] {
                    let from = format!("FROM {first} {join} {second} ON {condition}");
                    let (of, order) = match join.split(' ').collect::<Vec<_>>()[..] {
                        [side, "SEMI" | "ANTI", _] => {
                            let given = if side == "LEFT" { first } else { second };
                            (format!("{given}.*"), format!("{given}.n"))
                        }
                        _ => ("*".to_owned(), "a.n, b.n".to_owned()),
                    };
                    let sql = format!("SELECT {of} {from} ORDER BY {order}");
                    let expected = ask(&theirs, &sql).await;
                    assert_eq!(ask(&ours, &sql).await, expected, "{sql}");
                    let plan = ask(&ours, &format!("EXPLAIN {sql}")).await;
                    let is_joined = plan.contains("RangeJoinExec");
                    assert_eq!(
                        is_joined,
                        *has_ranges && join != "FULL JOIN",
                        "{sql}\n{plan}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_joined_with_nothing() {
        let context = context(Some(RangeJoins)).await;
        for (sql, rows) in [
            (
                format!("SELECT count(*) FROM (SELECT * FROM a WHERE n < 0) a JOIN b ON {WITHIN}"),
                0,
            ),
            (
                format!(
                    "SELECT count(*) FROM a LEFT JOIN (SELECT * FROM b WHERE n < 0) b ON {WITHIN}"
                ),
                150,
            ),
            (
                format!(
                    "SELECT count(*) FROM (SELECT * FROM a WHERE n < 0) a LEFT JOIN b ON {WITHIN}"
                ),
                0,
            ),
        ] {
            assert!(
                ask(&context, &sql).await.contains(&format!(" {rows} ")),
                "{sql}"
            );
        }
    }
}
