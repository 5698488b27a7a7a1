//! One content type while it is collected: its subscription, and why data has stopped.

use std::time::Duration;

use audit_lake::micros;
use audit_schema::ContentType;

use super::TenantCollector;
use crate::error::{ApiError, ApiErrorKind, TokenErrorKind};
use crate::health::{Stop, StopCause};

/// How often the subscriptions are listed while all is well: somebody may have disabled one.
const SUBSCRIPTIONS_EVERY: Duration = Duration::from_secs(600);
/// One start in 15 minutes is allowed (quirk T2).
const START_EVERY: Duration = Duration::from_secs(15 * 60);
/// How often a start is tried while auditing is off (quirk T4).
const START_WHILE_OFF_EVERY: Duration = Duration::from_secs(3600);
/// How long a content type rests after trouble that passes by itself.
pub(super) const REST: Duration = Duration::from_secs(15);
const REST_MAX: Duration = Duration::from_secs(900);
/// How long it rests after trouble that somebody has to mend.
pub(super) const REST_UNTIL_MENDED: Duration = Duration::from_secs(300);

/// What is known of a content type beside the ledger; a restart forgets it.
#[derive(Debug, Clone, Default)]
pub(super) struct FeedRun {
    pub(super) subscribed: Option<bool>,
    pub(super) stop: Option<Stop>,
    /// When it was last listed to the end of its last window.
    pub(super) listed_at: Option<i64>,
    /// When the ledger was last told how far it is listed.
    pub(super) noted_at: Option<i64>,
    /// No start before.
    start_from: i64,
    /// No listing before.
    pub(super) list_from: i64,
    troubles: u32,
}

impl FeedRun {
    /// When the subscription is started, if it has to be.
    pub(super) fn next_start(&self) -> Option<i64> {
        (self.subscribed == Some(false)).then_some(self.start_from)
    }

    /// When it is listed, if it rests.
    pub(super) fn next_listing(&self) -> Option<i64> {
        self.stop.as_ref().map(|_| self.list_from)
    }

    /// Takes in that a call for it failed.
    pub(super) fn failed(&mut self, error: &ApiError, now: i64) {
        self.stop = Some(stop_of(error, now, self.stop.as_ref()));
        let rest = if ends_soon(error.kind()) {
            REST.saturating_mul(1 << self.troubles.min(5)).min(REST_MAX)
        } else {
            REST_UNTIL_MENDED
        };
        self.troubles += 1;
        self.list_from = now + micros(error.retry_after().unwrap_or(rest));
        if matches!(
            error.kind(),
            ApiErrorKind::NoSubscription | ApiErrorKind::SubscriptionDisabled
        ) {
            self.subscribed = Some(false);
        }
    }

    /// Takes in that all calls for it went well.
    pub(super) fn succeeded(&mut self) {
        self.stop = None;
        self.troubles = 0;
    }
}

impl TenantCollector {
    /// Lists the subscriptions where that is due, and starts those that are off. Never stops one: what becomes available
    /// between a stop and a start is lost.
    pub(super) async fn subscribe(&mut self) -> Result<(), ApiError> {
        let now = self.now();
        let is_due = self
            .subscriptions_at
            .is_none_or(|at| now - at >= micros(SUBSCRIPTIONS_EVERY))
            || self
                .runs
                .values()
                .any(|run| run.subscribed == Some(false) && run.start_from <= now);
        if is_due {
            let subscriptions = self.client.subscriptions().await?;
            let now = self.now();
            self.subscriptions_at = Some(now);
            for &content_type in &self.content_types {
                let is_enabled = subscriptions.iter().any(|subscription| {
                    subscription.content_type == content_type && subscription.status.is_enabled()
                });
                let run = self.runs.entry(content_type.as_str()).or_default();
                if run.subscribed == Some(true) && !is_enabled {
                    tracing::warn!(tenant = %self.tenant, %content_type, "the subscription was disabled by somebody");
                }
                run.subscribed = Some(is_enabled);
            }
        }
        for content_type in self.content_types.clone() {
            self.start(content_type).await?;
        }
        Ok(())
    }

    /// Starts the subscription if it is off and may be started. Fails only with what is wrong with the whole tenant.
    pub(super) async fn start(&mut self, content_type: ContentType) -> Result<(), ApiError> {
        let now = self.now();
        let run = self.runs.entry(content_type.as_str()).or_default();
        if run.subscribed == Some(true) || run.start_from > now {
            return Ok(());
        }
        let started = self.client.start(content_type).await;
        let now = self.now();
        let run = self.runs.entry(content_type.as_str()).or_default();
        run.start_from = now + micros(START_EVERY);
        match started {
            Ok(()) => {
                tracing::info!(tenant = %self.tenant, %content_type, "the subscription is started");
                run.subscribed = Some(true);
                run.succeeded();
                run.list_from = now;
            }
            Err(error) => {
                run.failed(&error, now);
                let wait = match error.kind() {
                    ApiErrorKind::StartTooSoon => error.retry_after().unwrap_or(START_EVERY),
                    ApiErrorKind::AuditingOff => START_WHILE_OFF_EVERY,
                    kind if super::ends_all(kind) => return Err(error),
                    kind if ends_soon(kind) => REST,
                    _ => START_EVERY,
                };
                run.start_from = now + micros(wait);
            }
        }
        Ok(())
    }
}

/// Why data stops after this error. An unchanged cause keeps the time since when it lasts.
pub(super) fn stop_of(error: &ApiError, now: i64, before: Option<&Stop>) -> Stop {
    let cause = match error.kind() {
        ApiErrorKind::Throttled => StopCause::Throttled,
        ApiErrorKind::AuditingOff => StopCause::AuditingOff,
        ApiErrorKind::NoSubscription
        | ApiErrorKind::SubscriptionDisabled
        | ApiErrorKind::StartTooSoon
        | ApiErrorKind::WebhookInvalid => StopCause::Subscription,
        ApiErrorKind::PermissionMissing => StopCause::Consent,
        ApiErrorKind::TokenRejected => StopCause::Credential,
        ApiErrorKind::Configuration | ApiErrorKind::ForeignUrl => StopCause::Configuration,
        ApiErrorKind::Credential(kind) => match kind {
            TokenErrorKind::NotConsented | TokenErrorKind::PermissionInvalid => StopCause::Consent,
            TokenErrorKind::ApplicationDisabled | TokenErrorKind::ResourceDisabled => {
                StopCause::ApplicationDisabled
            }
            TokenErrorKind::TenantUnknown | TokenErrorKind::ResourceMissing => {
                StopCause::Configuration
            }
            _ => StopCause::Credential,
        },
        _ => StopCause::Unavailable,
    };
    let since_micros = before
        .filter(|before| before.cause == cause)
        .map_or(now, |before| before.since_micros);
    Stop {
        cause,
        since_micros,
        message: error.to_string(),
    }
}

fn ends_soon(kind: ApiErrorKind) -> bool {
    matches!(
        kind,
        ApiErrorKind::Throttled
            | ApiErrorKind::Transient
            | ApiErrorKind::PageTokenStale
            | ApiErrorKind::WindowInvalid
            | ApiErrorKind::StartTooSoon
    )
}
