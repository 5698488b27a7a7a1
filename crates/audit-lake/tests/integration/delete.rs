//! Deleting a tenant takes all of it, and nothing of others.

use audit_lake::{Change, CommitOutcome, DocumentKind, TableName, TenantId};
use bytes::Bytes;
use futures::TryStreamExt;

use crate::places::{commit, places, tenant};

#[tokio::test]
async fn deleting_a_tenant_leaves_the_one_document_and_other_tenants() {
    for place in places().await {
        let lake = &place.lake;
        let other = TenantId::UNKNOWN;
        for of in [tenant(), other] {
            let table = (lake.open_or_create_table(of, TableName::Audit))
                .await
                .unwrap();
            let committed = commit(&table, "a").await;
            assert!(matches!(committed, CommitOutcome::Committed { .. }));
            for (kind, name) in [
                (DocumentKind::Integration, "configuration"),
                (DocumentKind::Integration, "configuration-of-old"),
                (DocumentKind::Watch, "configuration"),
            ] {
                let documents = lake.documents(of, kind);
                let content = Bytes::from_static(b"{}");
                let change = documents.change(name, None, content).await.unwrap();
                assert_eq!(change, Change::Done);
            }
            assert!(
                lake.snapshot(&of, TableName::Audit)
                    .await
                    .unwrap()
                    .is_some()
            );
        }

        for _ in 0..2 {
            let kind = DocumentKind::Integration;
            lake.delete_tenant(tenant(), kind, "configuration")
                .await
                .unwrap();
            let audit = lake.snapshot(&tenant(), TableName::Audit).await.unwrap();
            assert!(audit.is_none());
            let root = object_store::path::Path::from(format!("tenants/{}", tenant()));
            let store = lake.store();
            let left: Vec<_> = store.list(Some(&root)).try_collect().await.unwrap();
            let left: Vec<&str> = left.iter().map(|object| object.location.as_ref()).collect();
            let name = format!("{root}/integration/configuration/00000000000000000000.json");
            assert_eq!(left, [name]);
        }
        let audit = lake.snapshot(&other, TableName::Audit).await.unwrap();
        assert!(audit.is_some());
        let watches = lake.documents(other, DocumentKind::Watch);
        assert!(watches.latest("configuration").await.unwrap().is_some());
    }
}
