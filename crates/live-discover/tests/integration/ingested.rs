//! Queries over a lake that was ingested, not made by hand.

use audit_testkit::{Generator, GeneratorOptions};
use live_discover::ingest::{IngestOptions, find_inputs, ingest};
use live_discover::{Engine, Lake, LakeOptions, Limits, Session, TenantScope};

use crate::fixture::ask;

const RECORDS: u64 = 3_000;

/// Two tenants, three days, ingested in two runs.
async fn ingested(folder: &std::path::Path) -> Session {
    let path = folder.join("lake");
    let lake = Lake::create_or_open(path.to_str().unwrap(), LakeOptions::default())
        .await
        .unwrap();
    let options = GeneratorOptions {
        tenants: 2,
        users: 20,
        days: 3,
        records: RECORDS,
        ..GeneratorOptions::default()
    };
    let blobs: Vec<_> = Generator::new(options).collect();
    for (run, blobs) in blobs.chunks(blobs.len().div_ceil(2)).enumerate() {
        let input = folder.join(run.to_string());
        std::fs::create_dir(&input).unwrap();
        for blob in blobs {
            blob.write_to(&input).unwrap();
        }
        let inputs = find_inputs(input.to_str().unwrap()).await.unwrap();
        ingest(&lake, inputs, IngestOptions::default())
            .await
            .unwrap();
    }
    Engine::new(lake)
        .unwrap()
        .session(TenantScope::All, Limits::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_columns_are_what_the_raw_records_say() {
    let folder = tempfile::tempdir().unwrap();
    let session = ingested(folder.path()).await;
    assert_eq!(
        ask(
            &session,
            "SELECT count(*), count(DISTINCT tenant_id) FROM m365_audit"
        )
        .await,
        format!("{RECORDS}\t2")
    );
    for column in ["Id", "Operation", "UserId", "Workload", "OrganizationId"] {
        let sql = format!(
            "SELECT count(*) FROM m365_audit WHERE {column} IS DISTINCT FROM raw->>'{column}'"
        );
        assert_eq!(ask(&session, &sql).await, "0", "{column}");
    }
    let sql = "SELECT count(*) FROM m365_audit WHERE CreationTime <> (raw->>'CreationTime' || 'Z')::timestamptz";
    assert_eq!(ask(&session, sql).await, "0");
    assert_eq!(
        ask(
            &session,
            "SELECT count(*) FROM m365_audit WHERE event_date <> creation_time::date"
        )
        .await,
        "0"
    );
    assert_eq!(
        ask(
            &session,
            "SELECT count(*) FROM m365_audit WHERE lower(organization_id) <> tenant_id"
        )
        .await,
        "0"
    );
    // The ledger agrees.
    let ledger = "SELECT sum(records), sum(rejects) FROM m365_content WHERE state = 'stored'";
    assert_eq!(ask(&session, ledger).await, format!("{RECORDS}\t0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_a_record_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let session = ingested(folder.path()).await;
    let sample = ask(
        &session,
        "SELECT id, user_id FROM m365_audit ORDER BY id LIMIT 400",
    )
    .await;
    for line in sample.lines().step_by(40) {
        let (id, user_id) = line.split_once('\t').unwrap();
        // Wide: decided inside the reader. Narrow and opaque: above it.
        let wide = ask(
            &session,
            &format!("SELECT * FROM m365_audit WHERE id = '{id}' ORDER BY operation"),
        )
        .await;
        let opaque = ask(
            &session,
            &format!("SELECT * FROM m365_audit WHERE id || '' = '{id}' ORDER BY operation"),
        )
        .await;
        assert_eq!(wide, opaque);
        let count = format!("SELECT count(*) FROM m365_audit WHERE user_id = '{user_id}'");
        let rows = ask(&session, &format!("SELECT count(raw) FROM (SELECT * FROM m365_audit WHERE user_id = '{user_id}' AND raw LIKE '%')")).await;
        assert_eq!(rows, ask(&session, &count).await, "{user_id}");
    }
    let page =
        |order: &str| format!("SELECT creation_time FROM m365_audit ORDER BY {order} LIMIT 500");
    for direction in ["DESC", "ASC"] {
        let page_of_files = ask(&session, &page(&format!("creation_time {direction}"))).await;
        let sorted = ask(
            &session,
            &page(&format!(
                "date_trunc('microsecond', creation_time) {direction}"
            )),
        )
        .await;
        assert_eq!(page_of_files, sorted, "{direction}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_shows_its_records() {
    let folder = tempfile::tempdir().unwrap();
    let session = ingested(folder.path()).await;
    for view in audit_schema::views() {
        let counted = ask(&session, &format!("SELECT count(*) FROM {}", view.name)).await;
        let selected = ask(
            &session,
            &format!("SELECT count(*) FROM m365_audit WHERE {}", view.predicate),
        )
        .await;
        assert_eq!(counted, selected, "{}", view.name);
    }
}
