//! `count(…) OVER (PARTITION BY … ORDER BY creation_time RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND …)`: how much a
//! user did within an hour, at each time.
//!
//! DataFusion makes a value of each bound of each row's frame and looks for that among values. Here both ends of the
//! frame go on over numbers.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::{SortOptions, concat_batches, partition};
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::window::{SlidingAggregateWindowExpr, WindowExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::BoundedWindowAggExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode,
    PhysicalExpr, PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::StreamExt;

const DAY_MICROS: i64 = 86_400_000_000;

/// Puts the quick count in the place of DataFusion's.
#[derive(Debug)]
pub(crate) struct RangeCounts;

impl PhysicalOptimizerRule for RangeCounts {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let in_place = |node: Arc<dyn ExecutionPlan>| {
            let window = node.downcast_ref::<BoundedWindowAggExec>();
            Ok(match window.map(RangeCountExec::in_place_of).transpose()? {
                Some(Some(count)) => Transformed::yes(Arc::new(count) as _),
                _ => Transformed::no(node),
            })
        };
        plan.transform_up(in_place).data()
    }

    fn name(&self) -> &str {
        "range_counts"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Counts, for each row, those of its partition in frames about its time. Its input is sorted by both.
#[derive(Debug, Clone)]
struct RangeCountExec {
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
    /// `None` for what is not all such counts, ordered by one time.
    fn in_place_of(window: &BoundedWindowAggExec) -> Result<Option<Self>> {
        let input = window.input();
        let Some((first, [order])) =
            (window.window_expr().first()).map(|first| (first, first.order_by()))
        else {
            return Ok(None);
        };
        let counts = window.window_expr().iter().map(Count::of);
        let counts = counts.collect::<Option<Vec<_>>>();
        let is_time = match order.expr.data_type(&input.schema())? {
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                zone.is_none_or(|zone| matches!(zone.as_ref(), "UTC" | "+00:00"))
            }
            _ => false,
        };
        let is_sorted = window.input_order_mode == InputOrderMode::Sorted;
        Ok(counts.filter(|_| is_time && is_sorted).map(|counts| Self {
            input: Arc::clone(input),
            partition_by: first.partition_by().to_vec(),
            order: order.clone(),
            counts,
            properties: Arc::clone(window.properties()),
            metrics: ExecutionPlanMetricsSet::new(),
        }))
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

/// `None` for what has months, which are of unequal length, and what is no number of microseconds.
fn interval_micros(interval: &ScalarValue) -> Option<i64> {
    let interval = interval.cast_to(&DataType::Interval(IntervalUnit::MonthDayNano));
    let Ok(ScalarValue::IntervalMonthDayNano(Some(interval))) = interval else {
        return None;
    };
    let is_whole = interval.months == 0 && interval.nanoseconds % 1000 == 0;
    let micros = i64::from(interval.days)
        .checked_mul(DAY_MICROS)?
        .checked_add(interval.nanoseconds / 1000)?;
    (is_whole && micros >= 0).then_some(micros)
}

/// Rows that wait for what their frames may yet get, and what of rows before them is in these frames.
struct Waiting {
    plan: RangeCountExec,
    /// The last of a partition: none but the last row may wait, and all with its time.
    rows: RecordBatch,
    /// Of rows of their partition before them.
    times: Vec<i64>,
    /// By count: whether each of those rows counts.
    counted: Vec<Vec<bool>>,
    memory: MemoryReservation,
}

impl Waiting {
    /// The rows whose frames are known, of those that wait and further ones, with their counts; of the end all are.
    fn advance(&mut self, further: Option<&RecordBatch>) -> Result<RecordBatch> {
        let rows = match further {
            Some(further) => concat_batches(further.schema_ref(), [&self.rows, further])?,
            None => self.rows.clone(),
        };
        let is_over = further.is_none();
        let all_times = times(&self.plan.order, &rows)?;
        let of_rows = self
            .plan
            .counts
            .iter()
            .map(|count| is_counted(count, &rows));
        let of_rows = of_rows.collect::<Result<Vec<_>>>()?;
        let mut counts: Vec<Vec<i64>> = vec![Vec::with_capacity(rows.num_rows()); of_rows.len()];
        let partitions = self.partitions(&rows)?;
        let mut given = 0;
        for (at, part) in partitions.iter().enumerate() {
            // Those that wait are of the first.
            let mut times = match at {
                0 => std::mem::take(&mut self.times),
                _ => Vec::new(),
            };
            let before = times.len();
            times.extend(&all_times[part.clone()]);
            let is_whole = is_over || at + 1 < partitions.len();
            let (mut known, mut found) = (part.len(), Vec::with_capacity(of_rows.len()));
            for (number, (count, of_rows)) in self.plan.counts.iter().zip(&of_rows).enumerate() {
                let mut counted = match at {
                    0 => std::mem::take(&mut self.counted[number]),
                    _ => Vec::new(),
                };
                counted.extend(&of_rows[part.clone()]);
                let of_known = count.frames(&times, &counted, before, is_whole);
                known = known.min(of_known.len());
                found.push((of_known, counted));
            }
            let next = before + known;
            // What is before the frames of the next row is in no later one.
            let starts = (times.get(next).into_iter())
                .flat_map(|time| self.plan.counts.iter().map(|count| count.frame(*time).0));
            let starts = starts.map(|from| times.partition_point(|time| *time < from));
            let needed = starts.min().unwrap_or(next).min(next);
            for (number, (of_known, mut counted)) in found.into_iter().enumerate() {
                counts[number].extend(&of_known[..known]);
                if !is_whole {
                    counted.truncate(next);
                    self.counted[number] = counted.split_off(needed);
                }
            }
            if !is_whole {
                times.truncate(next);
                self.times = times.split_off(needed);
            }
            given += known;
        }
        self.rows = rows.slice(given, rows.num_rows() - given);
        let held = self.times.capacity() * size_of::<i64>()
            + self.counted.iter().map(Vec::capacity).sum::<usize>();
        self.memory.try_resize(held)?;
        let counts = counts
            .into_iter()
            .map(|counts| Arc::new(Int64Array::from(counts)) as ArrayRef);
        let columns = rows
            .slice(0, given)
            .columns()
            .to_vec()
            .into_iter()
            .chain(counts);
        Ok(RecordBatch::try_new(self.plan.schema(), columns.collect())?)
    }

    fn partitions(&self, rows: &RecordBatch) -> Result<Vec<std::ops::Range<usize>>> {
        if self.plan.partition_by.is_empty() || rows.num_rows() == 0 {
            return Ok(std::iter::once(0..rows.num_rows()).collect());
        }
        let by = self.plan.partition_by.iter();
        let by = by.map(|expr| expr.evaluate(rows)?.into_array(rows.num_rows()));
        Ok(partition(&by.collect::<Result<Vec<_>>>()?)?.ranges())
    }
}

impl Count {
    /// Of rows of a partition, from `first` on, as far as their frames are known.
    fn frames(&self, times: &[i64], counted: &[bool], first: usize, is_whole: bool) -> Vec<i64> {
        let (mut start, mut end, mut count) = (0, 0, 0);
        let mut counts = Vec::with_capacity(times.len() - first);
        for time in &times[first..] {
            let (from, to) = self.frame(*time);
            while times.get(end).is_some_and(|time| *time <= to) {
                count += i64::from(counted[end]);
                end += 1;
            }
            while start < end && times[start] < from {
                count -= i64::from(counted[start]);
                start += 1;
            }
            if end == times.len() && !is_whole {
                break;
            }
            counts.push(count);
        }
        counts
    }

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
            "RangeCountExec: counts=[{counts}], partition=[{by}], order={}",
            self.order
        )
    }
}

impl ExecutionPlan for RangeCountExec {
    fn name(&self) -> &str {
        "RangeCountExec"
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
        for expr in self.partition_by.iter().chain(order).chain(values) {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([input]) = <[_; 1]>::try_from(children) else {
            return internal_err!("RangeCountExec has one child");
        };
        Ok(Arc::new(Self {
            input,
            ..Arc::unwrap_or_clone(self)
        }))
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
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let memory = MemoryConsumer::new("frames").register(context.memory_pool());
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let waiting = Waiting {
            plan: self.clone(),
            rows: RecordBatch::new_empty(self.input.schema()),
            times: Vec::new(),
            counted: vec![Vec::new(); self.counts.len()],
            memory,
        };
        let batches = futures::stream::try_unfold(Some((input, waiting)), move |state| {
            let baseline = baseline.clone();
            async move {
                let Some((mut input, mut waiting)) = state else {
                    return Ok::<_, DataFusionError>(None);
                };
                let further = input.next().await.transpose()?;
                let _timer = baseline.elapsed_compute().timer();
                let rows = waiting.advance(further.as_ref())?;
                baseline.record_output(rows.num_rows());
                Ok(Some((rows, further.map(|_| (input, waiting)))))
            }
        });
        let batches = batches.filter(|batch| {
            let is_empty = batch.as_ref().is_ok_and(|batch| batch.num_rows() == 0);
            futures::future::ready(!is_empty)
        });
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
