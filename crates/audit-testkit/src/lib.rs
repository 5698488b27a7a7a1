//! Tools for tests, benchmarks and the demo: a generator of audit records, an object store that
//! fails as told and takes its time, a clock that stands still, and servers of the Management Activity API and of S3's
//! protocol (modules `api` and `s3`, features `api-server` and `s3-server`).
//!
//! The crate knows object stores and bytes, and none of the project's own types, so that the unit
//! tests of every other crate may use it.

#[cfg(feature = "api-server")]
pub mod api;
mod clock;
mod faulty;
mod generator;
mod random;
#[cfg(feature = "s3-server")]
pub mod s3;

pub use clock::ManualClock;
pub use faulty::{Fault, FaultKind, FaultTrigger, FaultyStore, Operation, RequestCounts};
pub use generator::{ContentBlob, Counts, Generator, GeneratorOptions, Story};
