//! The step that finds rows by filters over small columns, and reads the others for the rows alone that it found.
//!
//! ```text
//!  row groups ─► rows that the filters let pass, by codes ─► [`first`]: those that may be wanted ─► their values
//! ```
//!
//! Values come from columns that are kept, or from the pages that the rows are in.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use audit_lake::TableName;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::{Stream, StreamExt, TryFutureExt, TryStreamExt};
use parquet::file::metadata::PageIndexPolicy;
use tokio::sync::OnceCell;

use super::column::Selection;
use super::expression::{Expression, Used, Wanted};
use super::first::{Firsts, Picked};
use super::input::Input;
use super::pages;
use super::read::{FILES_AHEAD, Opened, Reading};
use super::rows::{Filters, Rows};
use crate::first_pass::ROWS_MAX;
use crate::index::running::{Running, is_of_run};

/// Rows that are read at a time.
const READ_ROWS: usize = 8 << 10;
/// Large columns decide over rows that have so many bytes in a file at most.
const LARGE_BYTES_MAX: u64 = 4 << 20;
/// Files that are fetched ahead, where the rows that are looked at have so many bytes in each at most.
const NARROW_AHEAD: usize = 16;
const AHEAD_BYTES_MAX: u64 = 1 << 20;
/// Of rows that may match, by what indexes know, one in so many at most is looked at alone.
const NARROW: usize = 4;

/// A scan with filters, and what projections above it make of its columns.
#[derive(Debug, Clone)]
pub(super) struct SelectByCodesExec {
    input: Input,
    used: Used,
    filters: Vec<Expression>,
    /// Of the used columns those that decide which rows are wanted come first: so many.
    deciding: usize,
    outputs: Vec<Expression>,
    /// Files that are fetched ahead.
    ahead: usize,
    first: Option<First>,
    /// Where no filter is known before the query runs: what is done if many rows may match then.
    otherwise: Option<Otherwise>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The first rows by a key alone are wanted, and those with the same key as the last of them.
#[derive(Debug, Clone)]
struct First {
    key: Expression,
    /// By the column of the table that is the key.
    order: PhysicalSortExpr,
    fetch: usize,
    firsts: Arc<Firsts>,
}

/// Another way to the same rows.
#[derive(Debug, Clone)]
struct Otherwise {
    plan: Arc<dyn ExecutionPlan>,
    /// By all partitions or by none, as they may read each other's files.
    is_taken: Arc<OnceCell<bool>>,
}

impl SelectByCodesExec {
    /// In place of a scan and what is above it; `None` where filters are over other columns than small ones, and the index
    /// leaves many rows for them, or where there are none. `joins`: whether rows may be looked for by what a join finds.
    pub(super) fn in_place_of(plan: &Arc<dyn ExecutionPlan>, joins: bool) -> Result<Option<Self>> {
        let Some(mut input) = Input::of(plan) else {
            return Ok(None);
        };
        if joins {
            let late = std::mem::take(&mut input.late_filters);
            input.filters.extend(late);
        }
        if input.filters.is_empty() {
            return Ok(None);
        }
        let otherwise = input.filters.iter().all(is_of_run);
        let otherwise = otherwise.then(|| Otherwise {
            plan: Arc::clone(plan),
            is_taken: Arc::default(),
        });
        let select = Self::new(input, plan.schema(), None)?;
        Ok(select.map(|select| Self {
            otherwise,
            ..select
        }))
    }

    /// In place of what a sort with a limit reads.
    pub(super) fn in_place_below(sort: &SortExec) -> Result<Option<Self>> {
        let order = sort.expr().first();
        let (Some(fetch), Some(mut input)) = (sort.fetch(), Input::of(sort.input())) else {
            return Ok(None);
        };
        // What the sort would tell the scan is known by then.
        (input.filters).retain(|filter| !is_of_run(filter));
        let key = input
            .over_table(&order.expr)
            .filter(|key| key.is::<Column>());
        match key {
            Some(key) if (1..=ROWS_MAX).contains(&fetch) => {
                let order = PhysicalSortExpr::new(key, order.options);
                Self::new(input, sort.input().schema(), Some((order, fetch)))
            }
            _ => Ok(None),
        }
    }

    fn new(
        input: Input,
        schema: SchemaRef,
        first: Option<(PhysicalSortExpr, usize)>,
    ) -> Result<Option<Self>> {
        let mut used = Used::default();
        let filters = input.filters.iter();
        let filters = filters.map(|filter| used.expression(filter, &input.table));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        let first = match first {
            Some((order, _)) if !is_number(&order.expr.data_type(&input.table)?) => {
                return Ok(None);
            }
            Some((order, fetch)) => Some(First {
                key: used.expression(&order.expr, &input.table)?,
                firsts: Arc::new(firsts(&input, &order, fetch)),
                order,
                fetch,
            }),
            None => None,
        };
        let deciding = used.columns.len();
        // A bloom filter that isn't asked would be a column that is read whole.
        let has_bloom = |column: &Column| {
            let mut tables = TableName::ALL.iter();
            tables.any(|table| table.key_column() == column.name())
        };
        let known = input.filters.iter().filter(|filter| !is_of_run(filter));
        let mut filtered = known.flat_map(collect_columns);
        if input.asks_blooms && filtered.any(|column| has_bloom(&column)) {
            return Ok(None);
        }
        let is_small = |wanted: &Wanted| {
            wanted.key.is_some()
                || wanted.column >= input.constant_from
                || input.is_small(wanted.column)
        };
        if !used.columns.iter().all(is_small) && !input.is_narrow(LARGE_BYTES_MAX) {
            return Ok(None);
        }
        let ahead = match input.is_narrow(AHEAD_BYTES_MAX) {
            true => NARROW_AHEAD,
            false => FILES_AHEAD,
        };
        let outputs = input.columns.iter();
        let outputs = outputs.map(|output| used.expression(output, &input.table));
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(input.groups.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Some(Self {
            input,
            used,
            filters,
            deciding,
            outputs,
            ahead,
            first,
            otherwise: None,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
    }

    /// The same, with nothing found yet.
    fn anew(&self) -> Self {
        let mut anew = self.clone();
        if let Some(first) = &mut anew.first {
            first.firsts = Arc::new(first.firsts.anew());
        }
        if let Some(otherwise) = &mut anew.otherwise {
            otherwise.is_taken = Arc::default();
        }
        anew
    }

    /// What decides over the rows of a file, fetched.
    async fn candidates(
        &self,
        reading: &Reading,
        running: Option<&Running>,
        file: PartitionedFile,
    ) -> Result<Candidates> {
        let mut file = reading.open(file, PageIndexPolicy::Optional).await?;
        if let Some(running) = running {
            let access = running.ask(file.object()).await;
            file.narrow(&access);
        }
        let file = Arc::new(file);
        let (mut groups, mut unread) = (Vec::new(), Vec::new());
        for (group, may_match) in &file.groups {
            let columns = 0..self.deciding;
            let all = file.rows(*group);
            let narrow = may_match.as_ref();
            let narrow = narrow.filter(|rows| rows.row_count() < all / NARROW);
            let narrow = narrow.map(|rows| pages::selected_rows(rows, all));
            unread.push(match &narrow {
                Some(rows) => {
                    let rows = Selection::Rows(rows.clone());
                    reading.of_rows(&file, *group, columns, &rows)?
                }
                None => reading.whole(&file, *group, columns),
            });
            groups.push((*group, narrow));
        }
        let rows = reading.fetch(&file, unread).await?;
        let groups = groups.into_iter().zip(rows);
        let groups = groups.map(|((group, narrow), rows)| Candidate {
            group,
            narrow,
            rows,
        });
        Ok(Candidates {
            groups: groups.collect(),
            file,
        })
    }

    /// The rows that the filters let pass, and the key of each if only the first are wanted.
    fn passing(
        &self,
        candidate: &Candidate,
        batch_rows: usize,
    ) -> Result<(Vec<u32>, Vec<ArrayRef>)> {
        let rows = &candidate.rows;
        let filters = Filters::new(rows, &self.filters, batch_rows)?;
        let (mut passing, mut keys) = (Vec::new(), Vec::new());
        for start in (0..rows.count).step_by(batch_rows) {
            let selected = filters.selected(start..rows.count.min(start + batch_rows))?;
            if selected.count() == 0 {
                continue;
            }
            if let Some(first) = &self.first {
                keys.push(cast(
                    &rows.values(&first.key, &selected)?,
                    &DataType::Int64,
                )?);
            }
            match &candidate.narrow {
                Some(of) => selected.each(|row| passing.extend(of.get(row as usize))),
                None => selected.each(|row| passing.push(row)),
            }
        }
        Ok((passing, keys))
    }

    /// The rows that pass, of each row group.
    fn passed(
        self: &Arc<Self>,
        reading: &Arc<Reading>,
        running: Option<Running>,
        run: &Run,
    ) -> impl Stream<Item = Result<Picked>> + Send + use<> {
        let files = self.input.groups.get(run.partition);
        let files = files.map(|group| group.files().to_vec());
        let (plan, reading) = (Arc::clone(self), Arc::clone(reading));
        let running = running.map(Arc::new);
        let candidates = futures::stream::iter(files.unwrap_or_default())
            .map(move |file| {
                let (plan, reading) = (Arc::clone(&plan), Arc::clone(&reading));
                let running = running.clone();
                async move { plan.candidates(&reading, running.as_deref(), file).await }
            })
            .buffered(self.ahead);
        let (plan, run) = (Arc::clone(self), run.clone());
        let picked = candidates.and_then(move |candidates| {
            let _timer = run.baseline.elapsed_compute().timer();
            let picked = candidates.groups.iter().map(|candidate| {
                let (rows, _) = plan.passing(candidate, run.batch_rows)?;
                Ok(Picked {
                    file: Arc::clone(&candidates.file),
                    group: candidate.group,
                    rows: Selection::Rows(rows),
                })
            });
            in_turn(picked.collect())
        });
        picked.try_flatten()
    }

    /// The partition's part of the first rows of those that pass.
    async fn firsts(
        self: Arc<Self>,
        first: First,
        reading: Arc<Reading>,
        run: Run,
    ) -> Result<Vec<Picked>> {
        let firsts = &first.firsts;
        // Without a filter the first file or two have them all.
        let ahead = if self.filters.is_empty() {
            1
        } else {
            self.ahead
        };
        while !firsts.is_over().await {
            let taken = futures::stream::iter(std::iter::from_fn(|| firsts.take()));
            let mut looked_at = taken
                .map(|taken| async {
                    let candidates = match taken.is_behind() {
                        true => None,
                        false => Some(
                            self.candidates(&reading, None, taken.file().clone())
                                .await?,
                        ),
                    };
                    Ok::<_, DataFusionError>((taken, candidates))
                })
                .buffered(ahead);
            while let Some((taken, candidates)) = looked_at.try_next().await? {
                if let Some(candidates) = candidates.filter(|_| !taken.is_behind()) {
                    let _timer = run.baseline.elapsed_compute().timer();
                    for candidate in &candidates.groups {
                        let (rows, keys) = self.passing(candidate, run.batch_rows)?;
                        firsts.add(&candidates.file, candidate.group, &rows, &keys)?;
                    }
                }
                taken.done();
                tokio::task::yield_now().await;
            }
        }
        Ok(firsts.part(run.partition, self.input.groups.len()))
    }

    /// The values of rows.
    fn values(
        self: Arc<Self>,
        reading: Arc<Reading>,
        run: Run,
        picked: impl Stream<Item = Result<Picked>> + Send + 'static,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send {
        let some = picked.map_ok(|picked| {
            let some = picked.some_at_a_time(READ_ROWS);
            futures::stream::iter(some.map(Ok))
        });
        let plan = Arc::clone(&self);
        let read = some.try_flatten().map_ok(move |picked| {
            let (plan, reading) = (Arc::clone(&plan), Arc::clone(&reading));
            async move {
                let Picked { file, group, rows } = picked;
                let columns = 0..plan.used.columns.len();
                let unread = reading.of_rows(&file, group, columns, &rows)?;
                reading.fetch(&file, vec![unread]).await
            }
        });
        let batches = read.try_buffered(FILES_AHEAD).and_then(move |read| {
            let _timer = run.baseline.elapsed_compute().timer();
            let batches = read.iter().flat_map(|rows| {
                let starts = (0..rows.count).step_by(run.batch_rows);
                starts.map(|start| self.batch(rows, start..rows.count.min(start + run.batch_rows)))
            });
            let batches: Vec<Result<RecordBatch>> = batches.collect();
            for batch in batches.iter().flatten() {
                run.baseline.record_output(batch.num_rows());
            }
            in_turn(batches)
        });
        batches.try_flatten()
    }

    fn batch(&self, rows: &Rows, range: Range<usize>) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(range.len()));
        let range = Selection::Range(range);
        let columns = self.outputs.iter();
        let columns = columns.map(|output| rows.values(output, &range));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new_with_options(
            self.schema(),
            columns,
            &options,
        )?)
    }
}

/// Gives them on, and the thread: a query that was cancelled, or whose time is over, is stopped where it waits.
async fn in_turn<T>(items: Vec<Result<T>>) -> Result<impl Stream<Item = Result<T>>> {
    tokio::task::yield_now().await;
    Ok(futures::stream::iter(items))
}

/// How a partition runs.
#[derive(Clone)]
struct Run {
    partition: usize,
    batch_rows: usize,
    baseline: BaselineMetrics,
}

/// A file, with what decides over its rows.
struct Candidates {
    file: Arc<Opened>,
    groups: Vec<Candidate>,
}

struct Candidate {
    group: usize,
    /// Which rows are there, if not all.
    narrow: Option<Vec<u32>>,
    rows: Rows,
}

/// What is first by a column of the files, nothing of which is found yet.
fn firsts(input: &Input, order: &PhysicalSortExpr, fetch: usize) -> Firsts {
    let column = order.expr.downcast_ref::<Column>().map(Column::index);
    let files = input.groups.iter().flat_map(FileGroup::files);
    let files = files.map(|file| (file.clone(), column.and_then(|column| bounds(file, column))));
    Firsts::new(files, order.options, fetch)
}

/// The least and the greatest value of a column, where each row has one.
fn bounds(file: &PartitionedFile, column: usize) -> Option<(i64, i64)> {
    let statistics = file.statistics.as_ref()?.column_statistics.get(column)?;
    let bound = |value: &Precision<ScalarValue>| {
        let Precision::Exact(value) = value else {
            return None;
        };
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(bound)) => bound,
            _ => None,
        }
    };
    let min = bound(&statistics.min_value)?;
    let max = bound(&statistics.max_value)?;
    (statistics.null_count == Precision::Exact(0)).then_some((min, max))
}

/// Whether values of a type stand for whole numbers, in the same order.
fn is_number(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Timestamp(..)
    )
}

impl DisplayAs for SelectByCodesExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.input.groups.iter().map(|group| group.len()).sum();
        // Of a table's columns most are in no file.
        let columns = self
            .input
            .columns
            .iter()
            .filter(|column| !column.is::<Literal>());
        let columns: Vec<String> = columns.map(ToString::to_string).collect();
        let columns = columns.join(", ");
        write!(f, "SelectByCodesExec: columns=[{columns}], files={files}")?;
        let filters: Vec<String> = self.input.filters.iter().map(ToString::to_string).collect();
        if !filters.is_empty() {
            write!(f, ", filter={}", filters.join(" AND "))?;
        }
        if let Some(First { fetch, order, .. }) = &self.first {
            write!(f, ", first={fetch} by {order}")?;
        }
        match &self.otherwise {
            Some(_) => write!(f, ", otherwise=scan"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for SelectByCodesExec {
    fn name(&self) -> &str {
        "SelectByCodesExec"
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
        for expr in self.input.filters.iter().chain(&self.input.columns) {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.anew()))
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.anew()))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let reading = Reading::new(&self.input, &self.used, partition, &context, &self.metrics);
        let run = Run {
            partition,
            batch_rows: context.session_config().batch_size(),
            baseline: BaselineMetrics::new(&self.metrics, partition),
        };
        let plan = Arc::new(self.clone());
        let batches = match &self.first {
            None => {
                let running = Running::of(&self.input.filters, &context, &self.metrics, partition)?;
                let by_codes = move |running| {
                    let picked = plan.passed(&reading, running, &run);
                    plan.values(reading, run, picked).boxed()
                };
                match &self.otherwise {
                    None => by_codes(running),
                    Some(otherwise) => {
                        let Otherwise { plan, is_taken } = otherwise.clone();
                        let groups = Arc::clone(&self.input.groups);
                        // Joins ask for the first row when they know what they look for.
                        let begun = futures::stream::once(async move {
                            let files = groups.iter().flat_map(FileGroup::iter);
                            let files: Vec<_> = files.map(|file| &file.object_meta).collect();
                            let leaves_many = || async {
                                match &running {
                                    Some(running) => !running.rules_out(&files).await,
                                    None => true,
                                }
                            };
                            let is_taken = *is_taken.get_or_init(leaves_many).await;
                            Ok::<_, DataFusionError>(match is_taken {
                                true => plan.execute(partition, context)?.boxed(),
                                false => by_codes(running),
                            })
                        });
                        begun.try_flatten().boxed()
                    }
                }
            }
            Some(first) => {
                let memory = MemoryConsumer::new("first rows").register(context.memory_pool());
                first.firsts.count_in(memory);
                let firsts =
                    Arc::clone(&plan).firsts(first.clone(), Arc::clone(&reading), run.clone());
                let firsts = firsts.map_ok(|rows| futures::stream::iter(rows).map(Ok));
                plan.values(reading, run, firsts.try_flatten_stream())
                    .boxed()
            }
        };
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut metrics = self.metrics.clone_inner();
        let otherwise = self.otherwise.as_ref();
        let otherwise = otherwise.and_then(|otherwise| otherwise.plan.metrics());
        for metric in otherwise.iter().flat_map(MetricsSet::iter) {
            metrics.push(Arc::clone(metric));
        }
        Some(metrics)
    }
}
