//! A host's side of Live Discover: lists a category, runs one of its queries in the background, pages through the
//! result and exports it.
//!
//! `cargo run -p examples --example run_category [LAKE]`; without a lake it makes one in memory.

use arrow::util::pretty::print_batches;
use audit_testkit::{Generator, GeneratorOptions};
use live_discover::ingest::{IngestOptions, find_inputs, ingest};
use live_discover::{
    Engine, Lake, LakeOptions, Library, Limits, OutputFormat, Request, RunOptions, Runs,
    TenantScope, TimeRange,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lake = match std::env::args().nth(1) {
        Some(url) => Lake::open(&url, LakeOptions::default()).await?,
        None => generated_lake().await?,
    };
    let engine = Engine::new(lake)?;
    let session = engine.session(TenantScope::All, Limits::default());
    // A store in place of memory keeps runs and results over a restart: `Runs::builder(&engine).with_store(…)`.
    let runs = Runs::builder(&engine).open().await?;

    // What an analyst picks from. A category is there once the tenant has data.
    let library = Library::load(engine.lake()).await?;
    for category in session.categories(&library).await? {
        println!("{}: {}", category.name, category.description);
        let queries = library.queries();
        for query in queries.filter(|query| query.category == category.id) {
            println!("  {:28} {}", query.id, query.name);
        }
    }

    let query = library.require("failed_sign_ins_by_user")?;
    let request = Request::of(query).with_range(TimeRange::all());
    let options = RunOptions {
        label: Some("the morning's look".to_owned()),
        page_rows: 5,
    };
    let run = runs.start(&session, request, options).await?;
    println!("\n{} {}: {}", run.id, query.name, run.state);

    let run = runs.finished(&session, run.id).await?;
    println!(
        "{}: {} rows from {} of {} files",
        run.state,
        run.rows.unwrap_or_default(),
        run.progress.files_scanned,
        run.progress.files_total
    );
    for column in &run.columns {
        println!(
            "  {:12} {:24} {}",
            column.name,
            column.data_type,
            column.meaning.as_deref().unwrap_or_default()
        );
    }

    // A key names a page for good: whoever has it sees the same rows, until the result expires.
    let mut key = None;
    loop {
        let page = runs.page(&session, run.id, key.as_deref()).await?;
        println!("from row {}", page.first_row);
        print_batches(&[page.batch])?;
        match page.next_key {
            Some(next) if page.first_row < 10 => key = Some(next),
            _ => break,
        }
    }
    let mut csv = Vec::new();
    let rows = runs
        .export(&session, run.id, OutputFormat::Csv, &mut csv)
        .await?;
    println!("exported {rows} rows, {} bytes of CSV", csv.len());
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
