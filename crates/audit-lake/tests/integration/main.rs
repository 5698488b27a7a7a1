//! The lake from outside: on a store in memory and on a folder.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of tests fails as a test does"
)]

mod append;
mod append_faults;
mod commits;
mod delete;
mod documents;
mod faults;
mod internal_networks;
mod lakes;
mod logs;
mod maintain;
mod maintain_faults;
mod model;
mod overtaken;
mod places;
mod records;
mod verify;
