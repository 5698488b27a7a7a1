//! Which objects to read: a file, a folder, or a prefix of an object store.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

/// One object to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name for people and the ledger: the path or URL as given, and what is below it.
    pub name: String,
    /// Size in storage, in bytes.
    pub size_bytes: u64,
    /// Whether it was named itself rather than found in a folder.
    pub named: bool,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
}

/// Why inputs could not be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Nothing is there.
    #[error("`{0}` does not exist")]
    NotFound(String),
    /// It can't be listed or opened.
    #[error("could not list `{name}`: {message}")]
    Unavailable {
        /// What was given.
        name: String,
        /// What the store said.
        message: String,
    },
}

/// The objects at a path or URL. A folder or prefix is taken whole.
///
/// In the order of their file names, whatever folders they are in: the names of content blobs begin
/// with the time, so the blobs of all content types come in the order of time, and those of a day
/// end in few data files.
///
/// # Errors
/// If nothing is there or it can't be listed.
pub async fn find_inputs(location: &str) -> Result<Vec<Input>, InputError> {
    let unavailable = |message: String| InputError::Unavailable {
        name: location.to_owned(),
        message,
    };
    let (store, root): (Arc<dyn ObjectStore>, Path) = match file_path(location) {
        Some(path) => {
            let absolute = path.canonicalize().map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => InputError::NotFound(location.to_owned()),
                _ => unavailable(e.to_string()),
            })?;
            let root =
                Path::from_absolute_path(absolute).map_err(|e| unavailable(e.to_string()))?;
            (Arc::new(LocalFileSystem::new()), root)
        }
        None => {
            let url = url::Url::parse(location).map_err(|e| unavailable(e.to_string()))?;
            let (store, root) =
                object_store::parse_url(&url).map_err(|e| unavailable(e.to_string()))?;
            (store.into(), root)
        }
    };
    if let Ok(meta) = store.head(&root).await {
        return Ok(vec![Input {
            name: location.to_owned(),
            size_bytes: meta.size,
            named: true,
            store,
            path: meta.location,
        }]);
    }
    let mut found: Vec<ObjectMeta> = store
        .list(Some(&root))
        .try_collect()
        .await
        .map_err(|e| unavailable(e.to_string()))?;
    if found.is_empty() && file_path(location).is_none_or(|path| !path.is_dir()) {
        return Err(InputError::NotFound(location.to_owned()));
    }
    found.sort_by(|a, b| {
        let by_name = a.location.filename().cmp(&b.location.filename());
        by_name.then_with(|| a.location.cmp(&b.location))
    });
    let inputs = found.into_iter().map(|meta| {
        let below = meta
            .location
            .as_ref()
            .strip_prefix(root.as_ref())
            .unwrap_or(meta.location.as_ref());
        let name = format!(
            "{}/{}",
            location.trim_end_matches('/'),
            below.trim_start_matches('/')
        );
        Input {
            name,
            size_bytes: meta.size,
            named: false,
            store: Arc::clone(&store),
            path: meta.location,
        }
    });
    Ok(inputs.collect())
}

/// The local path that a location names; `None` if it is the URL of another store.
fn file_path(location: &str) -> Option<PathBuf> {
    match location.split_once("://") {
        Some(("file", path)) => Some(PathBuf::from(path)),
        Some(_) => None,
        None => Some(FilePath::new(location).to_owned()),
    }
}
