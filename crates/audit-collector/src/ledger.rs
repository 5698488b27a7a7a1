//! The ledger's rows as the collector writes and reads them: the only thing that it goes on from after a restart.
//!
//! A row says which state a content blob or a window of the feed reached, and when, by the server's clock. Rows are
//! added and never changed; what counts is the furthest state.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use audit_lake::{DAY_MICROS, TenantId};
use audit_schema::{ContentType, content_state};
use sha2::{Digest, Sha256};

use crate::timeline::Settled;

/// How far back from its newest row the ledger is read. Blobs can be fetched for some 20 days (Microsoft says 7), so
/// whatever is older is settled or was never listed.
pub(crate) const READ_BACK_MICROS: i64 = 35 * DAY_MICROS;

/// What a content blob came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobState {
    Listed,
    Stored,
    Expired,
    Lost,
}

impl BlobState {
    const ALL: [Self; 4] = [Self::Listed, Self::Stored, Self::Expired, Self::Lost];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => content_state::LISTED,
            Self::Stored => content_state::STORED,
            Self::Expired => content_state::EXPIRED,
            Self::Lost => content_state::LOST,
        }
    }
}

/// A content blob of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlobKey {
    pub(crate) content_type: ContentType,
    pub(crate) content_id: Arc<str>,
    pub(crate) uri: String,
    pub(crate) created: i64,
    pub(crate) expires: Option<i64>,
}

/// What was in a stored blob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) size_bytes: u64,
    pub(crate) sha256: String,
    pub(crate) held: u64,
    pub(crate) records: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejects: u64,
    pub(crate) creation_times: Option<(i64, i64)>,
    pub(crate) audit_version: Option<u64>,
}

/// What happened to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowState {
    Listed,
    Settled(Settled),
}

impl WindowState {
    const ALL: [Self; 4] = [
        Self::Listed,
        Self::Settled(Settled::Complete),
        Self::Settled(Settled::Partial),
        Self::Settled(Settled::Lost),
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => content_state::LISTED,
            Self::Settled(Settled::Complete) => content_state::COMPLETE,
            Self::Settled(Settled::Partial) => content_state::PARTIAL,
            Self::Settled(Settled::Lost) => content_state::LOST,
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Blob {
        blob: BlobKey,
        state: BlobState,
        stored: Option<Stored>,
        reason: Option<String>,
    },
    Window {
        content_type: ContentType,
        window: Range<i64>,
        state: WindowState,
        reason: Option<String>,
    },
}

impl Entry {
    pub(crate) fn content_type(&self) -> ContentType {
        match self {
            Self::Blob { blob, .. } => blob.content_type,
            Self::Window { content_type, .. } => *content_type,
        }
    }

    fn state(&self) -> &'static str {
        match self {
            Self::Blob { state, .. } => state.as_str(),
            Self::Window { state, .. } => state.as_str(),
        }
    }

    fn blob(&self) -> Option<&BlobKey> {
        match self {
            Self::Blob { blob, .. } => Some(blob),
            Self::Window { .. } => None,
        }
    }

    fn window(&self) -> Option<&Range<i64>> {
        match self {
            Self::Blob { .. } => None,
            Self::Window { window, .. } => Some(window),
        }
    }

    fn stored(&self) -> Option<&Stored> {
        match self {
            Self::Blob { stored, .. } => stored.as_ref(),
            Self::Window { .. } => None,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Blob { reason, .. } | Self::Window { reason, .. } => reason.as_deref(),
        }
    }

    /// SHA-256 of what tells the row from all others.
    fn id(&self, tenant: &str, at: i64) -> String {
        let mut sha256 = Sha256::new();
        let mut add = |part: &[u8]| {
            sha256.update((part.len() as u64).to_be_bytes());
            sha256.update(part);
        };
        add(tenant.as_bytes());
        add(self.content_type().as_str().as_bytes());
        match self {
            Self::Blob { blob, .. } => add(blob.content_id.as_bytes()),
            // A window is listed again and again.
            Self::Window { window, .. } => {
                for time in [window.start, window.end, at] {
                    add(&time.to_be_bytes());
                }
            }
        }
        add(self.state().as_bytes());
        hex::encode(sha256.finalize())
    }
}

/// The rows of the entries, all of one time.
pub(crate) fn rows(
    tenant: TenantId,
    at: i64,
    entries: &[Entry],
) -> Result<RecordBatch, ArrowError> {
    let tenant = tenant.to_string();
    let texts = |of: &dyn Fn(&Entry) -> Option<String>| -> ArrayRef {
        Arc::new(entries.iter().map(of).collect::<StringArray>())
    };
    let times = |of: &dyn Fn(&Entry) -> Option<i64>| -> ArrayRef {
        let times: TimestampMicrosecondArray = entries.iter().map(of).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let counts = |of: fn(&Stored) -> u64| -> ArrayRef {
        let count = |entry: &Entry| Some(i64::try_from(of(entry.stored()?)).unwrap_or(i64::MAX));
        Arc::new(entries.iter().map(count).collect::<Int64Array>())
    };
    let columns = [
        ("tenant_id", texts(&|_| Some(tenant.clone()))),
        ("entry_id", texts(&|entry| Some(entry.id(&tenant, at)))),
        ("source", texts(&|entry| Some(entry.blob()?.uri.clone()))),
        (
            "form",
            texts(&|entry| entry.stored().map(|_| "content_blob".to_owned())),
        ),
        (
            "content_type",
            texts(&|entry| Some(entry.content_type().as_str().to_owned())),
        ),
        (
            "content_id",
            texts(&|entry| Some(entry.blob()?.content_id.to_string())),
        ),
        ("state", texts(&|entry| Some(entry.state().to_owned()))),
        ("state_at", times(&|_| Some(at))),
        ("size_bytes", counts(|stored| stored.size_bytes)),
        (
            "sha256",
            texts(&|entry| Some(entry.stored()?.sha256.clone())),
        ),
        ("held", counts(|stored| stored.held)),
        ("records", counts(|stored| stored.records)),
        ("duplicates", counts(|stored| stored.duplicates)),
        ("rejects", counts(|stored| stored.rejects)),
        (
            "first_creation_time",
            times(&|entry| Some(entry.stored()?.creation_times?.0)),
        ),
        (
            "last_creation_time",
            times(&|entry| Some(entry.stored()?.creation_times?.1)),
        ),
        (
            "content_created",
            times(&|entry| Some(entry.blob()?.created)),
        ),
        ("content_expiration", times(&|entry| entry.blob()?.expires)),
        ("window_from", times(&|entry| Some(entry.window()?.start))),
        ("window_to", times(&|entry| Some(entry.window()?.end))),
        (
            "audit_version",
            Arc::new(
                (entries.iter())
                    .map(|entry| i64::try_from(entry.stored()?.audit_version?).ok())
                    .collect::<Int64Array>(),
            ),
        ),
        ("reason", texts(&|entry| Some(entry.reason()?.to_owned()))),
    ];
    // A column without a value is left out of the file.
    let columns = columns
        .into_iter()
        .filter(|(_, array)| array.null_count() < array.len());
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
}

/// The entries of rows and their times. Rows of ingested files are none of the feed's and are left out.
pub(crate) fn entries(batch: &RecordBatch) -> Vec<(i64, Entry)> {
    let columns = Columns::of(batch);
    let entry = |row| Some((time(columns.state_at, row)?, columns.entry(row)?));
    (0..batch.num_rows()).filter_map(entry).collect()
}

type Texts<'a> = Option<&'a StringArray>;
type Times<'a> = Option<&'a TimestampMicrosecondArray>;
type Numbers<'a> = Option<&'a Int64Array>;

/// The columns that entries are read from; a column without a value is not there.
struct Columns<'a> {
    content_type: Texts<'a>,
    content_id: Texts<'a>,
    source: Texts<'a>,
    state: Texts<'a>,
    state_at: Times<'a>,
    reason: Texts<'a>,
    sha256: Texts<'a>,
    size_bytes: Numbers<'a>,
    held: Numbers<'a>,
    records: Numbers<'a>,
    duplicates: Numbers<'a>,
    rejects: Numbers<'a>,
    first_creation_time: Times<'a>,
    last_creation_time: Times<'a>,
    audit_version: Numbers<'a>,
    content_created: Times<'a>,
    content_expiration: Times<'a>,
    window_from: Times<'a>,
    window_to: Times<'a>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        let column = |name| batch.column_by_name(name);
        let texts = |name| column(name)?.as_string_opt::<i32>();
        let times = |name| column(name)?.as_primitive_opt::<TimestampMicrosecondType>();
        let numbers = |name| column(name)?.as_primitive_opt::<Int64Type>();
        Self {
            content_type: texts("content_type"),
            content_id: texts("content_id"),
            source: texts("source"),
            state: texts("state"),
            state_at: times("state_at"),
            reason: texts("reason"),
            sha256: texts("sha256"),
            size_bytes: numbers("size_bytes"),
            held: numbers("held"),
            records: numbers("records"),
            duplicates: numbers("duplicates"),
            rejects: numbers("rejects"),
            first_creation_time: times("first_creation_time"),
            last_creation_time: times("last_creation_time"),
            audit_version: numbers("audit_version"),
            content_created: times("content_created"),
            content_expiration: times("content_expiration"),
            window_from: times("window_from"),
            window_to: times("window_to"),
        }
    }

    /// `None` for a row that is none of the feed's.
    fn entry(&self, row: usize) -> Option<Entry> {
        let content_type = ContentType::parse(text(self.content_type, row)?)?;
        let state = text(self.state, row)?;
        let reason = text(self.reason, row).map(str::to_owned);
        let (from, to) = (time(self.window_from, row), time(self.window_to, row));
        if let (Some(from), Some(to)) = (from, to) {
            let mut states = WindowState::ALL.into_iter();
            return Some(Entry::Window {
                content_type,
                window: from..to,
                state: states.find(|known| known.as_str() == state)?,
                reason,
            });
        }
        let mut states = BlobState::ALL.into_iter();
        Some(Entry::Blob {
            state: states.find(|known| known.as_str() == state)?,
            blob: BlobKey {
                content_type,
                content_id: text(self.content_id, row)?.into(),
                uri: text(self.source, row)?.to_owned(),
                created: time(self.content_created, row)?,
                expires: time(self.content_expiration, row),
            },
            stored: self.stored(row),
            reason,
        })
    }

    fn stored(&self, row: usize) -> Option<Stored> {
        let sha256 = text(self.sha256, row)?.to_owned();
        let count = |numbers| number(numbers, row).unwrap_or_default();
        let (first, last) = (self.first_creation_time, self.last_creation_time);
        Some(Stored {
            sha256,
            size_bytes: count(self.size_bytes),
            held: count(self.held),
            records: count(self.records),
            duplicates: count(self.duplicates),
            rejects: count(self.rejects),
            creation_times: time(first, row).zip(time(last, row)),
            audit_version: number(self.audit_version, row),
        })
    }
}

fn text(texts: Texts<'_>, row: usize) -> Option<&str> {
    let texts = texts.filter(|texts| texts.is_valid(row))?;
    Some(texts.value(row))
}

fn time(times: Times<'_>, row: usize) -> Option<i64> {
    let times = times.filter(|times| times.is_valid(row))?;
    Some(times.value(row))
}

fn number(numbers: Numbers<'_>, row: usize) -> Option<u64> {
    let numbers = numbers.filter(|numbers| numbers.is_valid(row))?;
    u64::try_from(numbers.value(row)).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn blob(id: &str) -> BlobKey {
        BlobKey {
            content_type: ContentType::Exchange,
            content_id: id.into(),
            uri: format!("https://manage.office.com/{id}"),
            created: 1_000,
            expires: Some(2_000),
        }
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        let stored = Stored {
            size_bytes: 10,
            sha256: "ab".to_owned(),
            held: 3,
            records: 1,
            duplicates: 1,
            rejects: 1,
            creation_times: Some((5, 6)),
            audit_version: Some(7),
        };
        let written = vec![
            Entry::Blob {
                blob: blob("a"),
                state: BlobState::Listed,
                stored: None,
                reason: None,
            },
            Entry::Blob {
                blob: blob("a"),
                state: BlobState::Stored,
                stored: Some(stored),
                reason: None,
            },
            Entry::Blob {
                blob: BlobKey {
                    expires: None,
                    ..blob("b$c")
                },
                state: BlobState::Lost,
                stored: None,
                reason: Some("404".to_owned()),
            },
            Entry::Window {
                content_type: ContentType::DlpAll,
                window: 1..2,
                state: WindowState::Settled(Settled::Partial),
                reason: Some("why".to_owned()),
            },
        ];
        let batch = rows(TenantId::UNKNOWN, 42, &written).unwrap();
        let read = entries(&batch);
        assert!(read.iter().all(|(at, _)| *at == 42));
        let read: Vec<Entry> = read.into_iter().map(|(_, entry)| entry).collect();
        assert_eq!(read, written);
        let ids = batch.column_by_name("entry_id").unwrap().as_string::<i32>();
        let different: std::collections::HashSet<_> = ids.iter().flatten().collect();
        assert_eq!(different.len(), written.len());
    }
}
