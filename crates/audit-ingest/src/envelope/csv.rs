//! CSV exports: the records are the JSON texts of the column `AuditData`, or of another that holds events as they came.
//!
//! `Search-UnifiedAuditLog | Export-Csv`, the Purview portal, Defender's `CloudAppEvents`, Splunk and Kibana; a `#TYPE` or
//! `sep=` line, other separators, line ends of CR, LF or both and Windows-1252 cells are read as they come.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::json::BYTE_ORDER_MARK;
use super::{Content, Form, MAX_PIECE_BYTES, MAX_RECORD_BYTES, SLAB_BYTES, Slab};
use crate::reject::Reason;

/// The columns that hold records.
const AUDIT_DATA: &str = "AuditData";
const RAW_EVENT_DATA: &str = "RawEventData";

/// Columns of collectors that may hold records.
const COLLECTED: [&str; 3] = ["_raw", "event.original", "message"];

/// Columns of Sentinel's `OfficeActivity`, which holds no records.
const OFFICE_ACTIVITY: [&str; 2] = ["OfficeId", "OfficeWorkload"];

/// The longest line that is taken for a header; a table has some dozen columns.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Room for a row's fields at first.
const FIELDS_BYTES: usize = 64 << 10;

/// Ends of fields that are noted behind those that are needed, before they are noted anew.
const ENDS: usize = 64;

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
            } else if OFFICE_ACTIVITY.into_iter().any(has) {
                Form::OfficeActivityCsv
            } else if COLLECTED.into_iter().any(has) {
                Form::CollectorCsv
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

    /// The column that holds records.
    fn payload(&self) -> Option<usize> {
        let names = [AUDIT_DATA, RAW_EVENT_DATA].into_iter().chain(COLLECTED);
        names.into_iter().find_map(|name| self.column(name))
    }
}

/// The header of a table, if the text begins with one. `None`: no table of several columns.
pub(super) fn header(text: &[u8]) -> Option<Header> {
    let line = text
        .split(|b| LINE_ENDS.contains(b))
        .find(|line| !is_preamble(line))?
        .trim_ascii_end();
    [b',', b';', b'\t']
        .into_iter()
        .map(|separator| Header {
            separator,
            fields: split(line, separator),
        })
        .max_by_key(|header| (header.payload().is_some(), header.fields.len()))
        .filter(|header| {
            header.payload().is_some()
                || header.fields.len() > 1 && header.fields.iter().all(|f| is_name(f))
        })
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
}

#[derive(Debug)]
struct Table {
    core: Reader,
    header: Option<Header>,
    /// Which field holds the record; `None`: none does, so each row is a reject.
    payload: Option<usize>,
    /// It holds events of other applications too.
    raw_events: bool,
    /// The current row's unquoted fields and where each ends, up to the record's.
    fields: Vec<u8>,
    fields_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    /// The current row is longer than a record may be; of its fields nothing is kept.
    too_large: bool,
}

impl Table {
    fn new(header: Option<Header>) -> Self {
        let payload = header.as_ref().and_then(Header::payload);
        let separator = header.as_ref().map_or(b',', |header| header.separator);
        Self {
            core: rows_after_header(separator),
            payload,
            raw_events: header.as_ref().is_some_and(|header| {
                matches!(header.form(), Form::CloudAppEventsCsv | Form::CollectorCsv)
            }),
            header,
            fields: vec![0; FIELDS_BYTES],
            fields_len: 0,
            ends: vec![0; payload.map_or(0, |at| at + 1) + ENDS],
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

    /// The cell that should hold the record, if the row goes as far.
    fn cell(&self) -> Option<&[u8]> {
        let at = self.payload?;
        let ends = self.ends.get(..self.ends_len)?;
        let begin = match at.checked_sub(1) {
            Some(before) => *ends.get(before)?,
            None => 0,
        };
        self.fields.get(begin..*ends.get(at)?)
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
        if self.table.is_none() && self.start < end {
            self.slab
                .push(self.start..end, Content::Reject(Reason::Truncated));
        } else if !self.seen && self.slab.is_empty() && self.table.is_none() {
            self.slab.push(end..end, Content::Reject(Reason::Empty));
        }
        if !self.slab.is_empty() {
            sink(self.slab);
        }
    }

    fn scan(&mut self, last: bool) {
        if self.table.is_none() && !self.read_header(last) {
            return;
        }
        while self.row(last) {}
    }

    /// Reads the header once its line is whole.
    fn read_header(&mut self, last: bool) -> bool {
        loop {
            let rest = &self.slab.window[self.at..];
            let head = &rest[..rest.len().min(HEADER_BYTES_MAX)];
            let line_len = match memchr::memchr2(b'\r', b'\n', head) {
                Some(n) => n + 1,
                // Too long for a header: there is no table, and what was taken for one is a row.
                None if head.len() == HEADER_BYTES_MAX => {
                    self.table = Some(Table::new(None));
                    return true;
                }
                None if last && !rest.is_empty() => rest.len(),
                None => return false,
            };
            let line = &rest[..line_len];
            self.at += line_len;
            self.start = self.at;
            if !is_preamble(line) {
                // Detection saw this line: without the column the reader would not have been chosen,
                // unless the caller insisted; then each row is a reject.
                self.table = Some(Table::new(header(line)));
                return true;
            }
        }
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
                table.ends_len = table.payload.map_or(0, |at| at + 1);
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
        self.start = self.at;
        self.seen = true;
        let Some(table) = &mut self.table else { return };
        if let Some(header) = table.header_again(&self.slab.window[source.clone()]) {
            *table = Table::new(Some(header));
            return;
        }
        let content = match table.cell() {
            _ if table.too_large => Content::Reject(Reason::TooLarge),
            None => Content::Reject(Reason::Truncated),
            Some(cell) if cell.trim_ascii().is_empty() => Content::Reject(Reason::Empty),
            Some(cell) => {
                let begin = self.slab.cells.len();
                if std::str::from_utf8(cell).is_ok() {
                    self.slab.cells.extend_from_slice(cell);
                } else {
                    let (text, _, _) = encoding_rs::WINDOWS_1252.decode(cell);
                    self.slab.cells.extend_from_slice(text.as_bytes());
                }
                let range = begin..self.slab.cells.len();
                match table.raw_events {
                    true => Content::RawEvent(range),
                    false => Content::Cell(range),
                }
            }
        };
        table.fields_len = 0;
        table.ends_len = 0;
        table.too_large = false;
        self.slab.push(source, content);
    }
}
