//! Maintenance beside appends, beside itself, and on a store that fails: each record is there once.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit_lake::{
    Clock, Error, IdSource, Lake, LakeOptions, Maintained, MaintenancePolicy, RandomIds,
    SystemClock, TableName,
};
use audit_testkit::{Fault, FaultKind, FaultTrigger, FaultyStore, ManualClock, Operation};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use url::Url;
use uuid::Uuid;

use crate::maintain::policy;
use crate::model::{Model, random_records};
use crate::places::tenant;
use crate::records::{DAY, Dice, MICROS_PER_DAY, OPTIONS, Record, append, arrival, rows};

async fn lake_with(store: &Arc<dyn ObjectStore>, options: LakeOptions) -> Result<Lake, Error> {
    let url = Url::parse("memory:///test").unwrap();
    Lake::with_store(Arc::clone(store), url, options).await
}

async fn lake_on(store: &Arc<dyn ObjectStore>) -> Lake {
    lake_with(store, LakeOptions::default()).await.unwrap()
}

type Deed = Box<dyn FnOnce() + Send>;

/// Does something at the moment when the n-th id is asked for: before a file or a commit is named.
struct Interrupted {
    ids: AtomicUsize,
    at: usize,
    deed: Mutex<Option<Deed>>,
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupted").finish_non_exhaustive()
    }
}

impl IdSource for Interrupted {
    fn next_id(&self) -> Uuid {
        if self.ids.fetch_add(1, Ordering::SeqCst) == self.at
            && let Some(deed) = self.deed.lock().unwrap().take()
        {
            deed();
        }
        RandomIds.next_id()
    }
}

/// A lake that does `deed` at its n-th id; and whether it was done.
async fn interrupted<F>(
    store: &Arc<dyn ObjectStore>,
    at: usize,
    deed: impl FnOnce(Lake) -> F,
) -> (Lake, Arc<Interrupted>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let deed = deed(lake_on(store).await);
    let ids = Arc::new(Interrupted {
        ids: AtomicUsize::new(0),
        at,
        deed: Mutex::new(Some(Box::new(|| futures::executor::block_on(deed)))),
    });
    let options = LakeOptions {
        ids: Arc::clone(&ids) as Arc<dyn IdSource>,
        ..LakeOptions::default()
    };
    (lake_with(store, options).await.unwrap(), ids)
}

/// Small files of two days, and the model of them.
async fn small_files(store: &Arc<dyn ObjectStore>) -> (Model, Vec<Record>) {
    let lake = lake_on(store).await;
    let (mut model, mut dice, mut all) = (Model::default(), Dice(3), Vec::new());
    for _ in 0..8 {
        let records = random_records(&mut dice, 12);
        append(&lake, tenant(), &records).await;
        all.extend(records);
    }
    all.iter().for_each(|record| {
        model.add(record);
    });
    (model, all)
}

async fn compact(lake: &Lake) -> Vec<Maintained> {
    lake.maintain(tenant(), &policy(), |_| {}).await.unwrap()
}

#[tokio::test]
async fn an_append_that_a_compaction_overtakes_loses_and_doubles_nothing() {
    for at in 0.. {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (mut model, all) = small_files(&store).await;
        let deed = |lake: Lake| async move {
            assert_eq!(compact(&lake).await[0].compacted.files_after, 3);
        };
        let (lake, ids) = interrupted(&store, at, deed).await;
        // Records that the lake has, in files that are rewritten meanwhile, and new ones.
        let records = [all, random_records(&mut Dice(4), 40)].concat();
        records.iter().for_each(|record| {
            model.add(record);
        });
        append(&lake, tenant(), &records).await;
        model.check(&lake_on(&store).await).await;
        if ids.deed.lock().unwrap().is_some() {
            assert!(at > 3, "{at}");
            return;
        }
    }
}

#[tokio::test]
async fn a_compaction_that_others_overtake_is_committed_or_lost_but_whole() {
    let (mut rebased, mut lost) = (0, 0);
    for other in ["append", "compact", "expire"] {
        for at in 0.. {
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let (mut model, _) = small_files(&store).await;
            let new = Record::new("new", DAY + 5, "a");
            let added = new.clone();
            let deed = |lake: Lake| async move {
                match other {
                    "append" => assert_eq!(append(&lake, tenant(), &[added]).await.rows, [1]),
                    "compact" => assert_eq!(compact(&lake).await[0].compacted.lost, 0),
                    _ => {
                        let keep = NonZeroU32::new(1);
                        let policy = MaintenancePolicy {
                            keep_days: keep,
                            ..policy()
                        };
                        assert!(lake.expire(tenant(), &policy).await.unwrap().files > 0);
                    }
                }
            };
            let (lake, ids) = interrupted(&store, at, deed).await;
            let done = compact(&lake).await;
            let is_over = ids.deed.lock().unwrap().is_some();
            if is_over {
                assert!(at > 3, "{at}");
                break;
            }
            match other {
                "append" => {
                    model.add(&new);
                    assert_eq!(done[0].compacted.lost, 0);
                    rebased += done[0].compacted.commits;
                }
                "compact" => lost += done[0].compacted.lost,
                _ => model = Model::default(),
            }
            model.check(&lake_on(&store).await).await;
        }
    }
    assert!(rebased > 0 && lost > 0, "{rebased} {lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_and_compactions_race() {
    const WRITERS: u64 = 3;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut model = Model::default();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let mut dice = Dice(writer);
        let batches: Vec<_> = (0..15).map(|_| random_records(&mut dice, 15)).collect();
        batches.iter().flatten().for_each(|record| {
            model.add(record);
        });
        let lake = lake_on(&store).await;
        writers.spawn(async move {
            for records in batches {
                append(&lake, tenant(), &records).await;
            }
        });
    }
    let mut maintainers = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let lake = lake_on(&store).await;
        maintainers.spawn(async move {
            let mut commits = 0;
            for _ in 0..10 {
                let done = lake.maintain(tenant(), &policy(), |_| {}).await;
                match done {
                    Ok(done) => commits += done.first().map_or(0, |done| done.compacted.commits),
                    Err(Error::Conflict { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
                tokio::task::yield_now().await;
            }
            commits
        });
    }
    writers.join_all().await;
    maintainers.join_all().await;
    let lake = lake_on(&store).await;
    compact(&lake).await;
    model.check(&lake).await;
    let snapshot = lake
        .snapshot(&tenant(), TableName::Audit)
        .await
        .unwrap()
        .unwrap();
    assert!(snapshot.files().len() < 12, "{}", snapshot.files().len());
}

#[derive(Debug)]
struct Manual(ManualClock);

impl Clock for Manual {
    fn now_micros(&self) -> i64 {
        self.0.now_micros()
    }
}

fn at(micros: i64) -> LakeOptions {
    LakeOptions {
        clock: Arc::new(Manual(ManualClock::new(micros))),
        ..LakeOptions::default()
    }
}

#[tokio::test]
async fn maintenance_cut_off_after_any_write_is_made_whole_by_the_next() {
    // Two of the three days are kept, and all that is in the store is old enough to be deleted.
    let hour = Duration::from_secs(3_600);
    let now = SystemClock.now_micros() + 2 * hour.as_micros() as i64;
    let keep_days = now.div_euclid(MICROS_PER_DAY) - (DAY / MICROS_PER_DAY + 1);
    let policy = MaintenancePolicy {
        keep_days: NonZeroU32::new(keep_days as u32),
        vacuum_after: Some(hour),
        ..policy()
    };
    for writes in 0.. {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (_, all) = small_files(&inner).await;
        let before = rows(&lake_on(&inner).await, tenant()).await;
        let kept: Vec<_> = (before.iter())
            .filter(|row| row.record.creation_time >= DAY + MICROS_PER_DAY)
            .cloned()
            .collect();

        let store = FaultyStore::new(Arc::clone(&inner), 1);
        let faulty: Arc<dyn ObjectStore> = Arc::new(store.clone());
        let lake = lake_with(&faulty, at(now)).await.unwrap();
        store.freeze_after_writes(writes);
        let outcome = lake.maintain(tenant(), &policy, |_| {}).await;
        let frozen = store.is_frozen();
        store.heal();
        let healed = lake_with(&inner, at(now)).await.unwrap();
        let after = rows(&healed, tenant()).await;
        assert!(after == before || after == kept, "{writes}");

        healed.maintain(tenant(), &policy, |_| {}).await.unwrap();
        assert_eq!(rows(&healed, tenant()).await, kept, "{writes}");
        let snapshot = healed
            .snapshot(&tenant(), TableName::Audit)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(snapshot.files().len(), 2, "{writes}");
        let folder = Path::from(format!(
            "tenants/{}/m365_audit/event_date=2024-01-31",
            tenant()
        ));
        let left: Vec<_> = inner.list(Some(&folder)).try_collect().await.unwrap();
        assert!(left.is_empty(), "{writes}: {left:?}");
        // Those that are kept are duplicates; the others come again.
        append(&healed, tenant(), &all).await;
        assert_eq!(rows(&healed, tenant()).await.len(), before.len());
        if !frozen {
            assert!(outcome.is_ok());
            assert!(writes > 5, "{writes}");
            return;
        }
    }
}

#[tokio::test]
async fn whatever_fails_by_chance_each_record_is_there_once() {
    futures::future::join_all((0..12).map(maintenance_under_chance)).await;
}

async fn maintenance_under_chance(seed: u64) {
    println!("seed {seed}");
    let operations = [
        Operation::Put,
        Operation::Get,
        Operation::List,
        Operation::Delete,
    ];
    let mut dice = Dice(seed);
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let store = FaultyStore::new(Arc::clone(&inner), seed);
    for kind in [FaultKind::Before, FaultKind::After] {
        let only = operations[dice.below(4) as usize];
        store.add(Fault {
            operation: (!seed.is_multiple_of(3)).then_some(only),
            trigger: FaultTrigger::PerMille(30),
            kind,
            ..Fault::new(Operation::Put)
        });
    }
    let faulty: Arc<dyn ObjectStore> = Arc::new(store.clone());
    let mut model = Model::default();
    for _ in 0..8 {
        let records = random_records(&mut dice, 15);
        records.iter().for_each(|record| {
            model.add(record);
        });
        until_done(&faulty, async |lake| {
            lake.append(tenant(), &[arrival(&records)], OPTIONS)
                .await
                .map(drop)
        })
        .await;
        until_done(&faulty, async |lake| {
            lake.maintain(tenant(), &policy(), |_| {}).await.map(drop)
        })
        .await;
    }
    store.heal();
    model.check(&lake_on(&inner).await).await;
}

/// Does it until it succeeds, as a caller that starts over would.
async fn until_done(store: &Arc<dyn ObjectStore>, deed: impl AsyncFn(Lake) -> Result<(), Error>) {
    for _ in 0..200 {
        let Ok(lake) = lake_with(store, LakeOptions::default()).await else {
            continue;
        };
        match deed(lake).await {
            Ok(()) => return,
            Err(Error::Unavailable { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("never succeeded");
}
