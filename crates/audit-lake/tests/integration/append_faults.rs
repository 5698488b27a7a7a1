//! Appends to a store that fails: each record is there once in the end.

use std::sync::Arc;

use audit_lake::{Error, Lake, LakeOptions};
use audit_testkit::{Fault, FaultKind, FaultTrigger, FaultyStore, Operation};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use url::Url;

use crate::model::{Model, random_records};
use crate::places::tenant;
use crate::records::{DAY, Dice, MICROS_PER_DAY, OPTIONS, Record, append, arrival};

async fn lake_on(store: Arc<dyn ObjectStore>) -> Result<Lake, Error> {
    let url = Url::parse("memory:///test").unwrap();
    Lake::with_store(store, url, LakeOptions::default()).await
}

/// Appends until it succeeds, as a caller that starts over would.
async fn append_until_done(store: &FaultyStore, records: &[Record]) {
    for _ in 0..200 {
        let Ok(lake) = lake_on(Arc::new(store.clone())).await else {
            continue;
        };
        match lake.append(tenant(), &[arrival(records)], OPTIONS).await {
            Ok(_) => return,
            Err(Error::Unavailable { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("never succeeded");
}

#[tokio::test]
async fn whatever_fails_by_chance_each_record_is_there_once() {
    // At the same time, for they mostly wait before they try again.
    futures::future::join_all((0..16).map(appends_under_chance)).await;
}

async fn appends_under_chance(seed: u64) {
    println!("seed {seed}");
    let operations = [
        Operation::Put,
        Operation::Get,
        Operation::Head,
        Operation::List,
        Operation::Delete,
    ];
    let mut dice = Dice(seed);
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = FaultyStore::new(Arc::clone(&inner), seed);
    for kind in [FaultKind::Before, FaultKind::After, FaultKind::Half] {
        let only = match kind {
            FaultKind::Half => Operation::Get,
            _ => operations[dice.below(5) as usize],
        };
        store.add(Fault {
            operation: (!seed.is_multiple_of(3)).then_some(only),
            trigger: FaultTrigger::PerMille(120),
            kind,
            ..Fault::new(Operation::Put)
        });
    }
    let mut model = Model::default();
    for _ in 0..6 {
        let records = random_records(&mut dice, 15);
        records.iter().for_each(|record| {
            model.add(record);
        });
        append_until_done(&store, &records).await;
    }
    store.heal();
    model.check(&lake_on(inner).await.unwrap()).await;
}

/// As on a disk that is full. Each time that it is tried again would leave more.
#[tokio::test]
async fn an_append_that_could_not_write_all_files_leaves_none() {
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = FaultyStore::new(Arc::clone(&inner), 1);
    store.add(Fault {
        suffix: ".parquet".to_owned(),
        trigger: FaultTrigger::From(3),
        kind: FaultKind::Before,
        ..Fault::new(Operation::Put)
    });
    let lake = lake_on(Arc::new(store.clone())).await.unwrap();
    let of_day = |day: i64| Record::new("a", DAY + day * MICROS_PER_DAY, "1");
    let records: Vec<Record> = (0..20).map(of_day).collect();
    let outcome = lake.append(tenant(), &[arrival(&records)], OPTIONS).await;
    assert!(
        matches!(outcome, Err(Error::Unavailable { .. })),
        "{outcome:?}"
    );
    let objects: Vec<_> = inner.list(None).try_collect().await.unwrap();
    let is_data = |path: &Path| path.extension() == Some("parquet");
    assert!(
        !objects.iter().any(|object| is_data(&object.location)),
        "{objects:?}"
    );
    store.heal();
    append(&lake, tenant(), &records).await;
}

#[tokio::test]
async fn an_append_cut_off_after_any_write_is_made_whole_by_the_next() {
    let mut dice = Dice(7);
    let (before, records) = (random_records(&mut dice, 30), random_records(&mut dice, 30));
    for writes in 0.. {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = FaultyStore::new(Arc::clone(&inner), 1);
        let mut model = Model::default();
        let lake = lake_on(Arc::new(store.clone())).await.unwrap();
        if writes % 2 == 0 {
            append(&lake, tenant(), &before).await;
            before.iter().for_each(|record| {
                model.add(record);
            });
        }
        store.freeze_after_writes(writes);
        let outcome = lake.append(tenant(), &[arrival(&records)], OPTIONS).await;
        let frozen = store.is_frozen();
        store.heal();
        let healed = lake_on(inner).await.unwrap();
        if outcome.is_err() {
            // All or nothing.
            model.check(&healed).await;
        }
        records.iter().for_each(|record| {
            model.add(record);
        });
        append(&healed, tenant(), &records).await;
        model.check(&healed).await;
        if !frozen {
            assert!(writes > 3, "{writes}");
            return;
        }
    }
}
