//! What a query may use, and what happens where it wants more.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The limits of each query of a session.
///
/// A query that reaches one ends with an error that names it; see [`LimitKind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory that sorts, joins and groups of the query may take before they spill to disk. What the reader of the
    /// Parquet files holds is not counted: some tens of MB for each thread.
    pub memory_bytes: usize,
    /// Time from the call to the last row, including the time that the caller takes between rows.
    pub duration: Duration,
    /// Rows of the result. The rows up to the limit are delivered, then the error.
    pub rows: u64,
    /// Bytes of the result in memory. The batches up to the limit are delivered, then the error.
    pub bytes: u64,
    /// Length of the query's text. Long lists of indicators are the usual reason for long queries.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            duration: Duration::from_secs(300),
            rows: u64::MAX,
            bytes: u64::MAX,
            text_bytes: 1 << 20,
        }
    }
}

/// Which limit a query reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LimitKind {
    /// [`Limits::memory_bytes`].
    Memory,
    /// The engine's memory, shared by all queries.
    EngineMemory,
    /// The engine's disk space for what doesn't fit into memory, shared by all queries.
    Spill,
    /// [`Limits::rows`].
    Rows,
    /// [`Limits::bytes`].
    Bytes,
    /// [`Limits::text_bytes`].
    Text,
    /// Operators in the text: planning takes time that grows faster than their number.
    Operators,
    /// How deep parentheses and subqueries nest.
    Nesting,
    /// Runs that wait to be started: [`RunsOptions`](crate::RunsOptions).
    WaitingRuns,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Memory => "memory limit of the query",
            Self::EngineMemory => "memory limit of the engine",
            Self::Spill => "disk space for intermediate results",
            Self::Rows => "row limit of the query",
            Self::Bytes => "byte limit of the query",
            Self::Text => "length limit of the query's text",
            Self::Operators => "limit of operators in one query",
            Self::Nesting => "limit of nesting in one query",
            Self::WaitingRuns => "limit of waiting runs",
        })
    }
}
