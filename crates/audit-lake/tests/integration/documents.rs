//! Documents: changed by one at a time, whoever else writes, sleeps or fails.

use std::sync::Arc;

use audit_lake::{Change, DocumentKind, Documents, Lake, LakeOptions};
use audit_testkit::{Fault, FaultKind, FaultTrigger, FaultyStore, Operation};
use bytes::Bytes;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use url::Url;

use crate::places::{places, tenant};

fn of(lake: &Lake) -> Documents {
    lake.documents(tenant(), DocumentKind::Watch)
}

async fn latest(documents: &Documents, name: &str) -> Option<(u64, String)> {
    let document = documents.latest(name).await.unwrap()?;
    let text = String::from_utf8(document.content.into()).unwrap();
    Some((document.version, text))
}

async fn change(documents: &Documents, base: Option<u64>, text: &'static str) -> Change {
    documents
        .change("one", base, Bytes::from_static(text.as_bytes()))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_document_changes_version_by_version() {
    for place in places().await {
        let documents = of(&place.lake);
        assert!(documents.names().await.unwrap().is_empty());
        assert_eq!(latest(&documents, "one").await, None);
        assert_eq!(change(&documents, None, "a").await, Change::Done);
        assert_eq!(change(&documents, None, "b").await, Change::Conflicted);
        assert_eq!(change(&documents, Some(0), "c").await, Change::Done);
        assert_eq!(change(&documents, Some(0), "d").await, Change::Conflicted);
        assert_eq!(latest(&documents, "one").await, Some((1, "c".to_owned())));

        let other = Bytes::from_static(b"x");
        let outcome = documents.change("one-more", None, other).await.unwrap();
        assert_eq!(outcome, Change::Done);
        assert_eq!(documents.names().await.unwrap(), ["one", "one-more"]);
        let again = of(&place.reopened().await);
        assert_eq!(latest(&again, "one").await, Some((1, "c".to_owned())));
        for name in ["", "../one", "One", "-one", &"a".repeat(65)] {
            assert!(documents.latest(name).await.is_err(), "{name}");
        }
    }
}

/// Old versions are deleted: whoever slept finds the place of the next one free.
#[tokio::test]
async fn who_sleeps_changes_nothing() {
    for place in places().await {
        let documents = of(&place.lake);
        for (base, text) in [(None, "a"), (Some(0), "b"), (Some(1), "c"), (Some(2), "d")] {
            assert_eq!(change(&documents, base, text).await, Change::Done);
        }
        assert_eq!(change(&documents, Some(0), "late").await, Change::Overtaken);
        assert_eq!(latest(&documents, "one").await, Some((3, "d".to_owned())));
        assert_eq!(change(&documents, Some(3), "e").await, Change::Done);
        assert_eq!(latest(&documents, "one").await, Some((4, "e".to_owned())));
    }
}

#[tokio::test]
async fn who_slept_while_all_was_deleted_brings_nothing_back() {
    for place in places().await {
        let documents = of(&place.lake);
        for (base, text) in [(None, "a"), (Some(0), "b"), (Some(1), "c")] {
            assert_eq!(change(&documents, base, text).await, Change::Done);
        }
        documents.delete("one").await.unwrap();
        assert_eq!(latest(&documents, "one").await, None);
        documents.delete("one").await.unwrap();
        assert_eq!(
            change(&documents, Some(2), "late").await,
            Change::Conflicted
        );
        assert_eq!(latest(&documents, "one").await, None);
        assert_eq!(change(&documents, None, "new").await, Change::Done);
        assert_eq!(
            change(&documents, Some(2), "late").await,
            Change::Conflicted
        );
        assert_eq!(latest(&documents, "one").await, Some((0, "new".to_owned())));
    }
}

#[tokio::test]
async fn lost_answers_are_recognised() {
    for kind in [FaultKind::After, FaultKind::Before] {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = FaultyStore::new(inner, 1);
        let url = Url::parse("memory:///test").unwrap();
        let lake = Lake::with_store(Arc::new(store.clone()), url, LakeOptions::default())
            .await
            .unwrap();
        let documents = of(&lake);
        for nth in 1..=3 {
            store.add(Fault {
                prefix: "tenants/".to_owned(),
                trigger: FaultTrigger::Nth(nth),
                kind,
                ..Fault::new(Operation::Put)
            });
        }
        assert_eq!(change(&documents, None, "a").await, Change::Done);
        assert_eq!(change(&documents, None, "b").await, Change::Conflicted);
        assert_eq!(latest(&documents, "one").await, Some((0, "a".to_owned())));
    }
}
