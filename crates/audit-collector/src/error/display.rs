//! What an administrator reads: what happened, what to do, and what the server said.

use std::fmt;

use super::{ApiError, ApiErrorKind, Operation, TokenErrorKind};

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tenant {}", self.tenant())?;
        if let Some(content_type) = self.content_type() {
            write!(formatter, ", {content_type}")?;
        }
        if let Some(content_id) = self.content_id() {
            write!(formatter, ", blob {content_id}")?;
        }
        let (happened, todo) = words(self.kind());
        write!(
            formatter,
            ": {} failed: {happened}; {todo}",
            self.operation()
        )?;
        if let Some(wait) = self.retry_after() {
            write!(formatter, " (not before {} s have passed)", wait.as_secs())?;
        }
        let status = self.status().map(|status| format!("HTTP {status}"));
        let said: Vec<&str> = [status.as_deref(), self.code(), Some(self.message())]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        if !said.is_empty() {
            write!(formatter, " [{}]", said.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Token => "asking for a token",
            Self::Subscriptions => "listing the subscriptions",
            Self::Start => "starting the subscription",
            Self::Listing => "listing content",
            Self::Blob => "retrieving content",
        })
    }
}

/// What happened, what to do.
fn words(kind: ApiErrorKind) -> (&'static str, &'static str) {
    match kind {
        ApiErrorKind::Throttled => (
            "Microsoft 365 limits the requests of this tenant",
            "collection goes on by itself after a pause; if it stays, look for other collectors of the tenant, or for a \
             publisher identifier that is shared with others",
        ),
        ApiErrorKind::Transient => (
            "the service or the way to it is in trouble",
            "collection tries again by itself; if it stays, check network and proxy, and the service health of \
             Microsoft 365",
        ),
        ApiErrorKind::TokenRejected => (
            "the API refused a token that is fresh",
            "check that the cloud is the tenant's own, and that the enterprise application is enabled for users to \
             sign in",
        ),
        ApiErrorKind::PermissionMissing => (
            "the application lacks a permission",
            "add the application permission ActivityFeed.Read (and ActivityFeed.ReadDlp for DLP.All) of the Office 365 \
             Management APIs, and have an administrator grant consent",
        ),
        ApiErrorKind::NoSubscription => (
            "there is no subscription for the content type",
            "it is started by itself",
        ),
        ApiErrorKind::SubscriptionDisabled => (
            "the subscription is disabled",
            "it is started again by itself; if it stays, turn auditing on in the Microsoft Purview portal",
        ),
        ApiErrorKind::AuditingOff => (
            "auditing is off in the tenant, or was turned on less than a day ago",
            "turn auditing on in the Microsoft Purview portal (Audit, Start recording user and admin activity); it \
             takes an hour, sometimes a day",
        ),
        ApiErrorKind::StartTooSoon => (
            "a subscription may be started once in 15 minutes",
            "it is tried again by itself",
        ),
        ApiErrorKind::WindowInvalid => (
            "the API does not list this time range",
            "check the clock of this machine; content older than 7 days can no longer be listed",
        ),
        ApiErrorKind::PageTokenStale => (
            "the next page can no longer be asked for",
            "the listing starts over by itself",
        ),
        ApiErrorKind::BlobGone => (
            "the content is listed, but not there",
            "it is tried again by itself, and then recorded as lost",
        ),
        ApiErrorKind::BlobExpired => ("the content has expired", "it is recorded as lost"),
        ApiErrorKind::BlobInvalid => (
            "the API does not know such a content id",
            "it is recorded as lost",
        ),
        ApiErrorKind::NotBlob => (
            "the answer is no array of records",
            "it is tried again by itself, and then recorded as lost",
        ),
        ApiErrorKind::BlobTooLarge => (
            "the content is larger than the limit",
            "raise the limit of bytes for a blob",
        ),
        ApiErrorKind::WebhookInvalid => (
            "the address for notifications did not answer the validation",
            "check that it is HTTPS, can be reached from the internet and answers 200",
        ),
        ApiErrorKind::Configuration => (
            "the API refuses the tenant or the request as it is configured",
            "check tenant id, client id and cloud, and that the tenant has a licence with auditing",
        ),
        ApiErrorKind::ForeignUrl => (
            "the URL is not of the configured server",
            "it was not asked, to keep the token from strangers; check the management root",
        ),
        ApiErrorKind::Credential(kind) => words_of_token(kind),
    }
}

fn words_of_token(kind: TokenErrorKind) -> (&'static str, &'static str) {
    match kind {
        TokenErrorKind::NoCredential => (
            "there is no credential that can be used",
            "give the application a client secret or a certificate",
        ),
        TokenErrorKind::SecretWrong => (
            "the client secret is wrong",
            "give the secret's value, not its id, or make a new one",
        ),
        TokenErrorKind::SecretExpired => (
            "the client secret has expired",
            "make a new one in the application's registration and give its value",
        ),
        TokenErrorKind::CertificateRejected => (
            "the certificate is not accepted",
            "upload it to the application's registration, and check that the private key is its own",
        ),
        TokenErrorKind::AssertionExpired => (
            "the signed assertion is outside its time",
            "check the clock of this machine",
        ),
        TokenErrorKind::NotConsented => (
            "the application is not in the tenant",
            "check the client id, and have an administrator of the tenant grant consent",
        ),
        TokenErrorKind::ApplicationDisabled => (
            "the application is disabled in the tenant",
            "set “Enabled for users to sign in?” to Yes in the properties of the enterprise application",
        ),
        TokenErrorKind::TenantUnknown => (
            "there is no such tenant in this cloud",
            "check the tenant id and the cloud",
        ),
        TokenErrorKind::ResourceMissing => (
            "the Office 365 Management APIs are not known in the tenant",
            "check the cloud, and that the tenant has Microsoft 365",
        ),
        TokenErrorKind::ResourceDisabled => (
            "the Office 365 Management APIs are disabled in the tenant",
            "set “Enabled for users to sign in?” to Yes in their properties (Enterprise applications, application type \
             Microsoft Applications, Office 365 Management APIs)",
        ),
        TokenErrorKind::PermissionInvalid => (
            "the application asks for a permission that no longer exists",
            "remove ActivityReports.Read and the threat intelligence permissions from its registration",
        ),
        TokenErrorKind::Other => (
            "the token endpoint gives no token",
            "see what it says, and check tenant id, client id and credential",
        ),
    }
}
