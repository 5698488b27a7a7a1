//! Ingests files and folders into a lake: `cargo run -p audit-ingest --example ingest -- LAKE PATH…`

use audit_ingest::pipeline::{IngestOptions, find_inputs, ingest};
use audit_lake::{Lake, LakeOptions};

/// That of the command line.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let lake = arguments.next().ok_or("usage: ingest LAKE PATH…")?;
    let lake = Lake::create_or_open(&lake, LakeOptions::default()).await?;
    let mut inputs = Vec::new();
    for path in arguments {
        inputs.extend(find_inputs(&path).await?);
    }
    let report = ingest(&lake, inputs, IngestOptions::default()).await?;
    for input in &report.inputs {
        println!("{}: {:?}", input.name, input.outcome);
    }
    println!(
        "{} records, {} duplicates, {} rejects; {} files, {} bytes",
        report.records(),
        report.duplicates(),
        report.rejects(),
        report.files,
        report.size_bytes
    );
    Ok(())
}
