//! `subscriptions/content`: the time rules and the pages.

use std::cell::Cell;

use serde_json::Value;
use url::form_urlencoded;

use super::access::Claims;
use super::blob::PublishedBlob;
use super::call::Call;
use super::clock::{DAY, SECOND, millis_text, parse_time, zoneless_text};
use super::options::ImplicitWindow;
use super::reply::Reply;
use super::server::Shared;
use super::subscription::{self, Subscription};
use super::tenant::{TenantSettings, canonical};
use crate::random::split_mix;

/// The window that is listed: from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    start: i64,
    end: i64,
}

impl Window {
    pub(crate) fn of(
        call: &Call,
        now_micros: i64,
        implicit: ImplicitWindow,
        partial: bool,
    ) -> Result<Self, Reply> {
        let time = |name: &str| match call.parameter(name) {
            None => Ok(None),
            Some(text) => parse_time(text)
                .map(|micros| Some(micros - micros.rem_euclid(1_000)))
                .ok_or_else(|| {
                    let message =
                        format!("Invalid parameter type: {name}. Expected type: DateTime");
                    Reply::error(400, "AF20002", &message)
                }),
        };
        let (start, mut end) = match (time("startTime")?, time("endTime")?) {
            (Some(start), Some(end)) => (start, end),
            (None, None) => {
                let start = match implicit {
                    ImplicitWindow::LastDay => now_micros - DAY,
                    ImplicitWindow::SinceMidnight => now_micros - now_micros.rem_euclid(DAY),
                };
                // Whole seconds, which is what the next page's URL has; the end after all there is.
                let end = now_micros + SECOND - now_micros.rem_euclid(SECOND);
                (
                    start - start.rem_euclid(SECOND),
                    end.min(start - start.rem_euclid(SECOND) + DAY),
                )
            }
            _ => return Err(bad_window()),
        };
        if partial && end > start + DAY {
            end = start + DAY;
        }
        if start < now_micros - 7 * DAY || start >= end || end - start > DAY {
            return Err(bad_window());
        }
        Ok(Self { start, end })
    }

    pub(crate) fn contains(self, micros: i64) -> bool {
        (self.start..self.end).contains(&micros)
    }
}

fn bad_window() -> Reply {
    Reply::error(
        400,
        "AF20055",
        "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours \
         apart, with the start time prior to end time and start time no more than 7 days in the past.",
    )
}

/// How far a listing was read: everything after the last entry is the next page, also what came to be listed since.
#[derive(Debug)]
pub(crate) struct Page {
    after: Option<(i64, usize)>,
    last: Cell<(i64, usize)>,
}

impl Page {
    pub(crate) fn of(call: &Call, content_type: &str, window: Window) -> Result<Self, Reply> {
        let after = match call.parameter("nextPage") {
            None => None,
            Some(token) => {
                Some(position_of(token, content_type, window).ok_or_else(|| stale(token))?)
            }
        };
        Ok(Self {
            after,
            last: Cell::new((0, 0)),
        })
    }

    /// Whether an entry is after the pages that were read.
    pub(crate) fn is_before(&self, position: (i64, usize)) -> bool {
        self.after.is_none_or(|after| position > after)
    }

    pub(crate) fn reach(&self, position: (i64, usize)) {
        self.last.set(position);
    }
}

pub(crate) fn stale(token: &str) -> Reply {
    Reply::error(400, "AF20031", &format!("Invalid nextPage Input: {token}."))
}

/// A page token: position and check digits, which bind it to the listing that it is of.
fn token_of((micros, index): (i64, usize), content_type: &str, window: Window) -> String {
    let mut state = micros as u64 ^ (index as u64).rotate_left(40);
    for part in [window.start as u64, window.end as u64] {
        state = split_mix(&mut state) ^ part;
    }
    for byte in content_type.to_ascii_lowercase().bytes() {
        state = split_mix(&mut state) ^ u64::from(byte);
    }
    format!(
        "{micros}R{index:09}{:06}",
        split_mix(&mut state) % 1_000_000
    )
}

fn position_of(token: &str, content_type: &str, window: Window) -> Option<(i64, usize)> {
    let (micros, rest) = token.split_once('R')?;
    let position = (micros.parse().ok()?, rest.get(..9)?.parse().ok()?);
    (token_of(position, content_type, window) == token).then_some(position)
}

/// The URL of the next page. As in the documentation it has version `v1` and no publisher.
pub(crate) fn next_page_uri(
    root: &str,
    call: &Call,
    content_type: &str,
    window: Window,
    page: &Page,
) -> String {
    let operation = if call.operation == super::requests::ApiOperation::ListContent {
        "content"
    } else {
        "notifications"
    };
    let time = |micros: i64| {
        if micros % SECOND == 0 {
            zoneless_text(micros)
        } else {
            millis_text(micros)
        }
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("contentType", content_type)
        .append_pair("startTime", &time(window.start))
        .append_pair("endTime", &time(window.end))
        .append_pair("nextPage", &token_of(page.last.get(), content_type, window))
        .finish();
    let tenant = &call.tenant;
    format!("{root}/api/v1/{tenant}/activity/feed/subscriptions/{operation}?{query}")
}

impl Shared {
    pub(crate) fn list_content(&self, call: &Call, claims: &Claims) -> Result<Reply, Reply> {
        let content_type = subscription::content_type(call)?;
        let now = self.clock.now_micros();
        self.read_tenant(&claims.tid, |tenant| {
            let known = self.subscription(tenant, claims, content_type)?;
            let settings = &tenant.settings;
            let window = Window::of(
                call,
                now,
                self.options.implicit_window,
                settings.partial_wide_windows,
            )?;
            let page = Page::of(call, content_type, window)?;
            let mut listed: Vec<((i64, usize), &PublishedBlob)> = tenant
                .blobs
                .iter()
                .enumerate()
                .filter(|(_, blob)| {
                    canonical(content_type) == Some(blob.content_type.as_str())
                        && window.contains(blob.created_micros)
                        && is_listed(blob, known, settings, now)
                })
                .map(|(index, blob)| ((available(blob), index), blob))
                .filter(|(position, _)| page.is_before(*position))
                .collect();
            listed.sort_unstable_by_key(|(position, _)| *position);
            let size = settings.page_size.max(1);
            let has_more = listed.len() > size;
            listed.truncate(size);
            let entries: Vec<Value> = listed.iter().map(|(_, blob)| self.entry(blob)).collect();
            let reply = Reply::json(&Value::Array(entries));
            let (Some((last, _)), true) = (listed.last(), has_more) else {
                return Ok(reply);
            };
            page.reach(*last);
            let uri = next_page_uri(self.management_root(), call, content_type, window, &page);
            Ok(reply.with_header("nextpageuri", uri))
        })
    }
}

/// When a blob came to be listed, which is the order of listings.
fn available(blob: &PublishedBlob) -> i64 {
    blob.created_micros.max(blob.listed_from_micros)
}

fn is_listed(
    blob: &PublishedBlob,
    subscription: &Subscription,
    settings: &TenantSettings,
    now: i64,
) -> bool {
    let first = subscription.first_started_micros;
    let in_gap = |(stopped, started): &(i64, i64)| (*stopped..*started).contains(&available(blob));
    available(blob) <= now
        && now >= first + settings.first_content_delay_micros
        && settings
            .backfill_micros
            .is_none_or(|backfill| blob.created_micros >= first - backfill)
        && !subscription.gaps.iter().any(in_gap)
}
