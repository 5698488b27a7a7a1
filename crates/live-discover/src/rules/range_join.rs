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

mod condition;
mod held;
mod pairs;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, JoinType, NullEquality, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::expressions::{DynamicFilterPhysicalExpr, lit};
use datafusion::physical_expr::{EquivalenceProperties, conjunction_opt, split_conjunction};
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
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream, apply_expression_roots,
};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};

use self::condition::{Key, Range};
use self::held::Held;
use self::pairs::Left;
use crate::node::{NodeRule, batches_in_turn, with_new_children};

/// Puts the join in the place of hash joins. It comes after the sides of joins are chosen, and before filters are handed
/// on and inputs are brought together as steps want them.
pub(crate) const RANGE_JOINS: NodeRule<HashJoinExec> = NodeRule {
    name: "range_joins",
    in_place_of: RangeJoinExec::in_place_of,
};

/// What is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Pairs,
    /// Pairs, and the rows of a side that are in none, with nulls.
    PairsAndOthers(Side),
    /// The rows of a side that are in a pair, or those that are in none.
    InPair(Side),
    InNone(Side),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Held,
    Other,
}

impl Given {
    /// `None` where rows of both sides are given that are in no pair, or what isn't of either side.
    fn of(join_type: JoinType) -> Option<Self> {
        use Side::{Held, Other};
        Some(match join_type {
            JoinType::Inner => Self::Pairs,
            JoinType::Left => Self::PairsAndOthers(Held),
            JoinType::Right => Self::PairsAndOthers(Other),
            JoinType::LeftSemi => Self::InPair(Held),
            JoinType::RightSemi => Self::InPair(Other),
            JoinType::LeftAnti => Self::InNone(Held),
            JoinType::RightAnti => Self::InNone(Other),
            JoinType::Full | JoinType::LeftMark | JoinType::RightMark => return None,
        })
    }

    fn has_pairs(self) -> bool {
        matches!(self, Self::Pairs | Self::PairsAndOthers(_))
    }

    /// Of which side it is told in the end which rows are in a pair.
    fn side(self) -> Option<Side> {
        match self {
            Self::Pairs => None,
            Self::PairsAndOthers(side) | Self::InPair(side) | Self::InNone(side) => Some(side),
        }
    }

    /// Whether nothing is given of the other side's rows that are in no pair.
    fn loses_others(self) -> bool {
        self.side() != Some(Side::Other) || self == Self::InPair(Side::Other)
    }
}

/// Two sides, joined by equal keys and by ranges.
#[derive(Debug, Clone)]
pub(crate) struct RangeJoinExec {
    /// The left input, which is the smaller one by then.
    held_input: Arc<dyn ExecutionPlan>,
    other_input: Arc<dyn ExecutionPlan>,
    join_type: JoinType,
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

impl RangeJoinExec {
    pub(crate) const NAME: &str = "RangeJoinExec";

    /// `None` where a hash join's condition has no range, or it gives what isn't given here.
    fn in_place_of(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(given), Some(filter)) = (Given::of(*join.join_type()), join.filter()) else {
            return Ok(None);
        };
        if join.contains_projection() || join.null_aware || join.fetch().is_some() {
            return Ok(None);
        }
        let (mut ranges, mut rest) = (Vec::new(), Vec::new());
        for condition in split_conjunction(filter.expression()) {
            match Range::of(condition, filter)? {
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
        let on = join.on().iter().cloned();
        let (held, other) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let (schema, columns) =
            build_join_schema(&held.schema(), &other.schema(), join.join_type());
        Ok(Some(Arc::new(Self {
            join_type: *join.join_type(),
            given,
            on: on.map(|(held, other)| Key { held, other }).collect(),
            null_equality: join.null_equality(),
            ranges,
            whole: filter.clone(),
            rest,
            columns,
            keys: None,
            held: Arc::default(),
            properties: properties(Arc::new(schema), &other),
            metrics: ExecutionPlanMetricsSet::new(),
            held_input: held,
            other_input: other,
        })))
    }

    /// The held side, read once for all partitions; what it has is told to who reads the other.
    fn hold(&self, context: &Arc<TaskContext>) -> Result<HeldOnce> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.as_ref() {
            return Ok(held.clone());
        }
        let rows = self.held_input.execute(0, Arc::clone(context))?;
        let memory = MemoryConsumer::new("RangeJoin").register(context.memory_pool());
        // Not with what holds this: a query that ends before it is read would never let go of it.
        let plan = Self {
            held: Arc::default(),
            ..self.clone()
        };
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
            "{}: join_type={:?}, on=[{}], ranges=[{}]",
            Self::NAME,
            self.join_type,
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
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.held_input, &self.other_input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![
            Distribution::SinglePartition,
            Distribution::UnspecifiedDistribution,
        ])
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
        apply_expression_roots(on.chain(whole).chain(keys), f)
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
        let tells_keys = phase == FilterPushdownPhase::Post
            && self.keys.is_none()
            && self.given.loses_others()
            && config.optimizer.enable_join_dynamic_filter_pushdown;
        let other = match tells_keys {
            true => {
                let keys = self.on.iter().map(|key| Arc::clone(&key.other)).collect();
                none().with_self_filter(Arc::new(DynamicFilterPhysicalExpr::new(keys, lit(true))))
            }
            false => none(),
        };
        Ok(FilterDescription::new()
            .with_child(none())
            .with_child(other))
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
        let Ok([held_input, other_input]) = <[_; 2]>::try_from(children) else {
            return internal_err!("a join of other than two inputs");
        };
        Ok(Arc::new(Self {
            properties: properties(self.schema(), &other_input),
            held: Arc::default(),
            held_input,
            other_input,
            ..self.as_ref().clone()
        }))
    }

    with_new_children!();

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
            let rows = plan.other_input.execute(partition, context)?;
            let (of_plan, of_held) = (Arc::clone(&plan), Arc::clone(&held));
            let rows = rows.map(move |batch| Left::of(&of_plan, &of_held, batch?));
            let last = futures::stream::once(std::future::ready(Ok(Left::OfPartition)));
            let batches = rows.chain(last).map_ok(move |mut left| {
                let (plan, held) = (Arc::clone(&plan), Arc::clone(&held));
                batches_in_turn(baseline.clone(), move || {
                    left.next(&plan, &held, batch_rows)
                })
            });
            Ok::<_, DataFusionError>(batches.try_flatten())
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
    use datafusion::common::tree_node::TreeNode;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::testing::{ask, with_rule_for_joins};

    /// Of few keys, with times that are there more than once, and with nulls.
    const TABLES: [&str; 2] = [
        "CREATE TABLE a AS SELECT 'u' || NULLIF(value % 7, 3) AS u, value AS n, value % 5 AS m,
            to_timestamp_micros(NULLIF(value * 7919 % 1000, 13) * 1000000) AS t FROM generate_series(1, 150)",
        "CREATE TABLE b AS SELECT 'u' || NULLIF(value % 9, 4) AS u, value AS n, value % 3 AS m,
            to_timestamp_micros(NULLIF(value * 104729 % 1000, 17) * 1000000) AS t FROM generate_series(1, 400)",
    ];

    async fn ours() -> SessionContext {
        with_rule_for_joins(Some(Arc::new(RANGE_JOINS)), &TABLES).await
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
            "b.u = a.u AND b.n <= a.n AND b.n * b.m > a.n - 5 AND a.n * 5 < b.n + b.m * 100",
            true,
        ),
        ("b.u = concat('none', a.u) AND b.t > a.t", true),
        ("b.u = a.u AND b.n + a.n > 100", false),
        // It may fail for a row that no other has the key of.
        ("b.u = a.u AND 1000 / b.n > a.n", false),
        ("b.u = a.u AND b.u < concat(a.u, 'x')", false),
        ("b.u = a.u", false),
    ];

    #[tokio::test]
    async fn rows_are_those_of_a_hash_join() {
        let (theirs, ours) = (with_rule_for_joins(None, &TABLES).await, ours().await);
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
                let (of, order) = match join.split(' ').collect::<Vec<_>>()[..] {
                    ["LEFT", "SEMI" | "ANTI", _] => ("a.*", "a.n"),
                    ["RIGHT", "SEMI" | "ANTI", _] => ("b.*", "b.n"),
                    _ => ("*", "a.n, b.n"),
                };
                let sql = format!("SELECT {of} FROM a {join} b ON {condition} ORDER BY {order}");
                let expected = ask(&theirs, &sql).await;
                assert_eq!(ask(&ours, &sql).await, expected, "{sql}");
                if join == "JOIN" {
                    let plan = ask(&ours, &format!("EXPLAIN {sql}")).await;
                    assert_eq!(
                        plan.contains(RangeJoinExec::NAME),
                        *has_ranges,
                        "{sql}\n{plan}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn nothing_is_joined_with_nothing() {
        let context = ours().await;
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

    #[tokio::test]
    async fn a_query_that_ends_before_its_end_holds_nothing() {
        let context = ours().await;
        let sql = format!("SELECT a.n FROM a JOIN b ON {WITHIN}");
        let plan = context.sql(&sql).await.unwrap();
        let plan = plan.create_physical_plan().await.unwrap();
        let mut held = None;
        plan.apply(|node| {
            if let Some(join) = node.downcast_ref::<RangeJoinExec>() {
                held = Some(Arc::downgrade(&join.held));
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
        let stream = plan.execute(0, context.task_ctx()).unwrap();
        let held = held.unwrap();
        assert!(held.upgrade().unwrap().lock().unwrap().is_some());
        drop((plan, stream));
        assert!(held.upgrade().is_none());
    }
}
