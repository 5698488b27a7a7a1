//! Where queries are planned and run: threads of the engine's own, or, to run, those of the host.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, oneshot};

use crate::error::{Error, Result};

/// Planner and expressions recurse over the query; a chain of operators is as deep as it is long.
const STACK_BYTES: usize = 32 << 20;

/// The same for the threads that plan, whatever the host's are.
const PLANNER_STACK_BYTES: usize = 64 << 20;

/// A thread that planned waits so long for the next query before it ends.
const PLANNER_WAITS: Duration = Duration::from_secs(10);

/// Threads that plan queries: the planner does not wait, so it would hold a thread of the host's.
#[derive(Debug, Clone)]
pub(crate) struct Planners {
    turns: Arc<Semaphore>,
    threads: Arc<OwnRuntime>,
}

impl Planners {
    /// As many as plan at once; others wait for their turn.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the system gives none of what threads need.
    pub(crate) fn new(threads: usize) -> Result<Self> {
        let threads = threads.max(1);
        // Its own thread, which is the caller's, never runs: the threads are those for what blocks.
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(threads)
            .thread_stack_size(PLANNER_STACK_BYTES)
            .thread_name("live-discover-plan")
            .thread_keep_alive(PLANNER_WAITS)
            .build()
            .map_err(no_threads)?;
        Ok(Self {
            turns: Arc::new(Semaphore::new(threads)),
            threads: Arc::new(OwnRuntime(Some(runtime))),
        })
    }

    /// Does the work on a thread with a large stack, whose panic is an error. Dropped, the work ends where it waits
    /// next, and keeps its turn until then.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        runtime: Handle,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(Error::internal)?;
        let (mut sender, receiver) = oneshot::channel();
        let on_thread = move || {
            let _turn = turn;
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    match select(pin!(work), pin!(sender.closed())).await {
                        Either::Left((outcome, _)) => Some(outcome),
                        Either::Right(_) => None,
                    }
                })
            }));
            let outcome =
                outcome.unwrap_or_else(|panic| Some(Err(Error::panicked(panic.as_ref()))));
            if let Some(outcome) = outcome {
                // Nobody is left to tell when the receiver is gone.
                let _ = sender.send(outcome);
            }
        };
        let threads = self.threads.handle()?;
        // It panics where the system has no thread to give.
        let spawn = AssertUnwindSafe(|| threads.spawn_blocking(on_thread));
        catch_unwind(spawn).map_err(|_| no_threads("the system has none"))?;
        receiver
            .await
            .map_err(|_| Error::internal("the runtime of the queries was shut down"))?
    }
}

fn no_threads(why: impl Display) -> Error {
    Error::Unavailable {
        message: format!("could not start threads for queries: {why}"),
    }
}

/// Where queries run, and what tells when their time is up. Clones share the threads, which end with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct QueryRuntime {
    workers: Workers,
    /// A thread of its own: all that work may be within a call of a function that takes long.
    timers: Arc<OwnRuntime>,
}

#[derive(Debug, Clone)]
enum Workers {
    Own(Arc<OwnRuntime>),
    Host(Handle),
}

impl QueryRuntime {
    pub(crate) fn own(threads: usize) -> Result<Self> {
        Self::new(Workers::Own(Arc::new(OwnRuntime::new(threads)?)))
    }

    pub(crate) fn of_host(runtime: Handle) -> Result<Self> {
        Self::new(Workers::Host(runtime))
    }

    fn new(workers: Workers) -> Result<Self> {
        let timers = Arc::new(OwnRuntime::new(1)?);
        Ok(Self { workers, timers })
    }

    /// Of those that work.
    pub(crate) fn handle(&self) -> Result<Handle> {
        match &self.workers {
            Workers::Own(runtime) => runtime.handle(),
            Workers::Host(handle) => Ok(handle.clone()),
        }
    }

    /// What to enter where a timer is made.
    pub(crate) fn timers(&self) -> Result<Handle> {
        self.timers.handle()
    }
}

/// A runtime that may be let go of anywhere, also in an asynchronous context.
#[derive(Debug)]
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn new(threads: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_stack_size(STACK_BYTES)
            .thread_name("live-discover")
            .enable_all()
            .build()
            .map_err(no_threads)?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> Result<Handle> {
        let runtime = self.0.as_ref().map(Runtime::handle).cloned();
        runtime.ok_or_else(|| Error::internal("the runtime of the queries was shut down"))
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_fires_while_all_that_work_are_within_a_call() {
        let runtime = QueryRuntime::own(1).unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        runtime.handle().unwrap().spawn(async move {
            begun.send(()).unwrap();
            ends.recv().ok();
        });
        has_begun.recv().unwrap();
        let timer = {
            let timers = runtime.timers().unwrap();
            let _guard = timers.enter();
            tokio::time::sleep(Duration::from_millis(1))
        };
        futures::executor::block_on(timer);
        drop(end);
    }

    #[tokio::test]
    async fn a_panic_of_the_planner_is_an_error_without_its_text() {
        let planners = Planners::new(1).unwrap();
        let work = async { panic!("of whom?") };
        let error = (planners.run::<()>(Handle::current(), work).await).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("internal error: the query could not be run; the log has it under "),
            "{error}"
        );
        // The turn is free again.
        let work = async { Ok(1) };
        assert_eq!(planners.run(Handle::current(), work).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn work_ends_with_whoever_waits_for_it() {
        let planners = Planners::new(1).unwrap();
        let (sender, receiver) = oneshot::channel::<()>();
        let work = async move {
            let _sender = sender;
            std::future::pending::<Result<()>>().await
        };
        let waiting = planners.run(Handle::current(), work);
        assert!(futures::poll!(pin!(waiting)).is_pending());
        // The work held the sender.
        assert!(receiver.await.is_err());
    }

    #[tokio::test]
    async fn deep_recursion_has_a_stack() {
        fn depth_of(levels: usize) -> usize {
            let frame = std::hint::black_box([0_u8; 4096]);
            match levels {
                0 => 0,
                levels => depth_of(levels - 1) + usize::from(frame[levels % 4096]) + 1,
            }
        }
        let planners = Planners::new(1).unwrap();
        let work = async { Ok(depth_of(4_000)) };
        let depth = planners.run(Handle::current(), work).await.unwrap();
        assert_eq!(depth, 4_000);
    }
}
