//! The decoder and the envelopes, as one would use them: bytes in, rows and rejects out.
#![expect(clippy::unwrap_used, reason = "tests")]

mod chunking;
mod forms;
mod odd_input;
mod real_data;
mod support;
