//! Data files on their way into the store.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::Lake;
use crate::error::{Error, Result};
use crate::retry::retry;

/// What is larger goes up in parts of so many bytes: a client gives a request 30 seconds unless told otherwise, which is a
/// part over 2 Mbit/s.
const PART_BYTES: usize = 8 << 20;
/// Parts that are under way at once.
const PARTS_AT_ONCE: usize = 4;

/// Puts a data file; after an error none is there, as far as that can be done.
pub(crate) async fn put(lake: &Lake, path: &Path, bytes: Bytes) -> Result<()> {
    let store = lake.store();
    let put = retry(|| async {
        let put = match bytes.len() > PART_BYTES {
            true => put_in_parts(store.as_ref(), path, &bytes).await,
            false => store.put(path, bytes.clone().into()).await.map(drop),
        };
        put.map_err(|e| Error::store("write", path, e))
    });
    if let Err(error) = put.await {
        discard(lake, path).await;
        return Err(error);
    }
    Ok(())
}

/// Puts an object of several parts, which is there when all of them are.
async fn put_in_parts(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: &Bytes,
) -> object_store::Result<()> {
    let mut upload = store.put_multipart(path).await?;
    let starts = (0..bytes.len()).step_by(PART_BYTES);
    let parts: Vec<_> = starts
        .map(|start| {
            let end = bytes.len().min(start + PART_BYTES);
            upload.put_part(bytes.slice(start..end).into())
        })
        .collect();
    let put = async {
        let mut parts = stream::iter(parts).buffered(PARTS_AT_ONCE);
        while parts.try_next().await?.is_some() {}
        upload.complete().await.map(drop)
    };
    let put = put.await;
    if put.is_err() {
        // What is left of it the store's rules of lifecycle delete.
        let _ = upload.abort().await;
    }
    put
}

/// Deletes a data file that was not committed. If it stays, no reader sees it.
pub(crate) async fn discard(lake: &Lake, place: &Path) {
    if let Err(error) = lake.store().delete(place).await {
        tracing::debug!(%error, path = %place, "could not delete an unused data file");
    }
}
