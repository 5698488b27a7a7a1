//! Maintenance that is faster: files are gone between the state that names them and their being read.

use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use async_trait::async_trait;
use audit_lake::{Error, Lake, LakeOptions, TableName};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::maintain::policy;
use crate::places::{Place, places, tenant};
use crate::records::{DAY, OPTIONS, Record, append, arrival, rows};

/// A store that does something else before it gives the first data file.
#[derive(Clone)]
struct Interrupted {
    store: Arc<dyn ObjectStore>,
    first: Arc<Mutex<Option<BoxFuture<'static, ()>>>>,
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Interrupted")
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Interrupted")
    }
}

#[async_trait]
impl ObjectStore for Interrupted {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if location.extension() == Some("parquet") {
            let first = self.first.lock().unwrap().take();
            if let Some(first) = first {
                first.await;
            }
        }
        self.store.get_opts(location, options).await
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

/// The lake, opened anew, where `first` happens when the first data file is about to be read.
async fn interrupted(place: &Place, first: impl Future<Output = ()> + Send + 'static) -> Lake {
    let store = Interrupted {
        store: place.lake.store(),
        first: Arc::new(Mutex::new(Some(Box::pin(first)))),
    };
    let url = place.lake.url().clone();
    let lake = Lake::with_store(Arc::new(store), url, LakeOptions::default());
    lake.await.unwrap()
}

/// Compacts a table and deletes what was compacted.
async fn compact_and_vacuum(lake: Lake, table: TableName) {
    let before = lake.snapshot(&tenant(), table).await.unwrap().unwrap();
    let compacted = lake.compact(tenant(), table, &policy(), |_| {}).await;
    assert_eq!(compacted.unwrap().files_before, before.files().len() as u64);
    for file in before.files() {
        lake.store().delete(&file.path).await.unwrap();
    }
}

/// Adds an entry to the ledger. How many are new.
async fn enter(lake: &Lake, id: &str) -> usize {
    let ids: ArrayRef = Arc::new(StringArray::from(vec![id]));
    let rows = RecordBatch::try_from_iter([("entry_id", ids)]).unwrap();
    let ledger = TableName::Content;
    let added = lake.append_keyed(tenant(), ledger, &rows).await;
    added.unwrap().len()
}

#[tokio::test]
async fn an_append_looks_again_where_a_file_was_compacted_away() {
    for place in places().await {
        let record = |id: &str| Record::new(id, DAY, "1");
        for id in ["a", "b"] {
            append(&place.lake, tenant(), &[record(id)]).await;
            enter(&place.lake, id).await;
        }
        let maintenance = compact_and_vacuum(place.reopened().await, TableName::Audit);
        let lake = interrupted(&place, maintenance).await;
        let appended = append(&lake, tenant(), &["a", "b", "c"].map(record)).await;
        assert_eq!(appended.rows, [1]);
        assert_eq!(rows(&place.lake, tenant()).await.len(), 3);

        let maintenance = compact_and_vacuum(place.reopened().await, TableName::Content);
        let lake = interrupted(&place, maintenance).await;
        for (id, added) in [("b", 0), ("c", 1)] {
            assert_eq!(enter(&lake, id).await, added, "{id}");
        }
    }
}

#[tokio::test]
async fn an_append_ends_where_a_file_is_lost() {
    for place in places().await {
        append(&place.lake, tenant(), &[Record::new("a", DAY, "1")]).await;
        let snapshot = place.lake.snapshot(&tenant(), TableName::Audit).await;
        let path = snapshot.unwrap().unwrap().files()[0].path.clone();
        place.lake.store().delete(&path).await.unwrap();
        let lake = place.reopened().await;
        let records = [arrival(&[Record::new("a", DAY, "1")])];
        let error = lake.append(tenant(), &records, OPTIONS).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
        assert!(error.to_string().contains(path.as_ref()), "{error}");
    }
}
