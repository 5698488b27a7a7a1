//! Blobs into the lake: retrieved side by side, ingested together, and marked after the commit.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audit_ingest::envelope::Form;
use audit_ingest::pipeline::{
    Contents, IngestError, IngestOptions, Input, Outcome, Report, ingest,
};
use audit_lake::{Origin, micros};
use audit_schema::ContentType;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::fetch::{Fetched, fetch};
use super::{Polled, TenantCollector, blob_entry, ends_all, ends_feed};
use crate::error::{ApiError, ApiErrorKind};
use crate::feeds::GIVEN_UP_AGAIN_MICROS;
use crate::ledger::{BlobKey, BlobState, Entry, Stored};
use crate::spool::Body;

/// The first wait before a blob is tried again, each is twice as long as the one before it, up to the last.
const RETRY: std::time::Duration = std::time::Duration::from_secs(15);
const RETRY_MAX: std::time::Duration = std::time::Duration::from_secs(3600);
/// Blobs in one commit.
const FLUSH_BLOBS: usize = 2_000;

/// A blob that is here, and what it is to become.
struct Arrived {
    blob: BlobKey,
    pages: Vec<Body>,
    /// Why it is lost all the same.
    flaw: Option<String>,
}

/// Of what no more is asked now.
#[derive(Default)]
struct Ended {
    all: AtomicBool,
    feeds: Mutex<HashSet<ContentType>>,
}

impl Ended {
    fn has(&self, content_type: ContentType) -> bool {
        self.all.load(Ordering::Relaxed) || self.feeds().contains(&content_type)
    }

    fn failed(&self, content_type: ContentType, kind: ApiErrorKind) {
        if ends_all(kind) {
            self.all.store(true, Ordering::Relaxed);
        }
        if ends_feed(kind) {
            self.feeds().insert(content_type);
        }
    }

    fn feeds(&self) -> MutexGuard<'_, HashSet<ContentType>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TenantCollector {
    /// Retrieves what waits, the oldest first.
    pub(super) async fn retrieve(
        &mut self,
        polled: &mut Polled,
        cancel: &CancellationToken,
    ) -> audit_lake::Result<()> {
        let mut fetched = self.fetch_due(cancel);
        let mut gathered: Vec<Arrived> = Vec::new();
        let (mut bytes, mut since) = (0, self.now());
        loop {
            let next = tokio::select! {
                biased;
                next = fetched.blobs.recv() => next,
                // What is here does not wait for a blob that takes its time.
                () = self.shared.pace.time_limit(self.shared.options.flush_after), if !gathered.is_empty() => {
                    self.store(std::mem::take(&mut gathered), polled).await?;
                    bytes = 0;
                    continue;
                }
            };
            let Some((blob, fetched)) = next else {
                break;
            };
            let arrived = match fetched {
                Fetched::Whole(pages) => Arrived {
                    blob,
                    pages,
                    flaw: None,
                },
                Fetched::Flawed { pages, reason } => Arrived {
                    blob,
                    pages,
                    flaw: Some(reason),
                },
                other => {
                    self.give_up(&blob, other, polled).await?;
                    continue;
                }
            };
            if gathered.is_empty() {
                since = self.now();
            }
            bytes += arrived.pages.iter().map(Body::size_bytes).sum::<u64>();
            gathered.push(arrived);
            let options = &self.shared.options;
            if bytes >= options.flush_bytes
                || gathered.len() >= FLUSH_BLOBS
                || self.now() - since >= micros(options.flush_after)
            {
                self.store(std::mem::take(&mut gathered), polled).await?;
                bytes = 0;
            }
        }
        self.store(gathered, polled).await
    }

    /// Starts to retrieve, on a task that ends with what it returns.
    fn fetch_due(&self, cancel: &CancellationToken) -> Fetching {
        let now = self.now();
        let feeds = self.content_types.iter().filter_map(|content_type| {
            let run = self.runs.get(content_type.as_str())?;
            let feed = self.feeds.get(content_type.as_str())?;
            (run.list_from <= now || run.stop.is_none()).then_some(feed)
        });
        let mut due: Vec<BlobKey> = feeds
            .flat_map(|feed| feed.waiting.values().chain(feed.given_up.values()))
            .filter(|waiting| waiting.next_attempt <= now)
            .map(|waiting| waiting.blob.clone())
            .collect();
        due.sort_by(|a, b| (a.created, &a.content_id).cmp(&(b.created, &b.content_id)));

        let parallel = self.shared.options.parallel_blobs.get();
        let (sender, blobs) = mpsc::channel(parallel);
        let (shared, client) = (Arc::clone(&self.shared), self.client.clone());
        let cancel = cancel.clone();
        let task = tokio::spawn(async move {
            let ended = Ended::default();
            let fetches = stream::iter(due).map(|blob| async {
                if cancel.is_cancelled() || ended.has(blob.content_type) {
                    return None;
                }
                let fetched = tokio::select! {
                    fetched = fetch(&shared, &client, &blob) => fetched,
                    () = cancel.cancelled() => return None,
                };
                if let Fetched::Later(error) = &fetched {
                    ended.failed(blob.content_type, error.kind());
                }
                Some((blob, fetched))
            });
            let mut fetches = std::pin::pin!(fetches.buffer_unordered(parallel));
            while let Some(fetched) = fetches.next().await {
                if let Some(fetched) = fetched
                    && sender.send(fetched).await.is_err()
                {
                    return;
                }
            }
        });
        Fetching {
            blobs,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Writes down why a blob did not come, or when it is tried again.
    async fn give_up(
        &mut self,
        blob: &BlobKey,
        fetched: Fetched,
        polled: &mut Polled,
    ) -> audit_lake::Result<()> {
        let (state, reason) = match fetched {
            Fetched::Later(error) => {
                self.failed(blob, &error);
                return Ok(());
            }
            Fetched::Failed(error) => {
                let folder = self.shared.options.spool_folder.clone();
                let folder = folder.unwrap_or_else(std::env::temp_dir);
                let error = format!(
                    "a blob could not be kept in `{}` while it came: {error}; make room there",
                    folder.display()
                );
                self.later(blob, error, None);
                return Ok(());
            }
            Fetched::Expired(reason) => (BlobState::Expired, reason),
            Fetched::Lost(reason) => (BlobState::Lost, reason),
            Fetched::Whole(_) | Fetched::Flawed { .. } => return Ok(()),
        };
        if self.rests_as_lost(blob) {
            return Ok(());
        }
        tracing::warn!(tenant = %self.tenant, content_type = %blob.content_type, content_id = %blob.content_id, %reason, "a blob is lost");
        polled.settled += 1;
        self.write(vec![blob_entry(blob, state, Some(reason))])
            .await
    }

    fn failed(&mut self, blob: &BlobKey, error: &ApiError) {
        let now = self.now();
        self.later(blob, error.to_string(), error.retry_after());
        let run = self.runs.entry(blob.content_type.as_str()).or_default();
        let kind = error.kind();
        if ends_all(kind) || ends_feed(kind) {
            run.failed(error, now);
        }
        if ends_all(kind) {
            self.stop(error);
        }
    }

    fn later(&mut self, blob: &BlobKey, error: String, wait: Option<std::time::Duration>) {
        let now = self.now();
        let feed = self.feeds.entry(blob.content_type.as_str()).or_default();
        if let Some(waiting) = feed.waiting.get_mut(&blob.content_id) {
            let retry = RETRY.saturating_mul(1 << waiting.attempts.min(10));
            waiting.next_attempt = now + micros(wait.unwrap_or(retry.min(RETRY_MAX)));
            waiting.attempts += 1;
            waiting.last_error = Some(error);
        } else if let Some(lost) = feed.given_up.get_mut(&blob.content_id) {
            lost.next_attempt = now + GIVEN_UP_AGAIN_MICROS;
        }
    }

    /// Puts off a blob that was called lost before: once is enough. Whether it was.
    fn rests_as_lost(&mut self, blob: &BlobKey) -> bool {
        let now = self.now();
        let feed = self.feeds.entry(blob.content_type.as_str()).or_default();
        let lost = feed.given_up.get_mut(&blob.content_id);
        lost.is_some_and(|lost| {
            lost.next_attempt = now + GIVEN_UP_AGAIN_MICROS;
            true
        })
    }

    /// One commit of records, then one of the ledger.
    async fn store(
        &mut self,
        arrived: Vec<Arrived>,
        polled: &mut Polled,
    ) -> audit_lake::Result<()> {
        let arrived: Vec<Arrived> = (arrived.into_iter())
            .filter(|arrived| arrived.flaw.is_none() || !self.rests_as_lost(&arrived.blob))
            .collect();
        if arrived.is_empty() {
            return Ok(());
        }
        let inputs = arrived.iter().flat_map(inputs).collect();
        let options = IngestOptions {
            tenant: Some(self.tenant),
            form: Some(Form::ContentBlob),
            threads: self.shared.options.threads,
            ledger: false,
            ..IngestOptions::default()
        };
        let report = {
            let _permit = self.shared.ingests.acquire().await;
            ingest(&self.shared.lake, inputs, options).await
        };
        let report = match report {
            Ok(report) => report,
            Err(IngestError::Lake(error)) => return Err(error),
            Err(error) => {
                return Err(audit_lake::Error::Internal {
                    message: error.to_string(),
                });
            }
        };
        let mut reports = report.inputs.iter();
        let mut entries = Vec::new();
        for arrived in &arrived {
            let pages: Vec<_> = reports
                .by_ref()
                .take(arrived.pages.len())
                .cloned()
                .collect();
            let pages = Report {
                inputs: pages,
                ..Report::default()
            };
            match stored(&pages) {
                Ok(stored) => {
                    polled.settled += 1;
                    polled.records += stored.records;
                    entries.push(Entry::Blob {
                        blob: arrived.blob.clone(),
                        state: match arrived.flaw {
                            None => BlobState::Stored,
                            Some(_) => BlobState::Lost,
                        },
                        stored: Some(stored),
                        reason: arrived.flaw.clone(),
                    });
                }
                Err(error) => self.later(&arrived.blob, error, None),
            }
        }
        self.write(entries).await
    }
}

/// Blobs that are being retrieved.
struct Fetching {
    blobs: mpsc::Receiver<(BlobKey, Fetched)>,
    _task: AbortOnDropHandle<()>,
}

fn inputs(arrived: &Arrived) -> impl Iterator<Item = Input> {
    let blob = &arrived.blob;
    let origin = Origin {
        content_type: Some(blob.content_type.as_str().to_owned()),
        content_id: Some(blob.content_id.to_string()),
        content_created: Some(blob.created),
    };
    arrived.pages.iter().map(move |page| {
        let (name, origin) = (blob.uri.clone(), origin.clone());
        match page {
            Body::Memory(bytes) => Input::of_bytes(name, bytes.clone(), origin),
            Body::File(path, size_bytes) => {
                Input::of_file(name, path.to_path_buf(), *size_bytes, origin)
            }
        }
    })
}

/// What the pages of a blob held, together.
fn stored(pages: &Report) -> Result<Stored, String> {
    let mut stored = Stored::default();
    let mut all = Contents::default();
    let mut hashes = Vec::new();
    for page in &pages.inputs {
        let (held, contents) = match (&page.outcome, &page.contents) {
            (Outcome::Stored { held, .. }, Some(contents)) => (held, contents),
            (Outcome::Failed(error) | Outcome::Skipped(error), _) => return Err(error.clone()),
            _ => return Err("it was not reached".to_owned()),
        };
        stored.held += held;
        stored.size_bytes += contents.size_bytes;
        hashes.push(contents.sha256.as_str());
        all.widen(contents.creation_times, contents.audit_version);
    }
    stored.audit_version = all.audit_version;
    stored.creation_times = all.creation_times;
    stored.records = pages.records();
    stored.duplicates = pages.duplicates();
    stored.rejects = pages.rejects();
    stored.sha256 = hashes.join(",");
    Ok(stored)
}
