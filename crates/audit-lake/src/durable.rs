//! A folder as a store whose objects are on the disk once they are put.
//!
//! What a system has only in its memory is gone or empty after a power cut: a data file of a commit that was called
//! done, or the commit. So content and name are durable before a put returns. What is put only where nothing is, as a
//! commit, is seen and relied on at once: it gets its name when its content is durable.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    RenameOptions, Result, UploadPart,
};

const STORE: &str = "folder";

#[derive(Debug, Clone)]
pub(crate) struct DurableFolder {
    files: LocalFileSystem,
    root: PathBuf,
}

impl DurableFolder {
    pub(crate) fn try_new(root: &FilePath) -> Result<Self> {
        // A tenant that is deleted leaves no folders behind.
        let files = LocalFileSystem::new_with_prefix(root)?.with_automatic_cleanup(true);
        let root = files.path_to_filesystem(&Path::from("x"))?;
        Ok(Self {
            files,
            root: root.parent().map(FilePath::to_path_buf).unwrap_or_default(),
        })
    }

    /// Puts an object where none is, its content first: who sees the name may rely on it.
    async fn create(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let name = location.filename().unwrap_or_default();
        let staged = format!(".{name}.{}", uuid::Uuid::new_v4());
        let mut parts: Vec<_> = location.parts().collect();
        parts.pop();
        let staged: Path = parts.into_iter().chain([staged.into()]).collect();
        let overwrite = PutOptions {
            mode: PutMode::Overwrite,
            ..options
        };
        let folders = self.folders(location).await?;
        let put = self.files.put_opts(&staged, payload, overwrite).await?;
        let create = CopyOptions {
            mode: CopyMode::Create,
            ..CopyOptions::default()
        };
        let linked = match self.sync_content(&staged).await {
            Ok(()) => self.files.copy_opts(&staged, location, create).await,
            Err(error) => Err(error),
        };
        if let Err(error) = self.files.delete(&staged).await {
            tracing::debug!(%error, path = %staged, "a staged file stays");
        }
        linked?;
        sync_names(folders).await?;
        Ok(put)
    }

    async fn sync_content(&self, location: &Path) -> Result<()> {
        let path = self.files.path_to_filesystem(location)?;
        // Windows flushes what was opened for writing only.
        blocking(move || synced(OpenOptions::new().write(true).open(path)?.sync_all())).await
    }

    /// The folders that get a name when the object is put: its own, and what is above one that does not exist yet. Each
    /// takes the disk as long as a small file.
    async fn folders(&self, location: &Path) -> Result<Vec<PathBuf>> {
        let (path, root) = (self.files.path_to_filesystem(location)?, self.root.clone());
        blocking(move || {
            let mut folders = Vec::new();
            for folder in path.ancestors().skip(1) {
                folders.push(folder.to_path_buf());
                if folder == root || folder.is_dir() {
                    break;
                }
            }
            Ok(folders)
        })
        .await
    }
}

async fn sync_names(folders: Vec<PathBuf>) -> Result<()> {
    blocking(move || folders.iter().try_for_each(|folder| sync_folder(folder))).await
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &FilePath) -> io::Result<()> {
    // Elsewhere folders can't be opened, and names are the file system's own affair.
    if cfg!(unix) {
        match File::open(folder) {
            Ok(folder) => synced(folder.sync_all()),
            // Somebody deleted what was in it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    } else {
        Ok(())
    }
}

/// Some file systems, such as those over a network, can't.
fn synced(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let outcome = tokio::task::spawn_blocking(work).await?;
    outcome.map_err(|source| Error::Generic {
        store: STORE,
        source: source.into(),
    })
}

/// Why a folder can't be listed, and what to do where something lies in it that no program of ours puts there.
fn in_words(error: Error) -> Error {
    let what = match &error {
        Error::InvalidPath { .. } => {
            "such names are none of a lake: rename it, or take it out of the folder"
        }
        Error::Generic { .. } if error.to_string().contains("loop") => "take that link away",
        _ => return error,
    };
    Error::Generic {
        store: STORE,
        source: format!("{error}; {what}").into(),
    }
}

impl fmt::Display for DurableFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(formatter)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for DurableFolder {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if options.mode == PutMode::Create {
            return self.create(location, payload, options).await;
        }
        let folders = self.folders(location).await?;
        let put = self.files.put_opts(location, payload, options).await?;
        self.sync_content(location).await?;
        sync_names(folders).await?;
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(DurableUpload {
            folders: self.folders(location).await?,
            upload: self.files.put_multipart_opts(location, options).await?,
            folder: self.clone(),
            location: location.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix).map_err(in_words).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let objects = self.files.list_with_offset(prefix, offset);
        objects.map_err(in_words).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let listed = self.files.list_with_delimiter(prefix).await;
        listed.map_err(in_words)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let folders = self.folders(to).await?;
        self.files.copy_opts(from, to, options).await?;
        self.sync_content(to).await?;
        sync_names(folders).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let folders = self.folders(to).await?;
        self.files.rename_opts(from, to, options).await?;
        self.sync_content(to).await?;
        sync_names(folders).await
    }
}

#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    folders: Vec<PathBuf>,
    folder: DurableFolder,
    location: Path,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        self.upload.put_part(part)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let put = self.upload.complete().await?;
        self.folder.sync_content(&self.location).await?;
        sync_names(std::mem::take(&mut self.folders)).await?;
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}
