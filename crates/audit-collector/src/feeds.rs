//! What the ledger comes to: for each content type its past, the blobs that wait, and those that are done.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use audit_lake::DAY_MICROS;

use crate::ledger::{BlobKey, BlobState, Entry, WindowState};
use crate::timeline::Timeline;

/// When a blob that was called lost is asked for again.
pub(crate) const GIVEN_UP_AGAIN_MICROS: i64 = 6 * 3_600 * 1_000_000;

/// A blob that is listed and neither stored nor given up.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) blob: BlobKey,
    /// How often it was tried in vain, and when it is to be tried again; forgotten by a restart.
    pub(crate) attempts: u32,
    pub(crate) next_attempt: i64,
    pub(crate) last_error: Option<String>,
}

impl Waiting {
    fn new(blob: BlobKey) -> Self {
        Self {
            blob,
            attempts: 0,
            next_attempt: i64::MIN,
            last_error: None,
        }
    }
}

/// What the ledger says of one content type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Feed {
    pub(crate) timeline: Timeline,
    pub(crate) waiting: BTreeMap<Arc<str>, Waiting>,
    /// Blobs that were called lost and can still be asked for: now and then one comes back.
    pub(crate) given_up: BTreeMap<Arc<str>, Waiting>,
    /// Blobs that are done, with the time at which they became available.
    done: HashMap<Arc<str>, (i64, BlobState)>,
    pub(crate) last_listed_at: Option<i64>,
    pub(crate) last_stored_at: Option<i64>,
    pub(crate) last_content_created: Option<i64>,
    /// From when the newest blob became available to when it was stored.
    pub(crate) delay: Option<i64>,
    pub(crate) last_creation_time: Option<i64>,
    pub(crate) records: u64,
}

impl Feed {
    pub(crate) fn knows(&self, content_id: &str) -> bool {
        self.done.contains_key(content_id) || self.waiting.contains_key(content_id)
    }

    /// Blobs that were called lost, of the days that are open.
    pub(crate) fn lost(&self) -> usize {
        (self.done.values())
            .filter(|(_, state)| *state == BlobState::Lost)
            .count()
    }

    /// Whether the blob reached this state, or one behind it.
    pub(crate) fn has(&self, content_id: &str, state: BlobState) -> bool {
        match (self.done.get(content_id), state) {
            (_, BlobState::Listed) => self.knows(content_id),
            (Some((_, BlobState::Lost)), BlobState::Stored) | (None, _) => false,
            (Some(_), _) => true,
        }
    }

    /// Whether a blob of the window is waiting.
    pub(crate) fn waits_in(&self, window: &Range<i64>) -> bool {
        (self.waiting.values()).any(|waiting| window.contains(&waiting.blob.created))
    }

    /// Takes in a row.
    pub(crate) fn apply(&mut self, at: i64, entry: &Entry) {
        match entry {
            Entry::Window { window, state, .. } => match state {
                WindowState::Listed => {
                    self.timeline.listed(window.clone(), at);
                    self.last_listed_at = self.last_listed_at.max(Some(at));
                }
                WindowState::Settled(_) => self.timeline.settled(window.clone()),
            },
            Entry::Blob {
                blob,
                state,
                stored,
                ..
            } => {
                let id = &blob.content_id;
                if self.has(id, *state) {
                    return;
                }
                if *state == BlobState::Listed {
                    let waiting = Waiting::new(blob.clone());
                    self.waiting.insert(Arc::clone(id), waiting);
                    return;
                }
                let waiting = self.waiting.remove(id);
                self.given_up.remove(id);
                self.done.insert(Arc::clone(id), (blob.created, *state));
                if *state == BlobState::Lost && blob.expires.is_some_and(|expires| expires > at) {
                    let waiting = waiting.unwrap_or_else(|| Waiting::new(blob.clone()));
                    let again = Waiting {
                        next_attempt: at + GIVEN_UP_AGAIN_MICROS,
                        ..waiting
                    };
                    self.given_up.insert(Arc::clone(id), again);
                }
                let Some(stored) = stored else {
                    return;
                };
                self.records += stored.records;
                self.last_stored_at = self.last_stored_at.max(Some(at));
                if self.last_content_created <= Some(blob.created) {
                    self.delay = Some(at - blob.created);
                }
                self.last_content_created = self.last_content_created.max(Some(blob.created));
                let last = stored.creation_times.map(|(_, last)| last);
                self.last_creation_time = self.last_creation_time.max(last);
            }
        }
    }

    /// Forgets what no listing can bring again.
    pub(crate) fn forget_settled(&mut self, now: i64) {
        self.timeline.forget_settled(now);
        if let Some(from) = self.timeline.open_from(now) {
            // Content is listed by days, and a day may begin before what is open of it.
            let from = crate::timeline::day_of(from) * DAY_MICROS;
            self.done.retain(|_, (created, _)| *created >= from);
        }
        self.given_up
            .retain(|_, waiting| waiting.blob.expires.is_some_and(|expires| expires > now));
    }
}

/// All content types of a tenant.
pub(crate) type Feeds = BTreeMap<&'static str, Feed>;

/// Takes in rows, in whatever order they were read.
pub(crate) fn apply(feeds: &mut Feeds, mut rows: Vec<(i64, Entry)>) {
    // Settled windows by where they begin, so that each follows the one before it; then all else by time.
    rows.sort_by_key(|(at, entry)| match entry {
        Entry::Window {
            window,
            state: WindowState::Settled(_),
            ..
        } => (0, window.start),
        _ => (1, *at),
    });
    for (at, entry) in &rows {
        let feed = feeds.entry(entry.content_type().as_str()).or_default();
        feed.apply(*at, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Stored;
    use crate::ledger::tests::blob;

    #[test]
    fn what_counts_is_the_furthest_state() {
        let row = |state, at| {
            let entry = Entry::Blob {
                blob: blob("a"),
                state,
                stored: (state == BlobState::Stored).then(|| Stored {
                    records: 2,
                    ..Stored::default()
                }),
                reason: None,
            };
            (at, entry)
        };
        let mut feeds = Feeds::new();
        apply(&mut feeds, vec![row(BlobState::Listed, 1)]);
        assert!(feeds["Audit.Exchange"].waits_in(&(1_000..1_001)));
        assert!(!feeds["Audit.Exchange"].waits_in(&(1_001..1_002)));
        // Twice, and listed again by another collector: it is done, and counts once.
        apply(
            &mut feeds,
            vec![
                row(BlobState::Stored, 2),
                row(BlobState::Stored, 3),
                row(BlobState::Listed, 4),
            ],
        );
        let feed = &feeds["Audit.Exchange"];
        assert!(feed.waiting.is_empty() && feed.knows("a"));
        assert_eq!((feed.records, feed.last_stored_at), (2, Some(2)));
    }
}
