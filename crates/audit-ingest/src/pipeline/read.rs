//! Bytes from storage to slabs: one thread that reads, hashes, decompresses and splits.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::input::Opened;
use super::{Input, Progress, SLABS_AHEAD};
use crate::envelope::{Detected, Form, Reader, Slab, detect};

/// Bytes looked at to tell the form.
const PREFIX_BYTES: usize = 64 << 10;

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// Objects opened ahead, so that the latency of a store with many small blobs is hidden.
const OPENED_AHEAD: usize = 8;

/// What happens to the inputs, one after the other.
pub(super) enum Event {
    Started {
        input: usize,
        form: Form,
    },
    Slab {
        input: usize,
        slab: Slab,
    },
    /// The compressed stream ended badly; what it gave until then came before.
    Damaged {
        input: usize,
        offset: u64,
        detail: String,
    },
    Ended {
        input: usize,
        digest: InputDigest,
    },
    Skipped {
        input: usize,
        why: String,
    },
    Failed {
        input: usize,
        error: String,
    },
}

/// The bytes as they lay in storage.
#[derive(Debug, Clone)]
pub(super) struct InputDigest {
    pub(super) size_bytes: u64,
    /// Hexadecimal.
    pub(super) sha256: String,
}

/// Reads the inputs in order on a thread of its own. The task ends with the events; what it says then tells whether these
/// are all.
pub(super) fn start(
    inputs: Arc<Vec<Input>>,
    form: Option<Form>,
    progress: Arc<Progress>,
) -> (mpsc::Receiver<Event>, JoinHandle<()>) {
    let (events, receiver) = mpsc::channel(SLABS_AHEAD);
    let (opened, to_read) = mpsc::channel::<(usize, std::io::Result<Opened>)>(OPENED_AHEAD);
    let handle = tokio::runtime::Handle::current();
    let listed = Arc::clone(&inputs);
    tokio::spawn(async move {
        let gets = stream::iter(0..listed.len()).map(|at| {
            let input = listed[at].clone();
            async move { (at, input.open().await) }
        });
        let mut gets = std::pin::pin!(gets.buffered(OPENED_AHEAD));
        while let Some(get) = gets.next().await {
            if opened.send(get).await.is_err() {
                return;
            }
        }
    });
    let reading = tokio::task::spawn_blocking(move || {
        let mut to_read = to_read;
        let mut buffer = vec![0; READ_BYTES];
        while let Some((at, opened)) = to_read.blocking_recv() {
            let input = OneInput {
                at,
                input: &inputs[at],
                form,
                events: &events,
                progress: &progress,
            };
            let done = match opened {
                Ok(Opened::Skipped(why)) => input.send(Event::Skipped { input: at, why }),
                Ok(Opened::File(file)) => input.read(Source::File(file), &handle, &mut buffer),
                Ok(Opened::Stream(chunks)) => {
                    let chunk = bytes::Bytes::new();
                    input.read(Source::Stream { chunks, chunk }, &handle, &mut buffer)
                }
                Err(error) => input.send(Event::Failed {
                    input: at,
                    error: error.to_string(),
                }),
            };
            if done.is_err() {
                return;
            }
        }
    });
    (receiver, reading)
}

/// Nobody listens any more.
struct Closed;

struct OneInput<'a> {
    at: usize,
    input: &'a Input,
    form: Option<Form>,
    events: &'a mpsc::Sender<Event>,
    progress: &'a Progress,
}

impl OneInput<'_> {
    fn send(&self, event: Event) -> Result<(), Closed> {
        self.events.blocking_send(event).map_err(|_| Closed)
    }

    /// `buffer` is for what is read at a time; what is in it does not matter.
    fn read(
        &self,
        source: Source,
        handle: &tokio::runtime::Handle,
        buffer: &mut [u8],
    ) -> Result<(), Closed> {
        let mut stored = Stored::new(source, handle, self.progress);
        match self.read_stored(&mut stored, buffer) {
            Ok(done) => done,
            Err(error) => self.send(Event::Failed {
                input: self.at,
                error: error.to_string(),
            }),
        }
    }

    fn read_stored(
        &self,
        stored: &mut Stored<'_>,
        buffer: &mut [u8],
    ) -> std::io::Result<Result<(), Closed>> {
        let magic = read_up_to(stored, 4)?;
        let compression = Compression::of(&magic);
        let read = {
            let whole = std::io::Cursor::new(magic).chain(&mut *stored);
            let mut plain: Box<dyn Read + '_> = match compression {
                Some(Compression::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(whole)),
                Some(Compression::Zstd) => Box::new(zstd::stream::read::Decoder::new(whole)?),
                None => Box::new(whole),
            };
            self.read_plain(&mut plain, compression, buffer)?
        };
        let damage = match read {
            ControlFlow::Continue(damage) => damage,
            ControlFlow::Break(done) => return Ok(done),
        };
        let input = self.at;
        if let Some((offset, error)) = damage {
            let damaged = Event::Damaged {
                input,
                offset,
                detail: format!("the compressed stream is damaged: {error}"),
            };
            if self.send(damaged).is_err() {
                return Ok(Err(Closed));
            }
        }
        // What the decompressor left unread is part of the input too.
        std::io::copy(stored, &mut std::io::sink())?;
        Ok(self.send(Event::Ended {
            input,
            digest: stored.digest(),
        }))
    }

    /// Sends what is in the input, unpacked, up to where it is damaged. Breaks off with what is done where the input is
    /// skipped, or nobody listens.
    fn read_plain(
        &self,
        plain: &mut dyn Read,
        compression: Option<Compression>,
        buffer: &mut [u8],
    ) -> std::io::Result<ControlFlow<Result<(), Closed>, Option<Damage>>> {
        let input = self.at;
        let (prefix, mut damage) = prefix_of(plain, compression)?;
        let mut detected = detect(&prefix);
        if let Some(form) = self.form {
            detected = detected.with_form(form);
        } else if let Some(why) = skip(&detected, self.input).filter(|_| damage.is_none()) {
            return Ok(ControlFlow::Break(self.send(Event::Skipped { input, why })));
        }
        let form = detected.form;
        if self.send(Event::Started { input, form }).is_err() {
            return Ok(ControlFlow::Break(Err(Closed)));
        }
        let mut reader = Reader::new(&detected);
        if compression.is_none() {
            reader.expect_bytes(self.input.size_bytes);
        }
        let mut closed = false;
        let mut sink = |slab| closed |= self.send(Event::Slab { input, slab }).is_err();
        reader.push(&prefix, &mut sink);
        let mut at = prefix.len() as u64;
        while at > 0 && damage.is_none() {
            match plain.read(buffer) {
                Ok(0) => break,
                Ok(read) => {
                    reader.push(&buffer[..read], &mut sink);
                    at += read as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if compression.is_some() => damage = Some((at, damage_of(error)?)),
                Err(error) => return Err(error),
            }
        }
        // A stream that ended badly at the very beginning is damaged, not empty.
        if damage.is_none() || at > 0 {
            reader.finish(&mut sink);
        }
        Ok(match closed {
            true => ControlFlow::Break(Err(Closed)),
            false => ControlFlow::Continue(damage),
        })
    }
}

/// How far a compressed stream could be read, and what stands there.
type Damage = (u64, std::io::Error);

/// What an input begins with. What comes before an error is there all the same.
fn prefix_of(
    plain: &mut dyn Read,
    compression: Option<Compression>,
) -> std::io::Result<(Vec<u8>, Option<Damage>)> {
    let mut prefix = Vec::with_capacity(PREFIX_BYTES);
    match plain.take(PREFIX_BYTES as u64).read_to_end(&mut prefix) {
        Err(error) if compression.is_some() => {
            let damage = (prefix.len() as u64, damage_of(error)?);
            Ok((prefix, Some(damage)))
        }
        read => read.map(|_| (prefix, None)),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// Told by the first four bytes. A zstd stream may begin with a frame to be skipped, as those of `pzstd` do
    /// (RFC 8878, section 3.1.2).
    fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The error of a stream that is damaged.
///
/// # Errors
/// For one that is sound, but would take more memory than is given to it.
fn damage_of(error: std::io::Error) -> std::io::Result<std::io::Error> {
    // The decompressor's own words; it has nothing else to tell by.
    const WINDOW_TOO_LARGE: &str = "Frame requires too much memory for decoding";
    match error.to_string() == WINDOW_TOO_LARGE {
        true => Err(std::io::Error::other(
            "its window is larger than 128 MiB, the most that is read: unpack it (`zstd -d --long=31`) and ingest what comes out",
        )),
        false => Ok(error),
    }
}

fn read_up_to(from: &mut (impl Read + ?Sized), len: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    from.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why an input is not read. What was named, and what has a name as data has, is read
/// all the same, so that it ends as rejects rather than in silence.
fn skip(detected: &Detected, input: &Input) -> Option<String> {
    let name = input.name.to_ascii_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    let ends_as = |ends: &[&str]| input.named || ends.iter().any(|end| name.ends_with(end));
    let expected = ends_as(&[".json", ".ndjson", ".jsonl", ".csv"]);
    match detected.form {
        Form::Html | Form::Empty | Form::Unknown if expected => None,
        // Pages and programs have records as examples.
        _ if detected.behind_others && !expected && !ends_as(&[".txt", ".log"]) => Some(
            "records behind something else: ingest it by its own name if they are no examples"
                .to_owned(),
        ),
        Form::Html => Some("a page, not audit records".to_owned()),
        Form::Empty => Some("empty".to_owned()),
        form => form.refusal().map(str::to_owned),
    }
}

/// The object's bytes as they come, hashed and counted.
struct Stored<'a> {
    source: Source,
    handle: tokio::runtime::Handle,
    sha256: Sha256,
    size_bytes: u64,
    progress: &'a Progress,
}

enum Source {
    File(std::fs::File),
    Stream {
        chunks: stream::BoxStream<'static, object_store::Result<bytes::Bytes>>,
        chunk: bytes::Bytes,
    },
}

impl<'a> Stored<'a> {
    fn new(source: Source, handle: &tokio::runtime::Handle, progress: &'a Progress) -> Self {
        Self {
            source,
            handle: handle.clone(),
            sha256: Sha256::new(),
            size_bytes: 0,
            progress,
        }
    }

    fn digest(&self) -> InputDigest {
        let digest = self.sha256.clone().finalize();
        InputDigest {
            size_bytes: self.size_bytes,
            sha256: hex::encode(digest),
        }
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = match &mut self.source {
            Source::File(file) => file.read(out)?,
            Source::Stream { chunks, chunk } => {
                while chunk.is_empty() {
                    match self.handle.block_on(chunks.next()) {
                        Some(next) => *chunk = next?,
                        None => return Ok(0),
                    }
                }
                let len = chunk.len().min(out.len());
                out[..len].copy_from_slice(&chunk.split_to(len));
                len
            }
        };
        self.sha256.update(&out[..read]);
        self.size_bytes += read as u64;
        self.progress.read(read as u64);
        Ok(read)
    }
}
