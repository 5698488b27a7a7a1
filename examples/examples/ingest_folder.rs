//! Ingests a folder of content blobs into a lake, twice: the second time adds nothing.
//!
//! `cargo run -p examples --example ingest_folder [FOLDER]`; without a folder it makes one.

use std::path::{Path, PathBuf};

use audit_testkit::{Generator, GeneratorOptions};
use live_discover::ingest::{IngestOptions, Outcome, find_inputs, ingest};
use live_discover::{Lake, LakeOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    let folder = match std::env::args().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => generated_blobs(place.path())?,
    };
    let folder = folder.to_str().ok_or("the folder's name is not UTF-8")?;
    // In memory here; a path or a URL is a lake that stays.
    let lake = Lake::create_or_open("memory://example", LakeOptions::default()).await?;

    for round in ["first", "second"] {
        let inputs = find_inputs(folder).await?;
        let report = ingest(&lake, inputs, IngestOptions::default()).await?;
        println!(
            "{round} time: {} records, {} duplicates, {} rejects from {} inputs",
            report.records(),
            report.duplicates(),
            report.rejects(),
            report.inputs.len(),
        );
        for input in &report.inputs {
            if let Outcome::Skipped(why) | Outcome::Failed(why) = &input.outcome {
                println!("  {}: {why}", input.name);
            }
        }
    }
    Ok(())
}

fn generated_blobs(place: &Path) -> std::io::Result<PathBuf> {
    let folder = place.join("content_blobs");
    for blob in Generator::new(GeneratorOptions {
        records: 5_000,
        ..GeneratorOptions::default()
    }) {
        blob.write_to(&folder)?;
    }
    Ok(folder)
}
