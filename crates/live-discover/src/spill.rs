//! Files for what steps put on disk while they have no memory, within a bound of bytes for all queries.
//!
//! A file that nobody reads or writes is not open: a repartition may have thousands that wait to be read, one for each
//! batch ([`FILE_BYTES`]), where DataFusion's own files each keep a descriptor of the host's.
//!
//! Each engine has a folder of its own, which goes with it. A process that is killed leaves its folder, with gigabytes in
//! it at times; the next engine finds that nobody holds the folder's lock, and deletes it ([`sweep`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion_execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, StreamExt, TryStreamExt};
use tempfile::{TempDir, TempPath};
use tokio_util::io::ReaderStream;

/// Bytes of a file of a repartition from which on another one is begun: less than any batch has. Of two files that are
/// written in turn DataFusion 55 reads the older one alone, and waits for ever if the newer one has what its reader was
/// told of (<https://github.com/apache/datafusion/issues/24883>); one that has its only batch is done with.
pub(crate) const FILE_BYTES: usize = 1;

/// What an error says when no more bytes may be written.
pub(crate) const NO_ROOM: &str = "no room is left for intermediate results";

/// Bytes read at a time.
const READ_BYTES: usize = 128 << 10;

/// How the folders' names begin.
const PREFIX: &str = "live-discover-";
/// The file that whoever uses a folder has locked. It is there as soon as it is locked.
const LOCK: &str = "lock";
const LOCK_TO_BE: &str = "lock.new";

/// A folder for such files, deleted with this.
pub(crate) struct SpillFolder {
    /// Given up before the folder goes. `None` where files can't be locked: whoever is killed leaves its folder, then.
    _lock: Option<File>,
    folder: TempDir,
    disk: Arc<Disk>,
}

/// The bytes that all files may have, and have.
#[derive(Debug)]
struct Disk {
    bytes_max: u64,
    bytes: AtomicU64,
}

impl SpillFolder {
    /// A folder in `parent`.
    pub(crate) fn new_in(parent: &Path, bytes_max: u64) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        Ok(Self {
            _lock: lock(folder.path()).ok(),
            folder,
            disk: Arc::new(Disk {
                bytes_max,
                bytes: AtomicU64::new(0),
            }),
        })
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let path = folder.join(LOCK_TO_BE);
    let file = File::create_new(&path)?;
    file.try_lock()?;
    fs::rename(path, folder.join(LOCK))?;
    Ok(file)
}

/// Deletes the folders in `parent` whose process is gone. What can't be deleted stays.
pub(crate) fn sweep(parent: &Path) {
    for folder in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = folder.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && folder.file_type().is_ok_and(|file_type| file_type.is_dir()) {
            let _ = delete_unused(&folder.path());
        }
    }
}

/// Deletes a folder that nobody has locked; the lock last, so that what is begun can be ended by the next.
fn delete_unused(folder: &Path) -> io::Result<()> {
    let lock = File::open(folder.join(LOCK))?;
    lock.try_lock()?;
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.file_name() != LOCK {
            fs::remove_file(file.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

impl TempFileFactory for SpillFolder {
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn SpillFile>> {
        let made = tempfile::NamedTempFile::new_in(self.folder.path())?;
        Ok(Arc::new(Spilled {
            path: made.into_temp_path(),
            written: Arc::new(Written {
                disk: Arc::clone(&self.disk),
                bytes: AtomicU64::new(0),
            }),
        }))
    }
}

/// A file, which is deleted when nobody has it any more.
struct Spilled {
    path: TempPath,
    written: Arc<Written>,
}

/// What was written of a file; it is given back with it.
struct Written {
    disk: Arc<Disk>,
    bytes: AtomicU64,
}

impl Drop for Written {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.disk.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl SpillFile for Spilled {
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn size(&self) -> Option<u64> {
        Some(self.written.bytes.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let opened = tokio::fs::File::open(self.path.to_path_buf());
        let read = futures::stream::once(opened)
            .map_ok(|file| ReaderStream::with_capacity(file, READ_BYTES))
            .try_flatten();
        Ok(read.map_err(DataFusionError::IoError).boxed())
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(Writer {
            file: OpenOptions::new().append(true).open(&self.path)?,
            written: Arc::clone(&self.written),
        }))
    }
}

struct Writer {
    file: File,
    written: Arc<Written>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len() as u64;
        let disk = &self.written.disk;
        if disk.bytes.fetch_add(count, Ordering::Relaxed) + count > disk.bytes_max {
            disk.bytes.fetch_sub(count, Ordering::Relaxed);
            return Err(io::Error::other(NO_ROOM));
        }
        self.written.bytes.fetch_add(count, Ordering::Relaxed);
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        Ok(self.file.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_its_room_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let spill = SpillFolder::new_in(folder.path(), 10).unwrap();
        let first = spill.create_temp_file("first").unwrap();
        let second = spill.create_temp_file("second").unwrap();
        let mut writer = first.open_writer().unwrap();
        writer.write_all(b"1234").unwrap();
        writer.write_all(b"5678").unwrap();
        writer.finish().unwrap();
        let mut other = second.open_writer().unwrap();
        let error = other.write_all(b"abc").unwrap_err();
        assert_eq!(error.to_string(), NO_ROOM);

        let read: Vec<Bytes> = first.read_stream().unwrap().try_collect().await.unwrap();
        assert_eq!(
            (read.concat().as_slice(), first.size()),
            (&b"12345678"[..], Some(8))
        );
        let path = first.path().unwrap().to_path_buf();
        drop((first, writer));
        assert!(!path.exists());
        other.write_all(b"abc").unwrap();
        assert_eq!(second.size(), Some(3));
    }

    #[test]
    fn folders_of_those_who_are_gone_are_deleted_and_no_others() {
        let parent = tempfile::tempdir().unwrap();
        let names = || {
            let entries = fs::read_dir(parent.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let gone = parent.path().join("live-discover-gone");
        fs::create_dir(&gone).unwrap();
        fs::write(gone.join(LOCK), "").unwrap();
        fs::write(gone.join(".tmpabc"), "rows").unwrap();
        // One that is being made, one of another program, and a file.
        fs::create_dir(parent.path().join("live-discover-new")).unwrap();
        fs::create_dir(parent.path().join("other")).unwrap();
        fs::write(parent.path().join("live-discover-file"), "").unwrap();
        let used = SpillFolder::new_in(parent.path(), 10).unwrap();
        let file = used.create_temp_file("rows").unwrap();

        sweep(parent.path());
        let mut left = names();
        let own = used.folder.path().file_name().unwrap();
        left.retain(|name| name != own);
        assert_eq!(left, ["live-discover-file", "live-discover-new", "other"]);
        assert!(file.path().unwrap().exists());

        drop((file, used));
        assert_eq!(names().len(), 3);
    }
}
