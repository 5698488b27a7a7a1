//! A table's log as `deltalake` gets to see it.
//!
//! It takes a commit without an action for one that did nothing, fails for a hint at a checkpoint that is gone, and says
//! of damage not where it is. So what it reads is looked at on its way.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use crate::error::Error;
use crate::{actions, paths};

const STORE: &str = "log";

/// The store, for reading one log once.
#[derive(Debug, Clone)]
pub(crate) struct LogView {
    store: Arc<dyn ObjectStore>,
    /// Whether the hint at the newest checkpoint is there.
    has_hint: bool,
    /// Versions whose checkpoints are not to be seen.
    hidden: BTreeSet<u64>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What is wrong with a commit that was read.
    damage: Option<Error>,
    checkpoint: Option<Path>,
}

impl LogView {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, has_hint: bool) -> Self {
        Self {
            store,
            has_hint,
            hidden: BTreeSet::new(),
            seen: Arc::default(),
        }
    }

    /// The same without the hint at the newest checkpoint, nothing being seen yet.
    pub(crate) fn without_hint(&self) -> Self {
        Self {
            hidden: self.hidden.clone(),
            ..Self::new(Arc::clone(&self.store), false)
        }
    }

    /// The same without the checkpoints of these versions, nor the hint, which may name one of them.
    pub(crate) fn without_checkpoints(&self, versions: impl IntoIterator<Item = u64>) -> Self {
        let mut next = self.without_hint();
        next.hidden.extend(versions);
        next
    }

    /// What is wrong with a commit that was read, if something is.
    pub(crate) fn damage(&self) -> Option<Error> {
        self.seen(|seen| seen.damage.take())
    }

    /// Whether the hint at the newest checkpoint is there.
    pub(crate) fn has_hint(&self) -> bool {
        self.has_hint
    }

    /// The checkpoint that was read last, of those that are to be seen.
    pub(crate) fn checkpoint(&self) -> Option<Path> {
        let read = self.seen(|seen| seen.checkpoint.clone())?;
        let version = paths::version_of_checkpoint(&read)?;
        (!self.hidden.contains(&version)).then_some(read)
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_checkpoint(&self, location: &Path) {
        if paths::is_checkpoint(location) {
            self.seen(|seen| seen.checkpoint = Some(location.clone()));
        }
    }

    /// Passes a commit on, but none that has nothing to say.
    async fn commit(&self, location: &Path, got: GetResult) -> Result<GetResult> {
        let (meta, range, attributes) =
            (got.meta.clone(), got.range.clone(), got.attributes.clone());
        let lines = got.bytes().await?;
        if let Err(error) = actions::from_lines(location, &lines) {
            let message = error.to_string();
            self.seen(|seen| {
                seen.damage.get_or_insert(error);
            });
            // Of others, `deltalake` has to know.
            if actions::is_nothing(&lines) {
                return Err(object_store::Error::Generic {
                    store: STORE,
                    source: message.into(),
                });
            }
        }
        let lines = stream::once(std::future::ready(Ok(lines)));
        Ok(GetResult {
            payload: GetResultPayload::Stream(lines.boxed()),
            meta,
            range,
            attributes,
        })
    }
}

/// The fewest bytes of a Parquet file: its magic number twice, and the length of its footer.
const PARQUET_BYTES: u64 = 12;

/// Whether the object is one to be seen: a checkpoint of almost no bytes was cut off, and the commits say what it would have.
fn is_seen(hidden: &BTreeSet<u64>, object: &ObjectMeta) -> bool {
    let Some(version) = paths::version_of_checkpoint(&object.location) else {
        return true;
    };
    let is_seen = object.size >= PARQUET_BYTES && !hidden.contains(&version);
    if !is_seen {
        tracing::warn!(path = %object.location, "a damaged checkpoint is passed over");
    }
    is_seen
}

fn seen_of(
    hidden: BTreeSet<u64>,
    objects: BoxStream<'static, Result<ObjectMeta>>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    objects
        .try_filter(move |object| std::future::ready(is_seen(&hidden, object)))
        .boxed()
}

impl fmt::Display for LogView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(formatter)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for LogView {
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

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !self.has_hint && paths::is_checkpoint_hint(location) {
            return Err(object_store::Error::NotFound {
                path: location.to_string(),
                source: "it names a checkpoint that does not exist".into(),
            });
        }
        self.note_checkpoint(location);
        let is_commit =
            paths::version_of_file(location).is_some() && !options.head && options.range.is_none();
        let got = self.store.get_opts(location, options).await?;
        match is_commit {
            true => self.commit(location, got).await,
            false => Ok(got),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.note_checkpoint(location);
        self.store.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        seen_of(self.hidden.clone(), self.store.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let objects = self.store.list_with_offset(prefix, offset);
        seen_of(self.hidden.clone(), objects)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.store.list_with_delimiter(prefix).await?;
        listed
            .objects
            .retain(|object| is_seen(&self.hidden, object));
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.store.rename_opts(from, to, options).await
    }
}
