//! The step that groups rows by the places of their texts in dictionaries.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::functions_aggregate::approx_distinct::ApproxDistinct;
use datafusion::functions_aggregate::count::Count;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream, apply_expression_roots,
};
use futures::{Stream, TryStreamExt};
use parquet::file::metadata::PageIndexPolicy;

use super::column::Selection;
use super::expression::{Expression, Used, Wanted};
use super::groups::Groups;
use super::input::{Input, in_common};
use super::kept_pages::alone;
use super::numbers::Numbers;
use super::read::{self, Group, Reading};
use super::rows::{self, Rows};
use super::search::{self, Search};
use crate::index::running::Running;
use crate::rules::group_parts::is_in_vain;
use crate::stop;

/// Groups that are kept at once; with more, what was counted so far goes on to the step that puts the parts together.
const GROUPS_MAX: usize = 1 << 20;
/// After so many rows it is asked whether it is of use to count here: where most are a group of their own, as of ids, the
/// step that puts the parts together would do it all again.
const ROWS_LOOKED_AT: usize = 100_000;

/// A partial [`AggregateExec`] and the scan, filters and projections below it, in one.
#[derive(Debug, Clone)]
pub(super) struct AggregateByCodesExec {
    input: Input,
    used: Used,
    filters: Vec<Expression>,
    /// What is looked for in large columns.
    searches: Vec<Search>,
    keys: Vec<Expression>,
    key_types: Vec<DataType>,
    aggregates: Vec<Aggregate>,
    /// What is done, as the step in whose place it stands says it.
    text: String,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

#[derive(Debug, Clone)]
struct Aggregate {
    function: Arc<AggregateFunctionExpr>,
    arguments: Vec<Expression>,
    filter: Option<Expression>,
}

impl AggregateByCodesExec {
    pub(crate) const NAME: &str = "AggregateByCodesExec";

    /// In place of a partial aggregate; `None` where that has something that isn't understood.
    pub(super) fn in_place_of(partial: &AggregateExec) -> Result<Option<Self>> {
        let group_by = partial.group_expr();
        let is_plain = (group_by.is_single() || group_by.is_empty())
            && partial.limit_options().is_none()
            && partial.dynamic_expressions_produced().is_empty();
        let is_understood = |function: &Arc<AggregateFunctionExpr>| {
            // Of all rows, the step that puts the parts together wants others of it than of groups.
            let is_handed_on =
                !group_by.is_empty() || !function.fun().inner().is::<ApproxDistinct>();
            function.groups_accumulator_supported()
                && function.order_bys().is_empty()
                && is_handed_on
        };
        if !is_plain || !partial.aggr_expr().iter().all(is_understood) {
            return Ok(None);
        }
        let Some(mut input) = Input::of(partial.input()) else {
            return Ok(None);
        };
        // A join above may know by then which groups it looks for.
        let late = std::mem::take(&mut input.late_filters);
        input.filters.extend(late);
        let mut used = Used::default();
        let mut over_files = |expr: &Arc<dyn PhysicalExpr>| match input.over_table(expr) {
            Some(expr) => used.expression(&expr, &input.table).map(Some),
            None => Ok(None),
        };
        let schema = partial.schema();
        let (mut keys, mut key_types) = (Vec::new(), Vec::new());
        for ((expr, _), field) in group_by.expr().iter().zip(schema.fields()) {
            let Some(key) = over_files(expr)? else {
                return Ok(None);
            };
            keys.push(key);
            key_types.push(field.data_type().clone());
        }
        let mut aggregates = Vec::new();
        for (function, filter) in partial.aggr_expr().iter().zip(partial.filter_expr()) {
            let arguments = function.expressions();
            let arguments = arguments.iter().map(&mut over_files);
            let Some(arguments) = arguments.collect::<Result<Option<Vec<_>>>>()? else {
                return Ok(None);
            };
            let filter = match filter {
                None => None,
                Some(filter) => match over_files(filter)? {
                    None => return Ok(None),
                    filter => filter,
                },
            };
            aggregates.push(Aggregate {
                function: Arc::clone(function),
                arguments,
                filter,
            });
        }
        let (mut filters, mut searches) = (Vec::new(), Vec::new());
        for filter in &input.filters {
            match Search::in_place_of(filter, &input) {
                Some(search) => searches.push(search),
                None => filters.push(used.expression(filter, &input.table)?),
            }
        }
        let is_small = |wanted: &Wanted| input.is_small(wanted);
        if Groups::new(&key_types).is_none() || !used.columns.iter().all(is_small) {
            return Ok(None);
        }
        let properties = PlanProperties::new(
            in_common(partial),
            Partitioning::UnknownPartitioning(input.groups.len()),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Some(Self {
            text: text_of(partial),
            input,
            used,
            filters,
            searches,
            keys,
            key_types,
            aggregates,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    fn empty(&self, reservation: MemoryReservation) -> Result<Partial> {
        let accumulators = self.aggregates.iter();
        let accumulators =
            accumulators.map(|aggregate| aggregate.function.create_groups_accumulator());
        let Some(groups) = Groups::new(&self.key_types) else {
            return internal_err!("keys of these types");
        };
        Ok(Partial {
            groups,
            accumulators: accumulators.collect::<Result<_>>()?,
            is_empty: true,
            reservation,
        })
    }

    /// The state of each aggregate for no rows: without keys there is one group all the same.
    fn of_no_rows(&self) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::new();
        for aggregate in &self.aggregates {
            for state in aggregate.function.create_accumulator()?.state()? {
                columns.push(state.to_array()?);
            }
        }
        Ok(columns)
    }

    /// The groups of the rows so far, to be handed on.
    fn counted(&self, partial: Partial) -> Result<Counted> {
        let Partial {
            groups,
            accumulators,
            is_empty,
            reservation,
        } = partial;
        let states = match self.keys.is_empty() && is_empty {
            true => self.of_no_rows()?,
            false => {
                let states = accumulators.into_iter();
                let states = states.map(|mut accumulator| accumulator.state(EmitTo::All));
                states.collect::<Result<Vec<_>>>()?.concat()
            }
        };
        Ok(Counted {
            left: 0..groups.count(),
            groups,
            states,
            _reservation: reservation,
        })
    }

    /// Rows of a row group, as a group each.
    fn handed_on(&self, group: &Rows, selected: &Selection) -> Result<RecordBatch> {
        let keys = self.keys.iter().zip(&self.key_types);
        let keys = keys.map(|(key, data_type)| {
            let values = group.values(key, selected)?;
            Ok(alone(cast(&values, data_type)?))
        });
        let mut columns = keys.collect::<Result<Vec<_>>>()?;
        for aggregate in &self.aggregates {
            let (arguments, filter) = aggregate.values(group, selected)?;
            let filter = filter.as_ref().map(rows::boolean).transpose()?;
            let accumulator = aggregate.function.create_groups_accumulator()?;
            let states = accumulator.convert_to_state(&arguments, filter)?;
            columns.extend(states.into_iter().map(alone));
        }
        Ok(RecordBatch::try_new(self.schema(), columns)?)
    }

    /// Whether rows are counted and nothing else is asked of them.
    fn counts_rows(&self) -> bool {
        let counts_rows = |aggregate: &Aggregate| {
            let function = &aggregate.function;
            let is_count = function.fun().inner().is::<Count>() && !function.is_distinct();
            let is_given = |argument: &Arc<dyn PhysicalExpr>| {
                let value = argument.downcast_ref::<Literal>();
                value.is_some_and(|value| !value.value().is_null())
            };
            is_count && aggregate.filter.is_none() && function.expressions().iter().all(is_given)
        };
        self.aggregates.iter().all(counts_rows)
    }

    /// Aggregates rows of a row group.
    fn add(
        &self,
        group: &Rows,
        selections: Vec<Selection>,
        batch_rows: usize,
        partial: &mut Partial,
    ) -> Result<()> {
        let keys = self.keys.iter().zip(&partial.groups.keys);
        let keys = keys.map(|(expression, key)| Numbers::new(group, expression, key, batch_rows));
        let mut keys = keys.collect::<Result<Vec<_>>>()?;
        if self.counts_rows()
            && let Some(coded) = Numbers::told_by(&keys)
        {
            let mut counts = vec![0; coded.different()];
            for selected in selections {
                coded.count(&selected, &mut counts);
            }
            return partial.add_counts(&mut keys, &counts);
        }
        for selected in selections {
            if selected.count() == 0 {
                continue;
            }
            partial.is_empty = false;
            let numbers = keys.iter_mut().zip(&mut partial.groups.keys);
            let numbers = numbers.map(|(numbers, key)| numbers.of(key, &selected));
            let numbers = numbers.collect::<Result<Vec<_>>>()?;
            let groups = partial.groups.of(numbers, selected.count());
            let groups_total = partial.groups.count();
            for (aggregate, accumulator) in self.aggregates.iter().zip(&mut partial.accumulators) {
                let (arguments, filter) = aggregate.values(group, &selected)?;
                let filter = filter.as_ref().map(rows::boolean).transpose()?;
                accumulator.update_batch(&arguments, &groups, filter, groups_total)?;
            }
        }
        Ok(())
    }
}

impl Aggregate {
    /// What it is asked of some rows, and which of them it is asked of.
    fn values(
        &self,
        group: &Rows,
        selected: &Selection,
    ) -> Result<(Vec<ArrayRef>, Option<ArrayRef>)> {
        let values = |expression| group.values(expression, selected);
        let arguments = self.arguments.iter().map(values);
        let filter = self.filter.as_ref().map(values).transpose()?;
        Ok((arguments.collect::<Result<_>>()?, filter))
    }
}

/// The groups of the rows so far.
struct Partial {
    groups: Groups,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    is_empty: bool,
    reservation: MemoryReservation,
}

impl Partial {
    /// Adds rows that were counted by the code that tells their keys.
    fn add_counts(&mut self, keys: &mut [Numbers<'_>], counts: &[i64]) -> Result<()> {
        let counts = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let (codes, counts): (Vec<usize>, Vec<i64>) = counts.unzip();
        if codes.is_empty() {
            return Ok(());
        }
        self.is_empty = false;
        let numbers = keys.iter_mut().zip(&mut self.groups.keys);
        let numbers = numbers.map(|(numbers, key)| {
            let of_codes = codes.iter().map(|code| numbers.of_code(key, *code));
            of_codes.collect()
        });
        let numbers = numbers.collect::<Result<Vec<_>>>()?;
        let groups = self.groups.of(numbers, codes.len());
        let groups_total = self.groups.count();
        // As another part of the same aggregate would hand them on.
        let counts: ArrayRef = Arc::new(Int64Array::from(counts));
        for accumulator in &mut self.accumulators {
            accumulator.merge_batch(&[Arc::clone(&counts)], &groups, groups_total)?;
        }
        Ok(())
    }

    /// Whether there is no room for more.
    fn is_full(&self) -> bool {
        let accumulators = self
            .accumulators
            .iter()
            .map(|accumulator| accumulator.size());
        let bytes = self.groups.size() + accumulators.sum::<usize>();
        self.groups.count() > GROUPS_MAX || self.reservation.try_resize(bytes).is_err()
    }
}

impl DisplayAs for AggregateByCodesExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.input.files();
        write!(f, "{}: {}, files={files}", Self::NAME, self.text)?;
        self.input.fmt_filters(f)
    }
}

fn text_of(partial: &AggregateExec) -> String {
    let keys = partial.group_expr().expr().iter().map(|(expr, name)| {
        let expr = expr.to_string();
        match expr.split('@').next() == Some(name.as_str()) {
            true => expr,
            false => format!("{expr} as {name}"),
        }
    });
    let keys: Vec<String> = keys.collect();
    let aggregates = partial.aggr_expr().iter().map(|function| function.name());
    let aggregates: Vec<&str> = aggregates.collect();
    format!(
        "gby=[{}], aggr=[{}]",
        keys.join(", "),
        aggregates.join(", ")
    )
}

impl ExecutionPlan for AggregateByCodesExec {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(&self.input.filters, f)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let consumer = MemoryConsumer::new("groups").register(context.memory_pool());
        let plan = Arc::new(self.clone());
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let reading = Reading::new(&self.input, &self.used, partition, &context, &self.metrics)?;
        let pages = match self.searches.is_empty() {
            true => PageIndexPolicy::Skip,
            false => PageIndexPolicy::Optional,
        };
        let running = Running::of(&self.input.filters, &context, &self.metrics, partition)?;
        let groups = read::row_groups(&reading, &self.input, pages, running);
        let state = State {
            partial: self.empty(consumer)?,
            plan,
            reading,
            groups: Box::pin(groups),
            giving: None,
            rows: 0,
            hands_on: false,
            is_over: false,
            batch_rows: context.session_config().batch_size(),
            baseline,
        };
        let batches = futures::stream::try_unfold(state, |mut state| async move {
            let batch = state.next().await?;
            Ok::<_, DataFusionError>(batch.map(|batch| (batch, state)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct State {
    plan: Arc<AggregateByCodesExec>,
    reading: Arc<Reading>,
    groups: Pin<Box<dyn Stream<Item = Result<Group>> + Send>>,
    partial: Partial,
    giving: Option<Giving>,
    /// Rows that were looked at.
    rows: usize,
    /// Whether rows are handed on as they are, as most are a group of their own.
    hands_on: bool,
    is_over: bool,
    batch_rows: usize,
    baseline: BaselineMetrics,
}

/// What is handed on, a batch at a time.
enum Giving {
    Counted(Counted),
    Rows(Rows, std::vec::IntoIter<Selection>),
}

/// Groups that no more rows are added to.
struct Counted {
    groups: Groups,
    states: Vec<ArrayRef>,
    left: Range<usize>,
    _reservation: MemoryReservation,
}

impl Counted {
    fn next(&mut self, schema: SchemaRef, batch_rows: usize) -> Result<Option<RecordBatch>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let end = self.left.end.min(self.left.start + batch_rows);
        let some = self.left.start..end;
        self.left.start = end;
        let states = self.states.iter();
        let states = states.map(|state| alone(state.slice(some.start, some.len())));
        let states: Vec<_> = states.collect();
        let mut columns = self.groups.columns(some)?;
        columns.extend(states);
        Ok(Some(RecordBatch::try_new(schema, columns)?))
    }
}

impl State {
    /// The next of what is handed on.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.given()? {
                self.baseline.record_output(batch.num_rows());
                return Ok(Some(batch));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.groups.try_next().await? {
                Some(group) => self.look_at(group).await?,
                None => {
                    self.is_over = true;
                    self.give_counted()?;
                }
            }
            stop::hand_on().await;
        }
    }

    fn given(&mut self) -> Result<Option<RecordBatch>> {
        let timer = self.baseline.elapsed_compute().clone();
        let _timer = timer.timer();
        let batch = match &mut self.giving {
            None => None,
            Some(Giving::Counted(counted)) => counted.next(self.plan.schema(), self.batch_rows)?,
            Some(Giving::Rows(rows, selections)) => {
                let some = selections.find(|some| some.count() > 0);
                some.map(|some| self.plan.handed_on(rows, &some))
                    .transpose()?
            }
        };
        if batch.is_none() {
            self.giving = None;
        }
        Ok(batch)
    }

    async fn look_at(&mut self, group: Group) -> Result<()> {
        let compute = self.baseline.elapsed_compute().clone();
        let plan = &self.plan;
        let Group { file, number, rows } = group;
        let mut wanted = {
            let _timer = compute.timer();
            rows::passing(&rows, &plan.filters, self.batch_rows)?
        };
        let searches = &plan.searches;
        if !searches.is_empty() {
            let Some(file) = file else {
                return internal_err!("a search in a file that is not open");
            };
            let passing = file.may_match(number, &wanted);
            let all = plan.filters.is_empty();
            let found = search::found(searches, &self.reading, &file, number, passing, all);
            wanted = found.await?.by(self.batch_rows).collect();
        }
        if self.hands_on {
            self.giving = Some(Giving::Rows(rows, wanted.into_iter()));
            return Ok(());
        }
        self.rows += wanted.iter().map(Selection::count).sum::<usize>();
        let _timer = compute.timer();
        plan.add(&rows, wanted, self.batch_rows, &mut self.partial)?;
        let groups = self.partial.groups.count();
        self.hands_on = self.rows >= ROWS_LOOKED_AT && is_in_vain(groups, self.rows);
        if self.hands_on || self.partial.is_full() {
            self.give_counted()?;
        }
        Ok(())
    }

    /// Hands on what was counted so far, and counts anew.
    fn give_counted(&mut self) -> Result<()> {
        let reservation = self.partial.reservation.new_empty();
        let partial = std::mem::replace(&mut self.partial, self.plan.empty(reservation)?);
        self.giving = Some(Giving::Counted(self.plan.counted(partial)?));
        Ok(())
    }
}
