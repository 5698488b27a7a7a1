//! Lists of records within an object: pages of interfaces, results of searches, and lists of any name that begin with a
//! record.

use super::super::detect::shows_record;
use super::{Scan, Value};

pub(super) enum Head {
    /// A page: its items begin after so many bytes, in the list that so many objects are around.
    Page {
        len: usize,
        depth: usize,
    },
    Record,
    /// The text is too short to tell.
    Unknown,
}

/// The members that are a page's list.
fn is_list(key: &[u8]) -> bool {
    matches!(
        key,
        b"value" | b"records" | b"Records" | b"results" | b"Results" | b"hits"
    )
}

/// The members that may stand before it: annotations, and what searches in Elasticsearch, Splunk and Defender say of
/// themselves. A record begins with none of these.
fn is_before_list(key: &[u8]) -> bool {
    let is_known = matches!(
        key,
        // Elasticsearch, also of the object in which its list is.
        b"took" | b"timed_out" | b"num_reduce_phases" | b"_scroll_id" | b"_shards" | b"_clusters"
            | b"total" | b"max_score"
            // Splunk.
            | b"preview" | b"init_offset" | b"post_process_count" | b"messages" | b"fields"
            // Defender.
            | b"schema" | b"Schema" | b"Stats"
    );
    is_known || key.starts_with(b"@")
}

/// A page begins with annotations (`"@odata.context": "…"`) and counts, then `"value": [`. Elasticsearch's list is in an
/// object of its own: `"hits": {"total": 1, "hits": [`. A list of any name is one if it begins with a record.
pub(super) fn page_head(text: &[u8]) -> Head {
    let mut members = Members { text, at: 1 };
    let mut depth = 1;
    loop {
        let (key, first) = match members.name() {
            Ok(name) => name,
            Err(end) => return end,
        };
        match first {
            b'[' if is_list(key) => return members.page(depth),
            b'{' if key == b"hits" && depth == 1 => {
                (members.at, depth) = (members.at + 1, 2);
                continue;
            }
            _ if is_before_list(key) => {}
            b'[' => match begins_with_record(&text[members.at + 1..]) {
                Some(true) => return members.page(depth),
                Some(false) => {}
                None => return Head::Unknown,
            },
            b'{' => return Head::Record,
            _ if is_of_record(key) => return Head::Record,
            _ => {}
        }
        if let Err(end) = members.skip_value(first) {
            return end;
        }
    }
}

/// What an object that is a record, or an envelope of one, has early on.
fn is_of_record(key: &[u8]) -> bool {
    matches!(
        key,
        b"CreationTime" | b"Id" | b"RecordType" | b"AuditData" | b"auditData"
    )
}

/// Whether a list's first item is a record, or has one as interfaces wrap it; `None` if that is not seen yet.
fn begins_with_record(list: &[u8]) -> Option<bool> {
    let space = list.iter().take_while(|b| b.is_ascii_whitespace()).count();
    if *list.get(space)? != b'{' {
        return Some(false);
    }
    let mut members = Members {
        text: list,
        at: space + 1,
    };
    let (mut has_time, mut has_type) = (false, false);
    let end = loop {
        let (key, first) = match members.name() {
            Ok(name) => name,
            Err(end) => break end,
        };
        has_time |= key == b"CreationTime";
        has_type |= key == b"RecordType";
        if has_time && has_type || matches!(key, b"AuditData" | b"auditData") {
            return Some(true);
        }
        if let Err(end) = members.skip_value(first) {
            break end;
        }
    };
    (!matches!(end, Head::Unknown)).then_some(false)
}

/// The members that a text has of an object that it may be cut off in.
struct Members<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Members<'t> {
    /// The name of the next member and the first byte of its value, where `at` is then; or what the object is, as far as
    /// can be told without one.
    fn name(&mut self) -> Result<(&'t [u8], u8), Head> {
        self.expect(b'"')?;
        let text = self.text;
        let Some(len) = memchr::memchr(b'"', &text[self.at..]) else {
            return Err(Head::Unknown);
        };
        let key = &text[self.at..self.at + len];
        self.at += len + 1;
        self.expect(b':')?;
        let first = self.skip_space().ok_or(Head::Unknown)?;
        Ok((key, first))
    }

    /// Goes on behind the value, and the comma behind it.
    fn skip_value(&mut self, first: u8) -> Result<(), Head> {
        let (text, at) = (self.text, self.at);
        let end = match first {
            b'"' => string_end(text, at + 1),
            b'{' | b'[' => match Value::default().scan(text, at, false) {
                Scan::Closed(end) => Some(end),
                Scan::Broken(_) | Scan::More => None,
            },
            _ => memchr::memchr3(b',', b'}', b'\n', &text[at..]).map(|n| at + n),
        };
        self.at = end.ok_or(Head::Unknown)?;
        self.expect(b',')
    }

    fn expect(&mut self, byte: u8) -> Result<(), Head> {
        match self.skip_space() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(Head::Record),
            None => Err(Head::Unknown),
        }
    }

    fn skip_space(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// A page, whose list the value is; no page if there are records before it, which would be lost.
    fn page(&self, depth: usize) -> Head {
        match shows_record(&self.text[..self.at]) {
            true => Head::Record,
            false => Head::Page {
                len: self.at + 1,
                depth,
            },
        }
    }
}

/// Behind a string of which `at` is within; `None` if it goes on.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        match text[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}
