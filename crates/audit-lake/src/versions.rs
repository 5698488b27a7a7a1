//! What changes by compare-and-swap, on any store.
//!
//! Replacing an object only if nobody else has replaced it is not what every store can do: a folder cannot. Every store
//! can put an object where none is. So what changes is a folder of versions, `<20-digit version>.json`; the newest
//! counts, and whoever puts the next one has changed it.
//!
//! Old versions are deleted, which opens a hole: somebody who slept since reading version 4 may put version 5 where it
//! was deleted long ago. The newest version is never deleted, so such a writer sees one above its own and knows; that
//! is [`Change::Overtaken`]. Only deleting the whole takes the newest, too: then the version that was read is gone, by
//! which a sleeper knows, and takes its own away again.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::document::{Change, Document};
use crate::error::{Error, Result};
use crate::retry::{self, retry};
use crate::{Lake, paths};

/// A version larger than this is none of ours.
const BYTES_MAX: u64 = 64 << 20;
/// How often a version may be deleted between being listed and being read.
const READS_MAX: usize = 5;

/// A folder of versions.
pub(crate) struct Versions {
    store: Arc<dyn ObjectStore>,
    folder: Path,
}

impl Versions {
    pub(crate) fn new(lake: &Lake, folder: Path) -> Self {
        Self {
            store: lake.store(),
            folder,
        }
    }

    /// The newest; `None` where there are none.
    pub(crate) async fn latest(&self) -> Result<Option<Document>> {
        for _ in 0..READS_MAX {
            let Some((version, bytes)) = self.list().await?.pop() else {
                return Ok(None);
            };
            let path = self.path(version);
            if bytes > BYTES_MAX {
                return Err(Error::corrupt(
                    &path,
                    format!("it has {bytes} bytes, more than {BYTES_MAX}"),
                ));
            }
            // Gone: newer ones have come since it was listed.
            if let Some(content) = retry::read(self.store.as_ref(), &path).await? {
                return Ok(Some(Document {
                    version,
                    path,
                    content,
                }));
            }
        }
        Err(Error::Unavailable {
            operation: "read",
            path: self.folder.to_string(),
            source: "others keep changing it".into(),
        })
    }

    /// Makes `content` the version after `base`.
    pub(crate) async fn change(&self, base: Option<u64>, content: Bytes) -> Result<Change> {
        let version = base.map_or(0, |base| base + 1);
        if !self.put(version, content).await? {
            return Ok(Change::Conflicted);
        }
        let versions = self.list().await?;
        if versions.last().is_some_and(|(newest, _)| *newest > version) {
            return Ok(Change::Overtaken);
        }
        let is_there = |base: u64| versions.iter().any(|(version, _)| *version == base);
        if base.is_some_and(|base| !is_there(base)) {
            self.delete_version(version).await?;
            return Ok(Change::Conflicted);
        }
        self.clean(version, &versions).await;
        Ok(Change::Done)
    }

    /// Deletes all of them, the newest last: interrupted, it can be done again.
    pub(crate) async fn delete(&self) -> Result<()> {
        for (version, _) in self.list().await? {
            self.delete_version(version).await?;
        }
        Ok(())
    }

    fn path(&self, version: u64) -> Path {
        paths::document_version(&self.folder, version)
    }

    /// Versions and their sizes, the newest last.
    async fn list(&self) -> Result<Vec<(u64, u64)>> {
        let mut versions: Vec<(u64, u64)> = retry(|| async {
            (self.store.list(Some(&self.folder)))
                .try_filter_map(|object| {
                    let version = paths::version_of_file(&object.location);
                    std::future::ready(Ok(version.map(|version| (version, object.size))))
                })
                .try_collect()
                .await
                .map_err(|source| Error::store("list", &self.folder, source))
        })
        .await?;
        versions.sort_unstable();
        Ok(versions)
    }

    /// Whether the version is ours.
    async fn put(&self, version: u64, content: Bytes) -> Result<bool> {
        let path = self.path(version);
        let there = retry::put_new(self.store.as_ref(), "put", &path, content.clone()).await?;
        Ok(there.is_none_or(|there| there == content))
    }

    async fn delete_version(&self, version: u64) -> Result<()> {
        let path = self.path(version);
        retry(|| async {
            match self.store.delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(source) => Err(Error::store("delete", &path, source)),
            }
        })
        .await
    }

    /// Deletes all but the newest two: whoever has listed the one before the newest may be about to read it. What stays
    /// does no harm and is deleted after the next change.
    async fn clean(&self, newest: u64, versions: &[(u64, u64)]) {
        for (version, _) in versions {
            if version + 1 < newest {
                let path = self.path(*version);
                if let Err(error) = self.store.delete(&path).await {
                    tracing::debug!(%error, %path, "an old version stays");
                }
            }
        }
    }
}
