//! Streams a result to a consumer as Arrow, batch by batch: nobody ever holds the whole of it.
//!
//! The consumer here reads an Arrow IPC stream from the other end of a pipe, as a program in another language would
//! from a socket. A slow consumer slows the query down; one that goes away ends it.
//!
//! `cargo run -p examples --example stream_arrow [LAKE]`; without a lake it makes one in memory.

use std::io::{self, BufWriter};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use audit_testkit::{Generator, GeneratorOptions};
use live_discover::ingest::{IngestOptions, find_inputs, ingest};
use live_discover::{Engine, Lake, LakeOptions, Limits, OutputFormat, TenantScope, write_result};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lake = match std::env::args().nth(1) {
        Some(url) => Lake::open(&url, LakeOptions::default()).await?,
        None => generated_lake().await?,
    };
    let engine = Engine::new(lake)?;
    let session = engine.session(TenantScope::All, Limits::default());

    let stream = session
        .query("SELECT id, creation_time, operation, user_id, source_ip FROM m365_audit")
        .await?;
    println!("{} columns", stream.schema().fields().len());

    let (reader, writer) = io::pipe()?;
    let consumer = std::thread::spawn(move || consume(reader));
    // Writing blocks while the pipe is full, so it has a thread of its own.
    let producer = tokio::runtime::Handle::current();
    let written = tokio::task::spawn_blocking(move || {
        let out = BufWriter::new(writer);
        producer.block_on(write_result(stream, OutputFormat::ArrowIpc, out))
    });
    let rows = written.await??;
    let (batches, read) = consumer
        .join()
        .map_err(|_| "the consumer's thread panicked")??;
    println!("{rows} rows written, {read} read in {batches} batches");
    assert_eq!(rows, read);
    Ok(())
}

/// What any program that knows Arrow does.
fn consume(input: impl io::Read) -> Result<(u64, u64), arrow::error::ArrowError> {
    let (mut batches, mut rows) = (0, 0);
    for batch in StreamReader::try_new(input, None)? {
        let batch: RecordBatch = batch?;
        batches += 1;
        rows += batch.num_rows() as u64;
    }
    Ok((batches, rows))
}

async fn generated_lake() -> Result<Lake, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    for blob in Generator::new(GeneratorOptions {
        records: 5_000,
        ..GeneratorOptions::default()
    }) {
        blob.write_to(folder.path())?;
    }
    let lake = Lake::create_or_open("memory://example", LakeOptions::default()).await?;
    let inputs = find_inputs(&folder.path().to_string_lossy()).await?;
    ingest(&lake, inputs, IngestOptions::default()).await?;
    Ok(lake)
}
