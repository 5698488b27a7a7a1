use futures::TryStreamExt;
use futures::executor::block_on;
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutMode};

use super::*;

fn store() -> (Arc<InMemory>, FaultyStore) {
    let inner = Arc::new(InMemory::new());
    let store = FaultyStore::new(Arc::clone(&inner) as Arc<dyn ObjectStore>, 1);
    (inner, store)
}

async fn exists(store: &InMemory, path: &str) -> bool {
    store.head(&Path::from(path)).await.is_ok()
}

#[test]
fn an_error_before_leaves_no_object_and_a_lost_answer_leaves_it() {
    block_on(async {
        let (inner, store) = store();
        store.add(Fault {
            suffix: ".json".into(),
            ..Fault::new(Operation::Put)
        });
        store.add(Fault {
            prefix: "log/".into(),
            kind: FaultKind::After,
            ..Fault::new(Operation::Put)
        });
        store
            .put(&Path::from("a.parquet"), "x".into())
            .await
            .unwrap();
        assert!(store.put(&Path::from("a.json"), "x".into()).await.is_err());
        assert!(!exists(&inner, "a.json").await);
        assert!(store.put(&Path::from("log/b"), "x".into()).await.is_err());
        assert!(exists(&inner, "log/b").await);
        store.put(&Path::from("a.json"), "x".into()).await.unwrap();
        assert_eq!(
            (store.counts().of(Operation::Put), store.injected()),
            (4, 2)
        );
    });
}

#[test]
fn errors_of_the_inner_store_are_not_hidden_by_a_lost_answer() {
    block_on(async {
        let (_, store) = store();
        let path = Path::from("a");
        store.put(&path, "x".into()).await.unwrap();
        store.add(Fault {
            trigger: FaultTrigger::From(1),
            kind: FaultKind::After,
            ..Fault::new(Operation::Put)
        });
        let error = store
            .put_opts(&path, "y".into(), PutMode::Create.into())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
    });
}

#[test]
fn a_frozen_store_reads_but_writes_nothing() {
    block_on(async {
        let (inner, store) = store();
        store.freeze_after_writes(1);
        store.put(&Path::from("a"), "x".into()).await.unwrap();
        assert!(store.is_frozen());
        assert!(store.put(&Path::from("b"), "x".into()).await.is_err());
        assert!(store.delete(&Path::from("a")).await.is_err());
        assert!(
            store
                .copy(&Path::from("a"), &Path::from("c"))
                .await
                .is_err()
        );
        assert!(
            store
                .rename(&Path::from("a"), &Path::from("d"))
                .await
                .is_err()
        );
        assert!(store.put_multipart(&Path::from("e")).await.is_err());
        assert_eq!(
            inner
                .list(None)
                .try_collect::<Vec<_>>()
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(
            store
                .get(&Path::from("a"))
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap()
                .len(),
            1
        );
        assert_eq!(store.counts().bytes_read, 1);
        store.heal();
        store.put(&Path::from("b"), "x".into()).await.unwrap();
    });
}

#[test]
fn half_of_what_is_read_can_be_lost() {
    block_on(async {
        let (inner, store) = store();
        let a = Path::from("a");
        inner.put(&a, "abcdef".into()).await.unwrap();
        store.add(Fault {
            kind: FaultKind::Half,
            trigger: FaultTrigger::From(1),
            ..Fault::new(Operation::Get)
        });
        assert_eq!(store.get(&a).await.unwrap().bytes().await.unwrap(), "abc");
        assert_eq!(store.get_range(&a, 2..6).await.unwrap(), "cd");
        assert_eq!(
            store.get_ranges(&a, &[2..6, 0..2]).await.unwrap(),
            ["cd", "a"]
        );
        assert_eq!(store.head(&a).await.unwrap().size, 6);
    });
}

#[test]
fn every_operation_can_fail_either_way() {
    for kind in [FaultKind::Before, FaultKind::After] {
        block_on(async {
            let (inner, store) = store();
            let (a, b) = (Path::from("dir/a"), Path::from("dir/b"));
            inner.put(&a, "abc".into()).await.unwrap();
            store.add(Fault {
                operation: None,
                trigger: FaultTrigger::From(1),
                kind,
                ..Fault::new(Operation::Get)
            });
            assert!(store.get(&a).await.is_err());
            assert!(store.head(&a).await.is_err());
            let one = 0..1;
            assert!(
                store
                    .get_ranges(&a, std::slice::from_ref(&one))
                    .await
                    .is_err()
            );
            assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
            assert!(
                store
                    .list_with_offset(None, &a)
                    .try_collect::<Vec<_>>()
                    .await
                    .is_err()
            );
            assert!(store.list_with_delimiter(None).await.is_err());
            assert!(store.copy(&a, &b).await.is_err());
            assert_eq!(exists(&inner, "dir/b").await, kind == FaultKind::After);
            assert!(store.rename(&a, &b).await.is_err());
            assert_eq!(exists(&inner, "dir/a").await, kind == FaultKind::Before);
            inner.put(&a, "abc".into()).await.unwrap();
            assert!(store.delete(&a).await.is_err());
            assert_eq!(exists(&inner, "dir/a").await, kind == FaultKind::Before);
            assert!(store.put_multipart(&b).await.is_err());
            assert_eq!(store.counts().total(), store.injected());
        });
    }
}

#[test]
fn parts_and_completion_of_an_upload_fail_on_their_own() {
    block_on(async {
        let (inner, store) = store();
        store.add(Fault {
            trigger: FaultTrigger::Nth(2),
            ..Fault::new(Operation::PutPart)
        });
        store.add(Fault {
            kind: FaultKind::After,
            ..Fault::new(Operation::CompleteMultipart)
        });
        let mut upload = store.put_multipart(&Path::from("a")).await.unwrap();
        upload.put_part("x".into()).await.unwrap();
        assert!(upload.put_part("y".into()).await.is_err());
        assert!(!exists(&inner, "a").await);
        assert!(upload.complete().await.is_err());
        assert!(exists(&inner, "a").await);
    });
}

#[test]
fn chance_follows_the_seed() {
    let run = |seed| {
        let store = FaultyStore::new(Arc::new(InMemory::new()), seed);
        store.add(Fault {
            trigger: FaultTrigger::PerMille(300),
            ..Fault::new(Operation::Put)
        });
        (0..100)
            .map(|_| block_on(store.put(&Path::from("a"), "x".into())).is_err())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let failed = run(1).into_iter().filter(|failed| *failed).count();
    assert!((15..45).contains(&failed), "{failed} of 100 failed");
}

#[test]
fn requests_take_the_time_of_the_longest_chain() {
    block_on(async {
        let store = FaultyStore::new(Arc::new(InMemory::new()), 1);
        let (a, b) = (Path::from("a"), Path::from("b"));
        store.put(&a, "x".into()).await.unwrap();
        assert_eq!(store.elapsed(), Duration::ZERO);
        let latency = Duration::from_millis(30);
        store.set_latency(latency);
        store.put(&b, "y".into()).await.unwrap();
        let both = futures::future::join(store.get(&a), store.head(&b)).await;
        assert!(both.0.is_ok() && both.1.is_ok());
        assert_eq!(store.elapsed(), 2 * latency);
        assert_eq!(store.list(None).count().await, 2);
        let ranges = store.get_ranges(&a, &[0..1, 0..1]).await;
        assert_eq!(ranges.unwrap().len(), 2);
        assert_eq!(store.elapsed(), 4 * latency);
        store.set_latency(latency);
        assert_eq!(store.elapsed(), Duration::ZERO);
    });
}
