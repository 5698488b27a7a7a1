//! Source forms: where in an input the records stand.
//!
//! A reader takes the bytes of one input in any chunking and says, in [`Slab`]s, which ranges hold
//! a record and which hold none. It knows nothing of a record's fields, of files or of threads, so
//! the same bytes give the same items however they arrive.

mod csv;
mod detect;
mod form;
mod json;
mod text;

use std::ops::Range;

pub(crate) use detect::is_api_error;
pub use detect::{Detected, detect};
pub use form::Form;
pub(crate) use json::{single_object, single_value};

use crate::reject::Reason;

/// The longest record taken as one, in CSV the longest row; a longer one is kept in pieces, each a reject of
/// [`MAX_PIECE_BYTES`], the last of what is left.
///
/// Far above anything seen (aggregated mailbox, Copilot and investigation records run to
/// megabytes), and what bounds the memory of a reader.
pub const MAX_RECORD_BYTES: usize = 64 << 20;

/// The longest reject of what is too long for a record. Its bytes are held several times on the way to a data file, so
/// it is far below what a record may be.
pub const MAX_PIECE_BYTES: usize = 8 << 20;

/// The deepest nesting of a record. JSON libraries stop at 128 to 512; no published record passes 20.
pub const MAX_DEPTH: usize = 256;

/// How much of an input one slab holds before it is handed on.
const SLAB_BYTES: usize = 4 << 20;

/// How many items one slab holds before it is handed on: an item of two bytes takes some hundred.
const SLAB_ITEMS: usize = 32 << 10;

/// An input is scanned in steps of so many bytes, and only between them slabs are handed on: so neither does a step add
/// many items to a slab, nor does it show in the slabs how the bytes arrived.
const STEP_BYTES: usize = 64 << 10;

/// The longest window while no record is longer.
const WINDOW_BYTES: usize = SLAB_BYTES + STEP_BYTES;

/// A window of an input and the items found in it.
#[derive(Debug, Default)]
pub struct Slab {
    /// The input's bytes, decompressed and as UTF-8.
    window: Vec<u8>,
    /// Position of the window's first byte in the decompressed input.
    base: u64,
    /// Record texts that don't stand in the window as they are (unquoted CSV cells).
    cells: Vec<u8>,
    items: Vec<Item>,
}

/// A range of the window, and what it holds.
#[derive(Debug, Clone)]
struct Item {
    source: Range<usize>,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    /// The source range is a JSON object that nothing was checked of but its brackets.
    Object,
    /// The source range is a JSON string that begins as an object does.
    Quoted,
    /// The record's text is this range of `cells`.
    Cell(Range<usize>),
    /// The same of a column that holds events of other applications too.
    RawEvent(Range<usize>),
    Reject(Reason),
}

/// An item of a slab as the decoder sees it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Position of `source` in the decompressed input, in bytes.
    pub offset: u64,
    /// The item's bytes as they stand in the input.
    pub source: &'a [u8],
    /// The text to decode, or why there is none.
    pub text: Result<Text<'a>, Reason>,
}

/// The text of a would-be record.
#[derive(Debug, Clone, Copy)]
pub enum Text<'a> {
    /// Exactly one bracketed value, not deeper than [`MAX_DEPTH`].
    Object(&'a [u8]),
    /// A JSON string: anything may stand in it.
    Quoted(&'a [u8]),
    /// A cell: anything may stand in it.
    Cell(&'a [u8]),
    /// A cell of Defender's `RawEventData` or of a collector's column: records, and events of other applications.
    RawEvent(&'a [u8]),
}

impl Slab {
    /// The items in the order of the input.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        self.items.iter().map(|item| {
            let source = &self.window[item.source.clone()];
            Entry {
                offset: self.base + item.source.start as u64,
                source,
                text: match &item.content {
                    Content::Object => Ok(Text::Object(source)),
                    Content::Quoted => Ok(Text::Quoted(source)),
                    Content::Cell(range) => Ok(Text::Cell(&self.cells[range.clone()])),
                    Content::RawEvent(range) => Ok(Text::RawEvent(&self.cells[range.clone()])),
                    Content::Reject(reason) => Err(*reason),
                },
            }
        })
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes of the input in the window.
    pub fn len_bytes(&self) -> usize {
        self.window.len()
    }

    /// The part of the input that the items stand in.
    pub(crate) fn window(&self) -> &[u8] {
        &self.window
    }

    /// The bytes at these positions of the decompressed input, as far as the window has them.
    pub(crate) fn range(&self, positions: Range<u64>) -> Option<&[u8]> {
        let begin = usize::try_from(positions.start.checked_sub(self.base)?).ok()?;
        let end = usize::try_from(positions.end.checked_sub(self.base)?).ok()?;
        self.window.get(begin..end)
    }

    pub(crate) fn into_window(self) -> Vec<u8> {
        self.window
    }

    /// The slab where so many bytes stand before the input.
    fn behind(mut self, bytes: u64) -> Self {
        self.base += bytes;
        self
    }

    fn push(&mut self, source: Range<usize>, content: Content) {
        self.items.push(Item { source, content });
    }

    /// Takes what belongs to the step at hand, and gives back what follows it.
    fn extend<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let left = STEP_BYTES - self.in_step();
        let (step, rest) = bytes.split_at(left.min(bytes.len()));
        self.window.extend_from_slice(step);
        rest
    }

    /// Bytes of the input since the last step ended.
    fn in_step(&self) -> usize {
        (self.base as usize).wrapping_add(self.window.len()) % STEP_BYTES
    }

    /// Whether it is time to hand the slab on.
    fn is_full(&self) -> bool {
        (self.window.len() >= SLAB_BYTES && !self.items.is_empty())
            || self.items.len() >= SLAB_ITEMS
    }

    /// Splits off everything before `at`; what follows stays, as the beginning of the next slab.
    fn take(&mut self, at: usize) -> Slab {
        let mut rest = Vec::with_capacity(self.window.capacity().min(WINDOW_BYTES));
        rest.extend_from_slice(&self.window[at..]);
        let mut full = std::mem::take(self);
        full.window.truncate(at);
        self.base = full.base + at as u64;
        self.window = rest;
        full
    }
}

/// Finds the items of one input.
///
/// `push` the bytes in order, `finish` at the end; both hand full slabs to `sink`.
#[derive(Debug)]
pub struct Reader {
    text: text::Transcoder,
    inner: Inner,
    /// Bytes of a byte order mark, which stand before all that `inner` sees.
    bom_bytes: u64,
}

#[derive(Debug)]
enum Inner {
    Json(json::JsonReader),
    Csv(Box<csv::CsvReader>),
    /// The whole input is one reject.
    Refused(Reason, Slab),
}

impl Reader {
    /// A reader for an input whose first bytes were [`detect`]ed.
    pub fn new(detected: &Detected) -> Self {
        let inner = match detected.form {
            Form::SearchUnifiedAuditLogCsv
            | Form::PurviewCsv
            | Form::CloudAppEventsCsv
            | Form::CollectorCsv => Inner::Csv(Box::default()),
            Form::Html => Inner::Refused(Reason::Html, Slab::default()),
            Form::Unknown | Form::Archive | Form::Avro | Form::Parquet | Form::Clixml => {
                Inner::Refused(Reason::InvalidJson, Slab::default())
            }
            Form::Syslog => Inner::Json(json::JsonReader::behind_headers()),
            _ => Inner::Json(json::JsonReader::default()),
        };
        Self {
            text: detected.transcoder(),
            inner,
            bom_bytes: detected.bom_bytes(),
        }
    }

    /// Says how many bytes are to come, if known, so that memory for them is taken at once.
    pub fn expect_bytes(&mut self, bytes: u64) {
        if let Inner::Json(reader) = &mut self.inner {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            reader.reserve(bytes.min(WINDOW_BYTES));
        }
    }

    /// Takes the next bytes of the input.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Slab)) {
        let (inner, bom_bytes) = (&mut self.inner, self.bom_bytes);
        let mut sink = |slab: Slab| sink(slab.behind(bom_bytes));
        self.text
            .push(bytes, &mut |utf8| inner.push(utf8, &mut sink));
    }

    /// Says that the input has ended.
    pub fn finish(mut self, sink: &mut impl FnMut(Slab)) {
        let bom_bytes = self.bom_bytes;
        let sink = &mut |slab: Slab| sink(slab.behind(bom_bytes));
        let inner = &mut self.inner;
        self.text.finish(&mut |utf8| inner.push(utf8, sink));
        match self.inner {
            Inner::Json(reader) => reader.finish(sink),
            Inner::Csv(reader) => reader.finish(sink),
            Inner::Refused(reason, mut slab) => {
                let reason = if slab.base == 0 && slab.window.is_empty() {
                    Reason::Empty
                } else {
                    reason
                };
                if !slab.window.is_empty() || slab.base == 0 {
                    slab.push(0..slab.window.len(), Content::Reject(reason));
                    sink(slab);
                }
            }
        }
    }
}

impl Inner {
    fn push(&mut self, utf8: &[u8], sink: &mut impl FnMut(Slab)) {
        match self {
            Self::Json(reader) => reader.push(utf8, sink),
            Self::Csv(reader) => reader.push(utf8, sink),
            Self::Refused(reason, slab) => {
                // Bounded pieces: a refused input may be of any size. Cut at fixed positions, so
                // that the chunking does not show.
                let mut rest = utf8;
                while slab.window.len() + rest.len() >= SLAB_BYTES {
                    let (head, tail) = rest.split_at(SLAB_BYTES - slab.window.len());
                    slab.window.extend_from_slice(head);
                    slab.push(0..SLAB_BYTES, Content::Reject(*reason));
                    sink(slab.take(SLAB_BYTES));
                    rest = tail;
                }
                slab.window.extend_from_slice(rest);
            }
        }
    }
}
