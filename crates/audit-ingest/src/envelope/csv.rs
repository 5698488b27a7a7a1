//! CSV exports: the records are the JSON texts of the column `AuditData`, or of another that holds events as they came;
//! where no column has such a name, of the cells that begin as records do.
//!
//! `Search-UnifiedAuditLog | Export-Csv`, the Purview portal, Defender's `CloudAppEvents`, Splunk and Kibana; a `#TYPE` or
//! `sep=` line, other separators, line ends of CR, LF or both and Windows-1252 cells are read as they come. What else
//! stands before the header is a reject, line by line.

use std::ops::Range;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::detect::shows_record;
use super::json::{BYTE_ORDER_MARK, single_object};
use super::{Content, Form, MAX_PIECE_BYTES, MAX_RECORD_BYTES, SLAB_BYTES, Slab};
use crate::reject::{LOG_ANALYTICS, Reason};

/// The columns that hold records.
const AUDIT_DATA: &str = "AuditData";
const RAW_EVENT_DATA: &str = "RawEventData";

/// Columns of collectors that may hold records.
const COLLECTED: [&str; 3] = ["_raw", "event.original", "message"];

/// What separates fields.
const SEPARATORS: [u8; 4] = *b",;\t|";

/// The longest line that is taken for a header; a table has some dozen columns.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Room for a row's fields at first.
const FIELDS_BYTES: usize = 64 << 10;

/// Ends of fields that are noted behind those that are needed, before they are noted anew; the same where none is known to
/// be needed.
const ENDS: usize = 64;
const ENDS_MAX: usize = 16 << 10;

/// How often bytes are read again on average, at most: what follows quotes that were left open.
const REREADS_MAX: u64 = 4;

/// What the first line of a table tells.
#[derive(Debug)]
pub(super) struct Header {
    separator: u8,
    fields: Vec<Vec<u8>>,
}

impl Header {
    /// The table's form by its columns.
    pub(super) fn form(&self) -> Form {
        let has = |name: &str| self.column(name).is_some();
        if !has(AUDIT_DATA) {
            if has(RAW_EVENT_DATA) {
                Form::CloudAppEventsCsv
            } else if COLLECTED.into_iter().any(has) {
                Form::CollectorCsv
            } else if LOG_ANALYTICS.into_iter().any(has)
                && ["OfficeWorkload", "Operation", "RecordType"]
                    .into_iter()
                    .any(has)
            {
                Form::OfficeActivityCsv
            } else {
                Form::Csv
            }
        } else if has("RecordId") || !(has("Identity") || has("ResultIndex") || has("RecordType")) {
            Form::PurviewCsv
        } else {
            Form::SearchUnifiedAuditLogCsv
        }
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.fields
            .iter()
            .position(|field| field.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Whether a column is there that no table of something else has.
    pub(super) fn is_certain(&self) -> bool {
        let names = [AUDIT_DATA, RAW_EVENT_DATA, "_raw", "event.original"];
        names.into_iter().any(|name| self.column(name).is_some())
    }

    /// The columns that hold records: all of one name, as tables that were joined have it twice.
    fn payload(&self) -> Vec<usize> {
        let names = [AUDIT_DATA, RAW_EVENT_DATA].into_iter().chain(COLLECTED);
        let columns = |name: &str| {
            let is_it = |field: &Vec<u8>| field.eq_ignore_ascii_case(name.as_bytes());
            let fields = self.fields.iter().enumerate();
            fields
                .filter(|(_, field)| is_it(field))
                .map(|(at, _)| at)
                .collect()
        };
        let found = names.map(columns).find(|found: &Vec<_>| !found.is_empty());
        found.unwrap_or_default()
    }
}

/// The header of a table, if the text begins with one. `None`: no table of several columns.
pub(super) fn header(text: &[u8]) -> Option<Header> {
    let line = text
        .split(|b| LINE_ENDS.contains(b))
        .find(|line| !is_preamble(line))?
        .trim_ascii_end();
    SEPARATORS
        .into_iter()
        .map(|separator| Header {
            separator,
            fields: split(line, separator),
        })
        .max_by_key(|header| (!header.payload().is_empty(), header.fields.len()))
        .filter(|header| {
            !header.payload().is_empty()
                || header.fields.len() > 1 && header.fields.iter().all(|f| is_name(f))
        })
}

/// What is before the first cell of a text that is a record in quotes, which are doubled within; `None` if there is none.
pub(super) fn before_record(text: &[u8]) -> Option<&[u8]> {
    let mut begins = memchr::memmem::find_iter(text, br#""{"""#);
    let is_cell = |at: &usize| {
        let before = at.checked_sub(1).map(|before| text[before]);
        before.is_none_or(|before| SEPARATORS.contains(&before) || LINE_ENDS.contains(&before))
    };
    begins
        .find(|at| is_cell(at) && shows_record(&text[*at..]))
        .map(|at| &text[..at])
}

/// The separator of a table by its first row that is seen to hold a record.
fn separator_of(row: &[u8]) -> u8 {
    let before = before_record(row).and_then(|before| before.last().copied());
    before
        .filter(|before| SEPARATORS.contains(before))
        .unwrap_or(b',')
}

/// Whether a text begins with the header of one column.
pub(super) fn is_one_column(text: &[u8]) -> bool {
    header(text).is_some_and(|header| header.fields.len() == 1)
}

/// Whether a field can be a column's name rather than a part of a sentence.
fn is_name(field: &[u8]) -> bool {
    let words = field.split(|b| *b == b' ').count();
    (1..64).contains(&field.len())
        && words <= 3
        && field
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b" _-()[]/:@".contains(b))
}

const LINE_ENDS: &[u8] = b"\r\n";

/// Whether a line before the header is none: Windows PowerShell's `Export-Csv` begins with the type of what it exports,
/// Excel with its separator (`sep=;`), which the header tells as well. The LF of a CRLF is an empty line here.
fn is_preamble(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let is_separator = || {
        let text = line.trim_quotes();
        text.len() <= 5
            && text
                .get(..4)
                .is_some_and(|name| name.eq_ignore_ascii_case(b"sep="))
    };
    line.is_empty() || line.starts_with(b"#TYPE") || is_separator()
}

fn split(line: &[u8], separator: u8) -> Vec<Vec<u8>> {
    line.split(|&b| b == separator)
        .map(|field| field.trim_ascii().trim_quotes().to_vec())
        .collect()
}

trait TrimQuotes {
    fn trim_quotes(&self) -> &[u8];
}

impl TrimQuotes for [u8] {
    fn trim_quotes(&self) -> &[u8] {
        self.strip_prefix(b"\"")
            .and_then(|s| s.strip_suffix(b"\""))
            .unwrap_or(self)
    }
}

/// A reader of rows. It would take a byte order mark off the first bytes that it sees, if they come at once; these follow
/// the header and belong to a row. So it sees an empty line first.
fn rows_after_header(separator: u8) -> Reader {
    let mut reader = ReaderBuilder::new().delimiter(separator).build();
    reader.read_record(b"\n", &mut [], &mut []);
    reader
}

#[derive(Debug, Default)]
pub(super) struct CsvReader {
    slab: Slab,
    /// Parsed up to here.
    at: usize,
    /// Where the current row began.
    start: usize,
    table: Option<Table>,
    seen: bool,
    /// Bytes that were read again.
    reread: u64,
}

#[derive(Debug)]
struct Table {
    core: Reader,
    separator: u8,
    header: Option<Header>,
    /// Which fields hold the record; none: whichever begins as one does.
    payload: Vec<usize>,
    /// Ends of fields that are needed.
    ends_needed: usize,
    /// It holds events of other applications too.
    raw_events: bool,
    /// The current row's unquoted fields and where each ends, up to the record's.
    fields: Vec<u8>,
    fields_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    /// The line on which the current row began.
    line: u64,
    /// The current row is longer than a record may be; of its fields nothing is kept.
    too_large: bool,
}

impl Table {
    fn new(header: Header) -> Self {
        let raw_events = matches!(header.form(), Form::CloudAppEventsCsv | Form::CollectorCsv);
        let payload = header.payload();
        Self::of(header.separator, payload, raw_events, Some(header))
    }

    /// A table whose columns have no names that tell which holds the records.
    fn without_header(separator: u8) -> Self {
        Self::of(separator, Vec::new(), true, None)
    }

    fn of(separator: u8, payload: Vec<usize>, raw_events: bool, header: Option<Header>) -> Self {
        let ends_needed = payload.last().map_or(0, |at| at + 1);
        let core = rows_after_header(separator);
        Self {
            line: core.line(),
            core,
            separator,
            payload,
            ends_needed,
            raw_events,
            header,
            fields: vec![0; FIELDS_BYTES],
            fields_len: 0,
            ends: vec![0; ends_needed + ENDS],
            ends_len: 0,
            too_large: false,
        }
    }

    /// The header of a table that was appended to this one: its own again, or one with a column of records.
    fn header_again(&self, row: &[u8]) -> Option<Header> {
        let line = row.trim_ascii_start();
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        // Rows have records, which begin so.
        if self.too_large || line.len() > HEADER_BYTES_MAX || line.contains(&b'{') {
            return None;
        }
        header(line).filter(|header| {
            let is_own = (self.header.as_ref()).is_some_and(|own| own.fields == header.fields);
            let has = |name| header.column(name).is_some();
            is_own || has(AUDIT_DATA) || has(RAW_EVENT_DATA)
        })
    }

    fn set_too_large(&mut self) {
        if !self.too_large {
            self.too_large = true;
            self.fields = vec![0; FIELDS_BYTES];
        }
        self.fields_len = 0;
    }

    fn end_row(&mut self) {
        (self.fields_len, self.ends_len) = (0, 0);
        self.line = self.core.line();
        self.too_large = false;
    }

    /// The field at this place, if the row goes as far.
    fn field(&self, at: usize) -> Option<&[u8]> {
        let ends = self.ends.get(..self.ends_len)?;
        let begin = match at.checked_sub(1) {
            Some(before) => *ends.get(before)?,
            None => 0,
        };
        self.fields.get(begin..*ends.get(at)?)
    }

    /// The cells that should hold a record, as far as the row goes.
    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let unnamed = match self.payload.is_empty() {
            true => 0..self.ends_len,
            false => 0..0,
        };
        let unnamed = unnamed.filter_map(|at| self.field(at));
        let unnamed = unnamed.filter(|cell| cell.starts_with(b"{") && shows_record(cell));
        let named = self.payload.iter().filter_map(|at| self.field(*at));
        named.chain(unnamed)
    }

    /// Whether the row, although it shows a record, gives none, and goes over several lines: then a quote was left open, as
    /// where the text was cut off, and rows stand behind its first line.
    fn is_left_open(&self, row: &[u8]) -> bool {
        self.core.line() > self.line + 1
            && !self.too_large
            && shows_record(row)
            && !self
                .cells()
                .any(|cell| single_object(cell.trim_ascii()).is_ok())
    }
}

impl CsvReader {
    pub(super) fn push(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(Slab)) {
        while !bytes.is_empty() {
            bytes = self.slab.extend(bytes);
            self.scan(false);
            if self.slab.in_step() != 0 {
                continue;
            }
            let blank = self.slab.is_empty() && self.start >= SLAB_BYTES;
            if self.slab.is_full() || blank {
                let slab = self.slab.take(self.start);
                self.at -= self.start;
                self.start = 0;
                if !blank {
                    sink(slab);
                }
            }
        }
    }

    pub(super) fn finish(mut self, sink: &mut impl FnMut(Slab)) {
        self.scan(true);
        let end = self.slab.window.len();
        if !self.seen && self.table.is_none() {
            self.slab.push(end..end, Content::Reject(Reason::Empty));
        }
        if !self.slab.is_empty() {
            sink(self.slab);
        }
    }

    fn scan(&mut self, last: bool) {
        while self.table.is_none() {
            if !self.line_before(last) {
                return;
            }
        }
        while self.row(last) {}
    }

    /// Reads a line before the rows, once it is whole: the header, what is before it, or a row of a table without one.
    /// `false`: the window is used up.
    fn line_before(&mut self, last: bool) -> bool {
        let rest = &self.slab.window[self.at..];
        let head = &rest[..rest.len().min(HEADER_BYTES_MAX)];
        let line_len = match memchr::memchr2(b'\r', b'\n', head) {
            Some(n) => n + 1,
            // Too long for a header: a row.
            None if head.len() == HEADER_BYTES_MAX => {
                self.table = Some(Table::without_header(separator_of(head)));
                return true;
            }
            None if last && !rest.is_empty() => rest.len(),
            None => return false,
        };
        let line = &rest[..line_len];
        let found = header(line).filter(|header| !header.payload().is_empty());
        if found.is_none() && shows_record(line) {
            self.table = Some(Table::without_header(separator_of(line)));
            return true;
        }
        let source = self.at..self.at + line_len;
        let is_plain = found.is_none() && !is_preamble(line);
        if is_plain && header(line).is_some() {
            // The header of a table whose columns have other names, if a row follows.
            match row_follows(&rest[line_len..], last) {
                Some(true) => {
                    self.at = source.end;
                    self.start = self.at;
                    return true;
                }
                Some(false) => {}
                None => return false,
            }
        }
        if is_plain {
            self.seen = true;
            self.slab
                .push(source.clone(), Content::Reject(Reason::NoCell));
        }
        self.at = source.end;
        self.start = self.at;
        self.table = found.map(Table::new);
        true
    }

    /// Reads on in the current row. `false`: the window is used up.
    fn row(&mut self, last: bool) -> bool {
        let Some(table) = &mut self.table else {
            return false;
        };
        let input = &self.slab.window[self.at..];
        if input.is_empty() && !last {
            return false;
        }
        let (result, read, written, ended) = table.core.read_record(
            input,
            &mut table.fields[table.fields_len..],
            &mut table.ends[table.ends_len..],
        );
        self.at += read;
        table.fields_len += written;
        table.ends_len += ended;
        match result {
            ReadRecordResult::InputEmpty => {
                // At the end the parser wants an empty input once more to close the row.
                let again = last && !input.is_empty();
                self.cut_large_row();
                again
            }
            ReadRecordResult::OutputFull => {
                if !table.too_large && table.fields.len() < MAX_RECORD_BYTES {
                    table.fields.resize(table.fields.len() * 2, 0);
                } else {
                    // Fields are no longer than the row that they come from.
                    table.set_too_large();
                }
                true
            }
            ReadRecordResult::OutputEndsFull => {
                if table.payload.is_empty() && table.ends.len() < ENDS_MAX {
                    table.ends.resize(table.ends.len() * 2, 0);
                } else {
                    table.ends_len = table.ends_needed;
                }
                true
            }
            ReadRecordResult::Record => {
                self.end_row();
                true
            }
            ReadRecordResult::End => false,
        }
    }

    /// A row that never ends (an unclosed quote) must not grow the window: its pieces are rejects, cut at the same
    /// places whatever the chunking.
    fn cut_large_row(&mut self) {
        // The parser ends a row with the CR of a line's CRLF, and begins the next with its LF.
        let row = &self.slab.window[self.start..self.at];
        if self.table.as_ref().is_some_and(|table| !table.too_large) {
            self.start += row.iter().take_while(|b| LINE_ENDS.contains(b)).count();
        }
        let Some(table) = &mut self.table else { return };
        if self.at - self.start > MAX_RECORD_BYTES {
            table.set_too_large();
        }
        while table.too_large && self.at - self.start > MAX_PIECE_BYTES {
            let end = self.start + MAX_PIECE_BYTES;
            self.slab
                .push(self.start..end, Content::Reject(Reason::TooLarge));
            self.start = end;
        }
    }

    fn end_row(&mut self) {
        self.cut_large_row();
        let source = self.start..self.at;
        self.seen = true;
        let Some(table) = &mut self.table else { return };
        let row = &self.slab.window[source.clone()];
        if let Some(header) = table.header_again(row) {
            *table = Table::new(header);
            self.start = self.at;
            return;
        }
        let reread = self.reread + row.len() as u64;
        if table.is_left_open(row)
            && reread <= REREADS_MAX * (self.slab.base + self.at as u64)
            && let Some(line_len) = row.iter().position(|b| LINE_ENDS.contains(b))
        {
            self.reread = reread;
            self.at = source.start + line_len + 1;
            self.start = self.at;
            self.slab
                .push(source.start..self.at, Content::Reject(Reason::NoCell));
            table.core = rows_after_header(table.separator);
            table.end_row();
            return;
        }
        self.start = self.at;
        if table.too_large {
            self.slab.push(source, Content::Reject(Reason::TooLarge));
        } else {
            push_cells(&mut self.slab, table, source);
        }
        table.end_row();
    }
}

/// Whether the next line shows a record; `None`: it is not all there yet.
fn row_follows(text: &[u8], last: bool) -> Option<bool> {
    let text = text.trim_ascii_start();
    let head = &text[..text.len().min(HEADER_BYTES_MAX)];
    match memchr::memchr2(b'\r', b'\n', head) {
        Some(line_len) => Some(shows_record(&head[..line_len])),
        None if last || head.len() == HEADER_BYTES_MAX => Some(shows_record(head)),
        None => None,
    }
}

/// Adds the records of a row; without one it is a reject.
fn push_cells(slab: &mut Slab, table: &Table, source: Range<usize>) {
    let mut why_none = Some(Reason::NoCell);
    for cell in table.cells() {
        if cell.trim_ascii().is_empty() {
            why_none = why_none.map(|_| Reason::Empty);
            continue;
        }
        why_none = None;
        let begin = slab.cells.len();
        if std::str::from_utf8(cell).is_ok() {
            slab.cells.extend_from_slice(cell);
        } else {
            let (text, _, _) = encoding_rs::WINDOWS_1252.decode(cell);
            slab.cells.extend_from_slice(text.as_bytes());
        }
        let range = begin..slab.cells.len();
        let content = match table.raw_events {
            true => Content::RawEvent(range),
            false => Content::Cell(range),
        };
        slab.push(source.clone(), content);
    }
    if let Some(reason) = why_none {
        slab.push(source, Content::Reject(reason));
    }
}
