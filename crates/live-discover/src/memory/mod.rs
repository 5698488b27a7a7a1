//! The memory of an engine: one bound, shared by queries and caches.
//!
//! ```text
//!  EngineOptions::memory_bytes
//!  ├─ queries    each has a part set aside while it runs, and takes more where nobody has it    [query]
//!  └─ caches     footers, indexes of texts, decoded columns: what queries don't use, given up when they need it  [budget], [cache], [footers]
//! ```
//!
//! Why it is so, and what is not counted: `docs/decisions/0016-one-memory-budget.md`.

mod budget;
mod cache;
mod consumer;
mod footers;
mod needs;
mod query;

pub(crate) use budget::Budget;
pub(crate) use cache::{Key, Kind, Part};
pub(crate) use footers::Footers;
pub(crate) use needs::Needs;
pub(crate) use query::{ENGINE_POOL, QueryMemory, Turn};
