//! Which files a query opens, counted at the store; and that pruning changes no answer.

use std::sync::Arc;

use audit_lake::{Lake, LakeOptions};
use audit_testkit::{FaultyStore, Operation};
use live_discover::{Engine, EngineOptions, Limits, Session, TenantScope};
use object_store::memory::InMemory;
use url::Url;

use crate::fixture::{CONTOSO, FABRIKAM, Record, ask, commit, sign_in};

const DAYS: i64 = 20;

/// Twenty days of sign-ins, a file a day, and a store that counts.
async fn counted() -> (FaultyStore, Session) {
    let store = FaultyStore::new(Arc::new(InMemory::new()), 1);
    let url = Url::parse("memory:///counted").unwrap();
    let lake = Lake::with_store(Arc::new(store.clone()), url, LakeOptions::default())
        .await
        .unwrap();
    for day in 0..DAYS {
        let records: Vec<Record> = (0..24).map(|hour| sign_in(day, hour)).collect();
        commit(&lake, CONTOSO, &records).await;
    }
    commit(&lake, FABRIKAM, &[sign_in(30, 0)]).await;
    let options = EngineOptions {
        parallelism: Some(2),
        ..EngineOptions::default()
    };
    let engine = Engine::builder().with_options(options).build(lake).unwrap();
    (store, engine.session(TenantScope::All, Limits::default()))
}

/// The answer and how many data files were planned and opened (a file is opened by reading its footer first).
async fn asked(session: &Session, sql: &str) -> (String, u64, u64) {
    let mut stream = session
        .query(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch.unwrap());
    }
    let progress = stream.progress();
    (
        crate::fixture::text(&batches),
        progress.files_planned,
        progress.files_total,
    )
}

#[tokio::test]
async fn files_are_ruled_out_by_tenant_day_time_and_sequence() {
    let (_, session) = counted().await;
    for (condition, records, files) in [
        ("true", "481", 21),
        ("tenant_id = '8b7f9a52-1f0e-4d3b-9c55-2f6f0f6a7e10'", "1", 1),
        (
            "tenant_id <> '8b7f9a52-1f0e-4d3b-9c55-2f6f0f6a7e10'",
            "480",
            20,
        ),
        ("tenant_id IN ('x', 'y')", "0", 0),
        ("event_date = DATE '2024-02-03'", "24", 1),
        ("event_date = '2024-02-03'", "24", 1),
        (
            "event_date >= '2024-02-18' AND tenant_id LIKE '0fad%'",
            "48",
            2,
        ),
        ("event_date BETWEEN '2024-01-31' AND '2024-02-01'", "48", 2),
        (
            "creation_time >= '2024-02-18T12:00:00Z' AND creation_time < '2024-02-19'",
            "12",
            1,
        ),
        ("creation_time < TIMESTAMP '2024-02-01'", "24", 1),
        ("ingest_sequence > 18", "48", 2),
        ("ingest_sequence = 1", "25", 2),
        (
            "creation_time < '2024-02-01' OR ingest_sequence = 20",
            "48",
            2,
        ),
        (
            "creation_time < '2024-02-01' OR user_id = 'nobody'",
            "24",
            21,
        ),
        ("NOT (creation_time >= '2024-02-01')", "24", 1),
        ("event_date IS NULL", "0", 0),
        ("creation_time IS NULL", "0", 21),
    ] {
        let (count, planned, _) = asked(
            &session,
            &format!("SELECT count(id) FROM m365_audit WHERE {condition}"),
        )
        .await;
        assert_eq!((count.as_str(), planned), (records, files), "{condition}");
        // The same through an expression that cannot prune.
        let opaque =
            format!("SELECT count(id) FROM m365_audit WHERE ({condition}) OR random() > 2");
        let (unpruned, planned, total) = asked(&session, &opaque).await;
        assert_eq!((unpruned, planned), (count, total), "{condition}");
    }
}

#[tokio::test]
async fn counting_all_records_opens_no_file() {
    let (store, session) = counted().await;
    ask(&session, "SELECT count(*) FROM m365_audit").await;
    store.reset_counts();
    assert_eq!(
        ask(&session, "SELECT count(*) FROM m365_audit").await,
        "481"
    );
    // One look for a new commit for each tenant, one for new tenants.
    assert_eq!(store.counts().of(Operation::Get), 2);
    assert_eq!(store.counts().total(), 3);
}

#[tokio::test]
async fn the_latest_records_come_from_the_latest_files() {
    let (store, session) = counted().await;
    for (sql, first) in [
        (
            "SELECT id, creation_time FROM m365_audit ORDER BY creation_time DESC LIMIT 5",
            "s-30-00",
        ),
        (
            "SELECT * FROM m365_signins ORDER BY CreationTime DESC LIMIT 5",
            "s-30-00",
        ),
        (
            "SELECT id, creation_time FROM m365_audit ORDER BY creation_time LIMIT 5",
            "s-0-00",
        ),
        (
            "SELECT id, raw, creation_time FROM m365_audit WHERE user_id = 'ada@contoso.com' ORDER BY creation_time DESC LIMIT 5",
            "s-30-00",
        ),
    ] {
        if sql.contains("user_id =") {
            // The footers of all files say whether they have an index of texts. They are kept.
            ask(&session, sql).await;
        }
        store.reset_counts();
        let answer = ask(&session, sql).await;
        assert_eq!(answer.lines().count(), 5, "{sql}");
        assert!(
            answer.lines().next().unwrap().contains(first),
            "{sql}: {answer}"
        );
        let reads = store.counts().of(Operation::Get);
        // Of 21 files a handful is read; each takes a footer and its pages. While the first is read the other thread begins
        // one or two that turn out not to be needed.
        assert!(reads <= 24, "{sql}: {reads} reads");
    }
}

#[tokio::test]
async fn opening_and_planning_read_no_data() {
    let (store, session) = counted().await;
    ask(&session, "SELECT count(*) FROM m365_audit").await;
    store.reset_counts();
    let stream = session
        .query("SELECT * FROM m365_audit WHERE event_date = '1999-01-01'")
        .await
        .unwrap();
    assert_eq!(
        (
            stream.progress().files_planned,
            stream.progress().files_total
        ),
        (0, 21)
    );
    assert_eq!(store.counts().total(), 3);
}
