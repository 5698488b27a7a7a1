//! Why input is not a record.

use std::fmt;

/// Why a byte range of an input is no record. The code is what `m365_rejects.reason` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The input ends inside a record or inside the array of records.
    Truncated,
    /// The input, or the cell that should hold the record, has no content.
    Empty,
    /// A JSON value, but no object: `null`, a number, a string, a nested array.
    NotAnObject,
    /// A page for people, such as a login or error page, where records were expected.
    Html,
    /// Not JSON.
    InvalidJson,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// An object without a `CreationTime` that can be read.
    NoTime,
    /// Nested more deeply than [`MAX_DEPTH`](crate::envelope::MAX_DEPTH).
    TooDeep,
    /// Longer than [`MAX_RECORD_BYTES`](crate::envelope::MAX_RECORD_BYTES); kept in pieces.
    TooLarge,
    /// An error answer of the API in place of records.
    ApiError,
    /// The compressed stream ends too early, or can't be read from here on.
    Damaged,
    /// Another answer of the API (a listing, a subscription, a notification), no record.
    ApiForm,
    /// A row or document made of a record, which has lost fields of it.
    Flattened,
    /// An event of another kind, where records are among other events.
    OtherEvent,
    /// A line of a table without the cell that should hold the record.
    NoCell,
}

/// Columns of Log Analytics: of its own tables such as Sentinel's `OfficeActivity`, and as scripts fill tables with records.
pub(crate) const LOG_ANALYTICS: [&str; 9] = [
    "TimeGenerated",
    "TimeGenerated [UTC]",
    "OfficeId",
    "OfficeWorkload",
    "OfficeObjectId",
    "SourceRecordId",
    "CreationTime_t",
    "CreationTime_t [UTC]",
    "CreationTime_s",
];

/// What is said of rows of Log Analytics.
pub(crate) const FLATTENED: &str = "a row of a Log Analytics table such as Sentinel's OfficeActivity, which has renamed and lost fields of the record: \
     take the records from the Management Activity API, Search-UnifiedAuditLog or CloudAppEvents instead";

impl Reason {
    /// The code kept in the lake.
    pub fn code(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::NotAnObject => "not_an_object",
            Self::Html => "html",
            Self::InvalidJson => "invalid_json",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NoTime => "no_time",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::Damaged => "damaged",
            Self::ApiError => "api_error",
            Self::ApiForm => "api_form",
            Self::Flattened => "flattened",
            Self::OtherEvent => "other_event",
            Self::NoCell => "no_cell",
        }
    }

    /// What is said of a reject of which no more is known.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Truncated => "the input ends within a record, or within the array of records",
            Self::Empty => "no content",
            Self::NotAnObject => "a JSON value, but no object",
            Self::Html => {
                "a page for people, such as a login or an error page, or XML: export JSON or CSV"
            }
            Self::InvalidJson => {
                "not JSON: damaged, or a text of something else such as a message or a banner"
            }
            Self::InvalidUtf8 => "bytes that are not UTF-8",
            Self::NoTime => "an object without a CreationTime that can be read",
            Self::TooDeep => "nested too deeply for a record",
            Self::TooLarge => "too long for a record, so kept in pieces",
            Self::Damaged => "the compressed stream ends too early, or can't be read from here on",
            Self::ApiError => "an error of the API where records were expected",
            Self::ApiForm => "another answer of the API, no record",
            Self::Flattened => "a row or document that has lost fields of the record",
            Self::OtherEvent => "an event of another kind, no audit record",
            Self::NoCell => {
                "a line without the cell that should hold the record: of something else, such as a message or a title, or cut off"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
