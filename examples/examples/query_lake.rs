//! Asks a lake: a result as it comes, limits, and what an error tells.
//!
//! `cargo run -p examples --example query_lake [LAKE]`; without a lake it makes one in memory.

use std::time::Duration;

use arrow::util::pretty::print_batches;
use audit_testkit::{Generator, GeneratorOptions};
use live_discover::ingest::{IngestOptions, find_inputs, ingest};
use live_discover::{
    Engine, Error, Lake, LakeOptions, Limits, OutputFormat, TenantScope, write_result,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lake = match std::env::args().nth(1) {
        Some(url) => Lake::open(&url, LakeOptions::default()).await?,
        None => generated_lake().await?,
    };
    // One engine a lake; a session for each person who asks.
    let engine = Engine::new(lake)?;
    let limits = Limits {
        duration: Duration::from_secs(30),
        rows: 10_000,
        ..Limits::default()
    };
    let session = engine.session(TenantScope::All, limits);

    // Batch by batch; dropping the stream cancels the query.
    let sql = "SELECT operation, count(*) AS records FROM m365_audit GROUP BY operation ORDER BY records DESC LIMIT 5";
    let mut stream = session.query(sql).await?;
    while let Some(batch) = stream.next().await {
        print_batches(&[batch?])?;
    }
    let progress = stream.progress();
    println!(
        "{} of {} files, {} bytes read",
        progress.files_planned, progress.files_total, progress.bytes_scanned
    );

    // Written as it comes.
    let stream = session
        .query("SELECT id, user_id, source_ip FROM m365_signins LIMIT 3")
        .await?;
    write_result(stream, OutputFormat::Csv, std::io::stdout()).await?;

    // Errors tell by their case what to do next, and by their text where.
    match session.query("SELECT user FROM m365_signin").await {
        Err(Error::InvalidQuery {
            message,
            suggestion,
            ..
        }) => println!("{message}; suggestion: {suggestion:?}"),
        other => println!("{other:?}"),
    }
    Ok(())
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
