//! Where queries run: threads of the engine's own, or those of the host.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, Result};

/// Planner and expressions recurse over the query; a chain of operators is as deep as it is long.
const STACK_BYTES: usize = 32 << 20;

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
            .map_err(|error| Error::Unavailable {
                message: format!("could not start threads for queries: {error}"),
            })?;
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
