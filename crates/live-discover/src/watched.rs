//! A plan that stops in time and makes no memory of single values.
//!
//! Every step of a physical plan is put into one that looks like it and watches its batches:
//!
//! - After the query's end nothing more comes, also from a join that would go on for hours without waiting.
//! - Joins and the like hand the thread on, so that queries take turns; no more threads work for it than may.
//! - What goes into a step that copies values to many rows (a join, UNNEST, a window) may hold no value that is too
//!   large for it, and rows that a step keeps without counting them count for the query's memory: those that went into
//!   it and have not come out.
//! - What goes into a step that holds batches (a sort, a join) holds no more than itself: a text of a file's page holds
//!   the whole page, and one of a sorted batch all batches that were sorted.
//! - What functions made is counted for the query until the last step gives it.
//! - The text of an EXPLAIN has the names of files, and not where they lie.

mod asking;
mod copies;
mod values;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::utils::memory::get_record_batch_memory_size;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{RecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream,
};
use futures::{Stream, StreamExt};

use self::asking::stoppable;
use self::copies::is_copied_once;
use self::values::{compact, widest, without_places};
use crate::error::Error;
use crate::limits::LimitKind;
use crate::node::with_new_children;
use crate::rules::growth;
use crate::rules::range_count::RangeCountExec;
use crate::rules::range_join::RangeJoinExec;
use crate::stop::Stop;
use crate::turns::{Queue, Turns};

/// What the values of one row may become when a batch of rows holds them all.
const COPIED_BYTES_MAX: usize = 256 << 20;

/// Steps that copy values of their inputs to many rows, some without waiting.
const COPYING: [&str; 9] = [
    "CrossJoinExec",
    "NestedLoopJoinExec",
    "HashJoinExec",
    RangeJoinExec::NAME,
    "SortMergeJoinExec",
    "PiecewiseMergeJoinExec",
    "UnnestExec",
    "BoundedWindowAggExec",
    "ScalarSubqueryExec",
];

/// Steps that keep rows of their input and do not count them.
const KEEPING: [&str; 2] = ["WindowAggExec", "BoundedWindowAggExec"];

/// Further steps that hold batches, which they do count.
const HOLDING: [&str; 4] = [
    "SortExec",
    "SortExec(TopK)",
    "SortPreservingMergeExec",
    RangeCountExec::NAME,
];

/// Steps whose text tells where files lie.
const EXPLAINING: [&str; 2] = ["ExplainExec", "AnalyzeExec"];

/// The plan, watched; `batch_rows` is how many rows go through it at a time, `turns` how many threads.
pub(crate) fn watch(
    plan: Arc<dyn ExecutionPlan>,
    stop: &Arc<Stop>,
    turns: Option<&Turns>,
    batch_rows: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let last = watch_step(plan, stop, turns, batch_rows)?;
    Ok(Arc::new(Watched {
        is_last: true,
        ..last
    }))
}

fn watch_step(
    plan: Arc<dyn ExecutionPlan>,
    stop: &Arc<Stop>,
    turns: Option<&Turns>,
    batch_rows: usize,
) -> Result<Watched> {
    let name = plan.name().to_owned();
    let is_copying = COPYING.contains(&name.as_str());
    let given = KEEPING.contains(&name.as_str()).then(|| {
        let partitions = plan.properties().output_partitioning().partition_count();
        (0..partitions)
            .map(|_| AtomicUsize::new(0))
            .collect::<Given>()
    });
    let is_keeping = is_copying || given.is_some();
    let mut children = Vec::new();
    for (at, child) in plan.children().into_iter().enumerate() {
        let child = Arc::new(watch_step(Arc::clone(child), stop, turns, batch_rows)?);
        let copies = is_keeping && !is_copied_once(plan.as_ref(), at);
        let row_bytes_max = copies.then(|| COPIED_BYTES_MAX / batch_rows.max(1));
        children.push(match is_keeping || HOLDING.contains(&name.as_str()) {
            false => child as Arc<dyn ExecutionPlan>,
            true => Arc::new(Watched {
                inner: child,
                stop: Arc::clone(stop),
                turns: None,
                row_bytes_max,
                is_kept: true,
                given: given.clone(),
                takes_turns: false,
                hides_places: false,
                is_last: false,
            }),
        });
    }
    let plan = replace_children_if_necessary(plan, children)?;
    Ok(Watched {
        inner: stoppable(plan, stop)?,
        stop: Arc::clone(stop),
        turns: turns.cloned(),
        row_bytes_max: None,
        is_kept: false,
        given,
        takes_turns: is_copying,
        hides_places: EXPLAINING.contains(&name.as_str()),
        is_last: false,
    })
}

/// A step that looks like the one inside.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn ExecutionPlan>,
    stop: Arc<Stop>,
    turns: Option<Turns>,
    /// What the values of a row may take, if they are to be copied.
    row_bytes_max: Option<usize>,
    /// Of a step that keeps rows: how many it gave.
    given: Option<Given>,
    /// Whether its rows go into a step that keeps or holds them, and hold no more than themselves; else it is the step.
    is_kept: bool,
    takes_turns: bool,
    hides_places: bool,
    /// Whether what it gives is the result.
    is_last: bool,
}

/// Rows by partition.
type Given = Arc<[AtomicUsize]>;

impl DisplayAs for Watched {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_as(format, f)
    }
}

impl ExecutionPlan for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        Some(self.inner.as_ref())
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inner.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self {
            inner: Arc::clone(&self.inner).replace_children(children, options)?,
            stop: Arc::clone(&self.stop),
            turns: self.turns.clone(),
            given: self.given.clone(),
            ..*self
        }))
    }

    with_new_children!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.given.clone().map(|given| match self.is_kept {
            false => Rows::Given { given, partition },
            true => {
                let consumer = MemoryConsumer::new("rows of a window");
                Rows::Kept(Kept {
                    memory: consumer.register(context.memory_pool()),
                    given,
                    partition,
                    rows: 0,
                    bytes: 0,
                })
            }
        });
        Ok(Box::pin(WatchedStream {
            inner: self.inner.execute(partition, context)?,
            stop: Arc::clone(&self.stop),
            queue: self.turns.as_ref().map(Turns::queue),
            row_bytes_max: self.row_bytes_max,
            rows,
            is_kept: self.is_kept,
            takes_turns: self.takes_turns,
            hides_places: self.hides_places,
            is_last: self.is_last,
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.inner.metrics()
    }
}

struct WatchedStream {
    inner: SendableRecordBatchStream,
    stop: Arc<Stop>,
    queue: Option<Queue>,
    row_bytes_max: Option<usize>,
    rows: Option<Rows>,
    is_kept: bool,
    takes_turns: bool,
    hides_places: bool,
    is_last: bool,
}

/// What is known of rows that a step keeps.
enum Rows {
    Kept(Kept),
    Given { given: Given, partition: usize },
}

/// Rows that went into a step, with the memory for those that did not come out.
struct Kept {
    memory: MemoryReservation,
    given: Given,
    partition: usize,
    rows: usize,
    bytes: usize,
}

impl Kept {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        self.bytes += get_record_batch_memory_size(batch);
        let given = self.given.get(self.partition);
        let given = given.map_or(0, |given| given.load(Ordering::Relaxed));
        let left = self.rows.saturating_sub(given);
        self.memory.try_resize(self.bytes / self.rows.max(1) * left)
    }
}

impl WatchedStream {
    fn look_at(&mut self, batch: &RecordBatch) -> Result<()> {
        if let Some(max) = self.row_bytes_max {
            let bytes: usize = batch.columns().iter().map(widest).sum();
            if bytes > max {
                let message = format!(
                    "values of {bytes} bytes would be copied to many rows, at most {max} can be; \
                     cut them with left() before they are joined"
                );
                return Err(Error::exhausted(LimitKind::Growth, message).into());
            }
        }
        match &mut self.rows {
            Some(Rows::Kept(kept)) => kept.add(batch),
            Some(Rows::Given { given, partition }) => {
                if let Some(given) = given.get(*partition) {
                    given.fetch_add(batch.num_rows(), Ordering::Relaxed);
                }
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Stream for WatchedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Err(error) = self.stop.check() {
            return Poll::Ready(Some(Err(error.into())));
        }
        let _turn = match &mut self.queue {
            Some(queue) => Some(ready!(queue.poll_turn(context))),
            None => None,
        };
        let polled = if self.takes_turns {
            let turn = ready!(tokio::task::coop::poll_proceed(context));
            let polled = self.inner.poll_next_unpin(context);
            if polled.is_ready() {
                turn.made_progress();
            }
            polled
        } else {
            self.inner.poll_next_unpin(context)
        };
        match ready!(polled) {
            Some(Ok(batch)) if self.hides_places => Poll::Ready(Some(Ok(without_places(&batch)))),
            Some(Ok(batch)) if self.is_kept => {
                let compacted = compact(&batch);
                Poll::Ready(Some(
                    compacted.and_then(|batch| self.look_at(&batch).map(|()| batch)),
                ))
            }
            Some(Ok(batch)) => {
                if self.is_last {
                    growth::let_go(&batch);
                }
                Poll::Ready(Some(self.look_at(&batch).map(|()| batch)))
            }
            other => Poll::Ready(other),
        }
    }
}

impl RecordBatchStream for WatchedStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
