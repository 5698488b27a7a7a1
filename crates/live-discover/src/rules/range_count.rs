//! `count(…) OVER (PARTITION BY … ORDER BY creation_time RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND …)`: how much a
//! user did within an hour, at each time.
//!
//! DataFusion makes a value of each bound of each row's frame and looks for that among values. Here both ends of the
//! frame go on over numbers.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::{SortOptions, concat, partition};
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::window::{SlidingAggregateWindowExpr, WindowExpr};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream, apply_expression_roots,
};
use futures::StreamExt;

use super::intervals::{has_equal_days, micros};
use crate::node::{NodeRule, only_child, with_new_children};

/// Puts the quick count in the place of DataFusion's.
pub(crate) const RANGE_COUNTS: NodeRule<BoundedWindowAggExec> = NodeRule {
    name: "range_counts",
    in_place_of: RangeCountExec::in_place_of,
};

/// Counts, for each row, those of its partition in frames about its time. Its input is sorted by both.
#[derive(Debug, Clone)]
pub(crate) struct RangeCountExec {
    input: Arc<dyn ExecutionPlan>,
    partition_by: Vec<Arc<dyn PhysicalExpr>>,
    order: PhysicalSortExpr,
    counts: Vec<Count>,
    /// Those of the step in whose place it stands.
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

#[derive(Debug, Clone)]
struct Count {
    name: String,
    /// Not counted where it is null.
    value: Arc<dyn PhysicalExpr>,
    preceding_micros: i64,
    following_micros: i64,
}

impl RangeCountExec {
    pub(crate) const NAME: &str = "RangeCountExec";

    /// `None` for what is not all such counts, ordered by one time.
    fn in_place_of(window: &BoundedWindowAggExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let input = window.input();
        let Some((first, [order])) =
            (window.window_expr().first()).map(|first| (first, first.order_by()))
        else {
            return Ok(None);
        };
        let counts = window.window_expr().iter().map(Count::of);
        let counts = counts.collect::<Option<Vec<_>>>();
        let is_time = match order.expr.data_type(&input.schema())? {
            DataType::Timestamp(TimeUnit::Microsecond, zone) => has_equal_days(zone.as_deref()),
            _ => false,
        };
        let is_sorted = window.input_order_mode == InputOrderMode::Sorted;
        let Some(counts) = counts.filter(|_| is_time && is_sorted) else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Self {
            input: Arc::clone(input),
            partition_by: first.partition_by().to_vec(),
            order: order.clone(),
            counts,
            properties: Arc::clone(window.properties()),
            metrics: ExecutionPlanMetricsSet::new(),
        })))
    }
}

impl Count {
    fn of(expr: &Arc<dyn WindowExpr>) -> Option<Self> {
        let sliding = expr.as_any().downcast_ref::<SlidingAggregateWindowExpr>()?;
        let function = sliding.get_aggregate_expr();
        let is_count = function.fun().name() == "count"
            && !function.is_distinct()
            // Nothing else tells of a FILTER.
            && format!("{sliding:?}").ends_with("filter: None }");
        let [value] = <[_; 1]>::try_from(function.expressions()).ok()?;
        let (preceding_micros, following_micros) = frame_micros(expr.get_window_frame())?;
        is_count.then(|| Self {
            name: expr.name().to_owned(),
            value,
            preceding_micros,
            following_micros,
        })
    }
}

/// How far a frame goes back, and on.
fn frame_micros(frame: &WindowFrame) -> Option<(i64, i64)> {
    if frame.units != WindowFrameUnits::Range {
        return None;
    }
    let preceding = match &frame.start_bound {
        WindowFrameBound::CurrentRow => 0,
        WindowFrameBound::Preceding(interval) => interval_micros(interval)?,
        WindowFrameBound::Following(_) => return None,
    };
    let following = match &frame.end_bound {
        WindowFrameBound::CurrentRow => 0,
        WindowFrameBound::Following(interval) => interval_micros(interval)?,
        WindowFrameBound::Preceding(_) => return None,
    };
    Some((preceding, following))
}

/// `None` for what is of no length, or of less than none.
fn interval_micros(interval: &ScalarValue) -> Option<i64> {
    match interval.cast_to(&DataType::Interval(IntervalUnit::MonthDayNano)) {
        Ok(ScalarValue::IntervalMonthDayNano(Some(interval))) => {
            micros(interval).filter(|micros| *micros >= 0)
        }
        _ => None,
    }
}

/// Rows that wait for what their frames may yet get, and what of rows before them is in these frames.
///
/// Rows come in the order of their times, so both ends of a frame go on only, and a batch is looked at once.
struct Waiting {
    plan: RangeCountExec,
    /// In order, each with what it holds; of the first some rows may be gone.
    batches: VecDeque<(RecordBatch, usize)>,
    /// What tells the last row's partition.
    partition: Vec<ArrayRef>,
    /// Of that partition, but for those that are in no later frame.
    times: Vec<i64>,
    counts: Vec<Counting>,
    memory: MemoryReservation,
    /// What the batches hold.
    held: usize,
}

/// How far a count is, in places among the times.
#[derive(Debug, Default)]
struct Counting {
    /// Whether each row counts.
    counted: Vec<bool>,
    /// The next row's frame, as far as it is looked for.
    start: usize,
    end: usize,
    count: i64,
    /// The first row whose frame is not known.
    next: usize,
    /// Of rows that wait, in order.
    found: VecDeque<i64>,
}

impl Waiting {
    fn new(plan: RangeCountExec, memory: MemoryReservation) -> Self {
        let counts = plan.counts.iter().map(|_| Counting::default()).collect();
        Self {
            plan,
            batches: VecDeque::new(),
            partition: Vec::new(),
            times: Vec::new(),
            counts,
            memory,
            held: 0,
        }
    }

    fn add(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let times = times(&self.plan.order, &batch)?;
        let counted = (self.plan.counts.iter()).map(|count| is_counted(count, &batch));
        let counted = counted.collect::<Result<Vec<_>>>()?;
        for (at, part) in self.partitions(&batch)?.into_iter().enumerate() {
            if at > 0 {
                self.end_partition();
            }
            self.times.extend(&times[part.clone()]);
            for (counting, counted) in self.counts.iter_mut().zip(&counted) {
                counting.counted.extend(&counted[part.clone()]);
            }
        }
        for (counting, count) in self.counts.iter_mut().zip(&self.plan.counts) {
            counting.advance(count, &self.times, false);
        }
        self.forget_times();
        let bytes = get_record_batch_memory_size(&batch);
        self.batches.push_back((batch, bytes));
        self.held += bytes;
        self.reserve()
    }

    /// No row of the partition comes any more.
    fn end_partition(&mut self) {
        for (counting, count) in self.counts.iter_mut().zip(&self.plan.counts) {
            counting.advance(count, &self.times, true);
            *counting = Counting {
                found: std::mem::take(&mut counting.found),
                ..Counting::default()
            };
        }
        self.times = Vec::new();
    }

    /// Lets go of times before all frames, once these are half of them: so each is moved about once.
    fn forget_times(&mut self) {
        let starts = self.counts.iter().map(|counting| counting.start);
        let past = starts.min().unwrap_or(0);
        if past > self.times.len() / 2 {
            self.times.drain(..past);
            for counting in &mut self.counts {
                counting.counted.drain(..past);
                counting.start -= past;
                counting.end -= past;
                counting.next -= past;
            }
        }
    }

    fn reserve(&self) -> Result<()> {
        let of_counts = self.counts.iter().map(|counting| {
            counting.counted.capacity() + counting.found.capacity() * size_of::<i64>()
        });
        let of_times = self.times.capacity() * size_of::<i64>();
        (self.memory).try_resize(self.held + of_times + of_counts.sum::<usize>())
    }

    /// Some of the rows whose frames are known, the first first.
    fn give(&mut self) -> Result<Option<RecordBatch>> {
        let known = self.counts.iter().map(|counting| counting.found.len());
        let known = known.min().unwrap_or(0);
        let Some((batch, bytes)) = self.batches.front_mut().filter(|_| known > 0) else {
            return Ok(None);
        };
        let rows = known.min(batch.num_rows());
        let given = batch.slice(0, rows);
        *batch = batch.slice(rows, batch.num_rows() - rows);
        if batch.num_rows() == 0 {
            self.held -= *bytes;
            self.batches.pop_front();
        }
        let counts = self.counts.iter_mut().map(|counting| {
            let counts: Int64Array = counting.found.drain(..rows).collect();
            Arc::new(counts) as ArrayRef
        });
        let columns = given.columns().iter().cloned().chain(counts);
        let given = RecordBatch::try_new(self.plan.schema(), columns.collect())?;
        self.reserve()?;
        Ok(Some(given))
    }

    /// The partitions of a batch's rows, the first of them that of the rows before: it may have none.
    fn partitions(&mut self, batch: &RecordBatch) -> Result<Vec<Range<usize>>> {
        let rows = batch.num_rows();
        if self.plan.partition_by.is_empty() {
            return Ok(std::iter::once(0..rows).collect());
        }
        let by = self.plan.partition_by.iter();
        let by = by.map(|expr| expr.evaluate(batch)?.into_array(rows));
        let by = by.collect::<Result<Vec<_>>>()?;
        let last = std::mem::replace(
            &mut self.partition,
            by.iter().map(|by| by.slice(rows - 1, 1)).collect(),
        );
        let is_first = last.is_empty();
        let with_last = by.iter().enumerate().map(|(at, by)| match last.get(at) {
            Some(last) => Ok(concat(&[last.as_ref(), by.as_ref()])?),
            None => Ok(Arc::clone(by)),
        });
        let ranges = partition(&with_last.collect::<Result<Vec<_>>>()?)?.ranges();
        let before = usize::from(!is_first);
        let ranges = ranges
            .into_iter()
            .map(|range| range.start.saturating_sub(before)..range.end - before);
        Ok(ranges.collect())
    }
}

impl Counting {
    /// Counts as far as frames are known: all of them once the partition is whole.
    fn advance(&mut self, count: &Count, times: &[i64], is_whole: bool) {
        while let Some(time) = times.get(self.next) {
            let (from, to) = count.frame(*time);
            while times.get(self.end).is_some_and(|time| *time <= to) {
                self.count += i64::from(self.counted[self.end]);
                self.end += 1;
            }
            while self.start < self.end && times[self.start] < from {
                self.count -= i64::from(self.counted[self.start]);
                self.start += 1;
            }
            if self.end == times.len() && !is_whole {
                return;
            }
            self.found.push_back(self.count);
            self.next += 1;
        }
    }
}

impl Count {
    /// The first and the last of the times about one; of a null they are nulls.
    fn frame(&self, time: i64) -> (i64, i64) {
        match time {
            NULL_FIRST | NULL_LAST => (time, time),
            time => (
                time.saturating_sub(self.preceding_micros)
                    .max(NULL_FIRST + 1),
                time.saturating_add(self.following_micros)
                    .min(NULL_LAST - 1),
            ),
        }
    }
}

/// What stands for no time, before and behind all others.
const NULL_FIRST: i64 = i64::MIN;
const NULL_LAST: i64 = i64::MAX;

/// Times as numbers in their order.
fn times(order: &PhysicalSortExpr, rows: &RecordBatch) -> Result<Vec<i64>> {
    let times = order.expr.evaluate(rows)?.into_array(rows.num_rows())?;
    let Some(times) = times.as_primitive_opt::<TimestampMicrosecondType>() else {
        return internal_err!("times have the type {}", times.data_type());
    };
    let SortOptions {
        descending,
        nulls_first,
    } = order.options;
    let null = if nulls_first { NULL_FIRST } else { NULL_LAST };
    let times = times.iter().map(|time| match time {
        None => null,
        // Turns the order around.
        Some(time) if descending => !time,
        Some(time) => time,
    });
    Ok(times.collect())
}

fn is_counted(count: &Count, rows: &RecordBatch) -> Result<Vec<bool>> {
    let values = count.value.evaluate(rows)?.into_array(rows.num_rows())?;
    let nulls = values.logical_nulls();
    Ok(match nulls {
        None => vec![true; values.len()],
        Some(nulls) => nulls.iter().collect(),
    })
}

impl DisplayAs for RangeCountExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by: Vec<String> = self.partition_by.iter().map(ToString::to_string).collect();
        let counts: Vec<&str> = self
            .counts
            .iter()
            .map(|count| count.name.as_str())
            .collect();
        let (by, counts) = (by.join(", "), counts.join(", "));
        write!(
            f,
            "{}: counts=[{counts}], partition=[{by}], order={}",
            Self::NAME,
            self.order
        )
    }
}

impl ExecutionPlan for RangeCountExec {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let values = self.counts.iter().map(|count| &count.value);
        let order = std::iter::once(&self.order.expr);
        apply_expression_roots(self.partition_by.iter().chain(order).chain(values), f)
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
        let memory = MemoryConsumer::new("frames").register(context.memory_pool());
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let waiting = Waiting::new(self.clone(), memory);
        let state = (Some(input), waiting);
        let batches = futures::stream::try_unfold(state, move |(mut input, mut waiting)| {
            let baseline = baseline.clone();
            async move {
                loop {
                    let timer = baseline.elapsed_compute().timer();
                    if let Some(rows) = waiting.give()? {
                        baseline.record_output(rows.num_rows());
                        return Ok::<_, DataFusionError>(Some((rows, (input, waiting))));
                    }
                    drop(timer);
                    let Some(further) = &mut input else {
                        return Ok(None);
                    };
                    let further = further.next().await.transpose()?;
                    let _timer = baseline.elapsed_compute().timer();
                    match further {
                        Some(further) => waiting.add(further)?,
                        None => {
                            waiting.end_partition();
                            input = None;
                        }
                    }
                }
            }
        });
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
