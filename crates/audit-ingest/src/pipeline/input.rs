//! What to read: a file, a folder, a prefix of an object store, or bytes at hand.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use audit_lake::Origin;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt};

/// One object, file or text to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name for people and the ledger: the path or URL as given, and what is below it.
    pub name: String,
    /// Size in storage, in bytes.
    pub size_bytes: u64,
    /// Whether it was named itself rather than found in a folder.
    pub named: bool,
    /// Where its records come from, if more is known than its name.
    pub(super) origin: Option<Origin>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Object {
        store: Arc<dyn ObjectStore>,
        path: Path,
    },
    File(PathBuf),
    Bytes(Bytes),
}

/// An input that is being read.
pub(super) enum Opened {
    File(std::fs::File),
    Stream(BoxStream<'static, object_store::Result<Bytes>>),
}

impl Input {
    /// A local file whose records come from `origin`.
    pub fn of_file(name: String, file: PathBuf, size_bytes: u64, origin: Origin) -> Self {
        Self::of(name, size_bytes, Some(origin), Place::File(file))
    }

    /// Bytes whose records come from `origin`.
    pub fn of_bytes(name: String, bytes: Bytes, origin: Origin) -> Self {
        let size_bytes = bytes.len() as u64;
        Self::of(name, size_bytes, Some(origin), Place::Bytes(bytes))
    }

    fn of(name: String, size_bytes: u64, origin: Option<Origin>, place: Place) -> Self {
        Self {
            name,
            size_bytes,
            named: true,
            origin,
            place,
        }
    }

    pub(super) async fn open(&self) -> object_store::Result<Opened> {
        Ok(match &self.place {
            Place::Object { store, path } => match store.get(path).await?.payload {
                GetResultPayload::File(file, _) => Opened::File(file),
                GetResultPayload::Stream(chunks) => Opened::Stream(chunks),
            },
            Place::File(path) => Opened::File(std::fs::File::open(path).map_err(|source| {
                object_store::Error::Generic {
                    store: "file",
                    source: source.into(),
                }
            })?),
            Place::Bytes(bytes) => {
                let bytes = bytes.clone();
                Opened::Stream(stream::once(async move { Ok(bytes) }).boxed())
            }
        })
    }
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
        let path = meta.location;
        let place = Place::Object { store, path };
        return Ok(vec![Input::of(location.to_owned(), meta.size, None, place)]);
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
        let place = Place::Object {
            store: Arc::clone(&store),
            path: meta.location,
        };
        Input {
            named: false,
            ..Input::of(name, meta.size, None, place)
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
