//! Listings: which blobs there are.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use audit_lake::micros;
use audit_schema::ContentType;
use futures::future::join_all;

use super::{TenantCollector, blob_entry, ends_all};
use crate::api::{ApiClient, ContentBlobRef};
use crate::error::{ApiError, ApiErrorKind};
use crate::feeds::Feed;
use crate::ledger::{BlobKey, BlobState, Entry, WindowState};
use crate::timeline::{Rules, Timeline, Windows};

/// How often a window is listed anew because its next page can no longer be asked for (quirk T16).
const RESTARTS_MAX: u32 = 5;
/// How often the ledger is told how far a feed is listed while nothing new comes: after an outage, what was missed begins
/// at the last of these.
const NOTED_EVERY: std::time::Duration = std::time::Duration::from_secs(900);

/// What the listings of one content type brought.
#[derive(Debug, Default)]
struct Listed {
    blobs: Vec<BlobKey>,
    /// Windows that were listed to their end, and when.
    windows: Vec<(Range<i64>, i64)>,
    error: Option<ApiError>,
}

impl TenantCollector {
    /// Lists all content types side by side, and writes down what there is; once more where a subscription was found off
    /// and is started.
    pub(super) async fn list(&mut self, windows: Windows) -> audit_lake::Result<()> {
        if self.list_once(windows).await? {
            self.list_once(Windows::Due).await?;
        }
        Ok(())
    }

    /// Whether a subscription was started.
    async fn list_once(&mut self, windows: Windows) -> audit_lake::Result<bool> {
        let now = self.now();
        let rules = self.rules;
        let nothing = Feed::default();
        let listings = self.content_types.iter().filter_map(|&content_type| {
            let run = self.runs.get(content_type.as_str())?;
            let may_list = run.subscribed != Some(false) && run.list_from <= now;
            let feed = self.feeds.get(content_type.as_str()).unwrap_or(&nothing);
            may_list.then(|| list_feed(&self.client, content_type, feed, rules, windows))
        });
        let listed = join_all(listings).await;
        let mut entries = Vec::new();
        let mut is_started = false;
        for (content_type, listed) in listed {
            is_started |= self.take_in(content_type, listed, &mut entries).await;
        }
        entries.extend(self.beginnings(&entries));
        self.write(entries).await?;
        Ok(is_started)
    }

    /// Where content types begin that cannot be listed yet: if that lasts, what is missed is named.
    fn beginnings(&self, entries: &[Entry]) -> Vec<Entry> {
        let now = self.now();
        let begins = self.content_types.iter().filter_map(|&content_type| {
            let is_listed = entries.iter().any(|entry| {
                matches!(entry, Entry::Window { content_type: listed, .. } if *listed == content_type)
            });
            let begin = match self.feeds.get(content_type.as_str()) {
                Some(feed) => feed.timeline.begins_now(now),
                None => Timeline::default().begins_now(now),
            };
            begin.filter(|_| !is_listed).map(|begin| Entry::Window {
                content_type,
                window: begin..begin,
                state: WindowState::Listed,
                reason: None,
            })
        });
        begins.collect()
    }

    /// Whether the subscription was found off and is started.
    async fn take_in(
        &mut self,
        content_type: ContentType,
        listed: Listed,
        entries: &mut Vec<Entry>,
    ) -> bool {
        let now = self.now();
        let run = self.runs.entry(content_type.as_str()).or_default();
        if let Some(error) = &listed.error {
            run.failed(error, now);
        } else {
            run.succeeded();
            run.listed_at = Some(now);
        }
        if let Some(error) = listed.error.as_ref().filter(|error| ends_all(error.kind())) {
            self.stop(error);
        }
        let run = self.runs.entry(content_type.as_str()).or_default();
        let is_noted = listed.blobs.is_empty()
            && (run.noted_at).is_some_and(|at| now - at < micros(NOTED_EVERY));
        let feed = self.feeds.entry(content_type.as_str()).or_default();
        for (window, at) in listed.windows {
            if is_noted {
                feed.timeline.listed(window, at);
            } else {
                run.noted_at = Some(now);
                entries.push(Entry::Window {
                    content_type,
                    window,
                    state: WindowState::Listed,
                    reason: None,
                });
            }
        }
        entries.extend((listed.blobs.iter()).map(|blob| blob_entry(blob, BlobState::Listed, None)));
        let is_off = listed.error.is_some_and(|error| {
            matches!(
                error.kind(),
                ApiErrorKind::NoSubscription | ApiErrorKind::SubscriptionDisabled
            )
        });
        if is_off && let Err(error) = self.start(content_type).await {
            tracing::debug!(%error, "a subscription could not be started");
        }
        let run = self.runs.get(content_type.as_str());
        is_off && run.is_some_and(|run| run.subscribed == Some(true))
    }
}

async fn list_feed(
    client: &ApiClient,
    content_type: ContentType,
    feed: &Feed,
    rules: Rules,
    which: Windows,
) -> (ContentType, Listed) {
    let mut listed = Listed::default();
    let mut seen = HashSet::new();
    let mut is_clamped = false;
    let mut windows = feed.timeline.due(client.server_now_micros(), rules, which);
    windows.reverse();
    while let Some(window) = windows.pop() {
        let at = client.server_now_micros();
        let mut take = |page: Vec<ContentBlobRef>| {
            for blob in page {
                let id: Arc<str> = blob.content_id.into();
                if !feed.knows(&id) && seen.insert(Arc::clone(&id)) {
                    listed.blobs.push(BlobKey {
                        content_type,
                        content_id: id,
                        uri: blob.content_uri.into(),
                        created: blob.created_micros,
                        expires: blob.expires_micros,
                    });
                }
            }
        };
        match list_window(client, content_type, &window, &mut take).await {
            Ok(()) => listed.windows.push((window, at)),
            // The server's clock is known better now (quirk T12).
            Err(error) if error.kind() == ApiErrorKind::WindowInvalid && !is_clamped => {
                is_clamped = true;
                let due = feed.timeline.due(client.server_now_micros(), rules, which);
                windows = due
                    .into_iter()
                    .filter(|due| due.end >= window.end)
                    .collect();
                windows.reverse();
            }
            Err(error) => {
                listed.error = Some(error);
                break;
            }
        }
    }
    (content_type, listed)
}

async fn list_window(
    client: &ApiClient,
    content_type: ContentType,
    window: &Range<i64>,
    take: &mut impl FnMut(Vec<ContentBlobRef>),
) -> Result<(), ApiError> {
    let mut restarts = 0;
    let mut listing = client.listing(content_type, window.start, window.end);
    loop {
        match listing.next_page().await {
            Ok(Some(page)) => take(page),
            Ok(None) => return Ok(()),
            Err(error)
                if error.kind() == ApiErrorKind::PageTokenStale && restarts < RESTARTS_MAX =>
            {
                restarts += 1;
                listing = client.listing(content_type, window.start, window.end);
            }
            Err(error) => return Err(error),
        }
    }
}
