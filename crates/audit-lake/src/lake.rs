//! A lake: a root on an object store, its tenants and their tables.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::clock::{Clock, IdSource, RandomIds, SystemClock};
use crate::durable::{self, DurableFolder};
use crate::error::{Error, Result};
use crate::existing::KeyFiles;
use crate::follow::{Followed, follow};
use crate::retry::{self, retry};
use crate::snapshot::Snapshot;
use crate::store::open_store;
use crate::sure_store::SureStore;
use crate::table::{self, DeltaTableHandle};
use crate::{TableName, TenantId, paths};

/// The version of the lake's layout that this crate reads and writes.
const FORMAT_VERSION: u32 = 1;

/// How a lake is opened.
#[derive(Clone)]
pub struct LakeOptions {
    /// Configuration of the store, by the names of `object_store` (such as `aws_region`); of what a process is given,
    /// [`store_options`](crate::store_options) takes them. May hold secrets, so they are never printed.
    pub store_options: Vec<(String, String)>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where unique names come from.
    pub ids: Arc<dyn IdSource>,
}

impl Default for LakeOptions {
    fn default() -> Self {
        Self {
            store_options: Vec::new(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
        }
    }
}

impl fmt::Debug for LakeOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self
            .store_options
            .iter()
            .map(|(key, _)| key.as_str())
            .collect();
        formatter
            .debug_struct("LakeOptions")
            .field("store_options", &keys)
            .field("clock", &self.clock)
            .field("ids", &self.ids)
            .finish()
    }
}

/// An open lake. Cheap to clone; clones share what they know of the tables.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), audit_lake::Error> {
/// use audit_lake::{Lake, LakeOptions, TableName, TenantId};
///
/// let lake = Lake::create_or_open("memory://example", LakeOptions::default()).await?;
/// assert!(lake.tenants().await?.is_empty());
/// assert!(lake.snapshot(&TenantId::UNKNOWN, TableName::Audit).await?.is_none());
///
/// let error = Lake::open("/no/such/folder", LakeOptions::default()).await.unwrap_err();
/// assert_eq!(error.to_string(), "the lake `/no/such/folder` does not exist");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

struct Inner {
    url: Url,
    store: Arc<dyn ObjectStore>,
    options: LakeOptions,
    tables: Mutex<HashMap<(TenantId, TableName), Slot>>,
    key_files: KeyFiles,
}

/// One refresh of a table at a time; the others wait for its result and look again.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Option<Followed>>>;

#[derive(Debug, Serialize, Deserialize)]
struct LakeFile {
    format_version: u32,
    created_by: String,
}

impl Lake {
    /// Opens the lake at a path or URL: a folder, `file://…`, `memory://…`, or any URL that `object_store` was
    /// built to read.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is no lake, [`Error::InvalidInput`] for a URL that cannot be used and for a
    /// lake that a newer program made.
    pub async fn open(url: &str, options: LakeOptions) -> Result<Self> {
        let location = location(url)?;
        if let Some(folder) = location.folder.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(Error::NotFound {
                what: format!("the lake `{}`", folder.display()),
            });
        }
        let lake = Self::at(location, options)?;
        if lake.read_lake_file().await? {
            Ok(lake)
        } else {
            Err(Error::NotFound {
                what: format!("the lake `{}`", without_credentials(url)),
            })
        }
    }

    /// Opens the lake at a path or URL, making it first where there is none. Two makers get the same lake.
    ///
    /// # Errors
    ///
    /// As [`Lake::open`], without [`Error::NotFound`].
    pub async fn create_or_open(url: &str, options: LakeOptions) -> Result<Self> {
        let location = location(url)?;
        if let Some(folder) = location.folder.as_ref().filter(|folder| !folder.is_dir()) {
            std::fs::create_dir_all(folder).map_err(|source| Error::Unavailable {
                operation: "create",
                path: folder.display().to_string(),
                source: source.into(),
            })?;
            for above in folder.ancestors().skip(1) {
                // What it may not open, this program has not made.
                let _ = durable::sync_folder(above);
            }
        }
        Self::at(location, options)?.created().await
    }

    /// Opens the lake at the root of a store, making it first where there is none.
    ///
    /// `url` names the lake to people; nothing is read through it.
    pub async fn with_store(
        store: Arc<dyn ObjectStore>,
        url: Url,
        options: LakeOptions,
    ) -> Result<Self> {
        Self::new(store, url, options).created().await
    }

    /// The store, rooted at the lake: paths are `tenants/<tenant>/m365_audit/…`.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner.store)
    }

    /// Where the lake is.
    pub fn url(&self) -> &Url {
        &self.inner.url
    }

    /// The tenants that the lake has something of, in order: data, an integration, watches.
    pub async fn tenants(&self) -> Result<Vec<TenantId>> {
        let prefix = paths::tenants();
        let listing = retry(|| async {
            let listed = self.inner.store.list_with_delimiter(Some(&prefix)).await;
            listed.map_err(|source| Error::store("list", &prefix, source))
        })
        .await?;
        let mut tenants: Vec<TenantId> = listing
            .common_prefixes
            .iter()
            .filter_map(paths::tenant_of_prefix)
            .collect();
        tenants.sort_unstable();
        Ok(tenants)
    }

    /// The latest committed state of a table; `None` where the tenant has no such table.
    ///
    /// Sees every commit that was made before the call. Costs one small request when nothing is new.
    pub async fn snapshot(
        &self,
        tenant: &TenantId,
        table: TableName,
    ) -> Result<Option<Arc<Snapshot>>> {
        let slot = {
            let mut tables = self
                .inner
                .tables
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tables.entry((*tenant, table)).or_default())
        };
        let mut followed = slot.lock().await;
        follow(self, *tenant, table, &mut followed).await?;
        Ok(followed
            .as_ref()
            .map(|followed| Arc::clone(&followed.snapshot)))
    }

    /// Opens a table for writing, creating it where the tenant has none.
    pub async fn open_or_create_table(
        &self,
        tenant: TenantId,
        table: TableName,
    ) -> Result<DeltaTableHandle> {
        table::open_or_create(self, tenant, table).await
    }

    pub(crate) fn tables(&self) -> &Mutex<HashMap<(TenantId, TableName), Slot>> {
        &self.inner.tables
    }

    pub(crate) fn key_files(&self) -> &KeyFiles {
        &self.inner.key_files
    }

    /// Where the lake's times come from.
    pub fn clock(&self) -> &dyn Clock {
        self.inner.options.clock.as_ref()
    }

    /// Where the lake's unique names come from.
    pub fn ids(&self) -> &dyn IdSource {
        self.inner.options.ids.as_ref()
    }

    fn new(store: Arc<dyn ObjectStore>, url: Url, options: LakeOptions) -> Self {
        Self {
            inner: Arc::new(Inner {
                url: url_without_credentials(url),
                store: Arc::new(SureStore(store)),
                options,
                tables: Mutex::default(),
                key_files: KeyFiles::default(),
            }),
        }
    }

    fn at(location: Location, options: LakeOptions) -> Result<Self> {
        let store: Arc<dyn ObjectStore> = match &location.folder {
            Some(folder) => Arc::new(
                DurableFolder::try_new(folder)
                    .map_err(|source| Error::store("open", &Path::default(), source))?,
            ),
            None if location.url.scheme() == "memory" => Arc::new(InMemory::new()),
            None => {
                let (store, root) = open_store(&location.url, &options.store_options)?;
                Arc::new(PrefixStore::new(store, root))
            }
        };
        Ok(Self::new(store, location.url, options))
    }

    async fn created(self) -> Result<Self> {
        if self.read_lake_file().await? {
            return Ok(self);
        }
        let path = paths::lake_json();
        let file = LakeFile {
            format_version: FORMAT_VERSION,
            created_by: concat!("audit-lake ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let json = bytes::Bytes::from(serde_json::to_vec(&file).map_err(Error::internal)?);
        let store = self.inner.store.as_ref();
        // Two makers get the same lake.
        retry::put_new(store, "create", &path, json.clone()).await?;
        // Now that it is there, this has to see it.
        if retry::put_new(store, "create", &path, json)
            .await?
            .is_none()
        {
            return Err(Error::invalid(format!(
                "no lake can be at `{}`: the store puts an object where one is, though it was told not to \
                 (`If-None-Match` or its like), so two writers would take each other's commits away",
                self.inner.url
            )));
        }
        if self.read_lake_file().await? {
            Ok(self)
        } else {
            Err(Error::NotFound {
                what: path.to_string(),
            })
        }
    }

    /// Whether the store answers at all.
    pub(crate) async fn is_there(&self) -> bool {
        matches!(self.read_lake_file().await, Ok(true))
    }

    /// Whether there is a lake, and one that this crate knows.
    async fn read_lake_file(&self) -> Result<bool> {
        let path = paths::lake_json();
        let Some(json) = retry::read(self.inner.store.as_ref(), &path).await? else {
            return Ok(false);
        };
        let file: LakeFile =
            serde_json::from_slice(&json).map_err(|source| Error::corrupt(&path, source))?;
        if file.format_version > FORMAT_VERSION {
            return Err(Error::invalid(format!(
                "the lake `{}` has format version {}, made by {}; this program reads up to {FORMAT_VERSION}: use a newer one",
                self.inner.url, file.format_version, file.created_by
            )));
        }
        Ok(true)
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lake")
            .field("url", &self.inner.url.as_str())
            .finish_non_exhaustive()
    }
}

/// Where a lake is, as the user wrote it down.
struct Location {
    url: Url,
    /// For lakes on the local file system.
    folder: Option<std::path::PathBuf>,
}

/// A URL as people see it: without user, password, query and fragment, which may be credentials. What stands before the host
/// of `abfss://container@account…` is the container, and stays.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, _)) if is_container(scheme, user) => authority,
        Some((_, host)) => host,
        None => authority,
    };
    format!("{scheme}://{authority}{path}")
}

/// <https://learn.microsoft.com/azure/storage/blobs/data-lake-storage-introduction-abfs-uri>: `abfss://container@account…`.
fn is_container(scheme: &str, user: &str) -> bool {
    matches!(scheme, "abfs" | "abfss") && !user.contains(':')
}

fn url_without_credentials(url: Url) -> Url {
    Url::parse(&without_credentials(url.as_str())).unwrap_or(url)
}

fn location(text: &str) -> Result<Location> {
    let invalid = |reason: &dyn fmt::Display| {
        Error::invalid(format!(
            "`{}` is no place for a lake: {reason}",
            without_credentials(text)
        ))
    };
    if text.is_empty() {
        return Err(invalid(&"it is empty"));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        let url = Url::parse(text).map_err(|source| invalid(&source))?;
        let folder = match scheme {
            "file" => Some(
                url.to_file_path()
                    .map_err(|()| invalid(&"a file URL has an absolute path and no host"))?,
            ),
            _ => None,
        };
        return Ok(Location { url, folder });
    }
    let folder = std::path::absolute(text).map_err(|source| invalid(&source))?;
    let url = Url::from_file_path(&folder).map_err(|()| invalid(&"it is no absolute path"))?;
    Ok(Location {
        url,
        folder: Some(folder),
    })
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn urls_are_shown_without_credentials() {
        for (url, name) in [
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("az://user:pw@c/p?sig=SECRET", "az://c/p"),
            ("https://token@host:1/p#f", "https://host:1/p"),
            ("https://u:p@w/d@host?x=/y", "https://w/d@host"),
            ("https://host?sig=a@b/c", "https://host"),
            (
                "abfss://container@account.dfs.core.windows.net/p",
                "abfss://container@account.dfs.core.windows.net/p",
            ),
            ("abfss://c:secret@account/p", "abfss://account/p"),
        ] {
            assert_eq!(without_credentials(url), name, "{url}");
        }
    }
}
