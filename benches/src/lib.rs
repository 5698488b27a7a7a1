//! What the benchmarks share: their records, and how long criterion looks at each.

use std::io;
use std::path::Path;

use audit_ingest::pipeline::{IngestOptions, Input, find_inputs, ingest};
use audit_lake::{Lake, LakeOptions};
use audit_testkit::{Generator, GeneratorOptions};

/// Whatever went wrong while a benchmark was set up.
pub type SetupError = Box<dyn std::error::Error + Send + Sync>;

/// Generated content blobs with this many distinct records, always the same.
pub fn generator(records: u64) -> Generator {
    Generator::new(GeneratorOptions {
        records,
        ..GeneratorOptions::default()
    })
}

/// Writes them below a folder.
///
/// # Errors
/// If the folder can't be written.
pub fn write_blobs(records: u64, folder: &Path) -> io::Result<()> {
    generator(records).try_for_each(|blob| blob.write_to(folder).map(drop))
}

/// The inputs of a folder.
///
/// # Errors
/// If it can't be listed.
pub async fn inputs(folder: &Path) -> Result<Vec<Input>, SetupError> {
    Ok(find_inputs(&folder.display().to_string()).await?)
}

/// A lake in memory that has the inputs' records; says how many rows that were.
///
/// # Errors
/// If they can't be ingested.
pub async fn ingested(inputs: Vec<Input>) -> Result<(Lake, u64), SetupError> {
    let lake = Lake::create_or_open("memory://bench", LakeOptions::default()).await?;
    let report = ingest(&lake, inputs, IngestOptions::default()).await?;
    Ok((lake, report.records()))
}
