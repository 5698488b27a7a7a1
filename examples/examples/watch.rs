//! A query on watch: what arrives is reported, late records too, and nothing twice.
//!
//! `cargo run -p examples --example watch`

use std::path::Path;

use arrow::util::pretty::print_batches;
use live_discover::ingest::{IngestOptions, find_inputs, ingest};
use live_discover::{
    AdvanceOutcome, Engine, Lake, LakeOptions, Library, Limits, NewWatch, TenantId, TenantScope,
    Watches,
};

const TENANT: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In memory here; a path or a URL is a lake that stays, with its watches.
    let lake = Lake::create_or_open("memory://example", LakeOptions::default()).await?;
    let folder = tempfile::tempdir()?;
    let tenant: TenantId = TENANT.parse()?;

    // A watch belongs to one tenant: a host with many adds it for each.
    let engine = Engine::new(lake.clone())?;
    let session = engine.session(TenantScope::Only([tenant].into()), Limits::default());
    let watches = Watches::new(session)?;
    let library = Library::new();
    let rules = NewWatch::of("rules", library.require("inbox_rules")?);
    watches.add(rules).await?;

    // What a scheduler does after each ingest, or every minute.
    take_in(&lake, folder.path(), "1", "2026-10-02T08:00:00", "bob").await?;
    assert_eq!(advance(&watches, "rules").await?, 1);
    assert_eq!(advance(&watches, "rules").await?, 0, "nothing comes twice");

    // A month late, and still reported.
    take_in(&lake, folder.path(), "2", "2026-09-02T08:00:00", "ada").await?;
    assert_eq!(advance(&watches, "rules").await?, 1);
    Ok(())
}

/// Advances a watch until there is nothing more, and returns how many results came.
async fn advance(watches: &Watches, name: &str) -> Result<usize, Box<dyn std::error::Error>> {
    let mut count = 0;
    loop {
        let advance = watches.advance(name).await?;
        if let Some(results) = &advance.results {
            // Here an alert would be raised. After a crash the same result may come again, with the same identity.
            print_batches(std::slice::from_ref(results))?;
            println!("{:?}", advance.ids);
            count += advance.ids.len();
        }
        // Only now it is certain that the results are not needed again.
        watches.acknowledge(&advance).await?;
        if let AdvanceOutcome::Superseded | AdvanceOutcome::HeldElsewhere { .. } = advance.outcome {
            println!("another host is at it");
        }
        if !advance.has_more {
            return Ok(count);
        }
    }
}

/// Ingests an inbox rule that forwards mail.
async fn take_in(
    lake: &Lake,
    folder: &Path,
    id: &str,
    time: &str,
    user: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let record = format!(
        r#"{{"Id":"{id:0>8}-0000-4000-8000-000000000000","RecordType":1,"CreationTime":"{time}","Operation":"New-InboxRule","OrganizationId":"{TENANT}","UserType":0,"Workload":"Exchange","UserId":"{user}@contoso.com","Parameters":[{{"Name":"ForwardTo","Value":"mallory@example.com"}}]}}"#
    );
    let file = folder.join(format!("{id}.ndjson"));
    std::fs::write(&file, record)?;
    let inputs = find_inputs(&file.to_string_lossy()).await?;
    let report = ingest(lake, inputs, IngestOptions::default()).await?;
    assert_eq!(report.records(), 1);
    Ok(())
}
