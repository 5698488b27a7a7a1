//! A content blob on its way: whole before it is ingested, so that a body that was cut off is asked for again and does
//! not end as rejects. Small ones stay in memory, others lie in a temporary file; the host chooses where.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use audit_ingest::Reason;
use audit_ingest::envelope::{Form, Reader, Slab, detect};
use bytes::Bytes;
use tempfile::{NamedTempFile, TempPath};

/// Up to so many bytes a blob stays in memory.
const IN_MEMORY_BYTES: usize = 256 << 10;
/// Bytes that tell the encoding.
const PREFIX_BYTES: usize = 64 << 10;

/// A blob's bytes.
#[derive(Debug)]
pub(crate) enum Body {
    Memory(Bytes),
    /// Deleted when it is dropped.
    File(TempPath, u64),
}

impl Body {
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, size_bytes) => *size_bytes,
        }
    }
}

/// Takes the pages of a blob as they come.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: Option<PathBuf>,
    memory: Vec<u8>,
    file: Option<NamedTempFile>,
    size_bytes: u64,
}

impl Spool {
    /// `folder`: where files lie; `None` is the system's.
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        Self {
            folder: folder.map(Path::to_owned),
            memory: Vec::new(),
            file: None,
            size_bytes: 0,
        }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.size_bytes += chunk.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(chunk);
        }
        self.memory.extend_from_slice(chunk);
        if self.memory.len() > IN_MEMORY_BYTES {
            let mut file = match &self.folder {
                Some(folder) => NamedTempFile::new_in(folder)?,
                None => NamedTempFile::new()?,
            };
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> io::Result<Body> {
        let Some(mut file) = self.file else {
            return Ok(Body::Memory(self.memory.into()));
        };
        file.flush()?;
        Ok(Body::File(file.into_temp_path(), self.size_bytes))
    }
}

/// Why a body is not the records that the blob holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("the answer is empty")]
    Empty,
    #[error("the answer is cut off")]
    CutOff,
    #[error("the answer is not JSON")]
    NotJson,
    #[error("its pages do not end")]
    Endless,
}

/// Looks at a page of a blob as it comes: where its records begin and end, and nothing of what they say.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    prefix: Vec<u8>,
    reader: Option<Reader>,
    found: Found,
}

#[derive(Debug, Default)]
struct Found {
    flaw: Option<Flaw>,
}

impl Found {
    fn take(&mut self, slab: &Slab) {
        for entry in slab.entries() {
            let flaw = match entry.text {
                Err(Reason::Truncated) => Flaw::CutOff,
                Err(Reason::Empty) => Flaw::Empty,
                Err(Reason::InvalidJson | Reason::InvalidUtf8) => Flaw::NotJson,
                // Other rejects are the content of a blob that came whole.
                _ => continue,
            };
            // That it ends too early is said last and explains the most.
            self.flaw = Some(flaw);
        }
    }
}

impl Checker {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        let found = &mut self.found;
        if let Some(reader) = &mut self.reader {
            return reader.push(chunk, &mut |slab| found.take(&slab));
        }
        self.prefix.extend_from_slice(chunk);
        if self.prefix.len() >= PREFIX_BYTES {
            self.start();
        }
    }

    fn start(&mut self) {
        let detected = detect(&self.prefix).with_form(Form::ContentBlob);
        let mut reader = Reader::new(&detected);
        let found = &mut self.found;
        reader.push(&self.prefix, &mut |slab| found.take(&slab));
        self.prefix = Vec::new();
        self.reader = Some(reader);
    }

    /// What is wrong with the page.
    pub(crate) fn finish(mut self) -> Option<Flaw> {
        if self.reader.is_none() {
            if self.prefix.trim_ascii().is_empty() {
                return Some(Flaw::Empty);
            }
            self.start();
        }
        let mut found = self.found;
        if let Some(reader) = self.reader {
            reader.finish(&mut |slab| found.take(&slab));
        }
        found.flaw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &[u8]) -> Option<Flaw> {
        let mut whole = Checker::default();
        whole.push(text);
        let mut bytewise = Checker::default();
        text.chunks(1).for_each(|chunk| bytewise.push(chunk));
        let flaw = whole.finish();
        assert_eq!(bytewise.finish(), flaw);
        flaw
    }

    #[test]
    fn b7_a_body_that_is_not_whole_is_told() {
        let record = r#"{"Id":"a","CreationTime":"2024-01-31T00:00:00","Operation":"x"}"#;
        for (text, expected) in [
            ("[]".to_owned(), None),
            (format!("[{record}]"), None),
            (format!("\u{feff}[{record},{record}]\n"), None),
            // Not a record, but a blob that came whole.
            (format!("[{record},null,1]"), None),
            (String::new(), Some(Flaw::Empty)),
            ("  \r\n".to_owned(), Some(Flaw::Empty)),
            (format!("[{record}"), Some(Flaw::CutOff)),
            (format!("[{record},"), Some(Flaw::CutOff)),
            ("[".to_owned(), Some(Flaw::CutOff)),
            (format!("[{}", &record[..20]), Some(Flaw::CutOff)),
            (r#"[{"a":[1,2],"Id":["#.to_owned(), Some(Flaw::CutOff)),
            (
                "<html><body>503</body></html>".to_owned(),
                Some(Flaw::NotJson),
            ),
        ] {
            assert_eq!(flaw(text.as_bytes()), expected, "{text}");
        }
        let long = vec![record; 5_000].join(",");
        assert_eq!(flaw(format!("[{long}]").as_bytes()), None);
        assert_eq!(flaw(format!("[{long}").as_bytes()), Some(Flaw::CutOff));
    }

    #[test]
    fn a_large_body_lies_in_a_file_that_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(Some(folder.path()));
        for _ in 0..10 {
            spool.push(&[b'x'; 100_000]).unwrap();
        }
        let body = spool.finish().unwrap();
        assert_eq!(body.size_bytes(), 1_000_000);
        let Body::File(path, _) = &body else {
            panic!("in memory");
        };
        assert_eq!(std::fs::read(path).unwrap(), vec![b'x'; 1_000_000]);
        drop(body);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
