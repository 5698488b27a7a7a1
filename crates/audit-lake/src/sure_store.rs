//! The lake's store, whose answers are whole or an error.
//!
//! Clients of clouds repeat a request that fails, but not one whose answer breaks off, and some of those who read take
//! what came of it for all. Ours and the query engine read through this. Parts of objects, which are small, it asks for
//! again itself.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, RenameOptions, Result,
};

use crate::retry::retry_store;

const STORE: &str = "lake";

#[derive(Debug)]
pub(crate) struct SureStore(pub(crate) Arc<dyn ObjectStore>);

impl SureStore {
    /// What is asked for, or an error at its end. A file says itself that it is too short.
    async fn get(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let bounds = match &options.range {
            Some(GetRange::Bounded(range)) => Some(range.clone()),
            _ => None,
        };
        let mut got = self.0.get_opts(location, options).await?;
        let range = bounds.unwrap_or(got.range.clone());
        got.payload = match got.payload {
            GetResultPayload::Stream(chunks) if !is_head => {
                GetResultPayload::Stream(whole(range, chunks))
            }
            payload => payload,
        };
        Ok(got)
    }

    /// A part of an object, all of it.
    async fn part(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.get(location, options).await?;
        got.payload = match got.payload {
            GetResultPayload::Stream(chunks) => {
                let chunks: Vec<Bytes> = chunks.try_collect().await?;
                let chunks = stream::iter(chunks.into_iter().map(Ok));
                GetResultPayload::Stream(chunks.boxed())
            }
            payload => payload,
        };
        Ok(got)
    }
}

type Chunks = BoxStream<'static, Result<Bytes>>;

/// The chunks, and an error if they are not all of the range.
fn whole(range: Range<u64>, chunks: Chunks) -> Chunks {
    let mut got = 0;
    let ended = stream::iter([None]);
    let chunks = chunks.map(Some).chain(ended).filter_map(move |chunk| {
        let chunk = match chunk {
            Some(chunk) => {
                got += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
                Some(chunk)
            }
            None => check(&range, got).err().map(Err),
        };
        std::future::ready(chunk)
    });
    chunks.boxed()
}

/// Why a part of an object was not read, if the object ends before it.
async fn with_reason(store: &dyn ObjectStore, location: &Path, end: u64, error: Error) -> Error {
    match store.head(location).await {
        Ok(object) if object.size < end => Error::Generic {
            store: STORE,
            source: Box::new(crate::Error::corrupt(
                location,
                format!(
                    "it is {} bytes long and was longer: it was cut off",
                    object.size
                ),
            )),
        },
        _ => error,
    }
}

/// Whether so many bytes are all of the range.
fn check(range: &Range<u64>, got: u64) -> Result<()> {
    let asked = range.end.saturating_sub(range.start);
    if got == asked {
        return Ok(());
    }
    let start = range.start;
    Err(Error::Generic {
        store: STORE,
        source: format!(
            "of {asked} bytes from byte {start} on there came {got}: the object is cut off, or the answer was"
        )
        .into(),
    })
}

impl fmt::Display for SureStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for SureStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let end = match options.range {
            Some(GetRange::Bounded(ref range)) if !options.head => range.end,
            _ => return self.get(location, options).await,
        };
        match retry_store(|| self.part(location, options.clone())).await {
            Err(error) => Err(with_reason(self.0.as_ref(), location, end, error).await),
            got => got,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let read = retry_store(|| async {
            let parts = self.0.get_ranges(location, ranges).await?;
            let mut both = ranges.iter().zip(&parts);
            both.try_for_each(|(range, bytes)| check(range, bytes.len() as u64))?;
            Ok(parts)
        });
        match (read.await, ranges.iter().map(|range| range.end).max()) {
            (Err(error), Some(end)) => {
                Err(with_reason(self.0.as_ref(), location, end, error).await)
            }
            (read, _) => read,
        }
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.rename_opts(from, to, options).await
    }
}
