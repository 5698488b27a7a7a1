//! Two tenants in one host: each sees its records and its runs, and nothing tells of the other's.
//!
//! `cargo run -p examples --example two_tenants`

use std::collections::BTreeSet;

use arrow::util::pretty::print_batches;
use audit_testkit::{Generator, GeneratorOptions};
use live_discover::ingest::{IngestOptions, find_inputs, ingest};
use live_discover::{
    Engine, Lake, LakeOptions, Limits, RunOptions, Runs, RunsOptions, Session, TenantId,
    TenantScope,
};

const SQL: &str = "SELECT tenant_id, count(*) AS records FROM m365_audit GROUP BY tenant_id";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lake = generated_lake().await?;
    let [contoso, fabrikam] = lake.tenants().await?[..] else {
        return Err("the lake has two tenants".into());
    };

    // The host knows whom it talks to; the scope of the session is what they can reach.
    let engine = Engine::new(lake)?;
    let session = |tenants: &[TenantId]| -> Session {
        let scope = TenantScope::Only(BTreeSet::from_iter(tenants.iter().copied()));
        engine.session(scope, Limits::default())
    };
    let of_contoso = session(&[contoso]);
    let of_fabrikam = session(&[fabrikam]);
    let of_provider = session(&[contoso, fabrikam]);
    // No tenant has more than one run under way, so none waits for another's.
    let options = RunsOptions {
        running: 2,
        running_per_scope: 1,
        ..RunsOptions::default()
    };
    let runs = Runs::builder(&engine).with_options(options).open().await?;

    for (name, session) in [
        ("Contoso", &of_contoso),
        ("Fabrikam", &of_fabrikam),
        ("the provider of both", &of_provider),
    ] {
        let run = runs.start(session, SQL, RunOptions::default()).await?;
        let page = runs.page(session, run.id, None).await?;
        println!("{name} sees");
        print_batches(&[page.batch])?;
    }

    println!(
        "runs that Contoso sees: {}, that Fabrikam sees: {}, that their provider sees: {}",
        runs.list(&of_contoso).len(),
        runs.list(&of_fabrikam).len(),
        runs.list(&of_provider).len()
    );
    // Who has the id of another's run has nothing.
    for run in runs.list(&of_contoso) {
        if let Err(error) = runs.page(&of_fabrikam, run.id, None).await {
            println!("Fabrikam asks for Contoso's: {error}");
        }
    }
    Ok(())
}

async fn generated_lake() -> Result<Lake, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    for blob in Generator::new(GeneratorOptions {
        tenants: 2,
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
