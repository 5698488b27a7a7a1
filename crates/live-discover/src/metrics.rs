//! What an engine does with its memory, at one moment.

use serde::{Deserialize, Serialize};

use crate::memory::{Budget, Kind};

/// What an engine does with its memory: [`Engine::metrics`](crate::Engine::metrics).
///
/// Queries and caches together never have more than [`memory_bytes`](Self::memory_bytes), but for what a step of a
/// query takes without asking: a merge join, the batch that it has in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EngineMetrics {
    /// The bound of what is counted: half of
    /// [`EngineOptions::memory_bytes`](crate::EngineOptions::memory_bytes).
    pub memory_bytes: u64,
    /// The most that queries and caches had at one time.
    pub memory_bytes_max: u64,
    /// What queries have now.
    pub query_bytes: u64,
    /// The most that queries had at one time.
    pub query_bytes_max: u64,
    /// Queries that wait for memory.
    pub queries_waiting: u64,
    /// Queries that run, planning not included.
    pub queries_running: u64,
    /// Queries that ran, whatever came of them.
    pub queries_finished: u64,
    /// Footers and page indexes of data files.
    pub footers: CacheMetrics,
    /// Indexes of texts.
    pub text_indexes: CacheMetrics,
    /// Columns and pages of columns, decoded, and which columns a file has.
    pub columns: CacheMetrics,
}

/// What one of an engine's caches holds, and of what use it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CacheMetrics {
    /// What is kept now.
    pub entries: u64,
    /// What it takes.
    pub bytes: u64,
    /// How often something was asked for and there.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
    /// How many entries went to make room.
    pub evictions: u64,
}

impl EngineMetrics {
    pub(crate) fn of(budget: &Budget) -> Self {
        let queries = budget.queries();
        Self {
            memory_bytes: budget.limit_bytes() as u64,
            memory_bytes_max: budget.bytes_max() as u64,
            query_bytes: queries.bytes as u64,
            query_bytes_max: queries.bytes_max as u64,
            queries_waiting: queries.waiting,
            queries_running: queries.running,
            queries_finished: queries.finished,
            footers: budget.cache(Kind::Footers),
            text_indexes: budget.cache(Kind::TextIndexes),
            columns: budget.cache(Kind::Columns),
        }
    }
}
