//! Commits on a store that fails: by plan, and by chance from a seed.

use std::sync::Arc;
use std::time::Duration;

use audit_lake::{CommitOutcome, Error, Lake, LakeOptions, TableName};
use audit_testkit::{Fault, FaultKind, FaultTrigger, FaultyStore, Operation};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use url::Url;

use crate::places::{file, tenant};

async fn lake_on(store: Arc<dyn ObjectStore>) -> Lake {
    let url = Url::parse("memory:///test").unwrap();
    Lake::with_store(store, url, LakeOptions::default())
        .await
        .unwrap()
}

fn commit_fault(kind: FaultKind, trigger: FaultTrigger) -> Fault {
    Fault {
        prefix: "tenants/".to_owned(),
        suffix: "1.json".to_owned(),
        trigger,
        kind,
        ..Fault::new(Operation::Put)
    }
}

#[tokio::test]
async fn a_lost_answer_is_a_commit_and_a_failed_put_is_tried_again() {
    for kind in [FaultKind::After, FaultKind::Before] {
        let store = FaultyStore::new(Arc::new(InMemory::new()), 1);
        let lake = lake_on(Arc::new(store.clone())).await;
        let table = lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        let base = table.snapshot().await.unwrap();
        store.add(commit_fault(kind, FaultTrigger::Nth(1)));
        let outcome = table.try_commit(&base, &[file("a", 1)]).await.unwrap();
        assert_eq!(outcome, CommitOutcome::Committed { version: 1 }, "{kind:?}");
        assert_eq!(store.injected(), 1);
        assert_eq!(table.snapshot().await.unwrap().files().len(), 1);
    }
}

#[tokio::test]
async fn a_lost_answer_to_another_writers_commit_is_a_conflict() {
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = FaultyStore::new(Arc::clone(&inner), 1);
    let lake = lake_on(Arc::new(store.clone())).await;
    let table = lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    let base = table.snapshot().await.unwrap();

    let other = lake_on(inner).await;
    let others = other
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    let first = others
        .try_commit(&base, &[file("theirs", 1)])
        .await
        .unwrap();
    assert_eq!(first, CommitOutcome::Committed { version: 1 });

    store.add(commit_fault(FaultKind::Before, FaultTrigger::Nth(1)));
    let second = table.try_commit(&base, &[file("ours", 1)]).await.unwrap();
    assert_eq!(second, CommitOutcome::Conflicted);
}

#[tokio::test]
async fn a_store_that_stays_away_is_unavailable() {
    let store = FaultyStore::new(Arc::new(InMemory::new()), 1);
    let lake = lake_on(Arc::new(store.clone())).await;
    let table = lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    let base = table.snapshot().await.unwrap();
    store.add(commit_fault(FaultKind::Before, FaultTrigger::From(1)));
    let error = table.try_commit(&base, &[file("a", 1)]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    store.heal();
    assert_eq!(table.snapshot().await.unwrap().version(), 0);
}

/// To forget what is known of a table would cost a replay of its whole log.
#[tokio::test]
async fn a_table_stays_known_when_following_it_fails_or_is_given_up() {
    let store = FaultyStore::new(Arc::new(InMemory::new()), 1);
    let lake = lake_on(Arc::new(store.clone())).await;
    let table = lake
        .open_or_create_table(tenant(), TableName::Audit)
        .await
        .unwrap();
    table.snapshot().await.unwrap();
    store.add(Fault {
        prefix: "tenants/".to_owned(),
        trigger: FaultTrigger::From(1),
        kind: FaultKind::Before,
        ..Fault::new(Operation::Get)
    });
    table.snapshot().await.unwrap_err();
    // It waits before it tries again.
    tokio::time::timeout(Duration::from_millis(1), table.snapshot())
        .await
        .unwrap_err();
    store.heal();
    store.reset_counts();
    assert_eq!(table.snapshot().await.unwrap().version(), 0);
    assert_eq!(store.counts().total(), 1);
}

/// Whatever fails, a file that was reported as committed is there once, and one that conflicted is not.
#[tokio::test]
async fn chance_changes_no_outcome() {
    for seed in 0..8 {
        println!("seed {seed}");
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = FaultyStore::new(Arc::clone(&inner), seed);
        let lake = lake_on(Arc::new(store.clone())).await;
        let table = lake
            .open_or_create_table(tenant(), TableName::Audit)
            .await
            .unwrap();
        for kind in [FaultKind::Before, FaultKind::After] {
            store.add(Fault {
                operation: None,
                trigger: FaultTrigger::PerMille(100),
                kind,
                ..Fault::new(Operation::Put)
            });
        }
        let mut committed = Vec::new();
        let mut unknown = Vec::new();
        for number in 0..30 {
            let name = format!("file-{number}");
            let Ok(base) = table.snapshot().await else {
                continue;
            };
            match table
                .try_commit(&base, &[file(&name, base.version() + 1)])
                .await
            {
                Ok(CommitOutcome::Committed { .. }) => committed.push(name),
                // Nobody else writes.
                Ok(CommitOutcome::Conflicted) => panic!("conflicted with itself"),
                Err(Error::Unavailable { .. }) => unknown.push(name),
                Err(error) => panic!("{error:?}"),
            }
        }
        let snapshot = lake_on(inner)
            .await
            .snapshot(&tenant(), TableName::Audit)
            .await
            .unwrap()
            .unwrap();
        let mut names: Vec<String> = snapshot
            .files()
            .iter()
            .map(|file| file.path.filename().unwrap().replace(".parquet", ""))
            .collect();
        names.retain(|name| !unknown.contains(name));
        names.sort_unstable();
        committed.sort_unstable();
        assert_eq!(names, committed);
        assert!(committed.len() > 20);
    }
}
