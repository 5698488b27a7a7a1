//! Small objects that change by compare-and-swap, on any store.
//!
//! Replacing an object only if nobody else has replaced it is not what every store can do: a folder cannot. Every store
//! can put an object where none is. So a document is a sequence of versions, `<name>/<20-digit version>.json`; the
//! newest counts, and whoever puts the next one has changed it.
//!
//! Old versions are deleted, which opens a hole: somebody who slept since reading version 4 may put version 5 where it
//! was deleted long ago. The newest version is never deleted, so such a writer sees one above its own and knows; that
//! is [`Change::Overtaken`].

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use crate::error::{Error, Result};
use crate::retry::{self, retry};
use crate::{Lake, TenantId, paths};

/// A document larger than this is none of ours.
const BYTES_MAX: u64 = 64 << 20;
/// How often a version may be deleted between being listed and being read.
const READS_MAX: usize = 5;

/// What documents of a tenant are about: the folder that they lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentKind {
    /// `watches`: saved queries that are advanced, and how far they are.
    Watch,
}

impl DocumentKind {
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Watch => "watches",
        }
    }
}

/// The documents of one kind of one tenant.
#[derive(Debug, Clone)]
pub struct Documents {
    lake: Lake,
    tenant: TenantId,
    kind: DocumentKind,
}

/// A document as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Grows by one with each change.
    pub version: u64,
    /// What was put.
    pub content: Bytes,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// It is the newest version.
    Done,
    /// Somebody else was first: nothing happened. Read again and decide anew.
    Conflicted,
    /// There is a newer version already. Either it follows this change, or the change came much too late and has no
    /// effect: read it and see.
    Overtaken,
}

impl Lake {
    /// The documents of a kind that a tenant has.
    pub fn documents(&self, tenant: TenantId, kind: DocumentKind) -> Documents {
        Documents {
            lake: self.clone(),
            tenant,
            kind,
        }
    }
}

impl Documents {
    /// Whether a document may have this name: lower-case letters, digits, `_` and `-`, a letter or digit first, at
    /// most 64.
    pub fn is_name(name: &str) -> bool {
        paths::is_document_name(name)
    }

    /// The names, in order.
    pub async fn names(&self) -> Result<Vec<String>> {
        let folder = paths::documents(self.tenant, self.kind);
        let store = self.lake.store();
        let listing = retry(|| async {
            let listed = store.list_with_delimiter(Some(&folder)).await;
            listed.map_err(|source| Error::store("list", &folder, source))
        })
        .await?;
        let mut names: Vec<String> = (listing.common_prefixes.iter())
            .filter_map(|prefix| prefix.filename().filter(|name| Self::is_name(name)))
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The newest version; `None` where there is no such document.
    pub async fn latest(&self, name: &str) -> Result<Option<Document>> {
        let folder = self.folder(name)?;
        for _ in 0..READS_MAX {
            let Some((version, bytes)) = self.versions(&folder).await?.pop() else {
                return Ok(None);
            };
            let path = paths::document_version(&folder, version);
            if bytes > BYTES_MAX {
                return Err(Error::corrupt(
                    &path,
                    format!("it has {bytes} bytes, more than {BYTES_MAX}"),
                ));
            }
            // Gone: newer ones have come since it was listed.
            if let Some(content) = retry::read(self.lake.store().as_ref(), &path).await? {
                return Ok(Some(Document { version, content }));
            }
        }
        Err(Error::Unavailable {
            operation: "read",
            path: folder.to_string(),
            source: "others keep changing it".into(),
        })
    }

    /// Makes `content` the version after `base`, which was read; `None` for a document that there never was.
    ///
    /// No two contents may be equal, so that a change whose answer was lost is recognised: put an id into each.
    ///
    /// # Errors
    ///
    /// After [`Error::Unavailable`] it is unknown whether it happened.
    pub async fn change(&self, name: &str, base: Option<u64>, content: Bytes) -> Result<Change> {
        let folder = self.folder(name)?;
        let version = base.map_or(0, |base| base + 1);
        if !self.put(&folder, version, content).await? {
            return Ok(Change::Conflicted);
        }
        let versions = self.versions(&folder).await?;
        if versions.last().is_some_and(|(newest, _)| *newest > version) {
            return Ok(Change::Overtaken);
        }
        self.clean(&folder, version, &versions).await;
        Ok(Change::Done)
    }

    fn folder(&self, name: &str) -> Result<Path> {
        if Self::is_name(name) {
            Ok(paths::document(self.tenant, self.kind, name))
        } else {
            Err(Error::invalid(format!(
                "`{name}` is no name: lower-case letters, digits, `_` and `-`, at most {}",
                paths::DOCUMENT_NAME_MAX
            )))
        }
    }

    /// Versions and their sizes, the newest last.
    async fn versions(&self, folder: &Path) -> Result<Vec<(u64, u64)>> {
        let store = self.lake.store();
        let mut versions: Vec<(u64, u64)> = retry(|| async {
            (store.list(Some(folder)))
                .try_filter_map(|object| {
                    let version = paths::version_of_file(&object.location);
                    std::future::ready(Ok(version.map(|version| (version, object.size))))
                })
                .try_collect()
                .await
                .map_err(|source| Error::store("list", folder, source))
        })
        .await?;
        versions.sort_unstable();
        Ok(versions)
    }

    /// Whether the version is ours.
    async fn put(&self, folder: &Path, version: u64, content: Bytes) -> Result<bool> {
        let path = paths::document_version(folder, version);
        let store = self.lake.store();
        let mut attempt = 1;
        loop {
            let options = PutOptions {
                mode: PutMode::Create,
                ..PutOptions::default()
            };
            let Err(source) = store.put_opts(&path, content.clone().into(), options).await else {
                return Ok(true);
            };
            let exists = matches!(
                source,
                object_store::Error::AlreadyExists { .. }
                    | object_store::Error::Precondition { .. }
            );
            let error = Error::store("put", &path, source);
            if !exists && !error.is_transient() {
                return Err(error);
            }
            if let Some(there) = retry::read(store.as_ref(), &path).await? {
                return Ok(there == content);
            }
            if attempt == retry::ATTEMPTS_MAX {
                return Err(error);
            }
            retry::pause(attempt).await;
            attempt += 1;
        }
    }

    /// Deletes all but the newest two: whoever has listed the one before the newest may be about to read it. What stays
    /// does no harm and is deleted after the next change.
    async fn clean(&self, folder: &Path, newest: u64, versions: &[(u64, u64)]) {
        let store = self.lake.store();
        for (version, _) in versions {
            if version + 1 < newest {
                let path = paths::document_version(folder, *version);
                if let Err(error) = store.delete(&path).await {
                    tracing::debug!(%error, %path, "an old version stays");
                }
            }
        }
    }
}
