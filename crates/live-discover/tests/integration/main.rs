//! The engine from outside, over small lakes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of tests fails as a test does"
)]

#[cfg(feature = "ingest")]
mod bundled;
mod codes;
mod errors;
mod first_pass;
mod fixture;
mod guard;
mod hostile;
mod idioms;
#[cfg(feature = "ingest")]
mod index;
#[cfg(feature = "ingest")]
mod ingested;
mod internal_networks;
mod isolation;
mod library;
mod limits;
mod lookups;
#[cfg(feature = "ingest")]
mod memory;
mod names;
mod output;
mod pruning;
#[cfg(feature = "ingest")]
mod questions;
mod range_counts;
mod runs;
mod slt;
mod tenants;
mod trino;
mod variables;
mod watches;
