//! How a tenant's collection is doing, in figures and in words: what an administrator sees, and what a host alerts on.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How the collection of one tenant is doing. Times are the server's, in microseconds since 1970-01-01, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Health {
    /// When this was seen.
    pub at_micros: i64,
    /// Why nothing at all can be collected, if so.
    pub stopped: Option<Stop>,
    /// Each content type that is collected.
    pub content_types: BTreeMap<String, FeedHealth>,
}

/// How one content type is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FeedHealth {
    /// Why data has stopped, if it has.
    pub stopped: Option<Stop>,
    /// Whether the subscription is enabled, once that is known.
    pub subscribed: Option<bool>,
    /// When it was last listed to its end.
    pub last_listing_micros: Option<i64>,
    /// When a blob was last stored.
    pub last_blob_micros: Option<i64>,
    /// When the newest stored blob became available.
    pub last_content_created_micros: Option<i64>,
    /// How long after it became available that blob was stored, in microseconds.
    pub delay_micros: Option<i64>,
    /// When the newest stored record happened.
    pub last_record_micros: Option<i64>,
    /// Blobs that are listed and neither stored nor given up.
    pub backlog: u64,
    /// Since when the oldest of them has been available.
    pub oldest_waiting_micros: Option<i64>,
    /// Blobs that were given up, of the days that are still open.
    pub lost_blobs: u64,
    /// The last error of a blob that is tried again.
    pub last_error: Option<String>,
}

/// Why data has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stop {
    /// Why, for programs.
    pub cause: StopCause,
    /// Since when, in microseconds since 1970-01-01, UTC.
    pub since_micros: i64,
    /// What happened and what to do, for an administrator.
    pub message: String,
}

/// Why data has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopCause {
    /// Auditing is off in the tenant, or was turned on a short while ago.
    AuditingOff,
    /// The application has no consent, or a permission is missing.
    Consent,
    /// There is no credential, or it was refused or has expired.
    Credential,
    /// The application, or the API itself, is switched off for sign-in.
    ApplicationDisabled,
    /// The subscription is disabled and cannot be started yet.
    Subscription,
    /// The service limits the requests.
    Throttled,
    /// The service is in trouble, or the way to it.
    Unavailable,
    /// The service refuses the configuration.
    Configuration,
    /// The service answers well and has had nothing for a long time.
    NoActivity,
}

impl StopCause {
    /// Whether it is likely to pass without anybody doing anything.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::NoActivity)
    }
}

impl fmt::Display for StopCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AuditingOff => "auditing is off",
            Self::Consent => "consent or a permission is missing",
            Self::Credential => "the credential is missing or refused",
            Self::ApplicationDisabled => "the application is disabled",
            Self::Subscription => "the subscription is disabled",
            Self::Throttled => "throttled",
            Self::Unavailable => "the service is in trouble",
            Self::Configuration => "the configuration is refused",
            Self::NoActivity => "no activity",
        })
    }
}

impl Health {
    /// Why data has stopped, of the tenant or of one content type, with its name.
    pub fn stops(&self) -> impl Iterator<Item = (Option<&str>, &Stop)> {
        let tenant = self.stopped.iter().map(|stop| (None, stop));
        let feeds = self.content_types.iter().filter_map(|(name, feed)| {
            let stop = feed.stopped.as_ref()?;
            Some((Some(name.as_str()), stop))
        });
        tenant.chain(feeds)
    }

    /// Blobs that wait, of all content types.
    pub fn backlog(&self) -> u64 {
        self.content_types.values().map(|feed| feed.backlog).sum()
    }
}
