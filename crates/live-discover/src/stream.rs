//! The result of a query as it comes.
//!
//! ```text
//!  task: plan's stream ─► rows and bytes counted ─► channel of two batches ─► QueryStream ─► caller
//!        a panic ends the task, and the stream with an error        dropped: the task is stopped
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{FutureExt, Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Sleep;
use tokio::time::error::Elapsed;

use crate::error::{Error, Result};
use crate::limits::{LimitKind, Limits};
use crate::memory::Turn;
use crate::place::Places;
use crate::runtime::QueryRuntime;
use crate::size;
use crate::stop::{Stop, StopOnDrop};

/// Batches that wait for the caller: one being taken, one being ready.
const BATCHES_AHEAD: usize = 2;

/// How a query's task ended: through with it, or out of time.
type Ended = std::result::Result<(), Elapsed>;

/// The batches of a query's result. Dropping it cancels the query.
///
/// It needs neither its session nor the engine any more: where these go first, the query goes on, and the engine's threads
/// end with the last stream.
///
/// An open one has its part of the engine's memory ([`EngineOptions::memory_bytes`](crate::EngineOptions::memory_bytes)) until
/// its last row is taken, it is dropped, or its time is up ([`Limits::duration`](crate::Limits::duration)): others wait for it.
/// A host whose callers may leave a result half read gives them a short time, or keeps results as [`Runs`](crate::Runs).
///
/// # Shape
///
/// Every batch has the schema of [`QueryStream::schema`]; there may be none, and a batch may be empty. After an error
/// comes nothing more.
pub struct QueryStream {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: OwnedTask<Ended>,
    deadline: Pin<Box<Sleep>>,
    stop: StopOnDrop,
    progress: ProgressSource,
    finished: bool,
    /// A timer panics where its threads have gone. The last, so that nothing here is let go of after them.
    _runtime: QueryRuntime,
}

/// How far a query is.
///
/// Most queries read a part of the columns, so of [`bytes_planned`](Self::bytes_planned) far less may be scanned at
/// the end; files scanned of those planned tell how much is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Data files of the tables in the query, of the tenants in scope.
    pub files_total: u64,
    /// Data files that the query may have to open; the others were ruled out by what the lake knows of them.
    pub files_planned: u64,
    /// Data files that were read to their end, or as far as the query needs them.
    pub files_scanned: u64,
    /// Bytes of the files that the query may have to open.
    pub bytes_planned: u64,
    /// Bytes read from the store.
    pub bytes_scanned: u64,
    /// Rows of the result so far.
    pub rows: u64,
    /// Bytes of the result's rows so far, in memory.
    pub bytes: u64,
}

/// What planning found, over all scans of the query.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    files_total: AtomicU64,
    files_planned: AtomicU64,
    bytes_planned: AtomicU64,
}

impl Planned {
    pub(crate) fn add_scan(&self, files_total: usize, files_planned: usize, bytes_planned: u64) {
        self.files_total
            .fetch_add(files_total as u64, Ordering::Relaxed);
        self.files_planned
            .fetch_add(files_planned as u64, Ordering::Relaxed);
        self.bytes_planned
            .fetch_add(bytes_planned, Ordering::Relaxed);
    }

    /// What was found so far. Later scans, when the place of an error is looked for, are not the query's.
    pub(crate) fn so_far(&self) -> Self {
        let copy = |counter: &AtomicU64| AtomicU64::new(counter.load(Ordering::Relaxed));
        Self {
            files_total: copy(&self.files_total),
            files_planned: copy(&self.files_planned),
            bytes_planned: copy(&self.bytes_planned),
        }
    }
}

/// Tells how far a query is, also while nobody takes its rows. Keeps the query's plan.
#[derive(Clone)]
pub(crate) struct ProgressSource {
    plan: Arc<dyn ExecutionPlan>,
    planned: Arc<Planned>,
    delivered: Arc<Delivered>,
}

impl ProgressSource {
    pub(crate) fn progress(&self) -> Progress {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let files_planned = read(&self.planned.files_planned);
        Progress {
            files_total: read(&self.planned.files_total),
            files_planned,
            // One that is read in pieces counts for each of them.
            files_scanned: sum_of_metric(self.plan.as_ref(), "files_processed").min(files_planned),
            bytes_planned: read(&self.planned.bytes_planned),
            bytes_scanned: sum_of_metric(self.plan.as_ref(), "bytes_scanned"),
            rows: read(&self.delivered.rows),
            bytes: read(&self.delivered.bytes),
        }
    }
}

#[derive(Debug, Default)]
struct Delivered {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl QueryStream {
    pub(crate) fn start(
        runtime: &QueryRuntime,
        plan: Arc<dyn ExecutionPlan>,
        limits: &Limits,
        stop: StopOnDrop,
        planned: &Planned,
        places: Places,
        turn: Turn,
    ) -> Result<Self> {
        let (workers, timers) = (runtime.handle()?, runtime.timers()?);
        let schema = plan.schema();
        let delivered = Arc::new(Delivered::default());
        let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
        let _guard = timers.enter();
        let work = run(
            Arc::clone(&plan),
            sender,
            limits.rows,
            limits.bytes,
            Arc::clone(&delivered),
            places,
            turn,
        );
        // Others wait for its memory, also where nobody asks for its rows any more.
        let in_time = tokio::time::timeout_at(stop.0.deadline(), work);
        let task = OwnedTask::spawn(&workers, in_time);
        Ok(Self {
            schema,
            batches,
            task,
            deadline: Box::pin(tokio::time::sleep_until(stop.0.deadline())),
            stop,
            progress: ProgressSource {
                plan,
                planned: Arc::new(planned.so_far()),
                delivered,
            },
            finished: false,
            _runtime: runtime.clone(),
        })
    }

    /// The columns of the result.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// How far the query is.
    pub fn progress(&self) -> Progress {
        self.progress.progress()
    }

    /// What stops the query from any thread, also while its steps keep all threads of the runtime busy.
    pub(crate) fn stop(&self) -> Arc<Stop> {
        Arc::clone(&self.stop.0)
    }

    pub(crate) fn progress_source(&self) -> ProgressSource {
        self.progress.clone()
    }

    /// The next batch; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        StreamExt::next(self).await
    }

    fn finish(&mut self, error: Option<Error>) -> Poll<Option<Result<RecordBatch>>> {
        self.finished = true;
        self.stop.0.cancel();
        self.task.abort();
        Poll::Ready(error.map(Err))
    }
}

impl Stream for QueryStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.finished {
            return Poll::Ready(None);
        }
        if self.deadline.poll_unpin(context).is_ready() {
            let timed_out = self.stop.0.timed_out();
            return self.finish(Some(timed_out));
        }
        match self.batches.poll_recv(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(batch))) => Poll::Ready(Some(Ok(batch))),
            Poll::Ready(Some(Err(error))) => self.finish(Some(error)),
            // The task has ended: by its last batch or by a panic.
            Poll::Ready(None) => match self.task.poll_unpin(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(Ok(()))) => self.finish(None),
                Poll::Ready(Ok(Err(_))) => {
                    let timed_out = self.stop.0.timed_out();
                    self.finish(Some(timed_out))
                }
                Poll::Ready(Err(panicked)) => self.finish(Some(panicked)),
            },
        }
    }
}

impl fmt::Debug for QueryStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("QueryStream")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

async fn run(
    plan: Arc<dyn ExecutionPlan>,
    sender: mpsc::Sender<Result<RecordBatch>>,
    rows_max: u64,
    bytes_max: u64,
    delivered: Arc<Delivered>,
    places: Places,
    turn: Turn,
) {
    let mut source = match execute_stream(plan, places.task()) {
        Ok(source) => source,
        Err(error) => return send_last(&sender, places.of_data(error.into()).await).await,
    };
    let mut rows = 0_u64;
    let mut bytes = 0_u64;
    while let Some(batch) = source.next().await {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                drop(source);
                return send_last(&sender, places.of_data(error.into()).await).await;
            }
        };
        let rows_left = rows_max - rows;
        let batch_rows = batch.num_rows() as u64;
        let cut = batch_rows > rows_left;
        let batch = if cut {
            batch.slice(0, usize::try_from(rows_left).unwrap_or(usize::MAX))
        } else {
            batch
        };
        let batch_bytes = size::bytes_of_rows(&batch);
        if bytes.saturating_add(batch_bytes) > bytes_max {
            let message = format!("{bytes_max} bytes; ask for fewer rows or columns");
            return send_last(&sender, Error::exhausted(LimitKind::Bytes, message)).await;
        }
        rows += batch.num_rows() as u64;
        bytes += batch_bytes;
        turn.pass(
            usize::try_from(batch_bytes).unwrap_or(usize::MAX),
            BATCHES_AHEAD + 1,
        );
        delivered.rows.store(rows, Ordering::Relaxed);
        delivered.bytes.store(bytes, Ordering::Relaxed);
        if batch.num_rows() > 0 && sender.send(Ok(batch)).await.is_err() {
            return;
        }
        if cut {
            let message = format!("{rows_max} rows, there are more");
            return send_last(&sender, Error::exhausted(LimitKind::Rows, message)).await;
        }
    }
}

async fn send_last(sender: &mpsc::Sender<Result<RecordBatch>>, error: Error) {
    // Nobody is left to tell when the receiver is gone.
    let _ = sender.send(Err(error)).await;
}

fn sum_of_metric(plan: &dyn ExecutionPlan, name: &str) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name(name));
    let own = own.map_or(0, |value| value.as_usize() as u64);
    own + plan
        .children()
        .into_iter()
        .map(|child| sum_of_metric(child.as_ref(), name))
        .sum::<u64>()
}

/// A task that is stopped when nobody waits for it any more, and whose panic is an error.
pub(crate) struct OwnedTask<T> {
    handle: JoinHandle<T>,
}

impl<T: Send + 'static> OwnedTask<T> {
    pub(crate) fn spawn(
        runtime: &Handle,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Self {
            handle: runtime.spawn(future),
        }
    }
}

impl<T> OwnedTask<T> {
    fn abort(&self) {
        self.handle.abort();
    }

    /// Stops the task, and returns when all that it held is let go of.
    pub(crate) async fn stop(mut self) {
        self.abort();
        // How it ended is nothing to whoever stops it.
        let _ = (&mut self.handle).await;
    }
}

impl<T> Drop for OwnedTask<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl<T> Future for OwnedTask<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.handle
            .poll_unpin(context)
            .map_err(|error| match error.try_into_panic() {
                Ok(panic) => Error::panicked(panic.as_ref()),
                Err(_) => Error::internal("the runtime of the queries was shut down"),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let task: OwnedTask<()> = OwnedTask::spawn(&Handle::current(), async { panic!("oh") });
        let error = task.await.unwrap_err();
        let error = error.to_string();
        let (words, id) = error.rsplit_once(' ').unwrap();
        assert_eq!(
            words,
            "internal error: the query could not be run; the log has it under"
        );
        assert!(uuid::Uuid::parse_str(id).is_ok());
    }
}
