//! Groups that have no room in memory, put together a part at a time.
//!
//! Where the groups of a query (ids, objects, pairs of users and addresses) outgrow its memory, DataFusion sorts them, puts
//! them on disk and merges them by their order, which takes several times as long as grouping. Nobody asked for an order: here they
//! go to disk by the hash of their keys, so that each part of them has room and is grouped by itself, one after the other.
//! A part that has no room either is divided again, by the next bits of the hash.

mod spilled;
mod table;

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, SpillMetrics,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream, SpillManager,
};
use datafusion_execution::SpillFile;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};

use self::spilled::{LEVELS, Parts};
use self::table::Table;
use crate::node::{NodeRule, only_child, with_new_children};

/// How its memory is called: what [`crate::memory`] sets more aside for.
pub(crate) const CONSUMER: &str = "GroupParts[";

/// Puts [`GroupPartsExec`] in the place of DataFusion's step.
pub(crate) const GROUP_PARTS: NodeRule<AggregateExec> = NodeRule {
    name: "group_parts",
    in_place_of: GroupPartsExec::in_place_of,
};

/// Puts groups together of what was counted of them in several places: rows of keys, and the states of aggregates.
#[derive(Debug, Clone)]
pub(crate) struct GroupPartsExec {
    input: Arc<dyn ExecutionPlan>,
    keys: usize,
    /// Each with how many columns its state has.
    aggregates: Vec<(Arc<AggregateFunctionExpr>, usize)>,
    /// What is done, as the step in whose place it stands says it.
    text: String,
    /// Those of that step.
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl GroupPartsExec {
    pub(crate) const NAME: &str = "GroupPartsExec";

    /// How many columns it groups by, which are its first.
    pub(crate) fn keys(&self) -> usize {
        self.keys
    }

    /// `None` for what is not such a step, or for aggregates that go by an order or have no states by group.
    fn in_place_of(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let group_by = aggregate.group_expr();
        let aggregates = aggregate.aggr_expr();
        let is_plain = *aggregate.mode() == AggregateMode::FinalPartitioned
            && *aggregate.input_order_mode() == InputOrderMode::Linear
            && aggregate.limit_options().is_none()
            && group_by.is_single()
            && !group_by.is_empty();
        let is_understood = |function: &Arc<AggregateFunctionExpr>| {
            function.groups_accumulator_supported() && function.order_bys().is_empty()
        };
        if !is_plain || !aggregates.iter().all(is_understood) {
            return Ok(None);
        }
        let is_in_place = |(at, (expr, _)): (usize, &(Arc<dyn PhysicalExpr>, String))| {
            (expr.downcast_ref::<Column>()).is_some_and(|column| column.index() == at)
        };
        let keys = group_by.expr().len();
        let states = aggregates
            .iter()
            .map(|function| Ok(function.state_fields()?.len()));
        let states: Vec<usize> = states.collect::<Result<_>>()?;
        let input = aggregate.input();
        let are_in_place = group_by.expr().iter().enumerate().all(is_in_place)
            && input.schema().fields().len() == keys + states.iter().sum::<usize>();
        let names = |(_, name): &(_, String)| name.clone();
        let names: Vec<String> = group_by.expr().iter().map(names).collect();
        let of_aggregates: Vec<&str> = aggregates.iter().map(|function| function.name()).collect();
        if !are_in_place {
            return Ok(None);
        }
        Ok(Some(Arc::new(Self {
            input: Arc::clone(input),
            keys,
            aggregates: aggregates.iter().cloned().zip(states).collect(),
            text: format!(
                "gby=[{}], aggr=[{}]",
                names.join(", "),
                of_aggregates.join(", ")
            ),
            properties: Arc::clone(aggregate.properties()),
            metrics: ExecutionPlanMetricsSet::new(),
        })))
    }
}

impl DisplayAs for GroupPartsExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Self::NAME, self.text)
    }
}

impl ExecutionPlan for GroupPartsExec {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_child(children, Self::NAME)?;
        Ok(Arc::new(Self {
            input,
            ..Arc::unwrap_or_clone(self)
        }))
    }

    with_new_children!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let spill = SpillManager::new(
            context.runtime_env(),
            SpillMetrics::new(&self.metrics, partition),
            input.schema(),
        );
        let work = Arc::new(Work {
            plan: self.clone(),
            spill: spill.with_compression_type(context.session_config().spill_compression()),
            batch_rows: context.session_config().batch_size(),
            baseline: BaselineMetrics::new(&self.metrics, partition),
        });
        let memory = MemoryConsumer::new(format!("{CONSUMER}{partition}]"))
            .with_can_spill(true)
            .register(context.memory_pool());
        let groups = grouped(work, input, memory, 0);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            groups,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// What one thread does.
struct Work {
    plan: GroupPartsExec,
    spill: SpillManager,
    batch_rows: usize,
    baseline: BaselineMetrics,
}

/// Whether most rows were a group of their own: to group others like them makes little less of them.
pub(crate) fn is_in_vain(groups: usize, rows: usize) -> bool {
    const MOST_IN_TEN: usize = 8;
    groups > rows / 10 * MOST_IN_TEN
}

/// What became of rows.
enum Read {
    /// All groups are in memory.
    Whole(Table),
    /// They are on disk, by parts.
    Divided(Vec<Arc<dyn SpillFile>>),
}

/// The groups of some rows, which are of one part where others were divided `level` times.
fn grouped(
    work: Arc<Work>,
    rows: SendableRecordBatchStream,
    memory: MemoryReservation,
    level: u32,
) -> BoxStream<'static, Result<RecordBatch>> {
    async move {
        let for_parts = memory.new_empty();
        let groups = match work.read(rows, memory, level).await? {
            Read::Whole(table) => work.given(table)?,
            Read::Divided(parts) => {
                let parts = parts.into_iter().map(move |part| {
                    let rows = work.spill.read_spill_as_stream_unbuffered(part, None);
                    let work = Arc::clone(&work);
                    let memory = for_parts.new_empty();
                    match rows {
                        Ok(rows) => grouped(work, rows, memory, level + 1),
                        Err(error) => stream::iter([Err(error)]).boxed(),
                    }
                });
                stream::iter(parts).flatten().boxed()
            }
        };
        Ok::<_, DataFusionError>(groups)
    }
    .into_stream()
    .try_flatten()
    .boxed()
}

impl Work {
    async fn read(
        &self,
        mut rows: SendableRecordBatchStream,
        memory: MemoryReservation,
        level: u32,
    ) -> Result<Read> {
        let mut table = Table::new(&self.plan, memory)?;
        let mut parts = Parts::new(self, level);
        let mut are_divided = false;
        let mut is_grouping_in_vain = false;
        while let Some(batch) = rows.try_next().await? {
            let _timer = self.baseline.elapsed_compute().timer();
            // The next ones are divided as they are.
            if is_grouping_in_vain {
                parts.add(batch)?;
                continue;
            }
            table.add(&self.plan, &batch)?;
            if let Err(no_room) = table.reserve() {
                // Parts of one group are that group.
                if level == LEVELS || table.keys.len() == 1 {
                    return Err(no_room);
                }
                is_grouping_in_vain = is_in_vain(table.keys.len(), table.rows);
                table.move_to(&mut parts)?;
                are_divided = true;
            }
        }
        if !are_divided {
            return Ok(Read::Whole(table));
        }
        let _timer = self.baseline.elapsed_compute().timer();
        table.move_to(&mut parts)?;
        Ok(Read::Divided(parts.finish()?))
    }

    /// The groups of a table, a batch at a time.
    fn given(&self, mut table: Table) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let _timer = self.baseline.elapsed_compute().timer();
        // DataFusion's tables of no rows give none.
        if table.rows == 0 {
            return Ok(stream::empty().boxed());
        }
        let mut columns = table.keys.emit(EmitTo::All)?;
        for accumulator in &mut table.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        let groups = RecordBatch::try_new(self.plan.schema(), columns)?;
        let (batch_rows, count) = (self.batch_rows, groups.num_rows());
        let output_rows = self.baseline.output_rows().clone();
        let batches = (0..count).step_by(batch_rows).map(move |start| {
            // They are in memory until the last is given.
            let _memory = &table.memory;
            let batch = groups.slice(start, batch_rows.min(count - start));
            output_rows.add(batch.num_rows());
            Ok(batch)
        });
        Ok(stream::iter(batches).boxed())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::resources_err;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::testing::{ask, sorted, with_rule};

    /// 20,000 rows, most of a key of their own; some have none.
    const TABLE: &str = "CREATE TABLE t AS SELECT \
        CASE WHEN n % 7 = 0 THEN NULL ELSE concat(n * 7919 % 19997, repeat('x', 100)) END AS id, \
        n % 3 AS kind, concat('u', n % 11) AS name, n AS number, n::double / 4 AS part \
        FROM (SELECT unnest(generate_series(1, 20000)) AS n)";

    const QUESTIONS: [&str; 6] = [
        "SELECT id, count(*), min(number), max(name), avg(part) FROM t GROUP BY id",
        "SELECT id, kind, name, sum(number) FROM t GROUP BY id, kind, name",
        "SELECT count(DISTINCT id), count(*) FROM t",
        "SELECT DISTINCT id, kind FROM t",
        "SELECT kind, name, count(id), sum(part) FROM t GROUP BY kind, name",
        "SELECT id, count(*) FROM t WHERE number < 0 GROUP BY id",
    ];

    /// A pool in which each of our steps has so many bytes at most, and others what they want.
    #[derive(Debug)]
    struct Ours {
        bytes_max: usize,
        all: UnboundedMemoryPool,
    }

    impl fmt::Display for Ours {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "ours({})", self.bytes_max)
        }
    }

    impl MemoryPool for Ours {
        fn name(&self) -> &str {
            "ours"
        }

        fn grow(&self, reservation: &MemoryReservation, additional: usize) {
            self.all.grow(reservation, additional);
        }

        fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
            self.all.shrink(reservation, shrink);
        }

        fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
            let is_ours = reservation.consumer().name().starts_with(CONSUMER);
            if is_ours && reservation.size() + additional > self.bytes_max {
                return resources_err!("no more than {} bytes", self.bytes_max);
            }
            self.all.try_grow(reservation, additional)
        }

        fn reserved(&self) -> usize {
            self.all.reserved()
        }
    }

    /// The same tables, with so much memory.
    fn with_memory(context: &SessionContext, bytes_max: usize) -> SessionContext {
        let all = UnboundedMemoryPool::default();
        let pool = Arc::new(Ours { bytes_max, all });
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
        let state = SessionStateBuilder::new_from_existing(context.state())
            .with_runtime_env(runtime.unwrap())
            .build();
        SessionContext::new_with_state(state)
    }

    /// Rows that our step has put on disk for a question.
    async fn spilled_rows(context: &SessionContext, question: &str) -> usize {
        let ran = ask(context, &format!("EXPLAIN ANALYZE {question}")).await;
        let step = ran.lines().find(|line| line.contains(GroupPartsExec::NAME));
        let (_, rows) = step.unwrap().split_once("spilled_rows=").unwrap();
        let rows = rows.split([',', ']']).next().unwrap();
        match rows.trim().split_once(' ') {
            Some((thousands, "K")) => (thousands.parse::<f64>().unwrap() * 1e3) as usize,
            _ => rows.trim().parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn groups_are_the_same_in_memory_and_in_parts() {
        let ours = Some(Arc::new(GROUP_PARTS) as _);
        let (theirs, ours) = (
            with_rule("SanityCheckPlan", None, &[TABLE]).await,
            with_rule("SanityCheckPlan", ours, &[TABLE]).await,
        );
        let little = with_memory(&ours, 1 << 20);
        let less = with_memory(&ours, 96 << 10);
        for question in QUESTIONS {
            let asked = ask(&theirs, question).await;
            for context in [&ours, &little, &less] {
                let answer = ask(context, question).await;
                assert_eq!(sorted(&answer), sorted(&asked), "{question}");
            }
        }
        let (many, few) = (QUESTIONS[0], QUESTIONS[4]);
        assert_eq!(spilled_rows(&ours, many).await, 0);
        assert_eq!(spilled_rows(&less, few).await, 0);
        let (once, again) = (
            spilled_rows(&little, many).await,
            spilled_rows(&less, many).await,
        );
        assert!(once > 0, "{once}");
        // Parts that have no room are divided, too.
        assert!(again > once, "{once} {again}");
    }

    #[tokio::test]
    async fn one_group_without_room_is_an_error() {
        let rule = Some(Arc::new(GROUP_PARTS) as _);
        let context = with_rule("SanityCheckPlan", rule, &[TABLE]).await;
        let little = with_memory(&context, 100);
        let question = "SELECT kind, count(*) FROM t WHERE kind > 1 GROUP BY kind";
        let rows = little.sql(question).await.unwrap().collect().await;
        let error = rows.unwrap_err().to_string();
        assert!(error.contains("no more than 100 bytes"), "{error}");
    }
}
