//! The decoder and the envelopes, as one would use them: bytes in, rows and rejects out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod chunking;
mod forms;
#[cfg(feature = "pipeline")]
mod lakes;
mod odd_input;
#[cfg(feature = "pipeline")]
mod pipeline;
#[cfg(feature = "pipeline")]
mod processes;
#[cfg(feature = "pipeline")]
mod published;
mod real_data;
mod support;
