//! The audit records of Microsoft 365, from the bytes of content blobs and exports to Arrow batches
//! and into the lake.
//!
//! Two layers without I/O or runtime: [`envelope`] finds the records in an input, [`decode`] turns
//! them into columns; `identity` says when two texts are the same record.

pub mod decode;
pub mod envelope;
mod identity;
mod reject;

pub use identity::canonical;
pub use reject::Reason;
