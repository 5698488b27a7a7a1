//! The memory of a query: a pool of its own under the engine's total.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// How the engine's total is called in messages.
pub(crate) const ENGINE_POOL: &str = "memory of the engine";

/// What all queries of an engine may take together.
#[derive(Debug)]
pub(crate) struct EngineMemory {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
}

impl EngineMemory {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            used_bytes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    #[cfg(test)]
    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    fn try_take(&self, bytes: usize) -> Result<()> {
        let take = |used: usize| {
            used.checked_add(bytes)
                .filter(|used| *used <= self.limit_bytes)
        };
        match self
            .used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        {
            Ok(_) => Ok(()),
            Err(used) => Err(DataFusionError::ResourcesExhausted(format!(
                "all queries together use {used} of {} bytes, {ENGINE_POOL}, and one wants {bytes} more",
                self.limit_bytes
            ))),
        }
    }

    fn take(&self, bytes: usize) {
        self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The pool of one query: its operators share the query's limit, and what it takes counts for the engine's.
#[derive(Debug)]
pub(crate) struct QueryMemory {
    query: FairSpillPool,
    limit_bytes: usize,
    engine: Arc<EngineMemory>,
}

impl QueryMemory {
    pub(crate) fn new(limit_bytes: usize, engine: Arc<EngineMemory>) -> Self {
        Self {
            query: FairSpillPool::new(limit_bytes),
            limit_bytes,
            engine,
        }
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "query({} bytes)", self.limit_bytes)
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.query.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.query.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.query.grow(reservation, additional);
        self.engine.take(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.query.shrink(reservation, shrink);
        self.engine.give_back(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.query.try_grow(reservation, additional).map_err(|_| {
            DataFusionError::ResourcesExhausted(format!(
                "{} bytes; `{}` needs {additional} more and cannot spill further",
                self.limit_bytes,
                reservation.consumer().name()
            ))
        })?;
        self.engine
            .try_take(additional)
            .inspect_err(|_| self.query.shrink(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.query.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit_bytes)
    }
}
