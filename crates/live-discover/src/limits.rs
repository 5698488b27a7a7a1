//! What a query may use, and what happens where it wants more.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The limits of each query of a session.
///
/// A query that reaches one ends with an error that names it; see [`LimitKind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Memory that sorts, joins and groups of the query may take, and spill to disk beyond where they can: they do so
    /// earlier where the engine has less for one query
    /// ([`EngineOptions::memory_bytes`](crate::EngineOptions::memory_bytes)). What the reader of the Parquet files holds
    /// is not counted: some tens of MB for each thread.
    pub memory_bytes: usize,
    /// Threads that work for the query at a time: its share of the engine's
    /// ([`EngineOptions::parallelism`](crate::EngineOptions::parallelism)). `None` is all of them; others then get their
    /// turns between its batches.
    pub parallelism: Option<NonZeroUsize>,
    /// Time from the call to the last row, including the time that the caller takes between rows.
    pub duration: Duration,
    /// Rows of the result. The rows up to the limit are delivered, then the error.
    pub rows: u64,
    /// Bytes of the result's rows in memory. The batches up to the limit are delivered, then the error. A batch may be a
    /// slice of a larger one and hold that: who keeps batches for long copies them.
    pub bytes: u64,
    /// Length of the query's text. Long lists of indicators are the usual reason for long queries.
    pub text_bytes: usize,
    /// What the text may hold.
    pub shape: ShapeLimits,
}

/// How much of each kind a query's text may hold.
///
/// They keep planning short: its time and memory grow faster than the text. What people write by hand stays far
/// below; what programs write has lists, and those are bounded by the text alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeLimits {
    /// Words, values and signs, after the variables have their values.
    pub tokens: usize,
    /// Operators between operands (`AND`, `OR`, `+`, `||`, `JOIN`, …): a chain of them is a tree as deep as it is
    /// long.
    pub operators: usize,
    /// `UNION`, `INTERSECT` and `EXCEPT`.
    pub set_operations: usize,
    /// Tables and subqueries in `FROM`, and so joins.
    pub relations: usize,
    /// Queries in `WITH`.
    pub ctes: usize,
    /// Calls of functions.
    pub calls: usize,
    /// Columns that the SELECTs name.
    pub columns: usize,
    /// Groupings of one `GROUP BY`: `CUBE` of 6 columns has 64. A batch of rows is copied for each, which no limit of memory
    /// counts.
    pub grouping_sets: usize,
    /// Steps of the plan, with each query in `WITH` counted wherever it is used.
    pub plan_steps: usize,
    /// Terms of the plan, with each column counted as what it is computed from: `a + a` of a column that is `b + b`
    /// has 7.
    pub plan_terms: usize,
}

impl Default for ShapeLimits {
    fn default() -> Self {
        Self {
            tokens: 500_000,
            operators: 1_000,
            set_operations: 100,
            relations: 100,
            ctes: 100,
            calls: 1_000,
            columns: 2_000,
            grouping_sets: 64,
            plan_steps: 2_000,
            plan_terms: 300_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            parallelism: None,
            duration: Duration::from_secs(300),
            rows: u64::MAX,
            bytes: u64::MAX,
            text_bytes: 1 << 20,
            shape: ShapeLimits::default(),
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
    /// [`ShapeLimits::operators`].
    Operators,
    /// Another of the [`ShapeLimits`].
    Shape,
    /// What functions may make from little: repeated and joined text, arrays, series.
    Growth,
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
            Self::Shape => "limit of what one query may hold",
            Self::Growth => "limit of what functions may make",
            Self::Nesting => "limit of nesting in one query",
            Self::WaitingRuns => "limit of waiting runs",
        })
    }
}
