//! The audit records of Microsoft 365, from the bytes of content blobs and exports to Arrow batches
//! and into the lake.
//!
//! Two layers without I/O or runtime: [`envelope`] finds the records in an input, [`decode`] turns
//! them into columns; [`canonical`] says when two texts are the same record. The feature `pipeline` adds
//! the module `pipeline`, from files and objects to the lake.

mod bytes;
pub mod decode;
pub mod envelope;
mod identity;
#[cfg(feature = "pipeline")]
pub mod pipeline;
mod reject;

pub use identity::canonical;
pub use reject::Reason;
