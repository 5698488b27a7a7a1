//! The binary as a user runs it: exit codes, what goes where, and what is said.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not exempt by themselves"
)]

mod collect;
#[cfg(unix)]
mod collect_processes;
mod demo;
mod ingest;
mod maintain;
mod object_store;
mod queries;
mod query;
mod run;
mod service;
mod shell;
mod usage;
mod watch;
