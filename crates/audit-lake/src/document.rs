//! Small objects that change by compare-and-swap, on any store: each is a folder of versions.

use bytes::Bytes;
use object_store::path::Path;

use crate::error::{Error, Result};
use crate::retry::retry;
use crate::versions::Versions;
use crate::{Lake, TenantId, paths};

/// What documents of a tenant are about: the folder that they lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentKind {
    /// `watches`: saved queries that are advanced, and how far they are.
    Watch,
    /// `integration`: the connection that collects the tenant's records.
    Integration,
}

impl DocumentKind {
    pub(crate) const ALL: [Self; 2] = [Self::Watch, Self::Integration];

    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Watch => "watches",
            Self::Integration => "integration",
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
    /// Where this version lies, from the lake's root.
    pub path: Path,
    /// What was put.
    pub content: Bytes,
}

impl Document {
    /// That it is not what it should be, with what to do.
    pub fn corrupt(&self, message: impl std::fmt::Display) -> Error {
        let what = "restore it from a copy of the lake, or delete it: the version before it counts then, if there is one";
        Error::corrupt(&self.path, format!("{message}; {what}"))
    }
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
        self.versions(name)?.latest().await
    }

    /// Makes `content` the version after `base`, which was read; `None` for a document that there never was.
    ///
    /// No two contents may be equal, so that a change whose answer was lost is recognised: put an id into each.
    ///
    /// # Errors
    ///
    /// After [`Error::Unavailable`] it is unknown whether it happened.
    pub async fn change(&self, name: &str, base: Option<u64>, content: Bytes) -> Result<Change> {
        self.versions(name)?.change(base, content).await
    }

    /// Deletes a document with all that is known of it; nothing if there is none. Whoever read it before and changes it
    /// now is [`Change::Conflicted`].
    ///
    /// # Errors
    ///
    /// What the store says: the newest versions are still there, delete it again.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.versions(name)?.delete().await
    }

    fn versions(&self, name: &str) -> Result<Versions> {
        if Self::is_name(name) {
            let folder = paths::document(self.tenant, self.kind, name);
            Ok(Versions::new(&self.lake, folder))
        } else {
            Err(Error::invalid(format!(
                "`{name}` is no name: lower-case letters, digits, `_` and `-`, at most {}",
                paths::DOCUMENT_NAME_MAX
            )))
        }
    }
}
