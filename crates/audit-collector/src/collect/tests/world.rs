//! A tenant, its server, its lake, and collectors that come and go. Time is virtual: who sleeps moves the server's clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use audit_lake::{Lake, LakeOptions, TableName};
use audit_schema::ContentType;
use audit_testkit::api::{ApiServer, ApiServerOptions, AppRegistration, BlobBody, TenantHandle};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{CollectOptions, Polled, Shared, TenantCollector};
use crate::api::{ApiClient, ApiSettings, HttpClient, Timeouts};
use crate::cloud::Cloud;
use crate::ledger::{self, BlobState, Entry};
use crate::timeline::Windows;
use crate::virtual_time::{CLIENT, OneSecret, SECRET, ServerTime, VirtualPace};

pub(super) const TENANT: &str = "0fad12b5-8d6a-4c43-a01f-e6d0a0d0e1c7";
pub(super) struct World {
    pub(super) server: ApiServer,
    pub(super) tenant: TenantHandle,
    pub(super) lake: Lake,
    pub(super) options: CollectOptions,
    pub(super) timeouts: Timeouts,
    /// Time limits of this length are reached at once.
    pub(super) reached: Option<Duration>,
}

pub(super) fn record(id: &str, micros: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros).unwrap();
    format!(
        r#"{{"CreationTime":"{}","Id":"{id}","Operation":"FileAccessed","OrganizationId":"{TENANT}","RecordType":6,"UserId":"ada@contoso.com","Workload":"SharePoint"}}"#,
        time.format("%Y-%m-%dT%H:%M:%S")
    )
}

pub(super) fn blob(records: &[String]) -> Bytes {
    format!("[{}]", records.join(",")).into()
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(LakeOptions::default(), None).await
    }

    pub(super) async fn with(
        options: LakeOptions,
        store: Option<Arc<dyn object_store::ObjectStore>>,
    ) -> Self {
        let server = ApiServer::start(ApiServerOptions::default()).await.unwrap();
        let tenant = server.tenant(TENANT);
        tenant.register(AppRegistration::with_secret(CLIENT, SECRET));
        let lake = match store {
            None => Lake::create_or_open("memory://lake", options)
                .await
                .unwrap(),
            Some(store) => {
                let url = "memory://lake".parse().unwrap();
                Lake::with_store(store, url, options).await.unwrap()
            }
        };
        Self {
            server,
            tenant,
            lake,
            options: CollectOptions::default(),
            timeouts: Timeouts::default(),
            reached: None,
        }
    }

    pub(super) fn now(&self) -> i64 {
        self.server.clock().now_micros()
    }

    fn pace(&self) -> Arc<VirtualPace> {
        Arc::new(VirtualPace::reaching(self.server.clock(), self.reached))
    }

    pub(super) fn client(&self) -> ApiClient {
        let cloud = Cloud::Custom {
            management_root: self.server.management_root().parse().unwrap(),
            login_root: self.server.login_root().parse().unwrap(),
        };
        let tenant = TENANT.parse().unwrap();
        ApiClient::new(
            HttpClient::try_new(&self.timeouts).unwrap(),
            ApiSettings {
                timeouts: self.timeouts,
                ..ApiSettings::new(cloud, tenant, CLIENT.parse().unwrap())
            },
            Arc::new(OneSecret(SECRET)),
            Arc::new(ServerTime(self.server.clock().clone())),
            self.pace(),
        )
    }

    /// A collector that knows no more than the ledger.
    pub(super) async fn collector(&self) -> TenantCollector {
        self.try_collector().await.unwrap()
    }

    /// The same, over a lake that may be in trouble.
    pub(super) async fn try_collector(&self) -> audit_lake::Result<TenantCollector> {
        let shared = Shared {
            lake: self.lake.clone(),
            pace: self.pace(),
            options: self.options.clone(),
            ingests: Semaphore::new(1),
        };
        TenantCollector::new(
            Arc::new(shared),
            self.client(),
            ContentType::ALL.to_vec(),
            Duration::from_secs(48 * 3600),
        )
        .await
    }

    /// One poll of a new collector.
    pub(super) async fn collect(&self) -> Polled {
        poll(&mut self.collector().await).await
    }

    /// Records in the lake by id, with how often each is there.
    pub(super) async fn ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        let tenant = TENANT.parse().unwrap();
        let Some(snapshot) = (self.lake.snapshot(&tenant, TableName::Audit).await).unwrap() else {
            return ids;
        };
        for file in snapshot.files() {
            let bytes = self.lake.store().get(&file.path).await.unwrap();
            let bytes = bytes.bytes().await.unwrap();
            let reader =
                parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes);
            for batch in reader.unwrap().build().unwrap() {
                let batch = batch.unwrap();
                let column = batch.column_by_name("id").unwrap().as_string::<i32>();
                for id in column.iter().flatten() {
                    *ids.entry(id.to_owned()).or_default() += 1;
                }
            }
        }
        ids
    }

    /// The rows of the ledger, the oldest first.
    pub(super) async fn ledger(&self) -> Vec<(i64, Entry)> {
        let mut ledger = self.lake.ledger(TENANT.parse().unwrap()).await.unwrap();
        let batches = ledger.read(i64::MAX).await.unwrap();
        let mut rows: Vec<_> = batches.iter().flat_map(ledger::entries).collect();
        rows.sort_by_key(|(at, _)| *at);
        rows
    }

    /// Content ids in a state, with their reasons.
    pub(super) async fn blobs(&self, wanted: BlobState) -> BTreeMap<String, Option<String>> {
        let rows = self.ledger().await;
        let blobs = rows.into_iter().filter_map(|(_, entry)| match entry {
            Entry::Blob {
                blob,
                state,
                reason,
                ..
            } if state == wanted => Some((blob.content_id.to_string(), reason)),
            _ => None,
        });
        blobs.collect()
    }

    /// Publishes a blob of new records, and gives its id and theirs.
    pub(super) fn publish(
        &self,
        content_type: ContentType,
        created: i64,
        records: usize,
    ) -> (String, BTreeSet<String>) {
        let ids: Vec<String> = (0..records).map(|_| Uuid::new_v4().to_string()).collect();
        let texts: Vec<String> = ids
            .iter()
            .map(|id| record(id, created - 3_600_000_000))
            .collect();
        let content_id = self
            .tenant
            .publish(content_type.as_str(), created, blob(&texts));
        (content_id, ids.into_iter().collect())
    }

    /// The ids of all records that were ever published.
    pub(super) fn truth(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for blob in self.server.truth() {
            let BlobBody::Bytes(bytes) = &blob.body else {
                continue;
            };
            let records: Vec<serde_json::Value> = serde_json::from_slice(bytes).unwrap();
            ids.extend(
                records
                    .iter()
                    .map(|record| record["Id"].as_str().unwrap().to_owned()),
            );
        }
        ids
    }
}

pub(super) async fn poll(collector: &mut TenantCollector) -> Polled {
    collector
        .poll(Windows::All, &CancellationToken::new())
        .await
        .unwrap()
}
