//! What the lake can prove to have: each content type, day by day, and everything that is missing, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit_lake::{DAY_MICROS, Lake, TableName, TenantId};
use audit_schema::ContentType;

use crate::ledger::{self, BlobKey, BlobState, Entry, Stored, WindowState};
use crate::timeline::{Settled, day_of};

/// What the ledger of a tenant proves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// Every day of every content type since it is collected, by content type and day.
    pub days: Vec<DayCoverage>,
    /// What is lost, by content type and time.
    pub losses: Vec<Loss>,
}

/// One day (UTC) of one content type. What counts is when content became available, not when its records happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DayCoverage {
    /// Which content.
    pub content_type: ContentType,
    /// Days since 1970-01-01.
    pub day: i32,
    /// What can be said of it.
    pub state: DayState,
    /// Blobs that were listed.
    pub blobs: u64,
    /// Of these, blobs whose records are in the lake.
    pub stored: u64,
    /// Of these, blobs that are still to be retrieved.
    pub waiting: u64,
    /// Of these, blobs that expired or were lost.
    pub lost: u64,
    /// Rows that they added.
    pub records: u64,
    /// Records that were in the lake already.
    pub duplicates: u64,
    /// Parts that are no records.
    pub rejects: u64,
}

/// What can be said of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DayState {
    /// Everything that Microsoft listed is in the lake, and no more can come.
    Complete,
    /// More may come, or is still to be retrieved.
    Waiting,
    /// Some of it is missing, or may be: see the losses.
    Partial,
    /// All of it is missing.
    Lost,
}

impl DayState {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Waiting => "waiting",
            Self::Partial => "partial",
            Self::Lost => "lost",
        }
    }
}

impl std::fmt::Display for DayState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A window that was never listed, or not until late content could no longer come, or a blob that could not be retrieved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Which content.
    pub content_type: ContentType,
    /// From when on it became available, in microseconds since 1970-01-01, UTC.
    pub from_micros: i64,
    /// Up to when; for a blob the same.
    pub to_micros: i64,
    /// The blob; `None` for a window.
    pub content_id: Option<String>,
    /// Why.
    pub reason: String,
    /// When it was called lost.
    pub at_micros: i64,
}

impl Coverage {
    /// What the tenant's ledger says now.
    ///
    /// # Errors
    ///
    /// What the lake says.
    pub async fn read(lake: &Lake, tenant: TenantId) -> audit_lake::Result<Self> {
        // Reading makes no table.
        if (lake.snapshot(&tenant, TableName::Content).await?).is_none() {
            return Ok(Self::default());
        }
        let batches = lake.ledger(tenant).await?.read(i64::MAX).await?;
        let rows: Vec<_> = batches.iter().flat_map(ledger::entries).collect();
        Ok(Self::of(&rows))
    }

    fn of(rows: &[(i64, Entry)]) -> Self {
        let mut feeds: BTreeMap<&'static str, Feed<'_>> = BTreeMap::new();
        for (at, entry) in rows {
            let content_type = entry.content_type();
            let feed = feeds
                .entry(content_type.as_str())
                .or_insert_with(|| Feed::new(content_type));
            feed.take(*at, entry);
        }
        let mut coverage = Self::default();
        for feed in feeds.values() {
            feed.report(&mut coverage);
        }
        coverage
    }
}

struct Blob<'a> {
    blob: &'a BlobKey,
    state: BlobState,
    stored: Option<&'a Stored>,
    reason: Option<&'a str>,
    at: i64,
}

struct Feed<'a> {
    content_type: ContentType,
    blobs: BTreeMap<&'a Arc<str>, Blob<'a>>,
    windows: Vec<(i64, i64, WindowState, Option<&'a str>, i64)>,
}

impl<'a> Feed<'a> {
    fn new(content_type: ContentType) -> Self {
        Self {
            content_type,
            blobs: BTreeMap::new(),
            windows: Vec::new(),
        }
    }

    fn take(&mut self, at: i64, entry: &'a Entry) {
        match entry {
            Entry::Window {
                window,
                state,
                reason,
                ..
            } => (self.windows).push((window.start, window.end, *state, reason.as_deref(), at)),
            Entry::Blob {
                blob,
                state,
                stored,
                reason,
            } => {
                let new = Blob {
                    blob,
                    state: *state,
                    stored: stored.as_ref(),
                    reason: reason.as_deref(),
                    at,
                };
                let known = self.blobs.get(&blob.content_id);
                // The first of those that are equally far counts: others repeat it.
                if known.is_none_or(|known| rank(known.state) < rank(*state)) {
                    self.blobs.insert(&blob.content_id, new);
                }
            }
        }
    }

    fn report(&self, coverage: &mut Coverage) {
        let begin = self.windows.iter().map(|window| window.0).min();
        let created = || self.blobs.values().map(|blob| blob.blob.created);
        let Some(begin) = begin.into_iter().chain(created()).min() else {
            return;
        };
        let end = self.windows.iter().map(|window| window.1 - 1).max();
        let end = end.into_iter().chain(created()).max().unwrap_or(begin);
        let mut by_day: BTreeMap<i64, Vec<&Blob<'_>>> = BTreeMap::new();
        for blob in self.blobs.values() {
            by_day
                .entry(day_of(blob.blob.created))
                .or_default()
                .push(blob);
        }
        for day in day_of(begin)..=day_of(end) {
            let blobs = by_day.remove(&day).unwrap_or_default();
            coverage.days.push(self.day(day, begin, &blobs));
        }
        let mut losses: Vec<Loss> = Vec::new();
        for &(from, to, state, reason, at) in &self.windows {
            if matches!(
                state,
                WindowState::Settled(Settled::Lost | Settled::Partial)
            ) {
                losses.push(self.loss((from, to), None, reason, at));
            }
        }
        for blob in self.blobs.values() {
            if matches!(blob.state, BlobState::Lost | BlobState::Expired) {
                let window = (blob.blob.created, blob.blob.created);
                let content_id = Some(blob.blob.content_id.to_string());
                losses.push(self.loss(window, content_id, blob.reason, blob.at));
            }
        }
        losses.sort_by_key(|loss| (loss.from_micros, loss.to_micros));
        losses.dedup();
        coverage.losses.extend(losses);
    }

    fn loss(
        &self,
        (from_micros, to_micros): (i64, i64),
        content_id: Option<String>,
        reason: Option<&str>,
        at_micros: i64,
    ) -> Loss {
        Loss {
            content_type: self.content_type,
            from_micros,
            to_micros,
            content_id,
            reason: reason.unwrap_or("not said").to_owned(),
            at_micros,
        }
    }

    fn day(&self, number: i64, begin: i64, blobs: &[&Blob<'_>]) -> DayCoverage {
        let (start, end) = ((number * DAY_MICROS).max(begin), (number + 1) * DAY_MICROS);
        let mut day = DayCoverage {
            content_type: self.content_type,
            day: i32::try_from(number).unwrap_or(i32::MAX),
            state: DayState::Waiting,
            blobs: 0,
            stored: 0,
            waiting: 0,
            lost: 0,
            records: 0,
            duplicates: 0,
            rejects: 0,
        };
        for blob in blobs {
            day.blobs += 1;
            match blob.state {
                BlobState::Listed => day.waiting += 1,
                BlobState::Stored => day.stored += 1,
                BlobState::Expired | BlobState::Lost => day.lost += 1,
            }
            if let Some(stored) = blob.stored {
                day.records += stored.records;
                day.duplicates += stored.duplicates;
                day.rejects += stored.rejects;
            }
        }
        day.state = self.state(start, end, &day);
        day
    }

    fn state(&self, start: i64, end: i64, day: &DayCoverage) -> DayState {
        let mut settled: Vec<(i64, i64, Settled)> = (self.windows.iter())
            .filter_map(|&(from, to, state, ..)| match state {
                WindowState::Settled(settled) => Some((from.max(start), to.min(end), settled)),
                WindowState::Listed => None,
            })
            .filter(|(from, to, _)| from < to)
            .collect();
        settled.sort_by_key(|(from, ..)| *from);
        let covered = settled.iter().fold(start, |covered, &(from, to, _)| {
            if from <= covered {
                covered.max(to)
            } else {
                covered
            }
        });
        let all = |wanted| settled.iter().all(|(.., settled)| *settled == wanted);
        if covered < end || day.waiting > 0 {
            DayState::Waiting
        } else if all(Settled::Complete) && day.lost == 0 {
            DayState::Complete
        } else if all(Settled::Lost) && day.stored == 0 {
            DayState::Lost
        } else {
            DayState::Partial
        }
    }
}

fn rank(state: BlobState) -> u8 {
    match state {
        BlobState::Listed => 0,
        BlobState::Expired | BlobState::Lost => 1,
        BlobState::Stored => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, to: i64, state: WindowState) -> (i64, Entry) {
        let entry = Entry::Window {
            content_type: ContentType::Exchange,
            window: from..to,
            state,
            reason: None,
        };
        (to, entry)
    }

    fn blob(id: &str, created: i64, state: BlobState) -> (i64, Entry) {
        let entry = Entry::Blob {
            blob: BlobKey {
                content_type: ContentType::Exchange,
                content_id: id.into(),
                uri: String::new(),
                created,
                expires: None,
            },
            state,
            stored: (state == BlobState::Stored).then(|| Stored {
                records: 5,
                ..Stored::default()
            }),
            reason: (state != BlobState::Stored).then(|| "why".to_owned()),
        };
        (created, entry)
    }

    #[test]
    fn a_day_is_what_its_windows_and_blobs_are() {
        let settled = |from, to, settled| window(from, to, WindowState::Settled(settled));
        let rows = [
            // The first day begins late, and is complete all the same.
            settled(DAY_MICROS / 2, DAY_MICROS, Settled::Complete),
            blob("a", DAY_MICROS - 1, BlobState::Listed),
            blob("a", DAY_MICROS - 1, BlobState::Stored),
            // Complete, but a blob is lost.
            settled(DAY_MICROS, 2 * DAY_MICROS, Settled::Complete),
            blob("b", DAY_MICROS + 1, BlobState::Lost),
            blob("c", DAY_MICROS + 1, BlobState::Lost),
            blob("c", DAY_MICROS + 1, BlobState::Stored),
            // Lost in part, and whole.
            settled(2 * DAY_MICROS, 2 * DAY_MICROS + 10, Settled::Partial),
            settled(2 * DAY_MICROS + 10, 4 * DAY_MICROS, Settled::Lost),
            // Listed, and not settled; one blob waits.
            window(4 * DAY_MICROS, 5 * DAY_MICROS, WindowState::Listed),
            blob("d", 4 * DAY_MICROS + 5, BlobState::Listed),
        ];
        let coverage = Coverage::of(&rows);
        let states: Vec<DayState> = coverage.days.iter().map(|day| day.state).collect();
        use DayState::{Complete, Lost, Partial, Waiting};
        assert_eq!(states, [Complete, Partial, Partial, Lost, Waiting]);
        assert_eq!(coverage.days[0].records, 5);
        assert_eq!((coverage.days[1].blobs, coverage.days[1].lost), (2, 1));
        assert_eq!(coverage.days[4].waiting, 1);
        let losses: Vec<_> = (coverage.losses.iter())
            .map(|loss| (loss.content_id.as_deref(), loss.from_micros, loss.to_micros))
            .collect();
        assert_eq!(
            losses,
            [
                (Some("b"), DAY_MICROS + 1, DAY_MICROS + 1),
                (None, 2 * DAY_MICROS, 2 * DAY_MICROS + 10),
                (None, 2 * DAY_MICROS + 10, 4 * DAY_MICROS)
            ]
        );
    }
}
