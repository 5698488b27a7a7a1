//! What to read: a file, a folder, a prefix of an object store, or bytes at hand.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use audit_lake::{Origin, open_store, without_credentials};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt,
};

use super::folder;

/// Larger objects are read so many bytes a request. A client of a store gives a request some minutes, all repetitions
/// included, which the whole of an export may not be read in.
const PART_BYTES: u64 = 8 << 20;
/// Requests for parts of an object that are under way at once.
const PARTS_AHEAD: usize = 2;

/// One object, file or text to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its name for people and the ledger: the path or URL as given, and what is below it. Of a URL without its
    /// credentials.
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
    /// Nothing to read, and why.
    Skipped(String),
}

/// An input that is being read.
pub(super) enum Opened {
    File(std::fs::File),
    Stream(BoxStream<'static, object_store::Result<Bytes>>),
    /// Nothing to read, and why.
    Skipped(String),
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

    pub(super) async fn open(&self) -> std::io::Result<Opened> {
        Ok(match &self.place {
            Place::Object { store, path } if self.size_bytes <= PART_BYTES => {
                match store.get(path).await?.payload {
                    GetResultPayload::File(file, _) => Opened::File(file),
                    GetResultPayload::Stream(chunks) => Opened::Stream(chunks),
                }
            }
            Place::Object { store, path } => in_parts(store, path).await?,
            Place::File(path) => Opened::File(std::fs::File::open(path)?),
            Place::Bytes(bytes) => {
                let bytes = bytes.clone();
                Opened::Stream(stream::once(async move { Ok(bytes) }).boxed())
            }
            Place::Skipped(why) => Opened::Skipped(why.clone()),
        })
    }
}

/// An object, a part after the other, all of one state of it.
async fn in_parts(store: &Arc<dyn ObjectStore>, path: &Path) -> object_store::Result<Opened> {
    let part = |start: u64, e_tag: Option<String>| GetOptions {
        range: Some(GetRange::Bounded(start..start + PART_BYTES)),
        if_match: e_tag,
        ..GetOptions::default()
    };
    let first = store.get_opts(path, part(0, None)).await?;
    let ObjectMeta { size, e_tag, .. } = first.meta.clone();
    let first = match first.payload {
        GetResultPayload::File(file, _) => return Ok(Opened::File(file)),
        GetResultPayload::Stream(chunks) => chunks,
    };
    let (store, path) = (Arc::clone(store), path.clone());
    let starts = (1..size.div_ceil(PART_BYTES)).map(|number| number * PART_BYTES);
    let others = stream::iter(starts).map(move |start| {
        let (store, path) = (Arc::clone(&store), path.clone());
        let options = part(start, e_tag.clone());
        async move { store.get_opts(&path, options).await?.bytes().await }
    });
    Ok(Opened::Stream(
        first.chain(others.buffered(PARTS_AHEAD)).boxed(),
    ))
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

/// The objects at a path or URL. A folder or prefix is taken whole; what in a folder can't be read is an input that will
/// be skipped.
///
/// In the order of their file names, whatever folders they are in: the names of content blobs begin
/// with the time, so the blobs of all content types come in the order of time, and those of a day
/// end in few data files.
///
/// # Errors
/// If nothing is there or it can't be listed.
pub async fn find_inputs(location: &str) -> Result<Vec<Input>, InputError> {
    find_inputs_with(location, &[]).await
}

/// The same, where `store_options` say how the object store of a URL is reached, by the names that
/// [`LakeOptions::store_options`](audit_lake::LakeOptions::store_options) has.
///
/// # Errors
/// If nothing is there or it can't be listed.
pub async fn find_inputs_with(
    location: &str,
    store_options: &[(String, String)],
) -> Result<Vec<Input>, InputError> {
    match file_path(location) {
        Some(path) => local_inputs(location.to_owned(), path).await,
        None => stored_inputs(location, store_options).await,
    }
}

/// The files at a path of this machine.
async fn local_inputs(location: String, path: PathBuf) -> Result<Vec<Input>, InputError> {
    let shown = location.clone();
    let unavailable = |message: String| InputError::Unavailable {
        name: shown.clone(),
        message,
    };
    let listing = tokio::task::spawn_blocking(move || folder::list(&path));
    let mut found = match listing.await.map_err(|e| unavailable(e.to_string()))? {
        Ok(found) => found,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(InputError::NotFound(location));
        }
        Err(e) => return Err(unavailable(e.to_string())),
    };
    found.sort_by(|a, b| {
        let by_name = a.path.file_name().cmp(&b.path.file_name());
        by_name.then_with(|| a.path.cmp(&b.path))
    });
    let inputs = found.into_iter().map(|entry| {
        let (size_bytes, place) = match entry.size_bytes {
            Ok(size_bytes) => (size_bytes, Place::File(entry.path)),
            Err(why) => (0, Place::Skipped(why)),
        };
        let name = match &entry.below {
            Some(below) => format!("{}/{below}", location.trim_end_matches('/')),
            None => location.clone(),
        };
        Input {
            named: entry.below.is_none(),
            ..Input::of(name, size_bytes, None, place)
        }
    });
    Ok(inputs.collect())
}

/// The objects below a URL.
async fn stored_inputs(
    location: &str,
    store_options: &[(String, String)],
) -> Result<Vec<Input>, InputError> {
    let name = without_credentials(location);
    let unavailable = |message: String| InputError::Unavailable {
        name: name.clone(),
        message,
    };
    let url = url::Url::parse(location).map_err(|e| unavailable(e.to_string()))?;
    let (store, root) = open_store(&url, store_options).map_err(|e| unavailable(e.to_string()))?;
    // Messages of the store may quote its URL.
    let failed = |e: object_store::Error| unavailable(e.to_string().replace(url.as_str(), &name));
    // A bucket itself is no object.
    if !root.as_ref().is_empty() {
        match store.head(&root).await {
            Ok(meta) => {
                let path = meta.location;
                let place = Place::Object { store, path };
                return Ok(vec![Input::of(name, meta.size, None, place)]);
            }
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let listed = store.list(Some(&root)).try_collect().await;
    let mut found: Vec<ObjectMeta> = listed.map_err(failed)?;
    if found.is_empty() {
        return Err(InputError::NotFound(name));
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
            name.trim_end_matches('/'),
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
