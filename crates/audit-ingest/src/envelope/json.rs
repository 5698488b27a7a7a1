//! JSON in all its wrappings: an array of records, records one after the other, several arrays in
//! one file, pages `{"value": [ … ]}` and arrays of them, messages of an Event Hub `{"records": [ … ]}`, results of a search
//! in Splunk or Elasticsearch.
//!
//! Only brackets and strings are looked at; whether what stands between them is a record, the
//! decoder says. The state survives any cut of the input.

mod page;

use self::page::{Head, page_head};
use super::detect::shows_record;
use super::{Content, MAX_DEPTH, MAX_PIECE_BYTES, MAX_RECORD_BYTES, Slab};
use crate::bytes::{self, BLOCK};
use crate::reject::Reason;

/// How far a page's first members are looked at for its list: Splunk's name all fields before it.
const PAGE_HEAD_BYTES: usize = 256 << 10;

/// Arrays in an array of which the items are looked for: files that were read into one array.
const INNER_ARRAYS_MAX: usize = 4;

/// In UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The longest header of a line of syslog.
pub(super) const LINE_HEADER_BYTES_MAX: usize = 1 << 10;

#[derive(Debug, Default)]
pub(super) struct JsonReader {
    slab: Slab,
    /// Scanned up to here.
    at: usize,
    place: Place,
    /// Where the current item began.
    start: usize,
    value: Value,
    /// Whether anything but white space was seen.
    seen: bool,
    /// Open wrappers around the items.
    wrapped: Wrapper,
    /// Arrays that are open within the outermost one.
    inner_arrays: usize,
    /// Whether the objects of the array that is open are pages, as its first one tells.
    array_of_pages: Option<bool>,
    /// Lines of syslog: a line's object stands behind a header, which is none of it.
    behind_headers: bool,
    /// In how many objects a page's list stands.
    page_depth: usize,
    /// Position in the input up to which a line was searched for a record.
    searched: u64,
}

/// Where the scanner stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before an item or the end of its wrapper.
    #[default]
    Between,
    /// Behind a `{` that may open a page or a record: not enough seen yet.
    Head,
    /// Behind the list of a page, which another one may follow.
    Tail,
    /// In an object.
    Object,
    /// In something that is no object, up to the next comma, bracket or line.
    Garbage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Wrapper {
    #[default]
    None,
    Array,
    /// In the list of a page.
    Page,
    /// Behind it, in the page's own object: members follow that are no records.
    PageTail,
}

/// State within a value.
#[derive(Debug, Default)]
struct Value {
    /// Open brackets, innermost last; `true` for an object. Not grown past `MAX_DEPTH`.
    open: Vec<bool>,
    /// Brackets open beyond those.
    deeper: usize,
    in_string: bool,
    escaped: bool,
    too_deep: bool,
    /// Pieces of it were already handed on as too large.
    too_large: bool,
    /// It ends with its line.
    one_line: bool,
    /// The last byte outside strings that is no white space, and whether a line ended since.
    last: u8,
    line_ended: bool,
}

/// Whether a text is exactly one object that is nested no deeper than a record may be.
pub(crate) fn single_object(text: &[u8]) -> Result<(), Reason> {
    match text.first() {
        Some(b'[') => Err(Reason::InvalidJson),
        _ => single_value(text),
    }
}

/// The same of an object or an array.
pub(crate) fn single_value(text: &[u8]) -> Result<(), Reason> {
    match text.first() {
        None => return Err(Reason::Empty),
        Some(b'{' | b'[') => {}
        Some(_) => return Err(Reason::InvalidJson),
    }
    let mut value = Value::default();
    match value.scan(text, 0, false) {
        _ if value.too_deep => Err(Reason::TooDeep),
        Scan::Closed(end) if end == text.len() => Ok(()),
        Scan::More => Err(Reason::Truncated),
        Scan::Closed(_) | Scan::Broken(_) => Err(Reason::InvalidJson),
    }
}

/// The value that the text begins with, all of the text if it is cut off in it; `None`: it is nested deeper than a record
/// may be.
pub(super) fn first_value(text: &str) -> Option<&str> {
    let mut value = Value::default();
    let end = match value.scan(text.as_bytes(), 0, false) {
        Scan::Closed(end) | Scan::Broken(end) => end,
        Scan::More => text.len(),
    };
    (!value.too_deep).then(|| text.get(..end)).flatten()
}

/// How the scan of a value ended.
enum Scan {
    /// At this position, exclusive.
    Closed(usize),
    /// The value can't go on here: another record begins, or a string holds a line end.
    Broken(usize),
    /// The window ended first.
    More,
}

impl JsonReader {
    pub(super) fn behind_headers() -> Self {
        Self {
            behind_headers: true,
            ..Self::default()
        }
    }

    pub(super) fn reserve(&mut self, bytes: usize) {
        self.slab.window.reserve_exact(bytes);
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(Slab)) {
        while !bytes.is_empty() {
            bytes = self.slab.extend(bytes);
            self.scan(false);
            if self.slab.in_step() == 0 {
                self.hand_on(sink);
            }
        }
    }

    pub(super) fn finish(mut self, sink: &mut impl FnMut(Slab)) {
        self.scan(true);
        if self.place == Place::Garbage && self.wrapped == Wrapper::None && self.end_line() {
            self.scan(true);
        }
        let end = self.slab.window.len();
        match self.place {
            Place::Between if !self.seen => {
                self.slab.push(end..end, Content::Reject(Reason::Empty))
            }
            Place::Between if self.wrapped != Wrapper::None => {
                self.slab.push(end..end, Content::Reject(Reason::Truncated));
            }
            Place::Between => {}
            Place::Garbage => self.end_garbage(end),
            Place::Head | Place::Tail | Place::Object => {
                self.cut_large(end);
                let reason = if self.value.too_large {
                    Reason::TooLarge
                } else {
                    Reason::Truncated
                };
                self.slab.push(self.start..end, Content::Reject(reason));
            }
        }
        if !self.slab.is_empty() {
            self.slab.window.shrink_to_fit();
            sink(self.slab);
        }
    }

    fn hand_on(&mut self, sink: &mut impl FnMut(Slab)) {
        // An object that never ends must not grow the window: its pieces are rejects.
        if matches!(self.place, Place::Object | Place::Garbage) {
            self.cut_large(self.at);
        }
        let keep_from = if self.place == Place::Between {
            self.at
        } else {
            self.start
        };
        if self.slab.is_full() {
            sink(self.slab.take(keep_from));
            self.at -= keep_from;
            self.start = self.start.saturating_sub(keep_from);
        } else if self.slab.is_empty() && self.place == Place::Between && self.at > 0 {
            // Nothing but white space so far.
            drop(self.slab.take(self.at));
            self.at = 0;
        }
    }

    /// Cuts what is longer than a record may be into rejects, at the same places whatever the
    /// chunking.
    fn cut_large(&mut self, end: usize) {
        self.value.too_large |= end - self.start > MAX_RECORD_BYTES;
        while self.value.too_large && end - self.start > MAX_PIECE_BYTES {
            let cut = self.start + MAX_PIECE_BYTES;
            self.slab
                .push(self.start..cut, Content::Reject(Reason::TooLarge));
            self.start = cut;
        }
    }

    fn scan(&mut self, last: bool) {
        loop {
            let more = match self.place {
                Place::Between => self.between(last),
                Place::Head => self.head(last),
                Place::Tail => self.tail(last),
                Place::Object => self.object(),
                Place::Garbage => self.garbage(),
            };
            if !more {
                return;
            }
        }
    }

    /// Skips to the next item. `false`: the window is used up.
    fn between(&mut self, last: bool) -> bool {
        let window = &self.slab.window;
        while let Some(&byte) = window.get(self.at) {
            if byte.is_ascii_whitespace() {
                self.at += 1;
                continue;
            }
            // Files that were appended to each other have their marks between them.
            if byte == BYTE_ORDER_MARK[0] {
                let rest = &window[self.at..];
                if rest.starts_with(BYTE_ORDER_MARK) {
                    self.at += BYTE_ORDER_MARK.len();
                    continue;
                }
                if BYTE_ORDER_MARK.starts_with(rest) && !last {
                    return false;
                }
            }
            self.seen = true;
            self.start = self.at;
            self.value = Value::default();
            match (byte, self.wrapped) {
                (b'{', Wrapper::None) => {
                    self.place = Place::Head;
                    return true;
                }
                (b'{', Wrapper::Array) if self.array_of_pages != Some(false) => {
                    self.place = Place::Head;
                    return true;
                }
                (b'{', _) => {
                    self.place = Place::Object;
                    return true;
                }
                (b'[', Wrapper::None) if !self.behind_headers => self.wrapped = Wrapper::Array,
                (b'[', Wrapper::Array) if self.inner_arrays < INNER_ARRAYS_MAX => {
                    self.inner_arrays += 1;
                }
                (b']', Wrapper::Array) => match self.inner_arrays.checked_sub(1) {
                    Some(open) => self.inner_arrays = open,
                    None => (self.wrapped, self.array_of_pages) = (Wrapper::None, None),
                },
                (b']', Wrapper::Page) => {
                    self.wrapped = Wrapper::PageTail;
                    self.place = Place::Tail;
                    self.at += 1;
                    self.start = self.at;
                    return true;
                }
                (b',', Wrapper::Array | Wrapper::Page | Wrapper::None) => {}
                _ => {
                    self.place = Place::Garbage;
                    return true;
                }
            }
            self.at += 1;
        }
        false
    }

    /// Tells a page from a record by its first members.
    fn head(&mut self, last: bool) -> bool {
        let text = &self.slab.window[self.start..];
        let head = page_head(&text[..text.len().min(PAGE_HEAD_BYTES)]);
        if matches!(head, Head::Unknown) && !last && text.len() < PAGE_HEAD_BYTES {
            return false;
        }
        if self.wrapped == Wrapper::Array {
            let is_page = matches!(head, Head::Page { .. });
            self.array_of_pages.get_or_insert(is_page);
        }
        match head {
            Head::Page { len, depth } => {
                self.at = self.start + len;
                self.page_depth = depth;
                self.wrapped = Wrapper::Page;
                self.place = Place::Between;
            }
            Head::Unknown | Head::Record => self.place = Place::Object,
        }
        true
    }

    /// What is around a page.
    fn around_page(&self) -> Wrapper {
        match self.array_of_pages {
            Some(true) => Wrapper::Array,
            _ => Wrapper::None,
        }
    }

    /// Tells whether the page has another list. What else is behind the first is scanned as the rest of its object.
    fn tail(&mut self, last: bool) -> bool {
        let text = &self.slab.window[self.start..];
        let text = &text[..text.len().min(PAGE_HEAD_BYTES)];
        let space = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let head = match text.get(space) {
            Some(b',') => page_head(&text[space..]),
            Some(_) => Head::Record,
            None => Head::Unknown,
        };
        match head {
            Head::Page { len, depth: 1 } if self.page_depth == 1 => {
                self.at = self.start + space + len;
                self.wrapped = Wrapper::Page;
                self.place = Place::Between;
            }
            Head::Unknown if !last && text.len() < PAGE_HEAD_BYTES => return false,
            _ => {
                self.value.open.resize(self.page_depth, true);
                self.place = Place::Object;
            }
        }
        true
    }

    fn object(&mut self) -> bool {
        match self
            .value
            .scan(&self.slab.window, self.at, self.wrapped == Wrapper::None)
        {
            Scan::More => {
                self.at = self.slab.window.len();
                false
            }
            Scan::Closed(end) => {
                self.cut_large(end);
                let content = if self.value.too_large {
                    Content::Reject(Reason::TooLarge)
                } else if self.value.too_deep {
                    Content::Reject(Reason::TooDeep)
                } else {
                    Content::Object
                };
                if self.wrapped == Wrapper::PageTail {
                    self.wrapped = self.around_page();
                    // Records that stand otherwise are not lost.
                    let tail = &self.slab.window[self.start..end];
                    if shows_record(tail) {
                        let reason = Content::Reject(Reason::NotAnObject);
                        self.slab.push(self.start..end, reason);
                    }
                } else {
                    self.slab.push(self.start..end, content);
                }
                self.at = end;
                self.place = Place::Between;
                true
            }
            Scan::Broken(end) => {
                self.cut_large(end);
                let reason = if self.value.too_large {
                    Reason::TooLarge
                } else {
                    Reason::Truncated
                };
                self.slab.push(self.start..end, Content::Reject(reason));
                self.at = end;
                self.place = Place::Between;
                true
            }
        }
    }

    fn garbage(&mut self) -> bool {
        let lines = self.wrapped == Wrapper::None;
        let window = &self.slab.window;
        while let Some(&byte) = window.get(self.at) {
            let value = &mut self.value;
            if value.in_string {
                match byte {
                    _ if value.escaped => value.escaped = false,
                    b'\\' => value.escaped = true,
                    b'"' => value.in_string = false,
                    b'\n' if lines => value.in_string = false,
                    _ => {}
                }
                if !(byte == b'\n' && lines) {
                    self.at += 1;
                    continue;
                }
            }
            let depth = value.open.len() + value.deeper;
            match byte {
                b'\n' if lines => return self.end_line(),
                b',' if depth == 0 && !lines => return self.end_garbage_here(),
                b']' | b'}' if depth == 0 && !lines && self.at > self.start => {
                    return self.end_garbage_here();
                }
                b'"' => value.in_string = true,
                b'{' if self.behind_headers
                    && lines
                    && depth == 0
                    && self.at - self.start < LINE_HEADER_BYTES_MAX =>
                {
                    self.start = self.at;
                    self.value = Value {
                        one_line: true,
                        ..Value::default()
                    };
                    self.place = Place::Object;
                    return true;
                }
                b'[' | b'{' => value.opened(byte == b'{'),
                b']' | b'}' => value.closed(),
                _ => {}
            }
            self.at += 1;
        }
        false
    }

    /// Ends a line that does not begin as a record does. There may be one behind what it begins with, for which it is
    /// searched once.
    fn end_line(&mut self) -> bool {
        let line = &self.slab.window[self.start..self.at];
        let is_new = self.slab.base + self.start as u64 >= self.searched;
        self.searched = self.slab.base + self.at as u64;
        let begin = match is_new && !self.value.too_large {
            true => record_behind(line),
            false => None,
        };
        let Some(begin) = begin else {
            return self.end_garbage_here();
        };
        self.at = self.start + begin;
        self.end_garbage(self.at);
        self.start = self.at;
        self.value = Value {
            one_line: true,
            ..Value::default()
        };
        self.place = Place::Object;
        true
    }

    fn end_garbage_here(&mut self) -> bool {
        self.end_garbage(self.at);
        self.place = Place::Between;
        true
    }

    fn end_garbage(&mut self, end: usize) {
        self.cut_large(end);
        let text = self.slab.window[self.start..end].trim_ascii_end();
        let end = self.start + text.len();
        let content = if self.value.too_large {
            Content::Reject(Reason::TooLarge)
        } else if self.value.too_deep {
            Content::Reject(Reason::TooDeep)
        } else if !is_json(text) {
            Content::Reject(Reason::InvalidJson)
        } else if text.starts_with(b"\"{") {
            Content::Quoted
        } else {
            Content::Reject(Reason::NotAnObject)
        };
        self.slab.push(self.start..end, content);
    }
}

/// Where in a line the first whole object begins that shows to be a record.
fn record_behind(line: &[u8]) -> Option<usize> {
    /// Braces that are looked at, each as far as its object goes.
    const BRACES_MAX: usize = 8;
    if !shows_record(line) {
        return None;
    }
    let braces = memchr::memchr_iter(b'{', line).take(BRACES_MAX);
    braces.into_iter().find(|&at| {
        let is_object = line[at + 1..].trim_ascii_start().starts_with(b"\"");
        is_object
            && match Value::default().scan(line, at, true) {
                Scan::Closed(end) => shows_record(&line[at..end]),
                Scan::Broken(_) | Scan::More => false,
            }
    })
}

/// Whether it is one JSON value. Sonic takes the bytes of a lazy value for UTF-8 before it looks.
fn is_json(text: &[u8]) -> bool {
    let value = std::str::from_utf8(text).map(sonic_rs::from_str::<sonic_rs::LazyValue<'_>>);
    value.is_ok_and(|value| value.is_ok())
}

impl Value {
    fn opened(&mut self, object: bool) {
        if self.open.len() < MAX_DEPTH {
            self.open.push(object);
        } else {
            self.deeper += 1;
            self.too_deep = true;
        }
    }

    fn closed(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.open.pop();
        }
    }

    /// Goes on from `at` to the bracket that closes the value.
    ///
    /// `lines`: records stand on lines of their own, so that one which was cut off doesn't swallow
    /// those after it.
    fn scan(&mut self, window: &[u8], mut at: usize, lines: bool) -> Scan {
        // Up to here bytes are looked at one by one.
        let mut each_until = at;
        loop {
            if at >= each_until {
                match self.scan_block(window, at, lines) {
                    Some(Some(end)) => return Scan::Closed(end),
                    Some(None) => {
                        at += BLOCK;
                        continue;
                    }
                    None => each_until = at + BLOCK,
                }
            }
            if self.in_string {
                let Some(&byte) = window.get(at) else {
                    return Scan::More;
                };
                at += 1;
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'"' => self.in_string = false,
                    b'\\' => self.escaped = true,
                    // A line end in a string is no JSON: the line was cut off.
                    b'\n' if lines => return Scan::Broken(at - 1),
                    _ => {}
                }
                continue;
            }
            let Some(&byte) = window.get(at) else {
                return Scan::More;
            };
            at += 1;
            match byte {
                b'"' => {
                    self.in_string = true;
                    self.last = byte;
                }
                b'{' | b'[' => {
                    if byte == b'{' && lines && self.line_ended && self.record_begins() {
                        return Scan::Broken(at - 1);
                    }
                    self.opened(byte == b'{');
                    self.last = byte;
                    self.line_ended = false;
                }
                b'}' | b']' => {
                    self.closed();
                    if self.open.is_empty() {
                        return Scan::Closed(at);
                    }
                    self.last = byte;
                }
                b'\n' if self.one_line => return Scan::Broken(at - 1),
                b'\n' => self.line_ended = true,
                b' ' | b'\t' | b'\r' => {}
                _ => {
                    self.last = byte;
                    if byte == b',' || byte == b':' {
                        self.line_ended = false;
                    }
                }
            }
        }
    }

    /// Goes on over a block of bytes, all of it or up to the bracket that closes the value, whose end it gives; `None`
    /// where the window ends first, and for what is rare: line ends where lines count, and backslashes beside strings.
    fn scan_block(&mut self, window: &[u8], at: usize, lines: bool) -> Option<Option<usize>> {
        let block = window.get(at..)?.first_chunk::<BLOCK>()?;
        if lines && (self.line_ended || bytes::equal(block, b'\n') != 0) {
            return None;
        }
        let mut escapes = u64::from(self.escaped);
        let backslashes = bytes::equal(block, b'\\');
        let escaped = bytes::escaped(backslashes, &mut escapes);
        let quotes = bytes::equal(block, b'"') & !escaped;
        let within = bytes::within_quotes(quotes, self.in_string);
        if backslashes & !within != 0 {
            return None;
        }
        let (opening, closing) = bytes::brackets(block);
        let mut brackets = (opening | closing) & !within;
        while brackets != 0 {
            let bit = brackets.trailing_zeros() as usize;
            brackets &= brackets - 1;
            if opening >> bit & 1 != 0 {
                self.opened(block[bit] == b'{');
                continue;
            }
            self.closed();
            if self.open.is_empty() {
                (self.in_string, self.escaped) = (false, false);
                return Some(Some(at + bit + 1));
            }
        }
        self.in_string = within >> (BLOCK - 1) != 0;
        self.escaped = escapes != 0;
        if lines {
            let white = [b' ', b'\t', b'\r'].map(|byte| bytes::equal(block, byte));
            let beside = !(within | quotes | white[0] | white[1] | white[2]);
            let said = beside | (quotes & within);
            if said != 0 {
                self.last = block[BLOCK - 1 - said.leading_zeros() as usize];
            }
        }
        Some(None)
    }

    /// Whether a `{` on a new line can't belong to the open value.
    fn record_begins(&self) -> bool {
        match self.last {
            b':' | b'[' => false,
            b',' => self.open.last() == Some(&true),
            _ => true,
        }
    }
}
