//! Files for what steps put on disk while they have no memory, within a bound of bytes for all queries.
//!
//! A file that nobody reads or writes is not open: a repartition may have thousands that wait to be read, one for each
//! batch ([`FILE_BYTES`]), where DataFusion's own files each keep a descriptor of the host's.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion_execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, StreamExt, TryStreamExt};
use tempfile::TempPath;
use tokio_util::io::ReaderStream;

/// Bytes of a file of a repartition from which on another one is begun: less than any batch has. Of two files that are
/// written in turn DataFusion 55 reads the older one alone, and waits for ever if the newer one has what its reader was
/// told of (<https://github.com/apache/datafusion/issues/24883>); one that has its only batch is done with.
pub(crate) const FILE_BYTES: usize = 1;

/// What an error says when no more bytes may be written.
pub(crate) const NO_ROOM: &str = "no room is left for intermediate results";

/// Bytes read at a time.
const READ_BYTES: usize = 128 << 10;

/// A folder for such files.
pub(crate) struct SpillFolder {
    path: PathBuf,
    disk: Arc<Disk>,
}

/// The bytes that all files may have, and have.
#[derive(Debug)]
struct Disk {
    bytes_max: u64,
    bytes: AtomicU64,
}

impl SpillFolder {
    pub(crate) fn new(path: &Path, bytes_max: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            disk: Arc::new(Disk {
                bytes_max,
                bytes: AtomicU64::new(0),
            }),
        }
    }
}

impl TempFileFactory for SpillFolder {
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn SpillFile>> {
        let made = tempfile::NamedTempFile::new_in(&self.path)?;
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
        let spill = SpillFolder::new(folder.path(), 10);
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
}
