//! Errors of the API by what the caller does next; the detail is in the fields.

mod classify;
mod display;

use std::time::Duration;

use audit_lake::TenantId;
use audit_schema::ContentType;

pub(crate) use classify::{ALREADY_ENABLED, Refusal, classify, classify_success, is_error_object};

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// Too many requests: wait, at least for [`ApiError::retry_after`], and keep the cursor.
    Throttled,
    /// The service or the way to it is in trouble (408, 5xx, reset, time-out, HTML, not JSON): try later. May last days.
    Transient,
    /// A fresh token was refused too: report, try rarely.
    TokenRejected,
    /// The token lacks a permission, perhaps for this content type alone (`AF10001`): report, go on with the others.
    PermissionMissing,
    /// `AF20022`: start the subscription, list again.
    NoSubscription,
    /// `AF20023`: start once, then report; it is also the answer when auditing is off.
    SubscriptionDisabled,
    /// Auditing is off in the tenant, or was turned on lately: report, try hourly.
    AuditingOff,
    /// A start within 15 minutes of another one: wait for [`ApiError::retry_after`].
    StartTooSoon,
    /// `AF20055`, `AF20030`: clamp the window by the server's clock.
    WindowInvalid,
    /// `AF20031`, or paging that goes in a circle: list the window from its start.
    PageTokenStale,
    /// 404 or `AF20050` for a listed blob: try a few times, then it is lost.
    BlobGone,
    /// `AF20051`: the blob is lost, trying again is of no use.
    BlobExpired,
    /// `AF20052`: the blob's URL is damaged, trying again is of no use.
    BlobInvalid,
    /// An answer of success that is no array (empty, `null`, an object): try a few times, then it is lost.
    NotBlob,
    /// More than `ApiSettings::blob_bytes_max`: the blob is lost unless the limit is raised.
    BlobTooLarge,
    /// `AF20021`: the address for notifications did not answer as it has to.
    WebhookInvalid,
    /// Fatal for the tenant until the configuration is changed (`AF20001`–`AF20003`, `AF20010`–`AF20013`, `AF20020`).
    Configuration,
    /// No token: fatal until somebody changes what [`TokenErrorKind`] names.
    Credential(TokenErrorKind),
    /// The URL is not of the configured server: it was not asked, and got no token.
    ForeignUrl,
}

/// Why the token endpoint gives no token, for the administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// The host has no credential for the application, or one that cannot be used.
    NoCredential,
    /// The client secret is wrong.
    SecretWrong,
    /// The client secret is past its end.
    SecretExpired,
    /// The certificate is not registered with the application, or the key is not its own.
    CertificateRejected,
    /// The assertion's times are not the server's: a clock is wrong.
    AssertionExpired,
    /// The application is not in the tenant: wrong id, or nobody consented.
    NotConsented,
    /// The application is switched off for sign-in.
    ApplicationDisabled,
    /// There is no such tenant in this cloud.
    TenantUnknown,
    /// The Office 365 Management APIs are not in the tenant, or the cloud is another.
    ResourceMissing,
    /// The Office 365 Management APIs are switched off for sign-in in the tenant.
    ResourceDisabled,
    /// The application asks for a permission that no longer exists.
    PermissionInvalid,
    /// Something else: the message says what.
    Other,
}

/// Which call it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Token,
    Subscriptions,
    Start,
    Listing,
    Blob,
}

/// A call of the API that did not succeed, after what retrying the client does by itself.
///
/// `Display` tells an administrator in a sentence what happened and what to do. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError(Box<Detail>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) kind: ApiErrorKind,
    pub(crate) operation: Operation,
    pub(crate) tenant: TenantId,
    pub(crate) content_type: Option<ContentType>,
    pub(crate) content_id: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
}

impl ApiError {
    #[cold]
    pub(crate) fn new(detail: Detail) -> Self {
        Self(Box::new(detail))
    }

    pub(crate) fn operation(&self) -> Operation {
        self.0.operation
    }

    /// What to do next.
    pub fn kind(&self) -> ApiErrorKind {
        self.0.kind
    }

    /// Whose call it was.
    pub fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// The content type that it was about, if it was about one.
    pub fn content_type(&self) -> Option<ContentType> {
        self.0.content_type
    }

    /// The blob that it was about, if it was about one.
    pub fn content_id(&self) -> Option<&str> {
        self.0.content_id.as_deref()
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Microsoft's code: `AF20055`, `AADSTS7000215`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What the server said, or what happened on the way to it: one line, at most 256 bytes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// How long to wait at least, where it is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl std::error::Error for ApiError {}
