//! One tenant's collection, step by step.
//!
//! ```text
//!  ledger ─► what was missed ─► subscriptions ─► listings ─► `listed` ─► blobs ─► lake ─► `stored` ─► `complete`
//! ```
//!
//! Everything it goes on from after a restart is in the ledger. Each row is written after what it says has happened:
//! `stored` after the commit of the records. Content types do not wait for each other's trouble.

mod feed;
mod fetch;
mod list;
mod retrieve;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audit_lake::{Lake, Ledger, TenantId, micros};
use audit_schema::ContentType;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::{ApiClient, ApiUsage};
use crate::error::{ApiError, ApiErrorKind};
use crate::feeds::{self, Feed, Feeds};
use crate::health::{FeedHealth, Health, Stop, StopCause};
use crate::ledger::{self, BlobState, Entry, WindowState};
use crate::pace::Pace;
use crate::timeline::{Closing, Rules, Settled, Windows};
use feed::{FeedRun, REST, REST_UNTIL_MENDED, stop_of};

/// How much of what is missed is written down at a time.
const MISSED_NOTED_MICROS: i64 = 3_600 * 1_000_000;

/// How often the ledger is read anew because others write to it at the same time.
const WRITES_MAX: u32 = 20;

/// How tenants are collected.
#[derive(Debug, Clone)]
pub struct CollectOptions {
    /// How often the days that may get late content are listed from their beginning.
    pub list_again: Duration,
    /// Blobs of a tenant that are retrieved at a time.
    pub parallel_blobs: NonZeroUsize,
    /// Bytes of blobs that go into one commit.
    pub flush_bytes: u64,
    /// How long blobs wait at most for a commit.
    pub flush_after: Duration,
    /// Where large blobs lie while they are retrieved; `None` is the system's folder for temporary files.
    pub spool_folder: Option<PathBuf>,
    /// Threads that decode and encode.
    pub threads: NonZeroUsize,
    /// After so long without new content, a content type that had some is reported as silent.
    pub silent_after: Duration,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            list_again: Duration::from_secs(3600),
            parallel_blobs: const { NonZeroUsize::new(8).unwrap() },
            flush_bytes: 48 << 20,
            flush_after: Duration::from_secs(30),
            spool_folder: None,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            silent_after: Duration::from_secs(24 * 3600),
        }
    }
}

/// What all tenants share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) lake: Lake,
    pub(crate) pace: Arc<dyn Pace>,
    pub(crate) options: CollectOptions,
    /// One ingest at a time: it uses all threads, and its memory is not multiplied by tenants.
    pub(crate) ingests: Semaphore,
}

/// What a poll came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Polled {
    /// Blobs that were stored or given up.
    pub(crate) settled: u64,
    /// Rows that were added.
    pub(crate) records: u64,
    /// When something is due that waits for its time, by the server's clock.
    pub(crate) next_due: Option<i64>,
}

/// Collects one tenant.
pub(crate) struct TenantCollector {
    shared: Arc<Shared>,
    client: ApiClient,
    tenant: TenantId,
    content_types: Vec<ContentType>,
    rules: Rules,
    ledger: Ledger,
    feeds: Feeds,
    runs: BTreeMap<&'static str, FeedRun>,
    stopped: Option<Stop>,
    stopped_until: i64,
    /// When the subscriptions were listed last.
    subscriptions_at: Option<i64>,
}

impl TenantCollector {
    pub(crate) async fn new(
        shared: Arc<Shared>,
        client: ApiClient,
        content_types: Vec<ContentType>,
        late: Duration,
    ) -> audit_lake::Result<Self> {
        let rules = Rules {
            late,
            again: shared.options.list_again,
        };
        let tenant = client.settings().tenant;
        let ledger = shared.lake.ledger(tenant).await?;
        let runs = (content_types.iter())
            .map(|content_type| (content_type.as_str(), FeedRun::default()))
            .collect();
        Ok(Self {
            shared,
            client,
            tenant,
            content_types,
            rules,
            ledger,
            feeds: Feeds::new(),
            runs,
            stopped: None,
            stopped_until: 0,
            subscriptions_at: None,
        })
    }

    /// Does what is due, and returns when nothing is or when it is told to stop. What was committed until then stays.
    ///
    /// # Errors
    ///
    /// What the lake says. Trouble with the API is no error: see [`health`](Self::health).
    pub(crate) async fn poll(
        &mut self,
        windows: Windows,
        cancel: &CancellationToken,
    ) -> audit_lake::Result<Polled> {
        let mut polled = Polled::default();
        self.read_ledger().await?;
        let mut is_time_known = true;
        match self.subscribe().await {
            Ok(()) => self.stopped = None,
            // Subscriptions that were seen lately are still good to be listed.
            Err(error)
                if error.kind() == ApiErrorKind::Transient && self.subscriptions_at.is_some() =>
            {
                tracing::debug!(tenant = %self.tenant, %error, "the subscriptions are listed later");
                self.stopped = None;
                is_time_known = false;
            }
            Err(error) => self.stop(&error),
        }
        // Without an answer there is no server's clock, and nothing to measure windows by. What is called lost stays so:
        // not by this machine's clock, which may have been set since.
        if is_time_known && self.subscriptions_at.is_some() && !cancel.is_cancelled() {
            self.close_missed().await?;
            self.close_expired(&mut polled).await?;
        }
        if self.stopped.is_none() && !cancel.is_cancelled() {
            self.list(windows).await?;
            self.retrieve(&mut polled, cancel).await?;
            self.close_complete().await?;
        }
        let now = self.now();
        for feed in self.feeds.values_mut() {
            feed.forget_settled(now);
        }
        polled.next_due = self.next_due();
        Ok(polled)
    }

    /// Takes in that nothing can be done for the tenant now.
    fn stop(&mut self, error: &ApiError) {
        let now = self.now();
        let stop = stop_of(error, now, self.stopped.as_ref());
        let rest = match error.retry_after() {
            Some(wait) => wait,
            None if stop.cause.is_passing() => REST,
            None => REST_UNTIL_MENDED,
        };
        self.stopped_until = now + micros(rest);
        self.stopped = Some(stop);
    }

    fn now(&self) -> i64 {
        self.client.server_now_micros()
    }

    /// Takes in what others wrote.
    async fn read_ledger(&mut self) -> audit_lake::Result<()> {
        let batches = self.ledger.read(ledger::READ_BACK_MICROS).await?;
        feeds::apply(
            &mut self.feeds,
            batches.iter().flat_map(ledger::entries).collect(),
        );
        Ok(())
    }

    /// Adds rows, without those that another collector has added.
    async fn write(&mut self, mut entries: Vec<Entry>) -> audit_lake::Result<()> {
        for _ in 0..WRITES_MAX {
            if entries.is_empty() {
                return Ok(());
            }
            let at = self.now();
            let rows = ledger::rows(self.tenant, at, &entries).map_err(internal)?;
            match self.ledger.append(&rows).await {
                Ok(true) => {
                    let rows = entries.into_iter().map(|entry| (at, entry)).collect();
                    feeds::apply(&mut self.feeds, rows);
                    return Ok(());
                }
                Ok(false) => {}
                // Whether it happened is seen in the ledger.
                Err(error @ audit_lake::Error::Unavailable { .. }) => {
                    tracing::debug!(%error, tenant = %self.tenant, "the ledger is read to see what was written");
                }
                Err(error) => return Err(error),
            }
            self.read_ledger().await?;
            let feeds = &self.feeds;
            entries.retain(|entry| match entry {
                Entry::Blob { blob, state, .. } => !(feeds.get(blob.content_type.as_str()))
                    .is_some_and(|feed| feed.has(&blob.content_id, *state)),
                Entry::Window { .. } => true,
            });
        }
        Err(audit_lake::Error::Conflict {
            tenant: self.tenant,
            table: audit_lake::TableName::Content,
            attempts: WRITES_MAX,
        })
    }

    /// Names what can no longer be listed.
    async fn close_missed(&mut self) -> audit_lake::Result<()> {
        let (now, rules) = (self.now(), self.rules);
        let missed = self.closings(|feed, run| {
            let missed = feed.timeline.missed(now, rules);
            // While nothing is listed more is missed with every minute: it is written down by the hour.
            let is_stopped = self.stopped.is_some() || run.stop.is_some();
            let total: i64 = (missed
                .iter()
                .map(|closing| closing.window.end - closing.window.start))
            .sum();
            if is_stopped && total < MISSED_NOTED_MICROS {
                Vec::new()
            } else {
                missed
            }
        });
        for entry in &missed {
            tracing::warn!(tenant = %self.tenant, ?entry, "content can no longer be listed");
        }
        self.write(missed).await
    }

    /// Names blobs that expired while they could not be asked for.
    async fn close_expired(&mut self, polled: &mut Polled) -> audit_lake::Result<()> {
        let now = self.now();
        let waiting = self.feeds.values().flat_map(|feed| feed.waiting.values());
        let expired = waiting.filter(|waiting| {
            let blob = &waiting.blob;
            blob.expires
                .unwrap_or(blob.created + ledger::READ_BACK_MICROS)
                <= now
        });
        let expired: Vec<Entry> = expired
            .map(|waiting| {
                let why = waiting
                    .last_error
                    .as_ref()
                    .map(|error| format!(": {error}"));
                let reason = format!(
                    "it expired before it was retrieved{}",
                    why.unwrap_or_default()
                );
                blob_entry(&waiting.blob, BlobState::Expired, Some(reason))
            })
            .collect();
        polled.settled += expired.len() as u64;
        self.write(expired).await
    }

    async fn close_complete(&mut self) -> audit_lake::Result<()> {
        let (now, rules) = (self.now(), self.rules);
        let complete = self.closings(|feed, _| {
            feed.timeline
                .completed(now, rules, |window| feed.waits_in(window))
        });
        self.write(complete).await
    }

    fn closings(&self, of: impl Fn(&Feed, &FeedRun) -> Vec<Closing>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for &content_type in &self.content_types {
            let name = content_type.as_str();
            let (Some(feed), Some(run)) = (self.feeds.get(name), self.runs.get(name)) else {
                continue;
            };
            let stop = self.stopped.as_ref().or(run.stop.as_ref());
            entries.extend(of(feed, run).into_iter().map(|closing| Entry::Window {
                content_type,
                reason: reason_of(&closing, stop),
                window: closing.window,
                state: WindowState::Settled(closing.settled),
            }));
        }
        entries
    }

    /// When the next thing is due that waits for its time.
    fn next_due(&self) -> Option<i64> {
        // Blobs of a content type that rests wait for it.
        let is_at_work = |name: &str| self.runs.get(name).is_some_and(|run| run.stop.is_none());
        let blobs = (self.feeds.iter())
            .filter(|(name, _)| is_at_work(name))
            .flat_map(|(_, feed)| feed.waiting.values())
            .map(|waiting| waiting.next_attempt);
        let starts = self.runs.values().filter_map(FeedRun::next_start);
        let waits = self.runs.values().filter_map(FeedRun::next_listing);
        if self.stopped.is_some() {
            return Some(self.stopped_until);
        }
        blobs.chain(starts).chain(waits).min()
    }

    /// What was asked of the service so far.
    pub(crate) fn usage(&self) -> ApiUsage {
        self.client.usage()
    }

    /// Blobs that are listed and not retrieved yet.
    pub(crate) fn backlog(&self) -> usize {
        self.feeds.values().map(|feed| feed.waiting.len()).sum()
    }

    /// How the tenant is doing.
    pub(crate) fn health(&self) -> Health {
        let at_micros = self.now();
        let content_types = (self.content_types.iter()).map(|content_type| {
            let name = content_type.as_str();
            let health = match (self.feeds.get(name), self.runs.get(name)) {
                (feed, Some(run)) => self.feed_health(name, feed, run, at_micros),
                _ => FeedHealth::default(),
            };
            (name.to_owned(), health)
        });
        Health {
            at_micros,
            stopped: self.stopped.clone(),
            content_types: content_types.collect(),
        }
    }

    fn feed_health(&self, name: &str, feed: Option<&Feed>, run: &FeedRun, now: i64) -> FeedHealth {
        let mut health = FeedHealth {
            stopped: run.stop.clone(),
            subscribed: run.subscribed,
            last_listing_micros: run.listed_at,
            ..FeedHealth::default()
        };
        let Some(feed) = feed else {
            return health;
        };
        health.last_listing_micros = health.last_listing_micros.max(feed.last_listed_at);
        health.last_blob_micros = feed.last_stored_at;
        health.last_content_created_micros = feed.last_content_created;
        health.delay_micros = feed.delay;
        health.last_record_micros = feed.last_creation_time;
        health.backlog = feed.waiting.len() as u64;
        health.lost_blobs = feed.lost() as u64;
        let oldest = feed.waiting.values().map(|waiting| waiting.blob.created);
        health.oldest_waiting_micros = oldest.min();
        let errors = feed.waiting.values();
        health.last_error = errors
            .filter_map(|waiting| waiting.last_error.clone())
            .next_back();
        let silent_micros = micros(self.shared.options.silent_after);
        // Where blobs wait, the service had something.
        if let (None, Some(last)) = (&health.stopped, feed.last_content_created)
            && now - last > silent_micros
            && feed.waiting.is_empty()
        {
            health.stopped = Some(Stop {
                cause: StopCause::NoActivity,
                since_micros: last,
                message: format!(
                    "{name}: the service answers and has had nothing for {} hours; if people work in the tenant, check \
                     that auditing is on and see the service health of Microsoft 365",
                    (now - last) / 3_600_000_000
                ),
            });
        }
        health
    }
}

fn reason_of(closing: &Closing, stop: Option<&Stop>) -> Option<String> {
    match (closing.settled, closing.listed_at) {
        (Settled::Complete, _) => None,
        (Settled::Lost, _) => {
            let why = stop.map(|stop| format!(": {}", stop.cause));
            Some(format!(
                "not listed within the seven days in which Microsoft lists content{}",
                why.unwrap_or_default()
            ))
        }
        (Settled::Partial, Some(at)) => Some(format!(
            "listed last at {}; what appeared later was not listed within the seven days in which Microsoft lists content",
            time(at)
        )),
        (Settled::Partial, None) => Some("not listed from its beginning".to_owned()),
    }
}

fn time(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn internal(error: arrow::error::ArrowError) -> audit_lake::Error {
    audit_lake::Error::Internal {
        message: format!("could not make rows of the ledger: {error}"),
    }
}

/// Whether nothing more can be done for the tenant now.
fn ends_all(kind: ApiErrorKind) -> bool {
    matches!(
        kind,
        ApiErrorKind::Throttled | ApiErrorKind::Configuration | ApiErrorKind::Credential(_)
    )
}

/// Whether nothing more can be done for the content type now.
fn ends_feed(kind: ApiErrorKind) -> bool {
    matches!(
        kind,
        ApiErrorKind::TokenRejected
            | ApiErrorKind::PermissionMissing
            | ApiErrorKind::NoSubscription
            | ApiErrorKind::SubscriptionDisabled
            | ApiErrorKind::AuditingOff
    )
}

/// A blob's row without what was in it.
fn blob_entry(blob: &ledger::BlobKey, state: BlobState, reason: Option<String>) -> Entry {
    Entry::Blob {
        blob: blob.clone(),
        state,
        stored: None,
        reason,
    }
}

#[cfg(test)]
mod tests;
