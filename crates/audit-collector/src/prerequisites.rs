//! What has to be so before records can come: each with its state, what was seen, and what an administrator does.
//!
//! Judged from what was seen alone, so that a check and the collection say the same of the same answers. How to turn
//! auditing on: <https://learn.microsoft.com/purview/audit-log-enable-disable>.

mod words;

use std::fmt;

use audit_lake::DAY_MICROS;
use audit_schema::ContentType;
use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::api::{Subscription, TokenClaims};
use crate::error::{ApiError, ApiErrorKind, TokenErrorKind};

const READ: &str = "ActivityFeed.Read";
const READ_DLP: &str = "ActivityFeed.ReadDlp";
/// How long before a credential ends it is said to be renewed.
const EXPIRY_WARNING_DAYS: i64 = 30;
/// A record that came later than this is a sign that auditing is on.
const RECORD_FRESH_DAYS: i64 = 2;

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PrerequisiteId {
    /// The token endpoint takes the application's secret or certificate.
    Credential,
    /// In the tenant, the Office 365 Management APIs are enabled for users to sign in.
    ApiEnabled,
    /// An administrator has consented to the application.
    Consent,
    /// The application has `ActivityFeed.Read`.
    ReadPermission,
    /// The application has `ActivityFeed.ReadDlp`; only where `DLP.All` is collected.
    ReadDlpPermission,
    /// Auditing is turned on in Microsoft 365.
    Auditing,
}

/// Whether it is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PrerequisiteState {
    /// It is.
    Met,
    /// It is not: do what is said.
    NotMet,
    /// What was seen does not tell.
    Unknown,
}

impl fmt::Display for PrerequisiteState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::Unknown => "unknown",
        })
    }
}

/// One of the things that have to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Prerequisite {
    /// What it is about.
    pub id: PrerequisiteId,
    /// The same in words.
    pub title: String,
    /// Whether it is so.
    pub state: PrerequisiteState,
    /// What was seen that tells so.
    pub seen: String,
    /// What an administrator does; empty where there is nothing to do.
    pub what_to_do: String,
}

/// What was seen of a tenant. What was not asked is `None` or not there.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// The time. Units: microseconds since 1970-01-01, UTC.
    pub now_micros: i64,
    /// What is to be collected.
    pub content_types: Vec<ContentType>,
    /// What became of asking for a token.
    pub token: Option<Result<TokenClaims, ApiError>>,
    /// When the certificate, or whatever the host knows it of, ends. Units: microseconds since 1970-01-01, UTC.
    pub credential_expires_micros: Option<i64>,
    /// What became of listing the subscriptions.
    pub subscriptions: Option<Result<Vec<Subscription>, ApiError>>,
    /// What became of other calls for a content type, starts and listings, the newest last. The last of each counts.
    pub calls: Vec<(ContentType, Result<(), ApiError>)>,
    /// When the newest record that the lake has came. Units: microseconds since 1970-01-01, UTC.
    pub last_record_micros: Option<i64>,
}

/// A judgement: state, what was seen, what to do.
type Judged = (PrerequisiteState, String, String);

/// What of the prerequisites is met, by what was seen: those first that the others need.
pub fn prerequisites(seen: &Observations) -> Vec<Prerequisite> {
    let mut judged = vec![
        (PrerequisiteId::Credential, credential(seen)),
        (PrerequisiteId::ApiEnabled, api_enabled(seen)),
        (PrerequisiteId::Consent, consent(seen)),
        (PrerequisiteId::ReadPermission, read_permission(seen)),
    ];
    if seen.content_types.contains(&ContentType::DlpAll) {
        judged.push((PrerequisiteId::ReadDlpPermission, read_dlp_permission(seen)));
    }
    judged.push((PrerequisiteId::Auditing, auditing(seen)));
    (judged.into_iter())
        .map(|(id, (state, seen, what_to_do))| Prerequisite {
            id,
            title: words::title(id).to_owned(),
            state,
            seen,
            what_to_do,
        })
        .collect()
}

fn met(seen: impl Into<String>) -> Judged {
    (PrerequisiteState::Met, seen.into(), String::new())
}

fn not_met(seen: impl Into<String>, what_to_do: impl Into<String>) -> Judged {
    (PrerequisiteState::NotMet, seen.into(), what_to_do.into())
}

fn unknown(seen: impl Into<String>) -> Judged {
    (PrerequisiteState::Unknown, seen.into(), String::new())
}

impl Observations {
    /// Why there is no token, where one was asked for.
    fn token_error(&self) -> Option<(TokenErrorKind, &ApiError)> {
        let error = self.token.as_ref()?.as_ref().err()?;
        match error.kind() {
            ApiErrorKind::Credential(kind) => Some((kind, error)),
            _ => None,
        }
    }

    fn claims(&self) -> Option<&TokenClaims> {
        self.token.as_ref()?.as_ref().ok()
    }

    /// The last call for each content type: what was so before counts no more.
    fn last_calls(&self) -> impl DoubleEndedIterator<Item = &(ContentType, Result<(), ApiError>)> {
        let is_last = |nth: usize, of: ContentType| {
            let mut later = self.calls.iter().skip(nth + 1);
            !later.any(|(content_type, _)| *content_type == of)
        };
        let calls = self.calls.iter().enumerate();
        calls.filter_map(move |(nth, call)| is_last(nth, call.0).then_some(call))
    }

    /// Answers of the API that are errors, the newest last.
    fn errors(&self) -> impl DoubleEndedIterator<Item = &ApiError> {
        let listed = (self.subscriptions.iter()).filter_map(|one| one.as_ref().err());
        listed.chain((self.last_calls()).filter_map(|(_, call)| call.as_ref().err()))
    }

    /// The newest error of this kind.
    fn error_of(&self, kind: ApiErrorKind) -> Option<&ApiError> {
        self.errors().rev().find(|error| error.kind() == kind)
    }

    /// Whether the API did what it was asked, so that the token was good.
    fn has_answer(&self) -> bool {
        matches!(self.subscriptions, Some(Ok(_))) || self.last_calls().any(|(_, call)| call.is_ok())
    }

    /// What became of the last call for a content type.
    fn last_call(&self, of: ContentType) -> Option<&Result<(), ApiError>> {
        let mut calls = self.last_calls();
        calls.find_map(|(content_type, call)| (*content_type == of).then_some(call))
    }
}

fn credential(seen: &Observations) -> Judged {
    use TokenErrorKind as T;
    if let Some((kind, error)) = seen.token_error() {
        return match kind {
            T::NoCredential
            | T::SecretWrong
            | T::SecretExpired
            | T::CertificateRejected
            | T::AssertionExpired
            | T::TenantUnknown => not_met(said(error), words::credential(kind)),
            // Who is refused for what it may do was known by what it has.
            T::ApplicationDisabled
            | T::NotConsented
            | T::ResourceMissing
            | T::ResourceDisabled
            | T::PermissionInvalid => unknown(said(error)),
            T::Other => not_met(said(error), words::CREDENTIAL_OTHER),
        };
    }
    if let Some(error) = seen.error_of(ApiErrorKind::TokenRejected) {
        return not_met(said(error), words::TOKEN_REJECTED);
    }
    let expires = seen.credential_expires_micros.map(|expires_micros| {
        let days = expires_micros.saturating_sub(seen.now_micros) / DAY_MICROS;
        (expires_micros, days)
    });
    match (expires, seen.claims().is_some() || seen.has_answer()) {
        (Some((expires_micros, _)), _) if expires_micros <= seen.now_micros => not_met(
            format!("it expired on {}", date(expires_micros)),
            words::RENEW_CREDENTIAL,
        ),
        (Some((expires_micros, days)), true) if days < EXPIRY_WARNING_DAYS => (
            PrerequisiteState::Met,
            format!(
                "accepted; it expires on {}, in {days} days",
                date(expires_micros)
            ),
            words::RENEW_CREDENTIAL.to_owned(),
        ),
        (Some((expires_micros, _)), true) => {
            met(format!("accepted; it expires on {}", date(expires_micros)))
        }
        (None, true) => met("accepted"),
        (_, false) => unknown(no_token(seen)),
    }
}

fn api_enabled(seen: &Observations) -> Judged {
    use TokenErrorKind as T;
    match seen.token_error() {
        Some((
            kind @ (T::ResourceDisabled | T::ApplicationDisabled | T::ResourceMissing),
            error,
        )) => not_met(said(error), words::api_enabled(kind)),
        Some((_, error)) => unknown(said(error)),
        None if seen.claims().is_some() || seen.has_answer() => {
            met("a token for the Office 365 Management APIs was issued")
        }
        None => unknown(no_token(seen)),
    }
}

fn consent(seen: &Observations) -> Judged {
    use TokenErrorKind as T;
    match seen.token_error() {
        Some((kind @ (T::NotConsented | T::PermissionInvalid), error)) => {
            return not_met(said(error), words::consent(kind));
        }
        Some((_, error)) => return unknown(said(error)),
        None => {}
    }
    match seen.claims().and_then(|claims| claims.permissions.as_ref()) {
        Some(permissions) if permissions.is_empty() => not_met(
            "the token has no permission at all",
            words::consent(T::NotConsented),
        ),
        Some(permissions) => met(format!("the token has {}", permissions.join(", "))),
        None if seen.has_answer() => met("the API answers"),
        None => match seen.error_of(ApiErrorKind::PermissionMissing) {
            Some(error) => not_met(said(error), words::consent(T::NotConsented)),
            None => unknown(no_token(seen)),
        },
    }
}

fn read_permission(seen: &Observations) -> Judged {
    let claims = seen.claims().and_then(|claims| claims.allows(READ));
    let refused = seen.errors().rev().find(|error| {
        error.kind() == ApiErrorKind::PermissionMissing
            && error.content_type() != Some(ContentType::DlpAll)
    });
    match (claims, refused) {
        (Some(false), _) => not_met(format!("the token lacks {READ}"), words::permission(READ)),
        // Each content type is refused by itself: one that answers does not speak for another (T21).
        (Some(true), Some(error)) => not_met(said(error), words::TOKEN_OF_BEFORE),
        (None, Some(error)) => not_met(said(error), words::permission(READ)),
        (Some(true), None) => met(format!("the token has {READ}")),
        (None, None) if seen.has_answer() => met("the API answers"),
        (None, None) => unknown(no_token(seen)),
    }
}

fn read_dlp_permission(seen: &Observations) -> Judged {
    let claims = seen.claims().and_then(|claims| claims.allows(READ_DLP));
    let call = seen.last_call(ContentType::DlpAll);
    match (claims, call) {
        (Some(false), _) => not_met(
            format!("the token lacks {READ_DLP}"),
            words::permission(READ_DLP),
        ),
        (_, Some(Err(error))) if error.kind() == ApiErrorKind::PermissionMissing => not_met(
            said(error),
            match claims {
                Some(_) => words::TOKEN_OF_BEFORE.to_owned(),
                None => words::permission(READ_DLP),
            },
        ),
        (Some(true), _) => met(format!("the token has {READ_DLP}")),
        (None, Some(Ok(()))) => met("the API answers for DLP.All"),
        (None, _) => unknown(no_token(seen)),
    }
}

fn auditing(seen: &Observations) -> Judged {
    if let Some(error) = seen.error_of(ApiErrorKind::AuditingOff) {
        return not_met(said(error), words::AUDITING);
    }
    let not_set_up = |error: &&ApiError| error.code() == Some("AF20012");
    if let Some(error) = seen.errors().rev().find(not_set_up) {
        return not_met(said(error), words::LICENCE);
    }
    let fresh_micros = seen
        .now_micros
        .saturating_sub(RECORD_FRESH_DAYS * DAY_MICROS);
    if let Some(last_micros) = seen.last_record_micros.filter(|last| *last >= fresh_micros) {
        return met(format!("the last record came on {}", date(last_micros)));
    }
    if let Some(error) = seen.error_of(ApiErrorKind::SubscriptionDisabled) {
        let what_to_do = words::SUBSCRIPTION_DISABLED;
        return (
            PrerequisiteState::Unknown,
            said(error),
            what_to_do.to_owned(),
        );
    }
    if seen.last_calls().any(|(_, call)| call.is_ok()) {
        return met("subscriptions are on, which they cannot be without auditing");
    }
    let enabled = seen.subscriptions.iter().flatten().flatten();
    match enabled.filter(|one| one.status.is_enabled()).count() {
        0 => unknown("no subscription was started yet, and no record has come lately"),
        count => {
            let has_records = seen.last_record_micros.map_or_else(
                || "no record has come yet".to_owned(),
                |last_micros| format!("the last record came on {}", date(last_micros)),
            );
            let what_to_do = words::SUBSCRIPTION_DISABLED;
            let seen = format!("{count} subscriptions are on, and {has_records}");
            (PrerequisiteState::Unknown, seen, what_to_do.to_owned())
        }
    }
}

/// What Microsoft said, with its code.
fn said(error: &ApiError) -> String {
    let parts = [error.code(), Some(error.message())];
    let parts: Vec<&str> = (parts.into_iter().flatten())
        .filter(|part| !part.is_empty())
        .collect();
    match (parts.is_empty(), error.status()) {
        (true, Some(status)) => format!("HTTP {status} without a text"),
        (true, None) => "no answer".to_owned(),
        (false, _) => parts.join(": "),
    }
}

/// Why there is nothing to judge by.
fn no_token(seen: &Observations) -> String {
    let asked = seen.token.as_ref().and_then(|token| token.as_ref().err());
    match asked.or_else(|| seen.errors().next_back()) {
        Some(error) => said(error),
        None => "not checked yet".to_owned(),
    }
}

fn date(micros: i64) -> String {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => time.format("%Y-%m-%d %H:%M UTC").to_string(),
        None => format!("{micros} µs after 1970"),
    }
}

#[cfg(test)]
mod tests;
