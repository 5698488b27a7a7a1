//! CSV exports: the records are the JSON texts of the column `AuditData`.
//!
//! `Search-UnifiedAuditLog | Export-Csv` and the Purview portal; a `#TYPE` line, other separators
//! and Windows-1252 cells are read as they come.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::{Content, Form, MAX_RECORD_BYTES, Slab};
use crate::reject::Reason;

/// The column that holds the record.
const AUDIT_DATA: &[u8] = b"AuditData";

/// What the first line of a table tells.
#[derive(Debug)]
pub(super) struct Header {
    separator: u8,
    fields: Vec<Vec<u8>>,
}

impl Header {
    /// The table's form by its columns.
    pub(super) fn form(&self) -> Form {
        let has = |name: &str| {
            self.fields
                .iter()
                .any(|field| field.eq_ignore_ascii_case(name.as_bytes()))
        };
        if !has("AuditData") {
            Form::Csv
        } else if has("RecordId") || !(has("Identity") || has("ResultIndex") || has("RecordType")) {
            Form::PurviewCsv
        } else {
            Form::SearchUnifiedAuditLogCsv
        }
    }

    fn audit_data(&self) -> Option<usize> {
        self.fields
            .iter()
            .position(|field| field.eq_ignore_ascii_case(AUDIT_DATA))
    }
}

/// The header of a table, if the text begins with one. `None`: no table of several columns.
pub(super) fn header(text: &[u8]) -> Option<Header> {
    let line = text
        .split(|&b| b == b'\n')
        .find(|line| !is_type_line(line))?
        .trim_ascii_end();
    [b',', b';', b'\t']
        .into_iter()
        .map(|separator| Header {
            separator,
            fields: split(line, separator),
        })
        .max_by_key(|header| (header.audit_data().is_some(), header.fields.len()))
        .filter(|header| {
            header.audit_data().is_some()
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

/// Windows PowerShell's `Export-Csv` begins with the type of what it exports.
fn is_type_line(line: &[u8]) -> bool {
    line.starts_with(b"#TYPE")
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
    audit_data: usize,
    /// The current row's unquoted fields and where each ends.
    fields: Vec<u8>,
    fields_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    too_large: bool,
}

impl CsvReader {
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Slab)) {
        for step in bytes.chunks(super::SLAB_BYTES) {
            self.slab.window.extend_from_slice(step);
            self.scan(false);
            if self.slab.is_full() {
                sink(self.slab.take(self.start));
                self.at -= self.start;
                self.start = 0;
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
            let line_len = match memchr::memchr(b'\n', rest) {
                Some(n) => n + 1,
                None if last && !rest.is_empty() => rest.len(),
                None => return false,
            };
            let line = &rest[..line_len];
            let skip = is_type_line(line) || line.trim_ascii().is_empty();
            let found = if skip { None } else { header(line) };
            self.at += line_len;
            self.start = self.at;
            if skip {
                continue;
            }
            // Detection saw this line: without the column the reader would not have been chosen,
            // unless the caller insisted; then each row is a reject.
            let separator = found.as_ref().map_or(b',', |h| h.separator);
            self.table = Some(Table {
                core: rows_after_header(separator),
                audit_data: found.and_then(|h| h.audit_data()).unwrap_or(usize::MAX),
                fields: vec![0; 64 << 10],
                fields_len: 0,
                ends: vec![0; 64],
                ends_len: 0,
                too_large: false,
            });
            return true;
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
                if table.fields.len() < MAX_RECORD_BYTES {
                    table.fields.resize(table.fields.len() * 2, 0);
                } else {
                    table.too_large = true;
                    table.fields_len = 0;
                }
                true
            }
            ReadRecordResult::OutputEndsFull => {
                table.ends.resize(table.ends.len() * 2, 0);
                true
            }
            ReadRecordResult::Record => {
                self.end_row();
                true
            }
            ReadRecordResult::End => false,
        }
    }

    /// A row that never ends (an unclosed quote) must not grow the window: its pieces are rejects.
    fn cut_large_row(&mut self) {
        while self.at - self.start > 2 * MAX_RECORD_BYTES
            && let Some(table) = &mut self.table
        {
            table.too_large = true;
            let end = self.start + MAX_RECORD_BYTES;
            self.slab
                .push(self.start..end, Content::Reject(Reason::TooLarge));
            self.start = end;
        }
    }

    fn end_row(&mut self) {
        self.cut_large_row();
        // The parser ends a row with the CR of a line's CRLF, and begins the next with its LF.
        let row = &self.slab.window[self.start..self.at];
        let line_ends = row.iter().take_while(|byte| b"\r\n".contains(byte));
        let source = self.start + line_ends.count()..self.at;
        self.start = self.at;
        self.seen = true;
        let Some(table) = &mut self.table else { return };
        let ends = &table.ends[..table.ends_len];
        let cell = ends.get(table.audit_data).map(|&end| {
            let begin = if table.audit_data == 0 {
                0
            } else {
                ends[table.audit_data - 1]
            };
            &table.fields[begin..end]
        });
        let content = match cell {
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
                Content::Cell(begin..self.slab.cells.len())
            }
        };
        table.fields_len = 0;
        table.ends_len = 0;
        table.too_large = false;
        self.slab.push(source, content);
    }
}
