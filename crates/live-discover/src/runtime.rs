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
    threads: Arc<QueryRuntime>,
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
            threads: Arc::new(QueryRuntime::Own(Some(runtime))),
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

/// A runtime that may be let go of anywhere, also in an asynchronous context.
#[derive(Debug)]
pub(crate) enum QueryRuntime {
    Own(Option<Runtime>),
    Host(Handle),
}

impl QueryRuntime {
    pub(crate) fn own(threads: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_stack_size(STACK_BYTES)
            .thread_name("live-discover")
            .enable_all()
            .build()
            .map_err(no_threads)?;
        Ok(Self::Own(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> Result<Handle> {
        match self {
            Self::Own(Some(runtime)) => Ok(runtime.handle().clone()),
            Self::Own(None) => Err(Error::internal("the runtime of the queries was shut down")),
            Self::Host(handle) => Ok(handle.clone()),
        }
    }
}

impl Drop for QueryRuntime {
    fn drop(&mut self) {
        if let Self::Own(runtime) = self
            && let Some(runtime) = runtime.take()
        {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
